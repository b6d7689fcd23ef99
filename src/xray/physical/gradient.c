/* A13: a transmission image is no brighter on one side than at the same distance on the other. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { RADII_TOGETHER = 6, FIRST_RADIUS = 12, LEAST_SECTORS = 12, LEAST_CELLS = 60, ROUNDS = 8 };

/* Cells of the polar map: ln of counts without the ring's own level, at (right, down) in image sides. */
typedef struct cell_list {
    double value[POLAR_SECTORS * (POLAR_RADII / RADII_TOGETHER)],
        weight[POLAR_SECTORS * (POLAR_RADII / RADII_TOGETHER)],
        right[POLAR_SECTORS * (POLAR_RADII / RADII_TOGETHER)],
        down[POLAR_SECTORS * (POLAR_RADII / RADII_TOGETHER)];
    int count;
} cell_list;

/* What a place holds per pixel at normal incidence, where the geometry tells. */
static double correction(const physical_view *view, double row, double column) {
    if (!view->input->geometry) return 1;
    sl_pixel pixel = sl_projection_pixel(&view->projection, row, column);
    return fmax(1e-3, pixel.solid_angle * pixel.polarisation);
}

/* The cells of one distance, if they go far enough around to tell sides apart. Each level is a median: arcs
 * and grains do not lift it. */
static void take_ring(const physical_view *view, int radius, cell_list *list) {
    double sorted[POLAR_SECTORS];
    int first = list->count;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        double counts = 0, pixels = 0, azimuth = (s + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI, row, column,
               middle = (radius + 0.5 * RADII_TOGETHER) * view->polar.step_px;
        for (int r = radius; r < radius + RADII_TOGETHER; r++)
            counts += view->polar.counts[s][r], pixels += view->polar.pixels[s][r];
        if (pixels < 8 || counts < 4 || !physical_position(view, middle, azimuth, &row, &column)) continue;
        int k = list->count++;
        list->value[k] = log(counts / pixels / correction(view, row, column));
        list->weight[k] = 1 / (1 / counts + 0.01);
        list->right[k] = (column - view->column_px) / view->image->width_px;
        list->down[k] = (row - view->row_px) / view->image->width_px;
        sorted[k - first] = list->value[k];
    }
    if (list->count - first < LEAST_SECTORS) {
        list->count = first;
        return;
    }
    double right = 0, down = 0, level = physical_median(sorted, list->count - first);
    for (int k = first; k < list->count; k++)
        right += list->right[k] / (list->count - first), down += list->down[k] / (list->count - first);
    for (int k = first; k < list->count; k++)
        list->value[k] -= level, list->right[k] -= right, list->down[k] -= down;
}

/* The slope of ln counts in image sides, by least squares in which outliers lose weight; its standard error.
 */
static double slope_of(const cell_list *list, double out[2]) {
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
    cell_list *list;
    double slope[2];
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "too little of any circle is seen");
    if (view->is_grazing) return SL_OK;
    SL_TRY(sl_alloc(&list, 1, sizeof *list));
    for (int r = FIRST_RADIUS; r + RADII_TOGETHER <= POLAR_RADII; r += RADII_TOGETHER)
        take_ring(view, r, list);
    if (list->count >= LEAST_CELLS) {
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
