#include "base/memory.h"
#include "base/numeric/sort.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdio.h>

/* Distances of candidate images, then of unseen ones, to the reference. */
typedef struct distances {
    int64_t candidate, unseen;
    double *nearest, *second;
    int64_t *group;
} distances;

/* Calls for the parts of index[count] that are of the candidate (`unseen` false) or unseen. */
static int64_t pick(const distances *d, const int64_t *index, int64_t count, bool unseen, bool ratio,
                    double *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = index[i];
        if ((k >= d->candidate) != unseen || !isfinite(d->nearest[k])) continue;
        double v = ratio ? (d->second[k] > 0 ? d->nearest[k] / d->second[k] : 1) : d->nearest[k];
        if (isfinite(v)) out[n++] = v;
    }
    return n;
}

static double z_of(const void *context, const int64_t *index, int64_t count) {
    const distances *d = context;
    double *room, z = NAN;
    if (sl_alloc(&room, 2 * (size_t)count + 1, sizeof *room)) return NAN;
    int64_t n = pick(d, index, count, false, false, room);
    int64_t m = pick(d, index, count, true, false, room + n);
    z = sl_mann_whitney_z(room, n, room + n, m);
    sl_free(room);
    return z;
}

static double median_ratio(const distances *d, const int64_t *index, int64_t count, bool unseen) {
    double *room, out = NAN;
    if (sl_alloc(&room, (size_t)count + 1, sizeof *room)) return NAN;
    int64_t n = pick(d, index, count, unseen, true, room);
    sl_sort_doubles(room, (size_t)n);
    if (n) out = 0.5 * (room[(n - 1) / 2] + room[n / 2]);
    sl_free(room);
    return out;
}

static double candidate_ratio(const void *context, const int64_t *index, int64_t count) {
    return median_ratio(context, index, count, false);
}

static double unseen_ratio(const void *context, const int64_t *index, int64_t count) {
    return median_ratio(context, index, count, true);
}

static sl_status measure_distances(const sl_comparison *c, const distances *d,
                                   const sl_compare_settings *settings, sl_set_number *numbers) {
    int64_t all = d->candidate + d->unseen;
    int draws = (int)settings->draws;
    sl_set_number *z = &numbers[SL_SET_NUMBER_COPY_Z], *ratio = &numbers[SL_SET_NUMBER_COPY_RATIO];
    SL_TRY(sl_bootstrap_grouped(z_of, d, d->group, all, draws, 0.95, settings->seed, &z->value));
    SL_TRY(
        sl_bootstrap_grouped(candidate_ratio, d, d->group, all, draws, 0.95, settings->seed, &ratio->value));
    SL_TRY(sl_bootstrap_grouped(unseen_ratio, d, d->group, all, draws, 0.95, settings->seed, &ratio->floor));
    z->value.n = ratio->value.n = d->candidate;
    ratio->floor.n = d->unseen;
    /* unseen against unseen has Z = 0 with standard deviation 1; copies all lie nearer than any unseen image
     */
    double n = (double)d->candidate, m = (double)d->unseen, most = -sqrt(3 * n * m / (n + m + 1));
    z->floor = (sl_estimate){0, -1.96, 1.96, d->unseen, "normal"};
    z->ceiling = (sl_estimate){most, most, most, d->candidate, "exact copies"};
    ratio->ceiling = (sl_estimate){0, 0, 0, c->candidate, "exact copies"};
    return SL_OK;
}

static void fill_rows(sl_rows *rows, int64_t *room, int64_t first, int64_t count) {
    *rows = (sl_rows){room, count};
    for (int64_t i = 0; i < count; i++) room[i] = first + i;
}

static sl_status find_nearest(const sl_comparison *c, const sl_compare_settings *settings,
                              sl_set_number *numbers) {
    int64_t unseen = c->held_out ? c->held_out : c->reference, n = c->candidate + unseen, *room = NULL;
    distances d = {.candidate = c->candidate, .unseen = unseen};
    sl_rows reference, candidate, others;
    sl_status status;
    SL_GUARD(status, sl_alloc(&room, (size_t)(n + c->reference), sizeof *room), done);
    SL_GUARD(status, sl_alloc(&d.nearest, (size_t)n, sizeof *d.nearest), done);
    SL_GUARD(status, sl_alloc(&d.second, (size_t)n, sizeof *d.second), done);
    SL_GUARD(status, sl_alloc(&d.group, (size_t)n, sizeof *d.group), done);
    fill_rows(&reference, room, 0, c->reference);
    fill_rows(&candidate, room + c->reference, c->reference, c->candidate);
    fill_rows(&others, room + c->reference + c->candidate, c->held_out ? sl_comparison_held_out(c) : 0,
              unseen);
    sl_nearest_two(&c->distance, c->group, &candidate, &reference, d.nearest, d.second);
    sl_nearest_two(&c->distance, c->group, &others, &reference, d.nearest + c->candidate,
                   d.second + c->candidate);
    for (int64_t i = 0; i < n; i++)
        d.group[i] = c->group[i < c->candidate ? candidate.row[i] : others.row[i - c->candidate]];
    status = measure_distances(c, &d, settings, numbers);
done:
    sl_free(room);
    sl_free(d.nearest);
    sl_free(d.second);
    sl_free(d.group);
    return status;
}

/* Share of the images of set a that look like one of set b outside of their own group. */
static sl_estimate near_share(const sl_comparison *c, int a, int64_t a_first, int64_t a_count, int b,
                              int64_t b_first, int64_t b_count) {
    int64_t found = 0;
    for (int64_t i = 0; i < a_count; i++)
        for (int64_t j = 0; j < b_count; j++) {
            if (a == b && (i == j || c->group[a_first + i] == c->group[b_first + j])) continue;
            if (sl_fingerprint_distance(&c->fingerprint[a][i], &c->fingerprint[b][j]) >
                SL_FINGERPRINT_NEAR_BITS)
                continue;
            found++;
            break;
        }
    return sl_proportion(found, a_count, 0, 0.95);
}

static void find_nearest_rows(const sl_comparison *c, int64_t *nearest) {
    for (int64_t i = 0; i < c->candidate; i++) {
        nearest[i] = 0;
        for (int64_t j = 1; j < c->reference; j++)
            if (sl_pair(&c->distance, c->reference + i, j) <
                sl_pair(&c->distance, c->reference + i, nearest[i]))
                nearest[i] = j;
    }
}

sl_status sl_compare_copies(const sl_comparison *comparison, const sl_compare_settings *settings,
                            int64_t *nearest, sl_set_number numbers[SL_SET_NUMBER_COUNT]) {
    const sl_comparison *c = comparison;
    const sl_estimate unknown = {NAN, NAN, NAN, 0, "bootstrap"},
                      all = {1, 1, 1, c->candidate, "exact copies"};
    int64_t unseen = c->held_out ? c->held_out : c->reference;
    for (int i = SL_SET_NUMBER_COPY_Z; i < SL_SET_NUMBER_COUNT; i++)
        numbers[i] = (sl_set_number){unknown, unknown, unknown, ""};
    for (int i = SL_SET_NUMBER_COPY_Z; i <= SL_SET_NUMBER_COPY_RATIO; i++) {
        int64_t needs = sl_set_number_needs((sl_set_number_id)i),
                smaller = c->candidate < unseen ? c->candidate : unseen;
        if (smaller < needs)
            snprintf(numbers[i].missing, sizeof numbers[i].missing,
                     "needs %lld images in each set, one has %lld", (long long)needs, (long long)smaller);
    }
    if (!numbers[SL_SET_NUMBER_COPY_Z].missing[0]) SL_TRY(find_nearest(c, settings, numbers));
    sl_set_number *near = &numbers[SL_SET_NUMBER_NEAR_DUPLICATES], *own = &numbers[SL_SET_NUMBER_REPEATS];
    near->value = near_share(c, 1, c->reference, c->candidate, 0, 0, c->reference);
    near->floor = c->held_out ? near_share(c, 2, sl_comparison_held_out(c), c->held_out, 0, 0, c->reference)
                              : near_share(c, 0, 0, c->reference, 0, 0, c->reference);
    own->value = near_share(c, 1, c->reference, c->candidate, 1, c->reference, c->candidate);
    own->floor = near_share(c, 0, 0, c->reference, 0, 0, c->reference);
    near->ceiling = own->ceiling = all;
    if (nearest) find_nearest_rows(c, nearest);
    return SL_OK;
}
