/* Distances between sets whose answer is known; small cases against NumPy and SciPy. */
#include "test.h"

#include "base/memory.h"
#include "loop/evaluate/comparison.h"
#include "loop/evaluate/set_metrics.h"
#include "loop/judge/metrics.h"

#include <math.h>

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.12g is not %.12g within %g", found, expected, tolerance);
}

/* Two sets in one space: rows [0, n) and [n, n + m). */
typedef struct two_sets {
    sl_points points;
    sl_rows a, b, all;
    int64_t group[2048];
    int64_t row[3][2048];
    bool label[2048];
} two_sets;

static two_sets s;

static void open_sets(int64_t n, int64_t m, int64_t width) {
    assert_ok(sl_points_new(n + m, width, &s.points));
    s.a = (sl_rows){s.row[0], n};
    s.b = (sl_rows){s.row[1], m};
    s.all = (sl_rows){s.row[2], n + m};
    for (int64_t i = 0; i < n + m; i++) {
        s.group[i] = s.row[2][i] = i;
        s.label[i] = i < n;
        *(i < n ? &s.row[0][i] : &s.row[1][i - n]) = i;
    }
}

/* The small case that NumPy has computed. */
static void open_small(void) {
    open_sets(12, 10, 3);
    for (int i = 0; i < 12; i++)
        for (int c = 0; c < 3; c++) s.points.at[i * 3 + c] = sin(1.3 * i + 0.7 * c * c) + 0.1 * c;
    for (int i = 0; i < 10; i++)
        for (int c = 0; c < 3; c++) s.points.at[(12 + i) * 3 + c] = 0.8 * cos(0.9 * i - 1.1 * c) + 0.4;
}

/* Standard normals; the second set shifted by `shift` in every column and stretched. */
static void open_normals(int64_t n, int64_t m, int64_t width, double shift, double stretch, uint32_t item) {
    sl_random random = sl_random_stream(3, SL_STREAM_TEST, item);
    open_sets(n, m, width);
    for (int64_t k = 0; k < (n + m) * width; k++) {
        double v = sl_random_normal(&random);
        s.points.at[k] = k < n * width ? v : shift + stretch * v;
    }
}

static void small_case_agrees_with_numpy(void **state) {
    (void)state;
    sl_pairs kernel, distance;
    double found, density, coverage;
    open_small();
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_POLYNOMIAL, &kernel));
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
    assert_near(sl_kid(&kernel, NULL, &s.a, &s.b), 0.499227121867, 1e-6);
    assert_near(sl_energy_distance(&distance, s.group, &s.a, &s.b), 0.151705869745, 1e-6);
    assert_ok(sl_frechet_distance(&s.points, &s.a, &s.b, &found));
    assert_near(found, 0.657563358381, 1e-10);
    assert_ok(sl_density_coverage(&distance, NULL, &s.a, &s.b, 3, &density, &coverage));
    assert_near(density, 1.2, 1e-12);
    assert_near(coverage, 1, 0);
    assert_ok(sl_density_coverage(&distance, NULL, &s.a, &s.b, 1, &density, &coverage));
    assert_near(density, 0.1, 1e-12);
    assert_near(coverage, 0.0833333333333, 1e-12);
    assert_near(sl_mean_difference(&s.points, &s.a, &s.b), 0.356371029076, 1e-12);
    sl_ks ks;
    double weight[22];
    for (int i = 0; i < 22; i++) weight[i] = 1;
    assert_ok(sl_ks_test(&s.points, 0, weight, &s.a, &s.b, &ks));
    assert_near(ks.statistic, 1.0 / 3, 1e-12);
    assert_near(ks.p, 0.489631413507, 1e-10);
    assert_near(sl_kolmogorov_tail(1), 0.269999671677, 1e-12);
    sl_pairs_free(&kernel);
    sl_pairs_free(&distance);
    sl_points_free(&s.points);
}

static void eigenvalues_agree_with_lapack(void **state) {
    (void)state;
    static const double expected[6] = {0.6246064, 1.44652082, 2.29548073, 3.20818139, 4.16151065, 5.14191068};
    double a[36], values[6], diagonal[9] = {2, 0, 0, 0, -1, 0, 0, 0, 7}, three[3];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) a[i * 6 + j] = 1.0 / (1 + i + j) + (i == j ? i : 0);
    assert_ok(sl_symmetric_eigenvalues(a, 6, values));
    for (int i = 0; i < 6; i++) assert_near(values[i], expected[i], 6e-9);
    assert_ok(sl_symmetric_eigenvalues(diagonal, 3, three));
    assert_near(three[0], -1, 1e-14);
    assert_near(three[2], 7, 1e-14);
}

/* Frechet distance of N(0, 1)^w and N(shift, stretch^2)^w is w (shift^2 + (1 - stretch)^2). */
static void frechet_of_gaussians_is_analytic(void **state) {
    (void)state;
    double found;
    open_normals(1000, 1000, 4, 1.5, 2, 2);
    assert_ok(sl_frechet_distance(&s.points, &s.a, &s.b, &found));
    assert_near(found, 4 * (2.25 + 1), 0.6);
    /* the same set twice is at 0 */
    assert_ok(sl_frechet_distance(&s.points, &s.a, &s.a, &found));
    assert_near(found, 0, 1e-9);
    sl_points_free(&s.points);
    /* columns that are copies of each other: a covariance without full rank */
    open_normals(50, 60, 4, 0.5, 1, 1);
    for (int64_t i = 0; i < 110; i++) s.points.at[i * 4 + 3] = s.points.at[i * 4];
    assert_ok(sl_frechet_distance(&s.points, &s.a, &s.b, &found));
    assert_true(found > 0.5 && found < 3);
    s.b.count = 1;
    assert_status(sl_frechet_distance(&s.points, &s.a, &s.b, &found), SL_INVALID);
    sl_points_free(&s.points);
}

/* KID is unbiased: over many pairs of equal samples its mean is 0 within its error. */
static void kid_of_equal_sets_is_zero_on_average(void **state) {
    (void)state;
    enum { RUNS = 60 };
    double sum = 0, squares = 0, shifted = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        sl_pairs kernel;
        open_normals(30, 40, 5, 0, 1, 10 + run);
        assert_ok(sl_pairs_new(&s.points, SL_PAIR_POLYNOMIAL, &kernel));
        double kid = sl_kid(&kernel, NULL, &s.a, &s.b);
        sum += kid, squares += kid * kid;
        sl_pairs_free(&kernel);
        sl_points_free(&s.points);
        open_normals(30, 40, 5, 1, 1, 10 + run);
        assert_ok(sl_pairs_new(&s.points, SL_PAIR_POLYNOMIAL, &kernel));
        shifted += sl_kid(&kernel, NULL, &s.a, &s.b) / RUNS;
        sl_pairs_free(&kernel);
        sl_points_free(&s.points);
    }
    double error = sqrt(squares) / RUNS;
    assert_true(fabs(sum / RUNS) < 3 * error);
    assert_true(shifted > 20 * error);
}

/* E (x.y / w + 1)^3 for x ~ N(a, 1)^w, y ~ N(b, 1)^w, every component of the means alike. */
static double expected_kernel(double a, double b, double w) {
    double ab = w * a * b, aa = w * a * a, bb = w * b * b;
    double second = ab * ab + aa + bb + w, third = ab * ab * ab + 3 * ab * bb + 3 * ab * (aa + w + 2);
    return third / (w * w * w) + 3 * second / (w * w) + 3 * ab / w + 1;
}

/* Over many pairs of sets, 95 % intervals hold the true distance about that often. */
static void half_sample_intervals_hold_the_truth(void **state) {
    (void)state;
    enum { RUNS = 300, DRAWS = 200, SIZE = 40, WIDTH = 5 };
    double shift = 0.7, truth = expected_kernel(0, 0, WIDTH) + expected_kernel(shift, shift, WIDTH) -
                                2 * expected_kernel(0, shift, WIDTH);
    static int64_t room[4][SIZE];
    int held = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        sl_pairs kernel;
        double values[DRAWS];
        open_normals(SIZE, SIZE, WIDTH, shift, 1, 1000 + run);
        assert_ok(sl_pairs_new(&s.points, SL_PAIR_POLYNOMIAL, &kernel));
        for (uint32_t draw = 0; draw < DRAWS; draw++) {
            sl_random random = sl_random_stream(run, SL_STREAM_BOOTSTRAP, draw);
            sl_rows half[4] = {{room[0], 0}, {room[1], 0}, {room[2], 0}, {room[3], 0}};
            assert_ok(sl_halves_draw(&s.a, s.group, &random, &half[0], &half[1]));
            assert_ok(sl_halves_draw(&s.b, s.group, &random, &half[2], &half[3]));
            values[draw] = sl_kid(&kernel, NULL, &half[0], &half[2]);
        }
        sl_estimate interval = sl_estimate_of_draws(values, DRAWS, SIZE, "half-samples");
        held += interval.low <= truth && truth <= interval.high;
        sl_pairs_free(&kernel);
        sl_points_free(&s.points);
    }
    assert_in_range(held, (int)(0.92 * RUNS), (int)(0.985 * RUNS));
}

static void density_and_coverage_of_equal_sets(void **state) {
    (void)state;
    sl_pairs distance;
    double density, coverage;
    open_normals(600, 600, 6, 0, 1, 80);
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
    assert_ok(sl_density_coverage(&distance, NULL, &s.a, &s.b, 5, &density, &coverage));
    assert_near(density, 1, 0.08);
    assert_near(coverage, 1 - 1 / 32.0, 0.02);
    sl_pairs_free(&distance);
    sl_points_free(&s.points);
    /* a candidate that shows one thing only covers little, however dense it lies */
    open_normals(600, 600, 6, 0, 0.05, 81);
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
    assert_ok(sl_density_coverage(&distance, NULL, &s.a, &s.b, 5, &density, &coverage));
    assert_true(density > 1.5);
    assert_true(coverage < 0.75);
    s.a.count = 5;
    assert_status(sl_density_coverage(&distance, NULL, &s.a, &s.b, 5, &density, &coverage), SL_INVALID);
    sl_pairs_free(&distance);
    sl_points_free(&s.points);
}

static double probe_auc(int64_t n, double shift, double stretch, uint32_t item, bool nearest) {
    double score[2048];
    open_normals(n, n, 8, shift, stretch, item);
    if (nearest) {
        sl_pairs distance;
        assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
        sl_probe_nearest(&distance, s.label, s.group, score);
        sl_pairs_free(&distance);
    } else {
        assert_ok(sl_probe_logistic(&s.points, s.label, s.group, 5, score));
    }
    double auc = sl_roc_auc(score, s.label, 2 * n);
    sl_points_free(&s.points);
    return auc;
}

/* A linear probe of N(0, 1) against N(0.5, 1) in 8 columns: at best Phi(0.5 sqrt 8 / sqrt 2) = Phi(1). */
static void probes_tell_apart_what_differs(void **state) {
    (void)state;
    assert_near(probe_auc(300, 0, 1, 90, false), 0.5, 0.06);
    assert_near(probe_auc(300, 0.5, 1, 91, false), sl_normal_cdf(1), 0.04);
    /* equal means, other spread: a line sees nothing, a neighbour does */
    assert_near(probe_auc(300, 0, 3, 92, false), 0.5, 0.1);
    assert_true(probe_auc(300, 0, 3, 92, true) > 0.8);
    assert_near(probe_auc(300, 0, 1, 93, true), 0.5, 0.06);
}

/* Rows of a group are near-copies: a probe that may learn from the copies of what it is tested on would seem
 * to tell equal sets apart. */
static void groups_are_not_divided(void **state) {
    (void)state;
    double score[2048], plain[2048];
    sl_pairs distance;
    sl_random random = sl_random_stream(7, SL_STREAM_TEST, 0);
    open_sets(120, 120, 6);
    for (int64_t i = 0; i < 240; i++) {
        s.group[i] = i / 6;
        for (int c = 0; c < 6; c++)
            s.points.at[i * 6 + c] = i % 6
                                         ? s.points.at[(i - i % 6) * 6 + c] + 0.01 * sl_random_normal(&random)
                                         : sl_random_normal(&random);
    }
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
    sl_probe_nearest(&distance, s.label, s.group, score);
    sl_probe_nearest(&distance, s.label, s.all.row, plain);
    assert_true(sl_roc_auc(plain, s.label, 240) > 0.98);
    assert_near(sl_roc_auc(score, s.label, 240), 0.5, 0.2);
    /* near-copies within a set would make two equal sets look far apart */
    assert_true(sl_energy_distance(&distance, NULL, &s.a, &s.b) > 0.2);
    assert_true(fabs(sl_energy_distance(&distance, s.group, &s.a, &s.b)) < 0.15);
    double density, coverage;
    assert_ok(sl_density_coverage(&distance, NULL, &s.a, &s.b, 5, &density, &coverage));
    assert_true(coverage < 0.1);
    assert_ok(sl_density_coverage(&distance, s.group, &s.a, &s.b, 6, &density, &coverage));
    assert_true(coverage > 0.4);
    sl_rows a = {s.row[0], 0}, b = {s.row[1], 0};
    for (uint32_t draw = 0; draw < 20; draw++) {
        bool seen[40] = {false};
        assert_ok(sl_halves_draw(&s.all, s.group, &random, &a, &b));
        assert_int_equal(a.count + b.count, 240);
        assert_int_equal(a.count, b.count);
        for (int64_t i = 0; i < a.count; i++) seen[s.group[a.row[i]]] = true;
        for (int64_t i = 0; i < b.count; i++) assert_false(seen[s.group[b.row[i]]]);
    }
    for (int64_t i = 0; i < 240; i++) s.group[i] = i < 120 ? 0 : i;
    assert_status(sl_probe_logistic(&s.points, s.label, s.group, 5, score), SL_INVALID);
    sl_pairs_free(&distance);
    sl_points_free(&s.points);
}

/* Training set, copies of it with a little noise, and a held-out set: rows 0-199, 200-299, 300-399. */
static double copying_z(double share, uint32_t item) {
    static double generated[100], held[100], second[100];
    sl_pairs distance;
    open_normals(200, 200, 6, 0, 1, item);
    sl_random random = sl_random_stream(5, SL_STREAM_TEST, item);
    for (int64_t i = 0; i < (int64_t)(100 * share); i++)
        for (int c = 0; c < 6; c++)
            s.points.at[(200 + i) * 6 + c] = s.points.at[i * 6 + c] + 0.02 * sl_random_normal(&random);
    assert_ok(sl_pairs_new(&s.points, SL_PAIR_EUCLID, &distance));
    sl_rows candidate = {s.row[1], 100}, held_out = {s.row[1] + 100, 100};
    sl_nearest_two(&distance, s.group, &candidate, &s.a, generated, second);
    if (share > 0) assert_true(generated[0] / second[0] < 0.3);
    sl_nearest_two(&distance, s.group, &held_out, &s.a, held, second);
    sl_pairs_free(&distance);
    sl_points_free(&s.points);
    return sl_mann_whitney_z(generated, 100, held, 100);
}

static void copies_are_found(void **state) {
    (void)state;
    assert_true(copying_z(1, 100) < -10);
    assert_true(copying_z(0.3, 101) < -2);
    assert_true(fabs(copying_z(0, 102)) < 2.6);
    const double a[4] = {1, 2, 3.5, 0.2}, b[5] = {2, 4, 5, 6, 1.5};
    assert_near(sl_mann_whitney_z(a, 4, b, 5), -1.59216833281, 1e-10);
    assert_true(isnan(sl_mann_whitney_z(a, 0, b, 5)));
}

/* Worked by hand: sorted 0.01 0.02 0.03 0.04 times 4 3 2 1, made monotonous. */
static void holm_is_holm(void **state) {
    (void)state;
    double p[5] = {0.04, 0.01, NAN, 0.03, 0.02};
    sl_holm(p, 5);
    assert_near(p[1], 0.04, 1e-15);
    assert_near(p[4], 0.06, 1e-15);
    assert_near(p[3], 0.06, 1e-15);
    assert_near(p[0], 0.06, 1e-15);
    assert_true(isnan(p[2]));
}

/* Frames of a series say the same thing again and again: their p-value is that of the series. */
static void a_group_counts_once(void **state) {
    (void)state;
    sl_ks once, repeated;
    double weight[1000];
    open_sets(100, 100, 1);
    for (int64_t i = 0; i < 200; i++) {
        weight[i] = 10;
        s.points.at[i] = (double)(i / 10 % 10) + (i < 100 ? 0 : 3.5);
    }
    assert_ok(sl_ks_test(&s.points, 0, weight, &s.a, &s.b, &repeated));
    sl_points_free(&s.points);
    open_sets(10, 10, 1);
    for (int64_t i = 0; i < 20; i++) {
        weight[i] = 1;
        s.points.at[i] = (double)(i % 10) + (i < 10 ? 0 : 3.5);
    }
    assert_ok(sl_ks_test(&s.points, 0, weight, &s.a, &s.b, &once));
    assert_near(once.statistic, 0.4, 1e-12);
    assert_near(repeated.statistic, once.statistic, 1e-12);
    assert_near(repeated.p, once.p, 1e-9);
    sl_points_free(&s.points);
}

static void missing_values_say_nothing(void **state) {
    (void)state;
    sl_points out;
    unsigned char kept[5];
    open_sets(4, 4, 5);
    for (int i = 0; i < 8; i++) {
        double *row = s.points.at + i * 5;
        row[0] = i;                               /* plain */
        row[1] = i == 2 ? (double)NAN : 2.0 * i;  /* one missing */
        row[2] = i < 3 ? (double)NAN : (double)i; /* mostly missing in the reference */
        row[3] = 7;                               /* never varies */
        row[4] = i < 4 ? 1 : 2;                   /* constant in the reference, other in the rest */
    }
    assert_ok(sl_points_standardise(&s.points, 4, 8, kept, &out));
    assert_int_equal(out.width, 3);
    assert_true(kept[0] && kept[1] && !kept[2] && !kept[3] && kept[4]);
    assert_near(sl_points_row(&out, 0)[0], -1.5 / sqrt(5.0 / 3), 1e-12);
    assert_near(sl_points_row(&out, 2)[1], 0, 0);
    assert_true(sl_points_row(&out, 5)[2] > 1);
    sl_points_free(&out);
    sl_points_free(&s.points);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(small_case_agrees_with_numpy),
    cmocka_unit_test(eigenvalues_agree_with_lapack),
    cmocka_unit_test(frechet_of_gaussians_is_analytic),
    cmocka_unit_test(kid_of_equal_sets_is_zero_on_average),
    cmocka_unit_test(half_sample_intervals_hold_the_truth),
    cmocka_unit_test(density_and_coverage_of_equal_sets),
    cmocka_unit_test(probes_tell_apart_what_differs),
    cmocka_unit_test(groups_are_not_divided),
    cmocka_unit_test(copies_are_found),
    cmocka_unit_test(holm_is_holm),
    cmocka_unit_test(a_group_counts_once),
    cmocka_unit_test(missing_values_say_nothing),
};

TEST_MAIN(tests)
