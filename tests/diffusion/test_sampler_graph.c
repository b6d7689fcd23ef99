/* Steps of sampling as graphs: what arrays on the host give, for every sampler, with and without guidance;
 * and the latents of a run stay on a device. */
#include "test.h"

#include "../graph/guarded_device.h"
#include "../shared.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "diffusion/pipeline.h"
#include "diffusion/sampler/sampler_graph.h"
#include "graph/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    IMAGES = 2,
    HEIGHT = 5,
    WIDTH = 3,
    CHANNELS = 3,
    EACH = HEIGHT * WIDTH * CHANNELS,
    COUNT = IMAGES * EACH
};

static sl_sampler_settings settings_of(const char *name) {
    sl_sampler_settings settings = sl_sampler_settings_default(sl_sampler_find(name));
    settings.schedule = (sl_noise_schedule_settings){SL_BETAS_SCALED_LINEAR, 1000, 0.00085, 0.012, false};
    settings.steps_offset = 1;
    return settings;
}

/* ---- a model that is the same in a graph and on arrays: 0.5 x + a number of its own for each row ---- */

static const float row_offset[2 * IMAGES] = {0.25f, -0.5f, 0.75f, 0.125f};

typedef struct trial {
    sl_sampler_settings settings;
    sl_sampler_step step;
    sl_noise_kind noise;
    double guidance[3];
    int steps;
} trial;

static sl_status build(const trial *t, sl_graph *graph) {
    sl_step_values values;
    sl_value input =
        sl_sampler_step_begin(graph, &t->step, SL_SHAPE(IMAGES, HEIGHT, WIDTH, CHANNELS), &values);
    sl_value offsets =
        sl_constant(graph, SL_F32, SL_SHAPE(t->step.guided ? 2 * IMAGES : IMAGES, 1, 1, 1), row_offset);
    sl_sampler_step_end(graph, &t->step, &values, sl_add(graph, sl_scale(graph, input, 0.5, 0), offsets));
    return sl_graph_status(graph);
}

static void upload(sl_plan *plan, const sl_graph *graph, const char *name, const void *data, size_t bytes) {
    assert_ok(sl_plan_upload(plan, sl_graph_find(graph, name), data, bytes));
}

/* Noise of all images in the arrays' order. */
static void draw(sl_noise *noise, float *out) {
    float drawn[COUNT];
    sl_noise_draw(noise, drawn);
    for (int n = 0; n < IMAGES; n++)
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < HEIGHT * WIDTH; i++)
                out[n * EACH + i * CHANNELS + c] = drawn[n * EACH + c * HEIGHT * WIDTH + i];
}

static void by_graph(const trial *t, const float *start, float *x, sl_plan_options options) {
    sl_graph *graph;
    sl_plan *plan;
    sl_sampling *sampling;
    sl_noise *noise;
    float drawn[COUNT];
    assert_ok(sl_graph_new(&graph));
    assert_ok(build(t, graph));
    assert_ok(sl_plan_new(graph, &options, &plan));
    assert_ok(sl_plan_reserve(plan));
    assert_ok(sl_sampling_new(&t->settings, t->steps, 0, &sampling));
    assert_ok(sl_noise_new(t->noise, 7, 3, IMAGES, EACH, &noise));
    draw(noise, drawn);
    upload(plan, graph, "latents", start, COUNT * sizeof *start);
    if (t->step.guided) upload(plan, graph, "guidance", t->guidance, sizeof t->guidance);
    int downloads = guarded_device.downloads, launches = guarded_device.launches;
    for (int call = 0; call < sl_sampling_calls(sampling); call++) {
        sl_sampling_weights weights;
        int32_t key[6];
        sl_sampling_weigh(sampling, call, &weights);
        upload(plan, graph, "weights", &weights, sizeof weights);
        if (t->step.draws_noise) {
            sl_noise_key(noise, key);
            upload(plan, graph, "noise_key", key, sizeof key);
        } else if (t->step.form.wants_noise) {
            draw(noise, drawn);
            upload(plan, graph, "noise", drawn, sizeof drawn);
        }
        assert_ok(sl_plan_run(plan));
    }
    assert_int_equal(guarded_device.downloads, downloads);
    const sl_device *device;
    assert_ok(sl_device_current(&device));
    if (device) assert_int_equal(guarded_device.launches, launches + sl_sampling_calls(sampling) - 1);
    assert_ok(sl_plan_download(plan, sl_graph_find(graph, "latents"), x, COUNT * sizeof *x));
    sl_noise_free(noise);
    sl_sampling_free(sampling);
    sl_plan_free(plan);
    sl_graph_free(graph);
}

static double deviation(const float *x) {
    double sum = 0, squares = 0;
    for (int i = 0; i < EACH; i++) sum += (double)x[i];
    for (int i = 0; i < EACH; i++) squares += pow((double)x[i] - sum / EACH, 2);
    return sqrt(squares / (EACH - 1));
}

/* output starts as the model's without the prompt */
static void guide(const trial *t, const float *bound, float *output) {
    float guidance = (float)t->guidance[0];
    double level = 0;
    for (int i = 0; i < EACH; i += CHANNELS)
        level += ((double)bound[i] - (double)output[i]) / (double)(EACH / CHANNELS);
    float shift = (float)((t->guidance[2] - t->guidance[0]) * level);
    for (int i = 0; i < EACH; i++) output[i] += guidance * (bound[i] - output[i]);
    for (int i = 0; i < EACH; i += CHANNELS) output[i] += shift;
    if (!(t->guidance[1] > 0)) return;
    double factor = t->guidance[1] * deviation(bound) / deviation(output) + (1 - t->guidance[1]);
    for (int i = 0; i < EACH; i++) output[i] = (float)(factor * (double)output[i]);
}

static void by_arrays(const trial *t, const float *start, float *x) {
    sl_sampling *sampling;
    sl_noise *noise;
    float input[COUNT], output[2 * COUNT], drawn[COUNT];
    assert_ok(sl_sampling_new(&t->settings, t->steps, COUNT, &sampling));
    assert_ok(sl_noise_new(t->noise, 7, 3, IMAGES, EACH, &noise));
    draw(noise, drawn);
    memcpy(x, start, COUNT * sizeof *x);
    for (int call = 0; call < sl_sampling_calls(sampling); call++) {
        sl_sampling_input(sampling, call, x, input);
        for (int i = 0; i < 2 * COUNT; i++) output[i] = 0.5f * input[i % COUNT] + row_offset[i / EACH];
        for (int n = 0; n < IMAGES && t->step.guided; n++)
            guide(t, output + COUNT + n * EACH, output + n * EACH);
        if (t->step.form.wants_noise) draw(noise, drawn);
        sl_sampling_step(sampling, call, output, drawn, x);
    }
    sl_noise_free(noise);
    sl_sampling_free(sampling);
}

static double worst_difference(const float *a, const float *b) {
    double worst = 0, largest = 0;
    for (int i = 0; i < COUNT; i++) {
        double off = fabs((double)a[i] - (double)b[i]);
        worst = isnan(off) ? INFINITY : fmax(worst, off);
        largest = fmax(largest, fabs((double)b[i]));
    }
    return worst / largest;
}

/* The CPU's kernels give the arrays' bits. A device of references rounds less where there is guidance. */
static void compare(const trial *t, const char *name) {
    float start[COUNT], expected[COUNT], here[COUNT], there[COUNT];
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    sl_random_normals(&random, start, COUNT);
    by_arrays(t, start, expected);
    by_graph(t, start, here, (sl_plan_options){.strict = true, .nan_guard = true});
    guarded_device_use();
    by_graph(t, start, there, (sl_plan_options){0});
    guarded_device_end();
    double off = worst_difference(there, expected);
    if (memcmp(here, expected, sizeof here) != 0)
        fail_msg("%s, prediction %d: off by %g on the CPU", name, (int)t->settings.prediction,
                 worst_difference(here, expected));
    if (!(off <= (t->step.guided ? 2e-5 : 0)))
        fail_msg("%s, prediction %d: off by %g on a device", name, (int)t->settings.prediction, off);
}

static void a_graph_makes_the_samplers_steps(void **state) {
    (void)state;
    static const char *const names[] = {"pndm", "ddim", "euler", "euler_a", "dpmpp_2m"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (int variant = 0; variant < 12; variant++) {
            trial t = {.settings = settings_of(names[n]), .guidance = {3, 0.7, 1}, .steps = 6};
            t.settings.prediction = (sl_prediction_type)(variant % 3);
            if (n == 0 && variant % 3 == SL_PREDICTION_SAMPLE) continue; /* not defined for PNDM */
            t.settings.eta = variant / 3 % 2 ? 0.5 : 0;                  /* ddim */
            t.settings.clip_sample = variant / 3 % 2;
            t.settings.stochastic_solver = variant / 3 % 2; /* dpmpp */
            t.step.form = sl_sampling_form_of(&t.settings);
            t.step.guided = variant / 6;
            t.noise = variant % 2 ? SL_NOISE_COUNTER : SL_NOISE_TORCH;
            t.step.draws_noise = t.step.form.wants_noise && t.noise == SL_NOISE_COUNTER;
            compare(&t, names[n]);
        }
}

/* ---- a run of the pipeline ---- */

typedef struct watched {
    int steps;
    float last[3 * 4 * 4 * 4];
} watched;

static void watch(void *context, int call, int64_t first, const sl_tensor *latents) {
    watched *w = context;
    assert_int_equal(call, w->steps++);
    assert_int_equal(first, 0);
    assert_true(sl_tensor_bytes(latents) <= sizeof w->last);
    memcpy(w->last, latents->data, sl_tensor_bytes(latents));
}

/* Downloads of the run into *out. */
static sl_tensor latents_of(const sl_bundle *bundle, int steps, watched *w, int *out) {
    static const char *const prompts[] = {"rings", "arcs"};
    sl_sampler_settings sampler = settings_of("euler_a");
    int64_t side = 4 * sl_bundle_reduction(bundle);
    sl_generation generation = {.count = 2,
                                .prompts = prompts,
                                .prompt_count = 2,
                                .height = side,
                                .width = side,
                                .steps = steps,
                                .way.guidance = 3,
                                .guidance_rescale = 0.5,
                                .sampler = &sampler,
                                .latents_only = true,
                                .on_step = w ? watch : NULL,
                                .context = w};
    sl_pipeline *pipeline;
    sl_generated made;
    int before = guarded_device.downloads;
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    *out = guarded_device.downloads - before;
    sl_pipeline_free(pipeline);
    return made.latents;
}

static void latents_stay_on_a_device(void **state) {
    (void)state;
    const char *folder = shared_path("golden/dev/pipe");
    if (!folder) skip_because("no golden/dev/pipe; set SL_SHARED");
    sl_bundle *bundle;
    watched w = {0};
    int few, many, seen, none;
    assert_ok(sl_bundle_load(folder, &bundle));
    sl_tensor here = latents_of(bundle, 4, NULL, &none);
    guarded_device_use();
    sl_tensor there = latents_of(bundle, 4, NULL, &few);
    sl_tensor longer = latents_of(bundle, 7, NULL, &many), shown = latents_of(bundle, 4, &w, &seen);
    guarded_device_end();
    assert_int_equal(few, 3 + 1); /* the embeddings of three texts, the latents at the end */
    assert_int_equal(many, few);
    assert_int_equal(seen, few + 4);
    assert_int_equal(w.steps, 4);
    assert_memory_equal(shown.data, there.data, sl_tensor_bytes(&there));
    assert_memory_equal(w.last, there.data, sl_tensor_bytes(&there));
    double worst = 0;
    for (int64_t i = 0; i < sl_shape_count(&here.shape); i++)
        worst = fmax(worst, fabs((double)((float *)here.data)[i] - (double)((float *)there.data)[i]));
    assert_true(worst < 1e-3);
    sl_tensor_free(&here), sl_tensor_free(&there), sl_tensor_free(&longer), sl_tensor_free(&shown);
    sl_bundle_free(bundle);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_graph_makes_the_samplers_steps),
    cmocka_unit_test(latents_stay_on_a_device),
};
TEST_MAIN(tests)
