/* Training on a device (of guarded memory): weights, moments and averages stay there, and come out as on the
 * CPU. */
#include "test.h"

#include "../graph/guarded_device.h"
#include "tiny.h"

#include "train/denoiser_train.h"
#include "train/residence.h"
#include "train/vae/vae_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sl_status run_vae(sl_model *vae, int64_t steps, const sl_optimizer *optimizer, const char *folder,
                         sl_train_outcome *out) {
    int64_t seed = 1, other = 2;
    sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 4);
    sl_vae_recipe recipe = sl_vae_recipe_default();
    recipe.crop_px = 16;
    recipe.batch = 4;
    sl_train_options options = {.optimizer = *optimizer,
                                .schedule = {SL_SCHEDULE_CONSTANT, 3e-3, 0, 2, steps},
                                .clip_norm = 1,
                                .ema_decay = 0.9,
                                .accumulate = 2,
                                .steps = steps,
                                .holdout_every = 3,
                                .save_every = 4,
                                .folder = folder};
    return sl_train_vae(vae, &recipe, &feed, &holdout, &options, NULL, out);
}

static double largest_value(const sl_param *p) {
    double largest = 0;
    for (int64_t i = 0; i < sl_shape_count(&p->value.shape); i++)
        largest = fmax(largest, fabs((double)((const float *)p->value.data)[i]));
    return largest;
}

static void assert_close(const sl_params *a, const sl_params *b, double tolerance) {
    for (int i = 0; i < sl_params_count(a); i++) {
        const sl_param *x = sl_params_at(a, i), *y = sl_params_at(b, i);
        double scale = largest_value(x);
        for (int64_t k = 0; k < sl_shape_count(&x->value.shape); k++) {
            double left = (double)((const float *)x->value.data)[k],
                   right = (double)((const float *)y->value.data)[k];
            if (!(fabs(left - right) <= tolerance * (scale + 1e-3)))
                fail_msg("%s[%lld]: %.9g on the CPU, %.9g on the device", x->name, (long long)k, left, right);
        }
    }
}

static void training_on_a_device_gives_the_same(void **state) {
    (void)state;
    const sl_optimizer optimizers[] = {sl_optimizer_adamw(), sl_optimizer_sgd(0.9), sl_optimizer_sgd(0)};
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        sl_train_outcome here, there;
        sl_model *cpu = tiny_model(tiny_vae), *device = tiny_model(tiny_vae);
        assert_ok(run_vae(cpu, 6, &optimizers[i], NULL, &here));
        guarded_device_use();
        assert_ok(run_vae(device, 6, &optimizers[i], NULL, &there));
        guarded_device_end();
        assert_true(fabs(here.loss - there.loss) < 1e-4 * here.loss);
        assert_true(fabs(here.holdout_last - there.holdout_last) < 1e-4 * here.holdout_last);
        /* AdamW divides by the root of the second moment: rounding of small gradients counts in full */
        assert_close(cpu->params, device->params, i == 0 ? 2e-2 : 1e-4);
        sl_model_free(cpu);
        sl_model_free(device);
    }
}

static void a_cut_training_goes_on_on_the_device(void **state) {
    (void)state;
    sl_optimizer optimizer = sl_optimizer_adamw();
    sl_train_outcome out;
    sl_model *whole = tiny_model(tiny_vae), *cut = tiny_model(tiny_vae);
    char *folder = tiny_folder();
    guarded_device_use();
    assert_ok(run_vae(whole, 8, &optimizer, NULL, &out));
    assert_ok(run_vae(cut, 4, &optimizer, folder, &out));
    sl_model_free(cut);
    cut = tiny_model(tiny_vae);
    assert_ok(run_vae(cut, 8, &optimizer, folder, &out));
    guarded_device_end();
    assert_int_equal(out.steps_run, 4);
    for (int i = 0; i < sl_params_count(whole->params); i++) {
        const sl_param *x = sl_params_at(whole->params, i), *y = sl_params_at(cut->params, i);
        assert_memory_equal(x->value.data, y->value.data, sl_tensor_bytes(&x->value));
    }
    tiny_folder_drop(folder);
    sl_model_free(whole);
    sl_model_free(cut);
}

/* A step carries inputs, coefficients, sums and the loss to and fro, no weight and no gradient. */
static void weights_do_not_travel(void **state) {
    (void)state;
    sl_optimizer optimizer = sl_optimizer_adamw();
    sl_train_outcome out;
    sl_model *vae = tiny_model(tiny_vae);
    int uploads[2], downloads[2];
    for (int i = 0; i < 2; i++) {
        guarded_device_use();
        assert_ok(run_vae(vae, i ? 2 : 1, &optimizer, NULL, &out));
        uploads[i] = guarded_device.uploads;
        downloads[i] = guarded_device.downloads;
        guarded_device_end();
    }
    assert_true(sl_params_count(vae->params) > 20);
    assert_in_range(uploads[1] - uploads[0], 1, 14);
    assert_in_range(downloads[1] - downloads[0], 1, 6);
    sl_model_free(vae);
}

/* ---- an adapter in fp16 ---- */

enum { LATENT = 8 * 8 * 4, LENGTH = 8, WIDTH = 8 };

static sl_status a_latent(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)context, (void)draw;
    for (int i = 0; i < LATENT; i++) out[i] = i % 4 == 0 ? (sample % 2 ? 1.0f : -1.0f) : 0.25f;
    return SL_OK;
}

static sl_status an_embedding(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)context, (void)draw;
    for (int i = 0; i < LENGTH * WIDTH; i++) out[i] = sample < 0 ? 0 : (sample + i) % 2 ? 1.0f : -1.0f;
    return SL_OK;
}

static sl_status run_adapter(sl_dtype dtype, bool recompute, sl_lora **out_lora, sl_train_outcome *out) {
    static const sl_denoiser_data data = {.count = 6, .latent = a_latent, .embedding = an_embedding};
    sl_noise_schedule schedule;
    sl_model *unet = tiny_model(tiny_unet);
    SL_TRY(sl_lora_new(sl_lora_attention_targets, 2, 0, out_lora));
    SL_TRY(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 1000}, &schedule));
    sl_denoiser_recipe recipe = {.batch = 2,
                                 .height = 8,
                                 .width = 8,
                                 .length = LENGTH,
                                 .noising = {.schedule = &schedule, .prediction = SL_PREDICTION_V, .seed = 4},
                                 .spread_timesteps = true,
                                 .holdout_draws = 1,
                                 .dtype = dtype,
                                 .recompute = recompute};
    sl_train_options options = {.optimizer = sl_optimizer_adamw(),
                                .schedule = {.kind = SL_SCHEDULE_CONSTANT, .rate = 1e-3},
                                .clip_norm = 1,
                                .accumulate = 1,
                                .steps = 3};
    sl_denoiser_models models = {.unet = unet, .lora = *out_lora, .lora_is_new = true};
    sl_status status = sl_train_denoiser(&models, &recipe, &data, NULL, &options, NULL, out);
    sl_noise_schedule_free(&schedule);
    sl_model_free(unet);
    return status;
}

/* Gradients that fp16 would lose come through by the scale of the loss: the adapter ends where fp32 brings
 * it, as closely as bf16 does. */
static void an_adapter_learns_in_fp16(void **state) {
    (void)state;
    static const sl_dtype dtypes[] = {SL_F32, SL_F16, SL_BF16};
    sl_lora *lora[3];
    sl_train_outcome out[3];
    double square = 0, error[3] = {0};
    guarded_device_use();
    for (int i = 0; i < 3; i++) assert_ok(run_adapter(dtypes[i], false, &lora[i], &out[i]));
    guarded_device_end();
    assert_true(out[0].state.loss_scale == 0);
    assert_in_range((long long)out[1].state.loss_scale, 256, 65536);
    for (int k = 0; k < sl_params_count(lora[0]->params); k++) {
        const sl_tensor *x = &sl_params_at(lora[0]->params, k)->value;
        if (!strstr(sl_params_at(lora[0]->params, k)->name, ".up.")) continue; /* those that begin at zero */
        for (int64_t n = 0; n < sl_shape_count(&x->shape); n++) {
            double value = (double)((const float *)x->data)[n];
            square += value * value;
            for (int i = 1; i < 3; i++) {
                double d = (double)((const float *)sl_params_at(lora[i]->params, k)->value.data)[n] - value;
                error[i] += d * d;
            }
        }
    }
    print_message("adapter: fp16 off by %.3g of it, bf16 by %.3g; scale of the loss %g\n",
                  sqrt(error[1] / square), sqrt(error[2] / square), out[1].state.loss_scale);
    assert_true(square > 0 && error[1] < 0.02 * square && error[1] < error[2]);
    for (int i = 0; i < 3; i++) sl_lora_free(lora[i]);
}

/* Where activations do not fit they are computed again, with the same bits; where that does not fit either,
 * the figures are told before anything is run. */
static void little_memory_means_more_work(void **state) {
    (void)state;
    size_t plenty = guarded_device_total_bytes, peak[2];
    sl_lora *lora[3], *none;
    sl_train_outcome out;
    for (int i = 0; i < 2; i++) {
        guarded_device_use();
        assert_ok(run_adapter(SL_F32, i == 1, &lora[i], &out));
        peak[i] = guarded_device.peak_bytes;
        guarded_device_end();
    }
    assert_true(peak[1] < peak[0]);
    guarded_device_total_bytes = (peak[0] + peak[1]) / 2;
    guarded_device_use();
    assert_ok(run_adapter(SL_F32, false, &lora[2], &out));
    assert_int_equal(guarded_device.peak_bytes, peak[1]);
    guarded_device_end();
    guarded_device_total_bytes = peak[1] / 2;
    guarded_device_use();
    assert_status(run_adapter(SL_F32, false, &none, &out), SL_MEMORY);
    assert_non_null(strstr(sl_error_message(), "gradients"));
    assert_int_equal(guarded_device.runs, 0);
    guarded_device_end();
    guarded_device_total_bytes = plenty;
    for (int k = 0; k < sl_params_count(lora[0]->params); k++) {
        const sl_tensor *x = &sl_params_at(lora[0]->params, k)->value;
        assert_memory_equal(x->data, sl_params_at(lora[2]->params, k)->value.data, sl_tensor_bytes(x));
    }
    for (int i = 0; i < 3; i++) sl_lora_free(lora[i]);
    sl_lora_free(none);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(little_memory_means_more_work),
    cmocka_unit_test(an_adapter_learns_in_fp16),
    cmocka_unit_test(training_on_a_device_gives_the_same),
    cmocka_unit_test(a_cut_training_goes_on_on_the_device),
    cmocka_unit_test(weights_do_not_travel),
};
TEST_MAIN(tests)
