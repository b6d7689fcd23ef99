/* Faults of single orders of diffraction: each leaves the others as they are. */
#include "xray/artefact/internal.h"

#include <math.h>

/* Where a pixel is in the pattern: as on a flat detector across the beam, whatever the tilt. */
typedef struct place {
    double radius_px, azimuth_rad;
} place;

static place place_of(const sl_projection *p, double row, double column) {
    sl_pixel pixel = sl_projection_pixel(p, row, column);
    double across = sqrt(pixel.y * pixel.y + pixel.z * pixel.z) / fmax(pixel.x, 0.02);
    return (place){across * p->geometry.distance_m / p->geometry.pixel_m, atan2(-pixel.z, pixel.y)};
}

static float value_at_place(const fault *f, const sl_projection *p, place at) {
    double right = at.radius_px * cos(at.azimuth_rad), down = at.radius_px * sin(at.azimuth_rad), row, column;
    const sl_geometry *g = &p->geometry;
    if (!sl_projection_hit(p, g->distance_m, right * g->pixel_m, -down * g->pixel_m, &row, &column)) return 0;
    return fault_value_at(f->scratch, f->size, row, column);
}

static double radius_of_q(const sl_sim_sample *s, double q_per_ang) {
    double sine = fmin(q_per_ang * s->geometry.wavelength_ang / (4 * M_PI), 0.6);
    return tan(2 * asin(sine)) * s->geometry.distance_m / s->geometry.pixel_m;
}

/* Distance to the nearest other ring or arc that can be told from it. */
static double room_around(const sl_sim_sample *s, const sl_feature *ring) {
    double room = 0.6 * ring->radius_px;
    for (int k = 0; k < s->feature_count; k++) {
        const sl_feature *f = &s->feature[k];
        if (f == ring || f->radius_px <= 0 || f->kind == SL_FEATURE_HALO || f->contrast < 0.005) continue;
        room = fmin(room, fabs(f->radius_px - ring->radius_px));
    }
    return room;
}

static bool is_in_frame(const sl_sim_sample *s, const sl_feature *f) {
    double margin = 0.02 * s->size_px;
    return f->row_px > margin && f->column_px > margin && f->row_px < s->size_px - margin &&
           f->column_px < s->size_px - margin;
}

static bool is_lone(const sl_sim_sample *sample, const sl_feature *f, sl_feature_kind kind, double widths) {
    return f->kind == kind && f->visible && is_in_frame(sample, f) && f->radius_px > 0.08 * sample->size_px &&
           f->radius_px < 0.7 * sample->size_px && f->z > 20 && f->contrast > 0.05 &&
           f->width_px < 0.04 * sample->size_px &&
           (kind == SL_FEATURE_ARC || fault_seen_share(sample, f) >= FAULT_SEEN_LEAST) &&
           room_around(sample, f) > widths * f->width_px;
}

const sl_feature *fault_pick_lone_ring(const sl_sim_sample *sample, sl_feature_kind kind, double widths) {
    const sl_feature *best = NULL;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        if (is_lone(sample, f, kind, widths) && (!best || f->z > best->z)) best = f;
    }
    return best;
}

/* The distance from the ring's middle that lands at `distance` when the ring is drawn `factor` times as wide
 * without touching what lies beyond `room`. */
static double unwiden(double distance, double factor, double inner, double room) {
    double d = fabs(distance), from = d;
    if (d < inner)
        from = d / factor;
    else if (d < room)
        from = inner / factor + (d - inner) * (room - inner / factor) / (room - inner);
    return distance < 0 ? -from : from;
}

/* One ring becomes wider: within a range of azimuth with soft edges. */
void fault_widen_ring(fault *f) {
    sl_sim_sample *s = f->sample;
    const sl_feature *ring = fault_pick_lone_ring(s, SL_FEATURE_RING, FAULT_WIDE_ROOM);
    sl_projection p = sl_projection_of(&s->geometry);
    double at = radius_of_q(s, ring->q_per_ang), room = 0.8 * room_around(s, ring),
           most = 1 + 2 * f->severity;
    double inner = fmin(0.7 * room, 1.3 * most * ring->width_px), middle = ring->chi_rad,
           half = sl_random_range(&f->random, 0.6, 1.2);
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            place here = place_of(&p, i + 0.5, j + 0.5);
            double away = fabs(remainder(here.azimuth_rad - middle, 2 * M_PI)),
                   distance = here.radius_px - at;
            if (fabs(distance) >= room) continue;
            double factor = 1 + (most - 1) / (1 + exp((away - half) / 0.05));
            if (factor < 1.001) continue;
            here.radius_px = at + unwiden(distance, factor, inner, room);
            s->mean_counts[(int64_t)i * f->size + j] = value_at_place(f, &p, here);
        }
}

static const double turn_most_rad = 20 * M_PI / 180;

/* The arcs of one order are turned about the beam. */
void fault_turn_order(fault *f) {
    sl_sim_sample *s = f->sample;
    const sl_feature *ring = fault_pick_order(s);
    sl_projection p = sl_projection_of(&s->geometry);
    double at = radius_of_q(s, ring->q_per_ang), room = 0.85 * room_around(s, ring),
           turn = turn_most_rad * f->severity * (sl_random_chance(&f->random, 0.5) ? -1 : 1);
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            place here = place_of(&p, i + 0.5, j + 0.5);
            double away = fabs(here.radius_px - at) / room;
            if (away >= 1) continue;
            /* the whole ring is turned; beyond it the turn fades, where there is nothing to see */
            here.azimuth_rad -= turn * fmin(1, 3 * (1 - away));
            s->mean_counts[(int64_t)i * f->size + j] = value_at_place(f, &p, here);
        }
}

/* Whether the order's arc at chi and the one opposite are seen, and both where a turn takes them: an arc
 * alone is symmetric about too many axes. */
static bool is_pair_seen(const sl_sim_sample *s, const sl_feature *f, double chi) {
    for (int side = 0; side < 2; side++)
        for (int turn = -1; turn <= 1; turn++)
            if (!fault_is_seen(s, f, chi + side * M_PI + turn * turn_most_rad)) return false;
    return true;
}

/* How much the order's height changes around the beam, of its largest; 0 where less than `least_seen` of it
 * is on the frame, or not the strongest arc and its opposite. */
static double texture_of(const sl_sim_sample *s, const sl_feature *f) {
    enum { AZIMUTHS = 96 };
    static const double least_seen = 0.55;
    double least = INFINITY, most = 0, at = 0, aside = 2.5 * f->width_px;
    if (fault_seen_share(s, f) < least_seen) return 0;
    for (int k = 0; k < AZIMUTHS; k++) {
        double value[3];
        bool seen = true;
        for (int side = 0; side < 3 && seen; side++) {
            double radius = f->radius_px + (side - 1) * aside, chi = 2 * M_PI * k / AZIMUTHS,
                   row = s->beam_row_px + radius * sin(chi), column = s->beam_column_px + radius * cos(chi);
            seen = row > 0 && column > 0 && row < s->size_px && column < s->size_px;
            if (seen) value[side] = (double)fault_value_at(s->mean_counts, s->size_px, row, column);
        }
        if (!seen) continue;
        double height = value[1] - 0.5 * (value[0] + value[2]);
        least = fmin(least, height);
        if (height > most) most = height, at = 2 * M_PI * k / AZIMUTHS;
    }
    return most > 0 && is_pair_seen(s, f, at) ? (most - fmax(least, 0)) / most : 0;
}

const sl_feature *fault_pick_order(const sl_sim_sample *sample) {
    const sl_feature *best = NULL;
    int orders = 0;
    for (int k = 0; k < sample->feature_count; k++) {
        const sl_feature *f = &sample->feature[k];
        if (!is_lone(sample, f, SL_FEATURE_ARC, FAULT_TURN_ROOM) || texture_of(sample, f) < 0.6) continue;
        orders++;
        if (!best || f->z > best->z) best = f;
    }
    return orders >= 2 ? best : NULL;
}
