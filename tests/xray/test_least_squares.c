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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values_are_found),
        cmocka_unit_test(variances_are_those_of_a_mean),
        cmocka_unit_test(damping_shortens_the_step),
        cmocka_unit_test(what_is_not_determined_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
