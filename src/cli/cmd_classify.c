/* Judges images of a workspace. */
#include "cli/command.h"

#include "loop/classify/classify.h"

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    sl_classify_result made;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_classify(settings, workspace, 0, &cli->progress, &made);
    sl_workspace_close(workspace);
    SL_TRY(status);
    sl_cli_print(cli, "%lld images judged, %lld at or above P(real) %.3f", (long long)made.images,
                 (long long)made.accepted, made.threshold);
    if (made.lowered + made.raised)
        sl_cli_print(cli, "%lld of them moved below the threshold by physical evidence, %lld above it",
                     (long long)made.lowered, (long long)made.raised);
    json_object_set_new(cli->result, "lowered_by_evidence", json_integer(made.lowered));
    json_object_set_new(cli->result, "raised_by_evidence", json_integer(made.raised));
    json_object_set_new(cli->result, "images", json_integer(made.images));
    json_object_set_new(cli->result, "accepted", json_integer(made.accepted));
    json_object_set_new(cli->result, "threshold", json_real(made.threshold));
    return SL_OK;
}

const sl_command sl_command_classify = {
    .name = "classify",
    .summary = "judge images: calibrated probability of being real",
    .arguments = "",
    .description =
        "Every image gets a prediction of each classifier. The mean of their calibrated "
        "probabilities is compared with\n"
        "the threshold that was chosen on the calibration split when they were trained. A classifier that "
        "was\n"
        "trained with '--evidence physical' lets the physical tests move its probability in the verdict; its "
        "own is\nrecorded as well.",
    .examples = "  scatterloop classify\n"
                "  scatterloop classify --model 3 --model 5 --images all\n",
    .options = sl_classify_options,
    .settings_bytes = sizeof(sl_classify_settings),
    .run = run,
};
