/* Faults of the picture itself, put in before counting. */
#include "xray/artefact/internal.h"
#include "xray/spot.h"

#include <math.h>
#include <string.h>

void fault_keep(fault *f, const float *image) {
    memcpy(f->scratch, image, (size_t)f->size * (size_t)f->size * sizeof *image);
}

float fault_value_at(const float *image, int32_t size, double row, double column) {
    double r = fmin(fmax(row - 0.5, 0), size - 1.001), c = fmin(fmax(column - 0.5, 0), size - 1.001);
    int32_t i = (int32_t)r, j = (int32_t)c;
    float u = (float)(c - j), v = (float)(r - i);
    const float *a = image + (int64_t)i * size + j, *b = a + size;
    float low = a[0] + u * (a[1] - a[0]), high = b[0] + u * (b[1] - b[0]);
    return low + v * (high - low);
}

bool fault_is_seen(const sl_sim_sample *sample, const sl_feature *ring, double chi_rad) {
    double row = sample->beam_row_px + ring->radius_px * sin(chi_rad),
           column = sample->beam_column_px + ring->radius_px * cos(chi_rad);
    if (row < 0 || column < 0 || row >= sample->size_px || column >= sample->size_px) return false;
    return !sample->measured.mask || !sample->measured.mask[(int64_t)row * sample->size_px + (int64_t)column];
}

double fault_seen_share(const sl_sim_sample *sample, const sl_feature *ring) {
    enum { AZIMUTHS = 96 };
    int seen = 0;
    for (int k = 0; k < AZIMUTHS; k++) seen += fault_is_seen(sample, ring, 2 * M_PI * k / AZIMUTHS);
    return (double)seen / AZIMUTHS;
}

const sl_feature *fault_pick_ring(const sl_sim_sample *sample) {
    const sl_feature *best = NULL;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        bool ring = f->kind == SL_FEATURE_RING || f->kind == SL_FEATURE_ARC;
        if (!ring || !f->visible || f->radius_px < 0.07 * sample->size_px ||
            f->radius_px > 0.9 * sample->size_px)
            continue;
        /* what is wrong with a ring is hardly seen where no more than a corner of it is */
        if (f->kind == SL_FEATURE_RING && fault_seen_share(sample, f) < FAULT_SEEN_LEAST) continue;
        /* an arc that is moved along itself looks the same: whole rings come first */
        bool whole = f->kind == SL_FEATURE_RING, best_whole = best && best->kind == SL_FEATURE_RING;
        if (!best || (whole && !best_whole) || (whole == best_whole && f->contrast > best->contrast))
            best = f;
    }
    return best;
}

/* Distance to the nearest other visible ring or arc. */
static double distance_to_next(const sl_sim_sample *sample, const sl_feature *ring) {
    double least = INFINITY;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        double distance = fabs(f->radius_px - ring->radius_px);
        if (f != ring && f->z >= 3 && f->radius_px > 0 && distance > 1) least = fmin(least, distance);
    }
    return least;
}

const sl_feature *fault_pick_bent_ring(const sl_sim_sample *sample) {
    const sl_feature *best = NULL;
    double unit = sample->size_px / 256.0;
    if (sample->is_grazing) return fault_pick_ring(sample);
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        /* arcs in transmission may be of several reflections, so that nobody can say what is wrong with one
         */
        bool fits = f->kind == SL_FEATURE_RING && f->visible && f->z > 20 && f->radius_px > 18 * unit &&
                    f->radius_px < 230 * unit && fault_seen_share(sample, f) >= FAULT_SEEN_LEAST &&
                    distance_to_next(sample, f) > 7 * unit;
        if (fits && (!best || f->contrast > best->contrast)) best = f;
    }
    return best;
}

/* Half the distance to the nearest other ring, at most 0.35 of the radius: what may be moved without touching
 * it. */
static double room_around(const sl_sim_sample *sample, const sl_feature *ring) {
    double room = 0.35 * ring->radius_px;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        if (f == ring || f->radius_px <= 0) continue;
        double distance = fabs(f->radius_px - ring->radius_px);
        if (distance > 1) room = fmin(room, 0.75 * distance);
    }
    return fmax(room, 2.5 * ring->width_px);
}

/* 1 near the ring, 0 beyond its room. */
static double window(double distance, double room) {
    double x = fabs(distance) / room;
    if (x >= 1) return 0;
    if (x <= 0.5) return 1;
    double c = cos(M_PI * (x - 0.5));
    return c * c;
}

/* A displacement of the picture near one ring, as a function of the azimuth. */
typedef struct displacement {
    double down, right; /* of the whole ring, px */
    double radial[9];   /* cosines of harmonics 0..8, relative to the radius */
    double phase[9];
} displacement;

static void displace_ring(fault *f, const sl_feature *ring, const displacement *d) {
    sl_sim_sample *s = f->sample;
    double room = room_around(s, ring);
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double y = i + 0.5 - s->beam_row_px, x = j + 0.5 - s->beam_column_px,
                   radius = sqrt(x * x + y * y);
            double w = window(radius - ring->radius_px, room);
            if (w <= 0 || radius < 1) continue;
            double chi = atan2(y, x), stretch = 0;
            for (int h = 0; h <= 8; h++)
                if (d->radial[h] != 0) stretch += d->radial[h] * cos(h * chi - d->phase[h]);
            double down = w * (d->down + stretch * y), right = w * (d->right + stretch * x);
            s->mean_counts[(int64_t)i * f->size + j] =
                fault_value_at(f->scratch, f->size, i + 0.5 - down, j + 0.5 - right);
        }
}

void fault_shift_ring(fault *f) {
    const sl_feature *ring = fault_pick_bent_ring(f->sample);
    double angle = sl_random_range(&f->random, 0, 2 * M_PI), length = (2 + 8 * f->severity) * f->size / 256.0;
    double room = room_around(f->sample, ring);
    /* an arc is moved in or out */
    if (ring->kind == SL_FEATURE_ARC) angle = ring->chi_rad + 0.25 * (angle - M_PI);
    length = fmin(length, 0.55 * room);
    displace_ring(f, ring, &(displacement){.down = length * sin(angle), .right = length * cos(angle)});
}

void fault_stretch_ring(fault *f) {
    displacement d = {.radial = {0, 0, 0.08 * f->severity}};
    d.phase[2] = sl_random_range(&f->random, 0, 2 * M_PI);
    const sl_feature *ring = fault_pick_bent_ring(f->sample);
    /* an arc is inclined: where the stretch is largest, it would be as if it had another radius */
    if (ring->kind == SL_FEATURE_ARC) d.phase[2] = 2 * ring->chi_rad + M_PI / 2 + 0.25 * (d.phase[2] - M_PI);
    displace_ring(f, ring, &d);
}

void fault_wobble_ring(fault *f) {
    displacement d = {.down = 0};
    const sl_feature *ring = fault_pick_bent_ring(f->sample);
    for (int h = 3; h <= 8; h++) {
        double size = sl_random_normal(&f->random);
        d.radial[h] = size * 1.6 * f->severity * (f->size / 256.0) / ring->radius_px;
        d.phase[h] = sl_random_range(&f->random, 0, 2 * M_PI);
    }
    displace_ring(f, ring, &d);
}

const sl_feature *fault_pick_lattice_ring(const sl_sim_sample *sample) {
    enum { OTHERS = 4 };
    const sl_feature *best = NULL;
    int rings = 0;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        if (f->kind != SL_FEATURE_RING || !f->visible || f->z < 20 || f->radius_px < 0.07 * sample->size_px ||
            f->radius_px > 0.7 * sample->size_px || fault_seen_share(sample, f) < 0.3)
            continue;
        double distance = distance_to_next(sample, f);
        if (distance < 3 * f->width_px) continue;
        rings++;
        /* where it lands, it must be a ring of its own */
        if (distance < 0.2 * f->radius_px || distance - 0.1 * f->radius_px < 3 * f->width_px) continue;
        if (!best || f->contrast > best->contrast) best = f;
    }
    return rings > OTHERS ? best : NULL;
}

void fault_jitter_ring(fault *f) {
    double sign = sl_random_chance(&f->random, 0.5) ? -1 : 1;
    displace_ring(f, fault_pick_lattice_ring(f->sample),
                  &(displacement){.radial = {sign * 0.12 * f->severity}});
}

/* One side of the symmetry axis shifted up or down, or weakened. */
void fault_break_mirror(fault *f) {
    sl_sim_sample *s = f->sample;
    bool right = sl_random_chance(&f->random, 0.5), weaken = sl_random_chance(&f->random, 0.5);
    double shift = (3 + 9 * f->severity) * (f->size / 256.0), factor = 1 - 0.8 * f->severity;
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double side = (j + 0.5 - s->beam_column_px) * (right ? 1 : -1) / (4 * f->size / 256.0);
            if (side <= 0) continue;
            double w = fmin(side, 1);
            float *to = &s->mean_counts[(int64_t)i * f->size + j];
            if (weaken)
                *to *= (float)(1 - w * (1 - factor));
            else
                *to = fault_value_at(f->scratch, f->size, i + 0.5 - w * shift, j + 0.5);
        }
}

/* Row of the horizon at a column; it is a straight line. */
static double horizon_row(const sl_sim_sample *s, double column) {
    sl_projection p = sl_projection_of(&s->geometry);
    double row[2], at[2];
    for (int k = 0; k < 2; k++) {
        double x, y, z;
        sl_grazing_direction(&s->grazing, 0, k ? 0.02 : -0.02, &x, &y, &z);
        if (!sl_projection_hit(&p, x, y, z, &row[k], &at[k])) return s->beam_row_px;
    }
    return row[0] + (row[1] - row[0]) * (column - at[0]) / (at[1] - at[0]);
}

void fault_mirror_horizon(fault *f) {
    sl_sim_sample *s = f->sample;
    fault_keep(f, s->mean_counts);
    for (int32_t j = 0; j < f->size; j++) {
        double horizon = horizon_row(s, j + 0.5);
        for (int32_t i = (int32_t)fmax(0, horizon + 1); i < f->size; i++) {
            double mirrored = 2 * horizon - (i + 0.5);
            if (mirrored < 0) break;
            s->mean_counts[(int64_t)i * f->size + j] +=
                (float)f->severity * fault_value_at(f->scratch, f->size, mirrored, j + 0.5);
        }
    }
}

void fault_bend_horizon(fault *f) {
    sl_sim_sample *s = f->sample;
    double depth = (3 + 13 * f->severity) * (f->size / 256.0) * (sl_random_chance(&f->random, 0.5) ? -1 : 1);
    double middle = sl_random_range(&f->random, 0.2, 0.8) * f->size, reach = 0.25 * f->size;
    fault_keep(f, s->mean_counts);
    for (int32_t j = 0; j < f->size; j++) {
        double horizon = horizon_row(s, j + 0.5), u = (j + 0.5 - middle) / (0.45 * f->size);
        for (int32_t i = 0; i < f->size; i++) {
            double down = depth * (u * u - 0.3) * window(i + 0.5 - horizon, reach);
            s->mean_counts[(int64_t)i * f->size + j] =
                fault_value_at(f->scratch, f->size, i + 0.5 - down, j + 0.5);
        }
    }
}

/* Round patches that belong to nothing. */
void fault_add_blobs(fault *f) {
    sl_sim_sample *s = f->sample;
    int count = 1 + (int)(f->severity * sl_random_range(&f->random, 4, 20));
    double unit = f->size / 256.0;
    for (int b = 0; b < count; b++) {
        double row = sl_random_range(&f->random, 0, f->size),
               column = sl_random_range(&f->random, 0, f->size);
        double sigma = sl_random_log_range(&f->random, 1.2, 6) * unit;
        double height = (0.05 + 0.5 * f->severity) * s->level_counts * sl_random_range(&f->random, 0.3, 1);
        sl_spot_add(&(sl_spot){row, column, sigma, sigma, 4 * sigma, height}, s->mean_counts, f->size);
    }
}

void fault_move_beamstop(fault *f) {
    sl_beamstop *stop = &f->sample->measurement.beamstop;
    double angle = sl_random_range(&f->random, 0, 2 * M_PI);
    double length = stop->half_height_px * (1.6 + 3 * f->severity) + 0.02 * f->size;
    stop->row_px += length * sin(angle);
    stop->column_px += length * cos(angle);
}
