#include "cli/command.h"
#include "loop/train/lora.h"

static void show(const sl_cli *cli) {
    const char *key;
    json_t *value;
    json_object_foreach(cli->result, key, value) {
        if (json_is_string(value)) sl_cli_print(cli, "%-16s %s", key, json_string_value(value));
        if (json_is_number(value)) sl_cli_print(cli, "%-16s %.6g", key, json_number_value(value));
    }
}

static sl_status run(sl_cli *cli, void *settings) {
    const sl_lora_settings *set = settings;
    sl_workspace *workspace = NULL;
    if (!set->images) SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status;
    if (cli->globals.dry_run) {
        sl_text text = SL_TEXT_INIT;
        status = sl_cli_print_preview(cli, sl_train_lora_preview(set, workspace, &text), &text);
    } else {
        sl_id model = 0;
        status = sl_train_lora(set, workspace, 0, &cli->progress, cli->result, &model);
        if (status == SL_OK)
            json_object_set_new(cli->result, "model", model ? json_integer(model) : json_null());
        if (status == SL_OK) show(cli);
    }
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_train_lora = {
    .name = "train lora",
    .summary = "fine-tune the generator on images of the workspace or a folder",
    .arguments = "",
    .description =
        "Trains a low-rank adapter (LoRA) beside the frozen model on the training part of the workspace,\n"
        "and saves it in the format that diffusers reads. Stopped, it goes on when called again.\n",
    .examples = "  scatterloop train lora --epochs 50\n"
                "  scatterloop train lora --preset paper --model stable-diffusion-v1-5\n"
                "  scatterloop train lora --images frames --out adapter --steps 400\n"
                "  scatterloop generate \"GISAXS data showing peaks\" --lora models/lora-3\n",
    .arguments_max = 0,
    .takes_dry_run = true,
    .options = sl_lora_options,
    .presets = sl_lora_presets,
    .settings_bytes = sizeof(sl_lora_settings),
    .run = run,
};
