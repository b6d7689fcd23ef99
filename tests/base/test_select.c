#include "test.h"

#include "base/random/random.h"
#include "base/numeric/select.h"

#include <stdlib.h>

enum { MOST = 40 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void expect_ranks(const double *values, size_t count) {
    double sorted[MOST];
    for (size_t i = 0; i < count; i++) sorted[i] = values[i];
    qsort(sorted, count, sizeof *sorted, ascending);
    for (size_t rank = 0; rank < count; rank++) {
        double doubles[MOST];
        float floats[MOST];
        for (size_t i = 0; i < count; i++) doubles[i] = values[i], floats[i] = (float)values[i];
        assert_true(sl_select_double(doubles, count, rank) == sorted[rank]);
        assert_true(sl_select_float(floats, count, rank) == (float)sorted[rank]);
        for (size_t i = 0; i < count; i++) {
            assert_true(i < rank ? doubles[i] <= sorted[rank] : doubles[i] >= sorted[rank]);
            assert_true(i < rank ? floats[i] <= floats[rank] : floats[i] >= floats[rank]);
        }
    }
}

/* `kinds` values that differ: 1 is a constant image, 3 have many equal ones. */
static void every_rank_is_found(void **state) {
    (void)state;
    static const double kinds[] = {1, 2, 3, 1e6};
    for (int k = 0; k < 4; k++)
        for (uint32_t count = 1; count <= MOST; count++) {
            double values[MOST];
            sl_random random = sl_random_stream(3, SL_STREAM_TEST, count);
            for (uint32_t i = 0; i < count; i++) values[i] = (int)(kinds[k] * sl_random_uniform(&random));
            expect_ranks(values, count);
        }
}

static void order_that_is_there_does_no_harm(void **state) {
    (void)state;
    double up[MOST], down[MOST], there_and_back[MOST];
    for (int i = 0; i < MOST; i++)
        up[i] = i, down[i] = MOST - i, there_and_back[i] = i < MOST / 2 ? i : MOST - i;
    expect_ranks(up, MOST);
    expect_ranks(down, MOST);
    expect_ranks(there_and_back, MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_is_found),
        cmocka_unit_test(order_that_is_there_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
