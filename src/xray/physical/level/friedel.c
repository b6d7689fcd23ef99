/* A4: at small angles a pattern and its inversion through the beam are the same (Friedel's law). */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { RADII_TOGETHER = 4, FIRST_RADIUS = 10, LEAST_CELLS = 60 };
static const double small_angle_rad = 0.09; /* the Ewald sphere is flat up to here */

typedef struct comparison {
    double sum, weight;
    int cells;
    double worst, worst_radius, worst_azimuth_rad; /* the opposite pair that differs most */
} comparison;

static void compare_cell(const physical_view *view, int sector, int radius, comparison *c) {
    double counts[2] = {0, 0}, pixels[2] = {0, 0};
    for (int side = 0; side < 2; side++)
        for (int r = radius; r < radius + RADII_TOGETHER; r++) {
            int s = (sector + side * POLAR_SECTORS / 2) % POLAR_SECTORS;
            counts[side] += view->polar.counts[s][r];
            pixels[side] += view->polar.pixels[s][r];
        }
    if (pixels[0] < 6 || pixels[1] < 6 || counts[0] + counts[1] < 24) return;
    double difference = log((counts[0] + 0.5) / pixels[0]) - log((counts[1] + 0.5) / pixels[1]);
    double noise = 1 / (counts[0] + 0.5) + 1 / (counts[1] + 0.5), weight = 1 / (noise + 0.01);
    double excess = fmin(difference * difference - noise, 4);
    c->sum += weight * excess;
    c->weight += weight;
    c->cells++;
    if (weight * excess <= c->worst) return;
    c->worst = weight * excess;
    c->worst_radius = (radius + RADII_TOGETHER * 0.5) * view->polar.step_px;
    c->worst_azimuth_rad = (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
}

static void draw(const physical_view *view, const comparison *c) {
    for (int side = 0; side < 2; side++) {
        double row, column;
        if (physical_position(view, c->worst_radius, c->worst_azimuth_rad + side * M_PI, &row, &column))
            physical_mark(view, (sl_mark){.kind = SL_MARK_CIRCLE,
                                          .test = SL_PHYSICAL_FRIEDEL,
                                          .is_odd = true,
                                          .row = (float)row,
                                          .column = (float)column,
                                          .size_px = (float)(6 * view->unit_px)});
    }
}

sl_status physical_friedel(const physical_view *view, sl_physical_result *out) {
    comparison c = {0};
    int last = POLAR_RADII;
    snprintf(out->saw, sizeof out->saw, "not a small-angle transmission image");
    /* a geometry says which angles are small; without one only the technique does */
    bool small = view->input->technique == SL_TECHNIQUE_SAXS || view->input->geometry;
    if (view->is_grazing || !small) return SL_OK;
    if (view->input->geometry) {
        const sl_geometry *g = view->input->geometry;
        double reach = tan(small_angle_rad) * g->distance_m / g->pixel_m / view->polar.step_px;
        last = (int)fmin(last, reach);
    }
    for (int s = 0; s < POLAR_SECTORS / 2; s++)
        for (int r = FIRST_RADIUS; r + RADII_TOGETHER <= last; r += RADII_TOGETHER)
            compare_cell(view, s, r, &c);
    snprintf(out->saw, sizeof out->saw, "too little of the image has an opposite side");
    if (c.cells < LEAST_CELLS) return SL_OK;
    out->applicable = true;
    out->value = sqrt(fmax(c.sum / c.weight, 0));
    draw(view, &c);
    snprintf(out->saw, sizeof out->saw, "opposite sides differ by %.0f %%, most at %.0f px from the beam",
             100 * expm1(out->value), c.worst_radius);
    return SL_OK;
}
