/* Images of the workspace as a data set for others. */
#include "cli/command.h"

#include "loop/export/export.h"

static void print_result(sl_cli *cli, const sl_export_settings *settings, const sl_export_result *r) {
    sl_cli_print(cli, "%lld images in %s: %lld real, %lld unreal, %lld without a label; %.1f MB",
                 (long long)r->images, settings->out, (long long)r->real, (long long)r->unreal,
                 (long long)r->unlabelled, (double)r->bytes / 1e6);
    sl_cli_print(cli, "train %lld, validation %lld, test %lld; %lld decisions; set %.16s",
                 (long long)r->split[SL_SPLIT_TRAIN], (long long)r->split[SL_SPLIT_CALIBRATION],
                 (long long)r->split[SL_SPLIT_TEST], (long long)r->decisions, r->hash);
    json_object_update_new(cli->result,
                           json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "folder", settings->out,
                                     "images", (json_int_t)r->images, "real", (json_int_t)r->real, "unreal",
                                     (json_int_t)r->unreal, "unlabelled", (json_int_t)r->unlabelled,
                                     "decisions", (json_int_t)r->decisions, "bytes", (json_int_t)r->bytes,
                                     "set_sha256", r->hash, "run", (json_int_t)r->run));
}

static sl_status work(sl_cli *cli, const sl_workspace *workspace, const sl_export_settings *settings) {
    sl_export_result result;
    if (cli->globals.dry_run) {
        sl_text preview = SL_TEXT_INIT;
        return sl_cli_print_preview(cli, sl_export_preview(workspace, settings, &preview), &preview);
    }
    SL_TRY(sl_export(workspace, settings, &cli->progress, &result));
    print_result(cli, settings, &result);
    return SL_OK;
}

static sl_status run(sl_cli *cli, void *data) {
    sl_export_settings *settings = data;
    sl_workspace *workspace;
    settings->out = cli->arguments.item[0];
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = work(cli, workspace, settings);
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_export = {
    .name = "export",
    .summary = "write images as a data set for others, with labels, provenance and decisions",
    .arguments = "FOLDER",
    .description = "Labels are those of reviewers; where nobody decided, simulated images have the label "
                   "that the simulator\n"
                   "knows, measured ones are real, and generated ones have none (see --machine). Splits are "
                   "kept: train,\n"
                   "validation (the workspace's calibration) and test, by sample or scan. The folder also "
                   "holds README.md,\n"
                   "export.json, decisions.csv and SHA256SUMS, and appears whole or not at all.",
    .examples = "  scatterloop export accepted --origin generated --label real --machine\n"
                "  scatterloop export shards --layout webdataset --per-archive 500\n"
                "  scatterloop export classes --layout classes --pixels png\n"
                "  scatterloop export studio --layout label-studio --anonymous\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .options = sl_export_options,
    .settings_bytes = sizeof(sl_export_settings),
    .takes_dry_run = true,
    .run = run,
};
