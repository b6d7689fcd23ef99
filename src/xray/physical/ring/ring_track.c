/* Ridges around the beam: maxima of each sector's profile, joined to those of the sectors beside it. */
#include "xray/physical/internal.h"

#include <math.h>
#include <string.h>

enum { PEAKS = 16, LEAST_SECTORS = 4, TRIES = 80 };
/* Signal to noise of a peak in three sectors, and in one that is to be taken alone. */
enum { LEAST = 5, CLEAR = 8 };
/* A ring may leap by this many bins from one sector to the next where nothing else is within the other. */
enum { LEAP = 5, ALONE = 8 };
/* Peaks nearer to each other are the same, bins. */
enum { SAME = 3 };
/* A step from sector to sector that parts two rings, and what each of them keeps to, bins. */
static const double joint = 2, flat = 0.6;

/* What a ridge falls by on its lower side, of its higher one, at least. */
static const double edge_share = 0.25;

/* Noise of the rise's slope in units of that of one bin: of the weights in `rise`. */
static const double slope_noise = 0.64;
/* What no flat field is better than, of the square root of counts: broad ridges have no sharp place. */
static const double uneven = 0.004;

/* A place where a sector's profile has a maximum. */
typedef struct peak {
    double radius, snr, error;
    bool used;
} peak;

typedef struct peaks {
    int count[POLAR_SECTORS];
    peak item[POLAR_SECTORS][PEAKS];
} peaks;

/* The profile of one or three sectors: square roots of mean counts, whose noise is that of the pixels'
 * number. */
typedef struct profile {
    double root[POLAR_RADII], smooth[POLAR_RADII], noise[POLAR_RADII];
    double rise[POLAR_RADII]; /* over what is on both sides */
} profile;

static void fill_profile(const polar_map *map, int first, int count, profile *out) {
    double *v = out->root;
    for (int r = 0; r < POLAR_RADII; r++) {
        double pixels;
        v[r] = sqrt(polar_map_mean(map, first, count, r, &pixels));
        out->noise[r] = pixels > 0 ? 0.5 / sqrt(pixels) : NAN;
    }
    for (int r = 0; r < POLAR_RADII; r++) {
        bool inside = r >= 9 && r + 9 < POLAR_RADII;
        out->smooth[r] = r > 0 && r + 1 < POLAR_RADII ? (v[r - 1] + 2 * v[r] + v[r + 1]) / 4 : NAN;
        out->rise[r] = NAN;
        if (!inside) continue;
        double near = (v[r - 4] + v[r + 4]) / 2, far = (v[r - 6] + v[r - 7] + v[r + 6] + v[r + 7]) / 4;
        /* beside a gap one of the two would shift the maximum of a broad ring */
        if (!isnan(near) && !isnan(far)) out->rise[r] = out->smooth[r] - fmax(near, far);
    }
}

/* Whether the profile goes down on both sides of r: what falls on one side alone is an edge, of a window or a
 * shadow. By the lowest places near it, since beside a ring the next may begin. */
static bool is_ridge(const profile *p, int r) {
    double low[2] = {INFINITY, INFINITY};
    for (int d = 2; d <= 8; d++) {
        /* a NaN is no minimum */
        low[0] = fmin(low[0], p->smooth[r - d]);
        low[1] = fmin(low[1], p->smooth[r + d]);
    }
    double fall[2] = {p->smooth[r] - low[0], p->smooth[r] - low[1]};
    return fmin(fall[0], fall[1]) > edge_share * fmax(fall[0], fall[1]) - 2 * p->noise[r];
}

/* Keeps the strongest PEAKS of a sector. */
static void keep_peak(peaks *all, int sector, peak found) {
    int n = all->count[sector], weakest = 0;
    for (int k = 1; k < n; k++)
        if (all->item[sector][k].snr < all->item[sector][weakest].snr) weakest = k;
    if (n < PEAKS)
        all->item[sector][all->count[sector]++] = found;
    else if (found.snr > all->item[sector][weakest].snr)
        all->item[sector][weakest] = found;
}

static bool is_near_peak(const peaks *all, int sector, double radius, double within) {
    int s = (sector + POLAR_SECTORS) % POLAR_SECTORS;
    for (int k = 0; k < all->count[s]; k++)
        if (fabs(all->item[s][k].radius - radius) < within) return true;
    return false;
}

/* Whether a peak of three sectors is that of a single one, or what is seen of the ring in the sectors beside,
 * where this one has it elsewhere. */
static bool is_known(const peaks *single, int sector, double radius) {
    return is_near_peak(single, sector, radius, SAME) ||
           (is_near_peak(single, sector, radius, ALONE) && (is_near_peak(single, sector - 1, radius, SAME) ||
                                                            is_near_peak(single, sector + 1, radius, SAME)));
}

/* Maxima of the profile of `span` sectors that stand out of their noise by `least`, but those known of
 * `single` sectors (NULL: none).
 */
static void find_peaks(const polar_map *map, int sector, int span, double least, const peaks *single,
                       peaks *out) {
    profile p;
    fill_profile(map, sector - span / 2, span, &p);
    for (int r = 9; r + 9 < POLAR_RADII; r++) {
        const double *rise = &p.rise[r];
        /* a NaN fails every comparison: nothing is seen beside a gap */
        if (!(rise[0] > least * p.noise[r] && rise[0] > 0.03 * p.root[r] && rise[0] > rise[-1] &&
              rise[0] >= rise[1] && is_ridge(&p, r)))
            continue;
        double curve = rise[-1] + rise[1] - 2 * rise[0], error = 9;
        double at = r + (curve < 0 ? 0.5 * (rise[-1] - rise[1]) / curve : 0) + 0.5;
        if (curve < 0) error = hypot(slope_noise * p.noise[r], uneven * p.root[r]) / -curve;
        if (single && is_known(single, sector, at)) continue;
        /* as clear as it would be of three */
        keep_peak(out, sector, (peak){at, rise[0] / p.noise[r] * sqrt(3.0 / span), fmin(error, 9), false});
    }
}

/* The peak of a sector that a ring at `expected` goes on by, or NULL: the nearest within `reach`; where there
 * is none, one further away that stands alone and is about as clear, as of a ring that leaps (never where snr
 * is NAN). */
static peak *next_peak(peaks *all, int sector, double expected, double reach, double snr) {
    peak *best = NULL, *apart = NULL;
    int around = 0;
    for (int k = 0; k < all->count[sector]; k++) {
        peak *p = &all->item[sector][k];
        double distance = fabs(p->radius - expected);
        if (!p->used && distance < reach) reach = distance, best = p;
        if (distance < ALONE) around++, apart = p;
    }
    if (best || around != 1 || apart->used || fabs(apart->radius - expected) > LEAP) return best;
    return apart->snr > 0.5 * snr && apart->snr < 2 * snr ? apart : NULL;
}

/* Follows a ring from a peak to one side, through up to three blind sectors; returns the sectors covered. */
static int follow(peaks *all, int sector, int direction, int limit, ring_track *track) {
    double *radius = track->radius;
    double last = radius[sector], snr = track->snr[sector], slope = 0;
    int covered = 0, blind = 0;
    for (int step = 1; step <= limit && blind <= 3; step++) {
        int s = ((sector + direction * step) % POLAR_SECTORS + POLAR_SECTORS) % POLAR_SECTORS;
        if (radius[s] > 0) break;
        double expected = last + slope * (blind + 1);
        peak *best = next_peak(all, s, expected, 2.2 + 0.6 * blind, blind == 0 ? snr : NAN);
        if (!best) {
            blind++;
            continue;
        }
        best->used = true;
        slope = 0.6 * slope + 0.4 * (best->radius - last) / (blind + 1);
        last = radius[s] = best->radius;
        track->snr[s] = snr = best->snr;
        track->error[s] = best->error;
        covered += blind + 1;
        blind = 0;
    }
    return covered;
}

/* The strongest peak nobody has followed yet, and all that belongs to it; false when none is left. */
static bool follow_next(peaks *all, ring_track *track) {
    int sector = -1, item = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        for (int k = 0; k < all->count[s]; k++)
            if (!all->item[s][k].used && (sector < 0 || all->item[s][k].snr > all->item[sector][item].snr))
                sector = s, item = k;
    if (sector < 0) return false;
    *track = (ring_track){.seen = 0};
    all->item[sector][item].used = true;
    track->radius[sector] = all->item[sector][item].radius;
    track->snr[sector] = all->item[sector][item].snr;
    track->error[sector] = all->item[sector][item].error;
    int covered = follow(all, sector, 1, POLAR_SECTORS - 1, track);
    follow(all, sector, -1, POLAR_SECTORS - 1 - covered, track);
    for (int s = 0; s < POLAR_SECTORS; s++) track->seen += track->radius[s] > 0;
    return true;
}

/* The sectors in which a track is seen, in turn, from where it is not seen. */
typedef struct course {
    int count, sector[POLAR_SECTORS], turn[POLAR_SECTORS];
    double radius[POLAR_SECTORS];
} course;

static course course_of(const ring_track *track) {
    course c = {.count = 0};
    int start = 0;
    while (start < POLAR_SECTORS && track->radius[start] > 0) start++;
    for (int k = 1; k <= POLAR_SECTORS; k++) {
        int s = (start + k) % POLAR_SECTORS;
        if (track->radius[s] <= 0) continue;
        c.sector[c.count] = s, c.turn[c.count] = k;
        c.radius[c.count++] = track->radius[s];
    }
    return c;
}

static double slope_at(const course *c, int k) {
    bool inside = k >= 0 && k + 1 < c->count;
    return inside ? (c->radius[k + 1] - c->radius[k]) / (c->turn[k + 1] - c->turn[k]) : NAN;
}

/* Whether the track leaps after its place k and is flat before and beyond, as far as it is seen: it went on
 * by another ring. */
static bool is_joint(const course *c, int k) {
    double before = slope_at(c, k - 1), beyond = slope_at(c, k + 1);
    /* a NaN is neither steep nor an expectation */
    double expected = isnan(before) ? fmax(beyond, 0) : isnan(beyond) ? before : (before + beyond) / 2;
    double leap = c->radius[k + 1] - c->radius[k] - expected * (c->turn[k + 1] - c->turn[k]);
    return fabs(leap) > joint && !(fabs(before) > flat) && !(fabs(beyond) > flat);
}

/* Leaves the longest piece between joints. */
static void cut_joints(ring_track *track) {
    course c = course_of(track);
    int first = 0, best = 0, length = 0;
    for (int k = 0; k < c.count; k++) {
        if (k + 1 < c.count && !is_joint(&c, k)) continue;
        if (k + 1 - first > length) best = first, length = k + 1 - first;
        first = k + 1;
    }
    for (int k = 0; k < c.count; k++) {
        int s = c.sector[k];
        if (k < best || k >= best + length) track->radius[s] = track->snr[s] = track->error[s] = 0;
    }
    track->seen = length;
}

int ring_tracks_find(const polar_map *map, ring_track out[RING_TRACKS]) {
    peaks single, all;
    int count = 0;
    memset(&single, 0, sizeof single);
    /* three sectors smear what changes from one to the next: single ones where they are clear enough */
    for (int s = 0; s < POLAR_SECTORS; s++) find_peaks(map, s, 1, CLEAR, NULL, &single);
    all = single;
    for (int s = 0; s < POLAR_SECTORS; s++) find_peaks(map, s, 3, LEAST, &single, &all);
    for (int tries = 0; tries < TRIES && count < RING_TRACKS && follow_next(&all, &out[count]); tries++) {
        cut_joints(&out[count]);
        count += out[count].seen >= LEAST_SECTORS;
    }
    return count;
}

double ring_track_radius(const ring_track *track) {
    double seen[POLAR_SECTORS];
    int n = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (track->radius[s] > 0) seen[n++] = track->radius[s];
    return n ? physical_median(seen, n) : 0;
}

/* The lower quarter of a track's signal to noise over its upper tenth. */
double ring_track_evenness(const ring_track *track) {
    double snr[POLAR_SECTORS];
    int n = 0;
    for (int s = 0; s < POLAR_SECTORS; s++)
        if (track->radius[s] > 0) snr[n++] = track->snr[s];
    if (n == 0) return 0;
    physical_median(snr, n);
    return snr[n / 4] / snr[n * 9 / 10];
}

double ring_tracks_evenness(const ring_track *tracks, int count) {
    double sum = 0, weights = 0;
    for (int k = 0; k < count; k++) {
        double snr = 0;
        for (int s = 0; s < POLAR_SECTORS; s++) snr += tracks[k].snr[s];
        sum += sqrt(snr) * ring_track_evenness(&tracks[k]), weights += sqrt(snr);
    }
    return weights > 0 ? sum / weights : 0;
}
