/* Writes how the mean of a log map goes with its count level, from simulated images:
 *
 *     level-fit [IMAGES] > src/xray/instrument/level_laws.def
 *
 * (built by `ninja tools/level-fit`). Least squares by technique, over images that show more than background.
 */
#include "base/memory.h"
#include "base/threads.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t seed = 7301; /* far from the seeds of training data and of the measuring tools */

enum { TECHNIQUES = SL_TECHNIQUE_UNKNOWN };

typedef struct point {
    int technique; /* SL_TECHNIQUE_UNKNOWN: shows nothing */
    double decades, mean;
} point;

typedef struct work {
    point *point;
    sl_sim_sample *sample; /* a thread's own */
} work;

static sl_status look(void *context, int64_t index, int worker) {
    work *w = context;
    sl_sim_sample *s = &w->sample[worker];
    SL_TRY(sl_sim_sample_make(seed, (uint32_t)index, &SL_SIM_OPTIONS_DEFAULT, s));
    int64_t pixels = (int64_t)s->size_px * s->size_px;
    double sum = 0;
    for (int64_t p = 0; p < pixels; p++) sum += (double)s->log_map[p];
    sl_technique shown = s->class_id == SL_SIM_EMPTY ? SL_TECHNIQUE_UNKNOWN : s->technique;
    w->point[index] = (point){(int)shown, log10(s->level_counts), sum / (double)pixels};
    return SL_OK;
}

static void print_law(const point *all, int count, sl_technique technique) {
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    for (int i = 0; i < count; i++) {
        double x = all[i].decades, y = all[i].mean;
        if (all[i].technique != (int)technique) continue;
        n++, sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
    }
    double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx), at_one = (sy - slope * sx) / n;
    double rest = syy / n - sy / n * (sy / n) - slope * (sxy / n - sx / n * (sy / n));
    printf("SL_LEVEL_LAW(%s, %.4f, %.4f, %.4f) /* %.0f images */\n", sl_technique_name(technique), at_one,
           slope, sqrt(rest), n);
}

int main(int argc, char **argv) {
    int images = argc > 1 ? atoi(argv[1]) : 2000;
    work w = {0};
    if (images < 100 || argc > 2) {
        fprintf(stderr, "usage: level-fit [IMAGES, at least 100]\n");
        return 1;
    }
    int threads = sl_threads_count();
    if (sl_alloc(&w.point, (size_t)images, sizeof *w.point) ||
        sl_alloc(&w.sample, (size_t)threads, sizeof *w.sample))
        return 1;
    bool failed = sl_parallel_try(images, look, &w) != SL_OK;
    if (failed) {
        fprintf(stderr, "level-fit: %s\n", sl_error_message());
    } else {
        printf(
            "/* SL_LEVEL_LAW(technique, mean of the log map at one count, more of it a decade, deviation),\n"
            " * made by level-fit %d from simulator version %d. */\n",
            images, SL_SIM_VERSION);
        for (int t = 0; t < TECHNIQUES; t++) print_law(w.point, images, (sl_technique)t);
    }
    for (int k = 0; k < threads; k++) sl_sim_sample_free(&w.sample[k]);
    sl_free(w.sample);
    sl_free(w.point);
    return failed;
}
