/* A fault of heights at grazing incidence: the specular spot away from the angle of incidence. */
#include "xray/artefact/internal.h"

#include <math.h>
#include <string.h>

enum { REACH = 7, LEAST_HEIGHT = 10 }; /* of an image of 256 pixels */

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

bool fault_specular_is_seen(const sl_sim_sample *sample) {
    double row[4], column[4], angle = sample->grazing.incidence_rad, unit = sample->size_px / 256.0;
    static const double share[4] = {0, 1, 0.6, 1.4};
    if (!sample->is_grazing) return false;
    for (int k = 0; k < 4; k++)
        if (!place_at(sample, share[k] * angle, &row[k], &column[k])) return false;
    bool visible = false;
    for (int k = 0; k < sample->feature_count; k++)
        if (sample->feature[k].kind == SL_FEATURE_SPECULAR)
            visible = sample->feature[k].visible && sample->feature[k].contrast > 0.06;
    for (int k = 1; k < 4 && visible; k++) visible = is_open(sample, row[k], column[k]);
    return visible && row[0] - row[1] > LEAST_HEIGHT * unit;
}

/* What stands out at a place on the rod, of its sides and of the rod below and above. */
static double excess(const fault *f, double row, double column, double down, double right) {
    double unit = f->size / 256.0, far = REACH * unit;
    double here = (double)fault_value_at(f->scratch, f->size, row + down, column + right);
    double below = (double)fault_value_at(f->scratch, f->size, row + far, column + right),
           above = (double)fault_value_at(f->scratch, f->size, row - far, column + right);
    double rod = sqrt(fmax(below, 1e-6) * fmax(above, 1e-6)) *
                 pow(fmax(below, 1e-6) / fmax(above, 1e-6), down / (2 * far));
    return fmax(0, here - rod);
}

/* The spot is taken from its place and set at an exit angle that is up to 40 % larger or smaller. */
void fault_move_specular(fault *f) {
    sl_sim_sample *s = f->sample;
    double sign = sl_random_uniform(&f->random) < 0.5 ? -1 : 1, row[2], column[2], unit = f->size / 256.0;
    for (int k = 0; k < 2; k++)
        if (!place_at(s, s->grazing.incidence_rad * (k ? 1 + sign * 0.4 * f->severity : 1), &row[k],
                      &column[k]))
            return;
    memcpy(f->scratch, s->mean_counts, (size_t)f->size * (size_t)f->size * sizeof(float));
    int32_t reach = (int32_t)(REACH * unit);
    for (int32_t i = -reach; i <= reach; i++)
        for (int32_t j = -reach; j <= reach; j++)
            for (int k = 0; k < 2; k++) {
                int32_t y = (int32_t)floor(row[k]) + i, x = (int32_t)floor(column[k]) + j;
                if (y < 0 || x < 0 || y >= f->size || x >= f->size) continue;
                double spot = excess(f, row[0], column[0], y + 0.5 - row[k], x + 0.5 - column[k]);
                float *to = &s->mean_counts[(int64_t)y * f->size + x];
                *to = fmaxf(0, *to + (float)(k ? spot : -spot));
            }
}
