/* Times the simulator by class: bench-simulate [CLASS...] [--images N] [--size PX] [--seed S].
 *
 * One line each: class, images, milliseconds of CPU an image for the expectation (drawing, rendering,
 * features, caption) and for the detector chain after it, and images a second of both. One thread, and the
 * process's own CPU time (getrusage), so that other programs disturb it little. */
#include "base/threads.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct {
    uint32_t images;
    int32_t size_px;
    uint64_t seed;
} options = {24, 512, 1};

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* CPU seconds for the class's images, measured or not: for each image the least of some runs, since what else
 * the machine does shows even in CPU time, through caches and shared cores. */
static sl_status time_class(sl_sim_class class_id, bool measure, double *out) {
    enum { RUNS = 3 };
    sl_sim_options sim = {.size_px = options.size_px, .class_id = class_id, .measure = measure};
    sl_sim_sample sample = {0};
    sl_status status = SL_OK;
    *out = 0;
    for (uint32_t k = 0; k < options.images && !status; k++) {
        double least = 1e9;
        for (int run = 0; run < RUNS && !status; run++) {
            double begin = cpu_s();
            status = sl_sim_sample_make(options.seed, k, &sim, &sample);
            least = fmin(least, cpu_s() - begin);
        }
        *out += least;
    }
    sl_sim_sample_free(&sample);
    return status;
}

static sl_status report(sl_sim_class class_id) {
    double expectation, both;
    SL_TRY(time_class(class_id, false, &expectation));
    SL_TRY(time_class(class_id, true, &both));
    printf("%-17s %4u images  expectation %6.1f ms  detector %6.1f ms  %6.1f images/s\n",
           sl_sim_class_id(class_id), options.images, 1e3 * expectation / options.images,
           1e3 * (both - expectation) / options.images, options.images / both);
    fflush(stdout);
    return SL_OK;
}

static sl_status run(int count, char **argument) {
    bool named = false;
    for (int i = 1; i < count; i++) {
        if (i + 1 < count && strcmp(argument[i], "--images") == 0) {
            options.images = (uint32_t)strtoul(argument[++i], NULL, 10);
        } else if (i + 1 < count && strcmp(argument[i], "--size") == 0) {
            options.size_px = (int32_t)strtol(argument[++i], NULL, 10);
        } else if (i + 1 < count && strcmp(argument[i], "--seed") == 0) {
            options.seed = strtoull(argument[++i], NULL, 10);
        } else {
            sl_sim_class class_id;
            SL_TRY(sl_sim_class_find(argument[i], &class_id));
            SL_TRY(report(class_id));
            named = true;
        }
    }
    for (int c = 0; !named && c < SL_SIM_CLASS_COUNT; c++) SL_TRY(report((sl_sim_class)c));
    return SL_OK;
}

int main(int count, char **argument) {
    sl_status status = sl_threads_set(1);
    if (!status) status = run(count, argument);
    if (status) fprintf(stderr, "bench-simulate: %s\n", sl_error_message());
    return status != 0;
}
