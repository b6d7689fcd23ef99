/* Maxima of the radial profile: how many, where the first, how wide, and to which lattice they fit. */
#include "xray/feature/internal.h"
#include "base/numeric/sort.h"
#include "xray/scatter/lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PEAKS = 24, LINES = 8 };

typedef struct peak {
    double radius_px, width_px;
} peak;

/* Half the width of the neighbourhood that a maximum is measured against: wider further out, where rings are.
 */
static int reach_at(int r) {
    return 5 + r / 10;
}

/* ln(mean) over the straight line between the medians of both flanks; NAN where a flank is not seen. */
static double excess_at(const feature_profile *p, int r) {
    int reach = reach_at(r);
    double flank[2];
    if (r - reach - 2 < 1 || r + reach + 2 >= p->count || !(p->mean[r] > 0)) return NAN;
    for (int side = 0; side < 2; side++) {
        double v[5];
        int n = 0, centre = side ? r + reach : r - reach;
        for (int k = centre - 2; k <= centre + 2; k++)
            if (p->pixels[k] >= 6 && p->mean[k] > 0) v[n++] = log(p->mean[k]);
        if (n < 3) return NAN;
        sl_sort_doubles(v, (size_t)n);
        flank[side] = v[n / 2];
    }
    /* the higher flank too must lie below: an edge is no peak */
    return log(p->mean[r]) - fmax(0.5 * (flank[0] + flank[1]), fmax(flank[0], flank[1]) - 0.2);
}

/* Distance from r to where the excess falls to half of its top, by straight lines; NAN where it does not. */
static double half_width(const double *excess, int count, int r, int step) {
    for (int k = r; k > 0 && k + 1 < count && abs(k - r) < 2 * reach_at(r); k += step) {
        double here = excess[k], next = excess[k + step], half = 0.5 * excess[r];
        if (!(here >= half)) return NAN;
        if (next < half) return abs(k - r) + (here - half) / (here - next);
    }
    return NAN;
}

static int find_peaks(const feature_profile *p, const double *excess, peak *out) {
    int count = 0;
    for (int r = 2; r + 2 < p->count && count < PEAKS; r++) {
        double noise = p->error[r] / fmax(p->mean[r], 1e-12);
        if (!(excess[r] > fmax(0.06, 5 * noise)) || p->pixels[r] < 12) continue;
        bool top = true;
        int near = 2 + r / 40;
        for (int k = r - near; k <= r + near; k++)
            if (k > 0 && k < p->count && (excess[k] > excess[r] || (excess[k] == excess[r] && k < r)))
                top = false;
        if (!top) continue;
        double left = half_width(excess, p->count, r, -1), right = half_width(excess, p->count, r, 1);
        double curve = excess[r - 1] + excess[r + 1] - 2 * excess[r];
        double shift = curve < 0 ? 0.5 * (excess[r - 1] - excess[r + 1]) / curve : 0;
        out[count++] = (peak){r + 0.5 + shift, left + right};
    }
    return count;
}

/* rms distance in ln of the maxima to the nearest of the family's first lines, the first on the first. */
static double family_residual(const sl_cell *cell, const peak *peaks, int count) {
    sl_reflection line[LINES];
    int lines = sl_lattice_reflections(cell, (const int[3]){0, 0, 1}, SL_MERGE_POWDER, 60, LINES, line);
    double sum = 0;
    if (lines < 2) return INFINITY;
    for (int i = 1; i < count; i++) {
        double place = log(peaks[i].radius_px / peaks[0].radius_px), nearest = INFINITY;
        for (int k = 0; k < lines; k++)
            nearest = fmin(nearest, fabs(place - log(line[k].q_per_ang / line[0].q_per_ang)));
        sum += nearest * nearest;
    }
    return sqrt(sum / (count - 1));
}

static double lattice_residual(const peak *peaks, int count) {
    static const sl_lattice_rule cubic[] = {SL_LATTICE_PRIMITIVE, SL_LATTICE_BODY, SL_LATTICE_FACE,
                                            SL_LATTICE_GYROID, SL_LATTICE_LAMELLAR};
    double best = INFINITY;
    if (count < 3) return NAN;
    if (count > LINES) count = LINES;
    for (size_t i = 0; i < sizeof cubic / sizeof *cubic; i++) {
        sl_cell cell = sl_cell_cubic(1, cubic[i]);
        best = fmin(best, family_residual(&cell, peaks, count));
    }
    sl_cell hexagonal = sl_cell_hexagonal(1, 1, SL_LATTICE_HEXAGONAL_2D);
    return fmin(best, family_residual(&hexagonal, peaks, count));
}

void feature_peaks(const feature_view *view, const feature_profile *profile, double *out) {
    static _Thread_local double excess[FEATURE_RADII];
    peak peaks[PEAKS];
    double width[PEAKS];
    int widths = 0;
    for (int r = 0; r < profile->count; r++) excess[r] = excess_at(profile, r);
    int count = find_peaks(profile, excess, peaks);
    out[SL_IMAGE_FEATURE_PEAK_COUNT] = count;
    if (!count) return;
    for (int i = 0; i < count; i++)
        if (isfinite(peaks[i].width_px)) width[widths++] = peaks[i].width_px / peaks[i].radius_px;
    sl_sort_doubles(width, (size_t)widths);
    out[SL_IMAGE_FEATURE_FIRST_PEAK] = peaks[0].radius_px / view->side_px;
    if (widths) out[SL_IMAGE_FEATURE_PEAK_WIDTH] = width[widths / 2];
    out[SL_IMAGE_FEATURE_LATTICE_RESIDUAL] = lattice_residual(peaks, count);
}
