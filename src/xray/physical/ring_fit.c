#include "xray/physical/ring_fit.h"

#include "base/sort.h"

#include <math.h>
#include <stdio.h>

enum { LEAST_SECTORS = 24 };

static bool solve5(double a[5][6]) {
    for (int i = 0; i < 5; i++) {
        int pivot = i;
        for (int k = i + 1; k < 5; k++)
            if (fabs(a[k][i]) > fabs(a[pivot][i])) pivot = k;
        if (fabs(a[pivot][i]) < 1e-9) return false;
        for (int c = 0; c < 6; c++) {
            double swap = a[i][c];
            a[i][c] = a[pivot][c];
            a[pivot][c] = swap;
        }
        for (int k = 0; k < 5; k++) {
            if (k == i) continue;
            double factor = a[k][i] / a[i][i];
            for (int c = i; c < 6; c++) a[k][c] -= factor * a[i][c];
        }
    }
    return true;
}

static void basis_at(int sector, double out[5]) {
    double chi = (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
    out[0] = 1, out[1] = cos(chi), out[2] = sin(chi), out[3] = cos(2 * chi), out[4] = sin(2 * chi);
}

/* Weighted least squares, outliers losing weight (Huber), three rounds. */
static bool fit_harmonics(const double *shift, const double *weight, ring_fit *fit) {
    double robust[POLAR_SECTORS], residual[POLAR_SECTORS];
    for (int s = 0; s < POLAR_SECTORS; s++) robust[s] = weight[s];
    for (int round = 0; round < 4; round++) {
        double a[5][6] = {{0}};
        for (int s = 0; s < POLAR_SECTORS; s++) {
            double b[5];
            basis_at(s, b);
            for (int i = 0; i < 5; i++) {
                for (int k = 0; k < 5; k++) a[i][k] += robust[s] * b[i] * b[k];
                a[i][5] += robust[s] * b[i] * shift[s];
            }
        }
        if (!solve5(a)) return false;
        for (int i = 0; i < 5; i++) fit->harmonic[i] = a[i][5] / a[i][i];
        int n = 0;
        double size[POLAR_SECTORS];
        for (int s = 0; s < POLAR_SECTORS; s++) {
            double b[5];
            basis_at(s, b);
            residual[s] = shift[s];
            for (int i = 0; i < 5; i++) residual[s] -= b[i] * fit->harmonic[i];
            if (weight[s] > 0) size[n++] = fabs(residual[s]);
        }
        sl_sort_doubles(size, (size_t)n);
        fit->spread = 1.48 * size[n / 2];
        fit->error = (fit->spread + 0.05) * sqrt(2.0 / n);
        for (int s = 0; s < POLAR_SECTORS; s++)
            robust[s] = weight[s] * fmin(1, 1.5 * (fit->spread + 0.05) / fmax(fabs(residual[s]), 1e-6));
    }
    return true;
}

/* Arcs of a fibre or single grains may be of several reflections, each at a radius of its own: not one ring.
 */
static bool is_even(const double *snr) {
    double seen[POLAR_SECTORS];
    int n = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (snr[s] > 0) seen[n++] = snr[s];
    sl_sort_doubles(seen, (size_t)n);
    return seen[n * 9 / 10] < 4 * seen[n / 4];
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
    if (track->seen < LEAST_SECTORS || longest > 2 * POLAR_SECTORS / 5 || !is_even(snr)) return false;
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
    const char *why =
        view->is_grazing ? "refraction bends rings at grazing incidence" : "no ring that can be followed";
    bool alone = rings == 1 && !view->input->geometry;
    snprintf(result->saw, sizeof result->saw, "%s", alone ? unknown : why);
    result->applicable = rings > 0 && !alone;
    return result->applicable ? rings : 0;
}
