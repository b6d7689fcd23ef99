#include "cli/command.h"

#include "loop/workspace.h"

static void add_counts(json_t *result, const char *name, const int64_t *counts, int count,
                       const char *(*name_of)(int)) {
    json_t *object = json_object();
    for (int i = 0; i < count; i++) json_object_set_new(object, name_of(i), json_integer(counts[i]));
    json_object_set_new(result, name, object);
}

static const char *origin_name(int value) {
    return sl_origin_name((sl_origin)value);
}

static const char *split_name(int value) {
    return sl_split_name((sl_split)value);
}

static const char *label_name(int value) {
    return sl_label_name((sl_label)value);
}

static void print_summary(const sl_cli *cli, const sl_store_summary *in) {
    sl_cli_print(cli, "images       %lld experimental, %lld simulated, %lld generated",
                 (long long)in->images[SL_ORIGIN_EXPERIMENTAL], (long long)in->images[SL_ORIGIN_SIMULATED],
                 (long long)in->images[SL_ORIGIN_GENERATED]);
    sl_cli_print(cli, "splits       %lld train, %lld calibration, %lld test",
                 (long long)in->splits[SL_SPLIT_TRAIN], (long long)in->splits[SL_SPLIT_CALIBRATION],
                 (long long)in->splits[SL_SPLIT_TEST]);
    sl_cli_print(cli, "labels       %lld real, %lld unreal, %lld unsure (%lld decisions)",
                 (long long)in->labels[SL_LABEL_REAL], (long long)in->labels[SL_LABEL_UNREAL],
                 (long long)in->labels[SL_LABEL_UNSURE], (long long)in->decisions);
    sl_cli_print(cli, "to review    %lld", (long long)in->assignments_open);
    sl_cli_print(cli, "models       %lld", (long long)in->models);
    sl_cli_print(cli, "rounds       %lld", (long long)in->rounds);
}

static sl_status print_running(sl_cli *cli, sl_store *store) {
    sl_run_filter filter = SL_RUN_FILTER_ALL;
    sl_run_record *runs;
    int count;
    json_t *list = json_array();
    filter.state = SL_RUN_RUNNING;
    json_object_set_new(cli->result, "running", list);
    SL_TRY(sl_store_runs(store, &filter, cli->arena, &runs, &count));
    for (int i = 0; i < count; i++) {
        sl_cli_print(cli, "running      %s: %lld/%lld, %s", runs[i].kind, (long long)runs[i].done,
                     (long long)runs[i].total, runs[i].note ? runs[i].note : "");
        json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:I}", "id", (json_int_t)runs[i].id, "kind",
                                              runs[i].kind, "done", (json_int_t)runs[i].done, "total",
                                              (json_int_t)runs[i].total));
    }
    return SL_OK;
}

static sl_status run(sl_cli *cli, void *settings) {
    (void)settings;
    sl_workspace *workspace;
    sl_store_summary summary;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_store_summarise(workspace->store, &summary);
    if (!status) {
        sl_cli_print(cli, "workspace    %s", workspace->root);
        print_summary(cli, &summary);
        json_object_set_new(cli->result, "workspace", json_string(workspace->root));
        add_counts(cli->result, "images", summary.images, SL_ORIGIN_COUNT, origin_name);
        add_counts(cli->result, "splits", summary.splits, SL_SPLIT_COUNT, split_name);
        add_counts(cli->result, "labels", summary.labels, SL_LABEL_COUNT, label_name);
        json_object_set_new(cli->result, "decisions", json_integer(summary.decisions));
        json_object_set_new(cli->result, "to_review", json_integer(summary.assignments_open));
        json_object_set_new(cli->result, "models", json_integer(summary.models));
        json_object_set_new(cli->result, "rounds", json_integer(summary.rounds));
        status = print_running(cli, workspace->store);
    }
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_status = {
    .name = "status",
    .summary = "show what the workspace holds and what runs",
    .arguments = "",
    .examples = "  scatterloop status\n"
                "  scatterloop status --json --workspace my-beamline\n",
    .run = run,
};
