/* A2w: along a ring, however short the part of it in the frame, the distance from the beam stays the same. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SECTORS = 7, SEGMENTS = 64 };

/* A run of neighbouring sectors in which one ridge is seen. */
typedef struct segment {
    const ring_track *track;
    int first, sectors;
} segment;

static double radius_at(const segment *s, int k) {
    return s->track->radius[(s->first + k) % POLAR_SECTORS];
}

static double azimuth_at(const segment *s, int k) {
    return (s->first + k + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
}

/* The runs of a track, begun where it is not seen so that none is cut in two. */
static int find_segments(const ring_track *track, int room, segment *out) {
    int start = 0, count = 0, length = 0;
    while (start < POLAR_SECTORS && track->radius[start] > 0) start++;
    for (int k = 1; k <= POLAR_SECTORS; k++) {
        bool seen = track->radius[(start + k) % POLAR_SECTORS] > 0;
        if (seen && k < POLAR_SECTORS) {
            length++;
            continue;
        }
        if (length >= LEAST_SECTORS && count < room)
            out[count++] = (segment){track, (start + k - length) % POLAR_SECTORS, length};
        length = 0;
    }
    return count;
}

/* What one shift of the centre explains of all segments together: shift[0] along columns, shift[1] along
 * rows, in bins. */
static void common_shift(const segment *list, int count, double shift[2]) {
    double a[2][2] = {{1e-6, 0}, {0, 1e-6}}, b[2] = {0, 0};
    for (int n = 0; n < count; n++) {
        double mean[3] = {0, 0, 0};
        for (int k = 0; k < list[n].sectors; k++) {
            mean[0] += cos(azimuth_at(&list[n], k)) / list[n].sectors;
            mean[1] += sin(azimuth_at(&list[n], k)) / list[n].sectors;
            mean[2] += radius_at(&list[n], k) / list[n].sectors;
        }
        for (int k = 0; k < list[n].sectors; k++) {
            double c = cos(azimuth_at(&list[n], k)) - mean[0], s = sin(azimuth_at(&list[n], k)) - mean[1],
                   r = radius_at(&list[n], k) - mean[2], weight = 1 / (1 + r * r);
            a[0][0] += weight * c * c, a[0][1] += weight * c * s, a[1][1] += weight * s * s;
            b[0] += weight * c * r, b[1] += weight * s * r;
        }
    }
    double determinant = a[0][0] * a[1][1] - a[0][1] * a[0][1];
    shift[0] = (b[0] * a[1][1] - b[1] * a[0][1]) / determinant;
    shift[1] = (b[1] * a[0][0] - b[0] * a[0][1]) / determinant;
}

/* How far the radius swings along the segment, without what jumps from sector to sector: grains do that. */
static double swing(const segment *s, const double shift[2]) {
    double rest[POLAR_SECTORS], bend[POLAR_SECTORS], mean = 0, square = 0;
    for (int k = 0; k < s->sectors; k++) {
        rest[k] = radius_at(s, k) - shift[0] * cos(azimuth_at(s, k)) - shift[1] * sin(azimuth_at(s, k));
        mean += rest[k] / s->sectors;
    }
    for (int k = 0; k < s->sectors; k++) square += (rest[k] - mean) * (rest[k] - mean) / s->sectors;
    for (int k = 0; k + 2 < s->sectors; k++) bend[k] = fabs(rest[k] - 2 * rest[k + 1] + rest[k + 2]);
    double counting = 0;
    for (int k = 0; k < s->sectors; k++) {
        double error = s->track->error[(s->first + k) % POLAR_SECTORS];
        counting += error * error / s->sectors;
    }
    double jitter = 1.48 / sqrt(6) * physical_median(bend, s->sectors - 2) + 0.1;
    return sqrt(fmax(0, square - 2 * jitter * jitter - 2 * counting));
}

/* 1 where the ridge is equally clear all along; less where its strength changes, as along the arcs of a
 * fibre, of which several with radii of their own may be taken for one. */
static double evenness(const segment *s) {
    double snr[POLAR_SECTORS];
    for (int k = 0; k < s->sectors; k++) snr[k] = s->track->snr[(s->first + k) % POLAR_SECTORS];
    physical_median(snr, s->sectors);
    double share = 2 * snr[s->sectors / 4] / snr[s->sectors * 9 / 10];
    return fmin(1, pow(share, 4));
}

sl_status physical_arc_shape(const physical_view *view, sl_physical_result *out) {
    segment list[SEGMENTS];
    double shift[2] = {0, 0}, step = view->polar.step_px / view->unit_px;
    int count = 0, worst = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "refraction bends arcs at grazing incidence"
                              : "no ring that can be followed");
    for (int k = 0; k < view->track_count; k++)
        count += find_segments(&view->track[k], SEGMENTS - count, &list[count]);
    if (count == 0) return SL_OK;
    if (!view->input->geometry) common_shift(list, count, shift);
    for (int k = 0; k < count; k++) {
        double value = swing(&list[k], shift) * evenness(&list[k]) * step;
        if (value > out->value) out->value = value, worst = k;
    }
    for (int k = 0; k < count; k++) {
        ring_track part = {.seen = list[k].sectors};
        for (int s = 0; s < list[k].sectors; s++)
            part.radius[(list[k].first + s) % POLAR_SECTORS] = radius_at(&list[k], s);
        physical_mark_track(view, SL_PHYSICAL_ARC_SHAPE, &part, k == worst && out->value > 0);
    }
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "%d arcs; the one at %.0f px swings by %.2f px", count,
             radius_at(&list[worst], list[worst].sectors / 2) * view->polar.step_px,
             out->value * view->unit_px);
    return SL_OK;
}
