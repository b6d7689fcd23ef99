/* A13: a transmission image is no brighter on one side than at the same distance on the other. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum {
    RADII_TOGETHER = 6,
    FIRST_RADIUS = 12,
    LEAST_PAIRS = 40,
    ROUNDS = 8,
    PAIRS = POLAR_SECTORS / 2 * (POLAR_RADII / RADII_TOGETHER)
};

/* Opposite cells of the polar map: ln of the ratio of counts, and how far (right, down) they are apart in
 * image sides. */
typedef struct pair_list {
    double value[PAIRS], weight[PAIRS], right[PAIRS], down[PAIRS];
    int count;
} pair_list;

/* What a place holds per pixel at normal incidence, where the geometry tells. */
static double correction(const physical_view *view, double row, double column) {
    if (!view->input->geometry) return 1;
    sl_pixel pixel = sl_projection_pixel(&view->projection, row, column);
    return fmax(1e-3, pixel.solid_angle * pixel.polarisation);
}

typedef struct cell {
    double level, right, down, error2; /* ln of counts a pixel; image sides from the beam; squared */
} cell;

/* The cell of a sector at a distance; false where too little of it is seen. */
static bool cell_at(const physical_view *view, int sector, int radius, cell *out) {
    double counts = 0, pixels = 0, azimuth = (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI, row, column,
           middle = (radius + 0.5 * RADII_TOGETHER) * view->polar.step_px;
    for (int r = radius; r < radius + RADII_TOGETHER; r++)
        counts += view->polar.counts[sector][r], pixels += view->polar.pixels[sector][r];
    if (pixels < 8 || counts < 4 || !physical_position(view, middle, azimuth, &row, &column)) return false;
    *out = (cell){log(counts / pixels / correction(view, row, column)),
                  (column - view->column_px) / view->image->width_px,
                  (row - view->row_px) / view->image->width_px, 1 / counts};
    return true;
}

/* Each cell of one distance against that on the other side of the beam: what is the same on both, as the
 * scattering of an oriented sample at small angles, says nothing. */
static void take_ring(const physical_view *view, int radius, pair_list *list) {
    for (int s = 0; s < POLAR_SECTORS / 2; s++) {
        cell one, other;
        if (!cell_at(view, s, radius, &one) || !cell_at(view, s + POLAR_SECTORS / 2, radius, &other))
            continue;
        int k = list->count++;
        list->value[k] = one.level - other.level;
        list->weight[k] = 1 / (one.error2 + other.error2 + 0.02);
        list->right[k] = one.right - other.right;
        list->down[k] = one.down - other.down;
    }
}

/* The slope of ln counts in image sides, by least squares in which outliers lose weight; its standard error.
 */
static double slope_of(const pair_list *list, double out[2]) {
    double error = INFINITY;
    out[0] = out[1] = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double xx = 1e-9, xy = 0, yy = 1e-9, xv = 0, yv = 0, sum = 0;
        for (int k = 0; k < list->count; k++) {
            double x = list->right[k], y = list->down[k], rest = list->value[k] - out[0] * x - out[1] * y,
                   w = list->weight[k] / (1 + rest * rest / 0.04);
            xx += w * x * x, xy += w * x * y, yy += w * y * y;
            xv += w * x * list->value[k], yv += w * y * list->value[k];
            sum += w * rest * rest;
        }
        double determinant = xx * yy - xy * xy;
        out[0] = (xv * yy - yv * xy) / determinant;
        out[1] = (yv * xx - xv * xy) / determinant;
        error = sqrt(sum / list->count * (xx + yy) / determinant / 2);
    }
    return error;
}

sl_status physical_gradient(const physical_view *view, sl_physical_result *out) {
    pair_list *list;
    double slope[2];
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "too little is seen on both sides of the beam");
    if (view->is_grazing) return SL_OK;
    SL_TRY(sl_alloc(&list, 1, sizeof *list));
    for (int r = FIRST_RADIUS; r + RADII_TOGETHER <= POLAR_RADII; r += RADII_TOGETHER)
        take_ring(view, r, list);
    if (list->count >= LEAST_PAIRS) {
        double error = slope_of(list, slope);
        out->applicable = true;
        out->value = fmax(0, hypot(slope[0], slope[1]) - 2 * error);
        double along = hypot(slope[0], slope[1]) + 1e-9, reach = 0.2 * view->image->width_px;
        physical_mark(view,
                      (sl_mark){SL_MARK_LINE, SL_PHYSICAL_GRADIENT, out->value > 1, (float)view->row_px,
                                (float)view->column_px, (float)(view->row_px + reach * slope[1] / along),
                                (float)(view->column_px + reach * slope[0] / along), 0});
        snprintf(out->saw, sizeof out->saw,
                 "one side is brighter by %.0f %% than the other, 0.2 image sides from the beam",
                 100 * expm1(0.4 * along));
    }
    sl_free(list);
    return SL_OK;
}
