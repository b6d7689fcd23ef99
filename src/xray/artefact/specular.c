/* A fault of heights at grazing incidence: the specular spot away from the angle of incidence. */
#include "xray/artefact/internal.h"

#include <math.h>

enum { REACH = 7, LEAST_HEIGHT = 10 }; /* of an image of 256 pixels */
static const double farthest = 0.4;    /* of the angle of incidence */

static bool place_at(const sl_sim_sample *s, double exit_rad, double *row, double *column) {
    sl_projection p = sl_projection_of(&s->geometry);
    double x, y, z;
    sl_grazing_direction(&s->grazing, exit_rad, 0, &x, &y, &z);
    return sl_projection_hit(&p, x, y, z, row, column);
}

static bool is_open(const sl_sim_sample *s, double row, double column) {
    int32_t unit = (int32_t)fmax(1, s->size_px / 256.0);
    for (int32_t i = -3 * unit; i <= 3 * unit; i++)
        for (int32_t j = -unit; j <= unit; j++) {
            int32_t y = (int32_t)row + i, x = (int32_t)column + j;
            if (y < 0 || x < 0 || y >= s->size_px || x >= s->size_px) return false;
            if (s->measured.mask && s->measured.mask[(int64_t)y * s->size_px + x]) return false;
        }
    return true;
}

/* What stands at a place of an image above the rows below and above it. */
static double over_rows(const float *image, int32_t size, double row, double column, double down,
                        double right) {
    double far = REACH * size / 256.0, here = (double)fault_value_at(image, size, row + down, column + right);
    double below = fmax((double)fault_value_at(image, size, row + far, column + right), 1e-6),
           above = fmax((double)fault_value_at(image, size, row - far, column + right), 1e-6);
    return here - sqrt(below * above) * pow(below / above, down / (2 * far));
}

/* The spot at a place on the rod: what stands above the rod there, less what the same rows show beside it, a
 * Yoneda band or a film's reflections. */
static double spot_at(const float *image, int32_t size, double row, double column, double down,
                      double right) {
    double aside = REACH * size / 256.0, band = 0.5 * (over_rows(image, size, row, column, down, -aside) +
                                                       over_rows(image, size, row, column, down, aside));
    return fmax(0, over_rows(image, size, row, column, down, right) - fmax(0, band));
}

/* Whether it stands out where it is: by half of all that is there, and by eight times the noise of its nine
 * pixels. */
static bool stands_out(const sl_sim_sample *s, double row, double column) {
    double spot = spot_at(s->mean_counts, s->size_px, row, column, 0, 0),
           all = (double)fault_value_at(s->mean_counts, s->size_px, row, column),
           exposure = s->measurement.exposure, nine = 9 * 0.6;
    return spot > 0.5 * all && nine * spot * exposure > 8 * sqrt(nine * all * exposure + 1);
}

/* Whether a spot of that height stands out where it is moved to, and no gap or stop hides it. */
static bool would_stand_out(const sl_sim_sample *s, double share, double spot) {
    double row, column;
    if (!place_at(s, share * s->grazing.incidence_rad, &row, &column) || !is_open(s, row, column))
        return false;
    return spot > 1.2 * (double)fault_value_at(s->mean_counts, s->size_px, row, column);
}

/* +1 or -1: the way the spot can be moved and be seen; 0: neither. */
static int way_to_move(const sl_sim_sample *s, double share, bool up_first) {
    double row, column;
    if (!place_at(s, s->grazing.incidence_rad, &row, &column)) return 0;
    double spot = spot_at(s->mean_counts, s->size_px, row, column, 0, 0);
    int way = up_first ? 1 : -1;
    if (would_stand_out(s, 1 + way * share, spot)) return way;
    return would_stand_out(s, 1 - way * share, spot) ? -way : 0;
}

bool fault_specular_is_seen(const sl_sim_sample *sample) {
    double row[2], column[2];
    if (!sample->is_grazing || !sample->mean_counts) return false;
    for (int k = 0; k < 2; k++)
        if (!place_at(sample, k * sample->grazing.incidence_rad, &row[k], &column[k])) return false;
    return row[0] - row[1] > LEAST_HEIGHT * sample->size_px / 256.0 && is_open(sample, row[1], column[1]) &&
           stands_out(sample, row[1], column[1]) && way_to_move(sample, farthest, true) != 0;
}

/* The spot is taken from its place and set at an exit angle that is up to 40 % larger or smaller. */
void fault_move_specular(fault *f) {
    sl_sim_sample *s = f->sample;
    int way = way_to_move(s, farthest, sl_random_uniform(&f->random) >= 0.5);
    double row[2], column[2], unit = f->size / 256.0;
    for (int k = 0; k < 2; k++)
        if (!place_at(s, s->grazing.incidence_rad * (k ? 1 + way * farthest * f->severity : 1), &row[k],
                      &column[k]))
            return;
    fault_keep(f, s->mean_counts);
    int32_t reach = (int32_t)(REACH * unit);
    for (int32_t i = -reach; i <= reach; i++)
        for (int32_t j = -reach; j <= reach; j++)
            for (int k = 0; k < 2; k++) {
                int32_t y = (int32_t)floor(row[k]) + i, x = (int32_t)floor(column[k]) + j;
                if (y < 0 || x < 0 || y >= f->size || x >= f->size) continue;
                double spot =
                    spot_at(f->scratch, f->size, row[0], column[0], y + 0.5 - row[k], x + 0.5 - column[k]);
                float *to = &s->mean_counts[(int64_t)y * f->size + x];
                *to = fmaxf(0, *to + (float)(k ? spot : -spot));
            }
}
