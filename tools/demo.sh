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
    printf '\n$ scatterloop %s\n' "$*"
    "$program" "$@"
}

if [ ! -f models/base/model_index.json ]; then
    echo "demo: the base model's weights are not part of this version; './run base-model' trains them (about a day on two cores)" >&2
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
else
    cd "$workspace"
    say "stand-ins for measured images: SIMULATED, with an instrument and samples that the base model has never seen"
    run simulate -n 120 --seed 1001 --size 256 --domain held-out
fi

say "simulated images, half of them with a known fault: the first classifier learns from these"
run simulate -n 240 --seed 2002 --size 256 --unreal 0.5

say "fine-tuning the generator on the measured images (low-rank adapters; a few steps, to show that it works)"
run train lora --steps 30 --batch 2

say "a first classifier"
run train classifier --epochs 4

say "two rounds: generate, classify, review by a SIMULATED expert, retrain"
run loop -n 2 --images 40 --steps 20 --expert simulated --queue 40

say "the report"
run report

minutes=$((($(date +%s) - started + 30) / 60))
cat <<TEXT

Done in about $minutes minutes. The expert in this demonstration was simulated, and says so in every table.

  report        $workspace/report.html
  review page   cd $workspace && $program review --new 40

With your own frames:  ./run demo DIR
TEXT
