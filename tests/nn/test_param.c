#include "test.h"

#include "base/threads.h"
#include "nn/param.h"

#include <math.h>
#include <string.h>

static void declare(sl_params *params, const char *name, sl_shape shape, sl_init init) {
    sl_param *param;
    assert_ok(sl_params_declare(params, name, &shape, init, false, &param));
}

static void declares_once(void **state) {
    (void)state;
    sl_params *params;
    assert_ok(sl_params_new(&params));
    sl_param *first = NULL, *again = NULL;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d.weight", i);
        declare(params, name, SL_SHAPE(i + 1, 2), SL_INIT_RULE_ZEROS);
        if (i == 7) first = sl_params_find(params, name);
    }
    assert_int_equal(sl_params_count(params), 1000);
    assert_int_equal(sl_params_values(params, false), 1000 * 1001);
    assert_ok(
        sl_params_declare(params, "layers.7.weight", &SL_SHAPE(8, 2), SL_INIT_RULE_ZEROS, false, &again));
    assert_ptr_equal(first, again);
    assert_int_equal(first->index, 7);
    assert_status(
        sl_params_declare(params, "layers.7.weight", &SL_SHAPE(2, 8), SL_INIT_RULE_ZEROS, false, &again),
        SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "[8, 2]"));
    assert_null(sl_params_find(params, "layers.1000.weight"));
    sl_params_free(params);
}

static void mean_and_std(const sl_param *param, double *mean, double *std, double *largest) {
    const float *value = param->value.data;
    int64_t count = sl_shape_count(&param->value.shape);
    double sum = 0, squares = 0;
    *largest = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)value[i];
        squares += (double)value[i] * (double)value[i];
        *largest = fmax(*largest, fabs((double)value[i]));
    }
    *mean = sum / (double)count;
    *std = sqrt(squares / (double)count - *mean * *mean);
}

static void initialises_by_rule(void **state) {
    (void)state;
    sl_params *params;
    assert_ok(sl_params_new(&params));
    declare(params, "uniform", SL_SHAPE(300, 100), sl_init_fan_in(100));
    declare(params, "normal", SL_SHAPE(300, 100), sl_init_normal(0.02));
    declare(params, "ones", SL_SHAPE(5), SL_INIT_RULE_ONES);
    assert_ok(sl_params_initialise(params, 42));
    double mean, std, largest;
    mean_and_std(sl_params_find(params, "uniform"), &mean, &std, &largest);
    assert_true(fabs(mean) < 2e-3 && fabs(std - 0.1 / sqrt(3.0)) < 1e-3 && largest <= 0.1 &&
                largest > 0.0999);
    mean_and_std(sl_params_find(params, "normal"), &mean, &std, &largest);
    assert_true(fabs(mean) < 5e-4 && fabs(std - 0.02) < 5e-4);
    mean_and_std(sl_params_find(params, "ones"), &mean, &std, &largest);
    assert_true(mean == 1.0 && std == 0.0);
    sl_params_free(params);
}

static void same_values_in_any_order_and_threads(void **state) {
    (void)state;
    const char *const names[] = {"a.weight", "b.weight", "c.weight"};
    sl_params *one, *two;
    assert_ok(sl_params_new(&one));
    assert_ok(sl_params_new(&two));
    for (int i = 0; i < 3; i++) declare(one, names[i], SL_SHAPE(17, 33), sl_init_normal(1.0));
    for (int i = 2; i >= 0; i--) declare(two, names[i], SL_SHAPE(17, 33), sl_init_normal(1.0));
    assert_ok(sl_params_initialise(one, 9));
    assert_ok(sl_threads_set(1));
    assert_ok(sl_params_initialise(two, 9));
    assert_ok(sl_threads_set(0));
    for (int i = 0; i < 3; i++) {
        const sl_param *a = sl_params_find(one, names[i]), *b = sl_params_find(two, names[i]);
        assert_memory_equal(a->value.data, b->value.data, sl_tensor_bytes(&a->value));
    }
    assert_memory_not_equal(sl_params_at(one, 0)->value.data, sl_params_at(one, 1)->value.data, 64);
    sl_params_free(one);
    sl_params_free(two);
}

static void trains_only_what_is_named(void **state) {
    (void)state;
    sl_params *params;
    assert_ok(sl_params_new(&params));
    declare(params, "body.weight", SL_SHAPE(4), SL_INIT_RULE_ONES);
    declare(params, "head.weight", SL_SHAPE(3), SL_INIT_RULE_ONES);
    sl_param *running;
    assert_ok(
        sl_params_declare(params, "head.running_mean", &SL_SHAPE(3), SL_INIT_RULE_ZEROS, true, &running));
    assert_ok(sl_params_train_only(params, (const char *const[]){"head.", NULL}));
    assert_int_equal(sl_params_values(params, true), 3);
    assert_int_equal(sl_params_values(params, false), 7);
    assert_ok(sl_params_allocate(params));
    assert_ok(sl_params_allocate_gradients(params));
    assert_null(sl_params_find(params, "body.weight")->gradient.data);
    assert_non_null(sl_params_find(params, "head.weight")->gradient.data);
    assert_null(running->gradient.data);
    ((float *)sl_params_find(params, "head.weight")->gradient.data)[2] = INFINITY;
    assert_status(sl_params_check_finite(params), SL_NUMERIC);
    assert_non_null(strstr(sl_error_message(), "head.weight"));
    sl_params_zero_gradients(params);
    assert_ok(sl_params_check_finite(params));
    assert_status(sl_params_train_only(params, (const char *const[]){"tail.", NULL}), SL_NOT_FOUND);
    sl_params_free(params);
}

typedef struct counted {
    int reads, releases;
    bool fails;
} counted;

static sl_status read_sevens(void *context, const sl_param *param, void *target) {
    counted *c = context;
    c->reads++;
    if (c->fails) return sl_fail(SL_IO, "the disk is gone");
    for (int64_t i = 0; i < sl_shape_count(&param->value.shape); i++) ((float *)target)[i] = 7;
    return SL_OK;
}

static void count_release(void *context) {
    ((counted *)context)->releases++;
}

static void values_come_from_the_source_when_they_are_held(void **state) {
    (void)state;
    sl_params *params;
    counted one = {0}, two = {.fails = true};
    assert_ok(sl_params_new(&params));
    declare(params, "body.weight", SL_SHAPE(4), SL_INIT_RULE_ONES);
    sl_params_set_source(params,
                         &(sl_param_source){.read = read_sevens, .release = count_release, .context = &one});
    declare(params, "head.weight", SL_SHAPE(3), SL_INIT_RULE_ONES); /* later ones have it too */
    assert_ok(sl_params_train_only(params, (const char *const[]){"head.", NULL}));
    assert_ok(sl_params_allocate_trained(params));
    assert_int_equal(one.reads, 1);
    assert_null(sl_params_find(params, "body.weight")->value.data);
    assert_true(((float *)sl_params_find(params, "head.weight")->value.data)[2] == 7);
    sl_params_set_source(params,
                         &(sl_param_source){.read = read_sevens, .release = count_release, .context = &two});
    assert_int_equal(one.releases, 1);
    assert_status(sl_params_allocate(params), SL_IO);
    assert_non_null(strstr(sl_error_message(), "body.weight"));
    assert_null(sl_params_find(params, "body.weight")->value.data);
    two.fails = false;
    assert_ok(sl_params_allocate(params));
    assert_ok(sl_params_allocate(params)); /* what is held is not read again */
    assert_int_equal(two.reads, 2);
    sl_params_free(params);
    assert_int_equal(two.releases, 1);
}

static void values_drawn_on_demand_are_the_same(void **state) {
    (void)state;
    sl_params *now, *later;
    assert_ok(sl_params_new(&now));
    assert_ok(sl_params_new(&later));
    declare(now, "a.weight", SL_SHAPE(31, 70), sl_init_normal(1.0));
    declare(later, "a.weight", SL_SHAPE(31, 70), sl_init_normal(1.0));
    assert_ok(sl_params_initialise(now, 9));
    assert_ok(sl_params_initialise_on_demand(later, 9, SL_F32));
    assert_int_equal(sl_params_bytes(later), 0);
    assert_ok(sl_params_allocate(later));
    const float *value = sl_params_at(now, 0)->value.data, *rounded;
    assert_memory_equal(value, sl_params_at(later, 0)->value.data, 31 * 70 * 4);
    sl_params_free(later);
    assert_ok(sl_params_new(&later));
    declare(later, "a.weight", SL_SHAPE(31, 70), sl_init_normal(1.0));
    assert_ok(sl_params_initialise_on_demand(later, 9, SL_F16));
    assert_ok(sl_params_allocate(later));
    rounded = sl_params_at(later, 0)->value.data;
    for (int i = 0; i < 31 * 70; i++) assert_true(rounded[i] == sl_f16_to_f32(sl_f32_to_f16(value[i])));
    sl_params_free(now);
    sl_params_free(later);
}

static void mixes_by_share(void **state) {
    (void)state;
    sl_params *a, *b;
    assert_ok(sl_params_new(&a));
    assert_ok(sl_params_new(&b));
    declare(a, "w", SL_SHAPE(3, 5), sl_init_normal(1));
    declare(b, "w", SL_SHAPE(3, 5), sl_init_normal(1));
    assert_ok(sl_params_initialise(a, 1));
    assert_ok(sl_params_initialise(b, 2));
    float was[15], *value = sl_params_at(a, 0)->value.data;
    const float *other = sl_params_at(b, 0)->value.data;
    memcpy(was, value, sizeof was);
    sl_params_mix(a, b, 0.25);
    for (int i = 0; i < 15; i++)
        assert_true(fabs((double)value[i] - (0.25 * (double)was[i] + 0.75 * (double)other[i])) < 1e-6);
    sl_params_free(a);
    sl_params_free(b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_come_from_the_source_when_they_are_held),
    cmocka_unit_test(values_drawn_on_demand_are_the_same),
    cmocka_unit_test(declares_once),
    cmocka_unit_test(initialises_by_rule),
    cmocka_unit_test(mixes_by_share),
    cmocka_unit_test(same_values_in_any_order_and_threads),
    cmocka_unit_test(trains_only_what_is_named),
};
TEST_MAIN(tests)
