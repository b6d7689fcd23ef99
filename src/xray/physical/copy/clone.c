/* A19c: photons fall at random, so no two places have the same counts pixel by pixel. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 6, BUCKETS = 1 << 16, BY_CHANCE = 8 };

typedef struct place {
    uint64_t hash;
    int32_t row, column;
} place;

static int by_hash(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* A block's counts as one number; false where a pixel is masked or there are too few photons to tell places
 * apart. */
static bool hash_block(const sl_image *image, int32_t row, int32_t column, uint64_t *out) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    double sum = 0, square = 0;
    for (int32_t y = row; y < row + SIDE; y++)
        for (int32_t x = column; x < column + SIDE; x++) {
            int64_t k = (int64_t)y * image->width_px + x;
            double v = (double)image->value[k];
            if (image->mask[k]) return false;
            sum += v, square += v * v;
            hash = (hash ^ (uint64_t)(int64_t)v) * UINT64_C(0x100000001b3);
            hash ^= hash >> 29;
        }
    *out = hash;
    return sum >= SIDE * SIDE && square - sum * sum / (SIDE * SIDE) >= 0.5 * sum;
}

/* Places of the most frequent displacement between equal blocks that do not overlap. */
static int most_frequent(place *list, int count, const sl_image *image, int *down, int *right) {
    static const int most_pairs = 1 << 20;
    int *votes, best = 0, pairs = 0;
    if (sl_alloc(&votes, BUCKETS, sizeof *votes)) return 0;
    for (int a = 0; a < count; a++)
        for (int b = a + 1; b < count && list[b].hash == list[a].hash && b < a + 8 && pairs < most_pairs;
             b++) {
            int y = list[b].row - list[a].row, x = list[b].column - list[a].column;
            if (abs(y) < SIDE && abs(x) < SIDE) continue;
            int64_t key = (int64_t)y * (2 * image->width_px + 1) + x;
            uint32_t bucket = (uint32_t)((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 48);
            pairs++;
            if (++votes[bucket] > best) best = votes[bucket], *down = y, *right = x;
        }
    sl_free(votes);
    return best;
}

sl_status physical_clone(const physical_view *view, sl_physical_result *out) {
    const sl_image *image = view->input->image;
    place *list;
    int count = 0, down = 0, right = 0;
    snprintf(out->saw, sizeof out->saw, "too few places with a photon a pixel");
    if (image->height_px < SIDE || image->width_px < SIDE) return SL_OK;
    SL_TRY(sl_alloc(&list, (size_t)image->height_px * (size_t)image->width_px, sizeof *list));
    for (int32_t i = 0; i + SIDE <= image->height_px; i++)
        for (int32_t j = 0; j + SIDE <= image->width_px; j++) {
            place *p = &list[count];
            *p = (place){0, i, j};
            count += hash_block(image, i, j, &p->hash);
        }
    qsort(list, (size_t)count, sizeof *list, by_hash);
    out->applicable = count >= 200;
    if (out->applicable) {
        out->value = most_frequent(list, count, image, &down, &right);
        /* of a million dim blocks a few are equal by chance, and one in 65,536 of their displacements with
         * them */
        if (out->value < BY_CHANCE) out->value = 0;
        snprintf(out->saw, sizeof out->saw, "no place of %d x %d pixels is found twice", SIDE, SIDE);
        if (out->value > 0)
            snprintf(out->saw, sizeof out->saw,
                     "%.0f places are found again %d px down and %d px to the right", out->value, down,
                     right);
    }
    sl_free(list);
    return SL_OK;
}
