/* Writes src/xray/physical/calibration.def: what the physical tests give on clean simulated images.
 *
 *     calibrate-physical [IMAGES] > src/xray/physical/calibration.def     (by `ninja calibrate-physical`)
 *
 * With IMAGES and a second word, "power", it prints instead how many images with each injected fault fail
 * some test. */
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

static sl_status look(const sl_sim_sample *s, bool geometry, sl_physical_result *out) {
    const sl_physical_input input = {.image = &s->measured,
                                     .is_grazing = s->is_grazing,
                                     .beam_known = true,
                                     .beam_row_px = s->beam_row_px,
                                     .beam_column_px = s->beam_column_px,
                                     .geometry = geometry ? &s->geometry : NULL,
                                     .measurement = &s->measurement};
    return sl_physical_tests_run(&input, out);
}

static void write_line(const char *name, double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    double middle = count ? values[count / 2] : 0, *distance = malloc((size_t)(count + 1) * sizeof *distance);
    for (int k = 0; k < count; k++) distance[k] = fabs(values[k] - middle);
    qsort(distance, (size_t)count, sizeof *distance, ascending);
    printf("SL_CALIBRATION(%s, %d, %.4g,\n               {", name, count, count ? distance[count / 2] : 1);
    free(distance);
    for (int q = 0; q < QUANTILES; q++)
        printf("%s%.4g", q ? ", " : "", count ? values[(int)(shares[q] * (count - 1) + 0.5)] : 0);
    printf("})\n");
}

static int calibrate(int images) {
    static const char *const names[] = {
#define SL_PHYSICAL(name, id, artefacts, unit, words) #name,
        SL_PHYSICAL_TABLE
#undef SL_PHYSICAL
    };
    double *values[SL_PHYSICAL_COUNT];
    int counts[SL_PHYSICAL_COUNT] = {0};
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) values[t] = calloc((size_t)images, sizeof(double));
    for (int k = 0; k < images; k++) {
        sl_physical_result result[SL_PHYSICAL_COUNT];
        /* half with the geometry, half without: the limits hold for both */
        if (sl_sim_sample_make(seed, (uint32_t)k, &options, &sample) || look(&sample, k % 2 == 0, result)) {
            fprintf(stderr, "image %d: %s\n", k, sl_error_message());
            return 1;
        }
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++)
            if (result[t].applicable) values[t][counts[t]++] = result[t].value;
    }
    printf("/* SL_CALIBRATION(test, clean images it applied to, median absolute deviation, quantiles of its "
           "value), made by\n"
           " * calibrate-physical %d from simulator version %d. */\n",
           images, SL_SIM_VERSION);
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) write_line(names[t], values[t], counts[t]);
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) free(values[t]);
    sl_sim_sample_free(&sample);
    return 0;
}

static int power(int images) {
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    for (int kind = 0; kind < SL_ARTEFACT_COUNT; kind++) {
        int tried = 0, caught = 0, by[SL_PHYSICAL_COUNT] = {0}, applied[SL_PHYSICAL_COUNT] = {0};
        for (int k = 0; k < images; k++) {
            sl_physical_result result[SL_PHYSICAL_COUNT];
            if (sl_sim_sample_make(seed + 1, (uint32_t)k, &options, &sample)) return 1;
            if (!sl_artefact_applies((sl_artefact_kind)kind, &sample)) continue;
            if (sl_artefact_inject((sl_artefact_kind)kind, 1, &sample) || look(&sample, k % 2 == 0, result))
                return 1;
            bool any = false;
            for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
                bool fails = result[t].applicable && result[t].p < 0.01;
                applied[t] += result[t].applicable;
                by[t] += fails;
                any |= fails;
            }
            tried++;
            caught += any;
        }
        printf("%-5s %-34s %3d of %3d:", sl_artefact_id((sl_artefact_kind)kind),
               sl_artefact_words((sl_artefact_kind)kind), caught, tried);
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++)
            if (by[t] > 0) printf(" %s %d/%d", sl_physical_id((sl_physical_test)t), by[t], applied[t]);
        printf("\n");
    }
    sl_sim_sample_free(&sample);
    return 0;
}

int main(int argc, char **argv) {
    int images = argc > 1 ? atoi(argv[1]) : 2000;
    if (images < 1) return 2;
    return argc > 2 && strcmp(argv[2], "power") == 0 ? power(images) : calibrate(images);
}
