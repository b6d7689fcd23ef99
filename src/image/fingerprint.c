#include "image/fingerprint.h"

#include "image/resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 64, FREQUENCIES = 17 };

/* Log counts, masked pixels at the mean of the others, so that they say nothing. */
static void log_grid(const sl_image *small, double grid[GRID][GRID]) {
    double sum = 0;
    int good = 0;
    for (int i = 0; i < GRID * GRID; i++) {
        double value = small->mask[i] ? 0 : log1p(fmax((double)small->value[i], 0));
        grid[i / GRID][i % GRID] = value;
        sum += value;
        good += !small->mask[i];
    }
    double mean = good ? sum / good : 0;
    for (int i = 0; i < GRID * GRID; i++)
        grid[i / GRID][i % GRID] = small->mask[i] ? 0 : grid[i / GRID][i % GRID] - mean;
}

/* Cosine transform (type II) of the lowest frequencies, rows then columns. */
static void low_frequencies(double grid[GRID][GRID], double out[FREQUENCIES][FREQUENCIES]) {
    double cosine[FREQUENCIES][GRID], half[GRID][FREQUENCIES];
    for (int k = 0; k < FREQUENCIES; k++)
        for (int i = 0; i < GRID; i++) cosine[k][i] = cos(M_PI * k * (i + 0.5) / GRID);
    for (int y = 0; y < GRID; y++) {
        for (int k = 0; k < FREQUENCIES; k++) {
            half[y][k] = 0;
            for (int x = 0; x < GRID; x++) half[y][k] += grid[y][x] * cosine[k][x];
        }
    }
    for (int j = 0; j < FREQUENCIES; j++) {
        for (int k = 0; k < FREQUENCIES; k++) {
            out[j][k] = 0;
            for (int y = 0; y < GRID; y++) out[j][k] += half[y][k] * cosine[j][y];
        }
    }
}

sl_status sl_image_fingerprint(const sl_image *image, sl_fingerprint *out) {
    sl_image small;
    double grid[GRID][GRID], frequency[FREQUENCIES][FREQUENCIES];
    SL_TRY(sl_image_resize(image, GRID, GRID, &small));
    log_grid(&small, grid);
    sl_image_free(&small);
    low_frequencies(grid, frequency);
    sl_fingerprint made = {{0}};
    for (int bit = 0; bit < 256; bit++) { /* the first row holds 1..16, the others 0..15 */
        int j = bit / 16, k = bit % 16 + (j == 0);
        if (frequency[j][k] > 0) made.bits[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    *out = made;
    return SL_OK;
}

int sl_fingerprint_distance(const sl_fingerprint *a, const sl_fingerprint *b) {
    int distance = 0;
    for (int i = 0; i < SL_FINGERPRINT_WORDS; i++) distance += __builtin_popcountll(a->bits[i] ^ b->bits[i]);
    return distance;
}

void sl_fingerprint_to_text(const sl_fingerprint *fingerprint, char out[SL_FINGERPRINT_TEXT]) {
    for (int i = 0; i < SL_FINGERPRINT_WORDS; i++)
        snprintf(out + 16 * i, 17, "%016" PRIx64, fingerprint->bits[i]);
}

bool sl_fingerprint_parse(const char *text, sl_fingerprint *out) {
    if (!text || strlen(text) != SL_FINGERPRINT_TEXT - 1) return false;
    if (strspn(text, "0123456789abcdef") != SL_FINGERPRINT_TEXT - 1) return false;
    for (int i = 0; i < SL_FINGERPRINT_WORDS; i++) {
        char word[17] = "";
        memcpy(word, text + 16 * i, 16);
        out->bits[i] = strtoull(word, NULL, 16);
    }
    return true;
}
