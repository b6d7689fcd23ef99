#include "test.h"

#include "base/hash.h"
#include "xray/simulate.h"

#include <math.h>
#include <string.h>

static bool within(double value, sl_range range) {
    return value >= range.low * (1 - 1e-12) && value <= range.high * (1 + 1e-12);
}

/* Every instrument with every class that it can measure: what is drawn is what the instrument has. */
static void instruments_hold_their_ranges(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_overrides overrides = {0};
    for (int i = 0; i < sl_instrument_count(); i++) {
        const sl_instrument *instrument = sl_instrument_at(i);
        assert_ok(sl_sim_overrides_instrument(&overrides, instrument));
        int measured = 0;
        for (int c = 0; c < SL_SIM_CLASS_COUNT; c++) {
            sl_sim_options options = {
                .size_px = 64, .class_id = (sl_sim_class)c, .overrides = &overrides, .measure = true};
            if (sl_sim_options_check(&options)) continue;
            for (uint32_t k = 0; k < 4; k++) {
                assert_ok(sl_sim_sample_make(11, k, &options, &sample));
                double energy = 12.39842 / sample.geometry.wavelength_ang;
                assert_true(within(energy, instrument->energy_kev));
                assert_true(within(sample.geometry.distance_m, instrument->distance_m));
                assert_true(within(sample.geometry.polarisation, instrument->polarisation));
                assert_non_null(strstr(instrument->detectors, sample.measurement.detector->id));
                if (sample.is_grazing)
                    assert_true(within(sample.grazing.incidence_rad * 180 / M_PI, instrument->incidence_deg));
                measured++;
            }
        }
        assert_true(measured >= 4);
        sl_sim_overrides_free(&overrides);
    }
    sl_sim_sample_free(&sample);
}

static void an_instrument_measures_its_techniques_alone(void **state) {
    (void)state;
    const sl_instrument *instrument;
    sl_sim_overrides overrides = {0};
    sl_sim_sample sample = {0};
    assert_ok(sl_instrument_find("beamline-giwaxs", &instrument));
    assert_ok(sl_sim_overrides_instrument(&overrides, instrument));
    sl_sim_options options = {.size_px = 64, .class_id = SL_SIM_CLASS_ANY, .overrides = &overrides};
    for (uint32_t k = 0; k < 4; k++) {
        assert_ok(sl_sim_sample_make(2, k, &options, &sample));
        assert_int_equal(sample.class_id, SL_SIM_GIWAXS);
    }
    options.class_id = SL_SIM_SAXS_FORM;
    assert_status(sl_sim_sample_make(2, 0, &options, &sample), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "beamline-giwaxs"));
    assert_status(sl_instrument_find("synchrotron", &instrument), SL_NOT_FOUND);
    assert_non_null(strstr(sl_error_message(), "lab-waxs"));
    sl_sim_overrides_free(&overrides);
    sl_sim_sample_free(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instruments_hold_their_ranges),
        cmocka_unit_test(an_instrument_measures_its_techniques_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
