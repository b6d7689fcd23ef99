/* One round, or several. */
#include "cli/command.h"

#include "loop/judge/metrics.h"
#include "loop/round/round.h"

static void print_estimate(const sl_cli *cli, const char *words, const json_t *estimate) {
    const json_t *value = json_object_get(estimate, "value");
    if (!json_is_number(value)) return;
    if (sl_estimate_is_count(estimate)) {
        sl_cli_print(cli, "  %-34s %5.1f %%  of all %lld, each judged", words, 100 * json_number_value(value),
                     (long long)json_integer_value(json_object_get(estimate, "n")));
        return;
    }
    sl_cli_print(cli, "  %-34s %5.1f %%  [%.1f, %.1f]  n %lld", words, 100 * json_number_value(value),
                 100 * json_number_value(json_object_get(estimate, "low")),
                 100 * json_number_value(json_object_get(estimate, "high")),
                 (long long)json_integer_value(json_object_get(estimate, "n")));
}

static void print_metrics(const sl_cli *cli, const json_t *metrics) {
    const char *who = json_is_true(json_object_get(metrics, "simulated_expert")) ? " (simulated expert)" : "";
    sl_cli_print(cli, "  %lld images, %lld accepted, %lld decided%s",
                 (long long)json_integer_value(json_object_get(metrics, "pool")),
                 (long long)json_integer_value(json_object_get(metrics, "accepted")),
                 (long long)json_integer_value(json_object_get(metrics, "decided")), who);
    print_estimate(cli, "precision of accepted (blind audit)", json_object_get(metrics, "precision"));
    print_estimate(cli, "recall", json_object_get(metrics, "recall"));
    print_estimate(cli, "yield: accepted and real", json_object_get(metrics, "yield"));
    print_estimate(cli, "for comparison, read off the queue", json_object_get(metrics, "naive_precision"));
}

static void print_round(const sl_cli *cli, const json_t *round) {
    const char *waiting = json_string_value(json_object_get(round, "waiting"));
    const json_t *report = json_object_get(json_object_get(round, "steps"), "report");
    const char *path = json_string_value(json_object_get(report, "path"));
    long long number = (long long)json_integer_value(json_object_get(round, "number"));
    if (waiting) {
        const char *reviewer = json_string_value(json_object_get(round, "reviewer"));
        sl_cli_print(
            cli,
            "Round %lld waits for the %s by %s: run 'scatterloop review --reviewer \"%s\"', then this "
            "command again.",
            number, waiting, reviewer, reviewer);
        return;
    }
    sl_cli_print(cli, "Round %lld is done.", number);
    print_metrics(cli, json_object_get(round, "metrics"));
    if (path) sl_cli_print(cli, "  report: %s", path);
}

static sl_status preview(sl_cli *cli, const sl_round_settings *round) {
    sl_cli_print(cli, "%lld round%s of %lld images, %lld steps each; %lld of them reviewed by %s.",
                 (long long)round->rounds, round->rounds == 1 ? "" : "s", (long long)round->count,
                 (long long)round->steps, (long long)round->queue,
                 round->expert == SL_EXPERT_SIMULATED ? "the simulated expert" : "a person");
    sl_cli_print(cli,
                 "An unfinished round is gone on with first. About %.0f MB of disk a round of 256 px images.",
                 0.25 * (double)round->count);
    json_object_set_new(cli->result, "dry_run", json_true());
    json_object_set_new(cli->result, "images", json_integer(round->rounds * round->count));
    return SL_OK;
}

static sl_status run_one(sl_cli *cli, void *settings) {
    const sl_round_settings *round_settings = settings;
    sl_workspace *workspace;
    json_t *result;
    if (round_settings->rounds != 1)
        return sl_fail(SL_INVALID, "one round at a time; 'scatterloop loop -n N' runs several");
    if (cli->globals.dry_run) return preview(cli, round_settings);
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_round_run(workspace, round_settings, sl_round_rules, &cli->progress, &result);
    sl_workspace_close(workspace);
    SL_TRY(status);
    print_round(cli, result);
    json_object_update(cli->result, result);
    json_decref(result);
    return SL_OK;
}

static sl_status run_loop(sl_cli *cli, void *settings) {
    const sl_round_settings *round_settings = settings;
    sl_workspace *workspace;
    json_t *result, *round;
    size_t index;
    if (cli->globals.dry_run) return preview(cli, round_settings);
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_loop_run(workspace, round_settings, sl_round_rules, &cli->progress, &result);
    sl_workspace_close(workspace);
    SL_TRY(status);
    json_array_foreach(json_object_get(result, "rounds"), index, round) {
        print_round(cli, round);
    }
    json_object_update(cli->result, result);
    json_decref(result);
    return SL_OK;
}

static sl_status run_abandon(sl_cli *cli, void *settings) {
    (void)settings;
    sl_workspace *workspace;
    int64_t number;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_round_abandon(workspace, &number);
    sl_workspace_close(workspace);
    SL_TRY(status);
    if (number) {
        sl_cli_print(cli, "Round %lld is closed unfinished; its images and decisions stay.",
                     (long long)number);
    } else {
        sl_cli_print(cli, "No round is under way.");
    }
    json_object_set_new(cli->result, "abandoned", number ? json_integer(number) : json_null());
    return SL_OK;
}

const sl_command sl_command_round = {
    .name = "round",
    .summary = "run one turn of the loop: generate, classify, review, measure, retrain, report",
    .arguments = "",
    .description =
        "Generates images, judges them by the newest classifier and the physical tests, draws a queue for "
        "the\n"
        "reviewer (part of it blind random samples, from which the numbers come), waits for the review, "
        "measures\n"
        "precision, recall and yield with intervals, trains the classifier again, and writes a report.\n"
        "Interrupted at any moment, the next call goes on where it was, with the settings it was started "
        "with.",
    .examples = "  scatterloop round --images 200 --queue 100\n"
                "  scatterloop round --expert simulated --prompt \"GISAXS data showing peaks\"\n"
                "  scatterloop round abandon\n",
    .takes_dry_run = true,
    .options = sl_round_options,
    .settings_bytes = sizeof(sl_round_settings),
    .run = run_one,
};

const sl_command sl_command_round_abandon = {
    .name = "round abandon",
    .summary = "close the unfinished round, so that the next one starts anew",
    .arguments = "",
    .examples = "  scatterloop round abandon\n",
    .run = run_abandon,
};

const sl_command sl_command_loop = {
    .name = "loop",
    .summary = "run several rounds",
    .arguments = "",
    .description = "As 'scatterloop round', -n times. A loop that was interrupted goes on to the end it was\n"
                   "started for; one whose reviewer is a person stops where the review begins.",
    .examples = "  scatterloop loop -n 3 --expert simulated --images 100 --queue 60\n",
    .takes_dry_run = true,
    .options = sl_round_options,
    .settings_bytes = sizeof(sl_round_settings),
    .run = run_loop,
};
