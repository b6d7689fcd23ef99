#!/bin/sh
# A core-only program from outside: what it is linked with, what it does, and that it does the same as the full
# build, named by SCATTERLOOP_FULL; without it the comparison is left out, and it says so.
# Usage: test_core_only.sh PROGRAM
set -u
program=$1
full=${SCATTERLOOP_FULL:-}
failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

complain() {
    echo "$*"
    failed=1
}

# expect STATUS PART WORD...: the call exits with STATUS and its output (both streams) contains PART
expect() {
    status=$1 part=$2
    shift 2
    output=$("$program" "$@" 2>&1)
    got=$?
    case $output in
    *"$part"*) [ $got = "$status" ] && return ;;
    esac
    complain "scatterloop $*: status $got (expected $status), output without '$part': $output"
}

# the C library and what belongs to it
foreign=$(ldd "$program" | sed 's/^[[:space:]]*//; s/ .*//' |
    grep -vE '^(linux-vdso\.so|libc\.so|libm\.so|libpthread\.so|libdl\.so|libgcc_s\.so|.*/ld-linux)' || true)
[ -z "$foreign" ] || complain "linked with: $foreign"
bytes=$(wc -c <"$program")
[ "$bytes" -lt $((30 << 20)) ] || complain "the program has $bytes bytes"

expect 0 "core-only" --version
expect 6 "'review' needs the full build" review
expect 3 "no workspaces" train lora
expect 6 "'train classifier' needs the full build" train classifier
expect 6 "needs the full build" doctor --workspace /tmp
expect 2 "did you mean 'simulate'" simulat
expect 3 "no workspaces" simulate
expect 0 "core-only" doctor

# settings for every run below
cat >"$folder/settings.yaml" <<EOF
review:             # a command of the full build
  port: 1
simulate: {seed: 5, size: 96, unreal: 0.5, count: 3}
train base:
  size: 64
  latents: 512
  vocabulary: 520
  unet-batch: 4
  unet-accumulate: 1
EOF
printf 'saxs-form:\n  energy_kev: [10, 11]\n' >"$folder/parameters.yaml"

# simulate_with PROGRAM NAME
simulate_with() {
    for format in tiff npy webdataset; do
        "$1" simulate --config "$folder/settings.yaml" -f $format --poni --expectation --out "$folder/$2/$format" -q ||
            complain "simulating as $format failed"
    done
    "$1" simulate -n 2 --size 64 -p "$folder/parameters.yaml" -c saxs-form -f npy --out "$folder/$2/given" -q ||
        complain "simulating with a parameter file failed"
    "$1" simulate -n 1 --size 64 -p "$folder/$2/given/image_000001.json" -f npy --out "$folder/$2/again" -q ||
        complain "simulating with the truth of an image failed"
}
simulate_with "$program" core
expect 6 "writing HDF5 needs the full build" simulate -n 1 -f hdf5 --out "$folder/hdf5" -q
expect 0 "float32" inspect "$folder/core/npy/image_000000.npy"
expect 6 "needs the full build" inspect "$folder/core/tiff/image_000000.tif"
expect 0 "[96, 96]" inspect "$folder/core/npy/image_000000.npy"

# train_with PROGRAM NAME STAGE STEPS
train_with() {
    "$1" train base --config "$folder/settings.yaml" --stage "$3" --unet-steps "$4" --out "$folder/$2" -q ||
        complain "stage $3 failed"
}
train_with "$program" trained vae 2
train_with "$program" trained latents 2
[ -z "$full" ] || cp -r "$folder/trained" "$folder/trained-full"
cp -r "$folder/trained" "$folder/other-draws"
train_with "$program" trained unet 2
sed -i 's/"seed": 1,/"seed": 9,/' "$folder/other-draws/model/scatterloop.json"
"$program" train base --config "$folder/settings.yaml" --seed 6 --stage unet --unet-steps 1 --out "$folder/other-draws" -q ||
    complain "training with another seed failed"
grep -q '"seed": 1,' "$folder/other-draws/model/scatterloop.json" || complain "the seed of the draws is given as that of the data"
expect 0 "fit" model show "$folder/trained/model"
# a last shard that is not full is made anew where more are wanted
for count in 520 530; do
    expect 0 "\"latents\": $count" train base --config "$folder/settings.yaml" --stage latents --latents $count --out "$folder/other-draws"
done
expect 8 "makes images of 64 px, --size asks for 128" train base --config "$folder/settings.yaml" --stage eval --size 128 \
    --eval-images 1 --out "$folder/other-draws"

# generate_with PROGRAM NAME MODEL
generate_with() {
    "$1" generate "GISAXS data showing peaks" "10 Å rings" -n 2 --steps 2 --seed 7 -f npy --model "$3" --out "$folder/$2" \
        --save-latents "$folder/$2.safetensors" -q || complain "generating failed"
}
generate_with "$program" generated "$folder/trained/model"

# adapt_with PROGRAM NAME: on the images of a folder
adapt_with() {
    "$1" train lora --images "$folder/core/npy" --model "$folder/trained/model" --size 64 --batch 1 --steps 2 --holdout 0.4 \
        --out "$folder/$2" -q || complain "train lora failed"
    rm -rf "$folder/$2"/lora-* # states tell the time
}
adapt_with "$program" adapter

if [ -z "$full" ]; then
    echo "skipped: the comparison with the full build; set SCATTERLOOP_FULL to its program"
    exit $failed
fi

# same NAME NAME: two folders hold the same; PNG files the same pixels, since those of core-only are not packed
same() {
    for file in $(cd "$folder/$1" && find . -type f ! -name '*.tar' | sort); do
        case $file in
        *.png)
            "$full" inspect "$folder/$1/$file" | grep -v ^source >"$folder/pixels"
            "$full" inspect "$folder/$2/$file" | grep -v ^source | cmp -s - "$folder/pixels" ;;
        *) cmp -s "$folder/$1/$file" "$folder/$2/$file" ;;
        esac || complain "$file is not the same in $1 and $2"
    done
}
simulate_with "$full" full
same core full
generate_with "$full" generated-full "$folder/trained/model"
same generated generated-full
cmp "$folder/generated.safetensors" "$folder/generated-full.safetensors" || failed=1
train_with "$full" trained-full unet 2
same trained/model trained-full/model
adapt_with "$full" adapter-full
same adapter adapter-full
# what one has begun the other goes on with: the same weights as from one alone
cp -r "$folder/trained" "$folder/resumed"
train_with "$full" resumed unet 4
train_with "$program" trained-full unet 4
same resumed/model trained-full/model
exit $failed
