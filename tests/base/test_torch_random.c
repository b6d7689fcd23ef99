/* Values printed by torch 2.15 on the CPU with torch.Generator().manual_seed(seed). */
#include "test.h"

#include "base/torch_random.h"

#include <math.h>
#include <string.h>

static void words_are_mt19937(void **state) {
    (void)state;
    sl_torch_random random;
    sl_torch_random_seed(&random, 5489); /* the reference implementation's default seed */
    assert_int_equal(sl_torch_random_u32(&random), 3499211612u);
    for (int i = 2; i < 10000; i++) sl_torch_random_u32(&random);
    assert_int_equal(sl_torch_random_u32(&random),
                     4123659995u); /* the 10000th, as C++ demands of std::mt19937 */
    sl_torch_random_seed(&random, ((uint64_t)1 << 32) + 5489);
    assert_int_equal(sl_torch_random_u32(&random), 3499211612u);
}

static void assert_near(const float *found, const float *expected, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(found[i] - expected[i]) <= 5e-7f))
            fail_msg("element %zu is %.9g, expected %.9g", i, (double)found[i], (double)expected[i]);
}

static void few_normals_take_the_scalar_path(void **state) {
    (void)state;
    static const float expected[] = {0x1.58c55cp-2f, 0x1.07cd3ap-3f, 0x1.e02dcep-3f, 0x1.d7b8d8p-3f,
                                     -0x1.1f7384p+0f};
    sl_torch_random random;
    float found[5];
    sl_torch_random_seed(&random, 42);
    sl_torch_randn(&random, found, 2); /* 2 + 3 is the same as 5: the odd one waits */
    sl_torch_randn(&random, found + 2, 3);
    assert_near(found, expected, 5);
}

static void a_rest_draws_the_last_block_again(void **state) {
    (void)state;
    static const float expected[17] = {1.9269152879714966f,  -0.1595974713563919f,  -0.4973975419998169f,
                                       0.439589262008667f,   -0.7581311464309692f,  1.078317642211914f,
                                       0.8008005619049072f,  1.680620551109314f,    0.3558599054813385f,
                                       1.2964228391647339f,  0.610466480255127f,    1.334737777709961f,
                                       -0.2316243201494217f, 0.041759490966796875f, -0.2515752911567688f,
                                       0.859858512878418f,   -0.3097267746925354f};
    sl_torch_random random;
    float found[17];
    sl_torch_random_seed(&random, 42);
    sl_torch_randn(&random, found, 17);
    assert_near(found, expected, 17);
}

static void mixed_draws_stay_in_step(void **state) {
    (void)state;
    sl_torch_random random;
    float x[8];
    double wide[2];
    int64_t whole[6];
    sl_torch_random_seed(&random, 7);
    sl_torch_rand(&random, x, 2);
    assert_true(x[0] == 0.5349225401878357f && x[1] == 0.19880318641662598f);
    sl_torch_randint(&random, -5, 1000, whole, 3);
    assert_memory_equal(whole, ((int64_t[]){416, 486, 353}), 3 * sizeof *whole);
    sl_torch_randperm(&random, whole, 6);
    assert_memory_equal(whole, ((int64_t[]){3, 0, 5, 4, 2, 1}), sizeof whole);
    sl_torch_randint(&random, 0, (int64_t)1 << 32, whole, 2);
    assert_memory_equal(whole, ((int64_t[]){1133316631, 372560217}), 2 * sizeof *whole);
    sl_torch_randint(&random, 0, (int64_t)1 << 30, whole, 2);
    assert_memory_equal(whole, ((int64_t[]){727448106, 68334472}), 2 * sizeof *whole);
    sl_torch_randn_f64(&random, wide, 2);
    assert_true(fabs(wide[0] - 0.02120137782081265) < 1e-15 && fabs(wide[1] + 0.3601938042010767) < 1e-15);
    sl_torch_uniform(&random, -2, 3, x, 2);
    assert_true(x[0] == 1.7859723567962646f && x[1] == 1.4742376804351807f);
    const float probability[8] = {0.3f, 0.3f, 0.3f, 0.3f, 0.3f, 0.3f, 0.3f, 0.3f};
    sl_torch_bernoulli(&random, probability, x, 8);
    assert_memory_equal(x, ((float[]){0, 0, 0, 0, 0, 1, 0, 0}), sizeof x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_mt19937),
        cmocka_unit_test(few_normals_take_the_scalar_path),
        cmocka_unit_test(a_rest_draws_the_last_block_again),
        cmocka_unit_test(mixed_draws_stay_in_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
