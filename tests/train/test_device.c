/* Training on a device (of guarded memory): weights, moments and averages stay there, and come out as on the
 * CPU. */
#include "test.h"

#include "../graph/guarded_device.h"
#include "tiny.h"

#include "train/residence.h"
#include "train/vae_train.h"

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(training_on_a_device_gives_the_same),
    cmocka_unit_test(a_cut_training_goes_on_on_the_device),
    cmocka_unit_test(weights_do_not_travel),
};
TEST_MAIN(tests)
