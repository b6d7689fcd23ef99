#include "test.h"

#include "xray/scatter/absorption.h"
#include "xray/instrument/detector.h"
#include "xray/scatter/form_factor.h"
#include "xray/instrument/geometry.h"
#include "xray/scatter/lattice.h"
#include "xray/scatter/material.h"
#include "xray/scatter/power_law.h"
#include "xray/scatter/reflectivity.h"
#include "xray/scatter/special.h"
#include "xray/scatter/structure_factor.h"
#include "xray/scatter/texture.h"

#include <math.h>
#include <stdlib.h>

static void near_to(double found, double expected, double relative) {
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.10g, expected %.10g within %g", found, expected, relative);
}

/* Values of sasmodels 1.1.0 at q = .001 .01 .03 .1 .3 / angstrom. */
static const double qs[5] = {.001, .01, .03, .1, .3};

static void forms(const sl_form *form, const double expected[5], double relative) {
    double found[5];
    assert_ok(sl_form_intensity(form, 5, qs, found));
    for (int i = 0; i < 5; i++) near_to(found[i], expected[i], relative);
}

static void form_factors_have_reference_values(void **state) {
    (void)state;
    forms(&(sl_form){.kind = SL_FORM_SPHERE, .size_ang = 50, .sld = 4, .solvent_sld = 1},
          (const double[]){471.003329, 448.175669, 295.849478, 1.53393840, 0.0540248330}, 1e-7);
    forms(&(sl_form){.kind = SL_FORM_CORE_SHELL,
                     .size_ang = 60,
                     .second_ang = 10,
                     .sld = 1,
                     .shell_sld = 2,
                     .solvent_sld = 3},
          (const double[]){381.273047, 349.293034, 164.803746, 1.24914787, 1.33634730e-6}, 1e-6);
    forms(&(sl_form){.kind = SL_FORM_SPHERE,
                     .size_ang = 50,
                     .sld = 4,
                     .solvent_sld = 1,
                     .spread = 0.1,
                     .spread_points = 80},
          (const double[]){526.426391, 497.858207, 312.731795, 2.56313180, 0.0417056450}, 1e-7);
    forms(&(sl_form){.kind = SL_FORM_CYLINDER, .size_ang = 20, .second_ang = 400, .sld = 4, .solvent_sld = 1},
          (const double[]){450.355066, 301.823887, 103.293867, 11.8935374, 0.104599023}, 1e-6);
    forms(
        &(sl_form){.kind = SL_FORM_ELLIPSOID, .size_ang = 20, .second_ang = 400, .sld = 4, .solvent_sld = 1},
        (const double[]){11808.8429, 1920.91637, 177.873147, 6.76740798, 0.0576697899}, 1e-6);
}

static void boxes_and_knees_have_reference_values(void **state) {
    (void)state;
    forms(&(sl_form){.kind = SL_FORM_BOX,
                     .size_ang = 40,
                     .second_ang = 60,
                     .third_ang = 200,
                     .sld = 4,
                     .solvent_sld = 1},
          (const double[]){431.4580303, 381.8501492, 171.9230915, 6.801798336, 0.03703385627}, 1e-8);
    forms(
        &(sl_form){
            .kind = SL_FORM_FUZZY_SPHERE, .size_ang = 60, .second_ang = 10, .sld = 4, .solvent_sld = 1},
        (const double[]){813.6333327, 749.9117725, 376.5578873, 2.108444359, 4.246279109e-06}, 1e-8);
    forms(&(sl_form){.kind = SL_FORM_COIL, .size_ang = 60},
          (const double[]){0.9988010792, 0.8900667604, 0.4342257078, 0.05401234568, 0.006153787532}, 1e-8);
    forms(&(sl_form){.kind = SL_FORM_GUINIER_POROD, .size_ang = 60, .second_ang = 3},
          (const double[]){0.9988007197, 0.8869204367, 0.3395955256, 0.009861053083, 0.0003652241883}, 1e-8);
}

/* A box of equal sides is a cube however it is turned, and a flat one scatters as q^-2. */
static void boxes_have_their_limits(void **state) {
    (void)state;
    sl_form box = {
        .kind = SL_FORM_BOX, .size_ang = 30, .second_ang = 50, .third_ang = 90, .sld = 3, .solvent_sld = 1};
    sl_form turned = box;
    turned.size_ang = 90, turned.third_ang = 30;
    for (int i = 0; i < 5; i++)
        near_to(sl_form_intensity_single(&box, qs[i]), sl_form_intensity_single(&turned, qs[i]), 1e-8);
    sl_form sheet = {.kind = SL_FORM_BOX,
                     .size_ang = 1,
                     .second_ang = 4000,
                     .third_ang = 4000,
                     .sld = 3,
                     .solvent_sld = 1};
    near_to(sl_form_intensity_single(&sheet, 0.02) / sl_form_intensity_single(&sheet, 0.01), 0.25, 0.01);
}

/* Both couplings agree where all particles are alike, and where none interact. */
static void couplings_agree_for_one_size(void **state) {
    (void)state;
    sl_form form = {.kind = SL_FORM_SPHERE,
                    .size_ang = 50,
                    .sld = 4,
                    .solvent_sld = 1,
                    .volume_fraction = 0.3,
                    .interaction_ang = 60};
    double decoupled[5], local[5];
    assert_ok(sl_form_intensity(&form, 5, qs, decoupled));
    form.coupling = SL_COUPLING_LOCAL;
    assert_ok(sl_form_intensity(&form, 5, qs, local));
    for (int i = 0; i < 5; i++) {
        near_to(local[i], decoupled[i], 1e-12);
        near_to(local[i], sl_form_intensity_single(&form, qs[i]) * sl_structure_hard_sphere(qs[i], 60, 0.3),
                1e-12);
    }
    form.spread = 0.2, form.spread_points = 40;
    assert_ok(sl_form_intensity(&form, 5, qs, local));
    form.coupling = SL_COUPLING_DECOUPLED;
    assert_ok(sl_form_intensity(&form, 5, qs, decoupled));
    if (fabs(local[2] / decoupled[2] - 1) < 0.01)
        fail_msg("a spread of sizes does not tell the couplings apart");
}

static void power_laws_have_reference_values(void **state) {
    (void)state;
    static const double knee[5] = {3.999412044, 3.941634916, 3.504661891, 0.9326677279, 0.006662837732};
    static const double peak[5] = {10000.39212, 10.47058824, 1.125087352, 10.01, 0.09938027136};
    const sl_unified_level level = {4, 21, 0.0006, 2};
    const sl_broad_peak law = {1e-5, 3, 10, .1, 50, 2};
    for (int i = 0; i < 5; i++) {
        near_to(sl_unified(qs[i], 1, &level), knee[i], 1e-8);
        near_to(sl_broad_peak_intensity(&law, qs[i]), peak[i], 1e-8);
        near_to(sl_power_law(qs[i], 1, 4), pow(qs[i], -4), 1e-12);
    }
    near_to(sl_unified(0, 1, &level), 4, 1e-12);
}

/* At 0.3 / angstrom the intensities of sasmodels for spheres of 40 angstrom, 220 apart, by their volume
 * fraction in the lattice; its 150 x 150 orientations have not converged at lower q, where 2000 x 2000 of
 * numpy stand in. */
static void cubic_paracrystals_have_reference_values(void **state) {
    (void)state;
    static const double intensity[3] = {.00251881232, .003271397298, .003562032872};
    static const double converged[3] = {.944690508862, .868255599887, 1.121667140475};
    sl_form sphere = {.kind = SL_FORM_SPHERE, .size_ang = 40, .sld = 3, .solvent_sld = 6.3};
    for (int lattice = 0; lattice < 3; lattice++) {
        double root[3] = {1, 2 / sqrt(3), sqrt(2)}, count[3] = {1, 2, 4};
        double ratio = 40 / (220 * root[lattice]),
               share = count[lattice] * 4 * M_PI / 3 * ratio * ratio * ratio;
        near_to(share * sl_form_intensity_single(&sphere, 0.3) *
                    sl_structure_cubic_paracrystal((sl_cubic)lattice, 0.3, 220, 0.06),
                intensity[lattice], 3e-4);
        near_to(sl_structure_cubic_paracrystal((sl_cubic)lattice, 0.1, 220, 0.06), converged[lattice], 1e-6);
    }
}

/* Without order left there is no interference; along the plane's mean it is 1 beyond the peaks. */
static void paracrystals_have_their_limits(void **state) {
    (void)state;
    for (int lattice = 0; lattice < 3; lattice++)
        near_to(sl_structure_cubic_paracrystal((sl_cubic)lattice, 0.3, 220, 0.3), 1, 1e-6);
    near_to(sl_structure_plane_paracrystal(0.3, 220, M_PI / 3, 40, 0), 1, 1e-6);
    /* the first ring of a hexagonal plane is at 4 pi / (sqrt(3) D) */
    double first = 4 * M_PI / (sqrt(3) * 220);
    double at = sl_structure_plane_paracrystal(first, 220, M_PI / 3, 11, 0);
    assert_true(at > sl_structure_plane_paracrystal(0.9 * first, 220, M_PI / 3, 11, 0));
    assert_true(at > sl_structure_plane_paracrystal(1.15 * first, 220, M_PI / 3, 11, 0));
    assert_true(at > 1.5);
}

static void structure_factors_have_reference_values(void **state) {
    (void)state;
    static const double low[5] = {.20912849, .22443341, .39755766, .93058695, 1.00130397};
    static const double high[5] = {.02536674, .02730586, .05148247, .64809569, 1.00080819};
    static const double stack[5] = {20715.6075, 1.63363733, 3.14419405, 1.61858859, 7.68648033e-3};
    for (int i = 0; i < 5; i++) {
        near_to(sl_structure_hard_sphere(qs[i], 50, 0.2), low[i], 1e-6);
        near_to(sl_structure_hard_sphere(qs[i], 50, 0.45), high[i], 1e-5);
        near_to(sl_lamellar_paracrystal(qs[i], 33, 20, 250, 0.05, 5.34), stack[i], 1e-6);
    }
    /* both branches meet, and the limit is the compressibility's */
    near_to(sl_structure_hard_sphere(1e-7, 50, 0.3), pow(0.7, 4) / (1.6 * 1.6), 1e-6);
    near_to(sl_structure_hard_sphere(0.000999, 50, 0.3), sl_structure_hard_sphere(0.001001, 50, 0.3), 1e-4);
}

static void texture_has_mean_one(void **state) {
    (void)state;
    static const double sigma[] = {0.02, 0.2, 0.6}, psi[] = {0, 0.7, M_PI / 2};
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            enum { N = 20000 };
            double mean = 0;
            for (int i = 0; i < N; i++) {
                double chi = (i + 0.5) * M_PI / N;
                mean += 0.5 * sl_texture_fibre(chi, psi[b], sigma[a]) * sin(chi) * M_PI / N;
            }
            near_to(mean, 1, 1e-5);
        }
    double mean = 0;
    for (int i = 0; i < 1000; i++) mean += sl_texture_uniaxial(i * 2 * M_PI / 1000, 7.5) / 1000;
    near_to(mean, 1, 1e-9);
}

static void march_dollase_has_mean_one(void **state) {
    (void)state;
    static const double march[] = {0.3, 0.7, 1, 1.8};
    for (int a = 0; a < 4; a++) {
        enum { N = 20000 };
        double mean = 0;
        for (int i = 0; i < N; i++) {
            double chi = (i + 0.5) * M_PI / N;
            mean += 0.5 * sl_texture_march_dollase(chi, march[a]) * sin(chi) * M_PI / N;
        }
        near_to(mean, 1, 1e-6);
        near_to(sl_texture_march_dollase(0, march[a]), pow(march[a], -3), 1e-12);
    }
}

/* Mean 1 over the sphere for every pole; the axis' own density at psi 0; the same the other way round; and
 * the sum over turns taken one by one. */
static void march_dollase_poles_have_mean_one(void **state) {
    (void)state;
    static const double psi[] = {0, 0.4, 1.2, M_PI / 2}, march[] = {0.35, 0.7, 1, 1.8};
    enum { N = 4000 };
    for (int a = 0; a < 4; a++)
        for (int p = 0; p < 4; p++) {
            double mean = 0;
            for (int i = 0; i < N; i++) {
                double chi = (i + 0.5) * M_PI / N;
                mean += 0.5 * sl_texture_march_pole(chi, psi[p], march[a]) * sin(chi) * M_PI / N;
            }
            near_to(mean, 1, 1e-5);
            near_to(sl_texture_march_pole(0.3, 0, march[a]), sl_texture_march_dollase(0.3, march[a]), 1e-12);
            near_to(sl_texture_march_pole(psi[p], 0.8, march[a]),
                    sl_texture_march_pole(0.8, psi[p], march[a]), 1e-12);
            double sum = 0;
            for (int i = 0; i < N; i++) {
                double c = cos(0.7) * cos(psi[p]) + sin(0.7) * sin(psi[p]) * cos(2 * M_PI * i / N);
                sum += sl_texture_march_dollase(acos(c), march[a]) / N;
            }
            near_to(sl_texture_march_pole(0.7, psi[p], march[a]), sum, 1e-6);
        }
}

/* <u^2> = (e^a/D - 1)/(2a) of the density exp(a u^2) on [0, 1], a = 2 kappa, D its integral by its power
 * series.
 */
static void order_parameter_is_hermans(void **state) {
    (void)state;
    static const double kappas[] = {0.2, 1, 4, 9};
    for (int k = 0; k < 4; k++) {
        double a = 2 * kappas[k], term = 1, integral = 0;
        for (int n = 0; n < 200; n++) {
            integral += term / (2 * n + 1);
            term *= a / (n + 1);
        }
        double square = (exp(a) / integral - 1) / (2 * a);
        near_to(sl_texture_hermans(kappas[k]), (3 * square - 1) / 2, 1e-10);
        near_to(sl_texture_kappa_of_hermans(sl_texture_hermans(kappas[k])), kappas[k], 1e-9);
    }
    assert_true(fabs(sl_texture_hermans(0)) < 1e-12);
    near_to(sl_texture_hermans(sl_texture_kappa_of_hermans(0.95)), 0.95, 1e-9);
}

static void absorption_has_its_limits(void **state) {
    (void)state;
    double per_m = sl_attenuation_per_m(sl_refraction_of("si", 10), sl_wavelength_of_energy_ang(10));
    near_to(per_m, 7460, 1e-3); /* 74.6 / cm */
    near_to(sl_sensor_efficiency(2.4, 0.8), (1 - exp(-2.4 / 0.8)) / (1 - exp(-2.4)), 1e-12);
    near_to(sl_sensor_efficiency(0, 0.5), 2, 1e-12);
    near_to(sl_sensor_efficiency(1e3, 0.5), 1, 1e-12);
    near_to(sl_slab_transmission(1.3, 1), exp(-1.3), 1e-12);
    double mean = 0;
    enum { N = 4000 };
    for (int i = 0; i < N; i++) {
        double depth = (i + 0.5) / N;
        mean += exp(-1.3 * (depth + (1 - depth) / 0.7)) / N;
    }
    near_to(sl_slab_transmission(1.3, 0.7), mean, 1e-7);
    assert_true(sl_slab_transmission(1.3, -0.2) <= 0);
}

/* Rings of the calibrants as pyFAI lists them: d in angstrom, multiplicity. */
static void calibrants_have_their_rings(void **state) {
    (void)state;
    static const struct {
        const char *id;
        double d_ang[4];
        int multiplicity[4];
    } known[] = {{"agbh", {58.38, 29.19, 19.46, 14.595}, {2, 2, 2, 2}},
                 {"lab6", {4.156826, 2.93931985, 2.39994461, 2.078413}, {6, 12, 8, 6}},
                 {"si", {3.135702, 1.920217, 1.637567, 1.357799}, {8, 12, 24, 6}},
                 {"ceo2", {3.12441816, 2.7058255, 1.91330756, 1.63167417}, {8, 6, 12, 24}}};
    for (size_t m = 0; m < sizeof known / sizeof known[0]; m++) {
        const sl_material *material = sl_material_find(known[m].id);
        assert_non_null(material);
        sl_reflection reflection[8];
        assert_true(sl_lattice_reflections(&material->cell, NULL, SL_MERGE_POWDER, 5.5, 8, reflection) >= 4);
        for (int i = 0; i < 4; i++) {
            near_to(2 * M_PI / reflection[i].q_per_ang, known[m].d_ang[i], 2e-6);
            assert_int_equal(reflection[i].multiplicity, known[m].multiplicity[i]);
            assert_true(material->intensity[i] > 0);
        }
    }
}

/* 1/d^2 of a triclinic cell by its metric tensor (Giacovazzo, Fundamentals of Crystallography, ch. 2). */
static void triclinic_cells_have_the_metric_of_their_edges(void **state) {
    (void)state;
    const sl_material *nylon = sl_material_find("nylon");
    assert_non_null(nylon);
    const sl_cell *c = &nylon->cell;
    double ca = cos(c->alpha_rad), cb = cos(c->beta_rad), cg = cos(c->gamma_rad), sa = sin(c->alpha_rad),
           sb = sin(c->beta_rad), sg = sin(c->gamma_rad),
           root = 1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg;
    sl_reflection reflection[40];
    int count = sl_lattice_reflections(c, NULL, SL_MERGE_NONE, 2.5, 40, reflection);
    assert_true(count == 40);
    for (int i = 0; i < count; i++) {
        double h = reflection[i].h / c->a_ang, k = reflection[i].k / c->b_ang, l = reflection[i].l / c->c_ang;
        double sum = h * h * sa * sa + k * k * sb * sb + l * l * sg * sg + 2 * h * k * (ca * cb - cg) +
                     2 * k * l * (cb * cg - ca) + 2 * h * l * (ca * cg - cb);
        near_to(reflection[i].q_per_ang, 2 * M_PI * sqrt(sum / root), 1e-10);
    }
}

/* A film's reflectivity by a full Parratt recursion, and islands by BornAgain 25. */
static void optics_have_reference_values(void **state) {
    (void)state;
    const sl_refraction silicon = {4.889e-6, 7.36e-8}, film_substrate = {4.88e-6, 7.4e-8},
                        polystyrene = {2.4e-6, 3e-9};
    static const double angle[] = {.05, .1, .15, .2, .3, .5, 1.0};
    static const double mirror[] = {.998914942,   .996710843,    .953370019,   .0417801110,
                                    .00125925190, 8.69712088e-4, 3.34387093e-5};
    double k0 = 2 * M_PI / 1.24;
    for (int i = 0; i < 7; i++)
        near_to(
            sl_film_wave_of(k0, sin(angle[i] * M_PI / 180), polystyrene, 600, film_substrate).reflectivity,
            mirror[i], 1e-6);
    static const double exit[] = {.0861, .1844, .3074, .7500, 1.2418};
    static const double island[] = {177209.05, 115664.11, 28339.265, 3482.9386, 883.8819};
    double degree = M_PI / 180, k = 2 * M_PI / 0.124, incidence = 0.2 * degree, azimuth = 0.4878 * degree;
    for (int i = 0; i < 5; i++) {
        double a = exit[i] * degree;
        double qx = k * (cos(a) * cos(azimuth) - cos(incidence)), qy = k * cos(a) * sin(azimuth);
        near_to(sl_island_sphere(k, sin(incidence), sin(a), hypot(qx, qy), 5, silicon), island[i], 2e-2);
    }
    near_to(sl_critical_angle_rad(silicon) / degree, 0.1792, 1e-3);
}

/* Five pixels by pyFAI 2025.3.0: 2theta, chi, q (1/nm), solid angle, polarisation factor 0.95. */
static void pixels_have_reference_values(void **state) {
    (void)state;
    sl_geometry g = {.distance_m = 0.25,
                     .poni1_m = 0.05,
                     .poni2_m = 0.08,
                     .rotation_rad = {0.11, -0.23, 0.4},
                     .pixel_m = 172e-6,
                     .wavelength_ang = 1,
                     .polarisation = 0.95};
    sl_projection p = sl_projection_of(&g);
    static const double known[5][7] = {
        {0, 0, 0.199508613, 2.55062249, 12.5147162, 0.819363508, 0.973287284},
        {100, 900, 0.408275709, -0.178679284, 25.4749224, 0.858750277, 0.851040304},
        {500, 40, 0.406363765, 1.62016869, 25.3572742, 0.859532119, 0.995732486},
        {1042, 980, 0.812219409, 0.600933947, 49.6419956, 0.608062852, 0.646357358},
        {777, 333, 0.552291782, 1.13518112, 34.2621583, 0.843251604, 0.946559668}};
    for (int i = 0; i < 5; i++) {
        sl_pixel pixel = sl_projection_pixel(&p, known[i][0] + 0.5, known[i][1] + 0.5);
        near_to(sl_pixel_two_theta_rad(&pixel), known[i][2], 1e-6);
        near_to(sl_pixel_chi_rad(&pixel), known[i][3], 1e-5);
        near_to(10 * pixel.q_per_ang, known[i][4], 1e-6);
        near_to(pixel.solid_angle, known[i][5], 1e-6);
        near_to(pixel.polarisation, known[i][6], 1e-6);
    }
}

static void rays_go_back_to_their_pixels(void **state) {
    (void)state;
    sl_geometry g = {.distance_m = 0.25,
                     .poni1_m = 0.05,
                     .poni2_m = 0.08,
                     .rotation_rad = {0.11, -0.23, 0.4},
                     .pixel_m = 172e-6,
                     .wavelength_ang = 1,
                     .polarisation = 0.95};
    sl_projection p = sl_projection_of(&g);
    for (int i = 0; i < 1000; i += 97)
        for (int j = 0; j < 900; j += 113) {
            sl_pixel pixel = sl_projection_pixel(&p, i + 0.5, j + 0.5);
            double row, column;
            assert_true(sl_projection_hit(&p, 3 * pixel.x, 3 * pixel.y, 3 * pixel.z, &row, &column));
            assert_true(fabs(row - i - 0.5) < 1e-6 && fabs(column - j - 0.5) < 1e-6);
            double two_theta = sl_pixel_two_theta_rad(&pixel);
            near_to(pixel.q_per_ang, 4 * M_PI * sin(two_theta / 2), 1e-10);
            double f = 0.95, s = sin(two_theta), c = cos(two_theta);
            near_to(pixel.polarisation, 0.5 * (1 + c * c - f * cos(2 * sl_pixel_chi_rad(&pixel)) * s * s),
                    1e-9);
            assert_true(sl_projection_hit_q(&p, pixel.q_per_ang, sl_pixel_chi_rad(&pixel), &row, &column));
            assert_true(fabs(row - i - 0.5) < 1e-6 && fabs(column - j - 0.5) < 1e-6);
        }
}

/* D tan(2theta) / (sqrt(1-a^2) - a tan(2theta)), a = sin(tilt) cos(chi - chi0): rings of a tilted flat
 * detector. */
static void tilted_rings_are_the_exact_conic(void **state) {
    (void)state;
    double tilt = 0.3, distance = 0.2;
    sl_geometry g = {.distance_m = distance * cos(tilt),
                     .rotation_rad = {0, tilt, 0},
                     .pixel_m = 1e-4,
                     .wavelength_ang = 1};
    sl_projection p = sl_projection_of(&g);
    double beam_row, beam_column, low = 1e9, high = 0;
    assert_true(sl_projection_hit(&p, 1, 0, 0, &beam_row, &beam_column));
    double two_theta = 0.4, q = 4 * M_PI * sin(two_theta / 2);
    for (int i = 0; i < 360; i++) {
        double row, column;
        assert_true(sl_projection_hit_q(&p, q, i * M_PI / 180, &row, &column));
        double radius = hypot(row - beam_row, column - beam_column) * 1e-4;
        low = fmin(low, radius), high = fmax(high, radius);
    }
    double t = tan(two_theta), a = sin(tilt);
    near_to(high, distance * t / (sqrt(1 - a * a) - a * t), 1e-6);
    near_to(low, distance * t / (sqrt(1 - a * a) + a * t), 1e-6);
}

static void horizon_yoneda_and_specular_stand_where_they_must(void **state) {
    (void)state;
    sl_geometry g = {
        .distance_m = 2, .poni1_m = 0.1, .poni2_m = 0.05, .pixel_m = 172e-6, .wavelength_ang = 1};
    sl_projection p = sl_projection_of(&g);
    double incidence = 0.004, column, row;
    sl_grazing grazing = sl_grazing_of(incidence, 0);
    double x, y, z;
    sl_grazing_direction(&grazing, incidence, 0, &x, &y, &z);
    assert_true(sl_projection_hit(&p, x, y, z, &row, &column));
    near_to(0.1 - row * 172e-6, 2 * tan(2 * incidence), 1e-9);
    sl_pixel pixel = sl_projection_pixel(&p, (0.1 - 2 * tan(incidence)) / 172e-6, 0.05 / 172e-6);
    assert_true(fabs(sl_grazing_ray_of(&grazing, p.k0_per_ang, &pixel).sin_exit) < 1e-12);
    pixel = sl_projection_pixel(&p, (0.1 - 2 * tan(incidence)) / 172e-6, 900);
    assert_true(fabs(sl_grazing_ray_of(&grazing, p.k0_per_ang, &pixel).sin_exit) < 1e-12);
}

static void gaps_are_those_of_the_detectors(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double percent;
    } known[] = {{"pilatus-300k", 5.49}, {"Pilatus 300k-w", 0.95}, {"pilatus_900k", 6.39},
                 {"Pilatus 1M", 7.19},   {"pilatus 2m", 7.97},     {"pilatus-6m", 8.45},
                 {"eiger-1m", 3.47},     {"eiger-4m", 5.58},       {"eiger-9m", 6.27},
                 {"eiger2-1m", 3.58},    {"eiger2-4m", 5.82},      {"rayonix-sx165", 21.5},
                 {"perkin-2k", 0}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const sl_detector *detector;
        assert_ok(sl_detector_find(known[i].name, &detector));
        sl_view view = sl_view_whole(detector);
        uint8_t *mask = calloc((size_t)(view.height_px * view.width_px), 1);
        double masked = 100.0 * (double)sl_detector_gap_mask(detector, &view, mask) /
                        ((double)view.height_px * view.width_px);
        free(mask);
        if (fabs(masked - known[i].percent) > 0.006 + (known[i].percent > 20 ? 0.05 : 0))
            fail_msg("%s: %.3f %% masked, expected %.2f", known[i].name, masked, known[i].percent);
    }
    const sl_detector *detector;
    assert_status(sl_detector_find("pilatus 9m", &detector), SL_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_factors_have_reference_values),
        cmocka_unit_test(boxes_and_knees_have_reference_values),
        cmocka_unit_test(boxes_have_their_limits),
        cmocka_unit_test(couplings_agree_for_one_size),
        cmocka_unit_test(power_laws_have_reference_values),
        cmocka_unit_test(cubic_paracrystals_have_reference_values),
        cmocka_unit_test(paracrystals_have_their_limits),
        cmocka_unit_test(structure_factors_have_reference_values),
        cmocka_unit_test(texture_has_mean_one),
        cmocka_unit_test(march_dollase_has_mean_one),
        cmocka_unit_test(march_dollase_poles_have_mean_one),
        cmocka_unit_test(order_parameter_is_hermans),
        cmocka_unit_test(absorption_has_its_limits),
        cmocka_unit_test(calibrants_have_their_rings),
        cmocka_unit_test(triclinic_cells_have_the_metric_of_their_edges),
        cmocka_unit_test(optics_have_reference_values),
        cmocka_unit_test(pixels_have_reference_values),
        cmocka_unit_test(rays_go_back_to_their_pixels),
        cmocka_unit_test(tilted_rings_are_the_exact_conic),
        cmocka_unit_test(horizon_yoneda_and_specular_stand_where_they_must),
        cmocka_unit_test(gaps_are_those_of_the_detectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
