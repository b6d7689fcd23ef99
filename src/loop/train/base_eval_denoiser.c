/* Stage eval, of the denoiser: expectations made from held-out captions, judged by the physical tests of
 * shape.
 *
 * Noise and gaps flatter a bad model, so the noise-free expectation is looked at; the simulator's own images
 * of the same captions say what the tests make of true ones. */
#include "loop/train/base_internal.h"

#include "base/file.h"
#include "diffusion/pipeline.h"
#include "loop/judge/metrics.h"
#include "loop/simulate/sketch_of_sample.h"
#include "xray/log_map.h"
#include "xray/physical_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, STEPS = 30, FIRST = 100000 /* behind the images that the autoencoder is measured on */ };
static const double level_counts = 1000;

enum { TESTS = SL_PHYSICAL_COUNT, SOURCES = 2 };
static const char *const source_names[SOURCES] = {"generated", "simulated"};

typedef struct tally {
    int64_t applicable[TESTS + 1], passed[TESTS + 1]; /* last: all tests of an image together */
} tally;

/* log_map [count] in 0..1 */
static sl_status judge(const float *log_map, int side, const char *caption, tally *t) {
    sl_image image;
    sl_physical_result result[SL_PHYSICAL_COUNT];
    SL_TRY(sl_image_new(side, side, &image));
    sl_log_map_decode(log_map, (size_t)side * (size_t)side, level_counts, image.value);
    sl_physical_input input = {
        .image = &image, .technique = sl_technique_of_caption(caption), .is_expectation = true};
    sl_status status = sl_physical_tests_run(&input, result);
    sl_image_free(&image);
    SL_TRY(status);
    bool any = false, all = true;
    for (int k = 0; k < TESTS; k++) {
        const sl_physical_result *r = &result[k];
        if (!r->applicable) continue;
        bool passed = r->value <= r->limit;
        t->applicable[k]++;
        t->passed[k] += passed;
        any = true;
        all = all && passed;
    }
    t->applicable[TESTS] += any;
    t->passed[TESTS] += any && all;
    return SL_OK;
}

typedef struct work {
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_sim_sample sample[BATCH];
    float *map;
    tally tally[SOURCES];
} work;

static sl_status generate(work *w, int64_t first, int count, sl_generated *out) {
    const char *captions[BATCH], *none[BATCH];
    sl_direct_beam beams[BATCH];
    sl_sketch sketches[BATCH];
    for (int i = 0; i < count; i++) {
        beams[i] = (sl_direct_beam){true, w->sample[i].beam_row_px, w->sample[i].beam_column_px};
        sl_sketch_of_sample(&w->sample[i], &sketches[i]);
        captions[i] = w->sample[i].caption;
        none[i] = "";
    }
    sl_generation generation = {.count = count,
                                .prompts = captions,
                                .negatives = none,
                                .prompt_count = count,
                                .beams = beams,
                                .sketches = sketches,
                                .steps = STEPS,
                                .way = w->bundle->way,
                                .sampler = &w->bundle->sampler,
                                .noise = SL_NOISE_COUNTER,
                                .first_image = (uint32_t)first,
                                .batch = count};
    return sl_pipeline_generate(w->pipeline, &generation, out);
}

static sl_status judge_batch(const sl_base_settings *settings, work *w, int64_t first, int count) {
    int side = (int)settings->size;
    size_t pixels = (size_t)side * (size_t)side;
    sl_simulated data = sl_base_data(settings, SL_BASE_DATA_EVAL, SL_SIMULATED_EXPECTATION);
    for (int i = 0; i < count; i++) {
        sl_sim_sample *s = &w->sample[i];
        SL_TRY(sl_sim_sample_make(data.seed, FIRST + (uint32_t)(first + i), &data.options, s));
        SL_TRY(judge(s->log_map, side, s->caption, &w->tally[1]));
    }
    sl_generated made;
    SL_TRY(generate(w, first, count, &made));
    sl_status status = SL_OK;
    for (int i = 0; i < count && status == SL_OK; i++) {
        const float *image = (const float *)made.images.data + (size_t)i * pixels;
        for (size_t p = 0; p < pixels; p++) w->map[p] = fminf(fmaxf(0.5f + 0.5f * image[p], 0), 1);
        status = judge(w->map, side, w->sample[i].caption, &w->tally[0]);
    }
    sl_generated_free(&made);
    return status;
}

static json_t *describe(const tally *t) {
    json_t *out = json_object();
    for (int k = 0; k <= TESTS; k++) {
        if (k < TESTS && !sl_physical_is_of_shape((sl_physical_test)k)) continue;
        sl_estimate e = sl_wilson(t->passed[k], t->applicable[k], 0.95);
        json_object_set_new(out, k < TESTS ? sl_physical_id((sl_physical_test)k) : "all",
                            json_pack("{s:I, s:I, s:f, s:f}", "n", (json_int_t)t->applicable[k], "passed",
                                      (json_int_t)t->passed[k], "low", e.low, "high", e.high));
    }
    return out;
}

static sl_status check_size(const sl_bundle *bundle, const sl_base_settings *settings, const char *folder) {
    int64_t side_px = sl_bundle_side_px(bundle);
    if (side_px == settings->size) return SL_OK;
    return sl_fail(SL_MISMATCH, "the model in '%s' makes images of %lld px, --size asks for %lld", folder,
                   (long long)side_px, (long long)settings->size);
}

sl_status sl_base_eval_denoiser(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    sl_base_path folder = sl_base_path_of(settings, "model"),
                 weights = sl_base_path_of(settings, "model/unet/config.json");
    if (!sl_file_exists(weights.text)) return SL_OK;
    work w = {0};
    sl_status status;
    SL_GUARD(status, sl_bundle_load(folder.text, &w.bundle), done);
    SL_GUARD(status, check_size(w.bundle, settings, folder.text), done);
    SL_GUARD(status, sl_pipeline_new(w.bundle, NULL, &w.pipeline), done);
    SL_GUARD(status, sl_alloc(&w.map, (size_t)(settings->size * settings->size), sizeof(float)), done);
    for (int64_t first = 0; first < settings->eval_images; first += BATCH) {
        int64_t rest = settings->eval_images - first;
        SL_GUARD(status, sl_progress_check(progress), done);
        SL_GUARD(status, judge_batch(settings, &w, first, rest < BATCH ? (int)rest : BATCH), done);
        sl_progress_tell(progress, "judging generated images", "image", first + BATCH, settings->eval_images,
                         NULL);
    }
    for (int k = 0; k < SOURCES; k++) json_object_set_new(result, source_names[k], describe(&w.tally[k]));
done:
    for (int i = 0; i < BATCH; i++) sl_sim_sample_free(&w.sample[i]);
    sl_free(w.map);
    sl_pipeline_free(w.pipeline);
    sl_bundle_free(w.bundle);
    return status;
}
