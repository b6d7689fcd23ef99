/* Writes src/xray/physical/calibration.def: what the physical tests give on clean simulated images.
 *
 *     calibrate-physical [IMAGES] > calibration.def     (built by `ninja tools/calibrate-physical`) */
#include "base/memory.h"
#include "base/sort.h"
#include "xray/physical/calibration.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 7001; /* far from the seeds of training data */

static void write_line(const char *stratum, const char *name, double *values, int count) {
    sl_sort_doubles(values, (size_t)count);
    double middle = count ? values[count / 2] : 0, *distance = malloc((size_t)(count + 1) * sizeof *distance);
    for (int k = 0; k < count; k++) distance[k] = fabs(values[k] - middle);
    sl_sort_doubles(distance, (size_t)count);
    printf("SL_CALIBRATION(%s, %s, %d, %.4g,\n               {", stratum, name, count,
           count ? distance[count / 2] : 1);
    free(distance);
    for (int q = 0; q < CALIBRATION_SHARES; q++)
        printf("%s%.4g", q ? ", " : "", count ? values[(int)(calibration_share[q] * (count - 1) + 0.5)] : 0);
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
            const sl_image expectation = {sample.size_px, sample.size_px, sample.mean_counts, no_mask};
            const sl_physical_input input =
                sl_physical_input_of(&sample, (sl_physical_stratum)s, &expectation);
            status = sl_physical_tests_run(&input, result);
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
