#!/bin/sh
# base-model.sh PROGRAM [--minutes N] [--stage STAGE] [--device NAME]: train models by the recipe of the shipped ones (of the denoiser, its first training). Called by ./run base-model.
# States are kept in base-model/ ($SCATTERLOOP_BASE_DIR); every stage goes on where it was stopped.
set -eu
program=$1
shift
minutes=0
device=cpu
stages="vae latents unet decoder encoder backbone eval"
while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2 ;;
    --stage) stages=$2 ;;
    --device) device=$2 ;;
    *)
        echo "base-model.sh: unknown option '$1'; there are --minutes N, --stage NAME and --device NAME" >&2
        exit 2
        ;;
    esac
    shift 2
done
out=${SCATTERLOOP_BASE_DIR:-base-model}
end=$(($(date +%s) + minutes * 60))
for stage in $stages; do
    left=0
    if [ "$minutes" -gt 0 ]; then
        left=$(((end - $(date +%s)) / 60))
        [ "$left" -ge 1 ] || break
    fi
    echo "== stage $stage (into $out)"
    "$program" train base --config models/base/recipe.yaml --stage "$stage" --out "$out" --minutes "$left" --device "$device"
done
echo "The model is in $out/model; copy it to models/base when it is worth keeping."
