#include "test.h"

#include "xray/scatter/dwba.h"
#include "xray/scatter/reflectivity.h"

#include <math.h>

#define DEGREE (M_PI / 180)

static void near_to(double found, double expected, double relative) {
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.10g, expected %.10g within %g", found, expected, relative);
}

static double square_of(double complex z) {
    return creal(z) * creal(z) + cimag(z) * cimag(z);
}

static const sl_refraction silicon = {4.88e-6, 7.4e-8}, polystyrene = {2.4e-6, 3e-9},
                           gold = {2.988e-5, 2.21e-6};
static const double k0 = 2 * M_PI / 1.24;

/* 60 nm of polystyrene on silicon, by BornAgain 25. */
static void reflectivity_has_reference_values(void **state) {
    (void)state;
    static const double angle[] = {.05, .1, .15, .2, .3, .5, 1.0};
    static const double mirror[] = {.998914942,   .996710843,    .953370019,   .0417801110,
                                    .00125925190, 8.69712088e-4, 3.34387093e-5};
    const sl_layer stack[] = {{polystyrene, 600, 0}, {silicon, 0, 0}};
    for (int i = 0; i < 7; i++)
        near_to(square_of(sl_parratt(k0, sin(angle[i] * DEGREE), 2, stack, NULL)), mirror[i], 5e-9);
}

/* One film's closed form, and the same film cut in slices. */
static void slices_of_a_film_are_the_film(void **state) {
    (void)state;
    const sl_layer film[] = {{gold, 300, 0}, {silicon, 0, 0}};
    const sl_layer slices[] = {{gold, 70, 0}, {gold, 110, 0}, {gold, 120, 0}, {silicon, 0, 0}};
    for (double angle = 0.02; angle < 2; angle *= 1.3) {
        double s = sin(angle * DEGREE);
        sl_wave one[2], many[4];
        double complex whole = sl_parratt(k0, s, 2, film, one), cut = sl_parratt(k0, s, 4, slices, many);
        sl_film_wave closed = sl_film_wave_of(k0, s, gold, 300, silicon);
        assert_true(cabs(whole - cut) < 1e-12);
        assert_true(cabs(one[0].down - closed.transmitted) < 1e-12);
        assert_true(cabs(one[0].up - closed.reflected) < 1e-12);
        /* the second slice begins 70 below the surface */
        assert_true(cabs(many[1].down - one[0].down * cexp(I * one[0].kappa * 70)) < 1e-12);
        assert_true(cabs(many[1].up - one[0].up * cexp(-I * one[0].kappa * 70)) < 1e-12);
        assert_true(cabs(many[3].down - one[1].down) < 1e-12);
    }
}

/* A rough substrate sends back less, by Nevot and Croce's exp(-2 k kappa sigma^2) in the amplitude. */
static void rough_substrates_reflect_less_to_islands(void **state) {
    (void)state;
    double si = sin(0.5 * DEGREE), sf = sin(0.9 * DEGREE), sigma = 12;
    double complex kappa_i = sl_kappa(k0, si, silicon), kappa_f = sl_kappa(k0, sf, silicon), smooth[2],
                   rough[2];
    double complex ri = (k0 * si - kappa_i) / (k0 * si + kappa_i),
                   rf = (k0 * sf - kappa_f) / (k0 * sf + kappa_f);
    double complex less_i = cexp(-2 * k0 * si * kappa_i * sigma * sigma),
                   less_f = cexp(-2 * k0 * sf * kappa_f * sigma * sigma);
    sl_island_weights(k0, si, sf, 0, silicon, 0, smooth);
    sl_island_weights(k0, si, sf, 0, silicon, sigma, rough);
    assert_true(cabs(smooth[1] - (ri + rf)) < 1e-14);
    assert_true(cabs(rough[1] - (ri * less_i + rf * less_f)) < 1e-14);
    assert_true(cabs(rough[0] - (1 + ri * less_i * rf * less_f)) < 1e-14);
    assert_true(cabs(rough[1]) < 0.9 * cabs(smooth[1]));
}

/* Nothing is lost where nothing absorbs: what is not reflected flows down in the substrate. */
static void energy_is_kept_without_absorption(void **state) {
    (void)state;
    const sl_layer stack[] = {
        {{2e-6, 0}, 400, 0}, {{7e-6, 0}, 90, 0}, {{1e-6, 0}, 250, 0}, {{5e-6, 0}, 0, 0}};
    for (double angle = 0.01; angle < 3; angle *= 1.17) {
        double s = sin(angle * DEGREE);
        sl_wave wave[4];
        double reflected = square_of(sl_parratt(k0, s, 4, stack, wave));
        double passed = creal(wave[3].kappa) / (k0 * s) * square_of(wave[3].down);
        near_to(reflected + passed, 1, 1e-11);
    }
    /* total reflection to within rounding, from the first angle on */
    assert_true(fabs(cabs(sl_parratt(k0, 1e-12, 4, stack, NULL)) - 1) < 1e-9);
    near_to(creal(sl_parratt(k0, 0, 4, stack, NULL)), -1, 1e-15);
}

/* A boundary graded as an error function, in slices, reflects as the rough one by its factor (Nevot and
 * Croce), well above the critical angle. */
static void rough_boundaries_are_graded_ones(void **state) {
    (void)state;
    enum { SLICES = 400 };
    static sl_layer graded[SLICES + 1];
    const double sigma = 8, step = 10 * sigma / SLICES;
    for (int i = 0; i < SLICES; i++) {
        double depth = (i + 0.5) * step - 5 * sigma, share = 0.5 * erfc(-depth / (sigma * sqrt(2)));
        graded[i] = (sl_layer){{silicon.delta * share, silicon.beta * share}, step, 0};
    }
    graded[SLICES] = (sl_layer){silicon, 0, 0};
    const sl_layer rough = {silicon, 0, sigma};
    for (double angle = 0.5; angle < 1.6; angle += 0.25) {
        double s = sin(angle * DEGREE), found = square_of(sl_parratt(k0, s, 1, &rough, NULL));
        near_to(square_of(sl_parratt(k0, s, SLICES + 1, graded, NULL)), found, 0.01);
        assert_true(found < 0.8 * square_of(sl_parratt(k0, s, 1, &(sl_layer){silicon, 0, 0}, NULL)));
    }
}

/* A film of nothing: the particle in it is the island above the substrate. */
static void particles_in_an_empty_film_are_islands(void **state) {
    (void)state;
    const sl_layer stack[] = {{{0, 0}, 300, 0}, {silicon, 0, 0}};
    const sl_dwba_particle sphere = {SL_DWBA_SPHEROID, 50, 100, 0};
    double in = sin(0.2 * DEGREE);
    for (double angle = 0.03; angle < 2; angle *= 1.4) {
        double out = sin(angle * DEGREE), q = 0.004 + 0.01 * angle;
        sl_wave way_in[2], way_out[2];
        sl_parratt(k0, in, 2, stack, way_in);
        sl_parratt(k0, out, 2, stack, way_out);
        sl_dwba_waves inside = sl_dwba_waves_in(&way_in[0], &way_out[0], 250);
        sl_dwba_waves above = sl_dwba_waves_above(k0, in, out, sl_parratt(k0, in, 1, &stack[1], NULL),
                                                  sl_parratt(k0, out, 1, &stack[1], NULL), 50);
        double island = sl_island_sphere(k0, in, out, q, 50, silicon);
        near_to(sl_dwba_square(&above, &sphere, q), island, 1e-9);
        near_to(sl_dwba_square(&inside, &sphere, q), island, 1e-9);
    }
}

/* Deep in a substrate only the first of the four processes is left, damped over its depth. */
static void buried_particles_have_one_process(void **state) {
    (void)state;
    const sl_layer stack[] = {{silicon, 1e6, 0}, {silicon, 0, 0}};
    const sl_dwba_particle rod = {SL_DWBA_CYLINDER, 40, 90, 0};
    double in = sin(0.4 * DEGREE), out = sin(0.7 * DEGREE), seen, depth = 2000;
    sl_wave way_in[2], way_out[2];
    sl_parratt(k0, in, 2, stack, way_in);
    sl_parratt(k0, out, 2, stack, way_out);
    sl_dwba_waves waves = sl_dwba_waves_in(&way_in[0], &way_out[0], depth);
    double deep = sl_dwba_square_buried(k0, in, out, silicon, &rod, 0.02, &seen);
    near_to(sl_dwba_square(&waves, &rod, 0.02), deep * exp(-depth / seen), 2e-3);
    near_to(sl_dwba_square_apart(&waves, &rod, 0.02), deep * exp(-depth / seen), 2e-3);
    assert_true(sl_dwba_square_buried(k0, in, -0.01, silicon, &rod, 0.02, NULL) <= 0);
    /* behind a layer that lets nothing through there are zeros, no infinities */
    const sl_layer thick[] = {{gold, 1e9, 0}, {silicon, 0, 0}};
    sl_parratt(k0, in, 2, thick, way_in);
    sl_parratt(k0, out, 2, thick, way_out);
    waves = sl_dwba_waves_in(&way_in[0], &way_out[0], 9e8);
    assert_true(sl_dwba_square(&waves, &rod, 0.02) <= 0);
}

/* The mean over depths is the mean of the squares. */
static void a_mean_over_depths_is_the_mean_of_squares(void **state) {
    (void)state;
    const sl_layer stack[] = {{polystyrene, 600, 0}, {silicon, 0, 0}};
    const sl_dwba_particle sphere = {SL_DWBA_SPHEROID, 50, 100, 0};
    sl_wave in[2], out[2];
    sl_dwba_waves waves[5];
    double sum = 0;
    sl_parratt(k0, sin(0.17 * DEGREE), 2, stack, in);
    sl_parratt(k0, sin(0.21 * DEGREE), 2, stack, out);
    for (int i = 0; i < 5; i++) {
        waves[i] = sl_dwba_waves_in(&in[0], &out[0], 60 + 110 * i);
        sum += sl_dwba_square(&waves[i], &sphere, 0.02) / 5;
    }
    sl_dwba_mean mean = sl_dwba_mean_of(5, waves);
    near_to(sl_dwba_square_mean(&mean, &sphere, 0.02), sum, 1e-12);
}

/* Without reflection each shape is its form factor: q in the plane and across it alone. */
static void shapes_are_their_form_factors(void **state) {
    (void)state;
    const sl_dwba_waves plain = {{1, 0, 0, 0}, {0.031, 0, 0, -0.031}};
    double volume = 4 * M_PI / 3 * 50 * 50 * 50, x = 50 * hypot(0.02, 0.031);
    double f = 3 * (sin(x) - x * cos(x)) / (x * x * x);
    near_to(sl_dwba_square(&plain, &(sl_dwba_particle){SL_DWBA_SPHEROID, 50, 100, 0}, 0.02),
            volume * volume * f * f, 1e-12);
    double disc = 2 * j1(0.02 * 50) / (0.02 * 50), column = sin(0.031 * 35) / (0.031 * 35);
    volume = M_PI * 50 * 50 * 70;
    near_to(sl_dwba_square(&plain, &(sl_dwba_particle){SL_DWBA_CYLINDER, 50, 70, 0}, 0.02),
            pow(volume * disc * column, 2), 1e-12);
    double sum = 0;
    enum { N = 3600 };
    for (int i = 0; i < N; i++) {
        double a = 0.02 * 50 * cos(i * 2 * M_PI / N), b = 0.02 * 45 * sin(i * 2 * M_PI / N);
        sum += pow((fabs(a) > 1e-9 ? sin(a) / a : 1) * (fabs(b) > 1e-9 ? sin(b) / b : 1), 2) / N;
    }
    near_to(sl_dwba_square(&plain, &(sl_dwba_particle){SL_DWBA_BOX, 50, 70, 90}, 0.02),
            sum * pow(100.0 * 70 * 90 * column, 2), 1e-10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reflectivity_has_reference_values),
        cmocka_unit_test(slices_of_a_film_are_the_film),
        cmocka_unit_test(rough_substrates_reflect_less_to_islands),
        cmocka_unit_test(energy_is_kept_without_absorption),
        cmocka_unit_test(rough_boundaries_are_graded_ones),
        cmocka_unit_test(particles_in_an_empty_film_are_islands),
        cmocka_unit_test(buried_particles_have_one_process),
        cmocka_unit_test(a_mean_over_depths_is_the_mean_of_squares),
        cmocka_unit_test(shapes_are_their_form_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
