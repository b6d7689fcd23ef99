/* Writes src/xray/physical/calibration.def: what the physical tests give on clean simulated images.
 *
 *     calibrate-physical [IMAGES [THREADS]] > calibration.def     (built by `ninja tools/calibrate-physical`)
 *
 * IMAGES of each technique, and as many of all together for those whose technique is not known; half of
 * them where nothing or the expectation alone is known. The same bytes for any number of threads. */
#include "base/limits.h"
#include "base/memory.h"
#include "base/numeric/sort.h"
#include "base/threads.h"
#include "clean_class.h"
#include "xray/physical/calibration.h"
#include "xray/physical_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TECHNIQUES = CALIBRATION_TECHNIQUES, TESTS = SL_PHYSICAL_COUNT };
static const uint64_t seed = 7001; /* far from the seeds of training data */

typedef struct work {
    int images;
    double *values;     /* [technique, image, stratum, test]; NaN where the test does not apply */
    uint8_t *technique; /* [technique, image] of the sample: crystals have no technique of their own */
    sl_sim_sample sample[SL_LIMIT_THREADS];
} work;

static double *place_of(work *w, int technique, int image, int stratum) {
    return &w->values[(((size_t)technique * (size_t)w->images + (size_t)image) * SL_STRATUM_COUNT +
                       (size_t)stratum) *
                      TESTS];
}

/* `rgb`: room for the sample as a colour picture; it is the same in all strata of measured images. */
static sl_status judge(work *w, int technique, int image, sl_sim_sample *sample, uint8_t *no_mask,
                       uint8_t *rgb) {
    sl_colour_line colour;
    sl_sim_picture(sample, rgb);
    SL_TRY(sl_colour_line_measure(rgb, sample->size_px, sample->size_px, &colour));
    w->technique[technique * w->images + image] =
        (uint8_t)(technique == SL_TECHNIQUE_UNKNOWN ? SL_TECHNIQUE_UNKNOWN : sample->technique);
    const sl_image expectation = {sample->size_px, sample->size_px, sample->mean_counts, no_mask};
    sl_physical_blind blind = {0};
    for (int s = 0; s < SL_STRATUM_COUNT; s++) {
        double *out = place_of(w, technique, image, s);
        sl_physical_result result[TESTS];
        for (int t = 0; t < TESTS; t++) out[t] = NAN;
        if ((s == SL_STRATUM_BLIND || s == SL_STRATUM_EXPECTATION) && image % 2 > 0) continue;
        sl_physical_input input = sl_physical_input_of(sample, (sl_physical_stratum)s, &expectation);
        input.is_uncalibrated = true;
        if (!input.is_expectation) input.blind = &blind, input.colour = colour; /* the same image in all */
        if (technique == SL_TECHNIQUE_UNKNOWN) input.technique = SL_TECHNIQUE_UNKNOWN;
        SL_TRY(sl_physical_tests_run(&input, result));
        for (int t = 0; t < TESTS; t++)
            if (result[t].applicable) out[t] = result[t].value;
    }
    return SL_OK;
}

static sl_status look(void *context, int64_t task, int worker) {
    work *w = context;
    int technique = (int)(task % TECHNIQUES), image = (int)(task / TECHNIQUES);
    sl_sim_sample *sample = &w->sample[worker];
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    uint8_t *no_mask = NULL, *rgb = NULL;
    options.measure = true;
    options.class_id = clean_class((sl_technique)technique, (uint32_t)image);
    sl_status status = sl_sim_sample_make(seed + (uint64_t)technique, (uint32_t)image, &options, sample);
    if (!status) status = sl_alloc(&no_mask, (size_t)sample->size_px * (size_t)sample->size_px, 1);
    if (!status) status = sl_alloc(&rgb, (size_t)sample->size_px * (size_t)sample->size_px, 3);
    if (!status) status = judge(w, technique, image, sample, no_mask, rgb);
    sl_free(no_mask);
    sl_free(rgb);
    return status;
}

/* How many of n clean values may lie above the limit so that, with nine in ten such sets, at most 1 % of all
 * clean images do: a tolerance limit (Wilks, Ann. Math. Stat. 12 (1941) 91). Below 230 none may. */
static int allowed_above(int n) {
    double term = pow(0.99, n), sum = 0; /* of the binomial distribution of values in the highest 1 % */
    int k = 0;
    for (;; k++) {
        sum += term;
        if (sum > 0.1) break;
        term *= (double)(n - k) / (k + 1) * 0.01 / 0.99;
    }
    return k > 0 ? k - 1 : 0;
}

static void write_line(const char *stratum, const char *technique, const char *name, double *values,
                       int count) {
    sl_sort_doubles(values, (size_t)count);
    double middle = values[count / 2], *distance = malloc((size_t)count * sizeof *distance);
    for (int k = 0; k < count; k++) distance[k] = fabs(values[k] - middle);
    sl_sort_doubles(distance, (size_t)count);
    printf("SL_CALIBRATION(%s, %s, %s, %d, %.4g, %.3g, {", stratum, technique, name, count,
           values[count - 1 - allowed_above(count)], distance[count / 2]);
    free(distance);
    for (int q = 0; q < CALIBRATION_SHARES; q++)
        printf("%s%.4g", q ? ", " : "", values[(int)(calibration_share[q] * (count - 1) + 0.5)]);
    printf("})\n");
}

static void write_test(work *w, int test, const char *name) {
    static const char *const strata[] = {"GEOMETRY", "BEAM", "BLIND", "EXPECTATION"};
    static const char *const techniques[] = {"SAXS", "WAXS", "GISAXS", "GIWAXS", "UNKNOWN"};
    /* what colours a picture has does not depend on what is known of the sample */
    bool pooled = test == SL_PHYSICAL_COLOUR;
    double *values = malloc(TECHNIQUES * (size_t)w->images * sizeof *values);
    for (int s = 0; s < SL_STRATUM_COUNT; s++)
        for (int technique = 0; technique < TECHNIQUES; technique++) {
            int count = 0;
            for (int k = 0; k < TECHNIQUES * w->images; k++) {
                int from = pooled && s != SL_STRATUM_EXPECTATION ? SL_STRATUM_GEOMETRY : s;
                double value = place_of(w, k / w->images, k % w->images, from)[test];
                if ((pooled || w->technique[k] == technique) && !isnan(value)) values[count++] = value;
            }
            if (count > 0) write_line(strata[s], techniques[technique], name, values, count);
        }
    free(values);
}

int main(int argc, char **argv) {
    static const char *const names[] = {
#define SL_PHYSICAL(name, function, id, artefacts, judges, unit, words) #name,
#include "xray/physical_test.def"
#undef SL_PHYSICAL
    };
    static work w;
    w.images = argc > 1 ? atoi(argv[1]) : 1500;
    if (w.images < 1 || sl_threads_set(argc > 2 ? atoi(argv[2]) : 0)) return 2;
    w.values = malloc(sizeof(double) * TECHNIQUES * (size_t)w.images * SL_STRATUM_COUNT * TESTS);
    w.technique = calloc(TECHNIQUES * (size_t)w.images, 1);
    if (sl_parallel_try((int64_t)TECHNIQUES * w.images, look, &w)) {
        fprintf(stderr, "calibrate-physical: %s\n", sl_error_message());
        return 1;
    }
    printf("/* SL_CALIBRATION(what is known, technique, test, clean images it applied to, limit, median "
           "absolute\n"
           " * deviation, quantiles of its value), made by calibrate-physical %d. */\n"
           "/* clang-format off */\n"
           "SL_CALIBRATION_OF(%d) /* version of the simulator */\n",
           w.images, SL_SIM_VERSION);
    for (int t = 0; t < TESTS; t++) write_test(&w, t, names[t]);
    for (int k = 0; k < SL_LIMIT_THREADS; k++) sl_sim_sample_free(&w.sample[k]);
    free(w.values);
    free(w.technique);
    return 0;
}
