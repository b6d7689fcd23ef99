#include "xray/physical/grazing/horizon.h"

#include "base/memory.h"
#include "xray/physical/grazing/height_profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4, FAR_FIRST = 7, FAR_LAST = 14, REACH = 24, LEAP = 2, CLEAR = 3 };

static const double most_left = 0.85; /* square root of the share of counts that may be left below an edge */

/* How much brighter rows r-last .. r-first are than r+first-1 .. r+last-1, in units of the noise; NaN where
 * less than half of them have pixels. */
static double step_at(const height_profile *p, int r, int first, int last) {
    double above, below, error;
    if (!height_profile_sides(p, r, first, last, &above, &below, &error)) return NAN;
    return below > most_left * above ? 0 : (above - below) / error;
}

/* An edge is a step that stays: beside an arc it is as dark on the other side. */
static double edge_at(const height_profile *p, int r) {
    double near = step_at(p, r, 1, WINDOW), far = step_at(p, r, FAR_FIRST, FAR_LAST);
    return isnan(far) ? NAN : fmin(near, far);
}

/* The row whose edge is strongest over all strips; 0 without one. */
static int common_row(const height_profile *strips) {
    int row = 0, rows = strips[0].rows;
    double best = 0;
    for (int r = WINDOW; r < rows - WINDOW; r++) {
        double sum = 0, count = 0;
        for (int s = 0; s < HORIZON_STRIPS; s++) {
            double value = edge_at(&strips[s], r);
            if (!isnan(value)) sum += fmax(-3, fmin(value, 12)), count++; /* no strip decides alone */
        }
        if (count >= HORIZON_STRIPS / 4 && sum / count > best) best = sum / count, row = r;
    }
    return best > 1.5 ? row : 0;
}

/* Edges of all strips within REACH of the common row; absent ones count as none. */
typedef struct edge_map {
    double edge[HORIZON_STRIPS][2 * REACH + 1];
} edge_map;

/* The path from strip to strip that follows the strongest edge without leaps: the best sum of edges, each
 * leap of a row costing LEAP. Bellman's dynamic programming. */
static void follow_edge(const edge_map *map, int path[HORIZON_STRIPS]) {
    double best[HORIZON_STRIPS][2 * REACH + 1];
    int from[HORIZON_STRIPS][2 * REACH + 1] = {{0}}, last = 0;
    memcpy(best, map->edge, sizeof best);
    for (int s = 1; s < HORIZON_STRIPS; s++)
        for (int r = 0; r <= 2 * REACH; r++) {
            double top = -INFINITY;
            for (int q = 0; q <= 2 * REACH; q++) {
                double value = best[s - 1][q] - LEAP * abs(r - q);
                if (value > top) top = value, from[s][r] = q;
            }
            best[s][r] += top;
        }
    for (int r = 1; r <= 2 * REACH; r++)
        if (best[HORIZON_STRIPS - 1][r] > best[HORIZON_STRIPS - 1][last]) last = r;
    for (int s = HORIZON_STRIPS - 1; s >= 0; s--) {
        path[s] = last;
        last = from[s][last];
    }
}

/* Where the line is in each strip, in whole rows. */
static void rows_of_line(const physical_view *view, const horizon *line, double step, int *row) {
    double wide = view->image->width_px / (double)HORIZON_STRIPS;
    for (int s = 0; s < HORIZON_STRIPS; s++)
        row[s] = (int)lround((line->offset_px + line->slope * (s + 0.5) * wide) / step);
}

/* The edge's row near row[] in each strip, to a fraction; NaN where it is not clear. */
static void find_edges(const height_profile *strips, const int *row, double *out) {
    edge_map map;
    int path[HORIZON_STRIPS];
    for (int s = 0; s < HORIZON_STRIPS; s++)
        for (int r = 0; r <= 2 * REACH; r++) {
            double value = edge_at(&strips[s], row[s] - REACH + r);
            map.edge[s][r] = isnan(value) ? 0 : fmax(0, fmin(value, 15));
        }
    follow_edge(&map, path);
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        double edge[3];
        int first = row[s] - REACH + path[s];
        for (int k = 0; k < 3; k++) edge[k] = edge_at(&strips[s], first - 1 + k);
        double curve = edge[0] + edge[2] - 2 * edge[1];
        out[s] = edge[1] >= CLEAR ? (double)first : (double)NAN;
        if (curve < 0) out[s] += fmax(-0.5, fmin(0.5, 0.5 * (edge[0] - edge[2]) / curve));
    }
}

/* A straight line through the strips' edges, outliers losing weight. */
static bool fit_line(const physical_view *view, horizon *h) {
    double weight[HORIZON_STRIPS], wide = view->image->width_px / (double)HORIZON_STRIPS;
    for (int s = 0; s < HORIZON_STRIPS; s++) weight[s] = isnan(h->row_px[s]) ? 0 : 1;
    for (int round = 0; round < 5; round++) {
        double n = 0, x = 0, y = 0, xx = 0, xy = 0, rest[HORIZON_STRIPS];
        int seen = 0;
        for (int s = 0; s < HORIZON_STRIPS; s++) {
            if (weight[s] <= 0) continue;
            double at = (s + 0.5) * wide;
            n += weight[s], x += weight[s] * at, y += weight[s] * h->row_px[s];
            xx += weight[s] * at * at, xy += weight[s] * at * h->row_px[s];
        }
        double determinant = n * xx - x * x;
        if (n < 6 || determinant <= 0) return false;
        h->slope = (n * xy - x * y) / determinant;
        h->offset_px = (y - h->slope * x) / n;
        for (int s = 0; s < HORIZON_STRIPS; s++)
            if (weight[s] > 0) rest[seen++] = fabs(h->row_px[s] - h->offset_px - h->slope * (s + 0.5) * wide);
        double usual = physical_median(rest, seen) + 0.2 * view->unit_px;
        for (int s = 0; s < HORIZON_STRIPS; s++)
            if (weight[s] > 0)
                weight[s] = fmin(
                    1, 2 * usual / (fabs(h->row_px[s] - h->offset_px - h->slope * (s + 0.5) * wide) + 1e-6));
    }
    return fabs(h->slope) < 0.1;
}

/* The line that the geometry says; false where it or the grazing angles are not known. */
static bool horizon_known(const physical_view *view, horizon *out) {
    const sl_physical_input *input = view->input;
    double row[2], column[2];
    if (!input->geometry || !input->grazing) return false;
    for (int side = 0; side < 2; side++) {
        double x, y, z;
        sl_grazing_direction(input->grazing, 0, side ? 0.02 : -0.02, &x, &y, &z);
        if (!sl_projection_hit(&view->projection, x, y, z, &row[side], &column[side])) return false;
    }
    *out = (horizon){.seen = 0};
    out->slope = (row[1] - row[0]) / (column[1] - column[0]);
    out->offset_px = row[0] - out->slope * column[0];
    return fabs(out->slope) < 0.2;
}

bool horizon_find(const physical_view *view, horizon *out) {
    height_profile *strips;
    horizon known;
    int row[HORIZON_STRIPS];
    double step = height_profile_step_px(view), wide = view->image->width_px / (double)HORIZON_STRIPS;
    *out = (horizon){.seen = 0};
    if (sl_alloc(&strips, HORIZON_STRIPS, sizeof *strips)) return false;
    for (int s = 0; s < HORIZON_STRIPS; s++) height_profile_fill(view, s * wide, (s + 1) * wide, &strips[s]);
    bool found = horizon_known(view, &known);
    if (found) {
        rows_of_line(view, &known, step, row);
    } else {
        int common = common_row(strips);
        for (int s = 0; s < HORIZON_STRIPS; s++) row[s] = common;
        found = common > 0;
    }
    if (found) find_edges(strips, row, out->row_px);
    for (int s = 0; s < HORIZON_STRIPS && found; s++) {
        out->row_px[s] *= step;
        out->seen += !isnan(out->row_px[s]);
    }
    sl_free(strips);
    return found && out->seen >= HORIZON_STRIPS / 2 && fit_line(view, out);
}

bool horizon_known_or_found(const physical_view *view, horizon *out) {
    return horizon_known(view, out) || horizon_find(view, out);
}
