#include "base/memory.h"
#include "base/threads.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdio.h>

enum { FIRST = SL_SET_NUMBER_KID, END = SL_SET_NUMBER_AUC_NEAREST, NUMBERS = END - FIRST, SIDES = 3 };

/* Numbers of one draw: between the sets, floor, ceiling. */
typedef struct drawn {
    double number[SIDES][NUMBERS];
    int64_t size; /* images a side */
} drawn;

typedef struct work {
    const sl_comparison *c;
    const sl_rows *reference, *candidate;
    const int64_t *group; /* of reference rows, then of candidate rows */
    const sl_compare_settings *settings;
    bool possible[NUMBERS];
    int64_t first; /* draw of task 0 */
    drawn *draw;
} work;

static double frechet(const sl_points *points, const sl_rows *a, const sl_rows *b) {
    double out;
    return sl_frechet_distance(points, a, b, &out) ? (double)NAN : out;
}

static void measure_spread(const work *w, const sl_pairs *distance, const sl_rows *a, const sl_rows *b,
                           double *density, double *coverage) {
    if (!distance->count ||
        sl_density_coverage(distance, w->c->group, a, b, (int)w->settings->k, density, coverage))
        *density = *coverage = NAN;
}

static void measure(const work *w, const sl_rows *a, const sl_rows *b, double *out) {
    const sl_comparison *c = w->c;
    bool backbone = c->backbone.width > 0;
    if (!b->count) {
        for (int i = 0; i < NUMBERS; i++) out[i] = NAN;
        return;
    }
    out[SL_SET_NUMBER_KID] = sl_kid(&c->kernel, c->group, a, b);
    out[SL_SET_NUMBER_KID_BACKBONE] = backbone ? sl_kid(&c->backbone_kernel, c->group, a, b) : NAN;
    out[SL_SET_NUMBER_FRECHET] =
        w->possible[SL_SET_NUMBER_FRECHET] ? frechet(&c->physical, a, b) : (double)NAN;
    measure_spread(w, &c->distance, a, b, &out[SL_SET_NUMBER_DENSITY], &out[SL_SET_NUMBER_COVERAGE]);
    measure_spread(w, &c->backbone_distance, a, b, &out[SL_SET_NUMBER_DENSITY_BACKBONE],
                   &out[SL_SET_NUMBER_COVERAGE_BACKBONE]);
    out[SL_SET_NUMBER_PROFILE] = sl_energy_distance(&c->profile_distance, c->group, a, b);
    out[SL_SET_NUMBER_SPECTRUM] = sl_mean_difference(&c->spectrum, a, b);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static sl_status draw_once(const work *w, int64_t index, int64_t *room, drawn *out) {
    int64_t n = w->reference->count, m = w->candidate->count;
    sl_rows a = {room, 0}, b = {room + n, 0}, other = {room + 2 * n, 0}, rest = {room + 2 * n + m, 0};
    sl_random random = sl_random_stream(w->settings->seed, SL_STREAM_BOOTSTRAP, 1000000 + (uint32_t)index);
    SL_TRY(sl_halves_draw(w->reference, w->group, &random, &a, &b));
    SL_TRY(sl_halves_draw(w->candidate, w->group + n, &random, &other, &rest));
    out->size = least(a.count, other.count);
    if (b.count) out->size = least(out->size, b.count);
    a.count = other.count = out->size;
    b.count = least(b.count, out->size);
    measure(w, &a, &other, out->number[0]);
    measure(w, &a, &b, out->number[1]);
    for (int64_t i = 0; i < b.count; i++) b.row[i] += sl_comparison_shuffled(w->c);
    measure(w, &a, &b, out->number[2]);
    return SL_OK;
}

static sl_status draw_task(void *context, int64_t task, int worker) {
    const work *w = context;
    (void)worker;
    int64_t *room;
    SL_TRY(sl_alloc(&room, 2 * (size_t)(w->reference->count + w->candidate->count) + 1, sizeof *room));
    sl_status status = draw_once(w, w->first + task, room, &w->draw[w->first + task]);
    sl_free(room);
    return status;
}

static void gather(const work *w, double *room, sl_set_number *numbers) {
    int64_t draws = w->settings->draws;
    double size = 0;
    for (int64_t d = 0; d < draws; d++) size += (double)w->draw[d].size / (double)draws;
    for (int i = 0; i < NUMBERS; i++) {
        sl_estimate *out[SIDES] = {&numbers[i].value, &numbers[i].floor, &numbers[i].ceiling};
        for (int side = 0; side < SIDES; side++) {
            for (int64_t d = 0; d < draws; d++)
                room[d] = w->possible[i] ? w->draw[d].number[side][i] : (double)NAN;
            *out[side] = sl_estimate_of_draws(room, draws, llround(size), "half-samples");
        }
    }
}

static void decide_possible(work *w, sl_set_number *numbers) {
    int64_t smaller = least(w->reference->count, w->candidate->count);
    for (int i = 0; i < NUMBERS; i++) {
        int64_t needs = sl_set_number_needs((sl_set_number_id)i);
        bool backbone = i == SL_SET_NUMBER_KID_BACKBONE || i == SL_SET_NUMBER_DENSITY_BACKBONE ||
                        i == SL_SET_NUMBER_COVERAGE_BACKBONE;
        numbers[i].missing[0] = '\0';
        w->possible[i] = smaller >= needs && (!backbone || w->c->backbone.width > 0);
        if (smaller < needs)
            snprintf(numbers[i].missing, sizeof numbers[i].missing,
                     "needs %lld images in each set, one has %lld", (long long)needs, (long long)smaller);
        else if (!w->possible[i])
            snprintf(numbers[i].missing, sizeof numbers[i].missing, "the backbone was not used");
    }
}

sl_status sl_compare_draws(const sl_comparison *comparison, const sl_rows *reference,
                           const sl_rows *candidate, const sl_compare_settings *settings,
                           const sl_progress *progress, sl_set_number numbers[SL_SET_NUMBER_COUNT]) {
    enum { CHUNK = 64 };
    int64_t *group = NULL, n = reference->count, m = candidate->count;
    double *room = NULL;
    work w = {comparison, reference, candidate, NULL, settings, {false}, 0, NULL};
    sl_status status;
    decide_possible(&w, numbers);
    SL_GUARD(status, sl_alloc(&group, (size_t)(n + m + 1), sizeof *group), done);
    SL_GUARD(status, sl_alloc(&room, (size_t)settings->draws, sizeof *room), done);
    SL_GUARD(status, sl_alloc(&w.draw, (size_t)settings->draws, sizeof *w.draw), done);
    for (int64_t i = 0; i < n; i++) group[i] = comparison->group[reference->row[i]];
    for (int64_t i = 0; i < m; i++) group[n + i] = comparison->group[candidate->row[i]];
    w.group = group;
    for (int64_t at = 0; at < settings->draws && !status; at += CHUNK) {
        SL_GUARD(status, sl_progress_check(progress), done);
        w.first = at;
        SL_GUARD(status, sl_parallel_try(least(CHUNK, settings->draws - at), draw_task, &w), done);
        sl_progress_tell(progress, "comparing", "draw", least(at + CHUNK, settings->draws), settings->draws,
                         NULL);
    }
    gather(&w, room, numbers);
done:
    sl_free(group);
    sl_free(room);
    sl_free(w.draw);
    return status;
}
