/* How far sets of images are from a reference, by the numbers of `evaluate`. */
#include "gates.h"

#include "base/threads.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdlib.h>

enum { NEIGHBOURS = 5, SETS_MAX = SET_COUNT };

typedef struct span {
    int64_t first, count; /* rows of a set */
} span;

typedef struct figures {
    sl_points raw, physical, profile, spectrum;
    sl_pairs pairs; /* of the kind that is being looked at */
    span reference, set[SETS_MAX];
    int sets;
} figures;

/* Which distances a figure is made of. */
static const int kind_of[FIGURE_COUNT] = {[FIGURE_KID] = SL_PAIR_POLYNOMIAL,
                                          [FIGURE_DENSITY] = SL_PAIR_EUCLID,
                                          [FIGURE_COVERAGE] = SL_PAIR_EUCLID,
                                          [FIGURE_PROFILE] = SL_PAIR_ABSOLUTE,
                                          [FIGURE_SPECTRUM] = -1};

static void copy_features(figures *f, span at, const image_rows *rows) {
    for (int64_t i = 0; i < at.count; i++)
        for (int c = 0; c < SL_IMAGE_FEATURE_COUNT; c++)
            f->raw.at[(at.first + i) * SL_IMAGE_FEATURE_COUNT + c] = rows->row[i].feature[c];
}

/* Features are made comparable by the reference alone; one is left out where the reference lacks it. */
static sl_status figures_open(const image_rows sets[], int count, const image_rows *reference, figures *f) {
    unsigned char kept[SL_IMAGE_FEATURE_COUNT];
    int64_t rows = reference->count;
    *f = (figures){.reference = {0, reference->count}, .sets = count};
    for (int s = 0; s < count; s++) {
        f->set[s] = (span){rows, sets[s].row ? sets[s].count : 0};
        rows += f->set[s].count;
    }
    SL_TRY(sl_points_new(rows, SL_IMAGE_FEATURE_COUNT, &f->raw));
    copy_features(f, f->reference, reference);
    for (int s = 0; s < count; s++) copy_features(f, f->set[s], &sets[s]);
    SL_TRY(sl_points_standardise(&f->raw, reference->count, reference->count, kept, &f->physical));
    SL_TRY(sl_comparison_profile(&f->raw, &f->profile));
    return sl_comparison_spectrum(&f->raw, &f->spectrum);
}

static void figures_close(figures *f) {
    sl_points *points[] = {&f->raw, &f->physical, &f->profile, &f->spectrum};
    for (int k = 0; k < 4; k++) sl_points_free(points[k]);
    sl_pairs_free(&f->pairs);
}

static double measure(const figures *f, set_figure figure, const sl_rows *a, const sl_rows *b) {
    double density = NAN, coverage = NAN;
    switch (figure) {
    case FIGURE_KID:
        return sl_kid(&f->pairs, NULL, a, b);
    case FIGURE_PROFILE:
        return sl_energy_distance(&f->pairs, NULL, a, b);
    case FIGURE_SPECTRUM:
        return sl_mean_difference(&f->spectrum, a, b);
    default:
        if (sl_density_coverage(&f->pairs, NULL, a, b, NEIGHBOURS, &density, &coverage)) return NAN;
        return figure == FIGURE_DENSITY ? density : coverage;
    }
}

typedef struct draws {
    const figures *f;
    set_figure figure;
    span reference, set;
    double *value; /* [draws] */
} draws;

/* The first `count` rows of a span in random order. */
static void draw_rows(span from, sl_random *random, uint32_t *order, sl_rows *out, int64_t count) {
    sl_random_permutation(random, order, (uint32_t)from.count);
    out->count = count;
    for (int64_t k = 0; k < count; k++) out->row[k] = from.first + order[k];
}

static void draw_task(void *context, int64_t task, int worker) {
    const draws *d = context;
    int64_t n = d->set.count;
    sl_random random = sl_random_stream(1, SL_STREAM_BOOTSTRAP, (uint32_t)task);
    int64_t *room = NULL;
    uint32_t *order = NULL;
    (void)worker;
    d->value[task] = NAN;
    if (!sl_alloc(&room, (size_t)(2 * n), sizeof *room) && !sl_alloc(&order, (size_t)n, sizeof *order)) {
        sl_rows a = {room, 0}, b = {room + n, 0};
        draw_rows(d->reference, &random, order, &a, n / 2);
        draw_rows(d->set, &random, order, &b, n / 2);
        d->value[task] = measure(d->f, d->figure, &a, &b);
    }
    sl_free(room);
    sl_free(order);
}

/* Half-samples without replacement scatter about their mean as whole sets do (Shao and Wu, Ann. Stat. 17
 * (1989) 1176). */
static sl_status estimate(const figures *f, set_figure figure, span set, int count, sl_estimate *out) {
    int64_t *room;
    double *value = NULL;
    span reference = {0, set.count < f->reference.count ? set.count : f->reference.count};
    set.count = reference.count;
    SL_TRY(sl_alloc(&room, (size_t)(2 * set.count), sizeof *room));
    sl_status status = sl_alloc(&value, (size_t)count, sizeof *value);
    if (!status) {
        sl_rows a = {room, set.count}, b = {room + set.count, set.count};
        for (int64_t k = 0; k < set.count; k++) a.row[k] = reference.first + k, b.row[k] = set.first + k;
        draws d = {f, figure, reference, set, value};
        sl_parallel_for(count, draw_task, &d);
        sl_estimate halves = sl_estimate_of_draws(value, count, set.count, "half-samples");
        double whole = measure(f, figure, &a, &b);
        *out = (sl_estimate){whole, whole + halves.low - halves.value, whole + halves.high - halves.value,
                             set.count, "half-samples"};
        if (figure == FIGURE_COVERAGE) out->low = fmax(0, out->low), out->high = fmin(1, out->high);
    }
    sl_free(room);
    sl_free(value);
    return status;
}

static const sl_points *points_of(const figures *f, int kind) {
    return kind == SL_PAIR_ABSOLUTE ? &f->profile : &f->physical;
}

sl_status set_figures_measure(const image_rows sets[], int count, const image_rows *reference,
                              int draws_count, sl_estimate out[][FIGURE_COUNT]) {
    figures f;
    sl_status status = figures_open(sets, count, reference, &f);
    int kind = -1;
    for (int figure = 0; figure < FIGURE_COUNT && !status; figure++) {
        if (kind_of[figure] >= 0 && kind_of[figure] != kind) {
            kind = kind_of[figure];
            sl_pairs_free(&f.pairs);
            status = sl_pairs_new(points_of(&f, kind), (sl_pair_kind)kind, &f.pairs);
        }
        for (int s = 0; s < count && !status; s++) {
            out[s][figure] = (sl_estimate){NAN, NAN, NAN, f.set[s].count, "half-samples"};
            if (f.set[s].count > 2 * NEIGHBOURS + 2)
                status = estimate(&f, (set_figure)figure, f.set[s], draws_count, &out[s][figure]);
        }
    }
    figures_close(&f);
    return status;
}
