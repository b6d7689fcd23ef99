/* Samplers on a fixed elementwise model, and the noise schedules. */
#include "loop/golden/family.h"

#include "base/random/torch_random.h"
#include "diffusion/sampler/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The folder's model: 0.7 x + 0.2 sin(2 x + 0.01 t) + 0.05. */
static void model(const float *x, double t, float *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = 0.7f * x[i] + 0.2f * sinf(2.0f * x[i] + (float)(0.01 * t)) + 0.05f;
}

typedef struct run {
    sl_sampling *sampling;
    sl_torch_random random; /* of the steps */
    size_t count;
    float *all; /* every state of x, calls + 1 of them */
    float *input, *output, *noise;
} run;

static sl_status seed_of(const json_t *facts, const char *key, sl_torch_random *random) {
    int64_t seed;
    SL_TRY(sl_json_int(facts, key, 0, INT64_MAX, &seed));
    sl_torch_random_seed(random, (uint64_t)seed);
    return SL_OK;
}

static sl_status sample(run *r, const json_t *facts) {
    SL_TRY(seed_of(facts, "x0_seed", &r->random));
    sl_torch_randn(&r->random, r->all, r->count);
    for (size_t i = 0; i < r->count; i++) r->all[i] *= (float)sl_sampling_initial_scale(r->sampling);
    SL_TRY(seed_of(facts, "step_seed", &r->random));
    for (int call = 0; call < sl_sampling_calls(r->sampling); call++) {
        float *x = r->all + (size_t)(call + 1) * r->count;
        memcpy(x, x - r->count, r->count * sizeof *x);
        sl_sampling_input(r->sampling, call, x, r->input);
        model(r->input, sl_sampling_timestep(r->sampling, call), r->output, r->count);
        if (sl_sampling_wants_noise(r->sampling)) sl_torch_randn(&r->random, r->noise, r->count);
        sl_sampling_step(r->sampling, call, r->output, r->noise, x);
    }
    return SL_OK;
}

static sl_status compare(sl_golden *g, const run *r, const char *name, const json_t *facts) {
    int calls = sl_sampling_calls(r->sampling), sigma_count;
    double *timesteps;
    SL_TRY(
        sl_golden_floats(g, sl_arena_printf(g->arena, "%s.x", name), r->all, (size_t)(calls + 1) * r->count));
    SL_TRY(sl_alloc(&timesteps, (size_t)calls, sizeof *timesteps));
    for (int i = 0; i < calls; i++) timesteps[i] = sl_sampling_timestep(r->sampling, i);
    sl_status status =
        sl_golden_doubles(g, sl_arena_printf(g->arena, "%s.timesteps", name), timesteps, (size_t)calls);
    sl_free(timesteps);
    SL_TRY(status);
    const double *sigmas = sl_sampling_sigmas(r->sampling, &sigma_count);
    const char *key = sl_arena_printf(g->arena, "%s.sigmas", name);
    if (sigmas && sl_golden_has(g, key)) SL_TRY(sl_golden_doubles(g, key, sigmas, (size_t)sigma_count));
    double scale = sl_sampling_initial_scale(r->sampling);
    return sl_golden_numbers(g, sl_arena_printf(g->arena, "/schedulers/%s/init_noise_sigma", name),
                             json_object_get(facts, "init_noise_sigma"), &scale, 1);
}

static sl_status run_case(sl_golden *g, const char *name, const json_t *facts,
                          const sl_sampler_settings *settings) {
    const sl_stored_tensor *stored = sl_safetensors_find(g->file, sl_arena_printf(g->arena, "%s.x", name));
    if (!stored || stored->shape.rank < 2) return sl_fail(SL_FORMAT, "no tensor '%s.x'", name);
    const char *dot = strrchr(name, '.');
    sl_shape shape = stored->shape;
    shape.dim[0] = 1;
    run r = {.count = (size_t)sl_shape_count(&shape)};
    sl_status status;
    SL_GUARD(status, sl_sampling_new(settings, atoi(dot ? dot + 1 : ""), r.count, &r.sampling), out);
    SL_GUARD(status, sl_alloc(&r.all, (size_t)sl_sampling_calls(r.sampling) + 1, r.count * sizeof(float)),
             out);
    SL_GUARD(status, sl_alloc(&r.input, r.count, sizeof(float)), out);
    SL_GUARD(status, sl_alloc(&r.output, r.count, sizeof(float)), out);
    SL_GUARD(status, sl_alloc(&r.noise, r.count, sizeof(float)), out);
    SL_GUARD(status, sample(&r, facts), out);
    status = compare(g, &r, name, facts);
out:
    sl_sampling_free(r.sampling);
    sl_free(r.all);
    sl_free(r.input);
    sl_free(r.output);
    sl_free(r.noise);
    return status;
}

/* The settings of a case: class and constructor arguments as recorded. SL_UNSUPPORTED where we lack it. */
static sl_status settings_of(const json_t *facts, sl_sampler_settings *out) {
    const char *class_name;
    json_t *config, *arguments;
    SL_TRY(sl_json_string(facts, "cls", &class_name));
    SL_TRY(sl_json_object(facts, "config", &config));
    SL_TRY(sl_json_object(facts, "step_kwargs", &arguments));
    json_t *whole = json_deep_copy(config);
    json_object_set_new(whole, "_class_name", json_string(class_name));
    sl_status status = sl_sampler_settings_from_json(whole, NULL, out);
    json_decref(whole);
    SL_TRY(status);
    return sl_json_real_or(arguments, "eta", 0, &out->eta);
}

static sl_status schedules(sl_golden *g) {
    static const struct {
        const char *key;
        sl_noise_schedule_settings settings;
    } wanted[] = {
        {"alphas_cumprod", {SL_BETAS_SCALED_LINEAR, 1000, 0.00085, 0.012, false}},
        {"alphas_cumprod_zsnr", {SL_BETAS_SCALED_LINEAR, 1000, 0.00085, 0.012, true}},
        {"alphas_cumprod_linear", {SL_BETAS_LINEAR, 1000, 0.0001, 0.02, false}},
        {"alphas_cumprod_cosine", {SL_BETAS_SQUARED_COSINE, 1000, 0, 0, false}},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        sl_noise_schedule schedule;
        sl_golden_begin(g, wanted[i].key);
        sl_status status = sl_noise_schedule_new(&wanted[i].settings, &schedule);
        if (!status) {
            status = sl_golden_floats(g, wanted[i].key, schedule.alpha_bar, (size_t)schedule.train_steps);
            sl_noise_schedule_free(&schedule);
        }
        sl_golden_end(g, status);
    }
    return SL_OK;
}

sl_status sl_golden_schedulers(sl_golden *g) {
    SL_TRY(sl_golden_open(g, "schedulers"));
    SL_TRY(schedules(g));
    const char *name;
    json_t *facts;
    json_object_foreach(sl_golden_case(g, "schedulers", NULL), name, facts) {
        sl_sampler_settings settings;
        if (!json_is_object(facts)) continue; /* the text of an error */
        sl_status status = settings_of(facts, &settings);
        if (status == SL_UNSUPPORTED) continue; /* its tensors stay untouched and are listed */
        sl_golden_begin(g, name);
        sl_golden_end(g, status ? status : run_case(g, name, facts, &settings));
    }
    return SL_OK;
}
