#include "test.h"

#include "xray/physical/least_squares.h"

#include <math.h>

/* y = 2 - 3 x + 0.5 x^2 at five places, without noise. */
static void exact_values_are_found(void **state) {
    (void)state;
    normal_equations e = {.n = 3};
    double found[3], variance[3];
    for (int k = 0; k < 5; k++) {
        double x = k - 1.5, derivative[3] = {1, x, x * x};
        normal_equations_add(&e, derivative, 2 - 3 * x + 0.5 * x * x, 4);
    }
    assert_true(normal_equations_solve(&e, 0, found, variance));
    const double expected[3] = {2, -3, 0.5};
    for (int i = 0; i < 3; i++) assert_true(fabs(found[i] - expected[i]) < 1e-10);
}

/* The mean of n values of variance 1/w has variance 1/(n w). */
static void variances_are_those_of_a_mean(void **state) {
    (void)state;
    normal_equations e = {.n = 1};
    double found, variance, one = 1;
    for (int k = 0; k < 8; k++) normal_equations_add(&e, &one, k, 0.5);
    assert_true(normal_equations_solve(&e, 0, &found, &variance));
    assert_true(fabs(found - 3.5) < 1e-12 && fabs(variance - 0.25) < 1e-12);
}

static void damping_shortens_the_step(void **state) {
    (void)state;
    normal_equations e = {.n = 1};
    double free, damped, one = 1;
    normal_equations_add(&e, &one, 3, 1);
    assert_true(normal_equations_solve(&e, 0, &free, NULL) && normal_equations_solve(&e, 1, &damped, NULL));
    assert_true(fabs(free - 3) < 1e-12 && fabs(damped - 1.5) < 1e-12);
}

static void what_is_not_determined_is_refused(void **state) {
    (void)state;
    normal_equations e = {.n = 2};
    double found[2];
    const double along[2] = {1, 2};
    normal_equations_add(&e, along, 1, 1);
    normal_equations_add(&e, along, 2, 1);
    assert_false(normal_equations_solve(&e, 0, found, NULL));
}

/* p0 exp(-p1 at) */
static double fall(const void *context, const double *p, int at, double *derivative) {
    (void)context;
    derivative[0] = exp(-p[1] * at), derivative[1] = -at * p[0] * derivative[0];
    return p[0] * derivative[0];
}

static bool hold_rate(const double *now, double *next) {
    next[1] = fmin(fmax(next[1], now[1] - 0.1), now[1] + 0.1);
    return next[1] >= 0;
}

static void a_curve_is_fitted_from_afar(void **state) {
    (void)state;
    double value[12], variance[12], p[2] = {1, 1.5}, error[2];
    for (int k = 0; k < 12; k++) value[k] = 5 * exp(-0.3 * k), variance[k] = 0.01 * (k + 1);
    curve of = {2, 12, value, variance, fall, hold_rate, NULL};
    assert_true(curve_fit(&of, 60, 1e-9, p, error) < 1e-9);
    assert_true(fabs(p[0] - 5) < 1e-6 && fabs(p[1] - 0.3) < 1e-6 && error[0] > 0 && error[1] > 0);
}

static void a_curve_that_is_not_determined_is_refused(void **state) {
    (void)state;
    double value[1] = {1}, variance[1] = {1}, p[2] = {1, 0}, error[2];
    curve of = {2, 1, value, variance, fall, NULL, NULL};
    assert_true(isnan(curve_fit(&of, 4, 1e-3, p, error)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values_are_found),
        cmocka_unit_test(variances_are_those_of_a_mean),
        cmocka_unit_test(damping_shortens_the_step),
        cmocka_unit_test(what_is_not_determined_is_refused),
        cmocka_unit_test(a_curve_is_fitted_from_afar),
        cmocka_unit_test(a_curve_that_is_not_determined_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
