/* Images that their records make again, and ones that they do not. */
#include "scratch_workspace.h"

#include "image/frame.h"
#include "image/write/write.h"
#include "loop/generate/generate.h"
#include "loop/simulate.h"
#include "loop/verify/verify.h"

#include <string.h>

static const sl_verify_settings plain;

static const char *in_folder(const char *name) {
    return sl_path_join(arena, folder, name);
}

static int format;

static void simulate(const char *out, const char *class_id, bool held_out, double unreal,
                     const char *parameters, sl_workspace *into) {
    sl_simulate_result result;
    sl_simulate_settings settings = scratch_simulated(3, 64);
    settings.class_id = class_id;
    settings.domain = held_out;
    settings.unreal = unreal;
    settings.parameters = parameters;
    settings.format = format;
    settings.out = out;
    assert_ok(sl_simulate(&settings, into, NULL, &result));
}

static int64_t differing(const char *path) {
    sl_verify_result result;
    assert_ok(sl_verify_file(NULL, path, &plain, NULL, arena, &result));
    assert_true(result.differing == 0 || result.largest > 0);
    return result.differing;
}

static void simulated_files_are_made_again(void **state) {
    (void)state;
    const char *values = in_folder("values.yaml");
    assert_ok(sl_file_write_atomic(values, "energy_kev: [9, 10]\n", 20));
    simulate(in_folder("base"), "any", false, 0.5, NULL, NULL);
    simulate(in_folder("other"), "waxs-powder", true, 0, NULL, NULL);
    simulate(in_folder("given"), "saxs-form", false, 0, values, NULL);
    static const char *const sets[] = {"base", "other", "given"};
    for (int set = 0; set < 3; set++)
        for (int k = 0; k < 3; k++) {
            assert_int_equal(differing(in_folder(sl_arena_printf(arena, "%s/image_%06d.tif", sets[set], k))),
                             0);
            assert_int_equal(differing(in_folder(sl_arena_printf(arena, "%s/image_%06d.png", sets[set], k))),
                             0);
        }
    format = SL_WRITE_HDF5;
    simulate(in_folder("nexus"), "any", false, 0.5, NULL, NULL);
    format = SL_WRITE_TIFF;
    for (int k = 0; k < 3; k++)
        assert_int_equal(differing(in_folder(sl_arena_printf(arena, "nexus/image_%06d.h5", k))), 0);
}

/* The image with its record, written anew after a change of either; NULL as value: without that key. */
static const char *changed_from(const char *file, const char *key, json_t *value, int64_t pixel) {
    sl_frame frame;
    sl_image image;
    const char *path = in_folder("changed.tif");
    assert_ok(sl_frame_read(in_folder(file), NULL, NULL, &frame));
    assert_ok(sl_frame_to_image(&frame, &image));
    json_t *record = json_deep_copy(json_object_get(frame.header.metadata, "provenance"));
    if (key && !value) assert_int_equal(json_object_del(record, key), 0);
    if (key && value) json_object_set_new(record, key, value);
    while (pixel > 0 && image.mask[pixel]) pixel++;
    if (pixel > 0) image.value[pixel] += 1;
    const sl_write_info info = {.provenance = record, .synthetic = true};
    assert_ok(sl_image_write(path, SL_WRITE_TIFF, &image, &info));
    json_decref(record);
    sl_image_free(&image);
    sl_frame_free(&frame);
    return path;
}

static const char *changed(const char *key, json_t *value, int64_t pixel) {
    return changed_from("other/image_000000.tif", key, value, pixel);
}

static void a_changed_pixel_or_record_is_told(void **state) {
    (void)state;
    sl_verify_result result;
    assert_int_equal(differing(changed(NULL, NULL, 0)), 0);
    assert_int_equal(differing(changed(NULL, NULL, 700)), 1);
    assert_true(differing(changed("index", json_integer(1), 0)) > 100);
    assert_status(
        sl_verify_file(NULL, changed("simulator", json_integer(1), 0), &plain, NULL, arena, &result),
        SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "version 1"));
    assert_int_not_equal(
        sl_verify_file(NULL, changed("seed", json_integer(1), 0), &plain, NULL, arena, &result), SL_OK);
    assert_int_not_equal(
        sl_verify_file(NULL, changed("class", json_string("no"), 0), &plain, NULL, arena, &result), SL_OK);
}

static void what_nothing_makes_again_is_told(void **state) {
    (void)state;
    sl_verify_result result;
    sl_image image;
    assert_ok(sl_image_new(16, 16, &image));
    json_t *record = json_pack("{s:s}", "source", "beamline");
    const sl_write_info without = {.synthetic = false}, measured = {.provenance = record};
    assert_ok(sl_image_write(in_folder("plain.npy"), SL_WRITE_NPY, &image, &without));
    assert_ok(sl_image_write(in_folder("measured.npy"), SL_WRITE_NPY, &image, &measured));
    json_decref(record);
    sl_image_free(&image);
    assert_status(sl_verify_file(NULL, in_folder("plain.npy"), &plain, NULL, arena, &result), SL_NOT_FOUND);
    assert_status(sl_verify_file(NULL, in_folder("measured.npy"), &plain, NULL, arena, &result),
                  SL_UNSUPPORTED);
    assert_int_not_equal(sl_verify_file(NULL, in_folder("absent.npy"), &plain, NULL, arena, &result), SL_OK);
}

/* Into the folder `name`, or for NULL into the workspace. */
static void generate(sl_generate_settings *settings, double eta, const char *name) {
    sl_generate_result result;
    const char *prompt = "SAXS data showing rings";
    assert_ok(sl_options_default(sl_generate_options, arena, settings));
    settings->eta = eta;
    settings->count = 2;
    settings->steps = 4; /* one of them above and one below what the model has guided */
    settings->exposure = 2;
    settings->vae_tile_px = 128;
    settings->detector = "eiger2-1m";
    settings->out = name ? in_folder(name) : NULL;
    assert_ok(sl_generate(settings, &prompt, 1, name ? NULL : workspace, 0, NULL, &result));
}

static void generated_files_are_made_again(void **state) {
    (void)state;
    sl_generate_settings settings;
    generate(&settings, -1, "made");
    assert_int_equal(differing(in_folder("made/image_000001.tif")), 0);
    assert_int_equal(differing(in_folder("made/image_000000.png")), 0);
    static const char *const kept[] = {"eta", "brightness_deviation", "level_guidance", "guidance_from",
                                       "sketch_guided"};
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
        assert_true(differing(changed_from("made/image_000000.tif", kept[k], NULL, 0)) > 0);
    json_t *elsewhere = json_pack("{s:f, s:f}", "row_px", 40.5, "column_px", 30.25);
    assert_true(differing(changed_from("made/image_000000.tif", "beam", elsewhere, 0)) > 0);
    json_t *other = json_pack("[{s:s, s:i}]", "kind", "ring", "radius_px", 77);
    assert_true(differing(changed_from("made/image_000000.tif", "sketch", other, 0)) > 0);
}

/* Records that say nothing of eta are of programs that added no noise; the model's own is above 0. */
static void what_was_made_without_noise_is_made_again(void **state) {
    (void)state;
    sl_generate_settings settings;
    generate(&settings, 0, "quiet");
    assert_int_equal(differing(in_folder("quiet/image_000001.tif")), 0);
    assert_int_equal(differing(changed_from("quiet/image_000000.tif", "eta", NULL, 0)), 0);
}

/* Nothing brings back how blocks were taken out then, or by which laws images were measured. */
static void other_decoding_is_told(void **state) {
    (void)state;
    static const struct {
        const char *key, *words;
    } without[] = {
        {"deblock_detail", "made with \"deblock_detail\" 0, the model's is 0.006"},
        {"measurement_laws", "measured by version 1 of the usual instruments, this build has version"}};
    sl_generate_settings settings;
    sl_verify_result result;
    generate(&settings, -1, "other-decoding");
    for (size_t k = 0; k < sizeof without / sizeof *without; k++) {
        const char *file = changed_from("other-decoding/image_000000.tif", without[k].key, NULL, 0);
        assert_status(sl_verify_file(NULL, file, &plain, NULL, arena, &result), SL_MISMATCH);
        assert_non_null(strstr(sl_error_message(), without[k].words));
    }
}

static void images_of_a_workspace_are_made_again(void **state) {
    (void)state;
    sl_generate_settings settings;
    sl_verify_result result;
    sl_image_record *images;
    int count;
    simulate(NULL, "any", true, 0.5, NULL, workspace);
    generate(&settings, -1, NULL);
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &images, &count));
    assert_int_equal(count, 5);
    for (int k = 0; k < count; k++) {
        assert_ok(sl_verify_image(workspace, images[k].id, &plain, NULL, arena, &result));
        assert_int_equal(result.differing, 0);
        assert_string_equal(result.origin, sl_origin_name(images[k].origin));
    }
    assert_status(sl_verify_image(workspace, 99, &plain, NULL, arena, &result), SL_NOT_FOUND);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(simulated_files_are_made_again),
    cmocka_unit_test(a_changed_pixel_or_record_is_told),
    cmocka_unit_test(what_nothing_makes_again_is_told),
    cmocka_unit_test(generated_files_are_made_again),
    cmocka_unit_test(what_was_made_without_noise_is_made_again),
    cmocka_unit_test(other_decoding_is_told),
    cmocka_unit_test(images_of_a_workspace_are_made_again),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
