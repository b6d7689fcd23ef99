/* A10: below the horizon the sample hides its own scattering. */
#include "xray/physical/grazing/horizon.h"

#include <math.h>
#include <stdio.h>

enum { NEAREST = 4, CELL = 4, BESIDE_BEAM = 16, LEAST_CELLS = 80, CLEAR = 6 };

/* Mean counts of a cell of CELL x CELL units with its middle at (row, column); NaN where most of it is masked
 * or outside. */
static double cell_mean(const physical_view *view, double row, double column) {
    const sl_image *image = view->image;
    double half = CELL * 0.5 * view->unit_px, sum = 0, pixels = 0;
    for (int32_t i = (int32_t)(row - half); i < row + half; i++)
        for (int32_t j = (int32_t)(column - half); j < column + half; j++) {
            if (i < 0 || j < 0 || i >= image->height_px || j >= image->width_px) continue;
            int64_t k = (int64_t)i * image->width_px + j;
            if (!image->mask[k]) sum += (double)image->value[k], pixels++;
        }
    return pixels > half * half * 2 ? sum / pixels : NAN;
}

/* One line above the horizon and its mirror image: square roots of counts, whose noise is the same
 * everywhere, without their slow part: the beam's halo and the air are on both sides. */
typedef struct line_pair {
    double above[512], below[512];
    int count;
} line_pair;

enum { AROUND = 4 };

static void take_off_slow(double *values, int count) {
    double slow[512];
    for (int k = 0; k < count; k++) {
        double sum = 0;
        int first = k > AROUND ? k - AROUND : 0, last = k + AROUND < count ? k + AROUND : count - 1;
        for (int n = first; n <= last; n++) sum += values[n];
        slow[k] = sum / (last - first + 1);
    }
    for (int k = 0; k < count; k++) values[k] -= slow[k];
}

static void take_lines(const physical_view *view, const horizon *h, double distance_px, line_pair *out) {
    double step = CELL * view->unit_px;
    out->count = 0;
    for (double column = step; column + step < view->image->width_px && out->count < 512; column += step) {
        /* the beam's own halo and the specular rod are in one column, above and below */
        if (view->centre_known && fabs(column - view->column_px) < BESIDE_BEAM * view->unit_px) continue;
        double line = h->offset_px + h->slope * column;
        double above = cell_mean(view, line - distance_px, column),
               below = cell_mean(view, line + distance_px, column);
        if (isnan(above) || isnan(below)) continue;
        out->above[out->count] = sqrt(fmax(0, above));
        out->below[out->count++] = sqrt(fmax(0, below));
    }
    take_off_slow(out->above, out->count);
    take_off_slow(out->below, out->count);
}

sl_status physical_horizon_shadow(const physical_view *view, sl_physical_result *out) {
    horizon h;
    line_pair pair;
    double product = 0, square = 0, square_below = 0,
           noise = 0.25 / (CELL * CELL * fmax(1, view->unit_px * view->unit_px));
    int cells = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "no horizon is seen" : "not a grazing-incidence image");
    if (!view->is_grazing || !horizon_known_or_found(view, &h)) return SL_OK;
    for (double d = NEAREST; d * view->unit_px < view->image->height_px; d += CELL) {
        take_lines(view, &h, d * view->unit_px, &pair);
        if (pair.count < 8) continue;
        for (int k = 0; k < pair.count; k++) {
            product += pair.above[k] * pair.below[k];
            square += pair.above[k] * pair.above[k] - noise;
            square_below += pair.below[k] * pair.below[k] - noise;
        }
        cells += pair.count;
    }
    snprintf(out->saw, sizeof out->saw, "too little is seen below the horizon");
    if (cells < LEAST_CELLS || square < CLEAR * noise * sqrt(2.0 * cells)) return SL_OK;
    out->applicable = true;
    /* the slope of a regression, less two of its standard errors; what is brighter below is no image of what
     * is above */
    out->value = fmax(0, (product - 2 * sqrt(noise * square)) / fmax(square, square_below));
    snprintf(out->saw, sizeof out->saw, "%.1f %% of what is above the horizon is found mirrored below it",
             100 * out->value * out->value);
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_HORIZON_SHADOW, false, (float)h.offset_px, 0,
                                  (float)(h.offset_px + h.slope * view->image->width_px),
                                  (float)view->image->width_px, 0});
    return SL_OK;
}
