#!/bin/sh
# base-gates from end to end, tiny: all gates are told, figures and pictures are kept, and a second run makes nothing anew.
# usage: test_base_gates.sh PROGRAM
set -eu
folder=$(mktemp -d /tmp/sl-test-XXXXXX)
trap 'rm -rf "$folder"' EXIT

gates() {
    status=0
    "$1" 8 --steps 1 --taught 16 --simulated 16 --out "$folder" >"$folder/$2" 2>"$folder/$2.log" || status=$?
    [ "$status" = 3 ] || { echo "FAILED: exit status $status of a model that cannot pass"; cat "$folder/$2.log"; exit 1; }
}

gates "$1" first
gates "$1" second
cmp "$folder/first" "$folder/second"
rows=$(grep -cE '\| (yes|\*\*no\*\*|open)( \(1\))? \|$' "$folder/first")
[ "$rows" = 17 ] || { echo "FAILED: $rows gates, expected 17"; cat "$folder/first"; exit 1; }
grep -q 'image' "$folder/second.log" && grep -q 'measured' "$folder/second.log" && { echo "FAILED: measured again"; exit 1; }
# kept samples of another program are refused: here the second one's expectation in place of the first one's
for database in "$folder"/*/samples/scatterloop.db; do
    python3 - "$database" <<'EOF'
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
ids = [row[0] for row in db.execute("SELECT id FROM image WHERE run_index IN (0, 1) ORDER BY run_index")]
first, second = (json.loads(db.execute("SELECT json FROM provenance WHERE image = ?", (i,)).fetchone()[0]) for i in ids)
first["expectation"] = second["expectation"]
db.execute("UPDATE provenance SET json = ? WHERE image = ?", (json.dumps(first), ids[0]))
db.commit()
EOF
done
status=0
"$1" 8 --steps 1 --taught 16 --simulated 16 --out "$folder" >/dev/null 2>"$folder/third.log" || status=$?
[ "$status" = 1 ] && grep -q 'not what this program makes' "$folder/third.log" || { echo "FAILED: other samples were taken, $status"; cat "$folder/third.log"; exit 1; }
ls "$folder"/*/gates.md "$folder"/*/saxs.png >/dev/null
echo "base-gates: $rows gates, the second run like the first"
