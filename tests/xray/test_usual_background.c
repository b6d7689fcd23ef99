/* No frame is darker than its background. */
#include "test.h"

#include "xray/instrument/usual_background.h"
#include "xray/log_map.h"
#include "xray/quantile.h"
#include "xray/simulate.h"

#include <math.h>

static sl_random stream(uint32_t item) {
    return sl_random_stream(8, SL_STREAM_DETECTOR, item);
}

static void backgrounds_are_shares_of_the_level(void **state) {
    (void)state;
    double least = INFINITY, most = 0, most_grazing = 0;
    for (uint32_t i = 0; i < 500; i++) {
        sl_random random = stream(i), again = random;
        double b = sl_usual_background(SL_TECHNIQUE_WAXS, 1000, &random);
        most_grazing = fmax(most_grazing, sl_usual_background(SL_TECHNIQUE_GISAXS, 1000, &again));
        least = fmin(least, b), most = fmax(most, b);
        b = sl_usual_empty_background(50, &random);
        assert_true(b >= 0.5 && b <= 30);
    }
    assert_true(least >= 0.032 && least < 0.04);
    assert_true(most <= 30.01 && most > 20);
    assert_true(most_grazing <= 3.01 && most_grazing > 2);
}

/* What the simulator makes has a background, so that there is nothing to give. */
static void simulated_images_have_one(void **state) {
    (void)state;
    const sl_sim_options options = {.size_px = 64, .class_id = SL_SIM_CLASS_ANY};
    sl_sim_sample sample = {0};
    for (uint32_t i = 0; i < 200; i++) {
        sl_random random = stream(i);
        double darkest;
        assert_ok(sl_sim_sample_make(3, i, &options, &sample));
        assert_ok(sl_quantile(sample.mean_counts, 64 * 64, 0.01, &darkest));
        double given = sl_usual_background_of_picture(sample.caption, sample.level_counts, darkest, &random);
        if (given > 0) fail_msg("image %u (%s): %g for %g", i, sample.caption, given, darkest);
    }
    sl_sim_sample_free(&sample);
}

/* A black picture gets what looks black, or the least. */
static void black_pictures_get_one(void **state) {
    (void)state;
    static const double levels[] = {15, 350, 1e5};
    const char *caption = "SAXS data showing diffuse scattering";
    for (int k = 0; k < 3; k++) {
        double level = levels[k], least = 2e-3 + 3e-5 * level, low = INFINITY, high = 0;
        for (uint32_t i = 0; i < 200; i++) {
            sl_random random = stream(i);
            double b = sl_usual_background_of_picture(caption, level, 0, &random);
            low = fmin(low, b), high = fmax(high, b);
        }
        double seen = log1p(high / SL_LOG_MAP_COUNTS) / log1p(level / SL_LOG_MAP_COUNTS);
        assert_true(low >= least * (1 - 1e-12));
        assert_true(seen <= 0.0101 || high <= least * (1 + 1e-12));
        if (k < 2) assert_true(high > 1.5 * low);
        sl_random random = stream(0);
        assert_true(sl_usual_background_of_picture(caption, level, least, &random) == 0);
    }
    sl_random random = stream(0);
    assert_true(sl_usual_background_of_picture("SAXS data showing background only", 40, 0.1, &random) >= 0.4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backgrounds_are_shares_of_the_level),
        cmocka_unit_test(simulated_images_have_one),
        cmocka_unit_test(black_pictures_get_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
