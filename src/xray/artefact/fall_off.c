/* Faults of the level beneath rings and spots, put in before counting: a step, growth, a slope across the
 * frame. */
#include "base/numeric/sort.h"
#include "xray/artefact/internal.h"

#include <math.h>

enum { RADII = 512, WINDOW = 8, SMOOTH = 20 };

static double radius_of(const sl_sim_sample *sample, int32_t row, int32_t column) {
    return hypot(row + 0.5 - sample->beam_row_px, column + 0.5 - sample->beam_column_px);
}

/* The mean at each radius: image pixels of a 256 px image a bin. */
static void take_means(const sl_sim_sample *sample, double out[RADII]) {
    double pixels[RADII] = {0}, unit = sample->size_px / 256.0;
    for (int r = 0; r < RADII; r++) out[r] = 0;
    for (int32_t i = 0; i < sample->size_px; i++)
        for (int32_t j = 0; j < sample->size_px; j++) {
            int r = (int)(radius_of(sample, i, j) / unit);
            if (r >= RADII) continue;
            out[r] += (double)sample->mean_counts[(int64_t)i * sample->size_px + j];
            pixels[r]++;
        }
    for (int r = 0; r < RADII; r++) out[r] = pixels[r] > 0 ? out[r] / pixels[r] : NAN;
}

/* The lowest fifth of the means within WINDOW of a radius, and never more than further in: what falls off. */
static void take_decay(const fault *f, double out[RADII]) {
    double mean[RADII], lowest = INFINITY;
    take_means(f->sample, mean);
    for (int r = 0; r < RADII; r++) {
        double near[2 * WINDOW + 1];
        int seen = 0;
        for (int k = r - WINDOW; k <= r + WINDOW; k++)
            if (k >= 0 && k < RADII && !isnan(mean[k])) near[seen++] = mean[k];
        if (seen) {
            sl_sort_doubles(near, (size_t)seen);
            lowest = fmin(lowest, near[seen / 5]);
        }
        out[r] = lowest;
    }
}

static void multiply(fault *f, int32_t row, int32_t column, double factor) {
    f->sample->mean_counts[(int64_t)row * f->size + column] *= (float)factor;
}

/* How much the mean rises and falls apart from one slope, within SMOOTH of a radius: rings and halos. */
static double unevenness(const double mean[RADII], int at) {
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, most = 0;
    for (int r = at - SMOOTH; r <= at + SMOOTH; r++) {
        if (r < 0 || r >= RADII || !(mean[r] > 0)) return INFINITY;
        double x = r - at, y = log(mean[r]);
        n++, sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx), level = sy / n;
    for (int r = at - SMOOTH; r <= at + SMOOTH; r++)
        most = fmax(most, fabs(log(mean[r]) - level - slope * (r - at)));
    return most;
}

/* Radii from 0.15 to 0.4 of the side, in 256ths of it, at which neither ring nor halo is near: there a step
 * is none of theirs. Returns how many. */
static int smooth_places(const sl_sim_sample *sample, double mean[RADII], int out[RADII]) {
    int count = 0;
    take_means(sample, mean);
    for (int r = 38; r <= 102; r++)
        if (unevenness(mean, r) < 0.2) out[count++] = r;
    return count;
}

bool fault_has_smooth_radius(const sl_sim_sample *sample) {
    double mean[RADII];
    int places[RADII];
    return smooth_places(sample, mean, places) > 0;
}

static double choose_step(fault *f) {
    double mean[RADII], start = 0;
    int places[RADII], count = smooth_places(f->sample, mean, places);
    if (count) start = places[sl_random_below(&f->random, (uint32_t)count)];
    return (start + sl_random_range(&f->random, 0, 1)) * f->size / 256;
}

/* Beyond a radius all is up to 3.5 times as bright. */
void fault_step_up(fault *f) {
    double start = choose_step(f);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++)
            multiply(f, i, j, 1 + 2.5 * f->severity / (1 + exp(-(radius_of(f->sample, i, j) - start) / 1.2)));
}

/* Beyond a radius what fell off grows as the square of the radius instead. */
void fault_grow(fault *f) {
    double decay[RADII], start = sl_random_range(&f->random, 0.15, 0.3) * f->size, unit = f->size / 256.0;
    take_decay(f, decay);
    double level = fmax(decay[(int)(start / unit)], 1e-6);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double radius = radius_of(f->sample, i, j), here = decay[(int)fmin(RADII - 1, radius / unit)];
            if (radius <= start) continue;
            multiply(f, i, j, pow(pow(radius / start, 2) * level / fmax(here, 1e-6), f->severity));
        }
}

/* One side of the frame is brighter, up to exp(3) from border to border. */
void fault_tilt(fault *f) {
    double angle = sl_random_range(&f->random, 0, 2 * M_PI);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double y = i + 0.5 - f->sample->beam_row_px, x = j + 0.5 - f->sample->beam_column_px;
            multiply(f, i, j, exp(3 * f->severity * (x * cos(angle) + y * sin(angle)) / f->size));
        }
}
