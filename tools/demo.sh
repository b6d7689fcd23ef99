#!/bin/sh
# demo.sh PROGRAM [DIR]: the whole loop once, small enough for a laptop. Called by ./run demo.
set -eu
program=$(realpath "$1")
measured=${2:-}

say() {
    printf '\n== %s\n' "$*"
}

# run WORDS...: show the command as one would type it, then do it
run() {
    printf '\n$ scatterloop'
    for word in "$@"; do
        case $word in
        *' '*) printf ' "%s"' "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$program" "$@"
}

if [ ! -f models/base/model_index.json ]; then
    echo "demo: no models/base/model_index.json: this checkout is not whole" >&2
    exit 1
fi

number=1
while [ -e "demo-$number" ]; do number=$((number + 1)); done
workspace=$PWD/demo-$number
started=$(date +%s)

say "a workspace: $workspace"
run init "$workspace"
if [ -n "$measured" ]; then
    measured=$(realpath "$measured")
    cd "$workspace"
    say "your measured images"
    run import "$measured"
    origin=experimental
else
    cd "$workspace"
    say "stand-ins for measured images: SIMULATED, with an instrument and samples that the base model has never seen"
    run simulate -n 120 --seed 1001 --size 256 --domain held-out
    origin=simulated
fi

say "fine-tuning the generator on them (low-rank adapters; a few steps, to show that it works)"
run train lora --origin $origin --steps 100 --batch 4 --rate 0.001

say "simulated images, half of them with a known fault: the first classifier learns from these"
run simulate -n 300 --seed 2002 --size 256 --unreal 0.5

say "a first classifier"
run train classifier

say "two rounds: generate, classify, review by a SIMULATED expert, retrain"
set -- -n 2 --images 100 --steps 20 --expert simulated --queue 80
# without measured images there are no captions to take prompts from
[ $origin = experimental ] || set -- "$@" -p "SAXS data showing rings" -p "GISAXS data showing rods and a Yoneda band" \
    -p "WAXS data showing rings and a halo" -p "GIWAXS data showing arcs and a halo" -p "GISAXS data showing peaks"
run loop "$@"

say "the report"
run report

minutes=$((($(date +%s) - started + 30) / 60))
cat <<TEXT

Done in about $minutes minutes. The expert in this demonstration was simulated, and says so in every table.

  report        $workspace/report.html
  review page   cd $workspace && $program review --new 40

With your own frames:  ./run demo DIR
TEXT
