/* A19: what is bright, compact and round has a reason: a ring at its radius, a partner on the opposite side,
 * spots like it. */
#include "xray/physical/blob_fit.h"

#include "base/numeric/sort.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SPOTS = 6, PLACES = 16 };

static const double sharp_px = 1.8,
                    broad_px = 3, /* sigma: below, it may be a crystal's spot; above, it is none */
    faint = 6, clear = 12,        /* heights over their error */
    round_most = 1.25,            /* wide over narrow, beyond its error */
    least_like_gauss = 0.12,      /* misfit over height */
    near_px = 12,                 /* of the beam, where much is bright */
    partner = 0.3;                /* height of what explains a blob, of the blob's */

/* Mean counts of the pixels between two distances of a place; *seen: share of them that is not masked or off
 * the frame. */
static double mean_between(const sl_image *image, double row, double column, double from, double to,
                           double *seen) {
    double sum = 0, good = 0, all = 0;
    for (int32_t i = (int32_t)floor(row - to); i <= (int32_t)floor(row + to); i++)
        for (int32_t j = (int32_t)floor(column - to); j <= (int32_t)floor(column + to); j++) {
            double away = hypot(i + 0.5 - row, j + 0.5 - column);
            if (away < from || away > to) continue;
            all++;
            if (i < 0 || j < 0 || i >= image->height_px || j >= image->width_px) continue;
            int64_t k = (int64_t)i * image->width_px + j;
            if (image->mask[k]) continue;
            sum += (double)image->value[k], good++;
        }
    *seen = all > 0 ? good / all : 0;
    return good > 0 ? sum / good : NAN;
}

/* How far a disc of the blob's size about a place rises over what is around it; *error: of counting; NaN
 * where too little is seen. */
static double rise_at(const sl_image *image, const blob *b, double row, double column, double *error) {
    double seen, beside, size = fmax(b->narrow, 1), inner = mean_between(image, row, column, 0, size, &seen);
    if (!(seen > 0.6)) return NAN;
    double outer = mean_between(image, row, column, 2.2 * size, 3.2 * size, &beside);
    if (!(beside > 0.5)) return NAN;
    *error = sqrt((inner + 0.2) / (M_PI * size * size * seen) +
                  (outer + 0.2) / (5.4 * M_PI * size * size * beside));
    return inner - outer;
}

typedef enum verdict { UNEXPLAINED, EXPLAINED, HIDDEN } verdict;

static verdict compare(const physical_view *view, const blob *b, double row, double column) {
    double error, there = rise_at(view->image, b, row, column, &error), unused,
                  here = rise_at(view->image, b, b->row, b->column, &unused);
    if (isnan(there) || isnan(here)) return HIDDEN;
    return there > fmax(partner * here, 0) || there + 2 * error > here ? EXPLAINED : UNEXPLAINED;
}

/* Whether the view's centre is more than a guess; at grazing incidence, the column at which left and right
 * mirror. */
static sl_status find_reference(const physical_view *view, double *column, bool *found) {
    *column = view->column_px;
    *found = view->centre_known;
    if (*found) return SL_OK;
    const sl_blind_look *look;
    SL_TRY(physical_blind_look(view->blind, view->image, &look));
    *found = look && (view->is_grazing || look->centre.found);
    if (*found && view->is_grazing) *column = look->grazing.specular_column_px;
    return SL_OK;
}

/* Whether it stands in a row or column of at least three, as the spots of a lattice do. */
static bool is_in_line(const blob *b, const blob *found, int count) {
    int row = 0, column = 0;
    for (int k = 0; k < count; k++) {
        row += fabs(found[k].row - b->row) < b->narrow,
            column += fabs(found[k].column - b->column) < b->narrow;
    }
    return row >= 3 || column >= 3;
}

static verdict judge_grazing(const physical_view *view, const blob *b, double axis) {
    if (fabs(b->column - axis) < 3 * b->wide + 4 * view->unit_px) return EXPLAINED;
    return compare(view, b, b->row, 2 * axis - b->column);
}

/* Counts of a sector between two radii over their pixels; *variance of it. */
static double sector_mean(const polar_map *map, int sector, double from, double to, double *variance) {
    double counts = 0, pixels = 0;
    for (int r = (int)fmax(0, floor(from)); r < POLAR_RADII && r < ceil(to); r++)
        counts += map->counts[sector][r], pixels += map->pixels[sector][r];
    *variance = (counts + 1) / (pixels * pixels);
    return pixels >= 3 ? counts / pixels : NAN;
}

/* Whether other places at its radius rise over both sides as it does: a ring, arcs, grains. */
static bool is_of_ring(const physical_view *view, const blob *b, double radius, double azimuth) {
    const polar_map *map = &view->polar;
    double r = radius / map->step_px, half = b->narrow / map->step_px, width = 2 * M_PI * r / POLAR_SECTORS;
    /* in a sector wider than it, the blob's mean is lower */
    double expected = b->height * fmin(1, 2.5 * half / width), sum = 0, weight = 0;
    int like = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        double away = fabs(remainder((s + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI - azimuth, 2 * M_PI)) * r;
        if (away < 0.5 * width + 3 * b->wide / map->step_px) continue;
        double v[3], middle = sector_mean(map, s, r - 0.8 * half, r + 0.8 * half, &v[0]),
                     inside = sector_mean(map, s, r - 3.2 * half, r - 2 * half, &v[1]),
                     outside = sector_mean(map, s, r + 2 * half, r + 3.2 * half, &v[2]);
        if (isnan(middle) || isnan(inside) || isnan(outside)) continue;
        double rise = middle - 0.5 * (inside + outside), variance = v[0] + 0.25 * (v[1] + v[2]);
        like += rise > partner * expected && rise > 3 * sqrt(variance);
        sum += rise / variance, weight += 1 / variance;
    }
    return like >= 2 || (weight > 0 && sum > 4 * sqrt(weight) && sum / weight > 0.15 * expected);
}

static verdict judge_transmission(const physical_view *view, const blob *b) {
    double radius, azimuth, row, column;
    physical_polar(view, b->row, b->column, &radius, &azimuth);
    if (radius < 2.5 * b->wide + near_px * view->unit_px) return HIDDEN;
    if (is_of_ring(view, b, radius, azimuth)) return EXPLAINED;
    if (physical_position(view, radius, azimuth + M_PI, &row, &column) &&
        compare(view, b, row, column) == EXPLAINED)
        return EXPLAINED;
    return UNEXPLAINED;
}

/* Sigma along the radius. */
static double radial_width(const physical_view *view, const blob *b) {
    double y = b->row - view->row_px, x = b->column - view->column_px, r = fmax(hypot(y, x), 1e-6);
    y /= r, x /= r;
    return sqrt(b->spread[0] * y * y + 2 * b->spread[1] * y * x + b->spread[2] * x * x);
}

/* Spots of one crystal are equally wide along the radius: their width, 0 where there are no such spots. */
static double crystal_width(const physical_view *view, const blob *b, int count) {
    double width[BLOBS], away[BLOBS];
    int n = 0;
    for (int k = 0; k < count; k++)
        if (b[k].height > faint * b[k].height_error && b[k].misfit < least_like_gauss)
            width[n++] = radial_width(view, &b[k]);
    if (n < LEAST_SPOTS) return 0;
    double usual = physical_median(width, n);
    for (int k = 0; k < n; k++) away[k] = fabs(log(width[k] / usual));
    return physical_median(away, n) < 0.15 ? usual : 0;
}

static double ramp(double value, double from, double to) {
    return fmin(1, fmax(0, (value - from) / (to - from)));
}

/* How much the blob is one, 0 to 1: clear, round, like a Gaussian, broader than spots are. */
static double weight_of(const physical_view *view, const blob *b, double crystal) {
    double z = b->height / b->height_error;
    if (b->misfit > least_like_gauss || b->wide > b->narrow * (round_most + 2.5 / z)) return 0;
    double sharp = fmax(sharp_px * view->unit_px, 1.4 * crystal);
    return ramp(z, faint, clear) * ramp(b->narrow, sharp, sharp * broad_px / sharp_px);
}

sl_status physical_blob(const physical_view *view, sl_physical_result *out) {
    blob found[BLOBS];
    int count, odd = 0;
    double axis = 0;
    bool is_found;
    SL_TRY(find_reference(view, &axis, &is_found));
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "no plane to mirror at" : "the beam's place is not known");
    if (!is_found) return SL_OK;
    SL_TRY(blobs_find(view, found, &count));
    out->applicable = true;
    double crystal = view->is_grazing ? 0 : crystal_width(view, found, count);
    for (int k = 0; k < count; k++) {
        double weight = weight_of(view, &found[k], crystal);
        if (weight <= 0) continue;
        verdict why = !view->is_grazing                     ? judge_transmission(view, &found[k])
                      : is_in_line(&found[k], found, count) ? EXPLAINED
                                                            : judge_grazing(view, &found[k], axis);
        physical_mark(view, (sl_mark){.kind = SL_MARK_CIRCLE,
                                      .test = SL_PHYSICAL_BLOB,
                                      .is_odd = why != EXPLAINED,
                                      .row = (float)found[k].row,
                                      .column = (float)found[k].column,
                                      .size_px = (float)(2.5 * found[k].narrow)});
        if (why == EXPLAINED || (why == HIDDEN && !view->is_grazing)) continue;
        out->value += weight;
        odd++;
    }
    snprintf(out->saw, sizeof out->saw, "%d of %d compact patches have no reason: neither ring nor partner",
             odd, count);
    return SL_OK;
}
