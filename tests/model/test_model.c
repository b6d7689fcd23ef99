/* Configurations, parameter lists, files. */
#include "fixture.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "model/clip.h"
#include "model/lora_file.h"
#include "model/resnet.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vit.h"

#include <stdlib.h>
#include <string.h>

static const char *shared(const char *name) {
    const char *path = fixture_path("variant.json"); /* skips where there are no fixtures */
    static char out[1024];
    snprintf(out, sizeof out, "%.*s/../%s", (int)(strrchr(path, '/') - path), path, name);
    return out;
}

/* The true Stable Diffusion 1.5: number of parameters, and every name and shape. */
static void check_keys(const char *part, const char *keys_file, const char *prefix, int64_t values) {
    sl_model *model;
    json_t *keys, *shape;
    char folder[64];
    snprintf(folder, sizeof folder, "reference/sd15/%s", part);
    assert_ok(sl_model_load_config(shared(folder), &model));
    assert_int_equal(sl_params_values(model->params, false), values);
    assert_ok(sl_json_read(shared(keys_file), &keys));
    assert_int_equal(json_object_size(keys), (size_t)sl_params_count(model->params));
    const char *key;
    json_object_foreach(keys, key, shape) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, key);
        const sl_param *param = sl_params_find(model->params, name);
        if (!param) fail_msg("no parameter '%s'", name);
        assert_int_equal(json_array_size(shape), (size_t)param->value.shape.rank);
        for (int i = 0; i < param->value.shape.rank; i++)
            assert_int_equal(json_integer_value(json_array_get(shape, (size_t)i)), param->value.shape.dim[i]);
    }
    assert_int_equal(sl_params_bytes(model->params), 0); /* described without holding it */
    json_decref(keys);
    sl_model_free(model);
}

static void stable_diffusion_has_the_public_keys(void **state) {
    (void)state;
    check_keys("unet", "reference/unet_keys.json", "", 859520964);
    check_keys("vae", "reference/vae_keys.json", "", 83653863);
    check_keys("text_encoder", "reference/text_encoder_keys.json", "text_model.", 123060480);
}

static void presets_have_the_public_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t values; /* torchvision, 1000 classes */
    } nets[] = {{"resnet18", 11689512}, {"resnet34", 21797672}, {"resnet50", 25557032}};
    sl_model *model;
    for (int i = 0; i < 3; i++) {
        sl_resnet_config config;
        assert_ok(sl_resnet_preset(nets[i].name, 1000, &config));
        assert_ok(sl_model_new(&sl_resnet_kind, &config, &model));
        assert_int_equal(sl_params_values(model->params, false), nets[i].values);
        sl_model_free(model);
    }
    sl_vit_config vit;
    assert_ok(sl_vit_preset("vit_b_16", 224, 1000, &vit));
    assert_ok(sl_model_new(&sl_vit_kind, &vit, &model));
    assert_int_equal(sl_params_values(model->params, false), 86567656);
    sl_model_free(model);
    assert_status(sl_vit_preset("vit_b_17", 224, 2, &vit), SL_NOT_FOUND);
    assert_status(sl_vit_preset("vit_b_16", 100, 2, &vit), SL_FORMAT);
}

static sl_status unet_of(const char *text) {
    json_t *json;
    sl_model *model;
    assert_ok(sl_json_parse(text, strlen(text), "test", &json));
    sl_status status = sl_model_from_json(json, &model);
    if (status == SL_OK) sl_model_free(model);
    json_decref(json);
    return status;
}

#define UNET(more) "{\"_class_name\": \"UNet2DConditionModel\", " more "}"

static void configurations_are_checked(void **state) {
    (void)state;
    assert_status(unet_of(UNET("\"in_channels\": \"four\"")), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "in_channels"));
    assert_status(unet_of(UNET("\"in_channels\": -1")), SL_FORMAT);
    assert_status(unet_of(UNET("\"dual_cross_attention\": true")), SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "supported is only false"));
    assert_status(unet_of(UNET("\"down_block_types\": [\"DownBlock2D\", \"AttnDownBlock2D\"]")),
                  SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "CrossAttnDownBlock2D"));
    assert_status(unet_of(UNET("\"block_out_channels\": [320, 640]")), SL_FORMAT);
    assert_status(unet_of(UNET("\"norm_num_groups\": 7")), SL_FORMAT);
    assert_status(unet_of(UNET("\"attention_head_dim\": [8, 8]")), SL_FORMAT);
    assert_status(unet_of("{\"_class_name\": \"FluxTransformer2DModel\"}"), SL_UNSUPPORTED);
    assert_status(unet_of("{\"_class_name\": \"AutoencoderKL\"}"), SL_NOT_FOUND);
}

static void assert_same_values(const sl_model *a, const sl_model *b) {
    assert_int_equal(sl_params_count(a->params), sl_params_count(b->params));
    for (int i = 0; i < sl_params_count(a->params); i++) {
        const sl_param *x = sl_params_at(a->params, i), *y = sl_params_find(b->params, x->name);
        if (!y) fail_msg("'%s' was lost", x->name);
        assert_memory_equal(x->value.data, y->value.data, sl_tensor_bytes(&x->value));
    }
}

static void saved_models_come_back(void **state) {
    (void)state;
    static const char *const parts[] = {"pipe/unet", "unet_b", "pipe/vae", "pipe/text_encoder", "clip_b"};
    char folder[SCRATCH_FOLDER_BYTES];
    assert_true(scratch_folder_make(folder));
    for (int i = 0; i < 5; i++) {
        sl_model *model, *again;
        json_t *one, *two;
        assert_ok(sl_model_load(fixture_path(parts[i]), &model));
        assert_ok(sl_model_save(model, folder, SL_F32));
        assert_ok(sl_model_load(folder, &again));
        assert_same_values(model, again);
        assert_ok(sl_model_config_json(model, &one));
        assert_ok(sl_model_config_json(again, &two));
        assert_true(json_equal(one, two));
        json_decref(one);
        json_decref(two);
        sl_model_free(again);
        assert_ok(sl_model_save(model, folder, SL_F16));
        assert_ok(sl_model_load(folder, &again));
        const sl_param *x = sl_params_at(model->params, 0), *y = sl_params_at(again->params, 0);
        double error = relative_error(y->value.data, x->value.data, sl_shape_count(&x->value.shape));
        assert_true(error > 0 && error < 1e-3);
        sl_model_free(model);
        sl_model_free(again);
        assert_true(scratch_folder_remove(folder));
    }
}

static void opened_models_have_the_same_values(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    sl_model *loaded, *opened, *again;
    assert_true(scratch_folder_make(folder));
    assert_ok(sl_model_load(fixture_path("unet_b"), &loaded));
    assert_ok(sl_model_open(fixture_path("unet_b"), &opened));
    assert_int_equal(sl_params_bytes(opened->params), 0);
    assert_ok(sl_model_save(opened, folder, SL_F32));
    assert_same_values(loaded, opened);
    assert_ok(sl_model_load(folder, &again));
    assert_same_values(loaded, again);
    assert_status(sl_model_open(fixture_path("pipe/tokenizer"), &again), SL_NOT_FOUND);
    sl_model_free(loaded);
    sl_model_free(opened);
    sl_model_free(again);
    assert_true(scratch_folder_remove(folder));
}

static void misfits_are_all_named(void **state) {
    (void)state;
    sl_model *model;
    assert_ok(sl_model_load_config(fixture_path("unet_b"), &model));
    assert_status(sl_model_load_weights(model, fixture_path("pipe/unet")), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "UNet2DConditionModel"));
    assert_int_equal(sl_params_bytes(model->params), 0);
    sl_model_free(model);
}

static void the_model_can_be_shown(void **state) {
    (void)state;
    sl_model *model;
    sl_text text = SL_TEXT_INIT;
    assert_ok(sl_model_load_config(shared("reference/sd15/unet"), &model));
    assert_ok(sl_model_show(model, &text));
    assert_non_null(strstr(sl_text_get(&text), "859520964"));
    assert_non_null(strstr(sl_text_get(&text), "down_blocks.3"));
    sl_text_free(&text);
    sl_model_free(model);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(stable_diffusion_has_the_public_keys),
    cmocka_unit_test(presets_have_the_public_sizes),
    cmocka_unit_test(configurations_are_checked),
    cmocka_unit_test(saved_models_come_back),
    cmocka_unit_test(opened_models_have_the_same_values),
    cmocka_unit_test(misfits_are_all_named),
    cmocka_unit_test(the_model_can_be_shown),
};
TEST_MAIN(tests)
