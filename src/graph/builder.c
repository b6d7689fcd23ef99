/* One function for each operation: attributes filled in, one node added. */
#include "graph/internal.h"

#include <math.h>
#include <string.h>

static sl_value emit(sl_graph *graph, sl_op op, sl_attrs attrs, const sl_value *in, int in_count) {
    while (in_count > 0 && in[in_count - 1].id == 0 && in_count > sl_op_describe(op)->in_min) in_count--;
    return sl_graph_emit(graph, op, &attrs, in, in_count, NULL);
}

#define EMIT(graph, op, attrs, ...)                                                                          \
    emit((graph), SL_OP_##op, (attrs), (const sl_value[]){__VA_ARGS__},                                      \
         (int)(sizeof((const sl_value[]){__VA_ARGS__}) / sizeof(sl_value)))
#define NO_ATTRS ((sl_attrs){0})

static int axis_of(sl_graph *graph, sl_value x, int axis) {
    return axis < 0 ? axis + sl_graph_value(graph, x.id)->operand.shape.rank : axis;
}

static int rank_of(sl_graph *graph, sl_value x) {
    return sl_graph_value(graph, x.id)->operand.shape.rank;
}

sl_value sl_fill(sl_graph *graph, sl_dtype dtype, sl_shape shape, double value) {
    return emit(graph, SL_OP_FILL, (sl_attrs){.dtype = dtype, .shape = shape, .alpha = value}, NULL, 0);
}

sl_value sl_conv2d(sl_graph *graph, sl_value x, sl_value w, sl_value bias, int stride, sl_padding padding) {
    sl_attrs attrs = {.stride = {stride, stride},
                      .pad = {padding.top, padding.bottom, padding.left, padding.right}};
    return EMIT(graph, CONV2D, attrs, x, w, bias);
}

sl_value sl_linear(sl_graph *graph, sl_value x, sl_value w, sl_value bias) {
    return EMIT(graph, LINEAR, NO_ATTRS, x, w, bias);
}

sl_value sl_matmul(sl_graph *graph, sl_value a, sl_value b, bool transpose_a, bool transpose_b) {
    sl_attrs attrs = {.transpose_a = transpose_a, .transpose_b = transpose_b};
    return EMIT(graph, MATMUL, attrs, a, b);
}

sl_value sl_attention(sl_graph *graph, sl_value q, sl_value k, sl_value v, int heads, bool causal) {
    sl_attrs attrs = {.heads = heads, .causal = causal};
    return EMIT(graph, ATTENTION, attrs, q, k, v);
}

sl_value sl_group_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, int groups, float eps,
                       bool silu) {
    sl_attrs attrs = {.groups = groups, .eps = eps, .silu = silu};
    return EMIT(graph, GROUP_NORM, attrs, x, gamma, beta);
}

sl_value sl_layer_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, float eps) {
    sl_attrs attrs = {.eps = eps};
    return EMIT(graph, LAYER_NORM, attrs, x, gamma, beta);
}

sl_value sl_batch_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, sl_value running_mean,
                       sl_value running_var, float eps, float momentum, bool training) {
    sl_value in[] = {x, gamma, beta, running_mean, running_var}, outs[SL_OUTPUTS_MAX];
    sl_attrs attrs = {.eps = eps, .training = training};
    sl_graph_emit(graph, SL_OP_BATCH_NORM, &attrs, in, 5, outs);
    if (training && outs[0].id) {
        sl_graph_emit_update(graph, outs[1], running_mean, false, 1 - (double)momentum, (double)momentum);
        sl_graph_emit_update(graph, outs[3], running_var, false, 1 - (double)momentum, (double)momentum);
    }
    return outs[0];
}

#define UNARY(name, op)                                                                                      \
    sl_value sl_##name(sl_graph *graph, sl_value x) {                                                        \
        return EMIT(graph, op, NO_ATTRS, x);                                                                 \
    }
UNARY(silu, SILU)
UNARY(relu, RELU)
UNARY(gelu, GELU)
UNARY(gelu_tanh, GELU_TANH)
UNARY(quick_gelu, QUICK_GELU)
UNARY(sigmoid, SIGMOID)
UNARY(exp, EXP)
UNARY(square, SQUARE)
UNARY(abs, ABS)
UNARY(geglu, GEGLU)
UNARY(softmax, SOFTMAX)
UNARY(upsample_nearest2x, UPSAMPLE_NEAREST2X)

sl_value sl_clamp(sl_graph *graph, sl_value x, double low, double high) {
    sl_attrs attrs = {.alpha = low, .beta = high};
    return EMIT(graph, CLAMP, attrs, x);
}

sl_value sl_scale(sl_graph *graph, sl_value x, double a, double b) {
    sl_attrs attrs = {.alpha = a, .beta = b};
    return EMIT(graph, SCALE, attrs, x);
}

sl_value sl_cast(sl_graph *graph, sl_value x, sl_dtype dtype) {
    sl_attrs attrs = {.dtype = dtype};
    return EMIT(graph, CAST, attrs, x);
}

#define BINARY(name, op)                                                                                     \
    sl_value sl_##name(sl_graph *graph, sl_value a, sl_value b) {                                            \
        return EMIT(graph, op, NO_ATTRS, a, b);                                                              \
    }
BINARY(add, ADD)
BINARY(sub, SUB)
BINARY(mul, MUL)

/* More parts than a node has inputs are joined in groups. */
sl_value sl_concat(sl_graph *graph, const sl_value *parts, int count, int axis) {
    sl_value joined = SL_NONE;
    if (count < 1) {
        sl_graph_fail(graph, SL_INVALID, "concat of %d parts", count);
        return SL_NONE;
    }
    sl_attrs attrs = {.axis = axis_of(graph, parts[0], axis)};
    for (int at = 0; at < count;) {
        sl_value group[SL_INPUTS_MAX];
        int size = 0;
        if (at) group[size++] = joined;
        while (size < SL_INPUTS_MAX && at < count) group[size++] = parts[at++];
        joined = sl_graph_emit(graph, SL_OP_CONCAT, &attrs, group, size, NULL);
    }
    return joined;
}

sl_value sl_concat2(sl_graph *graph, sl_value a, sl_value b, int axis) {
    return sl_concat(graph, (sl_value[]){a, b}, 2, axis);
}

sl_value sl_slice(sl_graph *graph, sl_value x, int axis, int64_t start, int64_t count) {
    sl_attrs attrs = {.axis = axis_of(graph, x, axis), .start = start, .count = count};
    return EMIT(graph, SLICE, attrs, x);
}

sl_value sl_pad(sl_graph *graph, sl_value x, int axis, int64_t before, int64_t after) {
    int at = axis_of(graph, x, axis);
    sl_attrs attrs = {.axis = at, .start = before, .count = before + sl_value_dim(graph, x, at) + after};
    return EMIT(graph, PAD, attrs, x);
}

sl_value sl_reshape(sl_graph *graph, sl_value x, sl_shape shape) {
    int64_t known = 1, count = sl_shape_count(&sl_graph_value(graph, x.id)->operand.shape);
    int open = -1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] == -1 && open < 0)
            open = i;
        else
            known *= shape.dim[i];
    }
    if (open >= 0) shape.dim[open] = known > 0 ? count / known : 0;
    sl_attrs attrs = {.shape = shape};
    return EMIT(graph, RESHAPE, attrs, x);
}

sl_value sl_transpose(sl_graph *graph, sl_value x, const int *perm) {
    sl_attrs attrs = {0};
    for (int i = 0; i < rank_of(graph, x); i++) attrs.perm[i] = perm[i];
    return EMIT(graph, TRANSPOSE, attrs, x);
}

/* Fails unless x is [N,H,W,C]. */
static bool is_image(sl_graph *graph, sl_value x, const char *what, sl_shape *out) {
    sl_shape_text text;
    if (graph->status != SL_OK) return false;
    *out = sl_value_shape(graph, x);
    if (out->rank == 4) return true;
    sl_graph_fail(graph, SL_INVALID, "%s: input has shape %s, expected [N, H, W, C]", what,
                  sl_shape_format(out, &text));
    return false;
}

sl_value sl_space_to_depth(sl_graph *graph, sl_value x, int block) {
    sl_shape s;
    if (!is_image(graph, x, "space_to_depth", &s)) return SL_NONE;
    if (block < 1 || s.dim[1] % block || s.dim[2] % block) {
        sl_graph_fail(graph, SL_INVALID, "space_to_depth: %lld x %lld does not divide into blocks of %d",
                      (long long)s.dim[1], (long long)s.dim[2], block);
        return SL_NONE;
    }
    int64_t h = s.dim[1] / block, w = s.dim[2] / block;
    x = sl_reshape(graph, x, SL_SHAPE(s.dim[0], h, block, w, block, s.dim[3]));
    x = SL_TRANSPOSE(graph, x, 0, 1, 3, 5, 2, 4);
    return sl_reshape(graph, x, SL_SHAPE(s.dim[0], h, w, s.dim[3] * block * block));
}

sl_value sl_depth_to_space(sl_graph *graph, sl_value x, int block) {
    sl_shape s;
    if (!is_image(graph, x, "depth_to_space", &s)) return SL_NONE;
    if (block < 1 || s.dim[3] % (block * block)) {
        sl_graph_fail(graph, SL_INVALID, "depth_to_space: %lld channels do not divide into blocks of %d",
                      (long long)s.dim[3], block);
        return SL_NONE;
    }
    int64_t c = s.dim[3] / (block * block);
    x = sl_reshape(graph, x, SL_SHAPE(s.dim[0], s.dim[1], s.dim[2], c, block, block));
    x = SL_TRANSPOSE(graph, x, 0, 1, 4, 2, 5, 3);
    return sl_reshape(graph, x, SL_SHAPE(s.dim[0], s.dim[1] * block, s.dim[2] * block, c));
}

static sl_attrs pooling(int window, int stride, sl_padding padding) {
    return (sl_attrs){.window = {window, window},
                      .stride = {stride, stride},
                      .pad = {padding.top, padding.bottom, padding.left, padding.right}};
}

sl_value sl_max_pool(sl_graph *graph, sl_value x, int window, int stride, sl_padding padding) {
    return EMIT(graph, MAX_POOL, pooling(window, stride, padding), x);
}

sl_value sl_avg_pool(sl_graph *graph, sl_value x, int window, int stride, sl_padding padding) {
    return EMIT(graph, AVG_POOL, pooling(window, stride, padding), x);
}

sl_value sl_avg_pool_global(sl_graph *graph, sl_value x) {
    sl_shape s;
    return is_image(graph, x, "avg_pool_global", &s) ? sl_mean(graph, x, 1u << 1 | 1u << 2) : SL_NONE;
}

sl_rings sl_rings_of(sl_graph *graph, sl_value ring, int64_t rings) {
    sl_attrs attrs = {.count = rings};
    return (sl_rings){ring, EMIT(graph, RING_WEIGHTS, attrs, ring)};
}

sl_value sl_ring_mean(sl_graph *graph, sl_value x, sl_rings rings) {
    sl_attrs attrs = {.count = sl_value_dim(graph, rings.weights, 1)};
    return EMIT(graph, RING_GATHER, attrs, x, rings.ring, rings.weights);
}

sl_value sl_ring_spread(sl_graph *graph, sl_value y, sl_rings rings) {
    sl_attrs attrs = {.count = sl_value_dim(graph, y, 1)};
    return EMIT(graph, RING_SPREAD, attrs, y, rings.ring);
}

sl_value sl_embedding(sl_graph *graph, sl_value table, sl_value ids) {
    return EMIT(graph, EMBEDDING, NO_ATTRS, table, ids);
}

sl_value sl_timestep_embedding(sl_graph *graph, sl_value t, int width, bool flip_sin_to_cos, double shift) {
    sl_attrs attrs = {.width = width, .flip = flip_sin_to_cos, .alpha = shift};
    return EMIT(graph, TIMESTEP_EMBEDDING, attrs, t);
}

static sl_value reduce(sl_graph *graph, sl_value x, uint32_t axes, bool mean) {
    const sl_operand operand = sl_graph_value(graph, x.id)->operand;
    uint32_t all = (1u << operand.shape.rank) - 1;
    if (axes == SL_ALL_AXES) axes = all;
    int64_t count = 1;
    for (int i = 0; i < operand.shape.rank; i++)
        if (axes >> i & 1) count *= operand.shape.dim[i];
    sl_attrs attrs = {.axes = axes,
                      .alpha = mean ? 1 / (double)count : 1,
                      .dtype = axes == all ? sl_dtype_wide(operand.dtype) : operand.dtype};
    return EMIT(graph, SUM, attrs, x);
}

sl_value sl_sum(sl_graph *graph, sl_value x, uint32_t axes) {
    return reduce(graph, x, axes, false);
}

sl_value sl_mean(sl_graph *graph, sl_value x, uint32_t axes) {
    return reduce(graph, x, axes, true);
}

sl_value sl_mse(sl_graph *graph, sl_value pred, sl_value target, sl_value weight) {
    return EMIT(graph, MSE, NO_ATTRS, pred, target, weight);
}

sl_value sl_l1(sl_graph *graph, sl_value pred, sl_value target) {
    return EMIT(graph, L1, NO_ATTRS, pred, target);
}

sl_value sl_cross_entropy(sl_graph *graph, sl_value logits, sl_value labels, sl_value class_weight) {
    return EMIT(graph, CROSS_ENTROPY, NO_ATTRS, logits, labels, class_weight);
}

sl_value sl_binary_cross_entropy(sl_graph *graph, sl_value logits, sl_value flags) {
    const sl_shape all = sl_value_shape(graph, logits), column = SL_SHAPE(sl_shape_count(&all), 1);
    sl_value yes = sl_reshape(graph, logits, column), no = sl_fill(graph, SL_F32, column, 0);
    return sl_cross_entropy(graph, sl_concat2(graph, no, yes, 1), flags, SL_NONE);
}

sl_value sl_combine(sl_graph *graph, sl_value weights, const sl_value *terms, int count,
                    sl_combine_rule rule) {
    sl_value in[SL_INPUTS_MAX] = {weights};
    sl_attrs attrs = {
        .start = rule.sum, .count = rule.prediction, .alpha = rule.clip, .keep = rule.rounded ? 1 : 0};
    if (count >= SL_INPUTS_MAX) {
        sl_graph_fail(graph, SL_LIMIT, "a sum of %d terms, at most %d", count, SL_INPUTS_MAX - 1);
        return SL_NONE;
    }
    for (int i = 0; i < count; i++) in[1 + i] = terms[i];
    return emit(graph, SL_OP_COMBINE, attrs, in, 1 + count);
}

sl_value sl_guide(sl_graph *graph, sl_value x, sl_value guidance) {
    return EMIT(graph, GUIDE, NO_ATTRS, x, guidance);
}

sl_value sl_random_noise(sl_graph *graph, sl_value key, sl_shape shape) {
    sl_attrs attrs = {.shape = shape};
    return EMIT(graph, NOISE, attrs, key);
}

void sl_assign(sl_graph *graph, sl_value input, sl_value value) {
    const graph_value *to = sl_graph_value(graph, input.id), *from = sl_graph_value(graph, value.id);
    if (graph->status != SL_OK) return;
    if (to->kind != VALUE_INPUT || !input.id || to->held || to->operand.dtype != from->operand.dtype ||
        !sl_shape_equal(&to->operand.shape, &from->operand.shape)) {
        sl_graph_fail(graph, SL_MISMATCH, "'%s' cannot take over that value",
                      to->name ? to->name : "a result");
        return;
    }
    sl_graph_emit_update(graph, value, input, false, 0, 1);
}

void sl_hold(sl_graph *graph, sl_value input) {
    graph_value *value = sl_graph_value(graph, input.id);
    if (graph->status != SL_OK) return;
    if (value->kind != VALUE_INPUT || !input.id || value->is_state)
        sl_graph_fail(graph, SL_INVALID, "'%s' cannot be held", value->name ? value->name : "a result");
    else
        value->held = true;
}
