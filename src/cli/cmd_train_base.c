#include "cli/command.h"
#include "loop/train/base_model.h"

#include <stdlib.h>

static sl_status run(sl_cli *cli, void *settings) {
    const sl_base_settings *set = settings;
    SL_TRY(sl_base_train(set, &cli->progress, cli->result));
    char *text = json_dumps(cli->result, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(5));
    if (text) sl_cli_print(cli, "%s\n", text);
    free(text);
    return SL_OK;
}

const sl_command sl_command_train_base = {
    .name = "train base",
    .summary = "train the base model from scratch, out of the simulator",
    .arguments = "",
    .description =
        "Stages, in this order: vae (the autoencoder, solved for), latents (encode simulated images), unet\n"
        "(text encoder and denoiser), decoder (what the linear one leaves over), encoder (for measured\n"
        "frames), backbone (for classifiers), eval (measure). Every stage goes on where it was stopped:\n"
        "give it the time there is with --minutes.\n",
    .examples = "  scatterloop train base --stage vae --out base-model\n"
                "  scatterloop train base --config models/base/recipe.yaml --stage unet\n"
                "  scatterloop train base --stage eval --json\n",
    .arguments_max = 0,
    .options = sl_base_options,
    .settings_bytes = sizeof(sl_base_settings),
    .run = run,
};
