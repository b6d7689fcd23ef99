/* Comparison with the fixtures of a folder. */
#include "cli/command.h"

#include "loop/engine.h"
#include "loop/golden/golden.h"

#include <stdio.h>

typedef struct settings {
    const char *family;
    int dtype;
} settings;

static const sl_option options[] = {
    SL_OPTION_TEXT(
        settings, family, "family", 0, NULL, "NAME",
        "run one family only: rng, tokenizer, schedulers, clip, unet, lora, vae, classifier, pipeline"),
    SL_OPTION_CHOICE(settings, dtype, "dtype", 0, "fp32", SL_ENGINE_DTYPES,
                     "arithmetic of the networks; bf16 and fp16 (on devices alone) have tolerances of their "
                     "own, and run the families alone that have networks"),
    {0},
};

static json_t *line_object(const sl_golden_line *line) {
    static const char *const words[] = {"passed", "missed", "not covered"};
    json_t *object = json_pack("{s:s, s:s, s:s, s:i}", "family", line->family, "case", line->name, "outcome",
                               words[line->outcome], "values", line->values);
    if (line->outcome == SL_GOLDEN_NOT_COVERED) return object;
    if (line->left_out) json_object_set_new(object, "left_out", json_integer(line->left_out));
    json_object_set_new(object, "error", json_real(line->error)); /* left out where infinite */
    json_object_set_new(object, "tolerance", json_real(line->tolerance));
    if (line->worst) json_object_set_new(object, "worst", json_string(line->worst));
    if (line->message) json_object_set_new(object, "message", json_string(line->message));
    return object;
}

static void print_line(void *context, const sl_golden_line *line) {
    sl_cli *cli = context;
    char text[512];
    sl_golden_format(line, text, sizeof text);
    sl_cli_print(cli, "%s", text);
    json_array_append_new(json_object_get(cli->result, "cases"), line_object(line));
}

static sl_status run(sl_cli *cli, void *context) {
    const settings *given = context;
    sl_golden_settings golden = {.folder = cli->arguments.item[0],
                                 .family = given->family,
                                 .line = print_line,
                                 .context = cli,
                                 .progress = &cli->progress};
    SL_TRY(sl_engine_dtype(given->dtype, &golden.dtype));
    sl_golden_totals totals;
    json_object_set_new(cli->result, "cases", json_array());
    sl_status status = sl_golden_run(&golden, &totals);
    sl_cli_print(cli, "%d passed, %d missed, %d not yet covered", totals.passed, totals.missed,
                 totals.not_covered);
    json_object_set_new(cli->result, "passed", json_integer(totals.passed));
    json_object_set_new(cli->result, "missed", json_integer(totals.missed));
    json_object_set_new(cli->result, "not_covered", json_integer(totals.not_covered));
    return status;
}

const sl_command sl_command_golden = {
    .name = "golden",
    .summary = "compare with fixtures made by PyTorch, case by case",
    .arguments = "DIR",
    .description = "Computes every case of a fixture folder (noise, token ids, samplers, networks, "
                   "gradients, optimiser\n"
                   "steps, whole pipelines) and prints one line a case with its error and tolerance. Sizes,\n"
                   "configurations and seeds are read from the folder. Fails when a case is off.",
    .examples = "  scatterloop golden ../shared/golden/dev\n"
                "  scatterloop golden --family schedulers ../shared/golden/dev\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .options = options,
    .settings_bytes = sizeof(settings),
    .run = run,
};
