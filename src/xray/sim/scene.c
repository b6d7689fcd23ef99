#include "xray/sim/scene.h"

#include "xray/scatter/special.h"
#include "xray/scatter/texture.h"

#include <math.h>
#include <string.h>

double scene_q_of_radius(const sl_scene *scene, double radius_px) {
    double angle = atan(radius_px * scene->geometry.pixel_m / scene->geometry.distance_m);
    return 2 * scene->projection.k0_per_ang * sin(angle / 2);
}

double scene_radius_of_q(const sl_scene *scene, double q_per_ang) {
    double s = q_per_ang / (2 * scene->projection.k0_per_ang);
    if (s >= 0.7) return 1e9;
    return tan(2 * asin(s)) * scene->geometry.distance_m / scene->geometry.pixel_m;
}

/* The narrowest full width a ring may have at q: a Gaussian of 0.9 pixels. */
static double least_fwhm(const sl_scene *scene, double q_per_ang) {
    return 2.3548 * 0.9 * sl_projection_q_step(&scene->projection, q_per_ang);
}

double scene_fwhm(const sl_scene *scene, double q_per_ang, double fwhm_per_ang) {
    return hypot(fwhm_per_ang, least_fwhm(scene, q_per_ang));
}

void scene_add_table(const sl_scene *scene, const double *values, int coarse, double factor, float *table) {
    (void)scene;
    double step = (double)(coarse - 1) / (SL_SCENE_RADIAL - 1);
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double x = i * step;
        int k = (int)x;
        if (k > coarse - 2) k = coarse - 2;
        double t = x - k, b = values[k], c = values[k + 1];
        double a = k > 0 ? values[k - 1] : b, d = k + 2 < coarse ? values[k + 2] : c;
        double v = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
        table[i] += (float)(factor * fmax(v, 0));
    }
}

/* First and last table index within `reach` of q. */
static void table_span(const sl_scene *scene, double q, double reach, int *first, int *last) {
    double step = scene->q_max_per_ang / (SL_SCENE_RADIAL - 1);
    *first = (int)fmax(0, ceil((q - reach) / step));
    *last = (int)fmin(SL_SCENE_RADIAL - 1, floor((q + reach) / step));
}

void scene_add_peak(const sl_scene *scene, float *table, double q, double area, double fwhm, double lorentz) {
    int first, last;
    table_span(scene, q, (lorentz > 0 ? 40 : 4) * fwhm, &first, &last);
    double step = scene->q_max_per_ang / (SL_SCENE_RADIAL - 1);
    for (int i = first; i <= last; i++)
        table[i] += (float)(area * sl_pseudo_voigt(i * step - q, fwhm, lorentz));
}

void scene_add_halo(sl_scene *scene, float *table, double q, double height, double fwhm_low,
                    double fwhm_high) {
    double step = scene->q_max_per_ang / (SL_SCENE_RADIAL - 1);
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double x = i * step - q, u = 2 * x / (x < 0 ? fwhm_low : fwhm_high);
        if (u * u < 60) table[i] += (float)(height * exp(-M_LN2 * u * u));
    }
    if (scene->halo_count < 4) scene->halo[scene->halo_count++] = (scene_halo){q, (fwhm_low + fwhm_high) / 2};
}

scene_ring *scene_add_ring(sl_scene *scene, double q, double area, double fwhm, double lorentz) {
    if (scene->ring_count >= SL_SCENE_RINGS || q >= scene->q_max_per_ang) return NULL;
    scene_ring *ring = &scene->ring[scene->ring_count++];
    *ring =
        (scene_ring){.q_per_ang = q, .area = area, .fwhm_per_ang = fwhm, .lorentz = lorentz, .isotropic = 1};
    return ring;
}

void scene_set_fibre(sl_scene *scene, scene_ring *ring, double psi, double sigma, double isotropic) {
    if (!ring) return;
    ring->psi_rad = psi;
    ring->sigma_rad = sigma;
    ring->isotropic = isotropic;
    ring->axis_table = SL_NEW(scene->arena, float, SL_SCENE_AXIS);
    /* broad distributions: every third point, and cubics between them */
    int step = scene->march > 0.4 || (!(scene->march > 0) && sigma > 0.03) ? 3 : 1,
        few = (SL_SCENE_AXIS - 1) / step + 1;
    float coarse[SL_SCENE_AXIS];
    for (int i = 0; i < few; i++) {
        double chi = i * step * (M_PI / 2) / (SL_SCENE_AXIS - 1);
        coarse[i] = (float)(scene->march > 0 ? sl_texture_march_pole(chi, psi, scene->march)
                                             : sl_texture_fibre(chi, psi, sigma));
    }
    for (int i = 0; i < SL_SCENE_AXIS; i++) {
        double density =
            fmax(step > 1 ? sl_table_cubic(coarse, few, (double)i / step) : (double)coarse[i], 0);
        ring->axis_table[i] = (float)(isotropic + (1 - isotropic) * density);
    }
}

double scene_random_intensity(sl_scene *scene, double q) {
    return scene_range(scene, 0.2, 1) * exp(-0.08 * q * q);
}

const sl_material *scene_pick_material(sl_scene *scene, const char *const *ids, int count) {
    bool held_out = scene->domain == SL_SIM_DOMAIN_HELD_OUT;
    const sl_material *usable[32];
    int found = 0;
    for (int i = 0; i < count; i++) {
        const sl_material *m = sl_material_find(ids[i]);
        if (m && m->held_out == held_out) usable[found++] = m;
    }
    const sl_material *drawn = usable[scene_below(scene, found > 0 ? found : 1)];
    int index = 0;
    while (sl_material_at(index) != drawn) index++;
    return sl_material_at(scene_word(scene, SL_PARAMETER_MATERIAL, index));
}

void scene_draw_march(sl_scene *scene, double probability) {
    bool present = scene_chance(scene, probability);
    double march =
        scene_chance(scene, 0.6) ? scene_log_range(scene, 0.25, 0.8) : scene_log_range(scene, 1.3, 3);
    if (present || scene_is_given(scene, SL_PARAMETER_MARCH))
        scene->march = scene_number(scene, SL_PARAMETER_MARCH, march);
}
