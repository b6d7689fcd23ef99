#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "base/json.h"
#include "loop/model_folder.h"
#include "model/model.h"
#include "shared.h"

#include <stdlib.h>
#include <string.h>

static const char *fixture(void) {
    const char *path = shared_path("golden/dev/pipe");
    if (!path) skip_because("no golden/dev/pipe; set SL_SHARED");
    return path;
}

static void shows_every_part(void **state) {
    (void)state;
    sl_text text = SL_TEXT_INIT;
    json_t *json;
    assert_ok(sl_model_folder_show(fixture(), &text, &json));
    const json_t *parts = json_object_get(json, "parts"), *unet = json_array_get(parts, 1);
    assert_int_equal(json_array_size(parts), 3);
    assert_string_equal(json_string_value(json_object_get(unet, "class")), "UNet2DConditionModel");
    assert_string_equal(json_string_value(json_object_get(unet, "weights")), "fit");
    assert_true(json_integer_value(json_object_get(unet, "parameters")) > 0);
    assert_non_null(strstr(sl_text_get(&text), "AutoencoderKL"));
    json_decref(json);
    sl_text_free(&text);
    assert_status(sl_model_folder_show("/", &text, &json), SL_NOT_FOUND);
    sl_text_free(&text);
}

static void converts_once(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    int64_t parameters = 0;
    assert_true(scratch_folder_make(folder));
    assert_ok(sl_model_folder_convert(fixture(), folder, SL_BF16, &parameters));
    assert_true(parameters > 0);
    sl_text text = SL_TEXT_INIT;
    json_t *json;
    assert_ok(sl_model_folder_show(folder, &text, &json));
    json_decref(json);
    sl_text_free(&text);
    assert_status(sl_model_folder_convert(fixture(), folder, SL_F32, &parameters), SL_EXISTS);
    assert_status(sl_model_folder_convert(fixture(), "/nowhere", SL_I8, &parameters), SL_INVALID);
    assert_true(scratch_folder_remove(folder));
}

static const char *in(const char *folder, const char *name) {
    static char path[2 * SCRATCH_FOLDER_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Another encoder beside the autoencoder, and what the folder says of itself. */
static void copies_have_what_lies_beside(void **state) {
    (void)state;
    static const char facts[] = "{\"space\": \"expectation\", \"size_px\": 48, \"data\": {\"seed\": 9}}";
    char first[SCRATCH_FOLDER_BYTES], second[SCRATCH_FOLDER_BYTES];
    int64_t parameters = 0;
    sl_model *vae;
    json_t *json, *said;
    assert_true(scratch_folder_make(first) && scratch_folder_make(second));
    assert_ok(sl_model_folder_convert(fixture(), first, SL_F32, &parameters));
    assert_ok(sl_model_load(in(first, "vae"), &vae));
    assert_ok(sl_model_save(vae, in(first, "vae_measured"), SL_F32));
    sl_model_free(vae);
    assert_ok(sl_file_write_atomic(in(first, "scatterloop.json"), facts, strlen(facts)));
    assert_ok(sl_model_folder_convert(first, second, SL_F16, &parameters));
    assert_ok(sl_model_load(in(second, "vae_measured"), &vae));
    sl_model_free(vae);
    assert_ok(sl_json_parse(facts, strlen(facts), "test", &said));
    assert_ok(sl_json_read(in(second, "scatterloop.json"), &json));
    assert_true(json_equal(json, said));
    json_decref(json);
    json_decref(said);
    assert_true(scratch_folder_remove(first) && scratch_folder_remove(second));
}

static void names_weights_by_their_bytes(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    int64_t parameters;
    json_t *one = json_object(), *other = json_object();
    static const char file[] = "unet/diffusion_pytorch_model.safetensors";
    assert_true(scratch_folder_make(folder));
    assert_ok(sl_model_folder_convert(fixture(), folder, SL_BF16, &parameters));
    assert_ok(sl_model_folder_hash(fixture(), "unet", one));
    assert_ok(sl_model_folder_hash(folder, "unet", other));
    assert_int_equal(json_object_size(one), 1);
    assert_int_equal(strlen(json_string_value(json_object_get(one, file))), 64);
    assert_non_null(json_object_get(other, file));
    assert_false(json_equal(one, other));
    assert_status(sl_model_folder_hash(folder, "scheduler", one), SL_NOT_FOUND);
    json_decref(one);
    json_decref(other);
    assert_true(scratch_folder_remove(folder));
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(shows_every_part), cmocka_unit_test(converts_once),
                                          cmocka_unit_test(copies_have_what_lies_beside),
                                          cmocka_unit_test(names_weights_by_their_bytes)};
TEST_MAIN(tests)
