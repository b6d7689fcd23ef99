/* Every image of a set as a row of numbers, measured once. */
#include "gates.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/threads.h"
#include "loop/classify/feed_workspace.h"
#include "loop/evaluate/measured_set.h"
#include "loop/generate/sketch_standing.h"
#include "loop/shipped.h"
#include "loop/simulate/sketch_of_sample.h"
#include "loop/train/base_internal.h"
#include "train/classifier/classifier.h"
#include "train/vae/vae_train.h"
#include "xray/log_map.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32 };

static const struct set_about {
    const char *name;
    uint32_t first; /* index of its first simulated image */
    int seed;       /* SL_BASE_DATA_* */
    bool measured, expectation, judged, of_model;
} about[SET_COUNT] = {
    [SET_CLEAN] = {"clean", 0, SL_BASE_DATA_EVAL, true, true, true, false},
    [SET_REFERENCE] = {"reference", 1 << 20, SL_BASE_DATA_EVAL, true, false, false, false},
    [SET_ROUND_TRIP] = {"round-trip", 0, SL_BASE_DATA_EVAL, true, true, true, true},
    [SET_SAMPLES] = {"samples", 0, SL_BASE_DATA_EVAL, true, true, true, true},
    [SET_UNTRAINED] = {"untrained", 0, SL_BASE_DATA_EVAL, true, true, true, true},
    [SET_TRAINING] = {"training", 0, SL_BASE_DATA_TRAIN, false, true, false, false},
};

uint64_t rows_seed(const gates *g, image_set set) {
    const sl_base_settings settings = {.seed = (int64_t)g->data_seed, .size = SIDE_PX};
    return sl_base_data(&settings, about[set].seed, SL_SIMULATED_EXPECTATION).seed;
}

uint32_t rows_first(image_set set) {
    return about[set].first;
}

typedef struct work {
    const gates *g;
    image_set set;
    const sample_set *samples;
    sl_model *vae;
    sl_vae_coder *coder; /* of the set that goes through it */
    float *decoded;      /* [BATCH, PIXELS] */
    int64_t first;       /* index of the batch's first image */
    image_row *row;
    sl_sim_sample sample[SL_LIMIT_THREADS];
    float input[BATCH][BACKBONE_PX * BACKBONE_PX];
} work;

/* Where beam and marks of an image are, or should be. */
typedef struct placing {
    sl_beam_place beam;
    sl_sketch sketch;
} placing;

/* ---- where images come from ---- */

static sl_status simulate_one(work *w, int64_t index, int worker, bool measured) {
    const sl_sim_options options = {.size_px = SIDE_PX, .class_id = SL_SIM_CLASS_ANY, .measure = measured};
    return sl_sim_sample_make(rows_seed(w->g, w->set), rows_first(w->set) + (uint32_t)index, &options,
                              &w->sample[worker]);
}

static sl_status fill_map_task(void *context, int64_t task, int worker) {
    work *w = context;
    float *map = w->decoded + task * PIXELS;
    SL_TRY(simulate_one(w, w->first + task, worker, false));
    for (int k = 0; k < PIXELS; k++) map[k] = 2 * w->sample[worker].log_map[k] - 1;
    return SL_OK;
}

/* What the model's autoencoder leaves of the batch's log maps. It runs outside of tasks, since it makes some
 * of its own. */
static sl_status decode_batch(work *w, int64_t tasks) {
    SL_TRY(sl_parallel_try(tasks, fill_map_task, w));
    for (int64_t task = 0; task < tasks; task++) {
        float *map = w->decoded + task * PIXELS;
        SL_TRY(sl_vae_round_trip(w->coder, map, 1, map));
        SL_TRY(sl_deblock(&w->g->deblocking, map, SIDE_PX, SIDE_PX, 1));
        for (int k = 0; k < PIXELS; k++) map[k] = fminf(fmaxf(0.5f + 0.5f * map[k], 0), 1);
    }
    return SL_OK;
}

/* The sample with what was decoded for its expectation, measured anew as it was. */
static sl_status replace_expectation(const work *w, int64_t index, sl_sim_sample *s) {
    sl_image again;
    sl_log_map_decode(w->decoded + (index - w->first) * PIXELS, PIXELS, s->level_counts, s->mean_counts);
    SL_TRY(sl_detector_measure(s->mean_counts, SIDE_PX, SIDE_PX, &s->measurement, s->seed, s->index, &again));
    sl_image_free(&s->measured);
    s->measured = again;
    return SL_OK;
}

static sl_status simulate(work *w, int64_t index, int worker, image_row *row, placing *told,
                          sl_image *measured, sl_image *expectation) {
    sl_sim_sample *s = &w->sample[worker];
    SL_TRY(simulate_one(w, index, worker, about[w->set].measured));
    if (w->coder) SL_TRY(replace_expectation(w, index, s));
    snprintf(row->caption, sizeof row->caption, "%s", s->caption);
    memcpy(row->truth, s->attribute, sizeof row->truth);
    told->beam = (sl_beam_place){.known = true, .row_px = s->beam_row_px, .column_px = s->beam_column_px};
    sl_sketch_of_sample(s, &told->sketch);
    if (about[w->set].measured) SL_TRY(sl_image_copy(&s->measured, measured));
    SL_TRY(sl_image_new(SIDE_PX, SIDE_PX, expectation));
    memcpy(expectation->value, s->mean_counts, PIXELS * sizeof(float));
    return SL_OK;
}

static sl_status load(work *w, int64_t index, image_row *row, placing *told, sl_image *measured,
                      sl_image *expectation) {
    snprintf(row->caption, sizeof row->caption, "%s", w->g->set[SET_CLEAN].row[index].caption);
    told->sketch = *samples_sketch(w->samples, index, &told->beam);
    SL_TRY(samples_load(w->samples, index, measured, expectation));
    if (measured->height_px == SIDE_PX && measured->width_px == SIDE_PX) return SL_OK;
    return sl_fail(SL_UNSUPPORTED, "images of %d x %d pixels: the gates are for models that make %d x %d",
                   measured->height_px, measured->width_px, SIDE_PX, SIDE_PX);
}

/* ---- what is measured ---- */

/* As much is known of all alike: the caption. */
static sl_status judge(const image_row *row, const sl_image *image, look seen, sl_physical_blind *blind,
                       verdicts *out) {
    sl_physical_result result[TESTS];
    sl_physical_input input = {.image = image,
                               .technique = (sl_technique)row->technique,
                               .blind = blind,
                               .is_expectation = seen == LOOK_EXPECTATION};
    if (seen == LOOK_MEASURED) input.caption = row->caption;
    SL_TRY(sl_physical_tests_run(&input, result));
    int applicable = 0;
    double least = 1;
    for (int t = 0; t < TESTS; t++) {
        out->applies[t] = result[t].applicable;
        out->fails[t] = result[t].applicable && result[t].value > result[t].limit;
        if (!result[t].applicable) continue;
        applicable++;
        least = fmin(least, result[t].p);
    }
    out->family_p = applicable ? fmin(1, least * applicable) : NAN;
    return SL_OK;
}

static void look_for_marks(const placing *told, const float *log_map, image_row *row) {
    const sl_direct_beam beam = {told->beam.known, told->beam.row_px, told->beam.column_px};
    sl_standing standing[SL_SKETCH_MARKS_MAX];
    sl_sketch_look(&told->sketch, &beam, log_map, SIDE_PX, SIDE_PX, standing);
    row->told = row->found = 0;
    for (int i = 0; i < told->sketch.count; i++) {
        row->told += standing[i] != SL_STANDING_OPEN;
        row->found += standing[i] == SL_STANDING_YES;
    }
}

static sl_status describe_expectation(const placing *told, const sl_image *expectation, image_row *row) {
    double level;
    sl_image map, small;
    SL_TRY(sl_log_map_level(expectation->value, PIXELS, &level));
    SL_TRY(sl_image_new(SIDE_PX, SIDE_PX, &map));
    sl_log_map_encode(expectation->value, PIXELS, level, map.value);
    row->grid_db = grid_measure(map.value);
    look_for_marks(told, map.value, row);
    sl_status status = sl_image_average_down(&map, SMALL_PX, &small);
    if (!status) {
        memcpy(row->small, small.value, sizeof row->small);
        status = sl_image_fingerprint(expectation, &row->looks);
        sl_image_free(&small);
    }
    sl_image_free(&map);
    return status;
}

static sl_status describe_measured(const sl_image *measured, const sl_image *expectation,
                                   const sl_physical_blind *blind, image_row *row, float *input) {
    sl_beam_place beam;
    if (blind->looked)
        beam = sl_image_beam_of(measured, blind->shows_nothing ? NULL : &blind->look);
    else
        SL_TRY(sl_image_beam_find(measured, &beam));
    SL_TRY(sl_image_features(measured, &beam, row->feature));
    SL_TRY(sl_image_features(expectation, &beam, row->expected));
    return sl_prepare_image(measured, BACKBONE_PX, input);
}

static sl_status measure(work *w, int64_t task, const placing *told, const sl_image *measured,
                         const sl_image *expectation) {
    image_row *row = &w->row[w->first + task];
    const struct set_about *set = &about[w->set];
    sl_physical_blind blind = {0};
    row->technique = (int32_t)sl_technique_of_caption(row->caption);
    if (set->expectation) SL_TRY(describe_expectation(told, expectation, row));
    if (set->judged) {
        SL_TRY(judge(row, measured, LOOK_MEASURED, &blind, &row->verdict[LOOK_MEASURED]));
        SL_TRY(judge(row, expectation, LOOK_EXPECTATION, NULL, &row->verdict[LOOK_EXPECTATION]));
    }
    return set->measured ? describe_measured(measured, expectation, &blind, row, w->input[task]) : SL_OK;
}

static sl_status make_task(void *context, int64_t task, int worker) {
    work *w = context;
    sl_image measured = {0}, expectation = {0};
    int64_t index = w->first + task;
    placing told = {0};
    sl_status status = w->samples
                           ? load(w, index, &w->row[index], &told, &measured, &expectation)
                           : simulate(w, index, worker, &w->row[index], &told, &measured, &expectation);
    if (!status) status = measure(w, task, &told, &measured, &expectation);
    sl_image_free(&measured);
    sl_image_free(&expectation);
    return sl_context(status, "%s image %lld", about[w->set].name, (long long)index);
}

static sl_status run_backbone(const work *w, sl_predictor *predictor, int count) {
    float logits[BATCH][SL_SIM_ATTRIBUTE_COUNT], features[BATCH][BACKBONE_FEATURES];
    if (!about[w->set].measured) return SL_OK;
    SL_TRY(sl_predict(predictor, w->input[0], count, logits[0], features[0]));
    for (int k = 0; k < count; k++) {
        memcpy(w->row[w->first + k].backbone, features[k], sizeof features[k]);
        memcpy(w->row[w->first + k].attribute, logits[k], sizeof logits[k]);
    }
    return SL_OK;
}

/* ---- what is kept ---- */

typedef struct header {
    char program[SL_SHA256_HEX]; /* rows of another program are not believed */
    int64_t row_bytes;
} header;

static sl_status header_now(header *out) {
    memset(out, 0, sizeof *out); /* headers are compared byte by byte */
    out->row_bytes = sizeof(image_row);
    return sl_sha256_file_hex("/proc/self/exe", out->program);
}

/* Rows of an earlier run into out->row; out->count tells how many there were. */
static void read_kept(const char *path, const header *now, int64_t count, image_rows *out) {
    header then;
    FILE *file = fopen(path, "rb");
    if (!file) return;
    if (fread(&then, sizeof then, 1, file) == 1 && memcmp(&then, now, sizeof then) == 0)
        out->count = (int64_t)fread(out->row, sizeof *out->row, (size_t)count, file);
    fclose(file);
}

static sl_status append(const char *path, const header *now, const image_row *row, int64_t first,
                        int64_t count) {
    FILE *file = fopen(path, first ? "r+b" : "wb");
    if (!file) return sl_fail_errno("cannot write '%s'", path);
    size_t bytes = (size_t)count * sizeof *row;
    bool good = fwrite(now, sizeof *now, 1, file) == 1 &&
                fseek(file, (long)(sizeof *now + (size_t)first * sizeof *row), SEEK_SET) == 0 &&
                fwrite(row + first, 1, bytes, file) == bytes;
    good = fclose(file) == 0 && good;
    return good ? SL_OK : sl_fail_errno("cannot write '%s'", path);
}

/* ---- all of a set ---- */

static sl_status open_backbone(sl_arena *arena, sl_model **model, sl_predictor **out) {
    const char *folder;
    SL_TRY(sl_shipped_model(arena, "backbone", &folder));
    SL_TRY(sl_model_load(folder, model));
    SL_TRY(sl_predictor_new(*model, BATCH, BACKBONE_PX, BACKBONE_PX, 1, SL_F32, out));
    if (sl_predictor_features(*out) == BACKBONE_FEATURES &&
        sl_predictor_classes(*out) == SL_SIM_ATTRIBUTE_COUNT)
        return SL_OK;
    return sl_fail(SL_MISMATCH, "the backbone has %lld features and %lld attributes, expected %d and %d",
                   (long long)sl_predictor_features(*out), (long long)sl_predictor_classes(*out),
                   BACKBONE_FEATURES, SL_SIM_ATTRIBUTE_COUNT);
}

static sl_status open_coder(work *w) {
    SL_TRY(sl_alloc(&w->decoded, BATCH * PIXELS, sizeof *w->decoded));
    SL_TRY(sl_model_load(sl_path_join(w->g->arena, w->g->model, "vae"), &w->vae));
    return sl_vae_coder_new(w->vae, 1, SIDE_PX, SIDE_PX, true, SL_F32, &w->coder);
}

static sl_status measure_batches(work *w, sl_predictor *predictor, const char *path, const header *now,
                                 image_rows *out, int64_t count) {
    for (w->first = out->count; w->first < count; w->first += BATCH) {
        int64_t tasks = count - w->first < BATCH ? count - w->first : BATCH;
        SL_TRY(sl_progress_check(w->g->progress));
        if (w->coder) SL_TRY(decode_batch(w, tasks));
        SL_TRY(sl_parallel_try(tasks, make_task, w));
        SL_TRY(run_backbone(w, predictor, (int)tasks));
        SL_TRY(append(path, now, out->row, w->first, tasks));
        out->count = w->first + tasks;
        sl_progress_tell(w->g->progress, about[w->set].name, "image", out->count, count, "measured");
    }
    return SL_OK;
}

static sl_status measure_rest(gates *g, image_set set, const sample_set *from, const char *path,
                              const header *now, image_rows *out, int64_t count) {
    work *w;
    sl_model *backbone = NULL;
    sl_predictor *predictor = NULL;
    SL_TRY(sl_alloc(&w, 1, sizeof *w));
    *w = (work){.g = g, .set = set, .samples = from, .row = out->row};
    sl_status status;
    if (set == SET_ROUND_TRIP) SL_GUARD(status, open_coder(w), done);
    SL_GUARD(status, open_backbone(g->arena, &backbone, &predictor), done);
    status = measure_batches(w, predictor, path, now, out, count);
done:
    sl_predictor_free(predictor);
    sl_model_free(backbone);
    for (int k = 0; k < SL_LIMIT_THREADS; k++) sl_sim_sample_free(&w->sample[k]);
    sl_vae_coder_free(w->coder);
    sl_model_free(w->vae);
    sl_free(w->decoded);
    sl_free(w);
    return status;
}

sl_status rows_measure(gates *g, image_set set, int64_t count, const sample_set *from) {
    image_rows *out = &g->set[set];
    header now;
    const char *folder = about[set].of_model ? g->folder : g->simulated;
    SL_TRY(sl_folder_make(folder));
    const char *path = sl_arena_printf(g->arena, "%s/%s.rows", folder, about[set].name);
    SL_TRY(header_now(&now));
    SL_TRY(sl_alloc(&out->row, (size_t)count, sizeof *out->row));
    read_kept(path, &now, count, out);
    return out->count == count ? SL_OK : measure_rest(g, set, from, path, &now, out, count);
}

void rows_free(image_rows *rows) {
    sl_free(rows->row);
    *rows = (image_rows){0};
}
