/* Latents say what they were made of, and a denoiser learns from no others than it was asked to. */
#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "loop/train/base_internal.h"
#include "train/latents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_is_read_again(void **state) {
    (void)state;
    sl_base_maker maker = {"0123456789abcdef", 3, 4000000000, 256}, again;
    char text[SL_BASE_MAKER_BYTES];
    sl_base_maker_text(&maker, text);
    assert_string_equal(text, "encoder 0123456789abcdef, simulator 3, seed 4000000000, 256 px");
    assert_ok(sl_base_maker_read(text, &again));
    assert_string_equal(again.encoder, maker.encoder);
    assert_int_equal(again.simulator, 3);
    assert_true(again.seed == maker.seed);
    assert_int_equal(again.size_px, 256);
}

static void other_text_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {" ",
                                        "maker a",
                                        "encoder 0123456789abcdef, simulator 3, seed 1",
                                        "encoder 0123456789abcdef0, simulator 3, seed 1, 256 px",
                                        "encoder 0123456789ABCDEF, simulator 3, seed 1, 256 px",
                                        "encoder 0123456789abcdef, simulator 3, seed 1, 256 px and more"};
    sl_base_maker maker;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_status(sl_base_maker_read(texts[i], &maker), SL_FORMAT);
        assert_non_null(strstr(sl_error_message(), texts[i]));
    }
}

/* Adds a little to the first number of the first parameter with this beginning. */
static void change(sl_model *model, const char *beginning) {
    for (int i = 0; i < sl_params_count(model->params); i++) {
        sl_param *param = sl_params_at(model->params, i);
        if (strncmp(param->name, beginning, strlen(beginning)) != 0) continue;
        *(float *)param->value.data += 1;
        return;
    }
    fail_msg("no parameter %s...", beginning);
}

static void the_encoder_alone_names_them(void **state) {
    (void)state;
    sl_model *vae;
    sl_base_maker first, second;
    assert_ok(sl_base_vae_new(1, &vae));
    assert_ok(sl_base_maker_encoder(vae, &first));
    assert_int_equal(strlen(first.encoder), 16);
    change(vae, "decoder.");
    change(vae, "post_quant_conv.");
    assert_ok(sl_base_maker_encoder(vae, &second));
    assert_string_equal(first.encoder, second.encoder);
    static const char *const parts[] = {"encoder.", "quant_conv."};
    for (int k = 0; k < 2; k++) {
        first = second;
        change(vae, parts[k]);
        assert_ok(sl_base_maker_encoder(vae, &second));
        assert_string_not_equal(first.encoder, second.encoder);
    }
    sl_model_free(vae);
}

/* ---- stage unet ---- */

static sl_arena *arena;

static int open_arena(void **state) {
    (void)state;
    return sl_arena_new(&arena) ? 1 : 0;
}

static int close_arena(void **state) {
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static const char of_64_px[] = "encoder 0123456789abcdef, simulator 3, seed 7, 64 px";

/* A folder of one latent each for training and hold-out, of 8 x 8 places. */
static char *folder_of_latents(const char *maker, const char *holdout_maker) {
    enum { SIZE = 8 * 8 * 6 };
    static char folder[SCRATCH_FOLDER_BYTES];
    static float values[SIZE];
    static const char *const caption = "SAXS data showing rings";
    sl_latent_shard shard = {1, 0, SL_SHAPE(8, 8, 6), values, values, &caption, NULL, NULL};
    char path[128];
    assert_true(scratch_folder_make(folder));
    snprintf(path, sizeof path, "%s/latents", folder);
    assert_ok(sl_latents_write(path, 0, &shard, maker));
    snprintf(path, sizeof path, "%s/latents-holdout", folder);
    assert_ok(sl_latents_write(path, 0, &shard, holdout_maker));
    return folder;
}

/* The stage stops before it trains, and says why. */
static void refuses(const sl_base_settings *settings, sl_status status, const char *part) {
    json_t *result = json_object();
    assert_status(sl_base_stage_unet(settings, NULL, result), status);
    if (!strstr(sl_error_message(), part)) fail_msg("'%s' in '%s'", part, sl_error_message());
    json_decref(result);
}

static sl_base_settings settings_of(const char *folder) {
    sl_base_settings settings;
    assert_ok(sl_options_default(sl_base_options, arena, &settings));
    settings.out = folder;
    settings.size = 64;
    return settings;
}

static void latents_of_something_else_are_refused(void **state) {
    (void)state;
    char *folder = folder_of_latents(of_64_px, of_64_px);
    sl_base_settings settings = settings_of(folder);
    settings.size = 128;
    refuses(&settings, SL_MISMATCH, "images of 64 px, --size asks for 128");
    settings.size = 64;
    sl_model *vae;
    sl_base_path place = sl_base_path_of(&settings, "model/vae");
    assert_ok(sl_base_vae_new(1, &vae));
    assert_ok(sl_model_save(vae, place.text, SL_F32));
    sl_model_free(vae);
    refuses(&settings, SL_MISMATCH, "are of encoder 0123456789abcdef, that in");
    assert_true(scratch_folder_remove(folder));
    folder = folder_of_latents(of_64_px, "encoder 0123456789abcdef, simulator 3, seed 8, 64 px");
    refuses(&settings, SL_MISMATCH, "latents-holdout");
    assert_true(scratch_folder_remove(folder));
    folder = folder_of_latents("somebody", "somebody");
    refuses(&settings, SL_FORMAT, "'somebody' does not say what latents were made of");
    assert_true(scratch_folder_remove(folder));
}

/* What the earlier denoiser has stays as it is. */
static void other_layers_than_those_begun_with_are_refused(void **state) {
    (void)state;
    char *folder = folder_of_latents(of_64_px, of_64_px);
    sl_base_settings settings = settings_of(folder);
    settings.begin = "models/base";
    settings.unet_attention = 0;
    refuses(&settings, SL_MISMATCH, "has 1 layers of attention, --unet-attention asks for 0");
    settings.unet_attention = -1;
    settings.unet_cuts = 3;
    refuses(&settings, SL_MISMATCH, "has 8 cuts, --unet-cuts asks for 3");
    settings.unet_rings = 0;
    refuses(&settings, SL_MISMATCH, "has 96 rings about the beam, --unet-rings asks for 0");
    assert_true(scratch_folder_remove(folder));
}

/* A denoiser that is to be told of marks learns nothing from latents that do not say where they are. */
static void latents_without_sketches_are_refused(void **state) {
    (void)state;
    char *folder = folder_of_latents(of_64_px, of_64_px);
    sl_base_settings settings = settings_of(folder);
    settings.begin = "models/base";
    refuses(&settings, SL_MISMATCH, "do not say where rings, arcs and spots are");
    sl_base_path words = sl_base_path_of(&settings, "model/tokenizer/merges.txt");
    assert_ok(sl_file_write_atomic(words.text, "a b\n", 4)); /* words that the weights do not know */
    refuses(&settings, SL_MISMATCH, "merges.txt' is not 'models/base/tokenizer/merges.txt'");
    assert_true(scratch_folder_remove(folder));
}

static void what_is_not_asked_for_is_as_what_it_begins_with_has_it(void **state) {
    (void)state;
    sl_base_settings settings = settings_of("nowhere");
    sl_unet_config had = {.layers_per_block = 1, .beam_rings = 5, .beam_attention = false};
    settings.unet_cuts = 0;
    sl_base_unet shape = sl_base_unet_shape(&settings, &had), usual = sl_base_unet_shape(&settings, NULL);
    assert_int_equal(shape.layers, 1);
    assert_int_equal(shape.rings, 5);
    assert_int_equal(shape.profiles, 0);
    assert_int_equal(shape.attention, 0);
    assert_int_equal(usual.layers, SL_BASE_UNET_LAYERS);
    assert_int_equal(usual.rings, SL_BASE_UNET_RINGS);
    assert_int_equal(usual.profiles, SL_BASE_UNET_PROFILES);
    assert_int_equal(usual.attention, 1);
    assert_int_equal(usual.cuts, 0);
    settings.unet_layers = 3;
    settings.unet_rings = 7;
    shape = sl_base_unet_shape(&settings, &had);
    assert_int_equal(shape.layers, 3);
    assert_int_equal(shape.rings, 7);
}

static void a_mix_needs_what_it_began_with(void **state) {
    (void)state;
    char *folder = folder_of_latents(of_64_px, of_64_px);
    sl_base_settings settings = settings_of(folder);
    settings.unet_mix = 0.5;
    refuses(&settings, SL_INVALID, "--unet-mix 0.5: the rest is of the weights that --begin names");
    assert_true(scratch_folder_remove(folder));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_is_read_again),
    cmocka_unit_test(other_text_is_refused),
    cmocka_unit_test(the_encoder_alone_names_them),
    cmocka_unit_test(latents_of_something_else_are_refused),
    cmocka_unit_test(other_layers_than_those_begun_with_are_refused),
    cmocka_unit_test(latents_without_sketches_are_refused),
    cmocka_unit_test(what_is_not_asked_for_is_as_what_it_begins_with_has_it),
    cmocka_unit_test(a_mix_needs_what_it_began_with),
};
TEST_MAIN_WITH(tests, open_arena, close_arena)
