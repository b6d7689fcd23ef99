#include "test.h"

#include "net.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"
#include "graph/plan_internal.h"

#include <math.h>
#include <string.h>

static size_t gradient_bytes(const net *n, int i) {
    sl_parameter_info info = sl_graph_parameter(n->graph, i);
    return (size_t)sl_shape_count(&info.shape) * sl_dtype_bytes(info.dtype);
}

static void assert_same_results(const net *a, const net *b) {
    for (int i = 0; i < sl_graph_parameter_count(a->graph); i++)
        if (a->gradients[i] && memcmp(a->gradients[i], b->gradients[i], gradient_bytes(a, i)) != 0)
            fail_msg("other bits in the gradient of %s", sl_graph_parameter(a->graph, i).name);
}

static void network_gradients_match_differences(void **state) {
    (void)state;
    const double step = 1e-5;
    net n;
    net_new(&n, &(net_options){.dtype = SL_F64, .plan.poison = true});
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 1);
    for (int i = 0; i < sl_graph_parameter_count(n.graph); i++) {
        sl_shape shape = sl_graph_parameter(n.graph, i).shape;
        int64_t at = sl_random_below(&random, (uint32_t)sl_shape_count(&shape));
        double *p = (double *)n.parameters[i] + at, kept = *p;
        memset(n.gradients[i], 0, gradient_bytes(&n, i));
        net_run(&n);
        double found = ((double *)n.gradients[i])[at];
        *p = kept + step;
        double above = net_run(&n);
        *p = kept - step;
        double expected = (above - net_run(&n)) / (2 * step);
        *p = kept;
        if (fabs(found - expected) > 1e-7 * (1 + fabs(expected)))
            fail_msg("%s: gradient %.10g, by differences %.10g", sl_graph_parameter(n.graph, i).name, found,
                     expected);
    }
    net_free(&n);
}

static void gradients_add_up_over_runs(void **state) {
    (void)state;
    net once, twice;
    net_new(&once, &(net_options){.dtype = SL_F64});
    net_new(&twice, &(net_options){.dtype = SL_F64});
    net_run(&once);
    net_run(&twice);
    net_run(&twice);
    for (int i = 0; i < sl_graph_parameter_count(once.graph); i++)
        for (size_t k = 0; k < gradient_bytes(&once, i) / sizeof(double); k++)
            assert_true(((double *)twice.gradients[i])[k] == 2 * ((double *)once.gradients[i])[k]);
    net_free(&once);
    net_free(&twice);
}

/* The loss alone leaves gradients as they were, and the next whole run as it would have been. */
static void the_loss_can_be_had_alone(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        net whole, part;
        float loss;
        net_new(&whole, &(net_options){.recompute = recompute});
        net_new(&part, &(net_options){.recompute = recompute, .plan = {.poison = true}});
        double expected = net_run(&whole);
        assert_ok(sl_plan_run_to(part.plan, part.loss));
        assert_ok(sl_plan_download(part.plan, part.loss, &loss, sizeof loss));
        assert_true((double)loss == expected);
        for (int i = 0; i < sl_graph_parameter_count(part.graph); i++)
            for (size_t k = 0; part.gradients[i] && k < gradient_bytes(&part, i); k++)
                assert_true(((char *)part.gradients[i])[k] == 0);
        assert_true(net_run(&part) == expected);
        assert_same_results(&whole, &part);
        assert_status(sl_plan_run_to(part.plan, part.x), SL_INVALID); /* nothing makes an input */
        net_free(&whole);
        net_free(&part);
    }
}

static void frozen_weights_cost_nothing(void **state) {
    (void)state;
    net full, lora;
    net_new(&full, &(net_options){.dtype = SL_F32});
    net_new(&lora, &(net_options){.dtype = SL_F32, .lora = true});
    assert_int_equal(net_count(&full, "conv2d_bwd_weight"), 4);
    assert_int_equal(net_count(&lora, "conv2d_bwd_weight"), 0);
    assert_int_equal(net_count(&lora, "linear_bwd_weight"), 1);
    assert_true(sl_plan_memory_of(lora.plan).workspace < sl_plan_memory_of(full.plan).workspace);
    net_run(&full);
    net_run(&lora);
    for (int i = 0; i < sl_graph_parameter_count(full.graph); i++)
        if (lora.gradients[i])
            assert_memory_equal(lora.gradients[i], full.gradients[i], gradient_bytes(&full, i));
    net_free(&full);
    net_free(&lora);
}

static void recompute_keeps_the_bits(void **state) {
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        net plain, recomputed;
        net_new(&plain, &(net_options){.dtype = SL_F32, .bf16 = bf16});
        net_new(&recomputed, &(net_options){.dtype = SL_F32, .bf16 = bf16, .recompute = true});
        assert_true(net_run(&plain) == net_run(&recomputed));
        assert_same_results(&plain, &recomputed);
        assert_true(net_count(&recomputed, "conv2d") > net_count(&plain, "conv2d"));
        assert_true(sl_plan_node_count(recomputed.plan) > sl_plan_node_count(plain.plan));
        net_free(&plain);
        net_free(&recomputed);
    }
}

static void recompute_saves_memory(void **state) {
    (void)state;
    size_t bytes[2];
    for (int recompute = 0; recompute < 2; recompute++) {
        sl_graph *g;
        sl_plan *plan;
        assert_ok(sl_graph_new(&g));
        sl_value w = sl_parameter(g, "w", SL_F32, SL_SHAPE(64), true);
        sl_value x = sl_mul(g, sl_input(g, "x", SL_F32, SL_SHAPE(256, 64)), w);
        for (int block = 0; block < 6; block++) {
            if (recompute) sl_graph_checkpoint_begin(g);
            for (int i = 0; i < 6; i++) x = sl_square(g, sl_silu(g, x));
            if (recompute) sl_graph_checkpoint_end(g);
        }
        sl_value loss = sl_sum(g, x, SL_ALL_AXES);
        sl_output(g, "loss", loss);
        sl_graph_backward(g, loss);
        assert_ok(sl_plan_new(g, NULL, &plan));
        bytes[recompute] = sl_plan_memory_of(plan).workspace;
        sl_plan_free(plan);
        sl_graph_free(g);
    }
    assert_true(bytes[1] < bytes[0] / 2);
}

/* Memory that is reused too early, or read before it is written, would turn results into NaN. */
static void poisoned_memory_changes_nothing(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        net_options options = {.dtype = SL_F32, .bf16 = variant & 1, .recompute = variant & 2};
        net plain, poisoned;
        net_new(&plain, &options);
        options.plan.poison = options.plan.nan_guard = true;
        net_new(&poisoned, &options);
        for (int run = 0; run < 2; run++) assert_true(net_run(&plain) == net_run(&poisoned));
        assert_same_results(&plain, &poisoned);
        net_free(&plain);
        net_free(&poisoned);
    }
}

static void bits_do_not_depend_on_threads(void **state) {
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        net one, many;
        assert_ok(sl_threads_set(1));
        net_new(&one, &(net_options){.dtype = SL_F32, .bf16 = bf16});
        double loss = net_run(&one);
        for (int threads = 2; threads <= 4; threads++) {
            assert_ok(sl_threads_set(threads));
            net_new(&many, &(net_options){.dtype = SL_F32, .bf16 = bf16});
            assert_true(loss == net_run(&many));
            assert_same_results(&one, &many);
            net_free(&many);
        }
        assert_ok(sl_threads_set(1));
        net_free(&one);
    }
}

/* One plan, run with more threads than it was made for. */
static void plans_outlive_the_number_of_threads(void **state) {
    (void)state;
    net n;
    assert_ok(sl_threads_set(1));
    net_new(&n, &(net_options){.dtype = SL_F32});
    double loss = net_run(&n);
    for (int threads = 4; threads >= 1; threads--) {
        assert_ok(sl_threads_set(threads));
        assert_true(loss == net_run(&n));
    }
    net_free(&n);
}

/* Kernels of every level agree with the references within their accuracy. */
static void levels_agree(void **state) {
    (void)state;
    static const char *const levels[] = {"avx2", "avx512", "avx512bf16", "amx"};
    net reference, fast;
    net_new(&reference, &(net_options){.dtype = SL_F64});
    double loss = net_run(&reference);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        net_options options = {.dtype = SL_F32, .plan.force_isa = true};
        assert_ok(sl_isa_parse(levels[i], &options.plan.isa));
        if (options.plan.isa & ~sl_isa_available()) continue;
        net_new(&fast, &options);
        assert_true(fabs(net_run(&fast) - loss) < 1e-4 * loss);
        net_free(&fast);
        options.bf16 = true;
        net_new(&fast, &options);
        assert_true(fabs(net_run(&fast) - loss) < 3e-2 * loss);
        net_free(&fast);
    }
    net_free(&reference);
}

static void blocks_never_overlap(void **state) {
    (void)state;
    enum { COUNT = 300 };
    layout_block blocks[COUNT];
    int32_t order[COUNT];
    sl_random random = sl_random_stream(4, SL_STREAM_TEST, 0);
    for (int round = 0; round < 20; round++) {
        size_t live_most = 0;
        for (int i = 0; i < COUNT; i++) {
            int32_t first = (int32_t)sl_random_below(&random, 200);
            blocks[i] = (layout_block){.bytes = 1 + sl_random_below(&random, 5000),
                                       .first = first,
                                       .last = first + (int32_t)sl_random_below(&random, 40)};
        }
        size_t total = sl_layout_place(blocks, COUNT, order);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(blocks[i].offset % SL_ALIGNMENT, 0);
            assert_true(blocks[i].offset + blocks[i].bytes <= total);
            for (int k = 0; k < i; k++) {
                bool in_time = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
                bool in_space = blocks[i].offset < blocks[k].offset + blocks[k].bytes &&
                                blocks[k].offset < blocks[i].offset + blocks[i].bytes;
                assert_false(in_time && in_space);
            }
        }
        for (int32_t at = 0; at < 240; at++) {
            size_t live = 0;
            for (int i = 0; i < COUNT; i++)
                if (blocks[i].first <= at && at <= blocks[i].last) live += blocks[i].bytes;
            if (live > live_most) live_most = live;
        }
        assert_true(total < live_most + live_most / 4);
    }
}

static void elementwise_chains_run_in_place(void **state) {
    (void)state;
    sl_graph *g;
    sl_plan *plan;
    assert_ok(sl_graph_new(&g));
    sl_value x = sl_input(g, "x", SL_F32, SL_SHAPE(1000));
    for (int i = 0; i < 5; i++) x = sl_silu(g, sl_add(g, x, x));
    sl_output(g, "y", x);
    assert_ok(
        sl_plan_new(g, &(sl_plan_options){.force_isa = true, .isa = SL_ISA_ALL, .poison = true}, &plan));
    sl_plan_memory memory = sl_plan_memory_of(plan);
    assert_true(memory.inputs >= 4000 && memory.inputs < 4100);
    if (sl_plan_fallbacks(plan) == 0) assert_true(memory.workspace < 2 * 4096);
    sl_plan_free(plan);
    sl_graph_free(g);
}

static void errors_stick_and_name_the_scope(void **state) {
    (void)state;
    sl_graph *g;
    assert_ok(sl_graph_new(&g));
    sl_value x = sl_input(g, "x", SL_F32, SL_SHAPE(2, 8, 8, 3));
    sl_graph_push(g, "down_blocks.%d", 0);
    sl_graph_push(g, "conv");
    sl_value w = sl_parameter(g, "weight", SL_F32, SL_SHAPE(16, 4, 3, 3), true);
    sl_value y = sl_conv2d(g, x, w, SL_NONE, 1, SL_PAD(1));
    assert_false(sl_value_is(y));
    sl_graph_pop(g);
    sl_graph_pop(g);
    assert_false(sl_value_is(sl_add(g, y, x)));
    assert_status(sl_graph_status(g), SL_INVALID);
    assert_string_equal(sl_error_message(),
                        "in 'down_blocks.0.conv': conv2d: input 1 has shape [16, 4, 3, 3], expected "
                        "[16, 3, 3, 3]");
    sl_plan *plan;
    assert_status(sl_plan_new(g, NULL, &plan), SL_INVALID);
    sl_graph_free(g);
}

static void parameters_are_shared_by_name(void **state) {
    (void)state;
    sl_graph *g;
    assert_ok(sl_graph_new(&g));
    sl_value a = sl_parameter(g, "w", SL_F32, SL_SHAPE(4, 4), false);
    sl_value b = sl_parameter(g, "w", SL_F32, SL_SHAPE(4, 4), true);
    assert_int_equal(a.id, b.id);
    assert_int_equal(sl_graph_parameter_count(g), 1);
    assert_true(sl_graph_parameter(g, 0).trainable);
    assert_int_equal(sl_graph_find(g, "w").id, a.id);
    sl_parameter(g, "w", SL_F32, SL_SHAPE(4, 5), true);
    assert_status(sl_graph_status(g), SL_MISMATCH);
    sl_graph_free(g);
}

static void what_is_unbound_is_named(void **state) {
    (void)state;
    sl_graph *g;
    sl_plan *plan;
    assert_ok(sl_graph_new(&g));
    sl_value w = sl_parameter(g, "w", SL_F32, SL_SHAPE(4), true);
    sl_value loss = sl_sum(g, sl_square(g, w), SL_ALL_AXES);
    sl_graph_backward(g, loss);
    assert_ok(sl_plan_new(g, NULL, &plan));
    assert_status(sl_plan_run(plan), SL_INVALID);
    assert_ok(sl_plan_reserve(plan));
    assert_status(sl_plan_run(plan), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "'w' is not bound"));
    float data[4] = {1, 2, 3, 4}, gradient[4] = {0};
    assert_ok(sl_plan_bind(plan, w, data));
    assert_status(sl_plan_run(plan), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "gradient of 'w'"));
    assert_ok(sl_plan_bind_gradient(plan, w, gradient));
    assert_ok(sl_plan_run(plan));
    for (int i = 0; i < 4; i++) assert_true(gradient[i] == 2 * data[i]);
    sl_plan_free(plan);
    sl_graph_free(g);
}

static void the_guard_names_the_first_bad_layer(void **state) {
    (void)state;
    sl_graph *g;
    sl_plan *plan;
    float x[4] = {1, 2, 200, 3};
    assert_ok(sl_graph_new(&g));
    sl_value in = sl_input(g, "x", SL_F32, SL_SHAPE(4));
    sl_graph_push(g, "up_blocks.1");
    sl_value y = sl_exp(g, in);
    sl_graph_pop(g);
    sl_output(g, "y", sl_scale(g, y, 2, 0));
    assert_ok(sl_plan_new(g, &(sl_plan_options){.nan_guard = true}, &plan));
    assert_ok(sl_plan_reserve(plan));
    assert_ok(sl_plan_upload(plan, in, x, sizeof x));
    assert_status(sl_plan_run(plan), SL_NUMERIC);
    assert_non_null(strstr(sl_error_message(), "exp in 'up_blocks.1'"));
    assert_non_null(strstr(sl_error_message(), "element 2"));
    sl_plan_free(plan);
    sl_graph_free(g);
}

static void strict_plans_refuse_references(void **state) {
    (void)state;
    sl_graph *g;
    sl_plan *plan;
    assert_ok(sl_graph_new(&g));
    sl_output(g, "y", sl_exp(g, sl_input(g, "x", SL_F32, SL_SHAPE(4))));
    assert_status(sl_plan_new(g, &(sl_plan_options){.force_isa = true, .strict = true}, &plan),
                  SL_UNSUPPORTED);
    assert_ok(sl_plan_new(g, &(sl_plan_options){.force_isa = true}, &plan));
    assert_int_equal(sl_plan_fallbacks(plan), 1);
    assert_string_equal(sl_plan_node(plan, 0).kernel, "reference");
    sl_plan_free(plan);
    sl_graph_free(g);
}

/* What is summed over a broadcast value comes back in its own number format, and in F32 where that is it:
 * wider gradients have no fast kernels. */
static void gradients_have_the_format_of_their_values(void **state) {
    (void)state;
    sl_graph *g;
    assert_ok(sl_graph_new(&g));
    sl_value x = sl_cast(g, sl_input(g, "x", SL_F32, SL_SHAPE(2, 4, 4, 8)), SL_BF16);
    sl_value rows = sl_cast(g, sl_input(g, "rows", SL_F32, SL_SHAPE(2, 4, 1, 8)), SL_BF16);
    sl_value bias = sl_input(g, "bias", SL_F32, SL_SHAPE(8));
    sl_value wanted[] = {x, rows, bias};
    for (int k = 0; k < 3; k++) sl_graph_require_gradient(g, wanted[k]);
    sl_value y = sl_add(g, sl_add(g, x, rows), bias);
    sl_graph_backward(g, sl_sum(g, sl_mul(g, y, y), SL_ALL_AXES));
    for (int k = 0; k < 3; k++) {
        sl_value gradient = sl_gradient(g, wanted[k]);
        sl_shape is = sl_value_shape(g, gradient), as = sl_value_shape(g, wanted[k]);
        assert_int_equal(sl_value_dtype(g, gradient), sl_value_dtype(g, wanted[k]));
        assert_true(sl_shape_equal(&is, &as));
    }
    assert_ok(sl_graph_status(g));
    sl_graph_free(g);
}

/* What an operation takes as given has no gradient, which is no zero. */
static void missing_gradients_are_named(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        sl_graph *g;
        assert_ok(sl_graph_new(&g));
        sl_value x = sl_input(g, "x", SL_F32, SL_SHAPE(3, 4)),
                 weight = sl_input(g, "weight", SL_F32, SL_SHAPE(3)),
                 classes = sl_input(g, "classes", SL_F32, SL_SHAPE(4)),
                 place = sl_input(g, "place", SL_F32, SL_SHAPE(1, 3)), loss;
        sl_graph_require_gradient(g, x);
        sl_graph_require_gradient(g, k == 0 ? weight : k == 1 ? classes : place);
        if (k == 0)
            loss = sl_mse(g, x, sl_input(g, "target", SL_F32, SL_SHAPE(3, 4)), weight);
        else if (k == 1)
            loss = sl_cross_entropy(g, x, sl_input(g, "labels", SL_I32, SL_SHAPE(3)), classes);
        else
            loss = sl_sum(g, sl_ring_mean(g, sl_reshape(g, x, SL_SHAPE(1, 3, 4)), sl_rings_of(g, place, 2)),
                          SL_ALL_AXES);
        sl_graph_backward(g, loss);
        assert_status(sl_graph_status(g), SL_UNSUPPORTED);
        assert_non_null(
            strstr(sl_error_message(), k < 2 ? "no gradient of input 2" : "no gradient of input 1"));
        sl_graph_free(g);
    }
}

static void batch_norm_follows_its_batches(void **state) {
    (void)state;
    enum { ROWS = 10 };
    float x[ROWS][2], y[ROWS][2], gamma[2] = {1, 1}, beta[2] = {0, 0}, mean[2] = {0, 0}, variance[2] = {1, 1};
    for (int i = 0; i < ROWS; i++) {
        x[i][0] = (float)i;
        x[i][1] = 3;
    }
    for (int training = 1; training >= 0; training--) {
        sl_graph *g;
        sl_plan *plan;
        void *data[] = {gamma, beta, mean, variance};
        const char *names[] = {"weight", "bias", "running_mean", "running_var"};
        sl_value p[4];
        assert_ok(sl_graph_new(&g));
        sl_value in = sl_input(g, "x", SL_F32, SL_SHAPE(ROWS, 2));
        for (int i = 0; i < 4; i++) p[i] = sl_parameter(g, names[i], SL_F32, SL_SHAPE(2), false);
        sl_value out = sl_batch_norm(g, in, p[0], p[1], p[2], p[3], 1e-5f, 0.1f, training);
        sl_output(g, "y", out);
        assert_ok(sl_plan_new(g, NULL, &plan));
        for (int i = 0; i < 4; i++) assert_ok(sl_plan_bind(plan, p[i], data[i]));
        assert_ok(sl_plan_reserve(plan));
        assert_ok(sl_plan_upload(plan, in, x, sizeof x));
        assert_ok(sl_plan_run(plan));
        assert_ok(sl_plan_download(plan, out, y, sizeof y));
        assert_int_equal(sl_graph_parameter(g, 2).is_state, training);
        sl_plan_free(plan);
        sl_graph_free(g);
        /* mean 4.5, variance 8.25 (of the sample: 9.1667) */
        double center = training ? 4.5 : 0.45, spread = training ? 8.25 : 0.9 + 0.1 * 55.0 / 6;
        assert_true(fabs((double)y[9][0] - (9 - center) / sqrt(spread + 1e-5)) < 1e-5);
    }
    assert_true(fabs((double)mean[0] - 0.45) < 1e-6 &&
                fabs((double)variance[0] - (0.9 + 0.1 * 55.0 / 6)) < 1e-5);
    assert_true(fabs((double)variance[1] - 0.9) < 1e-6);
}

static void pixel_shuffles_are_inverse(void **state) {
    (void)state;
    enum { COUNT = 2 * 4 * 6 * 3 };
    float x[COUNT], back[COUNT], deep[COUNT];
    for (int i = 0; i < COUNT; i++) x[i] = (float)i;
    sl_graph *g;
    sl_plan *plan;
    assert_ok(sl_graph_new(&g));
    sl_value in = sl_input(g, "x", SL_F32, SL_SHAPE(2, 4, 6, 3));
    sl_value depth = sl_space_to_depth(g, in, 2), out = sl_depth_to_space(g, depth, 2);
    sl_output(g, "depth", depth);
    sl_output(g, "out", out);
    assert_ok(sl_plan_new(g, NULL, &plan));
    assert_ok(sl_plan_reserve(plan));
    assert_ok(sl_plan_upload(plan, in, x, sizeof x));
    assert_ok(sl_plan_run(plan));
    assert_ok(sl_plan_download(plan, out, back, sizeof back));
    assert_ok(sl_plan_download(plan, depth, deep, sizeof deep));
    assert_memory_equal(x, back, sizeof x);
    /* pixel (0,0), channel c*4 + row*2 + column: channel 1, row 1, column 0 is x[0,1,0,1] */
    assert_true(deep[1 * 4 + 1 * 2] == x[1 * 6 * 3 + 1]);
    sl_plan_free(plan);
    sl_graph_free(g);
}

static void profile_counts_every_operation(void **state) {
    (void)state;
    net n;
    net_new(&n, &(net_options){.dtype = SL_F32, .plan.profile = true});
    net_run(&n);
    net_run(&n);
    double flops = 0;
    for (int i = 0; i < sl_plan_node_count(n.plan); i++) {
        sl_node_profile node = sl_plan_node(n.plan, i);
        assert_int_equal(node.runs, 2);
        flops += node.flops;
    }
    assert_true(flops == sl_plan_flops(n.plan) && flops > 1e6);
    sl_plan_profile_reset(n.plan);
    assert_int_equal(sl_plan_node(n.plan, 0).runs, 0);
    net_free(&n);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(network_gradients_match_differences),
    cmocka_unit_test(gradients_add_up_over_runs),
    cmocka_unit_test(the_loss_can_be_had_alone),
    cmocka_unit_test(frozen_weights_cost_nothing),
    cmocka_unit_test(recompute_keeps_the_bits),
    cmocka_unit_test(recompute_saves_memory),
    cmocka_unit_test(poisoned_memory_changes_nothing),
    cmocka_unit_test(bits_do_not_depend_on_threads),
    cmocka_unit_test(plans_outlive_the_number_of_threads),
    cmocka_unit_test(levels_agree),
    cmocka_unit_test(blocks_never_overlap),
    cmocka_unit_test(elementwise_chains_run_in_place),
    cmocka_unit_test(errors_stick_and_name_the_scope),
    cmocka_unit_test(parameters_are_shared_by_name),
    cmocka_unit_test(what_is_unbound_is_named),
    cmocka_unit_test(the_guard_names_the_first_bad_layer),
    cmocka_unit_test(strict_plans_refuse_references),
    cmocka_unit_test(gradients_have_the_format_of_their_values),
    cmocka_unit_test(missing_gradients_are_named),
    cmocka_unit_test(batch_norm_follows_its_batches),
    cmocka_unit_test(pixel_shuffles_are_inverse),
    cmocka_unit_test(profile_counts_every_operation),
};
TEST_MAIN(tests)
