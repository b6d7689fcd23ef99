#!/bin/sh
# The example's image is the program's: the same truth by both. Usage: test_simulate_one.sh EXAMPLE PROGRAM
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
"$1" 7 2 "$folder/picture.pgm" >"$folder/truth.json"
[ "$(head -c 15 "$folder/picture.pgm" | head -n 2 | tr '\n' ' ')" = "P5 256 256 " ]
[ "$(wc -c <"$folder/picture.pgm")" = 65551 ]
printf 'class: saxs-form\nsaxs-form:\n  size_ang: [50, 90]\n  form: [sphere, cylinder]\n' >"$folder/given.yaml"
"$2" simulate -n 3 --shard 2/3 --size 256 --seed 7 --instrument beamline-saxs --parameters "$folder/given.yaml" --out "$folder" -q
# the file's hash is all that the example cannot know
grep -v parameters_sha256 "$folder/image_000002.json" | sed 's/^  },$/  }/' >"$folder/ours.json"
sed 's/^  },$/  }/' "$folder/truth.json" | cmp - "$folder/ours.json"
if "$1" 7 2>/dev/null; then exit 1; fi
