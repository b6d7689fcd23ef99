/* The images of a round, made by the shipped model. */
#include "scratch_workspace.h"

#include "base/log.h"
#include "loop/generate/generate.h"
#include "loop/round/round.h"

enum { IMAGES = 4 };
static const char *const prompts[] = {"SAXS data showing rings"};

static int open_quietly(void **state) {
    sl_log_set_level(SL_LOG_WARN);
    return scratch_open(state);
}

static sl_round_settings settings_of(int64_t seed) {
    sl_round_settings settings = {0};
    assert_ok(sl_options_default(sl_round_options, arena, &settings));
    settings.prompts = (sl_list){(const char **)prompts, 1};
    settings.count = IMAGES;
    settings.seed = seed;
    settings.steps = 1;
    return settings;
}

/* What the next round generates, and then closes on. */
static void assert_round_has_its_images(int64_t seed, int64_t number) {
    const sl_round_rule generate_alone[] = {sl_round_rules[0], {0}};
    sl_round_settings settings = settings_of(seed);
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    int64_t count;
    json_t *result;
    assert_ok(sl_round_run(workspace, &settings, generate_alone, NULL, &result));
    const json_t *step = json_object_get(json_object_get(result, "steps"), "generate");
    assert_int_equal(json_integer_value(json_object_get(result, "number")), number);
    assert_int_equal(json_integer_value(json_object_get(step, "images")), IMAGES);
    filter.round = json_integer_value(json_object_get(result, "round"));
    assert_ok(sl_store_image_count(workspace->store, &filter, &count));
    assert_int_equal(count, IMAGES);
    json_decref(result);
}

/* Seed 6 by hand, 5 in round 1 and 4 in round 2 make the same pixels. */
static void a_round_has_its_images_whatever_is_there(void **state) {
    (void)state;
    sl_generate_settings settings = {0};
    sl_generate_result made;
    assert_ok(sl_options_default(sl_generate_options, arena, &settings));
    settings.count = 2;
    settings.seed = 6;
    settings.steps = 1;
    assert_ok(sl_generate(&settings, prompts, 1, workspace, 0, NULL, &made));
    assert_round_has_its_images(5, 1);
    assert_round_has_its_images(4, 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_round_has_its_images_whatever_is_there),
};
TEST_MAIN_WITH(tests, open_quietly, scratch_close)
