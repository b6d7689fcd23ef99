/* The gradient of every operation against central differences of its reference, all in double. */
#include "test.h"

#include "cases.h"

#include "base/memory.h"
#include "graph/internal.h"
#include "graph/plan.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 12, PROBES = 12 };

/* loss = sum of out[0] * weights, built around one op */
typedef struct trial {
    op_case c;
    sl_graph *graph;
    sl_plan *plan;
    sl_value in[SL_INPUTS_MAX], gradient[SL_INPUTS_MAX], loss;
} trial;

/* Inputs that an operation takes as given: a gradient of them is refused. */
static bool is_data(const op_case *c, int i) {
    sl_op op = c->call.op;
    return c->role[i] == ROLE_INTEGER || !sl_call_has(&c->call, i) ||
           (i >= 2 && (op == SL_OP_MSE || op == SL_OP_CROSS_ENTROPY)) || (i >= 3 && op == SL_OP_BATCH_NORM) ||
           (i >= 1 && (op == SL_OP_RING_GATHER || op == SL_OP_RING_SPREAD));
}

static void build(trial *t, sl_random *random) {
    sl_call *call = &t->c.call;
    sl_value outs[SL_OUTPUTS_MAX];
    char name[8];
    assert_ok(sl_graph_new(&t->graph));
    for (int i = 0; i < call->in_count; i++) {
        t->in[i] = SL_NONE;
        if (!sl_call_has(call, i)) continue;
        snprintf(name, sizeof name, "in%d", i);
        t->in[i] = sl_input(t->graph, name, call->in[i].dtype, call->in[i].shape);
        if (!is_data(&t->c, i)) sl_graph_require_gradient(t->graph, t->in[i]);
    }
    sl_graph_emit(t->graph, call->op, call->attrs, t->in, call->in_count, outs);
    sl_shape shape = sl_value_shape(t->graph, outs[0]);
    double *weights;
    assert_ok(sl_alloc(&weights, (size_t)sl_shape_count(&shape), sizeof *weights));
    for (int64_t i = 0; i < sl_shape_count(&shape); i++) weights[i] = sl_random_normal(random);
    sl_value weight = sl_constant(t->graph, SL_F64, shape, weights);
    sl_free(weights);
    t->loss = sl_sum(t->graph, sl_mul(t->graph, outs[0], weight), SL_ALL_AXES);
    sl_output(t->graph, "loss", t->loss);
    sl_graph_backward(t->graph, t->loss);
    for (int i = 0; i < call->in_count; i++) {
        t->gradient[i] = sl_gradient(t->graph, t->in[i]);
        snprintf(name, sizeof name, "grad%d", i);
        if (t->gradient[i].id) sl_output(t->graph, name, t->gradient[i]);
    }
    assert_ok(sl_graph_status(t->graph));
    assert_ok(sl_plan_new(t->graph, &(sl_plan_options){.force_isa = true, .poison = true}, &t->plan));
    assert_ok(sl_plan_reserve(t->plan));
}

static double loss_of(trial *t) {
    double loss;
    for (int i = 0; i < t->c.call.in_count; i++) {
        const sl_operand *in = &t->c.call.in[i];
        if (t->in[i].id)
            assert_ok(sl_plan_upload(t->plan, t->in[i], in->data,
                                     (size_t)sl_operand_count(in) * sl_dtype_bytes(in->dtype)));
    }
    assert_ok(sl_plan_run(t->plan));
    assert_ok(sl_plan_download(t->plan, t->loss, &loss, sizeof loss));
    return loss;
}

static void probe(trial *t, int input, const double *gradient, int64_t at) {
    const double step = 1e-5;
    double *x = t->c.call.in[input].data, kept = x[at];
    x[at] = kept + step;
    double above = loss_of(t);
    x[at] = kept - step;
    double below = loss_of(t);
    x[at] = kept;
    double expected = (above - below) / (2 * step);
    if (fabs(expected - gradient[at]) > 1e-6 * (1 + fabs(expected)))
        fail_msg("%s, input %d, element %lld: gradient %.9g, by differences %.9g", sl_op_name(t->c.call.op),
                 input, (long long)at, gradient[at], expected);
}

static void check_op(sl_op op, sl_random *random) {
    trial t = {0};
    op_case_make(&t.c, op, SIZES_TINY, SL_F64, SL_F64, random);
    op_case_allocate(&t.c, random);
    build(&t, random);
    loss_of(&t);
    double *gradient[SL_INPUTS_MAX] = {NULL};
    for (int i = 0; i < t.c.call.in_count; i++) {
        size_t count = (size_t)sl_operand_count(&t.c.call.in[i]);
        if (!t.gradient[i].id) continue;
        assert_ok(sl_alloc(&gradient[i], count, sizeof(double)));
        assert_ok(sl_plan_download(t.plan, t.gradient[i], gradient[i], count * sizeof(double)));
    }
    for (int i = 0; i < t.c.call.in_count; i++) {
        for (int k = 0; gradient[i] && k < PROBES; k++)
            probe(&t, i, gradient[i], sl_random_below(random, (uint32_t)sl_operand_count(&t.c.call.in[i])));
        sl_free(gradient[i]);
    }
    sl_plan_free(t.plan);
    sl_graph_free(t.graph);
    op_case_free(&t.c);
}

static void gradients_match_differences(void **state) {
    (void)state;
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    int checked = 0;
    for (int op = 0; op < SL_OP_COUNT; op++) {
        if (!sl_op_describe((sl_op)op)->grad) continue;
        for (int round = 0; round < ROUNDS; round++) check_op((sl_op)op, &random);
        checked++;
    }
    assert_true(checked >= 38);
}

/* Every float input of a differentiable op gets a gradient, except those that are given. */
static void gradients_reach_all_inputs(void **state) {
    (void)state;
    sl_random random = sl_random_stream(2, SL_STREAM_TEST, 0);
    for (int op = 0; op < SL_OP_COUNT; op++) {
        if (!sl_op_describe((sl_op)op)->grad) continue;
        trial t = {0};
        op_case_make(&t.c, (sl_op)op, SIZES_TINY, SL_F64, SL_F64, &random);
        build(&t, &random);
        for (int i = 0; i < t.c.call.in_count; i++) {
            if (!is_data(&t.c, i) && !t.gradient[i].id)
                fail_msg("%s: no gradient for input %d", sl_op_name((sl_op)op), i);
        }
        sl_plan_free(t.plan);
        sl_graph_free(t.graph);
        op_case_free(&t.c);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradients_match_differences),
    cmocka_unit_test(gradients_reach_all_inputs),
};
TEST_MAIN(tests)
