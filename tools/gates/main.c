/* The base model against the gates that a release must pass.
 *
 *     base-gates N [--model DIR] [--out DIR] [--steps N] [--guidance G] [--eta E] [--taught N]
 *                [--simulated N]       (built by `ninja tools/base-gates`; ./run base-gates)
 *
 * N samples of the captions of N held-out simulated images, against N others: docs/base-model.md says how.
 * What is made is kept in OUT, in a folder of its own for each model and way of sampling: an interrupted run
 * goes on, a longer one makes what is missing. Prints the tables, and writes them there as gates.md, beside
 * contact sheets. Exit status 0 where all gates are passed, 3 where not, 1 where something went wrong. */
#include "gates.h"

#include "diffusion/bundle.h"

#include "base/file.h"
#include "base/hash.h"
#include "cli/progress_bar.h"
#include "loop/generate/generate.h"
#include "loop/option/option.h"
#include "loop/shipped.h"

#include <stdlib.h>
#include <string.h>

enum { FAILED = 1, NOT_PASSED = 3, COUNT_MAX = 100000, UNTRAINED_MAX = 256 };

#define SETTINGS gates_settings
static const sl_option options[] = {
    SL_OPTION_PATH(SETTINGS, model, "model", 'm', NULL, "DIR",
                   "diffusers folder (default: the shipped base)"),
    SL_OPTION_PATH(SETTINGS, out, "out", 'o', "base-gates", "DIR", "where samples and figures are kept"),
    SL_OPTION_INT(SETTINGS, steps, "steps", 0, "30", 1, 1000, "steps", "denoising steps"),
    SL_GENERATE_GUIDANCE(SETTINGS),
    SL_GENERATE_ETA(SETTINGS),
    SL_OPTION_INT(SETTINGS, taught, "taught", 0, "6000", PART, COUNT_MAX, "images",
                  "at least so many simulated ones to learn captions from"),
    SL_OPTION_INT(SETTINGS, simulated, "simulated", 0, "3000", PART, COUNT_MAX, "images",
                  "at least so many of the training seed, among which copies are looked for"),
    {0}};

static sl_status read_words(gates *g, int count, char **words) {
    const sl_option *const tables[] = {options, NULL};
    sl_assignments given = {.arena = g->arena};
    sl_list arguments = {0};
    int used;
    char *end = NULL;
    SL_TRY(sl_options_read_words(tables, count, words, false, &given, &arguments, &used));
    SL_TRY(sl_options_apply(options, NULL, &given, &g->settings));
    const char *first = arguments.count > 0 ? arguments.item[0] : "";
    g->count = strtoll(first, &end, 10);
    if (arguments.count != 1 || *end || g->count < PART || g->count > COUNT_MAX)
        return sl_fail(SL_INVALID, "'%s': expected one number of samples, %d to %d", first, PART, COUNT_MAX);
    g->count = (g->count + PART - 1) / PART * PART;
    return SL_OK;
}

/* ---- the model ---- */

typedef struct print {
    sl_sha256_state state;
} print;

static sl_status add_file(void *context, const char *path) {
    print *p = context;
    char hash[SL_SHA256_HEX];
    const char *dot = strrchr(path, '.');
    if (!dot || (strcmp(dot, ".json") != 0 && strcmp(dot, ".safetensors") != 0)) return SL_OK;
    SL_TRY(sl_sha256_file_hex(path, hash));
    sl_sha256_add(&p->state, hash, sizeof hash);
    return SL_OK;
}

/* What was made is kept under the hash of all that decides it. */
static sl_status name_folder(gates *g) {
    print p;
    uint8_t hash[SL_SHA256_BYTES];
    char name[13];
    sl_sha256_begin(&p.state);
    SL_TRY(sl_folder_walk(g->model, add_file, &p));
    const char *way = sl_arena_printf(g->arena, "%lld %.17g %.17g %d", (long long)g->settings.steps,
                                      g->settings.guidance, g->settings.eta, SL_SIM_VERSION);
    sl_sha256_add(&p.state, way, strlen(way));
    sl_sha256_end(&p.state, hash);
    sl_hex(hash, 6, name);
    g->folder = sl_path_join(g->arena, g->settings.out, name);
    g->simulated =
        sl_arena_printf(g->arena, "%s/simulated-%llu", g->settings.out, (unsigned long long)g->data_seed);
    return sl_folder_make(g->folder);
}

/* Seed and simulator of the model's training images. */
static sl_status read_model(gates *g) {
    json_t *about;
    g->model = g->settings.model;
    if (!g->model) SL_TRY(sl_shipped_model(g->arena, "base", &g->model));
    const char *path = sl_path_join(g->arena, g->model, "scatterloop.json");
    SL_TRY(sl_json_read(path, &about));
    const json_t *data = json_object_get(about, "data"), *seed = json_object_get(data, "seed"),
                 *version = json_object_get(data, "version");
    sl_status status = SL_OK;
    if (!json_is_integer(seed) || !json_is_integer(version))
        status = sl_fail(SL_FORMAT,
                         "'%s' does not say from which simulated data the model has learnt (data: "
                         "seed, version)",
                         path);
    g->data_seed = (uint64_t)json_integer_value(seed);
    g->data_version = (int)json_integer_value(version);
    json_decref(about);
    sl_bundle *bundle;
    if (status == SL_OK) status = sl_bundle_load_configs(g->model, &bundle);
    if (status != SL_OK) return status;
    sl_sampler_settings sampler;
    status = sl_bundle_sampler(bundle, NULL, g->settings.eta, &sampler);
    g->settings.eta = sampler.eta;
    g->settings.guidance = sl_bundle_guidance(bundle, g->settings.guidance);
    g->way = bundle->way;
    g->way.guidance = g->settings.guidance;
    g->deblocking = bundle->deblocking;
    sl_bundle_free(bundle);
    return status == SL_OK ? name_folder(g) : status;
}

/* ---- the images ---- */

static sl_status measure_samples(gates *g, sample_set **out) {
    const char *folder = sl_path_join(g->arena, g->folder, "samples");
    SL_TRY(samples_open(g, g->model, folder, &g->set[SET_CLEAN], g->count, out));
    return rows_measure(g, SET_SAMPLES, g->count, *out);
}

static sl_status measure_untrained(gates *g) {
    const char *model = sl_path_join(g->arena, g->folder, "untrained"),
               *folder = sl_path_join(g->arena, g->folder, "untrained-samples"),
               *index = sl_path_join(g->arena, model, "model_index.json");
    int64_t count = g->count / 8 < UNTRAINED_MAX ? g->count / 8 : UNTRAINED_MAX;
    sample_set *made;
    count = count < 2 * PART ? 2 * PART : count / PART * PART;
    if (count > g->count) count = g->count;
    if (!sl_file_exists(index)) SL_TRY(samples_write_untrained(g->model, model));
    SL_TRY(samples_open(g, model, folder, &g->set[SET_CLEAN], count, &made));
    sl_status status = rows_measure(g, SET_UNTRAINED, count, made);
    samples_close(made);
    return status;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static sl_status measure_all(gates *g, sample_set **made) {
    SL_TRY(rows_measure(g, SET_CLEAN, g->count, NULL));
    SL_TRY(measure_samples(g, made));
    SL_TRY(measure_untrained(g));
    SL_TRY(rows_measure(g, SET_ROUND_TRIP, g->count, NULL));
    SL_TRY(rows_measure(g, SET_REFERENCE, larger(g->count, g->settings.taught), NULL));
    return rows_measure(g, SET_TRAINING, larger(2 * g->count, g->settings.simulated), NULL);
}

static sl_status write_report(gates *g) {
    const char *path = sl_path_join(g->arena, g->folder, "gates.md");
    FILE *file = fopen(path, "w+");
    char line[4096];
    if (!file) return sl_fail_errno("cannot write '%s'", path);
    sl_status status = report_write(g, file);
    rewind(file);
    while (!status && fgets(line, sizeof line, file)) fputs(line, stdout);
    if (fclose(file) && !status) status = sl_fail_errno("cannot write '%s'", path);
    if (!status) fprintf(stderr, "tables and contact sheets: %s\n", g->folder);
    return status;
}

static sl_status run(gates *g, int count, char **words) {
    sample_set *made = NULL;
    SL_TRY(read_words(g, count, words));
    SL_TRY(read_model(g));
    sl_status status = measure_all(g, &made);
    if (!status) status = sheets_write(g, made);
    samples_close(made);
    if (!status) status = write_report(g);
    for (int s = 0; s < SET_COUNT; s++) rows_free(&g->set[s]);
    return status;
}

int main(int argc, char **argv) {
    sl_progress_bar bar;
    sl_progress progress = {.report = sl_progress_bar_report, .context = &bar};
    gates g = {.progress = &progress};
    if (argc < 2) {
        fprintf(stderr, "usage: base-gates N [--model DIR] [--out DIR] [--steps N] [--guidance G] [--eta E] "
                        "[--taught N] [--simulated N]\n");
        return FAILED;
    }
    sl_progress_bar_init(&bar, stderr, false);
    sl_status status = sl_arena_new(&g.arena);
    if (!status) status = run(&g, argc - 1, argv + 1);
    sl_progress_bar_end(&bar);
    sl_arena_free(g.arena);
    if (status) fprintf(stderr, "base-gates: %s\n", sl_error_message());
    return status ? FAILED : g.all_pass ? 0 : NOT_PASSED;
}
