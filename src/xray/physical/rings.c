/* Rings in polar coordinates: where each is in each direction, and what no geometry explains. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTORS = 48, RADII = 420, RINGS = 10, PEAKS = 16, LEAST_SECTORS = 24 };

typedef struct polar {
    double counts[SECTORS][RADII], pixels[SECTORS][RADII]; /* sums */
    double step_px;                                        /* image pixels a bin */
} polar;

/* What a ring's radius does with the azimuth: r = a0 + a1 cos + b1 sin + a2 cos 2 + b2 sin 2, in bins. */
typedef struct ring_fit {
    double radius, harmonic[5], error, spread;
    int sectors;
} ring_fit;

/* Radius and azimuth of a pixel: by the geometry where it is known, so that tilted detectors give circles
 * too. */
static void polar_position(const sl_physical_input *input, const sl_projection *p, double row, double column,
                           double y0, double x0, double *radius, double *azimuth) {
    if (!p) {
        double y = row - y0, x = column - x0;
        *radius = sqrt(x * x + y * y);
        *azimuth = atan2(y, x);
        return;
    }
    (void)input;
    sl_pixel pixel = sl_projection_pixel(p, row, column);
    double across = sqrt(pixel.y * pixel.y + pixel.z * pixel.z);
    *radius = pixel.x > 0.05 ? across / pixel.x * p->geometry.distance_m / p->geometry.pixel_m : 1e9;
    *azimuth = atan2(-pixel.z, pixel.y);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void fill_polar(const sl_physical_input *input, const sl_projection *p, double y0, double x0,
                       polar *out) {
    const sl_image *image = input->image;
    memset(out, 0, sizeof *out);
    out->step_px = fmax(1, fmax(image->height_px, image->width_px) / 256.0);
    for (int32_t i = 0; i < image->height_px; i++)
        for (int32_t j = 0; j < image->width_px; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (image->mask[k]) continue;
            double radius, azimuth;
            polar_position(input, p, i + 0.5, j + 0.5, y0, x0, &radius, &azimuth);
            int bin = (int)(radius / out->step_px), sector = (int)((azimuth + M_PI) * (SECTORS / (2 * M_PI)));
            if (bin < 0 || bin >= RADII) continue;
            sector = sector < 0 ? 0 : sector >= SECTORS ? SECTORS - 1 : sector;
            out->counts[sector][bin] += (double)image->value[k];
            out->pixels[sector][bin]++;
        }
}

/* A place where a sector's profile has a maximum. */
typedef struct peak {
    double radius, snr;
    bool used;
} peak;

typedef struct peaks {
    int count[SECTORS];
    peak item[SECTORS][PEAKS];
} peaks;

/* Mean counts of three sectors together, and their pixels. */
static double joined(const polar *p, int sector, int r, double *pixels) {
    double sum = 0;
    *pixels = 0;
    for (int d = -1; d <= 1; d++) {
        int s = (sector + d + SECTORS) % SECTORS;
        sum += p->counts[s][r];
        *pixels += p->pixels[s][r];
    }
    return *pixels > 0 ? sum / *pixels : NAN;
}

/* Maxima along one sector that stand out of their noise, the strongest PEAKS of them. */
static void find_peaks(const polar *p, int sector, peaks *out) {
    double v[RADII], noise[RADII], rise[RADII];
    for (int r = 0; r < RADII; r++) {
        double pixels;
        v[r] = sqrt(joined(p, sector, r, &pixels));
        noise[r] = pixels > 0 ? 0.5 / sqrt(pixels) : NAN;
    }
    for (int r = 0; r < RADII; r++) {
        rise[r] = NAN;
        if (r < 9 || r + 9 >= RADII) continue;
        double top = (v[r - 1] + 2 * v[r] + v[r + 1]) / 4, near = (v[r - 4] + v[r + 4]) / 2,
               far = (v[r - 6] + v[r - 7] + v[r + 6] + v[r + 7]) / 4;
        rise[r] = top - fmax(near, far);
    }
    out->count[sector] = 0;
    for (int r = 9; r + 9 < RADII; r++) {
        /* a NaN fails every comparison: nothing is seen beside a gap */
        if (!(rise[r] > 5 * noise[r] && rise[r] > 0.03 * v[r] && rise[r] > rise[r - 1] &&
              rise[r] >= rise[r + 1]))
            continue;
        double curve = rise[r - 1] + rise[r + 1] - 2 * rise[r];
        peak found = {r + (curve < 0 ? 0.5 * (rise[r - 1] - rise[r + 1]) / curve : 0) + 0.5,
                      rise[r] / noise[r], false};
        int n = out->count[sector], weakest = 0;
        for (int k = 1; k < n; k++)
            if (out->item[sector][k].snr < out->item[sector][weakest].snr) weakest = k;
        if (n < PEAKS)
            out->item[sector][out->count[sector]++] = found;
        else if (found.snr > out->item[sector][weakest].snr)
            out->item[sector][weakest] = found;
    }
}

/* Follows a ring from a peak to one side, through up to three blind sectors; returns the sectors covered. */
static int follow(peaks *all, int sector, int direction, int limit, double *radius, double *snr) {
    double last = radius[sector], slope = 0;
    int covered = 0, blind = 0;
    for (int step = 1; step <= limit && blind <= 3; step++) {
        int s = ((sector + direction * step) % SECTORS + SECTORS) % SECTORS;
        if (radius[s] > 0) break;
        double expected = last + slope * (blind + 1), nearest = 2.2 + 0.6 * blind;
        peak *best = NULL;
        for (int k = 0; k < all->count[s]; k++) {
            double distance = fabs(all->item[s][k].radius - expected);
            if (!all->item[s][k].used && distance < nearest) nearest = distance, best = &all->item[s][k];
        }
        if (!best) {
            blind++;
            continue;
        }
        best->used = true;
        slope = 0.6 * slope + 0.4 * (best->radius - last) / (blind + 1);
        last = radius[s] = best->radius;
        snr[s] = best->snr;
        covered += blind + 1;
        blind = 0;
    }
    return covered;
}

/* The strongest peak nobody has followed yet, and all that belongs to it; false when none is left. */
static bool follow_next(peaks *all, double *radius, double *snr, int *seen) {
    int sector = -1, item = 0;
    for (int s = 0; s < SECTORS; s++)
        for (int k = 0; k < all->count[s]; k++)
            if (!all->item[s][k].used && (sector < 0 || all->item[s][k].snr > all->item[sector][item].snr))
                sector = s, item = k;
    if (sector < 0) return false;
    memset(radius, 0, SECTORS * sizeof *radius);
    memset(snr, 0, SECTORS * sizeof *snr);
    all->item[sector][item].used = true;
    radius[sector] = all->item[sector][item].radius;
    snr[sector] = all->item[sector][item].snr;
    int covered = follow(all, sector, 1, SECTORS - 1, radius, snr);
    follow(all, sector, -1, SECTORS - 1 - covered, radius, snr);
    *seen = 0;
    for (int s = 0; s < SECTORS; s++) *seen += radius[s] > 0;
    return true;
}

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
    double chi = (sector + 0.5) * 2 * M_PI / SECTORS - M_PI;
    out[0] = 1, out[1] = cos(chi), out[2] = sin(chi), out[3] = cos(2 * chi), out[4] = sin(2 * chi);
}

/* Weighted least squares, outliers losing weight (Huber), three rounds. */
static bool fit_harmonics(const double *shift, const double *weight, ring_fit *fit) {
    double robust[SECTORS], residual[SECTORS];
    for (int s = 0; s < SECTORS; s++) robust[s] = weight[s];
    for (int round = 0; round < 4; round++) {
        double a[5][6] = {{0}};
        for (int s = 0; s < SECTORS; s++) {
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
        double size[SECTORS];
        for (int s = 0; s < SECTORS; s++) {
            double b[5];
            basis_at(s, b);
            residual[s] = shift[s];
            for (int i = 0; i < 5; i++) residual[s] -= b[i] * fit->harmonic[i];
            if (weight[s] > 0) size[n++] = fabs(residual[s]);
        }
        qsort(size, (size_t)n, sizeof *size, ascending);
        fit->spread = 1.48 * size[n / 2];
        fit->error = (fit->spread + 0.05) * sqrt(2.0 / n);
        for (int s = 0; s < SECTORS; s++)
            robust[s] = weight[s] * fmin(1, 1.5 * (fit->spread + 0.05) / fmax(fabs(residual[s]), 1e-6));
    }
    return true;
}

/* Arcs of a fibre or single grains may be of several reflections, each at a radius of its own: not one ring.
 */
static bool is_even(const double *snr) {
    double seen[SECTORS];
    int n = 0;
    for (int s = 0; s < SECTORS; s++)
        if (snr[s] > 0) seen[n++] = snr[s];
    qsort(seen, (size_t)n, sizeof *seen, ascending);
    return seen[n * 9 / 10] < 4 * seen[n / 4];
}

/* Fits one followed ring; false unless half a circle is seen, and enough in it to tell a shift from an
 * ellipse. */
static bool measure_ring(const double *radius, const double *snr, int seen, ring_fit *fit) {
    double weight[SECTORS];
    int empty = 0, longest = 0;
    for (int s = 0; s < 2 * SECTORS; s++) {
        empty = radius[s % SECTORS] > 0 ? 0 : empty + 1;
        if (empty > longest) longest = empty;
    }
    if (seen < LEAST_SECTORS || longest > 2 * SECTORS / 5 || !is_even(snr)) return false;
    for (int s = 0; s < SECTORS; s++) weight[s] = fmin(snr[s], 40);
    *fit = (ring_fit){.sectors = seen};
    if (!fit_harmonics(radius, weight, fit)) return false;
    fit->radius = fit->harmonic[0];
    return fit->radius > 5;
}

/* Weighted mean over rings of harmonics i and i+1, as share of radius^power; 0 where the geometry is known.
 */
static void common_part(const ring_fit *fit, int rings, int i, int power, double out[2]) {
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

static int measure_rings(const sl_physical_input *input, const sl_projection *projection, double y0,
                         double x0, polar *p, ring_fit *fit) {
    peaks all;
    double radius[SECTORS], snr[SECTORS];
    int rings = 0, seen;
    fill_polar(input, projection, y0, x0, p);
    for (int s = 0; s < SECTORS; s++) find_peaks(p, s, &all);
    for (int tries = 0; tries < 60 && rings < RINGS && follow_next(&all, radius, snr, &seen); tries++)
        rings += measure_ring(radius, snr, seen, &fit[rings]);
    return rings;
}

static void judge(const ring_fit *fit, int rings, bool known, double step_px, double unit,
                  sl_physical_result *centre, sl_physical_result *shape) {
    double shift[2] = {0, 0}, stretch[2] = {0, 0};
    int odd = 0, bent = 0;
    if (!known) {
        common_part(fit, rings, 1, 0, shift);
        common_part(fit, rings, 3, 1, stretch);
    }
    /* a track that jumped between two rings scatters about any ellipse: what it says counts for less */
    for (int k = 0; k < rings; k++) {
        double off = hypot(fit[k].harmonic[1] - shift[0], fit[k].harmonic[2] - shift[1]) - 2 * fit[k].error -
                     2 * fit[k].spread;
        double oval = hypot(fit[k].harmonic[3] - stretch[0] * fit[k].radius,
                            fit[k].harmonic[4] - stretch[1] * fit[k].radius) -
                      2 * fit[k].error;
        double wobble = 0.5 * fmax(0, fit[k].spread - 0.35);
        off = fmax(0, off) * step_px / unit;
        oval = hypot(fmax(0, oval), wobble) * step_px / unit;
        if (off > centre->value) centre->value = off, odd = k;
        if (oval > shape->value) shape->value = oval, bent = k;
    }
    centre->applicable = known || rings >= 2;
    shape->applicable = known || rings >= 2;
    snprintf(centre->saw, sizeof centre->saw, "%d rings; the one at %.0f px is %.2f px off", rings,
             fit[odd].radius * step_px, centre->value * unit);
    snprintf(shape->saw, sizeof shape->saw, "%d rings; the one at %.0f px is out of round by %.2f px", rings,
             fit[bent].radius * step_px, shape->value * unit);
    if (!centre->applicable)
        snprintf(centre->saw, sizeof centre->saw, "one ring, and the beam's place is not known");
    if (!shape->applicable)
        snprintf(shape->saw, sizeof shape->saw, "one ring, and the detector's tilt is not known");
}

sl_status physical_rings(const sl_physical_input *input, sl_physical_result *centre,
                         sl_physical_result *shape) {
    const char *why =
        input->is_grazing ? "refraction bends rings at grazing incidence" : "no ring that can be followed";
    snprintf(centre->saw, sizeof centre->saw, "%s", why);
    snprintf(shape->saw, sizeof shape->saw, "%s", why);
    if (input->is_grazing) return SL_OK;
    sl_projection projection;
    if (input->geometry) projection = sl_projection_of(input->geometry);
    double y0 = input->beam_row_px, x0 = input->beam_column_px;
    if (!input->beam_known && !input->geometry)
        sl_beam_estimate(input->image->value, input->image->height_px, input->image->width_px, &y0, &x0);
    polar *p;
    SL_TRY(sl_alloc(&p, 1, sizeof *p));
    ring_fit fit[RINGS];
    int rings = measure_rings(input, input->geometry ? &projection : NULL, y0, x0, p, fit);
    /* without a geometry the centre is what the rings say: follow it */
    for (int round = 0; round < 3 && rings > 0 && !input->geometry; round++) {
        double shift[2];
        common_part(fit, rings, 1, 0, shift);
        if (hypot(shift[0], shift[1]) < 0.2) break;
        x0 += shift[0] * p->step_px;
        y0 += shift[1] * p->step_px;
        rings = measure_rings(input, NULL, y0, x0, p, fit);
    }
    if (rings > 0)
        judge(fit, rings, input->geometry != NULL, p->step_px,
              fmax(input->image->height_px, input->image->width_px) / 256.0, centre, shape);
    sl_free(p);
    return SL_OK;
}
