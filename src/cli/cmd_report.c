/* One HTML page about the workspace. */
#include "cli/command.h"

#include "loop/report/report.h"

static const sl_option options[] = {
    SL_OPTION_PATH(sl_report_settings, out, "out", 'o', NULL, "FILE",
                   "where to write it (default: report.html in the workspace)"),
    SL_OPTION_INT(sl_report_settings, thumbnails, "thumbnails", 0, "24", 1, 1000, "images",
                  "images in a contact sheet"),
    {0}};

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    const char *path;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_report_write(workspace, settings, &cli->progress, cli->arena, &path);
    sl_workspace_close(workspace);
    SL_TRY(status);
    sl_cli_print(cli, "report: %s", path);
    json_object_set_new(cli->result, "report", json_string(path));
    return SL_OK;
}

const sl_command sl_command_report = {
    .name = "report",
    .summary = "write one HTML page: images, rounds, numbers with intervals, curves, lineage",
    .arguments = "",
    .description =
        "The page stands by itself: it can be mailed or archived, and asks for no other file or host.",
    .examples = "  scatterloop report\n"
                "  scatterloop report --out run17.html --thumbnails 60\n",
    .options = options,
    .settings_bytes = sizeof(sl_report_settings),
    .run = run,
};
