#include "xray/physical/ring/ring_fit.h"

#include "xray/physical/robust_fit.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SECTORS = 24 };

/* Arcs of a fibre or single grains may be of several reflections, each at a radius of its own: not one ring.
 */
static const double least_even = 0.45;
/* What grains and pixels scatter a radius by from sector to sector; what leaps further is a fault. */
static const double most_jitter = 0.3;

static void basis_at(int sector, double out[5]) {
    double chi = (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
    out[0] = 1, out[1] = cos(chi), out[2] = sin(chi), out[3] = cos(2 * chi), out[4] = sin(2 * chi);
}

/* Root mean square of what the harmonics leave of the radii beyond their jitter and counting noise. */
static double wobble_of(const double *shift, const double *weight, double (*basis)[ROBUST_TERMS],
                        const double *harmonic, double counting) {
    double rest[POLAR_SECTORS], bend[POLAR_SECTORS], square = 0;
    int seen = 0, bends = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        rest[s] = shift[s];
        for (int k = 0; k < ROBUST_TERMS; k++) rest[s] -= harmonic[k] * basis[s][k];
        if (weight[s] > 0) square += fmin(rest[s] * rest[s], 100), seen++;
    }
    for (int s = 0; s < POLAR_SECTORS; s++) {
        int before = (s + POLAR_SECTORS - 1) % POLAR_SECTORS, next = (s + 1) % POLAR_SECTORS;
        if (weight[before] > 0 && weight[s] > 0 && weight[next] > 0)
            bend[bends++] = fabs(rest[before] - 2 * rest[s] + rest[next]);
    }
    if (bends < 8) return 0;
    double jitter = fmin(1.48 * physical_median(bend, bends) / sqrt(6), most_jitter);
    return sqrt(fmax(0, square / seen - 1.5 * jitter * jitter - 2 * counting));
}

static bool fit_harmonics(const double *shift, const double *weight, ring_fit *fit) {
    double basis[POLAR_SECTORS][ROBUST_TERMS];
    int seen = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) basis_at(s, basis[s]), seen += weight[s] > 0;
    if (!robust_fit(basis, shift, weight, POLAR_SECTORS, 0.05, fit->harmonic, &fit->spread)) return false;
    double counting = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (weight[s] > 0) counting += fit->track->error[s] * fit->track->error[s] / seen;
    /* sectors overlap by two thirds, so three share their counting noise */
    double spread = fit->spread + 0.05;
    fit->error = sqrt((spread * spread + 3 * counting) * 2 / seen);
    fit->wobble = wobble_of(shift, weight, basis, fit->harmonic, counting);
    return true;
}

/* Fits one followed ring; false unless half a circle is seen, and enough in it to tell a shift from an
 * ellipse. */
static bool measure_ring(const ring_track *track, ring_fit *fit) {
    const double *radius = track->radius, *snr = track->snr;
    double weight[POLAR_SECTORS];
    int empty = 0, longest = 0;
    for (int s = 0; s < 2 * POLAR_SECTORS; s++) {
        empty = radius[s % POLAR_SECTORS] > 0 ? 0 : empty + 1;
        if (empty > longest) longest = empty;
    }
    if (track->seen < LEAST_SECTORS || longest > 2 * POLAR_SECTORS / 5 ||
        ring_track_evenness(track) < least_even)
        return false;
    for (int s = 0; s < POLAR_SECTORS; s++) weight[s] = fmin(snr[s], 40);
    *fit = (ring_fit){.track = track};
    if (!fit_harmonics(radius, weight, fit)) return false;
    fit->radius = fit->harmonic[0];
    return fit->radius > 5;
}

void ring_fits_common(const ring_fit *fit, int rings, int i, int power, double out[2]) {
    double sum[2] = {0, 0}, weight = 0;
    for (int k = 0; k < rings; k++) {
        double scale = pow(fit[k].radius, power), w = scale * scale / (fit[k].error * fit[k].error);
        sum[0] += w * fit[k].harmonic[i] / scale;
        sum[1] += w * fit[k].harmonic[i + 1] / scale;
        weight += w;
    }
    out[0] = sum[0] / weight;
    out[1] = sum[1] / weight;
}

int ring_fits(const ring_track *tracks, int count, ring_fit out[RING_FITS]) {
    int rings = 0;
    for (int k = 0; k < count && rings < RING_FITS; k++) rings += measure_ring(&tracks[k], &out[rings]);
    return rings;
}

int ring_fits_to_judge(const physical_view *view, const char *unknown, ring_fit out[RING_FITS],
                       sl_physical_result *result) {
    int rings = ring_fits(view->track, view->track_count, out);
    bool even = ring_tracks_evenness(view->track, view->track_count) >= rings_even;
    const char *why = view->is_grazing ? "refraction bends rings at grazing incidence"
                      : rings > 0 && !even
                          ? "grains or texture: arcs of several reflections may look like one ring"
                          : "no ring that can be followed";
    bool alone = rings == 1 && !view->input->geometry;
    snprintf(result->saw, sizeof result->saw, "%s", alone && even ? unknown : why);
    result->applicable = rings > 0 && even && !alone;
    return result->applicable ? rings : 0;
}
