/* Are samples copies of training images, or of each other? Images are compared by their expectations' log
 * maps, averaged down to a number for each latent place: what the denoiser could have learnt by heart. */
#include "gates.h"

#include "base/numeric/sort.h"
#include "base/threads.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <string.h>

static const double rare = 0.01;          /* share of held-out images that lie as near by chance */
static const double twin_distance = 0.02; /* of near-duplicates: 5 grey levels of 255, in the mean */
enum { DRAWS = 500 };

typedef struct work {
    const image_rows *from, *to;
    double *nearest, *second;
} work;

static double distance(const image_row *a, const image_row *b) {
    double sum = 0;
    for (int k = 0; k < SMALL_PIXELS; k++) {
        double d = (double)(a->small[k] - b->small[k]);
        sum += d * d;
    }
    return sqrt(sum / SMALL_PIXELS);
}

static void find_task(void *context, int64_t i, int worker) {
    const work *w = context;
    (void)worker;
    double first = INFINITY, second = INFINITY;
    for (int64_t j = 0; j < w->to->count; j++) {
        if (w->from->row == w->to->row && i == j) continue;
        double d = distance(&w->from->row[i], &w->to->row[j]);
        if (d < first)
            second = first, first = d;
        else if (d < second)
            second = d;
    }
    w->nearest[i] = first, w->second[i] = second;
}

void copies_nearest(const image_rows *from, const image_rows *to, double *nearest, double *second) {
    work w = {from, to, nearest, second};
    sl_parallel_for(from->count, find_task, &w);
}

static double quantile(double *values, int64_t count, double fraction) {
    sl_sort_doubles(values, (size_t)count);
    return values[(int64_t)floor(fraction * (double)(count - 1))];
}

double copies_below(const double *values, int64_t count, const double *held, int64_t held_count,
                    double fraction) {
    double *room, limit = NAN;
    int64_t below = 0;
    if (count < 1 || held_count < 1 || sl_alloc(&room, (size_t)held_count, sizeof *room)) return NAN;
    memcpy(room, held, (size_t)held_count * sizeof *room);
    limit = quantile(room, held_count, fraction);
    for (int64_t i = 0; i < count; i++) below += values[i] < limit;
    sl_free(room);
    return (double)below / (double)count;
}

/* ---- shares with their intervals ---- */

/* values[count] against held[held_count]; both are resampled, since the limit is uncertain too. */
static sl_status estimate(const double *values, int64_t count, const double *held, int64_t held_count,
                          sl_estimate *out) {
    double *room, share[DRAWS];
    *out = (sl_estimate){NAN, NAN, NAN, count, "bootstrap"};
    if (count < 1 || held_count < 1) return SL_OK;
    SL_TRY(sl_alloc(&room, (size_t)(count + held_count), sizeof *room));
    for (int d = 0; d < DRAWS; d++) {
        sl_random random = sl_random_stream(1, SL_STREAM_BOOTSTRAP, (uint32_t)d);
        for (int64_t i = 0; i < count; i++) room[i] = values[sl_random_below(&random, (uint32_t)count)];
        for (int64_t i = 0; i < held_count; i++)
            room[count + i] = held[sl_random_below(&random, (uint32_t)held_count)];
        share[d] = copies_below(room, count, room + count, held_count, rare);
    }
    sl_free(room);
    *out = sl_estimate_of_draws(share, DRAWS, count, "bootstrap");
    out->value = copies_below(values, count, held, held_count, rare);
    return SL_OK;
}

int64_t copies_twins(const image_rows *rows) {
    int64_t found = 0;
    for (int64_t i = 0; i < rows->count; i++)
        for (int64_t j = 0; j < rows->count; j++) {
            if (i == j ||
                sl_fingerprint_distance(&rows->row[i].looks, &rows->row[j].looks) > SL_FINGERPRINT_NEAR_BITS)
                continue;
            if (distance(&rows->row[i], &rows->row[j]) > twin_distance) continue;
            found++;
            break;
        }
    return found;
}

static void divide(double *nearest, const double *second, int64_t count) {
    for (int64_t i = 0; i < count; i++) nearest[i] = second[i] > 0 ? nearest[i] / second[i] : 1;
}

static sl_status compare(const image_rows *samples, const image_rows *clean, double *made[2], double *held[2],
                         copies *out) {
    int64_t n = samples->count, m = clean->count, half = m / 2;
    SL_TRY(estimate(made[0], n, held[0], m, &out->near));
    SL_TRY(estimate(held[0], half, held[0] + half, m - half, &out->near_floor));
    divide(made[0], made[1], n);
    divide(held[0], held[1], m);
    SL_TRY(estimate(made[0], n, held[0], m, &out->ratio));
    SL_TRY(estimate(held[0], half, held[0] + half, m - half, &out->ratio_floor));
    out->twins = sl_proportion(copies_twins(samples), n, 0, 0.95);
    out->twins_floor = sl_proportion(copies_twins(clean), m, 0, 0.95);
    return SL_OK;
}

sl_status copies_measure(const image_rows *samples, const image_rows *clean, const image_rows *training,
                         copies *out) {
    double *made[2], *held[2], *room;
    SL_TRY(sl_alloc(&room, (size_t)(2 * (samples->count + clean->count)), sizeof *room));
    made[0] = room, made[1] = room + samples->count;
    held[0] = made[1] + samples->count, held[1] = held[0] + clean->count;
    copies_nearest(samples, training, made[0], made[1]);
    copies_nearest(clean, training, held[0], held[1]);
    sl_status status = compare(samples, clean, made, held, out);
    sl_free(room);
    return status;
}
