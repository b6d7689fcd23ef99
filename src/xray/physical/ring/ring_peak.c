#include "xray/physical/ring/ring_peak.h"

#include "xray/physical/least_squares.h"

#include <math.h>

enum { ROUNDS = 24, BINS_MOST = 96, FREE = 5 };

/* Share of the profile that has to be seen: along a gap, half a ring is as wide as one likes. */
static const double least_covered = 0.85;

/* Mean counts over the radius and their variance; where the background is taken. */
typedef struct profile {
    int count;
    double middle, radius[BINS_MOST], mean[BINS_MOST], variance[BINS_MOST];
} profile;

static int fill(const polar_map *map, int first, int count, double radius, double reach, profile *out) {
    int from = (int)fmax(1, floor(radius - reach)), to = (int)fmin(POLAR_RADII - 1, ceil(radius + reach));
    out->count = 0, out->middle = radius;
    for (int r = from; r <= to && out->count < BINS_MOST; r++) {
        double pixels, mean = polar_map_mean(map, first, count, r, &pixels);
        if (pixels < 2) continue;
        out->radius[out->count] = r + 0.5;
        out->mean[out->count] = mean;
        /* counting, and a hundredth that no flat field is better than */
        out->variance[out->count++] = (fmax(mean, 0) * pixels + 1) / (pixels * pixels) + 1e-4 * mean * mean;
    }
    return out->count;
}

/* parameter: height, centre, ln of the Gaussian's sigma, background in the middle, its slope. */
static double model(const void *context, const double *p, int at, double *derivative) {
    const profile *f = context;
    double middle = f->middle, r = f->radius[at];
    double sigma = exp(p[2]), u = (r - p[1]) / sigma, bell = exp(-u * u / 2);
    derivative[0] = bell;
    derivative[1] = p[0] * bell * u / sigma;
    derivative[2] = p[0] * bell * u * u;
    derivative[3] = 1;
    derivative[4] = r - middle;
    return p[0] * bell + p[3] + p[4] * (r - middle);
}

/* A width that leaps would lose the ring. */
static bool hold_width(const double *now, double *next) {
    next[2] = fmin(fmax(next[2], now[2] - 0.7), now[2] + 0.7);
    return true;
}

bool ring_peak_fit(const polar_map *map, int first, int count, double radius, double reach, ring_peak *out) {
    profile f;
    if (fill(map, first, count, radius, reach, &f) < 8 || f.count < least_covered * 2 * reach) return false;
    double least = INFINITY, best[FREE] = {0}, variance[FREE] = {0};
    for (double sigma = 1.2; sigma < reach / 1.5; sigma *= 2) {
        double p[FREE] = {0, radius, log(sigma), fmin(f.mean[0], f.mean[f.count - 1]), 0}, v[FREE];
        for (int k = 0; k < f.count; k++) p[0] = fmax(p[0], f.mean[k] - p[3]);
        curve ring = {FREE, f.count, f.mean, f.variance, model, hold_width, &f};
        double chi = curve_fit(&ring, ROUNDS, 1e-4, p, v);
        if (!(chi < least)) continue;
        least = chi;
        for (int i = 0; i < FREE; i++) best[i] = p[i], variance[i] = v[i];
    }
    if (!isfinite(least) || best[0] <= 0 || fabs(best[1] - radius) > 0.5 * reach) return false;
    /* a profile that no Gaussian fits makes all errors larger */
    double scale = sqrt(fmax(1, least / fmax(f.count - FREE, 1)));
    *out = (ring_peak){best[0], best[1], best[2] + log(2.3548), 0, 0, 0};
    out->height_error = scale * sqrt(variance[0]);
    out->centre_error = scale * sqrt(variance[1]);
    out->ln_width_error = scale * sqrt(variance[2]);
    return true;
}

int ring_places(const physical_view *view, int least_sectors, ring_place out[RING_TRACKS]) {
    enum { SAME = 3, REACH_MOST = 45 };
    int count = 0;
    for (int k = 0; k < view->track_count; k++) {
        const ring_track *track = &view->track[k];
        double radius = ring_track_radius(track);
        int at = 0, same = -1;
        for (int i = 0; i < count; i++) {
            if (fabs(out[i].radius - radius) < SAME) same = i;
            at += out[i].radius < radius;
        }
        if (same >= 0 && track->seen > out[same].track->seen) out[same].track = track;
        if (same >= 0) continue;
        for (int i = count; i > at; i--) out[i] = out[i - 1];
        out[at] = (ring_place){radius, REACH_MOST, track};
        count++;
    }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count; k++)
            /* what is followed along a short part of this ring alone belongs to it, or to a fault of it */
            if (k != i && 3 * out[k].track->seen >= out[i].track->seen)
                out[i].reach = fmin(out[i].reach, 0.5 * fabs(out[i].radius - out[k].radius));
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (out[i].track->seen >= least_sectors) out[kept++] = out[i];
    return kept;
}
