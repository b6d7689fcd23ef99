/* Writes src/xray/physical/calibration.def: what the physical tests give on clean simulated images.
 *
 *     calibrate-physical [IMAGES] > calibration.def     (built by `ninja tools/calibrate-physical`) */
#include "base/memory.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTILES = 16 };
static const double shares[QUANTILES] = {0,   .05, .1,  .25,  .4,  .5,   .6,   .75,
                                         .85, .9,  .95, .975, .99, .995, .998, 1};
static const uint64_t seed = 7001; /* far from the seeds of training data */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The sample as the tests of a stratum see it. */
static sl_status look(const sl_sim_sample *s, sl_physical_stratum stratum, uint8_t *no_mask,
                      sl_physical_result *out) {
    const sl_image expectation = {s->size_px, s->size_px, s->mean_counts, no_mask};
    bool measured = stratum != SL_STRATUM_EXPECTATION, geometry = stratum == SL_STRATUM_GEOMETRY;
    const sl_physical_input input = {.image = measured ? &s->measured : &expectation,
                                     .technique = s->technique,
                                     .is_expectation = !measured,
                                     .beam_known = stratum == SL_STRATUM_BEAM || geometry,
                                     .beam_row_px = s->beam_row_px,
                                     .beam_column_px = s->beam_column_px,
                                     .geometry = geometry ? &s->geometry : NULL,
                                     .grazing = geometry && s->is_grazing ? &s->grazing : NULL,
                                     .measurement = measured ? &s->measurement : NULL};
    return sl_physical_tests_run(&input, out);
}

static void write_line(const char *stratum, const char *name, double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    double middle = count ? values[count / 2] : 0, *distance = malloc((size_t)(count + 1) * sizeof *distance);
    for (int k = 0; k < count; k++) distance[k] = fabs(values[k] - middle);
    qsort(distance, (size_t)count, sizeof *distance, ascending);
    printf("SL_CALIBRATION(%s, %s, %d, %.4g,\n               {", stratum, name, count,
           count ? distance[count / 2] : 1);
    free(distance);
    for (int q = 0; q < QUANTILES; q++)
        printf("%s%.4g", q ? ", " : "", count ? values[(int)(shares[q] * (count - 1) + 0.5)] : 0);
    printf("})\n");
}

typedef struct seen {
    double *values;
    int count;
} seen;

static sl_status look_at_all(int images, seen all[SL_STRATUM_COUNT][SL_PHYSICAL_COUNT]) {
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    uint8_t *no_mask;
    sl_status status = SL_OK;
    options.measure = true;
    SL_TRY(sl_alloc(&no_mask, (size_t)options.size_px * (size_t)options.size_px, 1));
    for (int k = 0; k < images && !status; k++) {
        status = sl_sim_sample_make(seed, (uint32_t)k, &options, &sample);
        for (int s = 0; s < SL_STRATUM_COUNT && !status; s++) {
            sl_physical_result result[SL_PHYSICAL_COUNT];
            status = look(&sample, (sl_physical_stratum)s, no_mask, result);
            for (int t = 0; t < SL_PHYSICAL_COUNT && !status; t++)
                if (result[t].applicable) all[s][t].values[all[s][t].count++] = result[t].value;
        }
    }
    sl_sim_sample_free(&sample);
    sl_free(no_mask);
    return status;
}

int main(int argc, char **argv) {
    static const char *const names[] = {
#define SL_PHYSICAL(name, function, id, artefacts, judges, unit, words) #name,
#include "xray/physical_test.def"
#undef SL_PHYSICAL
    };
    static const char *const strata[] = {"GEOMETRY", "BEAM", "BLIND", "EXPECTATION"};
    static seen all[SL_STRATUM_COUNT][SL_PHYSICAL_COUNT];
    int images = argc > 1 ? atoi(argv[1]) : 2000;
    if (images < 1) return 2;
    for (int s = 0; s < SL_STRATUM_COUNT; s++)
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++) all[s][t].values = calloc((size_t)images, sizeof(double));
    if (look_at_all(images, all)) {
        fprintf(stderr, "calibrate-physical: %s\n", sl_error_message());
        return 1;
    }
    printf(
        "/* SL_CALIBRATION(stratum, test, clean images it applied to, median absolute deviation, quantiles "
        "of its value),\n"
        " * made by calibrate-physical %d from simulator version %d. */\n",
        images, SL_SIM_VERSION);
    for (int s = 0; s < SL_STRATUM_COUNT; s++)
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
            if (all[s][t].count > 0) write_line(strata[s], names[t], all[s][t].values, all[s][t].count);
            free(all[s][t].values);
        }
    return 0;
}
