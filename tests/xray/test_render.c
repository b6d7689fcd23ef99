/* From scenes to images: what the pixels hold against the laws, one by one. */
#include "test.h"

#include "base/memory.h"
#include "xray/scatter/absorption.h"
#include "xray/quantile.h"
#include "xray/sim/scene.h"
#include "xray/scatter/special.h"
#include "xray/scatter/texture.h"

#include <math.h>
#include <stdlib.h>

#define DEGREE (M_PI / 180)
enum { SIDE = 96 };

static void near_to(double found, double expected, double relative) {
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.10g, expected %.10g within %g", found, expected, relative);
}

/* 0.2 m behind a wide-angle sample, 10 keV; the beam in the middle. */
static sl_scene *new_scene(sl_arena *arena) {
    sl_scene *scene;
    assert_ok(sl_alloc(&scene, 1, sizeof *scene));
    scene->size_px = SIDE;
    scene->level_counts = 1000;
    scene->arena = arena;
    scene->geometry = (sl_geometry){.distance_m = 0.2,
                                    .poni1_m = 0.096,
                                    .poni2_m = 0.096,
                                    .pixel_m = 2e-3,
                                    .wavelength_ang = sl_wavelength_of_energy_ang(10),
                                    .polarisation = 0.95};
    scene->projection = sl_projection_of(&scene->geometry);
    scene->beam_row_px = scene->beam_column_px = SIDE / 2.0;
    scene->q_max_per_ang = sl_projection_pixel(&scene->projection, 0, 0).q_per_ang * 1.01;
    return scene;
}

static void even_sample(sl_scene *scene) {
    for (int i = 0; i < SL_SCENE_RADIAL; i++) scene->sample[i] = 1;
}

static float *rendered(sl_scene *scene) {
    float *image = calloc(SIDE * SIDE, sizeof *image);
    assert_ok(scene_render(scene, image));
    return image;
}

/* An even scatterer shows solid angle, polarisation, sensor and path through the sample alone. */
static void losses_follow_their_laws(void **state) {
    (void)state;
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    sl_scene *scene = new_scene(arena);
    even_sample(scene);
    scene->sensor_depth = 0.7;
    scene->sample_depth = 0.9;
    float *image = rendered(scene);
    double first = 0;
    for (int k = 0; k < SIDE; k += 5) {
        sl_pixel p = sl_projection_pixel(&scene->projection, k + 0.5, 2 * k % SIDE + 0.5);
        double law = p.solid_angle * p.polarisation * sl_sensor_efficiency(0.7, cbrt(p.solid_angle)) *
                     sl_slab_transmission(0.9, p.cos_two_theta);
        double found = (double)image[k * SIDE + 2 * k % SIDE];
        if (k == 0) first = found / law;
        near_to(found / law, first, 3e-4);
    }
    free(image);
    sl_free(scene);
    sl_arena_free(arena);
}

/* The map over q and angle against the ring's own formulas: every pixel above a hundredth of the highest. */
static void textured_rings_are_peak_times_density(void **state) {
    (void)state;
    static const double psi[] = {0, 0.6, M_PI / 2}, march[] = {0, 0, 0.5};
    for (int a = 0; a < 3; a++) {
        sl_arena *arena;
        assert_ok(sl_arena_new(&arena));
        sl_scene *scene = new_scene(arena);
        scene->march = march[a];
        scene->axis[2] = 1;
        double q0 = 0.55 * scene->q_max_per_ang, fwhm = scene_fwhm(scene, q0, 0.15);
        scene_set_fibre(scene, scene_add_ring(scene, q0, 1, fwhm, 0.01), psi[a], 12 * DEGREE, 0.1);
        float *image = rendered(scene);
        double top = 0, law_top = 0, worst = 0;
        static double law[SIDE * SIDE];
        for (int k = 0; k < SIDE * SIDE; k++) {
            sl_pixel p = sl_projection_pixel(&scene->projection, k / SIDE + 0.5, k % SIDE + 0.5);
            double cosine = scene->projection.k0_per_ang * p.z / p.q_per_ang,
                   chi = acos(fmin(fabs(cosine), 1));
            double density = march[a] > 0 ? sl_texture_march_pole(chi, psi[a], march[a])
                                          : sl_texture_fibre(chi, psi[a], 12 * DEGREE);
            law[k] = sl_pseudo_voigt(p.q_per_ang - q0, fwhm, 0) * (0.1 + 0.9 * density) * p.solid_angle *
                     p.polarisation;
            law_top = fmax(law_top, law[k]);
            top = fmax(top, (double)image[k]);
        }
        for (int k = 0; k < SIDE * SIDE; k++)
            if (law[k] > 0.01 * law_top) worst = fmax(worst, fabs((double)image[k] / top - law[k] / law_top));
        if (worst > 0.012) fail_msg("psi %g: off by %g of the highest value", psi[a], worst);
        free(image);
        sl_free(scene);
        sl_arena_free(arena);
    }
}

static void shadows_have_their_edge_and_depth(void **state) {
    (void)state;
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    sl_scene *scene = new_scene(arena);
    even_sample(scene);
    float *open = rendered(scene);
    scene->shadow_loss = 0.8;
    scene->shadow_from_px = 20; /* right of the middle */
    scene->shadow_blur_px = 1;
    float *shaded = rendered(scene);
    near_to((double)shaded[10 * SIDE + 50] / (double)open[10 * SIDE + 50], 1, 2e-2);
    double unit = (double)shaded[10 * SIDE + 50] / (double)open[10 * SIDE + 50];
    near_to((double)shaded[10 * SIDE + 80] / (double)open[10 * SIDE + 80] / unit, 0.2, 1e-4);
    near_to((double)shaded[70 * SIDE + 20] / (double)open[70 * SIDE + 20] / unit, 1, 1e-4);
    free(open);
    free(shaded);
    sl_free(scene);
    sl_arena_free(arena);
}

/* Each order is elastic, and its q has m q1 across the lines and nothing along them. Values at 0.3 degrees,
 * 10 keV and a period of 1500 angstrom: sin^2 = sin^2 ai + 2 cos ai m (q1/k0) sin phi - (m q1/k0)^2. */
static void gratings_lie_on_the_ewald_sphere(void **state) {
    (void)state;
    double k0 = 2 * M_PI / sl_wavelength_of_energy_ang(10), q1 = 2 * M_PI / 1500, si = sin(0.3 * DEGREE),
           sine, azimuth;
    assert_true(scene_grating_order(k0, si, q1, 0, 3, &sine, &azimuth));
    near_to(sine, 4.61156e-3, 1e-5);
    near_to(azimuth, asin(3 * q1 / k0), 1e-4);
    assert_false(scene_grating_order(k0, si, q1, 0, 7, &sine, &azimuth)); /* below the horizon */
    for (int order = -3; order <= 40; order += 3) {
        double phi = 1.5 * DEGREE, ci = sqrt(1 - si * si);
        if (!scene_grating_order(k0, si, q1, phi, order, &sine, &azimuth)) {
            assert_true(order < 0 || order > 60);
            continue;
        }
        double ce = sqrt(1 - sine * sine), qx = k0 * (ce * cos(azimuth) - ci), qy = k0 * ce * sin(azimuth);
        assert_true(fabs(qx * cos(phi) + qy * sin(phi)) < 1e-9 * k0);
        assert_true(fabs(-qx * sin(phi) + qy * cos(phi) - order * q1) < 1e-9 * k0);
    }
}

/* Turned against the beam, a grating is not the same left and right; along it, it is. */
static void misaligned_gratings_are_lopsided(void **state) {
    (void)state;
    static const char *const azimuths[] = {"0", "1.5"}, *const orders[] = {"grating"}, *const rolls[] = {"0"};
    for (int a = 0; a < 2; a++) {
        sl_sim_overrides overrides = {0};
        sl_sim_sample s = {0};
        assert_ok(sl_sim_overrides_set(&overrides, SL_SIM_GISAXS_LATTICE, SL_PARAMETER_ORDER, orders, 1));
        assert_ok(sl_sim_overrides_set(&overrides, SL_SIM_GISAXS_LATTICE, SL_PARAMETER_ROLL_DEG, rolls, 1));
        assert_ok(sl_sim_overrides_set(&overrides, SL_SIM_GISAXS_LATTICE, SL_PARAMETER_GRATING_AZIMUTH_DEG,
                                       &azimuths[a], 1));
        sl_sim_options options = {.size_px = 128, .class_id = SL_SIM_GISAXS_LATTICE, .overrides = &overrides};
        int alone = 0, paired = 0;
        for (uint32_t k = 0; k < 6; k++) {
            assert_ok(sl_sim_sample_make(3, k, &options, &s));
            for (int i = 0; i < s.feature_count; i++) {
                double mirrored = 2 * s.beam_column_px - s.feature[i].column_px;
                if (s.feature[i].kind != SL_FEATURE_SPOT || mirrored < 2 || mirrored > 126) continue;
                bool found = false;
                for (int j = 0; j < s.feature_count; j++)
                    found |= s.feature[j].kind == SL_FEATURE_SPOT &&
                             fabs(s.feature[j].column_px - mirrored) < 0.6 &&
                             fabs(s.feature[j].row_px - s.feature[i].row_px) < 0.6;
                alone += !found;
                paired += found;
            }
        }
        assert_true(a == 0 ? paired > 10 && alone == 0 : alone > 10 && paired < alone);
        sl_sim_overrides_free(&overrides);
        sl_sim_sample_free(&s);
    }
}

static void near_angles_are_near(void **state) {
    (void)state;
    for (int k = 0; k <= 1000; k++) {
        double x = k / 1000.0, turn = k / 1000.0 * 2 * M_PI;
        assert_true(fabs((double)sl_acos_near((float)x) - acos(x)) < 1e-4);
        double found = (double)sl_turns_near((float)sin(turn), (float)cos(turn)) - k / 1000.0;
        assert_true(fabs(found - round(found)) < 2e-5);
    }
    assert_true(sl_turns_near(0, 0) == 0);
}

static void rows_are_their_pixels(void **state) {
    (void)state;
    sl_scene *scene = new_scene(NULL);
    scene->geometry.rotation_rad[0] = 0.1;
    scene->geometry.rotation_rad[1] = -0.2;
    sl_projection p = sl_projection_of(&scene->geometry);
    sl_pixel row[SIDE];
    sl_projection_row(&p, 17.5, SIDE, row);
    for (int j = 0; j < SIDE; j++) {
        sl_pixel one = sl_projection_pixel(&p, 17.5, j + 0.5);
        assert_true(one.q_per_ang == row[j].q_per_ang && one.z == row[j].z &&
                    one.polarisation == row[j].polarisation);
    }
    sl_free(scene);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Also where few values are many times repeated, and where the highest come in one place. */
static void high_quantiles_are_ranks(void **state) {
    (void)state;
    enum { N = 20000 };
    static float values[N], sorted[N];
    static const double fractions[] = {0.5, 0.93, 0.99, 0.999, 1};
    for (int kind = 0; kind < 3; kind++) {
        sl_random random = sl_random_stream(7, SL_STREAM_TEST, (uint32_t)kind);
        for (int i = 0; i < N; i++) {
            double u = sl_random_uniform(&random);
            values[i] = (float)(kind == 0 ? u * u : kind == 1 ? floor(3 * u) : i < 150 ? 5 + u : u);
            sorted[i] = values[i];
        }
        qsort(sorted, N, sizeof *sorted, by_value);
        for (int f = 0; f < 5; f++) {
            double found;
            assert_ok(sl_quantile(values, N, fractions[f], &found));
            assert_true(found == (double)sorted[(size_t)((N - 1) * fractions[f])]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_follow_their_laws),
        cmocka_unit_test(textured_rings_are_peak_times_density),
        cmocka_unit_test(shadows_have_their_edge_and_depth),
        cmocka_unit_test(gratings_lie_on_the_ewald_sphere),
        cmocka_unit_test(misaligned_gratings_are_lopsided),
        cmocka_unit_test(near_angles_are_near),
        cmocka_unit_test(rows_are_their_pixels),
        cmocka_unit_test(high_quantiles_are_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
