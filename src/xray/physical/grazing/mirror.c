/* Left against right of a grazing-incidence image. */
#include "base/numeric/sort.h"
#include "xray/physical/grazing/mirror_shift.h"

#include <math.h>
#include <stdio.h>

enum { BAND_CELLS = 16, LEAST_CELLS = 6, COLUMNS_MAX = 1024 };

/* What a shift of one side by a pixel counts as: 4 px weigh as much as the darkest shadow on one side. */
static const double ln_per_px = 0.15;

/* What a cell of the left and its mirror image hold. */
typedef struct cell_pair {
    double difference, noise; /* of ln counts; variance */
} cell_pair;

static bool pair_at(const sl_image *image, double axis, int32_t row, int32_t away, int32_t cell,
                    cell_pair *out) {
    double left = 0, right = 0;
    int good = 0;
    for (int32_t y = row; y < row + cell; y++)
        for (int32_t x = away; x < away + cell; x++) {
            int64_t a = (int64_t)y * image->width_px + (int32_t)floor(axis - 0.5 - x);
            int64_t b = (int64_t)y * image->width_px + (int32_t)floor(axis + 0.5 + x);
            if (image->mask[a] || image->mask[b]) continue;
            left += (double)image->value[a], right += (double)image->value[b], good++;
        }
    if (2 * good < cell * cell || left + right < 24) return false;
    out->difference = log((left + 0.5) / (right + 0.5));
    out->noise = 1 / (left + 0.5) + 1 / (right + 0.5);
    return true;
}

/* Mean squared difference of ln(counts) between mirrored places beyond counting noise, about `axis`
 * (columns). A place is a short run of cells at one height: the median of its differences does not see an
 * inclined streak, a beamstop's arm or a single spot, which cross it. */
static double asymmetry(const sl_image *image, double axis, int32_t cell, double *out_places) {
    double sum = 0, weight = 0;
    int32_t reach = (int32_t)fmin(axis, image->width_px - axis) - cell;
    for (int32_t i = 0; i + cell <= image->height_px; i += cell)
        for (int32_t band = 2; band + cell <= reach; band += BAND_CELLS * cell) {
            double difference[BAND_CELLS], noise = 0;
            int count = 0;
            for (int c = 0; c < BAND_CELLS && band + (c + 1) * cell <= reach; c++) {
                cell_pair pair;
                if (!pair_at(image, axis, i, band + c * cell, cell, &pair)) continue;
                difference[count++] = pair.difference;
                noise += pair.noise;
            }
            if (count < LEAST_CELLS) continue;
            sl_sort_doubles(difference, (size_t)count);
            double middle = (difference[(count - 1) / 2] + difference[count / 2]) / 2;
            noise *= 1.57 / count / count; /* variance of a median over that of a mean */
            /* clear places count more, but none alone decides */
            double w = 1 / (noise + 0.02);
            sum += w * fmin(middle * middle - noise, 3);
            weight += w;
            (*out_places)++;
        }
    return weight > 0 ? sum / weight : NAN;
}

/* Larger cells where there are few counts. */
static int32_t cell_size(const physical_view *view) {
    const sl_image *image = view->image;
    double sum = 0, pixels = 0;
    for (int64_t k = 0; k < (int64_t)image->height_px * image->width_px; k++)
        if (!image->mask[k]) sum += (double)image->value[k], pixels++;
    double cell = view->unit_px * (sum < 2 * pixels ? 8 : 4);
    return (int32_t)fmax(2, cell);
}

/* The axis about which the sides agree best, to half a pixel, between low and high; its asymmetry and
 * places. */
typedef struct axis {
    double column, value, places;
    double usual; /* median asymmetry about all axes that were tried at first */
} axis;

static axis find_axis(const sl_image *image, int32_t cell, double low, double high, double step) {
    axis best = {0, INFINITY, 0, 0};
    for (bool first = true;; first = false) {
        double seen[COLUMNS_MAX];
        int count = 0;
        for (double at = low; at <= high && count < COLUMNS_MAX; at += step) {
            double n = 0, value = asymmetry(image, at, cell, &n);
            if (isnan(value)) continue;
            seen[count++] = value;
            if (value < best.value) best.column = at, best.value = value, best.places = n;
        }
        if (first && count > 0) best.usual = physical_median(seen, count);
        if (step <= 0.5) return best;
        low = best.column - step;
        high = best.column + step;
        step /= 2;
    }
}

sl_status physical_mirror(const physical_view *view, sl_physical_result *out) {
    const sl_image *image = view->image;
    double nearest = 0.2 * image->width_px, farthest = 0.8 * image->width_px;
    axis found;
    snprintf(out->saw, sizeof out->saw, "not a grazing-incidence image");
    if (!view->is_grazing) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "the symmetry axis is too near the border");
    if (view->centre_known) {
        if (view->column_px - 4 < nearest || view->column_px + 4 > farthest) return SL_OK;
        found = find_axis(image, cell_size(view), view->column_px - 4, view->column_px + 4, 1);
    } else {
        double step = 4 * view->unit_px;
        found = find_axis(image, cell_size(view), nearest, farthest, step);
        if (found.column < nearest + step || found.column > farthest - step) return SL_OK;
        snprintf(out->saw, sizeof out->saw, "no column is clearly the symmetry axis");
        if (isfinite(found.value) && found.value > 0.4 * found.usual) return SL_OK;
    }
    snprintf(out->saw, sizeof out->saw, "too few counts to compare the sides");
    if (!isfinite(found.value) || found.places < 30) return SL_OK;
    out->applicable = true;
    /* about a wrong axis, shifts mean nothing */
    double shift = view->centre_known ? physical_mirror_shift(view, view->column_px) : 0;
    double level = sqrt(fmax(found.value, 0)), by_shift = fabs(shift) / view->unit_px * ln_per_px;
    out->value = fmax(level, by_shift);
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_MIRROR, false, 0, (float)found.column,
                                  (float)image->height_px, (float)found.column, 0});
    if (by_shift > level)
        snprintf(out->saw, sizeof out->saw, "what is right of column %.1f stands %.0f px %s", found.column,
                 fabs(shift), shift > 0 ? "lower" : "higher");
    else
        snprintf(out->saw, sizeof out->saw, "sides differ by %.0f %% about column %.1f", 100 * expm1(level),
                 found.column);
    return SL_OK;
}
