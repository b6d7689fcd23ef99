/* A16: the arcs of all orders are symmetric about one axis, the texture's. */
#include "xray/physical/ring/ring_peak.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { AXES = POLAR_SECTORS, REACH = 6, LEAST_PAIRS = 7, LEAST_SECTORS = 4, RINGS = 12 };

static const double axis_step_deg = 180.0 / AXES, usual_deg = 2, least_sure_deg = 12, clear = 0.35,
                    much_worse = 0.3, least_paired = 0.5,
                    least_depth = 0.25; /* standard deviation of the sectors' heights over their mean */
static const double half_most = 9; /* bins; of what counts as the ring, where no width can be fitted too */
static const double wing = 0.05;   /* of the strongest arc: what is less may be another order's */

/* How far a ring's counts around the beam are from a mirror image of themselves, for each axis: chi squared a
 * pair of sectors; NaN where too few pairs are seen. */
typedef struct ring_texture {
    double radius;
    double asymmetry[AXES];
    double most; /* of them */
    int pairs[AXES];
} ring_texture;

/* Counts of the ring alone in each sector, less what is beside it; their variance is 0 where they are not
 * known. Where more is beside it than on it, that is another order's arc; little of the strongest arc may be
 * one's wing. */
static void sector_heights(const polar_map *map, const ring_place *place, double half, double *height,
                           double *variance) {
    double highest = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        double counts[2] = {0, 0}, pixels[2] = {0, 0};
        int from = (int)fmax(0, floor(place->radius - 2.5 * half)),
            to = (int)fmin(POLAR_RADII - 1, ceil(place->radius + 2.5 * half));
        for (int r = from; r <= to; r++) {
            double away = fabs(r + 0.5 - place->radius);
            int beside = away > 1.4 * half;
            if (away > half && !beside) continue;
            counts[beside] += map->counts[s][r], pixels[beside] += map->pixels[s][r];
        }
        variance[s] = height[s] = 0;
        if (pixels[0] < 0.35 * half * place->radius * 2 * M_PI / POLAR_SECTORS || pixels[1] < 2) continue;
        double mean[2] = {counts[0] / pixels[0], counts[1] / pixels[1]};
        height[s] = fmax(0, mean[0] - mean[1]);
        highest = fmax(highest, height[s]);
        variance[s] = (counts[0] + 1) / (pixels[0] * pixels[0]) + (counts[1] + 1) / (pixels[1] * pixels[1]) +
                      9e-4 * (height[s] * height[s] + 0.1 * mean[1] * mean[1]);
    }
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (variance[s] > 0) variance[s] += wing * wing * highest * highest;
}

/* How much the heights change around the beam: their standard deviation over their mean. */
static double depth_of(const double *height, const double *variance) {
    double sum = 0, square = 0, noise = 0;
    int n = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (variance[s] > 0) sum += height[s], square += height[s] * height[s], noise += variance[s], n++;
    if (n < 2 || sum <= 0) return 0;
    double mean = sum / n;
    return sqrt(fmax(0, (square - noise) / n - mean * mean)) / mean;
}

/* Whether most of what the ring holds has its like opposite, on the frame: arcs come in pairs, a crystal's
 * spots do not. */
static bool is_paired(const double *height) {
    double sum = 0, paired = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        int opposite = (s + POLAR_SECTORS / 2) % POLAR_SECTORS;
        double most = height[opposite];
        for (int d = -1; d <= 1; d += 2)
            most = fmax(most, height[(opposite + d + POLAR_SECTORS) % POLAR_SECTORS]);
        sum += height[s], paired += fmin(height[s], most);
    }
    return paired > least_paired * sum;
}

/* False unless some axis fits far better than others: a ring without texture has none, single grains have
 * none. */
static bool measure(const double *height, const double *variance, ring_texture *out) {
    double least = INFINITY;
    out->most = 0;
    for (int axis = 0; axis < AXES; axis++) {
        double sum = 0;
        int pairs = 0;
        for (int s = 0; s < POLAR_SECTORS; s++) {
            /* sector s has its middle at s + 1/2; an axis at axis / 2 sectors maps it to axis - s - 1 */
            int mirrored = ((axis - s - 1) % POLAR_SECTORS + POLAR_SECTORS) % POLAR_SECTORS;
            if (mirrored <= s || variance[s] <= 0 || variance[mirrored] <= 0) continue;
            double rest = height[s] - height[mirrored];
            sum += rest * rest / (variance[s] + variance[mirrored]);
            pairs++;
        }
        out->pairs[axis] = pairs;
        out->asymmetry[axis] = pairs >= LEAST_PAIRS ? sum / pairs : (double)NAN;
        if (pairs < LEAST_PAIRS) continue;
        least = fmin(least, sum / pairs);
        out->most = fmax(out->most, sum / pairs);
    }
    return out->most > 8 && least < clear * out->most;
}

static int find_rings(const physical_view *view, ring_texture out[RINGS]) {
    ring_place place[RING_TRACKS];
    int count = 0, places = ring_places(view, LEAST_SECTORS, place);
    for (int k = 0; k < places && count < RINGS; k++) {
        ring_peak peak;
        double height[POLAR_SECTORS], variance[POLAR_SECTORS], half = place[k].reach / 1.6;
        if (ring_peak_fit(&view->polar, 0, POLAR_SECTORS, place[k].radius, fmin(place[k].reach, 14), &peak))
            half = fmin(half, 0.7 * exp(peak.ln_width));
        sector_heights(&view->polar, &place[k], fmin(fmax(1, half), half_most), height, variance);
        if (depth_of(height, variance) > least_depth && is_paired(height) &&
            measure(height, variance, &out[count]))
            out[count++].radius = place[k].radius;
    }
    return count;
}

/* Where a parabola through three values has its extreme, from the middle. */
static double vertex(double low, double middle, double high) {
    double curve = low + high - 2 * middle;
    return curve > 0 ? fmax(-0.5, fmin(0.5, 0.5 * (low - high) / curve)) : 0;
}

/* The axis that the rings but `without` have in common, each with the same weight, in steps; NaN without one.
 */
static double common_axis(const ring_texture *ring, int count, int without) {
    double mean[AXES], least = INFINITY, most = 0;
    int best = -1;
    for (int axis = 0; axis < AXES; axis++) {
        double sum = 0;
        int seen = 0;
        for (int k = 0; k < count; k++)
            if (k != without && !isnan(ring[k].asymmetry[axis]))
                sum += ring[k].asymmetry[axis] / ring[k].most, seen++;
        mean[axis] = seen ? sum / seen : (double)NAN;
        if (seen == 0) continue;
        most = fmax(most, mean[axis]);
        if (mean[axis] < least) least = mean[axis], best = axis;
    }
    if (best < 0 || least > clear * most) return NAN;
    double low = mean[(best + AXES - 1) % AXES], high = mean[(best + 1) % AXES];
    return isnan(low) || isnan(high) ? best : best + vertex(low, least, high);
}

/* By how much the ring's own axis, the nearest, is turned from `axis`, degrees; *error: standard error. NaN
 * where its counts do not say. */
static double turn_of(const ring_texture *ring, double axis, double *error) {
    int best = -1, middle = (int)lround(axis);
    for (int k = middle - REACH; k <= middle + REACH; k++) {
        double value = ring->asymmetry[(k + AXES) % AXES];
        if (!isnan(value) && (best < 0 || value < ring->asymmetry[(best + AXES) % AXES])) best = k + AXES;
    }
    *error = INFINITY;
    if (best < 0) return NAN;
    double low = ring->asymmetry[(best + AXES - 1) % AXES], least = ring->asymmetry[best % AXES],
           high = ring->asymmetry[(best + 1) % AXES], curve = low + high - 2 * least;
    if (!(curve > 0) || least > clear * ring->most) return NAN;
    /* what is left of the asymmetry at the best axis is no texture, and may turn the axis */
    *error = hypot(axis_step_deg * sqrt(2 * fmax(1, least) / (ring->pairs[best % AXES] * curve)),
                   usual_deg * (1 + 15 * least / ring->most));
    return axis_step_deg * (best - AXES + vertex(low, least, high) - axis);
}

static void draw(const physical_view *view, const ring_texture *ring, double axis_deg, bool is_odd) {
    for (int side = 0; side < 2; side++) {
        double row[2], column[2], azimuth = axis_deg * M_PI / 180 - M_PI + side * M_PI;
        for (int k = 0; k < 2; k++)
            if (!physical_position(view, (ring->radius + (k ? 6 : -6)) * view->polar.step_px, azimuth,
                                   &row[k], &column[k]))
                return;
        physical_mark(view, (sl_mark){.kind = SL_MARK_LINE,
                                      .test = SL_PHYSICAL_TEXTURE_ORDER,
                                      .is_odd = is_odd,
                                      .row = (float)row[0],
                                      .column = (float)column[0],
                                      .row2 = (float)row[1],
                                      .column2 = (float)column[1]});
    }
}

/* An order's turn from what the others share. */
typedef struct order_turn {
    double axis_deg, turn_deg, error_deg; /* axis: the others' mean; error: of both */
    double worse; /* how much worse the ring mirrors at the others' axis than at its own, and they at its
                     axis: of the worst axis, the lesser of both */
    int others;   /* that have an axis in common */
} order_turn;

/* Asymmetry at an axis between two steps; NaN where it is not known. */
static double asymmetry_at(const ring_texture *ring, double axis) {
    int low = (int)floor(axis);
    double share = axis - low;
    return (1 - share) * ring->asymmetry[(low + AXES) % AXES] +
           share * ring->asymmetry[(low + 1 + AXES) % AXES];
}

/* How much worse the ring mirrors at `axis` than at `own`, of its worst; 0 where that is not known. */
static double worse_at(const ring_texture *ring, double axis, double own) {
    double worse = (asymmetry_at(ring, axis) - asymmetry_at(ring, own)) / ring->most;
    return isnan(worse) ? 0 : fmax(0, worse);
}

/* What the orders but `without` have in common. */
typedef struct shared_axis {
    double start;                 /* steps; turns are from here */
    double turn[RINGS];           /* degrees; NaN where an order's own is not sure */
    double mean, weight, scatter; /* scatter: chi squared an order */
} shared_axis;

static bool find_shared(const ring_texture *ring, int count, int without, shared_axis *out) {
    double sum = 0, square = 0;
    int others = 0;
    *out = (shared_axis){.start = common_axis(ring, count, without), .scatter = 1};
    if (isnan(out->start)) return false;
    for (int i = 0; i < count; i++) {
        double error;
        out->turn[i] = i == without ? (double)NAN : turn_of(&ring[i], out->start, &error);
        if (isnan(out->turn[i]) || error > least_sure_deg) {
            out->turn[i] = NAN;
            continue;
        }
        double w = 1 / (error * error);
        sum += w * out->turn[i], square += w * out->turn[i] * out->turn[i], out->weight += w, others++;
    }
    if (others == 0) return false;
    out->mean = sum / out->weight;
    if (others > 1) out->scatter = fmax(1, (square - out->mean * sum) / (others - 1));
    return true;
}

/* False where the ring or all others have no axis that can be told. What the others scatter beyond their
 * errors makes their mean less sure. */
static bool compare_order(const ring_texture *ring, int count, int k, order_turn *out) {
    shared_axis shared;
    double own_error, own, refused = 0;
    out->others = 0;
    if (!find_shared(ring, count, k, &shared) || isnan(own = turn_of(&ring[k], shared.start, &own_error)) ||
        own_error > least_sure_deg)
        return false;
    double own_axis = shared.start + own / axis_step_deg;
    for (int i = 0; i < count; i++)
        if (!isnan(shared.turn[i]))
            refused += worse_at(&ring[i], own_axis, shared.start + shared.turn[i] / axis_step_deg),
                out->others++;
    out->axis_deg = shared.start * axis_step_deg + shared.mean;
    out->turn_deg = own - shared.mean;
    out->error_deg = sqrt(own_error * own_error + shared.scatter / shared.weight);
    out->worse =
        fmin(worse_at(&ring[k], shared.start + shared.mean / axis_step_deg, own_axis), refused / out->others);
    return true;
}

sl_status physical_texture_order(const physical_view *view, sl_physical_result *out) {
    ring_texture ring[RINGS];
    order_turn order[RINGS];
    bool is_judged[RINGS];
    int count = view->is_grazing ? 0 : find_rings(view, ring), judged = 0, odd = -1;
    bool is_enough = false; /* two against each other, or one against some that agree */
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "refraction bends rings at grazing incidence"
                              : "no two orders with a clear texture");
    for (int k = 0; k < count; k++) {
        is_judged[k] = compare_order(ring, count, k, &order[k]);
        if (!is_judged[k]) continue;
        judged++;
        is_enough |= judged > 1 || order[k].others > 1;
        double value = fabs(order[k].turn_deg) / order[k].error_deg * fmin(1, order[k].worse / much_worse);
        if (odd >= 0 && value <= out->value) continue;
        out->value = value, odd = k;
    }
    if (!is_enough) {
        out->value = 0;
        return SL_OK;
    }
    out->applicable = true;
    for (int k = 0; k < count; k++)
        if (is_judged[k]) draw(view, &ring[k], order[k].axis_deg + order[k].turn_deg, k == odd);
    snprintf(out->saw, sizeof out->saw, "%d textured orders; the one at %.0f px is turned by %.1f degrees",
             count, ring[odd].radius * view->polar.step_px, fabs(order[odd].turn_deg));
    return SL_OK;
}
