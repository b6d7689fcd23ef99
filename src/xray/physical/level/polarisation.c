/* A15: around the beam, isotropic scattering changes by polarisation and solid angle alone. */
#include "xray/physical/internal.h"
#include "xray/physical/least_squares.h"

#include <math.h>
#include <stdio.h>

enum {
    WIDE = 10,
    FIRST = 20,
    ANNULI = (POLAR_RADII - FIRST) / WIDE,
    HARMONICS = 5,
    LEAST_SECTORS = 12,
    LEAST_COUNTS = 4,
    LEAST_ANNULI = 5,
    DARK_STEPS = 5
};

static const double flat = 0.015, /* what a flat field leaves of a harmonic */
    flat_share = 0.15,            /* the same, as share of the polarisation's effect */
    least_sure = 0.03;            /* standard error of the first harmonic that is still of use */

/* What solid angle and polarisation let one expect of a uniform sphere, at each place of the polar map. */
typedef struct expectation {
    double factor[POLAR_SECTORS][POLAR_RADII];
    double basis[POLAR_SECTORS][HARMONICS + 4]; /* harmonics 0 to 4 */
    double effect[POLAR_RADII]; /* of the polarisation: f sin^2 / (1 + cos^2) of the scattering angle */
} expectation;

/* A ring of pixels around the beam: harmonics of its counts over the expected ones, shares of the mean. */
typedef struct annulus {
    double first[2], first_error; /* cos, sin */
    double second, second_error;  /* cos 2 */
    double effect;
    int middle; /* radius */
} annulus;

/* What all annuli say together, weighted by how sure each is. */
typedef struct pattern {
    double one_sided, one_sided_error; /* the common first harmonic */
    double missing, missing_error;     /* effect of the polarisation, as share; below 0: too much */
    int annuli;
} pattern;

static void basis_at(int sector, double out[HARMONICS + 4]) {
    double chi = (sector + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
    out[0] = 1;
    for (int h = 1; h <= 4; h++) out[2 * h - 1] = cos(h * chi), out[2 * h] = sin(h * chi);
}

static void expect(const physical_view *view, expectation *out) {
    for (int s = 0; s < POLAR_SECTORS; s++) basis_at(s, out->basis[s]);
    for (int r = FIRST; r < POLAR_RADII; r++)
        for (int s = 0; s < POLAR_SECTORS; s++) {
            double row = 0, column = 0, azimuth = (s + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
            physical_position(view, (r + 0.5) * view->polar.step_px, azimuth, &row, &column);
            sl_pixel pixel = sl_projection_pixel(&view->projection, row, column);
            double square = pixel.cos_two_theta * pixel.cos_two_theta;
            out->factor[s][r] = pixel.solid_angle * pixel.polarisation;
            out->effect[r] = view->projection.geometry.polarisation * (1 - square) / (1 + square);
        }
}

/* Counts less the detector's own, and expected counts, of each sector between two radii. */
static void sum_sectors(const polar_map *map, const expectation *e, double dark, int radius, double *counts,
                        double *expected) {
    for (int s = 0; s < POLAR_SECTORS; s++) counts[s] = expected[s] = 0;
    for (int r = radius; r < radius + WIDE; r++) {
        double sum = 0, weight = 0;
        for (int s = 0; s < POLAR_SECTORS; s++) {
            sum += map->counts[s][r] - dark * map->pixels[s][r];
            weight += e->factor[s][r] * map->pixels[s][r];
        }
        for (int s = 0; s < POLAR_SECTORS && weight > 0; s++) {
            counts[s] += map->counts[s][r] - dark * map->pixels[s][r];
            expected[s] += e->factor[s][r] * map->pixels[s][r] * sum / weight;
        }
    }
}

/* Least squares over the sectors, those that stick out losing weight (Huber); harmonics of order 3 and 4 say
 * how much texture there is, which then also has some of order 2. */
static bool fit(const double (*basis)[HARMONICS + 4], const double *counts, const double *expected,
                annulus *out) {
    double p[HARMONICS], variance[HARMONICS], rest[POLAR_SECTORS] = {0}, chi = 1, texture[4] = {0, 0, 0, 0};
    for (int round = 0; round < 3; round++) {
        normal_equations e = {.n = HARMONICS};
        double size[POLAR_SECTORS];
        int seen = 0;
        for (int s = 0; s < POLAR_SECTORS; s++) {
            if (expected[s] < LEAST_COUNTS) continue;
            double z = fabs(rest[s]) * sqrt(expected[s] / chi);
            normal_equations_add(&e, basis[s], counts[s] / expected[s],
                                 expected[s] * fmin(1, 2 / fmax(z, 1e-6)));
        }
        if (!normal_equations_solve(&e, 0, p, variance) || p[0] < 0.3) return false;
        for (int s = 0; s < POLAR_SECTORS; s++) {
            if (expected[s] < LEAST_COUNTS) continue;
            rest[s] = counts[s] / expected[s];
            for (int h = 0; h < HARMONICS; h++) rest[s] -= p[h] * basis[s][h];
            size[seen++] = rest[s] * rest[s] * expected[s];
        }
        if (seen < LEAST_SECTORS) return false;
        chi = fmax(1, physical_median(size, seen) / 0.455);
        for (int h = 0; h < 4 && round == 2; h++)
            for (int s = 0; s < POLAR_SECTORS; s++) {
                double most = 3 * sqrt(chi / fmax(expected[s], LEAST_COUNTS));
                texture[h] += fmax(-most, fmin(most, rest[s])) * basis[s][HARMONICS + h] * 2 / seen;
            }
    }
    double high = hypot(hypot(texture[0], texture[1]), hypot(texture[2], texture[3]));
    out->first[0] = p[1] / p[0], out->first[1] = p[2] / p[0], out->second = p[3] / p[0];
    out->first_error = hypot(sqrt(chi * fmax(variance[1], variance[2])), high) / p[0];
    out->second_error = hypot(sqrt(chi * variance[3]), 2 * high) / p[0];
    return true;
}

static int find_annuli(const physical_view *view, const expectation *e, double dark, annulus out[ANNULI]) {
    int count = 0;
    for (int k = 0; k < ANNULI; k++) {
        double counts[POLAR_SECTORS], expected[POLAR_SECTORS];
        int radius = FIRST + k * WIDE;
        sum_sectors(&view->polar, e, dark, radius, counts, expected);
        if (!fit(e->basis, counts, expected, &out[count])) continue;
        out[count].middle = radius + WIDE / 2;
        out[count].effect = e->effect[radius + WIDE / 2];
        count++;
    }
    return count;
}

static pattern combine(const annulus *a, int count) {
    double sum[2] = {0, 0}, weight = 0, product = 0, square = 0;
    pattern p = {.annuli = 0};
    for (int k = 0; k < count; k++) {
        double w = 1 / (a[k].first_error * a[k].first_error + flat * flat),
               v = 1 / (a[k].second_error * a[k].second_error + flat * flat);
        sum[0] += w * a[k].first[0], sum[1] += w * a[k].first[1], weight += w;
        product += v * a[k].effect * a[k].second, square += v * a[k].effect * a[k].effect;
        p.annuli += a[k].first_error < 4 * flat;
    }
    p.one_sided = weight > 0 ? hypot(sum[0], sum[1]) / weight : 0;
    p.one_sided_error = weight > 0 ? sqrt(1 / weight) : 1;
    p.missing = square > 0 ? product / square : 0;
    p.missing_error = square > 0 ? sqrt(1 / square) : 1e3;
    return p;
}

static double of_one_side(const pattern *p) {
    return p->one_sided / hypot(p->one_sided_error, flat);
}

static double of_effect(const pattern *p) {
    return fabs(p->missing) / hypot(p->missing_error, flat_share);
}

/* The mean counts of the faintest ring of pixels: the detector's own cannot be more. */
static double faintest(const polar_map *map) {
    double least = INFINITY;
    for (int r = FIRST; r + WIDE <= POLAR_RADII; r += WIDE) {
        double counts = 0, pixels = 0;
        for (int k = r; k < r + WIDE; k++)
            for (int s = 0; s < POLAR_SECTORS; s++) counts += map->counts[s][k], pixels += map->pixels[s][k];
        if (pixels > 200) least = fmin(least, counts / pixels);
    }
    return isfinite(least) ? least : 0;
}

static void draw(const physical_view *view, const annulus *a, int count) {
    for (int k = 0; k < count; k++)
        if (a[k].first_error < 4 * flat)
            physical_mark(view, (sl_mark){.kind = SL_MARK_CIRCLE,
                                          .test = SL_PHYSICAL_POLARISATION,
                                          .is_odd = true,
                                          .row = (float)view->row_px,
                                          .column = (float)view->column_px,
                                          .size_px = (float)((a[k].middle + 0.5) * view->polar.step_px)});
}

/* The counts that do not come from scattering know neither polarisation nor solid angle; of what they may be,
 * what speaks best for the image is taken. */
static void judge(const physical_view *view, const expectation *e, sl_physical_result *out) {
    annulus a[ANNULI];
    double most = faintest(&view->polar);
    pattern best = {.annuli = 0};
    for (int k = 0; k <= DARK_STEPS; k++) {
        int count = find_annuli(view, e, 0.95 * most * k / DARK_STEPS, a);
        pattern p = combine(a, count);
        if (p.annuli < LEAST_ANNULI || p.one_sided_error > least_sure) continue;
        double value = fmax(of_one_side(&p), of_effect(&p));
        if (out->applicable && value >= out->value) continue;
        out->applicable = true;
        out->value = value;
        best = p;
    }
    if (!out->applicable) return;
    draw(view, a, find_annuli(view, e, 0, a));
    if (of_effect(&best) > of_one_side(&best))
        snprintf(out->saw, sizeof out->saw, "%.1f of the polarisation's effect is missing around the beam",
                 best.missing);
    else
        snprintf(out->saw, sizeof out->saw,
                 "one side of the beam is %.1f %% brighter than isotropic scattering", 100 * best.one_sided);
}

sl_status physical_polarisation(const physical_view *view, sl_physical_result *out) {
    bool wide = view->input->technique == SL_TECHNIQUE_WAXS, known = view->input->geometry != NULL;
    snprintf(out->saw, sizeof out->saw, "%s",
             !wide    ? "no wide-angle image"
             : !known ? "the geometry is not known"
                      : "too little isotropic scattering around the beam");
    if (!wide || !known) return SL_OK;
    expectation *e;
    SL_TRY(sl_alloc(&e, 1, sizeof *e));
    expect(view, e);
    judge(view, e, out);
    sl_free(e);
    return SL_OK;
}
