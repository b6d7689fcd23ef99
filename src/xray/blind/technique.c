#include "xray/blind/technique.h"

#include <math.h>

static const double weights[SL_TECHNIQUE_UNKNOWN][BLIND_TRAITS] = {
#define SL_TECHNIQUE_WEIGHTS(technique, ...) [SL_TECHNIQUE_##technique] = {__VA_ARGS__},
#include "xray/blind/technique_weights.def"
#undef SL_TECHNIQUE_WEIGHTS
};

static double clip(double value, double low, double high) {
    return fmin(fmax(value, low), high);
}

/* Means of bands of rows, and the brightest row. */
static void look_at_rows(const blind_cells *c, double *out) {
    double sum[BLIND_ROWS] = {0}, seen[BLIND_ROWS] = {0}, most = 0;
    for (int i = 0; i < c->rows; i++) {
        double s = 0, w = 0;
        for (int j = 0; j < c->columns; j++) {
            double here = (double)c->weight[i * c->columns + j];
            s += here * (double)c->value[i * c->columns + j], w += here;
        }
        if (w > 0.3 * c->columns) most = fmax(most, s / w);
        sum[i * BLIND_ROWS / c->rows] += s, seen[i * BLIND_ROWS / c->rows] += w;
    }
    out[BLIND_TRAIT_BAND] = clip(most, 0, 4);
    for (int k = 0; k < BLIND_ROWS; k++)
        out[BLIND_TRAIT_ROW_0 + k] = seen[k] > 0 ? clip(sum[k] / seen[k], -3, 3) : 0;
}

static void look_at_rings(const blind_cells *c, double row, double column, double *out) {
    static const double inner = 0.04, outer = 0.9; /* over the longer side */
    double side = fmax(c->rows, c->columns), sum[BLIND_RINGS_SEEN] = {0}, seen[BLIND_RINGS_SEEN] = {0};
    for (int i = 0; i < c->rows; i++)
        for (int j = 0; j < c->columns; j++) {
            double r = hypot(i + 0.5 - row, j + 0.5 - column) / side;
            if (r < inner || r >= outer) continue;
            int ring = (int)(log(r / inner) / log(outer / inner) * BLIND_RINGS_SEEN);
            double w = (double)c->weight[i * c->columns + j];
            sum[ring] += w * (double)c->value[i * c->columns + j], seen[ring] += w;
        }
    for (int k = 0; k < BLIND_RINGS_SEEN; k++)
        out[BLIND_TRAIT_RING_0 + k] = seen[k] > 0 ? clip(sum[k] / seen[k], -3, 3) : 0;
}

static double grain(const blind_cells *c) {
    double sum = 0, weight = 0;
    for (int i = 1; i + 1 < c->rows; i++)
        for (int j = 1; j + 1 < c->columns; j++) {
            int k = i * c->columns + j;
            double w = (double)(c->weight[k] * c->weight[k - 1] * c->weight[k + 1] *
                                c->weight[k - c->columns] * c->weight[k + c->columns]);
            double d =
                (double)c->value[k] - 0.25 * (double)(c->value[k - 1] + c->value[k + 1] +
                                                      c->value[k - c->columns] + c->value[k + c->columns]);
            sum += w * d * d, weight += w;
        }
    return weight > 0 ? sum / weight : 0;
}

/* How much brighter the mirror line is than what is beside it, above the horizon. */
static double rod(const blind_cells *c, double column, double horizon_row) {
    enum { BESIDE = 6 };
    double sum = 0;
    int count = 0, middle = (int)column, last = horizon_row > 0.3 * c->rows ? (int)horizon_row : c->rows;
    for (int i = 0; i < last; i++) {
        double on = 0, on_weight = 0, off = 0, off_weight = 0;
        for (int j = middle - 2 * BESIDE; j <= middle + 2 * BESIDE; j++) {
            if (j < 0 || j >= c->columns) continue;
            double w = (double)c->weight[i * c->columns + j], v = w * (double)c->value[i * c->columns + j];
            if (fabs(j + 0.5 - column) <= 1)
                on += v, on_weight += w;
            else if (fabs(j + 0.5 - column) >= BESIDE)
                off += v, off_weight += w;
        }
        if (on_weight <= 0 || off_weight <= 0) continue;
        sum += on / on_weight - off / off_weight;
        count++;
    }
    return count ? sum / count : 0;
}

void blind_traits_of(const blind_cells *c, const sl_blind_centre *centre, const blind_mirror *mirror,
                     const blind_mirror *turned, const blind_horizon *horizon, double out[BLIND_TRAITS]) {
    double row = centre->row_px / c->cell_px, column = centre->column_px / c->cell_px;
    out[BLIND_TRAIT_ONE] = 1;
    out[BLIND_TRAIT_CENTRE] = centre->probability;
    out[BLIND_TRAIT_EXPLAINED] = clip(-log(fmax(1 - centre->explained, 0.01)), 0, 3);
    out[BLIND_TRAIT_INVERSION] = clip(centre->inversion, -0.5, 1);
    out[BLIND_TRAIT_OUTSIDE] = row < 0 || column < 0 || row > c->rows || column > c->columns;
    out[BLIND_TRAIT_STOP] = clip(centre->stop, 0, 4);
    out[BLIND_TRAIT_MIRROR] = clip(mirror->correlation, -0.5, 1);
    out[BLIND_TRAIT_OVERLAP] = clip(mirror->overlap, 0, 1);
    out[BLIND_TRAIT_TURNED] = clip(turned->correlation, -0.5, 1);
    out[BLIND_TRAIT_STEP] = clip(horizon->step, 0, 1.5);
    out[BLIND_TRAIT_STEP_SHARE] = horizon->share;
    out[BLIND_TRAIT_BELOW] = clip(horizon->below, -3, 3);
    out[BLIND_TRAIT_STEP_ROW] = horizon->row / c->rows;
    out[BLIND_TRAIT_SIGMA] = clip(c->sigma, 0, 4);
    out[BLIND_TRAIT_GRAIN] = clip(grain(c), 0, 2);
    out[BLIND_TRAIT_ROD] = clip(rod(c, mirror->column, horizon->row), -1, 4);
    out[BLIND_TRAIT_EDGE] =
        out[BLIND_TRAIT_STEP] * horizon->share * clip(2 * horizon->row / c->rows - 1, 0, 1);
    out[BLIND_TRAIT_DARK] = out[BLIND_TRAIT_STEP] * clip(-horizon->below, 0, 2);
    out[BLIND_TRAIT_SURFACE] = clip(mirror->correlation - fmax(centre->inversion, 0), 0, 1);
    look_at_rows(c, out);
    look_at_rings(c, row, column, out);
}

void blind_technique_judge(const double trait[BLIND_TRAITS], double probability[SL_TECHNIQUE_UNKNOWN]) {
    double top = -INFINITY, all = 0;
    for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++) {
        probability[t] = 0;
        for (int k = 0; k < BLIND_TRAITS; k++) probability[t] += weights[t][k] * trait[k];
        top = fmax(top, probability[t]);
    }
    for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++) all += probability[t] = exp(probability[t] - top);
    for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++) probability[t] /= all;
}
