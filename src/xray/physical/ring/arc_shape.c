/* A2w: along a ring, however short the part of it in the frame, the distance from the beam stays the same. */
#include "xray/physical/internal.h"
#include "xray/physical/least_squares.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SECTORS = 10, LEAST_TILTED = 3 };

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

/* What a place of the beam and a tilt of the detector do to the radius, to second order in the radius over
 * the distance: the derivatives of the radius of an arc at an azimuth. */
enum { TERMS = 6, SHIFT_TERMS = 2 };
static void derivatives_at(const arc *a, int sector, double out[TERMS]) {
    double chi = azimuth_of(sector), r = a->middle / 100;
    out[0] = cos(chi), out[1] = sin(chi);
    out[2] = r * r * cos(chi), out[3] = r * r * sin(chi);
    out[4] = r * cos(2 * chi), out[5] = r * sin(2 * chi);
}

static double common_at(const arc *a, int sector, const double common[TERMS]) {
    double d[TERMS], sum = 0;
    derivatives_at(a, sector, d);
    for (int i = 0; i < TERMS; i++) sum += common[i] * d[i];
    return sum;
}

/* Mean over the arc of the derivatives, and of what the common terms leave of the radius (last). */
static void means_of(const arc *a, const double common[TERMS], double out[TERMS + 1]) {
    for (int i = 0; i <= TERMS; i++) out[i] = 0;
    for (int k = 0; k < a->count; k++) {
        double d[TERMS];
        derivatives_at(a, a->sector[k], d);
        for (int i = 0; i < TERMS; i++) out[i] += d[i] / a->count;
        out[TERMS] += (a->track->radius[a->sector[k]] - common_at(a, a->sector[k], common)) / a->count;
    }
}

/* What all arcs together say of beam and tilt, each about its own mean radius; one that is out of place
 * weighs less. */
static void fit_common(const arc *list, int count, int terms, double common[TERMS]) {
    enum { ROUNDS = 4 };
    for (int round = 0; round < ROUNDS; round++) {
        normal_equations e = {.n = terms};
        double change[TERMS];
        for (int n = 0; n < count; n++) {
            double mean[TERMS + 1];
            means_of(&list[n], common, mean);
            for (int k = 0; k < list[n].count; k++) {
                double d[TERMS];
                int s = list[n].sector[k];
                derivatives_at(&list[n], s, d);
                for (int i = 0; i < TERMS; i++) d[i] -= mean[i];
                double rest = list[n].track->radius[s] - common_at(&list[n], s, common) - mean[TERMS];
                normal_equations_add(&e, d, rest, 1 / (0.1 + rest * rest));
            }
        }
        /* damped: one ring alone does not tell a tilt from a place */
        if (!normal_equations_solve(&e, 1e-3, change, NULL)) return;
        for (int i = 0; i < terms; i++) common[i] += change[i];
    }
}

/* How far the radius swings along the arc: root mean square beyond counting noise and what grains scatter. */
static double swing(const arc *a, const double common[TERMS]) {
    double rest[POLAR_SECTORS], sorted[POLAR_SECTORS], bend[POLAR_SECTORS], square = 0, counting = 0;
    int bends = 0;
    for (int k = 0; k < a->count; k++) {
        int s = a->sector[k];
        rest[k] = a->track->radius[s] - common_at(a, s, common);
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
    double common[TERMS] = {0}, step = view->polar.step_px / view->unit_px;
    int count = 0, worst = 0;
    bool even = ring_tracks_evenness(view->track, view->track_count) >= rings_even;
    for (int k = 0; k < view->track_count; k++) count += take_arc(&view->track[k], &list[count]);
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing     ? "refraction bends arcs at grazing incidence"
             : count > 0 && !even ? "grains or texture: arcs of several reflections may look like one ring"
                                  : "no ring that can be followed");
    if (count == 0 || !even) return SL_OK;
    /* at small angles a tilt moves nothing; elsewhere it may explain what two rings do */
    bool flat = view->input->technique == SL_TECHNIQUE_SAXS;
    if (!view->input->geometry && !flat && count < LEAST_TILTED) {
        snprintf(out->saw, sizeof out->saw, "too few rings, and the detector's tilt is not known");
        return SL_OK;
    }
    if (!view->input->geometry) fit_common(list, count, flat ? SHIFT_TERMS : TERMS, common);
    for (int k = 0; k < count; k++) {
        double value = swing(&list[k], common) * step;
        if (value > out->value) out->value = value, worst = k;
    }
    for (int k = 0; k < count; k++)
        physical_mark_track(view, SL_PHYSICAL_ARC_SHAPE, list[k].track, k == worst && out->value > 0);
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "%d arcs; the one at %.0f px swings by %.2f px", count,
             list[worst].middle * view->polar.step_px, out->value * view->unit_px);
    return SL_OK;
}
