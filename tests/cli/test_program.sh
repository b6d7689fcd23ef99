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
expect 0 help --man -- ".SH COMMANDS"
expect 0 generate --help -- "--dry-run"
if "$program" completion --help | grep -q -- --dry-run; then
    echo "completion --help offers --dry-run, which it does not take"
    failed=1
fi
expect 2 hlep -- "did you mean 'help'?"
expect 2 completion -- "0 arguments given"
expect 2 completion csh -- "unknown shell"
expect 2 completion bash --dry-run -- "no --dry-run"
expect 2 help --jsn -- "did you mean --json?"
expect 2 help --json nonsense -- '"error":"INVALID"'
expect 3 help --config /nowhere/at/all.yaml -- "cannot open"
expect 0 train classifier --help -- "--evidence"
expect 0 round --help -- "--evidence"
expect 2 bench base-train-b16 --threads 1,two -- "--threads '1,two'"
expect 0 bench base-generate-30steps --threads 1,2 --repeats 1 --warmup 0 -- "times as fast as the first"
expect 2 train classifier --evidence optical -- "none|physical"
for shell in bash zsh fish; do
    expect 0 completion $shell -- "completion"
done
"$program" completion bash | bash -n || failed=1

# what would be a hundred times slower is said
if SL_ISA=avx2 "$program" doctor | grep -q '(avx2)'; then
    export SL_ISA=avx2
    expect 0 bench --memory --dtype bf16 -- "does not multiply it (avx2)"
    unset SL_ISA
fi

# a name that is not UTF-8 is told all the same
expect 3 --json inspect "/nowhere/$(printf 'm\374ller.edf')" -- 'm\\xfcller.edf'

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
# one group falls to one side: nothing is left to calibrate and to measure on, and that is said
expect 0 init "$folder/few" -- "ready"
expect 0 -w "$folder/few" import --group one "$folder/all" -- "note: no group has fallen to"
# and in every other format; archives hold the very files of a folder
for format in hdf5 npy webdataset; do
    "$program" simulate -n 5 --size 48 --seed 3 -f $format --per-archive 2 --out "$folder/$format" -q || failed=1
    for part in 0 1; do
        "$program" simulate -n 5 --size 48 --seed 3 -f $format --per-archive 2 --shard $part/2 --out "$folder/$format$part" -q || failed=1
    done
    for file in "$folder/$format"[01]/image*; do
        cmp -s "$file" "$folder/$format/${file##*/}" || { echo "$file differs between shards"; failed=1; }
    done
    [ "$(ls "$folder/$format"[01]/*image* | wc -l)" = "$(ls "$folder/$format"/*image* | wc -l)" ] || failed=1
done
"$program" simulate -n 5 --size 48 --seed 3 --out "$folder/files" -q || failed=1
mkdir "$folder/members"
for archive in "$folder/webdataset"/*.tar; do tar -xf "$archive" -C "$folder/members" || failed=1; done
rm "$folder/files/metadata.jsonl"
diff -r "$folder/files" "$folder/members" || failed=1
# a full disk is an error that says so, and leaves nothing under a final name; nor does a killed run
for format in tiff webdataset; do
    (
        trap '' XFSZ
        ulimit -f 8
        "$program" simulate -n 2 --size 128 -f $format --out "$folder/full" -q 2>"$folder/message"
    ) && { echo "$format: written to a full disk"; failed=1; }
    grep -q "too large" "$folder/message" || { cat "$folder/message"; failed=1; }
    [ -z "$(ls "$folder/full")" ] || { ls "$folder/full"; failed=1; }
done
"$program" simulate -n 100000 --size 64 -f webdataset --out "$folder/killed" -q &
process=$!
while [ ! -d "$folder/killed" ]; do sleep 0.1; done
sleep 1
kill -9 $process
wait $process 2>/dev/null
for archive in "$folder/killed"/*.tar; do
    [ ! -e "$archive" ] || tar -tf "$archive" >"$folder/listed" || { echo "$archive is half written"; failed=1; }
done

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
expect 3 simulate --instrument tem --out /tmp -- "beamline-saxs"
expect 3 simulate --parameters /nonexistent.yaml --out /tmp -- "nonexistent.yaml"
expect 3 simulate --class tem --out /tmp -- "gisaxs-lattice"
expect 2 evaluate --reference simulated:3 -- "--candidate SET"
expect 3 evaluate -r simulated:3 -c /nowhere/at/all -- "no file or folder '/nowhere/at/all'"
expect 0 evaluate -r simulated:12:1 -c simulated:12:2 --size 64 --spaces physical --draws 20 -- "auc-logistic"
expect 0 evaluate -r simulated:4:1 -c simulated:4:2 --size 64 --spaces physical --draws 20 --json -- "needs 10 images"
exit $failed
