/* A11: the specular spot leaves the sample at the angle at which the beam meets it. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum {
    STEPS = 160,
    HALF = 1,
    ASIDE = 4,
    ASIDE_WIDE = 2,
    BANDS = 3,
    NEAR = 3,
    FAR_FIRST = 5,
    FAR_LAST = 8,
    LEAST_STEPS = 24,
    LEAST_HEIGHT = 8
};

static const int band_from[BANDS + 1] = {7, 12, 18, 26}; /* from the rod */

static const double clear = 6,    /* standard errors by which a spot stands out of the rod */
    least_rise = 0.25,            /* the same, ln */
    lowest = 0.45, highest = 1.7, /* of the expected height: where a spot is looked for */
    least_lone = 0.5,             /* that of one away from its place, beyond what its rows rise by */
    usual_px = 1.2;               /* what the place of a spot and the geometry may differ by */

/* Step by step along the rod: ln, NaN where nothing is seen, and its variance. */
typedef struct rod_line {
    double value[STEPS], variance[STEPS];
} rod_line;

/* The plane of incidence on the image, a pixel a step upwards from the horizon. */
typedef struct rod {
    int steps;
    double row[STEPS], column[STEPS];
    rod_line spot;        /* the rod over what lies beside it */
    rod_line band[BANDS]; /* what lies beside it, beyond a spot's own flanks */
    double expected;      /* the step of the specular spot */
} rod;

static bool place_at(const physical_view *view, double exit_rad, double *row, double *column) {
    double x, y, z;
    sl_grazing_direction(view->input->grazing, exit_rad, 0, &x, &y, &z);
    return sl_projection_hit(&view->projection, x, y, z, row, column);
}

/* Counts and good pixels of columns from .. to of a line of unit_px height about a place. */
static void sum_columns(const physical_view *view, double row, double from, double to, double *counts,
                        double *pixels) {
    const sl_image *image = view->image;
    int32_t top = (int32_t)floor(row - 0.5 * view->unit_px + 0.5),
            bottom = (int32_t)fmax(top + 1, floor(row + 0.5 * view->unit_px + 0.5));
    for (int32_t i = top; i < bottom; i++)
        for (int32_t j = (int32_t)floor(from); j < (int32_t)ceil(to); j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (i < 0 || j < 0 || i >= image->height_px || j >= image->width_px || image->mask[k]) continue;
            *counts += (double)image->value[k];
            *pixels += 1;
        }
}

/* Counts and pixels on both sides of a place, from `near` to near + wide of 256 pixels away. */
static void sum_sides(const physical_view *view, double row, double at, int near, int wide, double *counts,
                      double *pixels) {
    double unit = view->unit_px;
    sum_columns(view, row, at - (near + wide) * unit, at - near * unit, counts, pixels);
    sum_columns(view, row, at + near * unit, at + (near + wide) * unit, counts, pixels);
}

static void look_across(const physical_view *view, int k, rod *out) {
    double counts[2] = {0, 0}, pixels[2] = {0, 0}, row = out->row[k], at = out->column[k],
           unit = view->unit_px;
    sum_columns(view, row, at - HALF * unit, at + HALF * unit, &counts[0], &pixels[0]);
    sum_sides(view, row, at, ASIDE, ASIDE_WIDE, &counts[1], &pixels[1]);
    bool seen = pixels[0] >= 1 && pixels[1] >= 2;
    out->spot.value[k] =
        seen ? log((counts[0] + 0.5) / pixels[0]) - log((counts[1] + 0.5) / pixels[1]) : (double)NAN;
    out->spot.variance[k] = 1 / (counts[0] + 0.5) + 1 / (counts[1] + 0.5);
    for (int n = 0; n < BANDS; n++) {
        double sum = 0, count = 0;
        sum_sides(view, row, at, band_from[n], band_from[n + 1] - band_from[n], &sum, &count);
        out->band[n].value[k] = seen && count >= 2 ? log((sum + 0.5) / count) : (double)NAN;
        out->band[n].variance[k] = 1 / (sum + 0.5);
    }
}

static bool follow_rod(const physical_view *view, rod *out) {
    double row[2], column[2];
    if (!place_at(view, 0, &row[0], &column[0]) ||
        !place_at(view, view->input->grazing->incidence_rad, &row[1], &column[1]))
        return false;
    double length = hypot(row[1] - row[0], column[1] - column[0]) / view->unit_px;
    out->expected = length;
    out->steps = 0;
    if (length < LEAST_HEIGHT || length > STEPS - 10) return false;
    int seen = 0;
    for (int k = 0; k < STEPS; k++) {
        double share = (k + 0.5) / length;
        out->row[k] = row[0] + share * (row[1] - row[0]);
        out->column[k] = column[0] + share * (column[1] - column[0]);
        if (out->row[k] < 0) break;
        look_across(view, k, out);
        seen += !isnan(out->spot.value[k]);
        out->steps++;
    }
    return seen >= LEAST_STEPS && out->expected < out->steps;
}

/* The three steps about a step and those beyond the spot's reach below and above it. */
enum part { HERE, BELOW, ABOVE, PARTS };
typedef struct parts {
    double mean[PARTS], variance[PARTS];
    int count[PARTS];
} parts;

static parts parts_at(const rod *r, const rod_line *line, int k) {
    parts out = {0};
    for (int d = -FAR_LAST; d <= FAR_LAST; d++) {
        int at = k + d, part = d <= -FAR_FIRST ? BELOW : d >= FAR_FIRST ? ABOVE : HERE;
        if (at < 0 || at >= r->steps || isnan(line->value[at]) || (part == HERE && (d < -1 || d > 1)))
            continue;
        out.mean[part] += line->value[at], out.variance[part] += line->variance[at], out.count[part]++;
    }
    for (int p = 0; p < PARTS; p++)
        if (out.count[p] > 0)
            out.mean[p] /= out.count[p], out.variance[p] /= (double)out.count[p] * out.count[p];
    return out;
}

/* How far a line at a step stands out of what lies below and above; NaN where that is not seen. */
static double rise_at(const rod *r, const rod_line *line, int k, double *error) {
    parts p = parts_at(r, line, k);
    double far = p.count[BELOW] + p.count[ABOVE];
    if (p.count[HERE] < 2 || far < 3) return NAN;
    double below = p.count[BELOW] / far, above = p.count[ABOVE] / far;
    *error = sqrt(p.variance[HERE] + below * below * p.variance[BELOW] + above * above * p.variance[ABOVE]);
    return p.mean[HERE] - below * p.mean[BELOW] - above * p.mean[ABOVE];
}

/* The same of the higher side alone: an edge of the rod is no spot. */
static double least_rise_at(const rod *r, const rod_line *line, int k) {
    parts p = parts_at(r, line, k);
    double least = INFINITY;
    for (int side = BELOW; side <= ABOVE; side++)
        if (p.count[side] > 0) least = fmin(least, p.mean[HERE] - p.mean[side]);
    return least;
}

/* How far a spot at a step stands out; 0 where there is none. */
static double spot_at(const rod *r, int k) {
    double error, unused, rise = rise_at(r, &r->spot, k, &error);
    bool is_top =
        !(rise_at(r, &r->spot, k - 1, &unused) > rise || rise_at(r, &r->spot, k + 1, &unused) > rise);
    return is_top && rise > clear * error && rise > least_rise ? rise : 0;
}

/* What of a spot is not that of a band which crosses the rod, the Yoneda band or a film's reflections: where
 * the same rows stand out beside the rod, the rod differs from its sides by more or less. */
static double lone_spot_at(const rod *r, int k) {
    double most = 0, error, spot = spot_at(r, k);
    if (spot == 0) return 0;
    spot = fmin(spot, least_rise_at(r, &r->spot, k));
    for (int n = 0; n < BANDS; n++)
        for (int d = -2; d <= 2; d++) {
            double rise = rise_at(r, &r->band[n], k + d, &error);
            if (!isnan(rise)) most = fmax(most, rise - 3 * error);
        }
    double lone = spot - 0.5 * most;
    return lone > least_lone ? lone : 0;
}

/* The step of the clearest spot, -1 without one. It is looked for around the expected height alone: far from
 * it, other things stand on the rod. One that stands where it should goes before a clearer one that does not.
 */
static int find_spot(const rod *r) {
    int best = -1, near = -1, expected = (int)r->expected;
    double most = 0, most_near = 0;
    for (int k = expected - 2; k <= expected + 2; k++)
        if (k < 0 || k >= r->steps || isnan(r->spot.value[k]))
            return -1; /* it may be hidden where it should be */
    for (int k = (int)(lowest * r->expected); k < r->steps && k < highest * r->expected; k++) {
        bool is_near = fabs(k + 0.5 - r->expected) < 2;
        double rise = is_near ? spot_at(r, k) : lone_spot_at(r, k);
        if (rise > most) most = rise, best = k;
        if (is_near && rise > most_near) most_near = rise, near = k;
    }
    return near >= 0 && most_near > 0.25 * most ? near : best;
}

sl_status physical_specular_height(const physical_view *view, sl_physical_result *out) {
    const sl_physical_input *input = view->input;
    rod r;
    snprintf(out->saw, sizeof out->saw, "%s",
             !view->is_grazing                     ? "not at grazing incidence"
             : !input->geometry || !input->grazing ? "geometry and angle of incidence are not known"
                                                   : "no specular spot is seen");
    if (!view->is_grazing || !input->geometry || !input->grazing || !follow_rod(view, &r)) return SL_OK;
    int at = find_spot(&r);
    if (at < 0) return SL_OK;
    double sum = 0, weight = 0;
    for (int d = -NEAR; d <= NEAR; d++) {
        double error,
            rise = at + d >= 0 && at + d < r.steps ? rise_at(&r, &r.spot, at + d, &error) : (double)NAN;
        if (rise > 0) sum += rise * (at + d + 0.5), weight += rise;
    }
    out->applicable = true;
    out->value = fabs(sum / weight - r.expected) / usual_px;
    int expected = (int)fmin(r.expected, r.steps - 1);
    physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_SPECULAR_HEIGHT, false, (float)r.row[expected],
                                  (float)r.column[expected], 0, 0, (float)(5 * view->unit_px)});
    physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_SPECULAR_HEIGHT, true, (float)r.row[at],
                                  (float)r.column[at], 0, 0, (float)(3 * view->unit_px)});
    snprintf(out->saw, sizeof out->saw,
             "a spot %.1f px above the horizon, where the specular one is at %.1f px",
             sum / weight * view->unit_px, r.expected * view->unit_px);
    return SL_OK;
}
