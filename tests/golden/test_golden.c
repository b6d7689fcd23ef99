/* The runner itself, on a small folder made here: what agrees, what does not, and what nobody computes. */
#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "base/random/torch_random.h"
#include "loop/golden/golden.h"
#include "loop/golden/numpy_random.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 20, SEED = 7 };
static char folder[SCRATCH_FOLDER_BYTES];

static const char *place(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    assert_ok(sl_file_write_atomic(place(name), text, strlen(text)));
}

/* A folder whose first draw is off by `error` at one element. */
static void write_folder(float error) {
    sl_torch_random random;
    float x[COUNT], mystery[2] = {1, 2};
    sl_torch_random_seed(&random, SEED);
    sl_torch_randn(&random, x, COUNT);
    const sl_safetensors_entry entries[] = {
        {"default_generator_20", SL_F32, SL_F32, SL_SHAPE(COUNT), x},
        {"randn.7.20", SL_F32, SL_F32, SL_SHAPE(4, 5), x},
        {"seq.0.20", SL_F32, SL_F32, SL_SHAPE(COUNT), x},
        {"mix.0.randn20", SL_F32, SL_F32, SL_SHAPE(COUNT), x},
        {"mystery.a", SL_F32, SL_F32, SL_SHAPE(2), mystery},
    };
    x[3] += error;
    assert_ok(sl_folder_make(place("cases")));
    assert_ok(sl_safetensors_write(place("cases/rng.safetensors"), entries, 5, NULL, 0));
    write_text("cases.json", "{\"rng\": {}}");
    write_text("variant.json", "{\"seed\": 7}");
}

static int make_folder(void **state) {
    (void)state;
    return !scratch_folder_make(folder);
}

static int remove_folder(void **state) {
    (void)state;
    return !scratch_folder_remove(folder);
}

static void keep_last_miss(void *context, const sl_golden_line *line) {
    char *text = context;
    if (line->outcome == SL_GOLDEN_MISSED) sl_golden_format(line, text, 256);
}

static sl_status run(sl_golden_totals *totals, char *miss) {
    const sl_golden_settings settings = {
        .folder = folder, .family = "rng", .line = keep_last_miss, .context = miss};
    miss[0] = '\0';
    return sl_golden_run(&settings, totals);
}

static void agreement_passes_and_the_rest_is_listed(void **state) {
    (void)state;
    sl_golden_totals totals;
    char miss[256];
    write_folder(0);
    assert_ok(run(&totals, miss));
    assert_int_equal(totals.passed, 4);
    assert_int_equal(totals.missed, 0);
    assert_int_equal(totals.not_covered, 1); /* mystery */
    assert_string_equal(miss, "");
}

static void a_difference_is_a_miss(void **state) {
    (void)state;
    sl_golden_totals totals;
    char miss[256];
    write_folder(1e-3f);
    assert_status(run(&totals, miss), SL_MISMATCH);
    assert_int_equal(totals.missed, 4);
    assert_non_null(strstr(miss, "MISS"));
    assert_non_null(strstr(miss, "tolerance 2.0e-05"));
    write_folder(NAN);
    assert_status(run(&totals, miss), SL_MISMATCH);
}

static void measured_spread_widens_the_tolerance(void **state) {
    (void)state;
    sl_golden_totals totals;
    char miss[256];
    write_folder(1e-3f);
    write_text("tolerances.json", "{\"measured\": {\"rng|seq.0.20\": 1e-3}}");
    assert_status(run(&totals, miss), SL_MISMATCH);
    assert_int_equal(totals.passed, 1);
    assert_int_equal(totals.missed, 3);
    remove(place("tolerances.json"));
}

/* What has no network has no arithmetic of 16 bits: left out of all, refused where it is named. */
static void sixteen_bits_are_for_networks(void **state) {
    (void)state;
    sl_golden_totals totals;
    write_folder(0);
    sl_golden_settings settings = {.folder = folder, .family = "rng", .dtype = SL_BF16};
    assert_status(sl_golden_run(&settings, &totals), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "'rng' runs no networks"));
}

static void numpy_streams_are_numpys(void **state) {
    (void)state;
    double x[2];
    sl_numpy_legacy_randn(0, x, 2);
    assert_true(fabs(x[0] - 1.764052345967664) < 1e-14 && fabs(x[1] - 0.4001572083672233) < 1e-14);
    sl_numpy_standard_normal(0, x, 2);
    assert_true(fabs(x[0] - 0.12573022) < 1e-8 && fabs(x[1] + 0.13210486) < 1e-8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement_passes_and_the_rest_is_listed),
        cmocka_unit_test(a_difference_is_a_miss),
        cmocka_unit_test(measured_spread_widens_the_tolerance),
        cmocka_unit_test(sixteen_bits_are_for_networks),
        cmocka_unit_test(numpy_streams_are_numpys),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder) ? 1 : 0;
}
