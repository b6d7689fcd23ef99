/* The models that come with the program: they load, and keep what their cards promise. */
#include "scratch_workspace.h"

#include "diffusion/pipeline.h"
#include "loop/classify/physics.h"
#include "loop/generate/generate.h"
#include "loop/shipped.h"
#include "model/model.h"
#include "train/quality.h"
#include "train/vae/vae_train.h"
#include "xray/log_map.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256, PIXELS = SIDE * SIDE, IMAGES = 16, EACH = 4 };

static const char *folder_of(const char *name) {
    const char *path;
    assert_ok(sl_shipped_model(arena, name, &path));
    return path;
}

/* Expectations of instruments and samples that nothing was fitted to come back with 40 dB. */
static void autoencoder_keeps_expectations(void **state) {
    (void)state;
    sl_model *vae;
    sl_vae_coder *coder;
    assert_ok(sl_model_load(sl_arena_printf(arena, "%s/vae", folder_of("base")), &vae));
    assert_ok(sl_vae_coder_new(vae, 1, SIDE, SIDE, true, SL_F32, &coder));
    float *image = malloc(sizeof(float) * PIXELS);
    double sum = 0;
    for (uint32_t i = 0; i < IMAGES; i++) {
        sl_sim_sample sample = {0};
        sl_sim_options options = {
            .size_px = SIDE, .class_id = SL_SIM_CLASS_ANY, .domain = SL_SIM_DOMAIN_HELD_OUT};
        assert_ok(sl_sim_sample_make(987654321, i, &options, &sample));
        for (int p = 0; p < PIXELS; p++) image[p] = 2 * sample.log_map[p] - 1;
        assert_ok(sl_vae_round_trip(coder, image, 1, image));
        for (int p = 0; p < PIXELS; p++) image[p] = 0.5f * image[p] + 0.5f;
        sum += sl_psnr_db(image, sample.log_map, PIXELS) / IMAGES;
        sl_sim_sample_free(&sample);
    }
    assert_true(sum > 40);
    free(image);
    sl_vae_coder_free(coder);
    sl_model_free(vae);
}

/* The caption reaches the picture: grazing incidence has a horizon, where whole rows change alike; around a
 * centre they do not. The share of vertical change, squared, that is a row's own mean. */
static double change_by_rows(const float *image) {
    double common = 0, all = 0;
    for (int row = 1; row < SIDE; row++) {
        double mean = 0;
        for (int x = 0; x < SIDE; x++) {
            double change = (double)image[row * SIDE + x] - (double)image[(row - 1) * SIDE + x];
            mean += change / SIDE;
            all += change * change / SIDE;
        }
        common += mean * mean;
    }
    return common / all;
}

static void captions_reach_the_picture(void **state) {
    (void)state;
    enum { COUNT = 2 * EACH };
    static const char *const captions[] = {"GISAXS data showing rods and a Yoneda band",
                                           "WAXS data showing rings and a halo"};
    const char *prompts[COUNT], *none[COUNT];
    for (int i = 0; i < COUNT; i++) {
        prompts[i] = captions[i / EACH];
        none[i] = "";
    }
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_generated made;
    assert_ok(sl_bundle_load(folder_of("base"), &bundle));
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    sl_generation generation = {.count = COUNT,
                                .prompts = prompts,
                                .negatives = none,
                                .prompt_count = COUNT,
                                .steps = 10,
                                .way = bundle->way,
                                .sampler = &bundle->sampler,
                                .noise = SL_NOISE_COUNTER,
                                .seed = 5,
                                .batch = EACH};
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    double mean[2] = {0};
    for (int i = 0; i < COUNT; i++)
        mean[i / EACH] += change_by_rows((const float *)made.images.data + (size_t)i * PIXELS) / EACH;
    assert_true(mean[0] > 3 * mean[1]);
    sl_generated_free(&made);
    sl_pipeline_free(pipeline);
    sl_bundle_free(bundle);
}

/* Mean second difference across the borders of the decoder's blocks over that elsewhere, along rows. */
static double roughness_at_borders(const float *image) {
    double sum[2] = {0, 0}, count[2] = {0, 0};
    for (int row = 0; row < SIDE; row++)
        for (int x = 1; x + 1 < SIDE; x++) {
            const float *at = image + row * SIDE + x;
            bool border = x % 8 == 0 || x % 8 == 7;
            sum[border] += fabs((double)at[-1] - 2 * (double)at[0] + (double)at[1]);
            count[border]++;
        }
    return sum[1] / count[1] / (sum[0] / count[0]);
}

static void blocks_of_the_decoder_meet(void **state) {
    (void)state;
    static const char *const caption[] = {"SAXS data showing diffuse scattering"}, *const none[] = {""};
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_generated made;
    sl_tensor plain;
    assert_ok(sl_bundle_load(folder_of("base"), &bundle));
    assert_true(bundle->deblocking.step > 0 && bundle->deblocking.detail > 0);
    assert_ok(sl_pipeline_new(bundle, NULL, &pipeline));
    const sl_generation generation = {.count = EACH,
                                      .prompts = caption,
                                      .negatives = none,
                                      .prompt_count = 1,
                                      .steps = 10,
                                      .way.guidance = bundle->way.guidance,
                                      .noise = SL_NOISE_COUNTER,
                                      .seed = 6};
    assert_ok(sl_pipeline_generate(pipeline, &generation, &made));
    const sl_deblocking deblocking = bundle->deblocking;
    double rough[2] = {0, 0};
    bundle->deblocking = (sl_deblocking){0};
    assert_ok(sl_pipeline_decode(pipeline, &made.latents, &plain));
    const float *image = made.images.data, *before = plain.data;
    double change = 0;
    for (size_t i = 0; i < (size_t)EACH * PIXELS; i++)
        change = fmax(change, fabs((double)image[i] - (double)before[i]));
    assert_true(change > deblocking.step * 1.001 && change <= (deblocking.step + deblocking.detail) * 1.001);
    for (int i = 0; i < EACH; i++) {
        rough[0] += roughness_at_borders(before + (size_t)i * PIXELS) / EACH;
        rough[1] += roughness_at_borders(image + (size_t)i * PIXELS) / EACH;
    }
    assert_true(fabs(rough[1] - 1) < fabs(rough[0] - 1));
    sl_tensor_free(&plain);
    sl_generated_free(&made);
    sl_pipeline_free(pipeline);
    sl_bundle_free(bundle);
}

static void backbone_loads(void **state) {
    (void)state;
    sl_model *model;
    assert_ok(sl_model_load(folder_of("backbone"), &model));
    assert_ok(sl_params_check_finite(model->params));
    sl_model_free(model);
}

/* Mean of the log map over a circle about the middle of the image. */
static double mean_at(const sl_image *image, double radius_px) {
    static float log_map[PIXELS];
    double level, sum = 0;
    assert_ok(sl_log_map_level(image->value, PIXELS, &level));
    sl_log_map_encode(image->value, PIXELS, level, log_map);
    for (int k = 0; k < 360; k++) {
        double row = SIDE / 2 + radius_px * sin(k * M_PI / 180),
               column = SIDE / 2 + radius_px * cos(k * M_PI / 180);
        sum += (double)log_map[(int)row * SIDE + (int)column] / 360;
    }
    return sum;
}

static sl_generate_settings sketched(const char *sketch, const char *beam) {
    sl_generate_settings settings;
    assert_ok(sl_options_default(sl_generate_options, arena, &settings));
    settings.steps = 10;
    settings.noise_free = true;
    settings.exposure = 1e-3; /* which marks stand is seen before it */
    settings.sketch = sketch;
    settings.beam = beam;
    return settings;
}

static void refused(const char *sketch, const char *beam, const char *part) {
    const sl_generate_settings settings = sketched(sketch, beam);
    sl_image image;
    json_t *record;
    assert_int_not_equal(sl_generate_one(&settings, "SAXS data showing rings", 0, NULL, &image, &record),
                         SL_OK);
    if (!strstr(sl_error_message(), part)) fail_msg("'%s' in '%s'", part, sl_error_message());
}

static const char marks[] = "[{\"kind\": \"ring\", \"radius_px\": 52, \"height\": 0.3}, "
                            "{\"kind\": \"ring\", \"radius_px\": 90, \"height\": 0.3}]";
static const double marked_px[] = {52, 90};

/* Of a ring, in the log map. */
static double rise_at(const sl_image *image, double radius_px) {
    return mean_at(image, radius_px) - (mean_at(image, radius_px - 7) + mean_at(image, radius_px + 7)) / 2;
}

static void rings_stand_where_they_are_told(void **state) {
    (void)state;
    sl_generate_settings settings = sketched(marks, "128,128");
    sl_image image;
    json_t *record;
    assert_ok(
        sl_generate_one(&settings, "SAXS data showing rings; few rings; sharp", 0, NULL, &image, &record));
    for (int i = 0; i < 2; i++) {
        double rise = rise_at(&image, marked_px[i]);
        if (rise < 0.05) fail_msg("%g over what lies beside it at %g px", rise, marked_px[i]);
    }
    const json_t *told = json_object_get(record, "sketch");
    assert_int_equal(json_array_size(told), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(json_is_true(json_object_get(json_array_get(told, i), "stands")));
    assert_true(json_number_value(json_object_get(json_array_get(told, 1), "radius_px")) == 90);
    assert_string_equal(json_string_value(json_object_get(json_object_get(record, "asked"), "sketch")),
                        "given");
    sl_image_free(&image);
    json_decref(record);
    refused(marks, "none", "image 0: --sketch needs to know where the beam is");
    refused("[{\"kind\": \"ring\"}]", NULL, "--sketch '[...]': mark 0: key \"radius_px\"");
    refused("/nowhere/marks.json", NULL, "/nowhere/marks.json");
    refused("[{\"kind\": \"ring\", \"radius_px\": 400}]", "0,0",
            "--sketch '[...]': a ring or arc farther than 384 px from the beam");
    refused("[{\"kind\": \"ring\", \"radius_px\": 1e9}]", "0,0", "--sketch '[...]': mark 0: ring at");
}

/* Guidance that leads to the marks makes more of them than one that leads to the prompt alone; its record
 * says so. Without guidance there is nothing to lead. */
static void guidance_leads_to_marks(void **state) {
    (void)state;
    double rise[2][2] = {0};
    for (int i = 0; i < 4; i++) {
        sl_generate_settings settings = sketched(marks, "128,128");
        settings.guidance = i < 2 ? 3 : 1;
        settings.sketch_guided = i % 2;
        sl_image image;
        json_t *record;
        assert_ok(sl_generate_one(&settings, "SAXS data showing rings; few rings; sharp", 0, NULL, &image,
                                  &record));
        for (int k = 0; k < 2; k++) rise[i / 2][i % 2] += rise_at(&image, marked_px[k]);
        assert_true(json_is_true(json_object_get(record, "sketch_guided")) == (i == 1));
        sl_image_free(&image);
        json_decref(record);
    }
    if (rise[0][1] < 1.1 * rise[0][0])
        fail_msg("%g with the sketch's guidance, %g without", rise[0][1], rise[0][0]);
    assert_true(rise[1][0] == rise[1][1]);
}

static void marks_are_drawn_unless_they_should_not_be(void **state) {
    (void)state;
    static const char *const sketch[] = {NULL, "auto", "none"};
    for (int i = 0; i < 3; i++) {
        sl_generate_settings settings = sketched(sketch[i], NULL);
        settings.steps = 1;
        sl_image image;
        json_t *record;
        assert_ok(
            sl_generate_one(&settings, "SAXS data showing rings; lamellar; sharp", 4, NULL, &image, &record));
        size_t count = json_array_size(json_object_get(record, "sketch"));
        assert_int_equal(count > 0, i < 2);
        sl_image_free(&image);
        json_decref(record);
    }
}

/* The mean counts stay with the image, and are what the simulated expert looks at. */
static void generated_images_keep_their_expectation(void **state) {
    (void)state;
    static const char *const prompts[] = {"SAXS data showing rings"};
    sl_generate_settings settings;
    sl_generate_result made;
    assert_ok(sl_options_default(sl_generate_options, arena, &settings));
    settings.count = 2;
    settings.steps = 3;
    assert_ok(sl_generate(&settings, prompts, 1, workspace, 0, NULL, &made));
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    sl_image_record *records;
    int count;
    filter.run = made.run;
    assert_ok(sl_store_images(workspace->store, &filter, arena, &records, &count));
    assert_int_equal(count, 2);
    const char *text;
    json_t *provenance;
    sl_image expectation;
    assert_ok(sl_store_image_provenance(workspace->store, records[0].id, arena, &text));
    assert_ok(sl_json_parse(text, strlen(text), "provenance", &provenance));
    assert_ok(sl_workspace_get_image(workspace, json_string_value(json_object_get(provenance, "expectation")),
                                     &expectation));
    assert_int_equal(expectation.height_px, SIDE);
    int whole = 0;
    for (int p = 0; p < PIXELS; p++) whole += expectation.value[p] == floorf(expectation.value[p]);
    assert_true(whole < PIXELS / 2); /* means, no counts */
    double level, asked = json_number_value(json_object_get(provenance, "level_counts"));
    assert_ok(sl_log_map_level(expectation.value, PIXELS, &level));
    assert_true(fabs(level / asked - 1) < 1e-3);
    sl_image_free(&expectation);
    json_decref(provenance);
    sl_physics physics;
    bool found;
    assert_ok(sl_physics_judge_expectation(workspace, &records[0], &physics, &found));
    assert_true(found);
    assert_false(physics.result[SL_PHYSICAL_NOISE_VARIANCE].applicable);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(autoencoder_keeps_expectations),
    cmocka_unit_test(captions_reach_the_picture),
    cmocka_unit_test(blocks_of_the_decoder_meet),
    cmocka_unit_test(backbone_loads),
    cmocka_unit_test(generated_images_keep_their_expectation),
    cmocka_unit_test(rings_stand_where_they_are_told),
    cmocka_unit_test(guidance_leads_to_marks),
    cmocka_unit_test(marks_are_drawn_unless_they_should_not_be),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
