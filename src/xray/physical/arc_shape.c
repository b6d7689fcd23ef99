/* A2w: along a ring, however short the part of it in the frame, the distance from the beam stays the same. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SECTORS = 10 };

static const double least_snr = 8; /* median; fainter ridges are followed along their noise */
static const double least_even = 0.45;
/* What grains and pixels scatter a radius by from sector to sector, bins: what leaps further is a fault. */
static const double most_jitter = 0.3;
static const double most_off = 10; /* bins; a sector further off weighs no more */

/* A ridge whose radius is judged, sector by sector where it is seen. */
typedef struct arc {
    const ring_track *track;
    int count, sector[POLAR_SECTORS];
    double middle; /* median radius */
} arc;

static double azimuth_of(int sector) {
    return (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
}

/* False for a ridge that is too short, faint or uneven to be judged. */
static bool take_arc(const ring_track *track, arc *out) {
    double radius[POLAR_SECTORS], snr[POLAR_SECTORS];
    *out = (arc){.track = track};
    for (int s = 0; s < POLAR_SECTORS; s++) {
        if (track->radius[s] <= 0) continue;
        radius[out->count] = track->radius[s];
        snr[out->count] = track->snr[s];
        out->sector[out->count++] = s;
    }
    if (out->count < LEAST_SECTORS || ring_track_evenness(track) < least_even) return false;
    out->middle = physical_median(radius, out->count);
    return physical_median(snr, out->count) >= least_snr;
}

/* What one shift of the centre explains of all arcs together: shift[0] along columns, shift[1] along rows, in
 * bins. */
static void common_shift(const arc *list, int count, double shift[2]) {
    double a[2][2] = {{1e-6, 0}, {0, 1e-6}}, b[2] = {0, 0};
    for (int n = 0; n < count; n++) {
        double mean[3] = {0, 0, 0};
        for (int k = 0; k < list[n].count; k++) {
            int s = list[n].sector[k];
            mean[0] += cos(azimuth_of(s)) / list[n].count;
            mean[1] += sin(azimuth_of(s)) / list[n].count;
            mean[2] += list[n].track->radius[s] / list[n].count;
        }
        for (int k = 0; k < list[n].count; k++) {
            int at = list[n].sector[k];
            double c = cos(azimuth_of(at)) - mean[0], s = sin(azimuth_of(at)) - mean[1],
                   r = list[n].track->radius[at] - mean[2], weight = 1 / (1 + r * r);
            a[0][0] += weight * c * c, a[0][1] += weight * c * s, a[1][1] += weight * s * s;
            b[0] += weight * c * r, b[1] += weight * s * r;
        }
    }
    double determinant = a[0][0] * a[1][1] - a[0][1] * a[0][1];
    shift[0] = (b[0] * a[1][1] - b[1] * a[0][1]) / determinant;
    shift[1] = (b[1] * a[0][0] - b[0] * a[0][1]) / determinant;
}

/* How far the radius swings along the arc: root mean square beyond counting noise and what grains scatter. */
static double swing(const arc *a, const double shift[2]) {
    double rest[POLAR_SECTORS], sorted[POLAR_SECTORS], bend[POLAR_SECTORS], square = 0, counting = 0;
    int bends = 0;
    for (int k = 0; k < a->count; k++) {
        int s = a->sector[k];
        rest[k] = a->track->radius[s] - shift[0] * cos(azimuth_of(s)) - shift[1] * sin(azimuth_of(s));
        sorted[k] = rest[k];
        counting += a->track->error[s] * a->track->error[s] / a->count;
    }
    double middle = physical_median(sorted, a->count);
    for (int k = 0; k < a->count; k++) {
        double off = fmin(fabs(rest[k] - middle), most_off);
        square += off * off / a->count;
    }
    for (int k = 0; k + 2 < a->count; k++)
        if (a->sector[k + 2] == a->sector[k] + 2)
            bend[bends++] = fabs(rest[k] - 2 * rest[k + 1] + rest[k + 2]);
    double jitter =
        bends > 3 ? fmin(1.48 / sqrt(6) * physical_median(bend, bends), most_jitter) : most_jitter;
    return sqrt(fmax(0, square - 2 * jitter * jitter - 6 * counting));
}

sl_status physical_arc_shape(const physical_view *view, sl_physical_result *out) {
    arc list[RING_TRACKS];
    double shift[2] = {0, 0}, step = view->polar.step_px / view->unit_px;
    int count = 0, worst = 0;
    bool even = ring_tracks_evenness(view->track, view->track_count) >= rings_even;
    for (int k = 0; k < view->track_count; k++) count += take_arc(&view->track[k], &list[count]);
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing     ? "refraction bends arcs at grazing incidence"
             : count > 0 && !even ? "grains or texture: arcs of several reflections may look like one ring"
                                  : "no ring that can be followed");
    if (count == 0 || !even) return SL_OK;
    if (!view->input->geometry) common_shift(list, count, shift);
    for (int k = 0; k < count; k++) {
        double value = swing(&list[k], shift) * step;
        if (value > out->value) out->value = value, worst = k;
    }
    for (int k = 0; k < count; k++)
        physical_mark_track(view, SL_PHYSICAL_ARC_SHAPE, list[k].track, k == worst && out->value > 0);
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "%d arcs; the one at %.0f px swings by %.2f px", count,
             list[worst].middle * view->polar.step_px, out->value * view->unit_px);
    return SL_OK;
}
