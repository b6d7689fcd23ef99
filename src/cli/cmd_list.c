#include "cli/command.h"

#include "loop/image_choice.h"
#include "loop/workspace.h"

#include <string.h>

typedef struct list_settings {
    sl_image_choice images;
    int64_t after, limit;
} list_settings;

static const sl_option options[] = {
    SL_IMAGE_CHOICE_OPTIONS(list_settings, images),
    SL_OPTION_INT(list_settings, after, "after", 0, "0", 0, 9e15, "ID", "start after this image"),
    SL_OPTION_INT(list_settings, limit, "limit", 'n', "50", 1, SL_STORE_LIST_MAX, "N", "lines at most"),
    {0}};

static sl_status list_images(sl_cli *cli, sl_store *store, const list_settings *settings, json_t *list) {
    sl_image_filter filter = sl_image_choice_filter(&settings->images);
    filter.after = settings->after;
    filter.limit = (int)settings->limit;
    sl_image_record *images;
    int count;
    int64_t total;
    SL_TRY(sl_store_images(store, &filter, cli->arena, &images, &count));
    SL_TRY(sl_store_image_count(store, &filter, &total));
    for (int i = 0; i < count; i++) {
        const sl_image_record *each = &images[i];
        sl_cli_print(cli, "%6lld  %-12s %-11s %5lld x %-5lld %-24s %s", (long long)each->id,
                     sl_origin_name(each->origin), sl_split_name(each->split), (long long)each->width_px,
                     (long long)each->height_px, each->group_key, each->caption ? each->caption : "");
        json_array_append_new(
            list, json_pack("{s:I, s:s, s:s, s:[I,I], s:s, s:s?, s:s?, s:s, s:I}", "id", (json_int_t)each->id,
                            "origin", sl_origin_name(each->origin), "split", sl_split_name(each->split),
                            "shape", (json_int_t)each->height_px, (json_int_t)each->width_px, "group",
                            each->group_key, "caption", each->caption, "source", each->source, "content",
                            each->content_hash, "round", (json_int_t)each->round));
    }
    json_object_set_new(cli->result, "total", json_integer(total));
    if (total > count) sl_cli_print(cli, "%d of %lld images", count, (long long)total);
    return SL_OK;
}

static sl_status list_models(sl_cli *cli, sl_store *store, const list_settings *settings, json_t *list) {
    (void)settings;
    sl_model_record *models;
    int count;
    SL_TRY(sl_store_models(store, NULL, cli->arena, &models, &count));
    for (int i = 0; i < count; i++) {
        sl_cli_print(cli, "%6lld  %-12s %-24s %.12s  %s", (long long)models[i].id, models[i].kind,
                     models[i].name, models[i].hash, models[i].path);
        json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "id",
                                              (json_int_t)models[i].id, "kind", models[i].kind, "name",
                                              models[i].name, "hash", models[i].hash, "path", models[i].path,
                                              "round", (json_int_t)models[i].round));
    }
    return SL_OK;
}

static sl_status list_rounds(sl_cli *cli, sl_store *store, const list_settings *settings, json_t *list) {
    (void)settings;
    sl_round_record *rounds;
    int count;
    SL_TRY(sl_store_rounds(store, cli->arena, &rounds, &count));
    for (int i = 0; i < count; i++) {
        sl_cli_print(cli, "%6lld  round %-4lld %-12s seed %llu", (long long)rounds[i].id,
                     (long long)rounds[i].number, sl_run_state_name(rounds[i].state),
                     (unsigned long long)rounds[i].seed);
        json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "id", (json_int_t)rounds[i].id, "number",
                                              (json_int_t)rounds[i].number, "state",
                                              sl_run_state_name(rounds[i].state)));
    }
    return SL_OK;
}

static sl_status list_runs(sl_cli *cli, sl_store *store, const list_settings *settings, json_t *list) {
    sl_run_filter filter = SL_RUN_FILTER_ALL;
    sl_run_record *runs;
    int count;
    filter.round = settings->images.round;
    filter.limit = (int)settings->limit;
    SL_TRY(sl_store_runs(store, &filter, cli->arena, &runs, &count));
    for (int i = 0; i < count; i++) {
        sl_cli_print(cli, "%6lld  %-20s %-12s %lld/%lld", (long long)runs[i].id, runs[i].kind,
                     sl_run_state_name(runs[i].state), (long long)runs[i].done, (long long)runs[i].total);
        json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)runs[i].id, "kind",
                                              runs[i].kind, "state", sl_run_state_name(runs[i].state),
                                              "created_ms", (json_int_t)runs[i].created_ms));
    }
    return SL_OK;
}

static sl_status run(sl_cli *cli, void *settings) {
    static const struct {
        const char *name;
        sl_status (*list)(sl_cli *, sl_store *, const list_settings *, json_t *);
    } kinds[] = {
        {"images", list_images}, {"models", list_models}, {"rounds", list_rounds}, {"runs", list_runs}};
    const char *wanted = cli->arguments.count ? cli->arguments.item[0] : "images";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(wanted, kinds[i].name) != 0) continue;
        sl_workspace *workspace;
        SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
        json_t *list = json_array();
        json_object_set_new(cli->result, wanted, list);
        sl_status status = kinds[i].list(cli, workspace->store, settings, list);
        sl_workspace_close(workspace);
        return status;
    }
    return sl_fail(SL_INVALID, "nothing called '%s' to list, expected images, models, rounds or runs",
                   wanted);
}

const sl_command sl_command_list = {
    .name = "list",
    .summary = "list images, models, rounds or runs",
    .arguments = "[images|models|rounds|runs]",
    .examples = "  scatterloop list --origin generated --label real\n"
                "  scatterloop list models --json\n",
    .arguments_max = 1,
    .options = options,
    .settings_bytes = sizeof(list_settings),
    .run = run,
};
