#include "test.h"

#include "base/file.h"
#include "base/random/random.h"
#include "diffusion/noise.h"
#include "diffusion/sampler/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 12 };
static const char *const names[] = {"pndm",    "ddim",     "euler",          "euler_karras",
                                    "euler_a", "dpmpp_2m", "dpmpp_2m_karras"};
enum { NAMES = sizeof names / sizeof names[0] };

static char config_path[] = "/tmp/sl-scheduler-XXXXXX";

/* The file of Stable Diffusion 1.5, with the bound that Python writes and JSON does not know. */
static const char config_text[] =
    "{\"_class_name\": \"PNDMScheduler\", \"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\", "
    "\"beta_start\": "
    "0.00085, \"num_train_timesteps\": 1000, \"set_alpha_to_one\": false, \"skip_prk_steps\": true, "
    "\"steps_offset\": 1, "
    "\"trained_betas\": null, \"clip_sample\": false, \"lambda_min_clipped\": -Infinity}";

static int write_config(void **state) {
    (void)state;
    int fd = mkstemp(config_path);
    if (fd < 0) return 1;
    return sl_file_write_atomic(config_path, config_text, sizeof config_text - 1) == SL_OK ? 0 : 1;
}

static int remove_config(void **state) {
    (void)state;
    return remove(config_path);
}

static void schedules_have_known_ends(void **state) {
    (void)state;
    sl_noise_schedule_settings settings = {SL_BETAS_SCALED_LINEAR, 1000, 0.00085, 0.012, false};
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(&settings, &schedule));
    assert_true(schedule.alpha_bar[0] == 0.99915f); /* as torch prints it, to the last bit */
    assert_true(fabsf(schedule.alpha_bar[999] - 0.0046601f) < 1e-7f);
    assert_true(fabsf(sl_noise_schedule_sigma(&schedule, 999) - 14.614647f) < 1e-5f);
    sl_noise_schedule_free(&schedule);
    settings.zero_terminal_snr = true;
    assert_ok(sl_noise_schedule_new(&settings, &schedule));
    assert_true(schedule.alpha_bar[999] == 0);
    sl_noise_schedule_free(&schedule);
    settings.beta_end = 2;
    assert_status(sl_noise_schedule_new(&settings, &schedule), SL_INVALID);
    settings.train_steps = 0;
    assert_status(sl_noise_schedule_new(&settings, &schedule), SL_INVALID);
}

/* What a perfect model would answer for the image `clean` at a timestep: the noise, the velocity or the
 * image. */
static void perfect_model(const sl_sampler_settings *settings, const sl_noise_schedule *schedule, double t,
                          bool levels, const float *sample, const float *clean, float *output) {
    double low = floor(t), a0 = (double)sl_noise_schedule_sigma(schedule, (int)low);
    double a1 = (double)sl_noise_schedule_sigma(schedule, (int)low < 999 ? (int)low + 1 : 999);
    double sigma = a0 + (a1 - a0) * (t - low), scale = levels ? 1 : 1 / sqrt(sigma * sigma + 1);
    for (int i = 0; i < COUNT; i++) {
        double noise = ((double)sample[i] / scale - (double)clean[i]) / sigma,
               alpha = 1 / sqrt(sigma * sigma + 1);
        double velocity = alpha * noise - sigma * alpha * (double)clean[i];
        const double answers[] = {noise, velocity, (double)clean[i]};
        output[i] = (float)answers[settings->prediction];
    }
}

static float worst_error(const sl_sampler_settings *settings, int steps) {
    sl_sampling *sampling;
    sl_noise_schedule schedule;
    float clean[COUNT], x[COUNT], input[COUNT], output[COUNT], noise[COUNT], worst = 0;
    sl_random random = sl_random_stream(3, SL_STREAM_TEST, 0);
    sl_random_normals(&random, clean, COUNT);
    sl_random_normals(&random, x, COUNT);
    assert_ok(sl_noise_schedule_new(&settings->schedule, &schedule));
    assert_ok(sl_sampling_new(settings, steps, COUNT, &sampling));
    bool levels = !strncmp(sl_sampler_name(settings->sampler), "euler", 5);
    for (int i = 0; i < COUNT; i++) {
        clean[i] *= 0.3f;
        x[i] *= (float)sl_sampling_initial_scale(sampling);
    }
    for (int call = 0; call < sl_sampling_calls(sampling); call++) {
        sl_sampling_input(sampling, call, x, input);
        perfect_model(settings, &schedule, sl_sampling_timestep(sampling, call), levels, x, clean, output);
        if (sl_sampling_wants_noise(sampling)) sl_random_normals(&random, noise, COUNT);
        sl_sampling_step(sampling, call, output, noise, x);
    }
    for (int i = 0; i < COUNT; i++) worst = fmaxf(worst, fabsf(x[i] - clean[i]));
    sl_sampling_free(sampling);
    sl_noise_schedule_free(&schedule);
    return worst;
}

static void a_perfect_model_gives_the_image_back(void **state) {
    (void)state;
    for (int n = 0; n < NAMES; n++) {
        for (int prediction = 0; prediction < SL_PREDICTION_COUNT; prediction++) {
            if (prediction == SL_PREDICTION_SAMPLE && n == 0) continue; /* not defined for PNDM */
            sl_sampler_settings settings;
            assert_ok(sl_sampler_settings_use(config_path, names[n], &settings));
            settings.prediction = (sl_prediction_type)prediction;
            settings.set_alpha_to_one = true;
            /* Karras levels of DPM++ lie beside the timesteps that the model sees, and PNDM mixes velocities
             * of several timesteps: near, not equal. */
            bool inexact = !strcmp(names[n], "dpmpp_2m_karras") || (n == 0 && prediction == SL_PREDICTION_V);
            float error = worst_error(&settings, 20), allowed = inexact ? 0.05f : 1e-3f;
            if (!(error < allowed))
                fail_msg("%s, prediction %d: off by %g", names[n], prediction, (double)error);
        }
    }
}

static void files_choose_the_sampler_unless_told(void **state) {
    (void)state;
    sl_sampler_settings settings;
    sl_sampling *sampling;
    assert_ok(sl_sampler_settings_use(config_path, NULL, &settings));
    assert_string_equal(sl_sampler_name(settings.sampler), "pndm");
    assert_ok(sl_sampling_new(&settings, 10, 1, &sampling));
    static const int expected[] = {901, 801, 801, 701, 601, 501, 401, 301, 201, 101, 1};
    assert_int_equal(sl_sampling_calls(sampling), 11);
    for (int i = 0; i < 11; i++) assert_int_equal((int)sl_sampling_timestep(sampling, i), expected[i]);
    sl_sampling_free(sampling);
    assert_ok(sl_sampler_settings_use(config_path, "euler", &settings));
    assert_int_equal(settings.spacing,
                     SL_SPACING_LINSPACE); /* the class's default, since the file is silent */
    assert_status(sl_sampler_settings_use(config_path, "ddim_karras", &settings), SL_INVALID);
    assert_status(sl_sampler_settings_use(config_path, "nothing", &settings), SL_INVALID);
}

static void every_choice_is_a_sampler(void **state) {
    (void)state;
    char name[SL_SAMPLER_NAME_BYTES], again[SL_SAMPLER_NAME_BYTES];
    int choices = 0;
    for (const char *c = sl_sampler_choices; *c; choices++) {
        size_t length = strcspn(c, "|");
        sl_sampler_settings settings;
        snprintf(name, sizeof name, "%.*s", (int)length, c);
        assert_ok(sl_sampler_settings_use(config_path, name, &settings));
        sl_sampler_settings_name(&settings, again);
        assert_string_equal(again, name);
        c += length + (c[length] == '|');
    }
    assert_int_equal(choices, NAMES);
}

static void settings_round_trip(void **state) {
    (void)state;
    for (int n = 0; n < NAMES; n++) {
        sl_sampler_settings settings, back;
        assert_ok(sl_sampler_settings_use(config_path, names[n], &settings));
        settings.prediction = SL_PREDICTION_V;
        json_t *config = sl_sampler_settings_to_json(&settings);
        assert_non_null(config);
        assert_ok(sl_sampler_settings_from_json(config, NULL, &back));
        json_t *again = sl_sampler_settings_to_json(&back);
        assert_true(json_equal(config, again));
        assert_ptr_equal(back.sampler, settings.sampler);
        assert_int_equal(back.karras, settings.karras);
        json_decref(config);
        json_decref(again);
    }
}

/* A setting of other classes changes nothing, even where the file has it. */
static void only_settings_of_the_class_count(void **state) {
    (void)state;
    static const char text[] = "{\"_class_name\":\"EulerDiscreteScheduler\",\"final_sigmas_type\":\"sigma_"
                               "min\", \"skip_prk_steps\":true}";
    json_t *config;
    assert_ok(sl_json_parse(text, strlen(text), "test", &config));
    for (int n = 0; n < NAMES; n++) {
        const sl_sampler *sampler = sl_sampler_find(names[n]);
        sl_sampler_settings settings, back;
        if (!sampler) continue;
        assert_ok(sl_sampler_settings_from_json(config, sampler, &settings));
        assert_int_equal(settings.last_sigma_is_min,
                         strcmp(names[n], "euler") == 0 || strcmp(names[n], "dpmpp_2m") == 0);
        json_t *written = sl_sampler_settings_to_json(&settings);
        assert_ok(sl_sampler_settings_from_json(written, NULL, &back));
        assert_int_equal(back.last_sigma_is_min, settings.last_sigma_is_min);
        json_decref(written);
    }
    json_decref(config);
}

static void what_is_not_here_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"_class_name\":\"UniPCMultistepScheduler\"}",
        "{\"_class_name\":\"DDIMScheduler\",\"thresholding\":true}",
        "{\"_class_name\":\"DDIMScheduler\",\"trained_betas\":[0.1]}",
        "{\"_class_name\":\"PNDMScheduler\"}",
        "{\"_class_name\":\"EulerDiscreteScheduler\",\"timestep_spacing\":\"odd\"}",
    };
    sl_sampler_settings settings;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *config;
        assert_ok(sl_json_parse(bad[i], strlen(bad[i]), "test", &config));
        assert_status(sl_sampler_settings_from_json(config, NULL, &settings), SL_UNSUPPORTED);
        json_decref(config);
    }
    sl_sampling *sampling;
    assert_ok(sl_sampler_settings_use(config_path, "ddim", &settings));
    assert_status(sl_sampling_new(&settings, 0, 1, &sampling), SL_INVALID);
    assert_status(sl_sampling_new(&settings, 1000, 1, &sampling),
                  SL_INVALID); /* with the offset: timestep 1000 */
}

/* A schedule whose last timestep has no signal, and a step count that does not divide it. */
static void hard_settings_stay_finite(void **state) {
    (void)state;
    for (int n = 1; n < NAMES; n++) {
        sl_sampler_settings settings;
        assert_ok(sl_sampler_settings_use(config_path, names[n], &settings));
        settings.schedule.zero_terminal_snr = true;
        settings.schedule.train_steps = 300;
        settings.prediction = SL_PREDICTION_V;
        settings.spacing = SL_SPACING_TRAILING;
        sl_sampling *sampling;
        float x[COUNT], input[COUNT], noise[COUNT];
        sl_random random = sl_random_stream(4, SL_STREAM_TEST, 0);
        assert_ok(sl_sampling_new(&settings, 7, COUNT, &sampling));
        assert_int_equal(sl_sampling_calls(sampling), 7);
        sl_random_normals(&random, x, COUNT);
        for (int i = 0; i < COUNT; i++) x[i] *= (float)sl_sampling_initial_scale(sampling);
        for (int call = 0; call < 7; call++) {
            sl_random_normals(&random, noise, COUNT);
            sl_sampling_input(sampling, call, x, input);
            sl_sampling_step(sampling, call, input, noise, x);
        }
        for (int i = 0; i < COUNT; i++)
            if (!isfinite(x[i])) fail_msg("%s: element %d is %g", names[n], i, (double)x[i]);
        sl_sampling_free(sampling);
    }
}

static void noise_belongs_to_the_image(void **state) {
    (void)state;
    static const sl_noise_kind kinds[] = {SL_NOISE_COUNTER, SL_NOISE_TORCH, SL_NOISE_TORCH_CUDA};
    for (int k = 0; k < 3; k++) {
        sl_noise *all, *part;
        float whole[4 * COUNT], one[COUNT];
        assert_ok(sl_noise_new(kinds[k], 11, 0, 4, COUNT, &all));
        assert_ok(sl_noise_new(kinds[k], 11, 2, 1, COUNT, &part));
        for (int draw = 0; draw < 3; draw++) {
            sl_noise_draw(all, whole);
            sl_noise_draw(part, one);
            assert_memory_equal(one, whole + 2 * COUNT, sizeof one);
            assert_memory_not_equal(one, whole + COUNT, sizeof one);
        }
        sl_noise_free(all);
        sl_noise_free(part);
    }
}

/* Without any signal all of DDPM's noise is fresh, but for a rounding on either side. */
static void noise_without_signal_stays_finite(void **state) {
    (void)state;
    sl_sampler_settings settings = sl_sampler_settings_default(sl_sampler_find("ddim"));
    settings.schedule.zero_terminal_snr = true;
    settings.prediction = SL_PREDICTION_V;
    settings.spacing = SL_SPACING_TRAILING;
    settings.eta = 1;
    for (int steps = 2; steps < 200; steps++) {
        sl_sampling *sampling;
        sl_sampling_weights weights;
        assert_ok(sl_sampling_new(&settings, steps, 0, &sampling));
        sl_sampling_weigh(sampling, 0, &weights);
        for (int k = 0; k < SL_TERMS; k++)
            if (!isfinite(weights.of[SL_SUM_SAMPLE][k]))
                fail_msg("%d steps: weight %d is not finite", steps, k);
        assert_true(isfinite(sl_sampling_widening(sampling, 0, 600)));
        sl_sampling_free(sampling);
    }
}

/* Where there is no signal a prediction of the noise says nothing: refused where the steps come there and the
 * rule divides by it, finite elsewhere. */
static void noise_predictions_need_a_signal(void **state) {
    (void)state;
    for (int n = 0; n < NAMES; n++)
        for (int spacing = 0; spacing < SL_SPACING_COUNT; spacing++) {
            sl_sampler_settings settings;
            sl_sampling *sampling;
            sl_sampling_weights weights;
            assert_ok(sl_sampler_settings_use(config_path, names[n], &settings));
            settings.schedule.zero_terminal_snr = true;
            settings.spacing = (sl_spacing)spacing;
            sl_status status = sl_sampling_new(&settings, 7, 0, &sampling);
            if (n == 0 || (n == 1 && spacing != SL_SPACING_LEADING)) {
                assert_status(status, SL_UNSUPPORTED);
                continue;
            }
            assert_ok(status);
            sl_sampling_weigh(sampling, 0, &weights);
            for (int k = 0; k < SL_SUMS * SL_TERMS; k++) assert_true(isfinite((&weights.of[0][0])[k]));
            sl_sampling_free(sampling);
        }
}

/* Of normal images the best denoiser is known. Few steps that put noise back make them too much alike the
 * more they vary, and not where the noise is widened. Followed as a variance, step by step. */
static double share_of_variance(int steps, double eta, double variance, bool widened) {
    sl_sampler_settings settings = sl_sampler_settings_default(sl_sampler_find("ddim"));
    settings.schedule.betas = SL_BETAS_SQUARED_COSINE;
    settings.prediction = SL_PREDICTION_V;
    settings.spacing = SL_SPACING_TRAILING;
    settings.clip_sample = false;
    settings.eta = eta;
    sl_sampling *sampling;
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(&settings.schedule, &schedule));
    assert_ok(sl_sampling_new(&settings, steps, 0, &sampling));
    double now = 1;
    for (int call = 0; call < sl_sampling_calls(sampling); call++) {
        sl_sampling_weights weights;
        double a = (double)schedule.alpha_bar[(int)sl_sampling_timestep(sampling, call)];
        double image = sqrt(a) * variance / (a * variance + 1 - a); /* predicted of a sample of 1 */
        double output = (sqrt(a) - image) / sqrt(1 - a);
        sl_sampling_weigh(sampling, call, &weights);
        const double *w = weights.of[SL_SUM_SAMPLE];
        double keep = w[SL_TERM_SAMPLE] + w[SL_TERM_OUTPUT] * output,
               noise = w[SL_TERM_NOISE] * (widened ? sl_sampling_widening(sampling, call, variance) : 1);
        now = keep * keep * now + noise * noise;
    }
    sl_sampling_free(sampling);
    sl_noise_schedule_free(&schedule);
    return now / variance;
}

static void widened_noise_keeps_the_variance(void **state) {
    (void)state;
    static const double variances[] = {40, 600}, etas[] = {0.5, 1};
    assert_true(share_of_variance(25, 1, 600, false) < 0.6 && share_of_variance(25, 1, 40, false) < 0.8);
    for (int k = 0; k < 4; k++)
        assert_true(fabs(share_of_variance(25, etas[k / 2], variances[k % 2], true) - 1) < 0.02);
    /* steps of 33 between timesteps that are 33 1/3 apart, as diffusers has it, lose a little */
    assert_true(share_of_variance(30, 1, 600, false) < 0.6);
    assert_true(fabs(share_of_variance(30, 1, 600, true) - 0.95) < 0.02);
    sl_sampler_settings settings = sl_sampler_settings_default(sl_sampler_find("ddim"));
    sl_sampling *sampling;
    assert_ok(sl_sampling_new(&settings, 10, 0, &sampling)); /* puts no noise back */
    assert_true(sl_sampling_widening(sampling, 3, 600) == 1);
    sl_sampling_free(sampling);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_have_known_ends),
        cmocka_unit_test(a_perfect_model_gives_the_image_back),
        cmocka_unit_test(files_choose_the_sampler_unless_told),
        cmocka_unit_test(every_choice_is_a_sampler),
        cmocka_unit_test(settings_round_trip),
        cmocka_unit_test(only_settings_of_the_class_count),
        cmocka_unit_test(what_is_not_here_is_refused),
        cmocka_unit_test(hard_settings_stay_finite),
        cmocka_unit_test(noise_belongs_to_the_image),
        cmocka_unit_test(noise_without_signal_stays_finite),
        cmocka_unit_test(noise_predictions_need_a_signal),
        cmocka_unit_test(widened_noise_keeps_the_variance),
    };
    return cmocka_run_group_tests(tests, write_config, remove_config) ? 1 : 0;
}
