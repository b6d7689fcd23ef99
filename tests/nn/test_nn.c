/* Layers: names, sharing, probes, and what goes wrong. */
#include "test.h"

#include "backend/isa.h"
#include "base/random/random.h"
#include "nn/blocks.h"
#include "nn/program.h"

#include <math.h>
#include <string.h>

static sl_params *new_params(void) {
    sl_params *params;
    assert_ok(sl_params_new(&params));
    return params;
}

static void layers_name_their_parameters(void **state) {
    (void)state;
    sl_params *params = new_params();
    sl_program p;
    assert_ok(sl_program_begin(&p, params));
    sl_value x = sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, 4, 4, 8));
    sl_nn_begin(&p.nn, "down_blocks.%d", 0);
    assert_string_equal(sl_nn_path(&p.nn), "down_blocks.0");
    sl_nn_end(&p.nn, sl_nn_resnet_block(&p.nn, "resnets.0", x, SL_NONE, 16, 4, 1e-5));
    assert_ok(sl_graph_status(p.graph));
    static const char *const names[] = {
        "norm1.weight", "norm1.bias",   "conv1.weight", "conv1.bias",           "norm2.weight",
        "norm2.bias",   "conv2.weight", "conv2.bias",   "conv_shortcut.weight", "conv_shortcut.bias"};
    assert_int_equal(sl_params_count(params), 10);
    for (int i = 0; i < 10; i++) {
        char name[96];
        snprintf(name, sizeof name, "down_blocks.0.resnets.0.%s", names[i]);
        assert_non_null(sl_params_find(params, name));
    }
    const sl_param *conv = sl_params_find(params, "down_blocks.0.resnets.0.conv1.weight");
    assert_true(sl_shape_equal(&conv->value.shape, &SL_SHAPE(16, 8, 3, 3)));
    sl_program_end(&p);
    sl_params_free(params);
}

static void paths_begin_where_the_builder_was_opened(void **state) {
    (void)state;
    sl_params *params = new_params();
    sl_graph *graph;
    sl_nn nn;
    assert_ok(sl_graph_new(&graph));
    sl_graph_push(graph, "unet");
    sl_nn_open(&nn, graph, params);
    sl_nn_linear(&nn, "proj", sl_input(graph, "x", SL_F32, SL_SHAPE(2, 3)), 5, true);
    assert_non_null(sl_params_find(params, "proj.weight"));
    assert_true(sl_value_is(sl_graph_find(graph, "unet.proj.weight")));
    sl_graph_pop(graph);
    sl_nn_close(&nn);
    sl_graph_free(graph);
    sl_params_free(params);
}

static void a_layer_used_twice_shares_its_weights(void **state) {
    (void)state;
    sl_params *params = new_params();
    sl_program p;
    assert_ok(sl_program_begin(&p, params));
    sl_value x = sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, 2));
    sl_output(p.graph, "y", sl_nn_linear(&p.nn, "fc", sl_nn_linear(&p.nn, "fc", x, 2, false), 2, false));
    assert_int_equal(sl_params_count(params), 1);
    assert_ok(sl_params_allocate(params));
    memcpy(sl_params_at(params, 0)->value.data, (float[]){0, 1, 2, 0}, 4 * sizeof(float));
    assert_ok(sl_program_finish(&p, NULL));
    float in[2] = {3, 5}, out[2];
    assert_ok(sl_program_set(&p, "x", in, sizeof in));
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get(&p, "y", out, sizeof out));
    assert_true(out[0] == 6 && out[1] == 10); /* the matrix squared is twice the unit */
    assert_status(sl_program_get(&p, "z", out, sizeof out), SL_NOT_FOUND);
    assert_status(sl_program_set(&p, "x", in, 4), SL_MISMATCH);
    sl_program_end(&p);

    /* with another shape it is an error that names both */
    assert_ok(sl_program_begin(&p, params));
    sl_nn_linear(&p.nn, "fc", sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, 2)), 3, false);
    assert_status(sl_program_finish(&p, NULL), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "[3, 2]"));
    sl_program_end(&p);
    sl_params_free(params);
}

static void forgotten_memory_is_reported(void **state) {
    (void)state;
    sl_params *params = new_params();
    sl_program p;
    assert_ok(sl_program_begin(&p, params));
    sl_output(p.graph, "y",
              sl_nn_linear(&p.nn, "fc", sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, 2)), 2, true));
    assert_status(sl_program_finish(&p, NULL), SL_INTERNAL);
    assert_non_null(strstr(sl_error_message(), "fc.weight"));
    sl_program_end(&p);
    sl_params_free(params);
}

/* A probe of a fused norm shows the norm before its activation, and the result stays what it was. */
static void probes_see_inside(void **state) {
    (void)state;
    static const char *const probes[] = {"norm", NULL};
    sl_params *params = new_params();
    float in[8] = {1, -2, 3, 4, -5, 6, 7, -8}, plain[8], watched[8], norm[8];
    for (int round = 0; round < 2; round++) {
        sl_program p;
        assert_ok(sl_program_begin(&p, params));
        p.nn.probes = round ? probes : NULL;
        sl_value x = sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, 1, 2, 4));
        sl_output(p.graph, "y", sl_nn_group_norm(&p.nn, "norm", x, 2, 1e-5, true));
        assert_ok(sl_params_initialise(params, 1));
        assert_ok(sl_program_finish(&p, NULL));
        assert_ok(sl_program_set(&p, "x", in, sizeof in));
        assert_ok(sl_program_run(&p));
        assert_ok(sl_program_get(&p, "y", round ? watched : plain, sizeof plain));
        if (round) assert_ok(sl_program_get(&p, "probe.norm", norm, sizeof norm));
        sl_program_end(&p);
    }
    double sum = 0;
    for (int i = 0; i < 8; i++) {
        assert_true(plain[i] - watched[i] < 1e-6f && watched[i] - plain[i] < 1e-6f);
        sum += (double)norm[i];
    }
    assert_true(sum < 1e-5 && sum > -1e-5);
    sl_params_free(params);
}

/* A layer from 64 to 32 on 8 rows: its result, and how many bytes of parameters the plan wants in memory. */
static size_t run_layer(sl_params *params, sl_program *p, float *out) {
    float in[8 * 64];
    for (int i = 0; i < 8 * 64; i++) in[i] = (float)(i % 13) - 6;
    assert_ok(sl_program_begin(p, params));
    sl_value x = sl_input(p->graph, "x", SL_F32, SL_SHAPE(8, 64));
    sl_output(p->graph, "y", sl_nn_linear(&p->nn, "fc", x, 32, true));
    assert_ok(sl_program_finish(p, NULL));
    assert_ok(sl_program_set(p, "x", in, sizeof in));
    assert_ok(sl_program_run(p));
    assert_ok(sl_program_get(p, "y", out, 8 * 32 * sizeof *out));
    return sl_plan_memory_of(p->plan).parameters;
}

static void declare_layer(sl_params *params) {
    sl_param *param;
    assert_ok(sl_params_declare(params, "fc.weight", &SL_SHAPE(32, 64), sl_init_normal(0.1), false, &param));
    assert_ok(sl_params_declare(params, "fc.bias", &SL_SHAPE(32), sl_init_normal(0.1), false, &param));
}

static void weights_that_are_only_packed_stay_in_their_source(void **state) {
    (void)state;
    sl_program p;
    float held[8 * 32], packed[8 * 32], changed[8 * 32];
    sl_params *params = new_params();
    declare_layer(params);
    assert_ok(sl_params_initialise(params, 4));
    size_t bytes = run_layer(params, &p, held);
    bool packs = false;
    for (int i = 0; i < p.nn.use_count; i++) packs |= sl_plan_only_packs(p.plan, p.nn.uses[i].value);
    sl_program_end(&p);
    sl_params_free(params);
    if (!packs) skip(); /* no instruction set here whose kernel packs weights */

    params = new_params();
    declare_layer(params);
    assert_ok(sl_params_initialise_on_demand(params, 4, SL_F32));
    assert_int_equal(bytes, (32 * 64 + 32) * sizeof(float));
    assert_int_equal(run_layer(params, &p, packed), 32 * sizeof(float));
    assert_memory_equal(held, packed, sizeof held);
    assert_int_equal(sl_params_bytes(params), 32 * sizeof(float)); /* the bias is read as it is */

    sl_param *weight = sl_params_find(params, "fc.weight");
    assert_ok(sl_param_hold(weight));
    for (int i = 0; i < 32 * 64; i++) ((float *)weight->value.data)[i] *= 2;
    sl_plan_weights_changed(p.plan); /* what is held by now has the last word */
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get(&p, "y", changed, sizeof changed));
    const float *bias = sl_params_find(params, "fc.bias")->value.data;
    for (int i = 0; i < 8 * 32; i++) assert_true(fabsf(changed[i] - 2 * held[i] + bias[i % 32]) < 1e-4f);
    sl_program_end(&p);
    sl_params_free(params);
}

/* Weights of a 16-bit file take half the memory, and give the bits that they give in 32. */
static void halves_stay_halves(void **state) {
    (void)state;
    sl_program p;
    float wide[8 * 32], half[8 * 32];
    size_t bytes[2];
    for (int round = 0; round < 2; round++) {
        sl_params *params = new_params();
        declare_layer(params);
        assert_ok(sl_params_initialise_on_demand(params, 4, SL_F16));
        if (round == 0) assert_ok(sl_params_allocate(params)); /* what is held may change: kept in full */
        run_layer(params, &p, round ? half : wide);
        bytes[round] = sl_plan_memory_of(p.plan).packed;
        sl_param *weight = sl_params_find(params, "fc.weight");
        assert_ok(sl_param_hold(weight));
        ((float *)weight->value.data)[32 * 64 - 1] = 1 / 3.0f; /* the last */
        sl_plan_weights_changed(p.plan);
        if (round == 0) {
            assert_ok(sl_program_run(&p));
        } else if (bytes[0]) {
            assert_status(sl_program_run(&p), SL_MISMATCH);
            assert_non_null(strstr(sl_error_message(), "0.333333"));
        }
        sl_program_end(&p);
        sl_params_free(params);
    }
    assert_memory_equal(wide, half, sizeof wide);
    assert_int_equal(bytes[0], 2 * bytes[1]);
}

/* The gradient of the sum of y^2. */
static sl_value gradient_of_squares(sl_graph *g, sl_value y, sl_value x) {
    sl_graph_backward(g, sl_sum(g, sl_square(g, y), SL_ALL_AXES));
    return sl_gradient(g, x);
}

/* How much the plan had packed; ends the program. */
static size_t end_packed(sl_program *p, sl_params *params) {
    size_t packed = sl_plan_memory_of(p->plan).packed;
    sl_program_end(p);
    sl_params_free(params);
    return packed;
}

/* A layer whose input wants a gradient: how much the plan packs. */
static size_t packed_with_gradient(bool gradient) {
    sl_program p;
    sl_params *params = new_params();
    declare_layer(params);
    assert_ok(sl_params_initialise_on_demand(params, 4, SL_F16));
    assert_ok(sl_program_begin(&p, params));
    sl_value x = sl_input(p.graph, "x", SL_F32, SL_SHAPE(8, 64));
    sl_graph_require_gradient(p.graph, x);
    sl_value y = sl_nn_linear(&p.nn, "fc", x, 32, true);
    if (gradient) sl_output(p.graph, "dx", gradient_of_squares(p.graph, y, x));
    sl_output(p.graph, "y", y);
    assert_ok(sl_program_finish(&p, NULL));
    return end_packed(&p, params);
}

static void both_passes_share_a_frozen_weight(void **state) {
    (void)state;
    assert_int_equal(packed_with_gradient(true), packed_with_gradient(false));
}

enum { MAP_SIDE = 16, MAP_CHANNELS = 32, MAP_VALUES = MAP_SIDE * MAP_SIDE * MAP_CHANNELS };

/* A frozen 3x3 convolution's output, or the gradient of its input; returns how much the plan packs. */
static size_t run_convolution(sl_dtype dtype, bool gradient, float *out) {
    sl_program p;
    float x_values[MAP_VALUES];
    sl_params *params = new_params();
    sl_random random = sl_random_stream(3, SL_STREAM_TEST, 0);
    sl_random_normals(&random, x_values, MAP_VALUES);
    assert_ok(sl_program_begin(&p, params));
    p.nn.dtype = dtype;
    sl_value x = sl_input(p.graph, "x", SL_F32, SL_SHAPE(1, MAP_SIDE, MAP_SIDE, MAP_CHANNELS));
    sl_graph_require_gradient(p.graph, x);
    sl_value y = sl_nn_conv3x3(&p.nn, "conv", sl_cast(p.graph, x, dtype), MAP_CHANNELS);
    sl_value result = sl_cast(p.graph, y, SL_F32);
    if (gradient) result = gradient_of_squares(p.graph, result, x);
    sl_output(p.graph, "result", result);
    assert_ok(sl_params_initialise_on_demand(params, 4, SL_F16));
    assert_ok(sl_program_finish(&p, NULL));
    assert_ok(sl_program_set(&p, "x", x_values, sizeof x_values));
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get(&p, "result", out, MAP_VALUES * sizeof *out));
    return end_packed(&p, params);
}

static void both_passes_of_a_convolution_share_its_weight_in_bf16(void **state) {
    (void)state;
    static float exact[MAP_VALUES], rounded[MAP_VALUES];
    size_t packed[2];
    for (int gradient = 0; gradient < 2; gradient++) {
        double error = 0, square = 0;
        run_convolution(SL_F32, gradient, exact);
        packed[gradient] = run_convolution(SL_BF16, gradient, rounded);
        for (int i = 0; i < MAP_VALUES; i++) {
            double difference = (double)exact[i] - (double)rounded[i];
            error += difference * difference, square += (double)exact[i] * (double)exact[i];
        }
        assert_true(square > 0 && error < 1e-4 * square);
    }
    if (!(sl_isa_available() & SL_ISA_AMX)) /* tiles want weights for each pass */
        assert_int_equal(packed[0], packed[1]);
}

static void a_source_that_fails_is_named(void **state) {
    (void)state;
    sl_program p;
    float out[8 * 32];
    sl_params *params = new_params();
    declare_layer(params);
    assert_ok(sl_params_initialise_on_demand(params, 4, SL_F32));
    run_layer(params, &p, out);
    bool stayed = !sl_params_find(params, "fc.weight")->value.data;
    sl_params_set_source(params, NULL);
    sl_plan_weights_changed(p.plan);
    if (stayed) {
        assert_status(sl_program_run(&p), SL_INTERNAL);
        assert_non_null(strstr(sl_error_message(), "fc.weight"));
    }
    sl_program_end(&p);
    sl_params_free(params);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(weights_that_are_only_packed_stay_in_their_source),
    cmocka_unit_test(halves_stay_halves),
    cmocka_unit_test(both_passes_share_a_frozen_weight),
    cmocka_unit_test(both_passes_of_a_convolution_share_its_weight_in_bf16),
    cmocka_unit_test(a_source_that_fails_is_named),
    cmocka_unit_test(layers_name_their_parameters),
    cmocka_unit_test(paths_begin_where_the_builder_was_opened),
    cmocka_unit_test(a_layer_used_twice_shares_its_weights),
    cmocka_unit_test(forgotten_memory_is_reported),
    cmocka_unit_test(probes_see_inside),
};
TEST_MAIN(tests)
