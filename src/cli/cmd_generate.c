/* Images from prompts. */
#include "cli/command.h"

#include "base/log.h"
#include "loop/generate/generate.h"

static sl_status preview(sl_cli *cli, const sl_generate_settings *settings) {
    sl_text text = SL_TEXT_INIT;
    return sl_cli_print_preview(cli, sl_generate_preview(settings, cli->arguments.count, &text), &text);
}

static sl_status run(sl_cli *cli, void *context) {
    const sl_generate_settings *settings = context;
    sl_workspace *workspace;
    sl_generate_result made;
    if (cli->globals.dry_run) return preview(cli, settings);
    /* outside a workspace --out alone will do */
    SL_TRY(sl_cli_find_workspace(cli, !settings->out, &workspace));
    sl_status status =
        sl_generate(settings, cli->arguments.item, cli->arguments.count, workspace, 0, &cli->progress, &made);
    sl_workspace_close(workspace);
    SL_TRY(status);
    if (made.cut_prompts)
        sl_warn("%d prompts are longer than the text encoder takes: their ends were lost", made.cut_prompts);
    if (made.run)
        sl_cli_print(cli, "%lld images, run %lld", (long long)made.images, (long long)made.run);
    else
        sl_cli_print(cli, "%lld images in %s", (long long)made.images, settings->out);
    if (made.marks)
        sl_cli_print(cli,
                     "%lld of the %lld rings, arcs and spots that they were told of stand; records say which",
                     (long long)made.marks_standing, (long long)made.marks);
    json_object_set_new(cli->result, "images", json_integer(made.images));
    json_object_set_new(cli->result, "run", made.run ? json_integer(made.run) : json_null());
    sl_generate_result_marks(&made, cli->result);
    return SL_OK;
}

const sl_command sl_command_generate = {
    .name = "generate",
    .summary = "make images from prompts",
    .arguments = "PROMPT...",
    .description = "Image k takes prompt k modulo the number of prompts, and noise that depends on the seed "
                   "and k alone: the same\n"
                   "bits for any number of threads, and but for rounding the same image whatever the "
                   "batch or the shard. With the shipped base "
                   "model the picture is a\n"
                   "noise-free expectation, which is then measured by a detector: gaps, beamstop and "
                   "counting noise are exact.",
    .examples =
        "  scatterloop generate \"SAXS data showing rings\" -n 16 --seed 7 --out rings\n"
        "  scatterloop generate \"GISAXS data showing peaks\" -n 64 --detector pilatus-1m --exposure 0.3\n"
        "  scatterloop generate \"GISAXS data showing peaks\" -n 1000 --shard 3/8 --out part3\n",
    .arguments_min = 1,
    .arguments_max = -1,
    .takes_dry_run = true,
    .options = sl_generate_options,
    .settings_bytes = sizeof(sl_generate_settings),
    .run = run,
};
