#include "net.h"

#include "test.h"

#include "base/memory.h"
#include "base/random/random.h"

#include <string.h>

enum { N = 2, SIDE = 6, C = 8 };

static sl_value conv(net *n, const net_options *o, const char *name, sl_value x, int64_t out) {
    sl_graph *g = n->graph;
    sl_graph_push(g, "%s", name);
    sl_value w = sl_parameter(g, "weight", o->dtype, SL_SHAPE(out, sl_value_dim(g, x, -1), 3, 3), !o->lora);
    sl_value bias = sl_parameter(g, "bias", o->dtype, SL_SHAPE(out), !o->lora);
    x = sl_conv2d(g, x, w, bias, 1, SL_PAD(1));
    sl_graph_pop(g);
    return x;
}

static sl_value linear(net *n, const net_options *o, const char *name, sl_value x, int64_t out,
                       bool trained) {
    sl_graph *g = n->graph;
    sl_graph_push(g, "%s", name);
    sl_value w = sl_parameter(g, "weight", o->dtype, SL_SHAPE(out, sl_value_dim(g, x, -1)), trained);
    x = sl_linear(g, x, w, SL_NONE);
    sl_graph_pop(g);
    return x;
}

static sl_value norm(net *n, const net_options *o, const char *name, sl_value x, bool silu) {
    sl_graph *g = n->graph;
    sl_graph_push(g, "%s", name);
    int64_t width = sl_value_dim(g, x, -1);
    sl_value gamma = sl_parameter(g, "weight", o->dtype, SL_SHAPE(width), !o->lora);
    sl_value beta = sl_parameter(g, "bias", o->dtype, SL_SHAPE(width), !o->lora);
    x = sl_value_shape(g, x).rank == 4 ? sl_group_norm(g, x, gamma, beta, 2, 1e-5f, silu)
                                       : sl_layer_norm(g, x, gamma, beta, 1e-5f);
    sl_graph_pop(g);
    return x;
}

static sl_value block(net *n, const net_options *o, const char *name, sl_value x, sl_value embedding) {
    sl_graph *g = n->graph;
    sl_graph_push(g, "%s", name);
    if (o->recompute) sl_graph_checkpoint_begin(g);
    sl_value h = conv(n, o, "conv1", norm(n, o, "norm1", x, true), C);
    sl_value shift = linear(n, o, "time", sl_silu(g, embedding), C, !o->lora);
    h = sl_add(g, h, sl_reshape(g, shift, SL_SHAPE(N, 1, 1, C)));
    h = conv(n, o, "conv2", norm(n, o, "norm2", h, true), C);
    if (sl_value_dim(g, x, -1) == C) h = sl_add(g, x, h);
    if (o->recompute) sl_graph_checkpoint_end(g);
    sl_graph_pop(g);
    return h;
}

static sl_value attend(net *n, const net_options *o, sl_value x) {
    sl_graph *g = n->graph;
    sl_graph_push(g, "attention");
    if (o->recompute) sl_graph_checkpoint_begin(g);
    sl_value rows = sl_reshape(g, x, SL_SHAPE(N, SIDE * SIDE, C));
    sl_value h = norm(n, o, "norm", rows, false);
    h = sl_attention(g, linear(n, o, "q", h, C, true), linear(n, o, "k", h, C, !o->lora),
                     linear(n, o, "v", h, C, !o->lora), 2, false);
    h = sl_geglu(g, linear(n, o, "ff", h, 2 * C, !o->lora));
    if (o->recompute) sl_graph_checkpoint_end(g);
    sl_graph_pop(g);
    return sl_add(g, sl_reshape(g, h, SL_SHAPE(N, SIDE, SIDE, C)), x);
}

static void build(net *n, const net_options *o) {
    sl_graph *g = n->graph;
    n->x = sl_input(g, "x", o->dtype, SL_SHAPE(N, SIDE, SIDE, C));
    n->target = sl_input(g, "target", o->dtype, SL_SHAPE(N, SIDE, SIDE, C));
    n->t = sl_input(g, "t", o->dtype, SL_SHAPE(N));
    sl_value x = o->bf16 ? sl_cast(g, n->x, SL_BF16) : n->x;
    sl_value embedding = sl_timestep_embedding(g, n->t, C, true, 0);
    if (o->bf16) embedding = sl_cast(g, embedding, SL_BF16);
    sl_value skip = block(n, o, "blocks.0", x, embedding);
    sl_value h = attend(n, o, skip);
    h = sl_slice(g, sl_upsample_nearest2x(g, h), 1, 3, SIDE);
    h = sl_avg_pool(g, sl_slice(g, h, 2, 0, SIDE), 3, 1, SL_PAD(1));
    h = block(n, o, "blocks.1", sl_concat2(g, h, skip, -1), embedding);
    n->y = sl_cast(g, h, o->dtype);
    n->loss = sl_mse(g, n->y, n->target, SL_NONE);
    sl_output(g, "y", n->y);
    sl_output(g, "loss", n->loss);
    sl_graph_backward(g, n->loss);
    assert_ok(sl_graph_status(g));
}

static void *filled(const sl_shape *shape, sl_dtype dtype, double scale, double offset, uint32_t stream) {
    sl_random random = sl_random_stream(9, SL_STREAM_TEST, stream);
    size_t count = (size_t)sl_shape_count(shape);
    char *data;
    assert_ok(sl_alloc(&data, count, sl_dtype_bytes(dtype)));
    for (size_t i = 0; i < count; i++) {
        double value = offset + scale * sl_random_normal(&random);
        sl_convert(SL_F64, &value, dtype, data + i * sl_dtype_bytes(dtype), 1);
    }
    return data;
}

static void bind(net *n) {
    int count = sl_graph_parameter_count(n->graph);
    assert_ok(sl_alloc(&n->parameters, (size_t)count, sizeof(void *)));
    assert_ok(sl_alloc(&n->gradients, (size_t)count, sizeof(void *)));
    for (int i = 0; i < count; i++) {
        sl_parameter_info info = sl_graph_parameter(n->graph, i);
        bool is_gamma = info.shape.rank == 1 && strstr(info.name, "norm") && strstr(info.name, "weight");
        n->parameters[i] = filled(&info.shape, info.dtype, 0.3, is_gamma ? 1 : 0, (uint32_t)i);
        assert_ok(sl_plan_bind(n->plan, info.value, n->parameters[i]));
        if (!info.trainable) continue;
        assert_ok(
            sl_alloc(&n->gradients[i], (size_t)sl_shape_count(&info.shape), sl_dtype_bytes(info.dtype)));
        assert_ok(sl_plan_bind_gradient(n->plan, info.value, n->gradients[i]));
    }
}

static void upload(net *n, sl_value value, double scale, double offset, uint32_t stream) {
    sl_shape shape = sl_value_shape(n->graph, value);
    void *data = filled(&shape, n->dtype, scale, offset, stream);
    assert_ok(
        sl_plan_upload(n->plan, value, data, (size_t)sl_shape_count(&shape) * sl_dtype_bytes(n->dtype)));
    sl_free(data);
}

void net_new(net *n, const net_options *options) {
    *n = (net){.dtype = options->dtype, .bf16 = options->bf16};
    assert_ok(sl_graph_new(&n->graph));
    build(n, options);
    assert_ok(sl_plan_new(n->graph, &options->plan, &n->plan));
    bind(n);
    assert_ok(sl_plan_reserve(n->plan));
    upload(n, n->x, 1, 0, 1000);
    upload(n, n->target, 1, 0, 1001);
    upload(n, n->t, 100, 500, 1002);
}

double net_run(net *n) {
    double wide;
    float narrow;
    assert_ok(sl_plan_run(n->plan));
    if (n->dtype == SL_F64) {
        assert_ok(sl_plan_download(n->plan, n->loss, &wide, sizeof wide));
        return wide;
    }
    assert_ok(sl_plan_download(n->plan, n->loss, &narrow, sizeof narrow));
    return (double)narrow;
}

int net_count(const net *n, const char *op) {
    int count = 0;
    for (int i = 0; i < sl_plan_node_count(n->plan); i++)
        count += strcmp(sl_plan_node(n->plan, i).op, op) == 0;
    return count;
}

void net_free(net *n) {
    for (int i = 0; i < sl_graph_parameter_count(n->graph); i++) {
        sl_free(n->parameters[i]);
        sl_free(n->gradients[i]);
    }
    sl_free(n->parameters);
    sl_free(n->gradients);
    sl_plan_free(n->plan);
    sl_graph_free(n->graph);
}
