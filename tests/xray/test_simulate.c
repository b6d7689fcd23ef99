#include "test.h"

#include "base/hash.h"
#include "base/threads.h"
#include "xray/log_map.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is measured, as counts, and the words: rounding of the last bit in a mean hardly ever changes a count.
 */
static void fingerprint(const sl_sim_sample *s, char out[SL_SHA256_HEX]) {
    size_t pixels = (size_t)s->size_px * (size_t)s->size_px;
    char *bytes = calloc(pixels * 4 + sizeof s->caption, 1);
    memcpy(bytes, s->measured.value, pixels * 4);
    strcpy(bytes + pixels * 4, s->caption);
    sl_sha256_hex(bytes, pixels * 4 + strlen(s->caption), out);
    free(bytes);
}

static sl_sim_options small(sl_sim_class class_id) {
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.size_px = 96;
    options.class_id = class_id;
    options.measure = true;
    return options;
}

#include "golden_simulate.inc"

static void images_have_their_golden_bytes(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    bool wrong = false;
    for (int k = 0; k < 20; k++) {
        sl_sim_options options = small((sl_sim_class)(k % SL_SIM_CLASS_COUNT));
        char found[SL_SHA256_HEX];
        assert_ok(sl_sim_sample_make(20260 + (uint64_t)k, (uint32_t)k, &options, &sample));
        fingerprint(&sample, found);
        if (strcmp(found, golden[k]) != 0) {
            print_message("    \"%s\",\n", found);
            wrong = true;
        }
    }
    sl_sim_sample_free(&sample);
    if (wrong)
        fail_msg("simulator version %d gives other images: raise SL_SIM_VERSION when that is meant",
                 SL_SIM_VERSION);
}

typedef struct batch {
    sl_sim_sample sample[8];
    sl_status status[8];
} batch;

static void make_in_thread(void *context, int64_t task, int worker) {
    (void)worker;
    batch *b = context;
    sl_sim_options options = small(SL_SIM_CLASS_ANY);
    b->status[task] = sl_sim_sample_make(9, (uint32_t)task, &options, &b->sample[task]);
}

static void order_and_threads_do_not_matter(void **state) {
    (void)state;
    batch b = {0};
    assert_ok(sl_threads_set(3));
    sl_parallel_for(8, make_in_thread, &b);
    assert_ok(sl_threads_set(1));
    sl_sim_sample alone = {0};
    sl_sim_options options = small(SL_SIM_CLASS_ANY);
    for (int k = 7; k >= 0; k--) { /* backwards, in one sample used again */
        char one[SL_SHA256_HEX], other[SL_SHA256_HEX];
        assert_ok(b.status[k]);
        assert_ok(sl_sim_sample_make(9, (uint32_t)k, &options, &alone));
        fingerprint(&alone, one);
        fingerprint(&b.sample[k], other);
        assert_string_equal(one, other);
        sl_sim_sample_free(&b.sample[k]);
    }
    sl_sim_sample_free(&alone);
}

static void every_class_shows_what_it_says(void **state) {
    (void)state;
    static const char *const technique[] = {"SAXS",   "SAXS",   "SAXS",   "WAXS", "WAXS",
                                            "GISAXS", "GISAXS", "GIWAXS", "",     ""};
    sl_sim_sample sample = {0};
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++)
        for (uint32_t k = 0; k < 6; k++) {
            sl_sim_options options = small((sl_sim_class)c);
            options.domain = k % 2 ? SL_SIM_DOMAIN_HELD_OUT : SL_SIM_DOMAIN_BASE;
            assert_ok(sl_sim_sample_make(31, k, &options, &sample));
            assert_int_equal(sample.class_id, c);
            assert_true(strncmp(sample.caption, technique[c], strlen(technique[c])) == 0);
            assert_true(strstr(sample.caption, "data showing ") != NULL);
            double low = 2, high = -1;
            for (int i = 0; i < 96 * 96; i++) {
                assert_true(isfinite(sample.mean_counts[i]) && sample.mean_counts[i] >= 0);
                low = fmin(low, (double)sample.log_map[i]), high = fmax(high, (double)sample.log_map[i]);
            }
            assert_true(low >= 0 && high == 1 && low < 0.97);
            if (strstr(sample.caption, "rings")) {
                bool seen = false;
                for (int i = 0; i < sample.feature_count; i++)
                    seen |= sample.feature[i].visible && sample.feature[i].kind == SL_FEATURE_RING;
                assert_true(seen || strstr(sample.caption, "many rings") ||
                            strstr(sample.caption, "few rings") || strstr(sample.caption, "several rings"));
            }
        }
    sl_sim_sample_free(&sample);
}

/* A visible ring is where the truth says: brighter than 2 widths inside and outside, in most directions. */
static void rings_are_where_the_truth_says(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    int rings = 0, good = 0;
    for (uint32_t k = 0; k < 6; k++) {
        sl_sim_options options = {.size_px = 160, .class_id = SL_SIM_WAXS_POWDER};
        assert_ok(sl_sim_sample_make(77, k, &options, &sample));
        sl_projection p = sl_projection_of(&sample.geometry);
        for (int i = 0; i < sample.feature_count; i++) {
            const sl_feature *f = &sample.feature[i];
            if (f->kind != SL_FEATURE_RING || !f->visible || f->contrast < 0.08) continue;
            int brighter = 0, seen = 0;
            double step = 1.5 * f->width_px * sl_projection_q_step(&p, f->q_per_ang);
            for (int a = 0; a < 36; a++) {
                double v[3];
                bool inside = true;
                for (int s = 0; s < 3; s++) {
                    double row, column;
                    inside &=
                        sl_projection_hit_q(&p, f->q_per_ang + (s - 1) * step, a * M_PI / 18, &row, &column);
                    inside &= row >= 0 && column >= 0 && row < 160 && column < 160;
                    if (inside) v[s] = (double)sample.mean_counts[(int)row * 160 + (int)column];
                }
                if (!inside) continue;
                seen++;
                brighter += v[1] > v[0] && v[1] > v[2];
            }
            if (seen < 6) continue;
            rings++;
            good += brighter > 0.6 * seen;
        }
    }
    assert_true(rings >= 8);
    if (good < 0.8 * rings) fail_msg("%d of %d rings are in their place", good, rings);
    sl_sim_sample_free(&sample);
}

static void horizons_are_dark_below(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    for (uint32_t k = 0; k < 8; k++) {
        sl_sim_options options = {.size_px = 128, .class_id = SL_SIM_GISAXS_PARTICLES};
        assert_ok(sl_sim_sample_make(5, k, &options, &sample));
        sl_projection p = sl_projection_of(&sample.geometry);
        for (int i = 0; i < sample.feature_count; i++) {
            const sl_feature *f = &sample.feature[i];
            if (f->kind != SL_FEATURE_HORIZON || !f->visible) continue;
            int dimmer = 0, seen = 0;
            for (int j = 4; j < 128; j += 8) {
                double below = 0, above = 0;
                bool inside = true;
                /* waves in a film die away towards the horizon: its bright side begins within a few pixels */
                for (int s = -3; s < 10; s += s < 0 ? 5 : 1) {
                    double x, y, z, row, column;
                    sl_grazing_direction(
                        &sample.grazing, s * sample.geometry.pixel_m / sample.geometry.distance_m,
                        (j - sample.beam_column_px) * sample.geometry.pixel_m / sample.geometry.distance_m,
                        &x, &y, &z);
                    inside &= sl_projection_hit(&p, x, y, z, &row, &column) && row >= 0 && row < 128 &&
                              column >= 0 && column < 128;
                    if (!inside) break;
                    double counts = (double)sample.mean_counts[(int)row * 128 + (int)column];
                    if (s < 0)
                        below = counts;
                    else
                        above = fmax(above, counts);
                }
                seen += inside;
                dimmer += inside && below < above;
            }
            assert_true(dimmer >= 0.7 * seen);
        }
    }
    sl_sim_sample_free(&sample);
}

static void truth_holds_everything(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = small(SL_SIM_GISAXS_LATTICE);
    assert_ok(sl_sim_sample_make(1, 2, &options, &sample));
    json_t *truth = sl_sim_sample_truth(&sample);
    assert_non_null(truth);
    static const char *const keys[] = {"generator",  "version",     "seed",     "index", "class",
                                       "caption",    "attributes",  "geometry", "beam",  "grazing",
                                       "parameters", "measurement", "features", "masks", "artefacts"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (!json_object_get(truth, keys[k])) fail_msg("no '%s'", keys[k]);
    json_t *runs = json_object_get(json_object_get(truth, "masks"), "gap");
    json_int_t sum = 0;
    for (size_t k = 0; runs && k < json_array_size(runs); k++)
        sum += json_integer_value(json_array_get(runs, k));
    assert_true(!runs || sum == 96 * 96);
    json_decref(truth);
    sl_sim_sample_free(&sample);
}

static void sizes_and_names_are_checked(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = {.size_px = 8};
    assert_status(sl_sim_sample_make(1, 1, &options, &sample), SL_INVALID);
    sl_sim_class found;
    assert_ok(sl_sim_class_find("giwaxs", &found));
    assert_int_equal(found, SL_SIM_GIWAXS);
    assert_status(sl_sim_class_find("tem", &found), SL_NOT_FOUND);
    assert_non_null(strstr(sl_error_message(), "giwaxs"));
    sl_sim_sample_free(&sample);
}

/* Shares are of how often class and technique come together, and what an image is stands in its caption where
 * that says anything of it. */
static void shares_and_things_are_as_drawn(void **state) {
    (void)state;
    enum { DRAWS = 600 };
    static int seen[SL_SIM_CLASS_COUNT][SL_TECHNIQUE_UNKNOWN];
    sl_sim_options options = {.size_px = 48, .class_id = SL_SIM_CLASS_ANY};
    sl_sim_sample sample = {0};
    int named = 0;
    double all = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        assert_ok(sl_sim_sample_make(12, i, &options, &sample));
        seen[sample.class_id][sample.technique]++;
        named += sample.thing && strstr(sample.caption, sample.thing);
    }
    assert_true(named > DRAWS / 10);
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++)
        for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++) {
            double share = sl_sim_class_share((sl_sim_class)c, (sl_technique)t),
                   expected = share / 100 * DRAWS;
            all += share;
            assert_true(share > 0 || seen[c][t] == 0);
            assert_true(fabs(seen[c][t] - expected) <= 4 * sqrt(expected) + 1);
        }
    assert_true(fabs(all - 100) < 1e-9);
    sl_sim_sample_free(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_have_their_golden_bytes), cmocka_unit_test(order_and_threads_do_not_matter),
        cmocka_unit_test(every_class_shows_what_it_says), cmocka_unit_test(rings_are_where_the_truth_says),
        cmocka_unit_test(horizons_are_dark_below),        cmocka_unit_test(truth_holds_everything),
        cmocka_unit_test(sizes_and_names_are_checked),    cmocka_unit_test(shares_and_things_are_as_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
