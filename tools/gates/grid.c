/* Does the autoencoder's block of 8 pixels show? */
#include "gates.h"

#include <math.h>
#include <string.h>

enum { PERIOD = 8, STEP = SIDE_PX / PERIOD, NEAR = 3, FAR = 8 };

/* Mean absolute second difference across each column (`across` 1) or row (SIDE_PX) of pixels. */
static void roughness(const float *map, int64_t across, int64_t along, double *out) {
    memset(out, 0, SIDE_PX * sizeof *out);
    for (int64_t k = 1; k + 1 < SIDE_PX; k++)
        for (int64_t i = 0; i < SIDE_PX; i++) {
            const float *at = map + k * across + i * along;
            out[k] += fabs((double)at[-across] - 2 * (double)at[0] + (double)at[across]) / SIDE_PX;
        }
    out[0] = out[1], out[SIDE_PX - 1] = out[SIDE_PX - 2];
}

/* Power at `cycles` in the whole side, of the Hann-windowed line without its mean. */
static double power(const double *line, double mean, int cycles) {
    double re = 0, im = 0;
    for (int k = 0; k < SIDE_PX; k++) {
        double v = (line[k] - mean) * (0.5 - 0.5 * cos(2 * M_PI * (k + 0.5) / SIDE_PX)),
               turn = 2 * M_PI * cycles * k / SIDE_PX;
        re += v * cos(turn), im += v * sin(turn);
    }
    return re * re + im * im;
}

/* The window spreads a line over two places either side: what is compared begins at three. */
static double contrast_db(const double *line) {
    double mean = 0, sum = 0;
    for (int k = 0; k < SIDE_PX; k++) mean += line[k] / SIDE_PX;
    for (int harmonic = 1; harmonic <= PERIOD / 2; harmonic++) {
        double beside = 0, places = 0;
        for (int off = -FAR; off <= FAR; off++) {
            int cycles = harmonic * STEP + off;
            if (abs(off) < NEAR || cycles > SIDE_PX / 2) continue;
            beside += power(line, mean, cycles), places++;
        }
        sum += 10 * log10((power(line, mean, harmonic * STEP) + 1e-30) / (beside / places + 1e-30));
    }
    return sum / (PERIOD / 2);
}

double grid_measure(const float *map) {
    double line[SIDE_PX], sum = 0;
    roughness(map, 1, SIDE_PX, line);
    sum += contrast_db(line);
    roughness(map, SIDE_PX, 1, line);
    return (sum + contrast_db(line)) / 2;
}
