/* Whole runs of the pipeline against diffusers, and what must not depend on how a run is cut. */
#include "test.h"
#include "scratch_folder.h"

#include "base/threads.h"
#include "diffusion/pipeline.h"
#include "model/lora_file.h"
#include "shared.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *fixture(const char *name) {
    static char path[4][1024];
    static int turn;
    char below[256], *out = path[turn++ % 4];
    snprintf(below, sizeof below, "golden/dev/%s", name);
    const char *found = shared_path(below);
    if (!found) skip_because("no %s; set SL_SHARED", below);
    snprintf(out, sizeof path[0], "%s", found);
    return out;
}

/* max|a-b| / max|b| of [N,H,W,C] against a stored [N,C,H,W] whose first element is stored[first] */
static double error_against(const sl_tensor *got, const float *stored) {
    const int64_t *d = got->shape.dim;
    const float *a = got->data;
    double worst = 0, largest = 1e-12;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t p = 0; p < d[1] * d[2]; p++)
            for (int64_t c = 0; c < d[3]; c++) {
                double x = (double)a[(n * d[1] * d[2] + p) * d[3] + c];
                double y = (double)stored[(n * d[3] + c) * d[1] * d[2] + p];
                worst = fmax(worst, fabs(x - y));
                largest = fmax(largest, fabs(y));
            }
    return worst / largest;
}

/* ---- cases of the fixture ---- */

typedef struct pipeline_case {
    const char *name, *sampler;
    int steps, count;
    double guidance, rescale;
    uint64_t seed;
    const char *negative;
    double lora_scale; /* 0: without */
} pipeline_case;

static const pipeline_case cases[] = {
    {"pndm", NULL, 8, 1, 7.5, 0, 1001, "blurry halo", 0},
    {"pndm_nocfg", NULL, 5, 1, 1.0, 0, 1002, NULL, 0},
    {"pndm_x2", NULL, 4, 2, 5.0, 0, 1003, "blurry halo", 0},
    {"pndm_rescale", NULL, 4, 1, 7.5, 0.7, 1003, "blurry halo", 0},
    {"ddim", "ddim", 6, 1, 7.5, 0, 1004, "blurry halo", 0},
    {"euler_a", "euler_a", 6, 1, 4.0, 0, 1005, "blurry halo", 0},
    {"dpmpp_2m_karras", "dpmpp_2m_karras", 6, 1, 7.5, 0, 1006, "blurry halo", 0},
    {"ddim_lora", "ddim", 5, 1, 7.5, 0, 1007, "blurry halo", 1.0},
    {"ddim_lora_0p5", "ddim", 5, 1, 7.5, 0, 1007, "blurry halo", 0.5},
};

typedef struct watch {
    const float *stored; /* [calls, N, C, h, w] */
    double worst;
} watch;

static void compare_step(void *context, int call, int64_t first, const sl_tensor *latents) {
    watch *w = context;
    assert_int_equal(first, 0); /* one batch */
    w->worst = fmax(w->worst, error_against(latents, w->stored + call * sl_shape_count(&latents->shape)));
}

static const char *const prompt[] = {"the saxs pattern shows horizontal rings"};

static void run_case(const sl_bundle *bundle, const pipeline_case *c, const sl_lora *lora,
                     const sl_safetensors *file) {
    char key[64];
    sl_tensor latents, images;
    snprintf(key, sizeof key, "%s.latents", c->name);
    assert_ok(sl_safetensors_load(file, key, SL_F32, &latents));
    snprintf(key, sizeof key, "%s.image", c->name);
    assert_ok(sl_safetensors_load(file, key, SL_F32, &images));
    sl_sampler_settings settings;
    assert_ok(sl_sampler_settings_use(fixture("pipe/scheduler"), c->sampler, &settings));
    watch w = {.stored = latents.data};
    sl_pipeline_options options = {.dtype = SL_F32, .loras = &lora, .lora_count = lora != NULL};
    sl_generation generation = {.count = c->count,
                                .prompts = prompt,
                                .prompt_count = 1,
                                .negatives = c->negative ? &c->negative : NULL,
                                .height = 64,
                                .width = 64,
                                .steps = c->steps,
                                .way.guidance = c->guidance,
                                .guidance_rescale = c->rescale,
                                .sampler = &settings,
                                .noise = SL_NOISE_TORCH_SHARED,
                                .seed = c->seed,
                                .on_step = compare_step,
                                .context = &w};
    sl_pipeline *pipeline;
    sl_generated made;
    assert_ok(sl_pipeline_new(bundle, &options, &pipeline));
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    float *pixels = made.images.data;
    for (int64_t i = 0; i < sl_shape_count(&made.images.shape); i++)
        pixels[i] = fminf(1.0f, fmaxf(0.0f, pixels[i] * 0.5f + 0.5f));
    double image_error = error_against(&made.images, images.data);
    if (!(w.worst <= 1e-4 && image_error <= 1e-4))
        fail_msg("%s: latents %.3g, image %.3g, allowed 1e-4", c->name, w.worst, image_error);
    sl_generated_free(&made);
    sl_pipeline_free(pipeline);
    sl_tensor_free(&latents);
    sl_tensor_free(&images);
}

static void matches_diffusers(void **state) {
    (void)state;
    sl_bundle *bundle;
    sl_safetensors *file;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    assert_ok(sl_safetensors_open(fixture("cases/pipeline.safetensors"), &file));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sl_lora *lora = NULL;
        if (cases[i].lora_scale > 0) {
            assert_ok(sl_lora_load(fixture("lora"), bundle->unet->params, &lora));
            lora->scale = cases[i].lora_scale;
        }
        run_case(bundle, &cases[i], lora, file);
        sl_lora_free(lora);
    }
    /* merged into the weights: the same pictures */
    sl_lora *lora;
    assert_ok(sl_lora_load(fixture("lora"), bundle->unet->params, &lora));
    assert_ok(sl_lora_merge(lora, bundle->unet->params, 0.5));
    run_case(bundle, &cases[8], NULL, file);
    sl_lora_free(lora);
    sl_safetensors_close(file);
    sl_bundle_free(bundle);
}

/* ---- batches and threads ---- */

static sl_tensor latents_of(const sl_bundle *bundle, int64_t count, int64_t batch, uint32_t first) {
    static const char *const prompts[] = {"rings", "arcs"};
    sl_sampler_settings settings;
    assert_ok(sl_sampler_settings_use(fixture("pipe/scheduler"), "euler_a", &settings));
    sl_generation generation = {.count = count,
                                .prompts = prompts,
                                .prompt_count = 2,
                                .height = 48,
                                .width = 64,
                                .steps = 4,
                                .way.guidance = 3.0,
                                .sampler = &settings,
                                .seed = 5,
                                .batch = batch,
                                .first_image = first,
                                .latents_only = true};
    sl_pipeline *pipeline;
    sl_generated made;
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    assert_null(made.images.data);
    sl_pipeline_free(pipeline);
    return made.latents;
}

static double difference(const sl_tensor *a, const float *b) {
    double worst = 0, largest = 1e-12;
    for (int64_t i = 0; i < sl_shape_count(&a->shape); i++) {
        worst = fmax(worst, fabs((double)((const float *)a->data)[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return worst / largest;
}

static void cut_makes_no_difference(void **state) {
    (void)state;
    sl_bundle *bundle;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    sl_tensor whole = latents_of(bundle, 5, 5, 0), cut = latents_of(bundle, 5, 2, 0);
    assert_true(difference(&cut, whole.data) < 1e-4);
    /* images 2 and 3 of the run by themselves */
    sl_tensor part = latents_of(bundle, 2, 2, 2);
    size_t each = (size_t)sl_shape_count(&part.shape) / 2;
    assert_true(difference(&part, (const float *)whole.data + 2 * each) < 1e-4);
    /* the same bits for any number of threads */
    assert_ok(sl_threads_set(1));
    sl_tensor alone = latents_of(bundle, 5, 5, 0);
    assert_ok(sl_threads_set(0));
    assert_memory_equal(alone.data, whole.data, sl_tensor_bytes(&whole));
    sl_tensor_free(&whole);
    sl_tensor_free(&cut);
    sl_tensor_free(&part);
    sl_tensor_free(&alone);
    sl_bundle_free(bundle);
}

/* ---- requests ---- */

static void bad_requests_are_refused(void **state) {
    (void)state;
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_generated made;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    sl_generation generation = {
        .count = 1, .prompts = prompt, .prompt_count = 1, .height = 62, .width = 64, .steps = 2};
    assert_status(sl_pipeline_generate(pipeline, &generation, &made), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "multiples of 4"));
    generation.height = 64;
    generation.count = 0;
    assert_status(sl_pipeline_generate(pipeline, &generation, &made), SL_INVALID);
    generation.count = 2049; /* of one generator: one batch, twice as many rows with guidance */
    generation.noise = SL_NOISE_TORCH_SHARED;
    generation.way.guidance = 3;
    assert_status(sl_pipeline_generate(pipeline, &generation, &made), SL_LIMIT);
    generation.noise = SL_NOISE_COUNTER;
    generation.count = 1;
    atomic_bool stop = true;
    sl_progress progress = {.cancel = &stop};
    generation.progress = &progress;
    assert_status(sl_pipeline_generate(pipeline, &generation, &made), SL_CANCELLED);
    sl_pipeline_free(pipeline);
    sl_bundle_free(bundle);
}

static void encoding_is_the_way_back(void **state) {
    (void)state;
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_safetensors *file;
    sl_tensor stored, noise, want, images, latents;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    assert_ok(sl_safetensors_open(fixture("cases/vae.safetensors"), &file));
    assert_ok(sl_safetensors_load(file, "1.image", SL_F32, &stored));
    assert_ok(sl_safetensors_load(file, "1.noise", SL_F32, &noise));
    assert_ok(sl_safetensors_load(file, "1.sample_scaled", SL_F32, &want));
    sl_shape shape = SL_SHAPE(1, 40, 24, 3);
    assert_ok(sl_tensor_new(SL_F32, &shape, &images));
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 40 * 24; i++)
            ((float *)images.data)[i * 3 + c] = ((const float *)stored.data)[c * 40 * 24 + i];
    float ordered[10 * 6 * 4];
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 60; i++) ordered[i * 4 + c] = ((const float *)noise.data)[c * 60 + i];
    assert_ok(sl_pipeline_encode(pipeline, &images, ordered, &latents));
    assert_true(error_against(&latents, want.data) < 2e-5);
    sl_tensor_free(&stored);
    sl_tensor_free(&noise);
    sl_tensor_free(&want);
    sl_tensor_free(&images);
    sl_tensor_free(&latents);
    sl_safetensors_close(file);
    sl_pipeline_free(pipeline);
    sl_bundle_free(bundle);
}

/* ---- guidance in a part of the steps ---- */

enum { TRIED_SIDE_PX = 48, TRIED_STEPS = 6, TRIED_SEED = 5 };

static sl_tensor made_with(const sl_bundle *bundle, const char *sampler, sl_generation generation) {
    static const char *const words[] = {"rings"};
    sl_sampler_settings settings;
    assert_ok(sl_sampler_settings_use(fixture("pipe/scheduler"), sampler, &settings));
    if (strcmp(sampler, "ddim") == 0) settings.eta = 1;
    settings.clip_sample = false; /* sums stay sums */
    generation.count = 3;
    generation.batch = 2;
    generation.prompts = words;
    generation.prompt_count = 1;
    generation.height = generation.width = TRIED_SIDE_PX;
    generation.steps = TRIED_STEPS;
    generation.sampler = &settings;
    generation.seed = TRIED_SEED;
    generation.latents_only = true;
    sl_pipeline *pipeline;
    sl_generated made;
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    sl_pipeline_free(pipeline);
    return made.latents;
}

/* Against the prompt itself guidance changes nothing, so that programs can be changed under way unseen, in a
 * smaller last batch too: with them goes what the sampler keeps (dpmpp_2m, pndm). */
static void guidance_comes_and_goes(void **state) {
    (void)state;
    static const char *const samplers[] = {"ddim", "dpmpp_2m", "pndm"}, *const same[] = {"rings"};
    const sl_generation unguided = {.way.guidance = 1}, guided = {.way.guidance = 7},
                        middle = {.way.guidance = 7, .way.guidance_from = 0.3, .way.guidance_to = 0.7},
                        never = {.way.guidance = 7, .way.guidance_from = 0.9995};
    sl_generation against = middle;
    against.negatives = same;
    sl_bundle *bundle;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    for (int s = 0; s < 3; s++) {
        sl_tensor plain = made_with(bundle, samplers[s], unguided),
                  all = made_with(bundle, samplers[s], guided), part = made_with(bundle, samplers[s], middle),
                  none = made_with(bundle, samplers[s], never),
                  unseen = made_with(bundle, samplers[s], against);
        assert_memory_equal(none.data, plain.data, sl_tensor_bytes(&plain));
        assert_true(difference(&unseen, plain.data) < 1e-4);
        assert_true(difference(&part, plain.data) > 1e-3 && difference(&part, all.data) > 1e-3);
        sl_tensor_free(&plain);
        sl_tensor_free(&all);
        sl_tensor_free(&part);
        sl_tensor_free(&none);
        sl_tensor_free(&unseen);
    }
    sl_bundle_free(bundle);
}

static void keep_first_step(void *context, int call, int64_t first, const sl_tensor *latents) {
    float *kept = context;
    if (call == 0 && first == 0) memcpy(kept, latents->data, sl_tensor_bytes(latents));
}

/* Of the first batch; sl_free. */
static float *first_step_of(const sl_bundle *bundle, const char *sampler, sl_generation generation) {
    float *kept;
    assert_ok(sl_alloc(&kept, TRIED_SIDE_PX * TRIED_SIDE_PX * 64, sizeof *kept));
    generation.on_step = keep_first_step;
    generation.context = kept;
    sl_tensor made = made_with(bundle, sampler, generation);
    assert_true(sl_shape_count(&made.shape) <= TRIED_SIDE_PX * TRIED_SIDE_PX * 64);
    sl_tensor_free(&made);
    return kept;
}

/* Steps go from 1, all noise, to 0. */
static void guidance_is_at_its_end_of_the_schedule(void **state) {
    (void)state;
    const sl_generation all = {.way.guidance = 7}, none = {.way.guidance = 1},
                        noisy = {.way.guidance = 7, .way.guidance_from = 0.5},
                        clean = {.way.guidance = 7, .way.guidance_to = 0.5};
    sl_bundle *bundle;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    float *guided = first_step_of(bundle, "ddim", all), *plain = first_step_of(bundle, "ddim", none),
          *early = first_step_of(bundle, "ddim", noisy), *late = first_step_of(bundle, "ddim", clean);
    assert_memory_equal(early, guided, 64 * sizeof *early);
    assert_memory_equal(late, plain, 64 * sizeof *late);
    assert_memory_not_equal(early, late, 64 * sizeof *late);
    sl_free(guided);
    sl_free(plain);
    sl_free(early);
    sl_free(late);
    sl_bundle_free(bundle);
}

/* With a guidance of 1 for levels the first channel's mean is what the prompt alone makes it. */
static void levels_have_a_guidance_of_their_own(void **state) {
    (void)state;
    const sl_generation none = {.way.guidance = 1}, all = {.way.guidance = 7},
                        picture = {.way.guidance = 7, .way.level_guidance = 1};
    sl_bundle *bundle;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    int64_t side = TRIED_SIDE_PX / sl_bundle_reduction(bundle),
            channels = sl_bundle_unet(bundle)->in_channels, each = side * side * channels;
    float *plain = first_step_of(bundle, "ddim", none), *guided = first_step_of(bundle, "ddim", all),
          *kept = first_step_of(bundle, "ddim", picture);
    for (int n = 0; n < 2; n++) {
        double to_plain = 0, to_guided = 0;
        for (int64_t i = n * each; i < (n + 1) * each; i++) {
            if (i % channels) assert_true(kept[i] == guided[i]);
            if (i % channels) continue;
            to_plain += ((double)kept[i] - (double)plain[i]) / (double)(side * side);
            to_guided += ((double)kept[i] - (double)guided[i]) / (double)(side * side);
        }
        assert_true(fabs(to_plain) < 1e-5 && fabs(to_guided) > 1e-3);
    }
    sl_free(plain);
    sl_free(guided);
    sl_free(kept);
    sl_bundle_free(bundle);
}

/* ---- pictures as different in brightness as they should be ---- */

/* What the means of the first channel's noise, of each image, are moved by in the first step. */
static void expected_shifts(int64_t places, int64_t each, double deviation, double *out) {
    sl_sampler_settings settings;
    sl_sampling *sampling;
    sl_sampling_weights weights;
    sl_noise *noise;
    float *drawn;
    assert_ok(sl_sampler_settings_use(fixture("pipe/scheduler"), "ddim", &settings));
    settings.eta = 1;
    assert_ok(sl_sampling_new(&settings, TRIED_STEPS, 0, &sampling));
    sl_sampling_weigh(sampling, 0, &weights);
    double factor = sl_sampling_widening(sampling, 0, deviation * deviation * (double)places);
    assert_true(factor > 1.01);
    assert_ok(sl_alloc(&drawn, 2, (size_t)each * sizeof *drawn));
    assert_ok(sl_noise_new(SL_NOISE_COUNTER, TRIED_SEED, 0, 2, (size_t)each, &noise));
    for (int draws = 0; draws < 2; draws++) sl_noise_draw(noise, drawn); /* latents, then the step's */
    for (int n = 0; n < 2; n++) {
        double sum = 0;
        for (int64_t i = 0; i < places; i++) sum += (double)drawn[n * each + i];
        out[n] = weights.of[SL_SUM_SAMPLE][SL_TERM_NOISE] * (factor - 1) * sum / (double)places;
    }
    sl_noise_free(noise);
    sl_free(drawn);
    sl_sampling_free(sampling);
}

/* After one step the means of the first channel alone are others, by as much as the noise's was widened. */
static void brightness_is_spread(void **state) {
    (void)state;
    sl_bundle *bundle;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    int64_t side = TRIED_SIDE_PX / sl_bundle_reduction(bundle),
            channels = sl_bundle_unet(bundle)->in_channels, each = side * side * channels;
    const sl_generation narrow = {0}, wide = {.way.brightness_deviation = 3};
    float *before = first_step_of(bundle, "ddim", narrow), *after = first_step_of(bundle, "ddim", wide);
    double shift[2];
    expected_shifts(side * side, each, 3, shift);
    for (int64_t i = 0; i < 2 * each; i++) {
        double moved = (double)after[i] - (double)before[i];
        assert_true(fabs(moved - (i % channels ? 0 : shift[i / each])) < 1e-5);
    }
    sl_free(before);
    sl_free(after);
    sl_bundle_free(bundle);
}

static void bundles_come_back(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    sl_bundle *bundle, *again;
    assert_true(scratch_folder_make(folder));
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    /* a folder that does not say what suits it is Stable Diffusion's */
    assert_true(sl_bundle_guidance(bundle, -1) == 7.5 && sl_bundle_guidance(bundle, 0) == 0);
    assert_false(bundle->way.sketch_guided);
    bundle->space = SL_SPACE_EXPECTATION;
    bundle->way.guidance = 1.25;
    bundle->way.level_guidance = 1.125;
    bundle->way.sketch_guided = true;
    bundle->way.guidance_from = 0.25;
    bundle->way.guidance_to = 0.875;
    bundle->eta = 0.75;
    bundle->way.brightness_deviation = 0.5;
    bundle->intensity_map = json_pack("{s:f}", "floor", 0.5);
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_ok(sl_bundle_load(folder, &again));
    assert_int_equal(again->space, SL_SPACE_EXPECTATION);
    assert_true(sl_bundle_guidance(again, -1) == 1.25 && again->eta == 0.75);
    assert_true(again->way.guidance_from == 0.25 && again->way.guidance_to == 0.875);
    assert_true(again->way.level_guidance == 1.125 && again->way.sketch_guided &&
                again->way.brightness_deviation == 0.5);
    assert_true(json_equal(again->intensity_map, bundle->intensity_map));
    assert_int_equal(sl_params_values(again->unet->params, false),
                     sl_params_values(bundle->unet->params, false));
    assert_true(again->sampler.sampler == bundle->sampler.sampler);
    sl_bundle_free(again);
    bundle->way.guidance = -1;
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "'guidance' is -1"));
    bundle->way.guidance = 1;
    bundle->way.level_guidance = -1;
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "'level_guidance' is -1"));
    bundle->way.level_guidance = 0;
    bundle->way.guidance_to = 0.125;
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "'guidance_from' is 0.25 and 'guidance_to' 0.125"));
    bundle->way.guidance_to = 1;
    bundle->way.brightness_deviation = -0.5;
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "'brightness_deviation' is -0.5"));
    bundle->way.brightness_deviation = 0;
    bundle->eta = 1.5;
    assert_ok(sl_bundle_save(bundle, folder, SL_F16));
    assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "'eta' is 1.5"));
    bundle->eta = 0;
    for (int k = 0; k < 2; k++) { /* its pixels are no blocks */
        bundle->deblocking = (sl_deblocking){.step = k ? 0 : 0.01, .detail = k ? 0.01 : 0};
        assert_ok(sl_bundle_save(bundle, folder, SL_F16));
        assert_status(sl_bundle_load(folder, &again), SL_FORMAT);
        assert_non_null(
            strstr(sl_error_message(), k ? "'deblock_detail' is for blocks" : "'deblock' is for blocks"));
    }
    sl_bundle_free(bundle);
    assert_true(scratch_folder_remove(folder));
}

/* Noise of the steps: the model's own or the one asked for, and of DDIM alone. */
static void eta_is_of_samplers_that_take_it(void **state) {
    (void)state;
    sl_bundle *bundle;
    sl_sampler_settings settings;
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    bundle->eta = 0.75;
    assert_ok(sl_bundle_sampler(bundle, "ddim", -1, &settings));
    assert_true(settings.eta == 0.75);
    assert_ok(sl_bundle_sampler(bundle, "ddim", 0.25, &settings));
    assert_true(settings.eta == 0.25);
    assert_ok(sl_bundle_sampler(bundle, "ddim", 0, &settings));
    assert_true(settings.eta == 0);
    assert_ok(sl_bundle_sampler(bundle, NULL, -1, &settings));
    assert_string_equal(sl_sampler_name(settings.sampler), "pndm");
    assert_true(settings.eta == 0);
    assert_ok(sl_bundle_sampler(bundle, "euler", 0, &settings));
    assert_status(sl_bundle_sampler(bundle, "euler", 0.5, &settings), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "euler takes no eta"));
    sl_bundle_free(bundle);
}

/* A model of one-channel images whose autoencoder sees 2x2 pixels as channels, with latents normalised by
 * channel. */
static void packed_pixels_and_normalised_latents(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    sl_bundle *bundle, *again;
    sl_pipeline *pipeline;
    sl_tensor images, latents, back;
    assert_true(scratch_folder_make(folder));
    assert_ok(sl_bundle_load(fixture("pipe"), &bundle));
    sl_vae_config vae = *sl_bundle_vae(bundle);
    vae.in_channels = vae.out_channels = 4;
    vae.mid_block_add_attention = false;
    vae.latents_mean = (sl_config_reals){4, {0.5, -1, 0, 2}};
    vae.latents_std = (sl_config_reals){4, {2, 4, 1, 0.5}};
    vae.scaling_factor = 1.0;
    sl_model_free(bundle->vae);
    assert_ok(sl_model_new(&sl_vae_kind, &vae, &bundle->vae));
    assert_ok(sl_params_initialise(bundle->vae->params, 3));
    bundle->space_to_depth = 2;
    assert_ok(sl_bundle_save(bundle, folder, SL_F32));
    sl_bundle_free(bundle);
    assert_ok(sl_bundle_load(folder, &again));
    assert_int_equal(sl_bundle_image_channels(again), 1);
    assert_int_equal(sl_bundle_reduction(again), 8);

    assert_ok(sl_pipeline_new(again, NULL, &pipeline));
    sl_shape shape = SL_SHAPE(2, 32, 48, 1);
    assert_ok(sl_tensor_new(SL_F32, &shape, &images));
    for (int i = 0; i < 2 * 32 * 48; i++) ((float *)images.data)[i] = (float)(i % 13) / 6.5f - 1.0f;
    assert_ok(sl_pipeline_encode(pipeline, &images, NULL, &latents));
    assert_true(sl_shape_equal(&latents.shape, &SL_SHAPE(2, 4, 6, 4)));
    assert_ok(sl_pipeline_decode(pipeline, &latents, &back));
    assert_true(sl_shape_equal(&back.shape, &shape));

    /* the map between the two scales is its own way back, and (x - mean)/std one way */
    float value[4] = {1, 2, 3, 4}, want[4] = {0.25f, 0.75f, 3, 4};
    sl_vae_latents_to_model(sl_bundle_vae(again), value, 1);
    for (int i = 0; i < 4; i++) assert_true(value[i] == want[i]);
    sl_vae_latents_from_model(sl_bundle_vae(again), value, 1);
    for (int i = 0; i < 4; i++) assert_true(fabsf(value[i] - (float)(i + 1)) < 1e-6f);
    sl_tensor_free(&images);
    sl_tensor_free(&latents);
    sl_tensor_free(&back);
    sl_pipeline_free(pipeline);
    sl_bundle_free(again);
    assert_true(scratch_folder_remove(folder));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(matches_diffusers),
    cmocka_unit_test(cut_makes_no_difference),
    cmocka_unit_test(bad_requests_are_refused),
    cmocka_unit_test(encoding_is_the_way_back),
    cmocka_unit_test(guidance_comes_and_goes),
    cmocka_unit_test(guidance_is_at_its_end_of_the_schedule),
    cmocka_unit_test(levels_have_a_guidance_of_their_own),
    cmocka_unit_test(brightness_is_spread),
    cmocka_unit_test(bundles_come_back),
    cmocka_unit_test(eta_is_of_samplers_that_take_it),
    cmocka_unit_test(packed_pixels_and_normalised_latents),
};
TEST_MAIN(tests)
