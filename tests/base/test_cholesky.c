#include "test.h"

#include "base/numeric/cholesky.h"

#include <math.h>

/* The upper half is never looked at. */
static void a_definite_system_is_solved(void **state) {
    (void)state;
    double a[9] = {4, NAN, NAN, 2, 5, NAN, -2, 1, 6};
    /* x = (1, 2, 3) and (-1, 0, 2), side by side */
    double x[6] = {4 + 4 - 6, -4 - 4, 2 + 10 + 3, -2 + 2, -2 + 2 + 18, 2 + 12};
    assert_int_equal(sl_cholesky_factor(a, 3, NULL), 3);
    for (int side = 0; side < 2; side++) sl_cholesky_solve(a, 3, x + side, 2);
    const double expected[6] = {1, -1, 2, 0, 3, 2};
    for (int i = 0; i < 6; i++) assert_true(fabs(x[i] - expected[i]) < 1e-12);
}

/* (1, 2, 0) times itself, and 9 beside it. */
static void a_column_with_nothing_left_is_zero(void **state) {
    (void)state;
    double a[9] = {1, 2, 0, 2, 4, 0, 0, 0, 9};
    const double least[3] = {1e-9, 1e-9, 1e-9};
    assert_int_equal(sl_cholesky_factor(a, 3, least), 2);
    assert_true(a[0] == 1 && a[3] == 2 && a[4] == 0 && a[6] == 0 && a[7] == 0 && a[8] == 3);
}

static void what_is_not_a_number_is_not_definite(void **state) {
    (void)state;
    double a[1] = {NAN}, negative[1] = {-1};
    assert_int_equal(sl_cholesky_factor(a, 1, NULL), 0);
    assert_int_equal(sl_cholesky_factor(negative, 1, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_definite_system_is_solved),
        cmocka_unit_test(a_column_with_nothing_left_is_zero),
        cmocka_unit_test(what_is_not_a_number_is_not_definite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
