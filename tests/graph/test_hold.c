/* Inputs that change more seldom than the graph runs: the same bits, and less done. */
#include "test.h"

#include "guarded_device.h"

#include "graph/plan.h"

#include <string.h>

enum { PLACES = 6, WIDTH = 16 };

/* y = attention of x on keys and values of a context, less a share of the context's mean. */
typedef struct held {
    sl_graph *graph;
    sl_plan *plan;
    sl_value x, context;
    float weight[3][WIDTH * WIDTH];
} held;

static void held_new(held *h, bool hold, sl_plan_options options) {
    static const char *const names[3] = {"q", "k", "v"};
    sl_value w[3];
    assert_ok(sl_graph_new(&h->graph));
    sl_graph *g = h->graph;
    h->x = sl_input(g, "x", SL_F32, SL_SHAPE(2, PLACES, WIDTH));
    h->context = sl_input(g, "context", SL_F32, SL_SHAPE(2, PLACES, WIDTH));
    if (hold) sl_hold(g, h->context);
    for (int i = 0; i < 3; i++) w[i] = sl_parameter(g, names[i], SL_F32, SL_SHAPE(WIDTH, WIDTH), false);
    sl_value q = sl_linear(g, h->x, w[0], SL_NONE), k = sl_linear(g, sl_silu(g, h->context), w[1], SL_NONE),
             v = sl_linear(g, h->context, w[2], SL_NONE);
    sl_value mean = sl_reshape(g, sl_mean(g, v, 1u << 1), SL_SHAPE(2, 1, WIDTH));
    sl_output(g, "y", sl_sub(g, sl_attention(g, q, k, v, 2, false), sl_scale(g, mean, 0.5, 0)));
    sl_output(g, "keys", k);
    assert_ok(sl_plan_new(g, &options, &h->plan));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < WIDTH * WIDTH; j++) h->weight[i][j] = (float)((j * 7 + i * 5) % 13 - 6) / 8;
        assert_ok(sl_plan_bind(h->plan, w[i], h->weight[i]));
    }
    assert_ok(sl_plan_reserve(h->plan));
}

static void held_free(held *h) {
    sl_plan_free(h->plan);
    sl_graph_free(h->graph);
}

static void put(const held *h, sl_value input, int seed) {
    float values[2 * PLACES * WIDTH];
    for (int i = 0; i < 2 * PLACES * WIDTH; i++) values[i] = (float)((i * 11 + seed * 17) % 29 - 14) / 9;
    assert_ok(sl_plan_upload(h->plan, input, values, sizeof values));
}

static void get(const held *h, float y[2][2 * PLACES * WIDTH]) {
    assert_ok(sl_plan_run(h->plan));
    assert_ok(sl_plan_download(h->plan, sl_graph_find(h->graph, "y"), y[0], sizeof y[0]));
    assert_ok(sl_plan_download(h->plan, sl_graph_find(h->graph, "keys"), y[1], sizeof y[1]));
}

static void assert_same(const held *a, const held *b) {
    float left[2][2 * PLACES * WIDTH], right[2][2 * PLACES * WIDTH];
    get(a, left);
    get(b, right);
    assert_memory_equal(left, right, sizeof left);
}

/* Contexts and weights come and go between runs. */
static void compare(held *plain, held *hold) {
    for (int run = 0; run < 9; run++) {
        for (int k = 0; k < 2; k++) {
            held *h = k ? hold : plain;
            put(h, h->x, run);
            if (run % 3 == 0) put(h, h->context, 50 + run);
            if (run == 7) {
                for (int j = 0; j < WIDTH * WIDTH; j++) h->weight[1][j] = -h->weight[1][j];
                sl_plan_weights_changed(h->plan);
            }
        }
        assert_same(plain, hold);
    }
}

static void results_are_the_same(void **state) {
    (void)state;
    for (int poison = 0; poison < 2; poison++) {
        held plain, hold;
        held_new(&plain, false, (sl_plan_options){0});
        held_new(&hold, true, (sl_plan_options){.poison = poison, .nan_guard = poison});
        compare(&plain, &hold);
        held_free(&plain);
        held_free(&hold);
    }
}

static void results_are_the_same_on_a_device(void **state) {
    (void)state;
    held plain, hold;
    held_new(&plain, false, (sl_plan_options){.force_isa = true});
    guarded_device_use();
    held_new(&hold, true, (sl_plan_options){0});
    compare(&plain, &hold);
    assert_true(guarded_device.records >= 1);
    held_free(&hold);
    guarded_device_end();
    held_free(&plain);
}

static void what_is_held_is_computed_once(void **state) {
    (void)state;
    held h;
    int seldom = 0, always = 0;
    held_new(&h, true, (sl_plan_options){.profile = true});
    put(&h, h.context, 1);
    for (int run = 0; run < 5; run++) {
        put(&h, h.x, run);
        assert_ok(sl_plan_run(h.plan));
    }
    for (int i = 0; i < sl_plan_node_count(h.plan); i++) {
        sl_node_profile node = sl_plan_node(h.plan, i);
        if (node.runs == 1)
            seldom++;
        else if (node.runs == 5)
            always++;
        else
            fail_msg("%s ran %lld times", node.op, (long long)node.runs);
    }
    /* silu, two linear layers, mean and scale; one linear layer, attention and difference */
    assert_int_equal(seldom, 5);
    assert_int_equal(always, 3);
    double settled = 0;
    for (int i = 0; i < sl_plan_node_count(h.plan); i++)
        if (sl_plan_node(h.plan, i).runs == 1) settled += sl_plan_node(h.plan, i).flops;
    assert_true(settled > 0 && sl_plan_settled_flops(h.plan) == settled);
    held_free(&h);
}

static void what_cannot_be_held_is_named(void **state) {
    (void)state;
    held h;
    float data[2 * PLACES * WIDTH];
    held_new(&h, true, (sl_plan_options){0});
    assert_status(sl_plan_bind(h.plan, h.context, data), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "'context' is held"));
    held_free(&h);
    sl_graph *g;
    assert_ok(sl_graph_new(&g));
    sl_value x = sl_input(g, "x", SL_F32, SL_SHAPE(4));
    sl_assign(g, x, sl_silu(g, x));
    sl_hold(g, x);
    assert_status(sl_graph_status(g), SL_INVALID);
    sl_graph_free(g);
    assert_ok(sl_graph_new(&g));
    x = sl_input(g, "x", SL_F32, SL_SHAPE(4));
    sl_hold(g, x);
    sl_assign(g, x, sl_silu(g, x));
    assert_status(sl_graph_status(g), SL_MISMATCH);
    sl_graph_free(g);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(results_are_the_same),
    cmocka_unit_test(results_are_the_same_on_a_device),
    cmocka_unit_test(what_is_held_is_computed_once),
    cmocka_unit_test(what_cannot_be_held_is_named),
};
TEST_MAIN(tests)
