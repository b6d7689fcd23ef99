/* What every test program includes: cmocka, and a main that returns a proper exit code. */
#ifndef SL_TESTS_TEST_H
#define SL_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"

#include <stdio.h>

#define assert_ok(expr)                                                                                      \
    do {                                                                                                     \
        sl_status assert_status_ = (expr);                                                                   \
        if (assert_status_ != SL_OK)                                                                         \
            fail_msg("%s: %s: %s", #expr, sl_status_name(assert_status_), sl_error_message());               \
    } while (0)
#define assert_status(expr, expected) assert_string_equal(sl_status_name(expr), sl_status_name(expected))

/* cmocka returns the number of failures; 256 of them would read as success. */
#define TEST_MAIN(tests) TEST_MAIN_WITH(tests, NULL, NULL)
#define TEST_MAIN_WITH(tests, setup, teardown)                                                               \
    int main(void) {                                                                                         \
        return cmocka_run_group_tests(tests, setup, teardown) ? 1 : 0;                                       \
    }

/* Say why, then skip: a skipped test must be visible. */
#define skip_because(...)                                                                                    \
    do {                                                                                                     \
        print_message("skipped: " __VA_ARGS__);                                                              \
        print_message("\n");                                                                                 \
        skip();                                                                                              \
    } while (0)

#endif
