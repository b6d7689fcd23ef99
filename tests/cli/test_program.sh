#!/bin/sh
# The program from outside: exit codes, suggestions, streams. Usage: test_program.sh PROGRAM
set -u
program=$1
failed=0

# expect STATUS WORD... -- PART: the call exits with STATUS and its output (both streams) contains PART
expect() {
    status=$1
    shift
    words=
    while [ "$1" != -- ]; do
        words="$words $1"
        shift
    done
    # shellcheck disable=SC2086 # one word an argument
    output=$("$program" $words 2>&1)
    got=$?
    case $output in
    *"$2"*) [ $got = "$status" ] && return ;;
    esac
    echo "scatterloop$words: status $got (expected $status), output without '$2': $output"
    failed=1
}

expect 0 --version -- "scatterloop 0"
expect 0 -- "Usage: scatterloop"
expect 0 --help -- "Exit status:"
expect 0 help completion -- "Examples:"
expect 0 completion --help -- "Examples:"
expect 0 help --man completion -- ".SH SYNOPSIS"
expect 2 hlep -- "did you mean 'help'?"
expect 2 completion -- "0 arguments given"
expect 2 completion csh -- "unknown shell"
expect 2 completion bash --dry-run -- "no --dry-run"
expect 2 help --jsn -- "did you mean --json?"
expect 2 help --json nonsense -- '"error":"INVALID"'
expect 3 help --config /nowhere/at/all.yaml -- "cannot open"
for shell in bash zsh fish; do
    expect 0 completion $shell -- "completion"
done
"$program" completion bash | bash -n || failed=1

# the same images by one process and by three shards
folder=$(mktemp -d)
"$program" simulate -n 6 --size 64 --seed 3 --unreal 0.5 --out "$folder/all" -q || failed=1
for part in 0 1 2; do
    "$program" simulate -n 6 --size 64 --seed 3 --unreal 0.5 --shard $part/3 --out "$folder/part$part" -q -j 1 || failed=1
    for file in "$folder/part$part"/image_*; do
        cmp -s "$file" "$folder/all/${file##*/}" || { echo "$file differs between shards"; failed=1; }
    done
done
[ "$(wc -l <"$folder/all/metadata.jsonl")" = 6 ] || failed=1

# the physical tests on files: a clean image is possible, a pasted one is not; both are drawn
"$program" simulate -n 12 --size 256 --seed 5 --unreal 1 --out "$folder/unreal" -q || failed=1
"$program" check "$folder"/unreal/image_*.tif --draw "$folder/seen" --json -q >"$folder/check.json" || failed=1
[ "$(ls "$folder/seen" | wc -l)" = 12 ] || { echo "check drew $(ls "$folder/seen" | wc -l) pictures of 12"; failed=1; }
grep -q '"possible": *false' "$folder/check.json" || { echo "check finds none of 12 unreal images impossible"; failed=1; }
expect 0 check -a "$folder/unreal/image_000000.tif" -- "family-wise p"
expect 2 check -- "name files"
expect 2 check --beam-row 3 "$folder/unreal/image_000000.tif" -- "both --beam-row"
expect 3 check /nowhere/frame.edf -- "cannot open"
rm -r "$folder"
expect 2 simulate --shard 3/3 --out /tmp -- "expected I/N"
expect 3 simulate --class tem --out /tmp -- "gisaxs-lattice"
expect 2 evaluate --reference simulated:3 -- "--candidate SET"
expect 3 evaluate -r simulated:3 -c /nowhere/at/all -- "no file or folder '/nowhere/at/all'"
expect 0 evaluate -r simulated:12:1 -c simulated:12:2 --size 64 --spaces physical --draws 20 -- "auc-logistic"
expect 0 evaluate -r simulated:4:1 -c simulated:4:2 --size 64 --spaces physical --draws 20 --json -- "needs 10 images"
exit $failed
