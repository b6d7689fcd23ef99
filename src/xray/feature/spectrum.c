/* Power spectral density of the log display, by Welch's method (IEEE Trans. Audio Electroacoust. 15 (1967)
 * 70): Hann-windowed tiles, averaged radially into bands. */
#include "xray/feature/internal.h"

#include <complex.h>
#include <math.h>

enum { TILE_MOST = 64, TILE_LEAST = 16 };

typedef struct transform {
    int size;
    double window[TILE_MOST];
    double complex turn[TILE_MOST / 2]; /* exp(-2 pi i k / size) */
} transform;

static void prepare(int size, transform *t) {
    t->size = size;
    for (int k = 0; k < size; k++) t->window[k] = 0.5 - 0.5 * cos(2 * M_PI * (k + 0.5) / size);
    for (int k = 0; k < size / 2; k++) t->turn[k] = cexp(-2 * M_PI * I * k / size);
}

/* In place, every `stride`-th number; the size is a power of two (Cooley and Tukey 1965). */
static void fourier(const transform *t, double complex *x, int stride) {
    for (int i = 1, j = 0; i < t->size; i++) {
        int bit = t->size / 2;
        for (; j & bit; bit /= 2) j ^= bit;
        j |= bit;
        if (i >= j) continue;
        double complex swap = x[i * stride];
        x[i * stride] = x[j * stride];
        x[j * stride] = swap;
    }
    for (int half = 1; half < t->size; half *= 2)
        for (int block = 0; block < t->size; block += 2 * half)
            for (int k = 0; k < half; k++) {
                double complex *a = x + (block + k) * stride, *b = a + half * stride;
                double complex w = t->turn[k * (t->size / (2 * half))];
                double re = creal(*b) * creal(w) - cimag(*b) * cimag(w),
                       im = creal(*b) * cimag(w) + cimag(*b) * creal(w);
                double complex turned = re + im * I;
                *b = *a - turned;
                *a += turned;
            }
}

/* The tile less its mean, windowed; false with more than a tenth of bad pixels, which count as the mean. */
static bool load_tile(const feature_view *view, const transform *t, int32_t top, int32_t left,
                      double complex *tile) {
    double sum = 0, good = 0;
    int n = t->size;
    for (int k = 0; k < n * n; k++) {
        int64_t at = (int64_t)(top + k / n) * view->width_px + left + k % n;
        if (view->bad[at]) continue;
        sum += (double)view->display[at], good++;
    }
    if (good < 0.9 * n * n) return false;
    for (int k = 0; k < n * n; k++) {
        int64_t at = (int64_t)(top + k / n) * view->width_px + left + k % n;
        double v = view->bad[at] ? 0 : (double)view->display[at] - sum / good;
        tile[k] = v * t->window[k / n] * t->window[k % n];
    }
    return true;
}

/* Band of the frequency (y, x) in cycles a tile: equal steps of ln from 1.5 up to the Nyquist frequency; -1:
 * none. */
static int band_of(const transform *t, int y, int x) {
    double fy = y <= t->size / 2 ? y : y - t->size, fx = x <= t->size / 2 ? x : x - t->size;
    double f = sqrt(fy * fy + fx * fx), nyquist = 0.5 * t->size;
    if (f < 1.5 || f > nyquist) return -1;
    int band = (int)(log(f / 1.5) / log(nyquist / 1.5) * SL_PSD_BANDS);
    return band < SL_PSD_BANDS ? band : SL_PSD_BANDS - 1;
}

static void add_tile(const transform *t, double complex *tile, double *power, double *count) {
    int n = t->size;
    for (int y = 0; y < n; y++) fourier(t, tile + y * n, 1);
    for (int x = 0; x < n; x++) fourier(t, tile + x, n);
    for (int k = 0; k < n * n; k++) {
        int band = band_of(t, k / n, k % n);
        if (band < 0) continue;
        power[band] += creal(tile[k]) * creal(tile[k]) + cimag(tile[k]) * cimag(tile[k]);
        count[band]++;
    }
}

sl_status feature_spectrum(const feature_view *view, double *out) {
    double power[SL_PSD_BANDS] = {0}, count[SL_PSD_BANDS] = {0}, weight = 0;
    int size = TILE_MOST;
    while (size > view->height_px || size > view->width_px) size /= 2;
    if (size < TILE_LEAST) return SL_OK;
    double complex *tile;
    transform t;
    SL_TRY(sl_alloc(&tile, (size_t)(size * size), sizeof *tile));
    prepare(size, &t);
    for (int32_t top = 0; top + size <= view->height_px; top += size * 3 / 4)
        for (int32_t left = 0; left + size <= view->width_px; left += size * 3 / 4)
            if (load_tile(view, &t, top, left, tile)) add_tile(&t, tile, power, count);
    sl_free(tile);
    for (int k = 0; k < size; k++) weight += t.window[k] * t.window[k];
    /* white noise of variance v has a density of v in every band */
    for (int b = 0; b < SL_PSD_BANDS; b++)
        if (count[b] > 0)
            out[SL_IMAGE_FEATURE_PSD_0 + b] =
                10 * log10(fmax(power[b] / count[b] / (weight * weight), 1e-12));
    return SL_OK;
}
