/* How far a set of images is from another. */
#include "cli/command.h"

#include "loop/evaluate/evaluate.h"

#include <math.h>

static void print_set(const sl_cli *cli, const char *role, const sl_evaluated_set *each) {
    if (!each->measured.count) return;
    sl_cli_print(cli,
                 "%-10s %lld images in %lld groups of '%s' (SAXS %lld, WAXS %lld, GISAXS %lld, GIWAXS %lld)",
                 role, (long long)each->measured.count, (long long)each->groups, each->set.words,
                 (long long)each->technique[0], (long long)each->technique[1], (long long)each->technique[2],
                 (long long)each->technique[3]);
    if (each->set.found > each->set.count)
        sl_cli_print(cli, "           drawn from %lld (--max)", (long long)each->set.found);
    if (each->set.companions)
        sl_cli_print(cli, "           %lld pictures and expectations of images beside them were passed over",
                     (long long)each->set.companions);
    for (size_t i = 0; i < json_array_size(each->set.errors); i++) {
        const json_t *error = json_array_get(each->set.errors, i);
        sl_cli_print(cli, "           not usable: %s: %s", json_string_value(json_object_get(error, "file")),
                     json_string_value(json_object_get(error, "message")));
    }
}

static void print_estimate(char *text, size_t bytes, const sl_estimate *e) {
    if (!isfinite(e->value))
        snprintf(text, bytes, "-");
    else if (isfinite(e->low) && e->low < e->high)
        snprintf(text, bytes, "%.3g [%.3g, %.3g]", e->value, e->low, e->high);
    else
        snprintf(text, bytes, "%.3g", e->value);
}

static void print_numbers(const sl_cli *cli, const sl_set_number *number, int count) {
    sl_cli_print(cli, "%-18s %-26s %-26s %-26s %s", "", "value [95 %]", "floor", "ceiling", "place");
    for (int i = 0; i < count; i++) {
        char value[64], floor_text[64], ceiling[64], place[16] = "";
        if (number[i].missing[0]) {
            sl_cli_print(cli, "%-18s %s", sl_set_number_name((sl_set_number_id)i), number[i].missing);
            continue;
        }
        print_estimate(value, sizeof value, &number[i].value);
        print_estimate(floor_text, sizeof floor_text, &number[i].floor);
        print_estimate(ceiling, sizeof ceiling, &number[i].ceiling);
        double at = sl_set_number_place(&number[i]);
        if (isfinite(at)) snprintf(place, sizeof place, "%.2f", at);
        sl_cli_print(cli, "%-18s %-26s %-26s %-26s %s", sl_set_number_name((sl_set_number_id)i), value,
                     floor_text, ceiling, place);
    }
}

static void print_columns(const sl_cli *cli, const sl_column_difference *column) {
    enum { SHOWN = 10 };
    sl_cli_print(cli, "\nwhat differs       %-26s %-6s %s", "shift [95 %], SD", "KS", "p (Holm)");
    for (int i = 0; i < SHOWN; i++) {
        char shift[64];
        print_estimate(shift, sizeof shift, &column[i].shift);
        sl_cli_print(cli, "%-18s %-26s %-6.2f %.2g", sl_image_feature_id(column[i].feature), shift,
                     column[i].ks.statistic, column[i].p_adjusted);
    }
}

static void print_transfers(const sl_cli *cli, const sl_evaluation *e) {
    for (int i = 0; i < e->transfers; i++) {
        char candidate[64], reference[64];
        if (i == 0)
            sl_cli_print(cli, "\ntechnique known    %-26s %s", "taught by the candidate",
                         "taught by the reference");
        print_estimate(candidate, sizeof candidate, &e->transfer[i].taught_by_candidate);
        print_estimate(reference, sizeof reference, &e->transfer[i].taught_by_reference);
        sl_cli_print(cli, "%-18s %-26s %s", e->transfer[i].technique, candidate, reference);
    }
}

static void print_evaluation(const sl_cli *cli, const sl_evaluation *e) {
    print_set(cli, "reference", &e->sets[0]);
    print_set(cli, "candidate", &e->sets[1]);
    print_set(cli, "hold-out", &e->sets[2]);
    for (size_t i = 0; i < json_array_size(e->warnings); i++)
        sl_cli_print(cli, "note: %s", json_string_value(json_array_get(e->warnings, i)));
    sl_cli_print(cli, "%s", "");
    print_numbers(cli, e->number, SL_SET_NUMBER_COUNT);
    if (e->identical)
        sl_cli_print(cli, "%lld images of the candidate are images of the reference",
                     (long long)e->identical);
    for (int i = 0; i < e->strata; i++) {
        sl_cli_print(cli, "\n%s alone: %lld images against %lld", e->stratum[i].technique,
                     (long long)e->stratum[i].candidate, (long long)e->stratum[i].reference);
        print_numbers(cli, e->stratum[i].number, SL_SET_NUMBER_COPY_Z);
    }
    print_transfers(cli, e);
    print_columns(cli, e->column);
}

static sl_status evaluate(sl_cli *cli, const sl_evaluate_settings *settings, const sl_workspace *workspace) {
    sl_evaluation evaluation;
    SL_TRY(sl_evaluate(settings, workspace, &cli->progress, cli->arena, &evaluation));
    print_evaluation(cli, &evaluation);
    json_t *numbers = sl_evaluation_to_json(&evaluation, settings);
    json_object_update(cli->result, numbers);
    json_decref(numbers);
    sl_status status = settings->report ? sl_evaluation_write_page(&evaluation, settings) : SL_OK;
    if (!status && settings->report) sl_cli_print(cli, "\nreport: %s", settings->report);
    sl_evaluation_free(&evaluation);
    return status;
}

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    /* folders and simulated sets need none; a set that does says so */
    SL_TRY(sl_cli_find_workspace(cli, false, &workspace));
    sl_status status = evaluate(cli, settings, workspace);
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_evaluate = {
    .name = "evaluate",
    .summary = "how far a set of images is from another, with intervals, floor and ceiling",
    .arguments = "",
    .description =
        "A SET is a folder or file, simulated:N[:SEED], or images of the workspace by comma-separated "
        "terms:\n"
        "experimental, simulated, generated, split:NAME, label:NAME, run:ID, round:ID, group:NAME.\n"
        "Every number stands between a floor (the reference against itself, without a common group) and a\n"
        "ceiling (the reference against its images with their pixels shuffled); docs/evaluate.md says what "
        "each\n"
        "means and when to distrust it.",
    .examples =
        "  scatterloop evaluate --reference experimental --candidate generated,run:4 --report run4.html\n"
        "  scatterloop evaluate -r measured/ -c simulated:200 --strata --without noise\n",
    .options = sl_evaluate_options,
    .settings_bytes = sizeof(sl_evaluate_settings),
    .run = run,
};
