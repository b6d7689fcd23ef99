#!/bin/sh
# real-data.sh PROGRAM FRAMES [OUT]: fine-tune the shipped generator on measured frames, and set what it makes beside frames of other
# instruments. Called by ./run real-data. FRAMES holds files and metadata.jsonl; what is learnt from and what is held out, whole
# groups of one instrument each, is in real-data-groups.tsv beside this script. Prints the tables of docs/real-data.md.
set -eu
program=$(realpath "$1")
frames=$(realpath "$2")
out=${3:-real-data}
groups=$(dirname "$(realpath "$0")")/real-data-groups.tsv
steps=${SCATTERLOOP_REAL_STEPS:-600}
count=${SCATTERLOOP_REAL_IMAGES:-120}

# part NAME: a folder of links to the frames of that part, with their captions
part() {
    rm -rf "${out:?}/$1"
    mkdir -p "$out/$1"
    : >"$out/$1/metadata.jsonl"
    awk -F '\t' -v part="$1" 'NR > 1 && $3 == part { print $1 }' "$groups" | while read -r file; do
        path=$(find "$frames" -name "$file" | head -n 1)
        if [ -z "$path" ]; then
            echo "real-data: '$frames' has no '$file'" >&2
            continue
        fi
        ln -s "$path" "$out/$1/$file"
        grep -hE "\"([^\"]*/)?$file\"" "$frames/metadata.jsonl" | head -n 1 |
            sed "s|\"file_name\": \"[^\"]*\"|\"file_name\": \"$file\"|" >>"$out/$1/metadata.jsonl"
    done
    echo "$1: $(wc -l <"$out/$1/metadata.jsonl") captioned frames"
}

# images NAME OPTION...: a run with the captions of the frames held out, the same prompts and noise each time
images() {
    name=$1
    shift
    [ -s "$out/$name.json" ] && return 0
    rm -rf "${out:?}/$name"
    sed 's|.*"text": "\([^"]*\)".*|\1|' "$out/held-out/metadata.jsonl" | sort >"$out/prompts.txt"
    while read -r prompt; do set -- "$@" "$prompt"; done <"$out/prompts.txt"
    "$program" -w "$out/workspace" generate --json -n "$count" --seed 4001 --out "$out/$name" "$@" >"$out/$name.part"
    mv "$out/$name.part" "$out/$name.json"
}

# set_of NAME: what evaluate calls it: a run of the workspace, or a folder
set_of() {
    if [ -s "$out/$1.json" ]; then
        sed -n 's/.*"run": *\([0-9]*\).*/run:\1/p' "$out/$1.json"
    else
        echo "$out/$1"
    fi
}

# compare REFERENCE CANDIDATE TITLE OPTION...: options of evaluate
compare() {
    reference=$(set_of "$1")
    candidate=$(set_of "$2")
    echo
    echo "## $3"
    shift 3
    "$program" -w "$out/workspace" evaluate --reference "$reference" --candidate "$candidate" --groups "$groups" "$@"
}

mkdir -p "$out"
part train
part held-out
[ -d "$out/workspace" ] || "$program" init "$out/workspace"
"$program" train lora --images "$out/train" --out "$out/lora" --steps "$steps" --batch 8 --rate 0.0005 --rank 16 --flip --holdout 0
adapter=$(find "$out/lora" -name '*.safetensors' ! -name 'state*' | sort | tail -n 1)
images plain
images tuned --lora "$adapter"
compare held-out plain "the shipped model beside frames of instruments held out" --report "$out/plain.html"
compare held-out tuned "the same, fine-tuned" --report "$out/tuned.html"
compare held-out plain "the shipped model, apart from noise and gaps, which resolution alone decides" --without noise --without gap
compare held-out tuned "the same, fine-tuned" --without noise --without gap
compare held-out train "frames learnt from beside frames held out: what another instrument is away"
compare train tuned "the fine-tuned model beside the frames that it learnt from"
