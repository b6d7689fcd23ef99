/* Classifiers of rising strength that try to tell two sets apart. */
#include "base/numeric/groups.h"
#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

#include <math.h>
#include <string.h>

/* Weight decay, and steps of Nesterov's accelerated gradient: enough for strongly convex losses of this
 * condition. */
static const double decay = 0.02;
enum { STEPS = 300, POWER_ROUNDS = 20 };

typedef struct problem {
    const sl_points *points;
    const bool *label;
    int64_t count;
    const int64_t *row; /* of the training fold */
    double *weight;     /* of each of them, adding up to 1 */
    double *model;      /* [width + 1], the last is the offset */
} problem;

static double margin(const sl_points *points, int64_t row, const double *model) {
    const double *x = sl_points_row(points, row);
    double sum = model[points->width];
    for (int64_t c = 0; c < points->width; c++) sum += x[c] * model[c];
    return sum;
}

/* out += coefficient * (x, 1) */
static void add_row(const sl_points *points, int64_t row, double coefficient, double *out) {
    const double *x = sl_points_row(points, row);
    for (int64_t c = 0; c < points->width; c++) out[c] += coefficient * x[c];
    out[points->width] += coefficient;
}

/* Largest curvature of the loss: a quarter of the largest eigenvalue of the weighted second moments. */
static double curvature(const problem *p, double *v, double *next) {
    int64_t w = p->points->width + 1;
    double size = 1;
    for (int64_t c = 0; c < w; c++) v[c] = 1 / sqrt((double)w);
    for (int round = 0; round < POWER_ROUNDS; round++) {
        double norm = 0;
        memset(next, 0, (size_t)w * sizeof *next);
        for (int64_t i = 0; i < p->count; i++)
            add_row(p->points, p->row[i], p->weight[i] * margin(p->points, p->row[i], v), next);
        for (int64_t c = 0; c < w; c++) norm += next[c] * next[c];
        size = sqrt(norm);
        if (!(size > 0)) return 1;
        for (int64_t c = 0; c < w; c++) v[c] = next[c] / size;
    }
    return 0.25 * size * 1.1 + decay;
}

static void descend(problem *p, double *room) {
    int64_t w = p->points->width + 1;
    double *ahead = room, *gradient = ahead + w;
    double step = 1 / curvature(p, ahead, gradient), rate = sqrt(decay * step);
    double momentum = (1 - rate) / (1 + rate);
    memset(p->model, 0, (size_t)w * sizeof *p->model);
    memset(ahead, 0, (size_t)w * sizeof *ahead);
    for (int t = 0; t < STEPS; t++) {
        /* row by row, so that each is read from memory once */
        memset(gradient, 0, (size_t)w * sizeof *gradient);
        for (int64_t i = 0; i < p->count; i++) {
            int64_t row = p->row[i];
            double wrong = 1 / (1 + exp(-margin(p->points, row, ahead))) - p->label[row];
            add_row(p->points, row, p->weight[i] * wrong, gradient);
        }
        for (int64_t c = 0; c < w; c++) {
            double old = p->model[c];
            p->model[c] = ahead[c] - step * (gradient[c] + (c + 1 < w ? decay * ahead[c] : 0));
            ahead[c] = p->model[c] + momentum * (p->model[c] - old);
        }
    }
}

/* Deals groups to folds, those of either label in turn; returns how many groups the poorer label has. */
static int64_t assign_folds(const bool *label, const sl_groups *in, int folds, int *fold) {
    int64_t groups[2] = {0, 0};
    for (int64_t g = 0; g < in->count; g++) {
        bool side = label[in->item[in->first[g]]], mixed = false;
        int chosen = (int)(groups[side]++ % folds);
        for (int64_t i = in->first[g]; i < in->first[g + 1]; i++) {
            mixed = mixed || label[in->item[i]] != side;
            fold[in->item[i]] = chosen;
        }
        if (mixed) groups[!side]++;
    }
    return groups[0] < groups[1] ? groups[0] : groups[1];
}

/* The rows outside `fold`, both labels with half of the weight; false where one is not among them. */
static bool choose_rows(const int *fold, int held_out, int64_t n, int64_t *row, problem *p) {
    double each[2] = {0, 0};
    p->count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (fold[i] == held_out) continue;
        row[p->count++] = i;
        each[p->label[i]]++;
    }
    for (int64_t i = 0; i < p->count; i++) p->weight[i] = 0.5 / each[p->label[row[i]]];
    return each[0] > 0 && each[1] > 0;
}

static void run_folds(problem *p, const int *fold, int folds, int64_t *row, double *room, double *score) {
    int64_t n = p->points->count;
    for (int f = 0; f < folds; f++) {
        bool possible = choose_rows(fold, f, n, row, p);
        if (possible) descend(p, room);
        for (int64_t i = 0; i < n; i++)
            if (fold[i] == f) score[i] = possible ? margin(p->points, i, p->model) : NAN;
    }
}

sl_status sl_probe_logistic(const sl_points *points, const bool *label, const int64_t *group, int folds,
                            double *score) {
    size_t n = (size_t)points->count, w = (size_t)points->width + 1;
    sl_groups by_group;
    int64_t *row = NULL;
    int *fold = NULL;
    double *room = NULL;
    sl_status status;
    SL_GUARD(status, sl_groups_collect(group, points->count, &by_group), done);
    SL_GUARD(status, sl_alloc(&row, n + 1, sizeof *row), done);
    SL_GUARD(status, sl_alloc(&fold, n + 1, sizeof *fold), done);
    SL_GUARD(status, sl_alloc(&room, n + 3 * w, sizeof *room), done);
    int64_t groups = assign_folds(label, &by_group, folds, fold);
    if (groups < 2) {
        status =
            sl_fail(SL_INVALID, "a classifier needs at least 2 groups of images in each set, one has %lld",
                    (long long)groups);
        goto done;
    }
    problem p = {points, label, 0, row, room, room + n};
    if (groups < folds) folds = (int)groups, assign_folds(label, &by_group, folds, fold);
    run_folds(&p, fold, folds, row, room + n + w, score);
done:
    sl_groups_free(&by_group);
    sl_free(row);
    sl_free(fold);
    sl_free(room);
    return status;
}

sl_status sl_probe_teach(const sl_points *points, const bool *label, const sl_rows *train,
                         const sl_rows *test, double *score) {
    size_t n = (size_t)train->count, w = (size_t)points->width + 1;
    double each[2] = {0, 0}, *room;
    for (int64_t i = 0; i < train->count; i++) each[label[train->row[i]]]++;
    if (!(each[0] > 0 && each[1] > 0))
        return sl_fail(SL_INVALID, "a classifier needs images with and without what it tells apart");
    SL_TRY(sl_alloc(&room, n + 3 * w, sizeof *room));
    problem p = {points, label, train->count, train->row, room, room + n};
    for (int64_t i = 0; i < train->count; i++) p.weight[i] = 0.5 / each[label[train->row[i]]];
    descend(&p, room + n + w);
    for (int64_t i = 0; i < test->count; i++) score[i] = margin(points, test->row[i], p.model);
    sl_free(room);
    return SL_OK;
}

void sl_probe_nearest(const sl_pairs *distance, const bool *label, const int64_t *group, double *score) {
    for (int64_t i = 0; i < distance->count; i++) {
        double near[2] = {INFINITY, INFINITY};
        for (int64_t j = 0; j < distance->count; j++)
            if (group[j] != group[i]) near[label[j]] = fmin(near[label[j]], sl_pair(distance, i, j));
        double difference = near[0] - near[1];
        score[i] = isfinite(difference) ? difference : NAN;
    }
}
