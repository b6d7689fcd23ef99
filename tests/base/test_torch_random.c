/* Values printed by torch 2.15 on the CPU with torch.Generator().manual_seed(seed), and by torch on CUDA
 * devices. */
#include "test.h"

#include "base/random/torch_cuda_random.h"
#include "base/random/torch_random.h"

#include <math.h>
#include <stdlib.h>
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

/* ---- torch.randn(device="cuda"), as printed on devices ---- */

static void assert_close(const float *found, const float *expected, size_t count, float tolerance) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(found[i] - expected[i]) <= tolerance))
            fail_msg("element %zu is %.9g, expected %.9g", i, (double)found[i], (double)expected[i]);
}

static void cuda_normals_are_those_of_devices(void **state) {
    (void)state;
    /* what another implementation, made to match devices, documents for seed 0 */
    static const float zero[12] = {-0.92466259f, -0.42534415f, -2.6438457f,  0.14518388f,
                                   -0.12086647f, -0.57972564f, -0.62285122f, -0.32838709f,
                                   -1.07454231f, -0.36314407f, -1.67105067f, 2.26550497f};
    static const float first[10] = {0.1940f, 2.1614f,  -0.1721f, 0.8491f, -1.9244f,
                                    0.6530f, -0.6494f, -0.8175f, 0.5280f, -1.2753f};
    /* six calls of four */
    static const float calls[6][4] = {
        {0.1940f, 2.1614f, -0.1721f, 0.8491f},   {0.1391f, -0.1082f, -0.7174f, 0.7566f},
        {-0.5187f, 1.2268f, 0.6255f, -0.9117f},  {-0.6974f, -1.8688f, -0.8832f, -1.6627f},
        {-1.2682f, -0.0383f, -0.1029f, 1.4400f}, {1.4640f, -0.3238f, 0.7740f, 1.5892f}};
    sl_torch_cuda_random random;
    float found[12];
    sl_torch_cuda_random_seed(&random, 0);
    sl_torch_cuda_randn(&random, SL_TORCH_CUDA_THREADS, found, 12);
    assert_close(found, zero, 12, 2e-6f);
    sl_torch_cuda_random_seed(&random, 42);
    sl_torch_cuda_randn(&random, SL_TORCH_CUDA_THREADS, found, 10);
    assert_close(found, first, 10, 6e-5f);
    /* a call goes on where the one before it ended */
    sl_torch_cuda_random_seed(&random, 42);
    for (int i = 0; i < 6; i++) {
        sl_torch_cuda_randn(&random, SL_TORCH_CUDA_THREADS, found, 4);
        assert_close(found, calls[i], 4, 6e-5f);
    }
}

/* torch.manual_seed(42); torch.randn(1823, 781, device="cuda")[0:10], which prints rows 0 to 2 and 7 to 9. */
static void many_cuda_normals_are_those_of_devices(void **state) {
    (void)state;
    enum { ROWS = 1823, COLUMNS = 781 };
    static const int rows[] = {0, 1, 2, 7, 8, 9}, columns[] = {0, 1, 2, 778, 779, 780};
    static const float expected[6][6] = {{0.1940f, 2.1614f, -0.1721f, -0.8353f, -1.6443f, 0.1315f},
                                         {-0.1797f, 0.9744f, -2.0136f, 0.0543f, 0.2508f, -0.2370f},
                                         {1.1266f, 1.5895f, 0.1072f, -0.4797f, 1.4313f, 1.7260f},
                                         {1.9695f, 0.5996f, 0.5583f, -0.0692f, 2.9254f, 0.9274f},
                                         {-1.7301f, 1.2562f, -1.2144f, -0.4262f, -2.0327f, -1.0277f},
                                         {-0.2987f, 0.1946f, 1.1640f, -0.2081f, -1.0439f, 0.7082f}};
    sl_torch_cuda_random random;
    float *all = malloc(ROWS * COLUMNS * sizeof *all);
    assert_non_null(all);
    sl_torch_cuda_random_seed(&random, 42);
    sl_torch_cuda_randn(&random, SL_TORCH_CUDA_THREADS, all, ROWS * COLUMNS);
    for (int r = 0; r < 6; r++)
        for (int c = 0; c < 6; c++)
            assert_close(&all[rows[r] * COLUMNS + columns[c]], &expected[r][c], 1, 6e-5f);
    assert_int_equal(random.steps, 2); /* 1,423,763 values by 4 times 221,184 */
    free(all);
}

/* A call that the device's threads hold is the same on every device; a larger one gives each thread four
 * places, then four more. */
static void a_device_of_few_threads_takes_turns(void **state) {
    (void)state;
    enum { THREADS = 512, COUNT = 5 * THREADS + 3 };
    sl_torch_cuda_random random;
    static float few[COUNT], many[COUNT];
    sl_torch_cuda_random_seed(&random, 9);
    sl_torch_cuda_randn(&random, THREADS, few, THREADS);
    sl_torch_cuda_random_seed(&random, 9);
    sl_torch_cuda_randn(&random, SL_TORCH_CUDA_THREADS, many, THREADS);
    assert_memory_equal(few, many, THREADS * sizeof(float));
    sl_torch_cuda_random_seed(&random, 9);
    sl_torch_cuda_randn(&random, THREADS, few, COUNT);
    assert_int_equal(random.steps, 2);
    assert_memory_equal(few, many, THREADS * sizeof(float));
    assert_memory_not_equal(few + THREADS, few, THREADS * sizeof(float));
    /* value 4 THREADS + t is the first of thread t's second step: what a second call begins with */
    sl_torch_cuda_random_seed(&random, 9);
    sl_torch_cuda_randn(&random, THREADS, many, THREADS);
    sl_torch_cuda_randn(&random, THREADS, many, THREADS);
    assert_memory_equal(few + (size_t)4 * THREADS, many, THREADS * sizeof(float));
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) sum += (double)few[i], squares += (double)few[i] * (double)few[i];
    assert_true(fabs(sum / COUNT) < 0.06 && fabs(squares / COUNT - 1) < 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_mt19937),
        cmocka_unit_test(few_normals_take_the_scalar_path),
        cmocka_unit_test(a_rest_draws_the_last_block_again),
        cmocka_unit_test(mixed_draws_stay_in_step),
        cmocka_unit_test(cuda_normals_are_those_of_devices),
        cmocka_unit_test(many_cuda_normals_are_those_of_devices),
        cmocka_unit_test(a_device_of_few_threads_takes_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
