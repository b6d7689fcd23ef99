/* A fault of what all scattering shares at wide angles: how it changes around the beam. */
#include "xray/artefact/internal.h"

#include <math.h>

/* The largest effect of the polarisation in the frame, as share of the intensity. */
static double effect_in_frame(const sl_sim_sample *s, const sl_projection *p) {
    double most = 0;
    for (int corner = 0; corner < 4; corner++) {
        double cosine =
            sl_projection_pixel(p, corner & 1 ? s->size_px : 0, corner & 2 ? s->size_px : 0).cos_two_theta;
        most = fmax(most, p->geometry.polarisation * (1 - cosine * cosine) / (1 + cosine * cosine));
    }
    return most;
}

/* The beam's polarisation turned from horizontal towards vertical, or one side of the beam brighter. Where
 * the frame holds only small angles, the first would not be seen. */
void fault_change_polarisation(fault *f) {
    sl_sim_sample *s = f->sample;
    sl_projection p = sl_projection_of(&s->geometry);
    bool turn = sl_random_chance(&f->random, 0.5) && effect_in_frame(s, &p) > 0.15;
    double angle = sl_random_range(&f->random, 0, 2 * M_PI), f_before = s->geometry.polarisation,
           f_after = f_before * (1 - 2 * f->severity);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            sl_pixel pixel = sl_projection_pixel(&p, i + 0.5, j + 0.5);
            double usual = 1 + pixel.x * pixel.x, across = pixel.y * pixel.y - pixel.z * pixel.z;
            double factor = turn ? (usual - f_after * across) / (usual - f_before * across)
                                 : 1 + 0.2 * f->severity * cos(atan2(-pixel.z, pixel.y) - angle);
            s->mean_counts[(int64_t)i * f->size + j] *= (float)factor;
        }
}
