#include "cli/command.h"

#include "loop/workspace.h"

typedef struct init_settings {
    int64_t split_seed;
} init_settings;

static const sl_option options[] = {SL_OPTION_INT(init_settings, split_seed, "split-seed", 0, "0", 0, 9e15,
                                                  "N",
                                                  "decides which groups are kept for calibration and test"),
                                    {0}};

static sl_status run(sl_cli *cli, void *context) {
    const init_settings *settings = context;
    const char *folder = cli->arguments.item[0];
    SL_TRY(sl_workspace_init(folder, (uint64_t)settings->split_seed));
    sl_cli_print(cli, "Workspace '%s' is ready. Next: cd %s && scatterloop import PATH...", folder, folder);
    json_object_set_new(cli->result, "workspace", json_string(folder));
    return SL_OK;
}

const sl_command sl_command_init = {
    .name = "init",
    .summary = "make a workspace",
    .arguments = "DIR",
    .description =
        "A workspace is a folder with one SQLite file, the pixels of all images, models and reports.\n"
        "Commands find it from the current folder upwards, or by --workspace DIR.",
    .examples = "  scatterloop init my-beamline\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .options = options,
    .settings_bytes = sizeof(init_settings),
    .run = run,
};
