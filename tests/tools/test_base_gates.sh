#!/bin/sh
# base-gates from end to end, tiny: all gates are told, figures and pictures are kept, and a second run makes nothing anew.
# usage: test_base_gates.sh PROGRAM
set -eu
folder=$(mktemp -d /tmp/sl-test-XXXXXX)
trap 'rm -rf "$folder"' EXIT

gates() {
    status=0
    "$1" 8 --steps 1 --simulated 16 --out "$folder" >"$folder/$2" 2>"$folder/$2.log" || status=$?
    [ "$status" = 3 ] || { echo "FAILED: exit status $status of a model that cannot pass"; cat "$folder/$2.log"; exit 1; }
}

gates "$1" first
gates "$1" second
cmp "$folder/first" "$folder/second"
rows=$(grep -cE '\| (yes|\*\*no\*\*|open)( \(1\))? \|$' "$folder/first")
[ "$rows" = 15 ] || { echo "FAILED: $rows gates, expected 15"; cat "$folder/first"; exit 1; }
grep -q 'image' "$folder/second.log" && grep -q 'measured' "$folder/second.log" && { echo "FAILED: measured again"; exit 1; }
ls "$folder"/*/gates.md "$folder"/*/saxs.png >/dev/null
echo "base-gates: $rows gates, the second run like the first"
