#include "cases.h"

#include "test.h"

#include "base/memory.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum { GUARD_BYTES = 256 };

/* ---- shapes ---- */

typedef struct maker {
    op_case *c;
    op_sizes sizes;
    sl_dtype activation, weight;
    sl_random *random;
} maker;

static int64_t between(maker *m, int64_t low, int64_t high) {
    return low + sl_random_below(m->random, (uint32_t)(high - low + 1));
}

/* A number of channels, divisible by `divisor`. */
static int64_t channels(maker *m, int64_t divisor) {
    switch (m->sizes) {
    case SIZES_TINY:
        return divisor * between(m, 1, 3);
    case SIZES_ODD:
        return divisor * between(m, 1, 40 / divisor + 1);
    case SIZES_EVEN:
        return 16 * divisor * between(m, 1, divisor > 2 ? 2 : 6);
    default:
        return 64 * divisor * between(m, 1, divisor > 2 ? 2 : 4);
    }
}

/* Rows of a sequence, at most `most` for tests. */
static int64_t length(maker *m, int64_t most) {
    if (m->sizes == SIZES_TINY) return between(m, 3, 4);
    return m->sizes == SIZES_LARGE ? 256 * between(m, 1, 3) : between(m, 1, most);
}

static int64_t side(maker *m) {
    if (m->sizes == SIZES_TINY) return between(m, 3, 5);
    return m->sizes == SIZES_LARGE ? 8 * between(m, 2, 5) : between(m, 3, 17);
}

static int64_t batch(maker *m) {
    return between(m, 1, m->sizes == SIZES_TINY ? 2 : 3);
}

static void add_input(maker *m, op_role role, sl_shape shape) {
    op_case *c = m->c;
    sl_dtype wide = sl_dtype_wide(m->activation);
    sl_dtype dtypes[] = {m->activation, m->weight, wide, SL_I32, SL_F64};
    unsigned flags = role == ROLE_WEIGHT ? SL_OPERAND_WEIGHT : 0u;
    if (role == ROLE_WEIGHT && sl_random_below(m->random, 2)) flags |= SL_OPERAND_FROZEN;
    if (flags & SL_OPERAND_FROZEN && m->weight == SL_F32 && sl_random_below(m->random, 2))
        flags |= SL_OPERAND_HALF;
    c->role[c->call.in_count] = role;
    c->call.in[c->call.in_count++] = (sl_operand){.dtype = dtypes[role], .shape = shape, .flags = flags};
}

static void add_absent(maker *m) {
    m->c->call.in[m->c->call.in_count++] = (sl_operand){.flags = SL_OPERAND_ABSENT};
}

#define IN(role, ...) add_input(m, ROLE_##role, SL_SHAPE(__VA_ARGS__))

static sl_shape image(maker *m, int64_t divisor) {
    return SL_SHAPE(batch(m), side(m), side(m), channels(m, divisor));
}

/* [...,C] of two to four axes. */
static sl_shape rows(maker *m, int64_t C) {
    sl_shape all = SL_SHAPE(batch(m), between(m, 1, 3), length(m, 40), C);
    int drop = (int)between(m, 0, 2);
    sl_shape shape = {.rank = 4 - drop};
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = all.dim[i + drop];
    return shape;
}

static void spatial(maker *m, int64_t kernel) {
    sl_attrs *a = &m->c->attrs;
    a->stride[0] = a->stride[1] = (int32_t)between(m, 1, 2);
    for (int i = 0; i < 4; i++) a->pad[i] = (int32_t)between(m, 0, kernel / 2);
    if (m->sizes == SIZES_EVEN && between(m, 0, 2)) { /* the usual: the size stays */
        a->stride[0] = a->stride[1] = 1;
        for (int i = 0; i < 4; i++) a->pad[i] = (int32_t)kernel / 2;
    }
}

static int64_t pooled_size(const sl_attrs *a, int64_t size, int64_t kernel, int axis) {
    return (size + a->pad[2 * axis] + a->pad[2 * axis + 1] - kernel) / a->stride[axis] + 1;
}

static void make_conv(maker *m) {
    static const int64_t kernels[] = {1, 3, 3, 2};
    op_case *c = m->c;
    int64_t k = kernels[between(m, 0, 3)], O = channels(m, 1);
    sl_shape x = image(m, 1);
    spatial(m, k);
    sl_shape y =
        SL_SHAPE(x.dim[0], pooled_size(&c->attrs, x.dim[1], k, 0), pooled_size(&c->attrs, x.dim[2], k, 1), O);
    sl_shape w = SL_SHAPE(O, x.dim[3], k, k);
    switch (c->call.op) {
    case SL_OP_CONV2D:
        add_input(m, ROLE_ACTIVATION, x);
        add_input(m, ROLE_WEIGHT, w);
        if (between(m, 0, 1)) IN(WEIGHT, O);
        break;
    case SL_OP_CONV2D_BWD_DATA:
        c->attrs.shape = x;
        add_input(m, ROLE_ACTIVATION, y);
        add_input(m, ROLE_WEIGHT, w);
        break;
    default:
        c->attrs.shape = w;
        add_input(m, ROLE_ACTIVATION, x);
        add_input(m, ROLE_ACTIVATION, y);
    }
}

static void make_linear(maker *m) {
    int64_t I = channels(m, 1), O = channels(m, 1);
    sl_shape x = rows(m, I), y = x;
    y.dim[y.rank - 1] = O;
    switch (m->c->call.op) {
    case SL_OP_LINEAR:
        add_input(m, ROLE_ACTIVATION, x);
        IN(WEIGHT, O, I);
        if (between(m, 0, 1)) IN(WEIGHT, O);
        break;
    case SL_OP_LINEAR_BWD_DATA:
        add_input(m, ROLE_ACTIVATION, y);
        IN(WEIGHT, O, I);
        break;
    default:
        add_input(m, ROLE_ACTIVATION, x);
        add_input(m, ROLE_ACTIVATION, y);
    }
}

static void make_matmul(maker *m) {
    int64_t B = batch(m), M = channels(m, 1), K = channels(m, 1), N = channels(m, 1);
    m->c->attrs.transpose_a = (int32_t)between(m, 0, 1);
    m->c->attrs.transpose_b = (int32_t)between(m, 0, 1);
    IN(ACTIVATION, B, m->c->attrs.transpose_a ? K : M, m->c->attrs.transpose_a ? M : K);
    IN(ACTIVATION, B, m->c->attrs.transpose_b ? N : K, m->c->attrs.transpose_b ? K : N);
}

static void make_attention(maker *m) {
    static const int64_t widths[] = {8, 16, 32, 40, 64, 80};
    int64_t N = batch(m), L = length(m, 90), heads = between(m, 1, 3);
    int64_t M = length(m, 90);
    int64_t D = m->sizes == SIZES_TINY  ? 2
                : m->sizes == SIZES_ODD ? between(m, 1, 33)
                                        : widths[between(m, 0, 5)];
    m->c->attrs.heads = (int32_t)heads;
    m->c->attrs.causal = between(m, 0, 3) == 0;
    if (m->c->attrs.causal) M = L;
    IN(ACTIVATION, N, L, heads * D);
    IN(ACTIVATION, N, M, heads * D);
    IN(ACTIVATION, N, M, heads * D);
    if (m->c->call.op == SL_OP_ATTENTION) return;
    IN(ACTIVATION, N, L, heads * D);
    IN(WIDE, N, heads, L);
    IN(ACTIVATION, N, L, heads * D);
}

static void make_group_norm(maker *m) {
    int64_t G = between(m, 1, 4);
    sl_shape x = image(m, G);
    int64_t C = x.dim[3];
    m->c->attrs.groups = (int32_t)G;
    m->c->attrs.eps = 1e-5f;
    m->c->attrs.silu = (int32_t)between(m, 0, 1);
    add_input(m, ROLE_ACTIVATION, x);
    IN(WEIGHT, C);
    IN(WEIGHT, C);
    if (m->c->call.op == SL_OP_GROUP_NORM) return;
    IN(WIDE, x.dim[0], G);
    IN(WIDE, x.dim[0], G);
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_layer_norm(maker *m) {
    int64_t C = channels(m, 3);
    sl_shape x = rows(m, C), stats = x;
    stats.dim[--stats.rank] = 0;
    m->c->attrs.eps = 1e-5f;
    add_input(m, ROLE_ACTIVATION, x);
    IN(WEIGHT, C);
    if (m->c->call.op == SL_OP_LAYER_NORM) {
        IN(WEIGHT, C);
        return;
    }
    add_input(m, ROLE_WIDE, stats);
    add_input(m, ROLE_WIDE, stats);
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_batch_norm(maker *m) {
    sl_shape x = image(m, 1);
    bool forward = m->c->call.op == SL_OP_BATCH_NORM;
    m->c->attrs.eps = 1e-5f;
    m->c->attrs.training = (int32_t)between(m, 0, 1);
    add_input(m, ROLE_ACTIVATION, x);
    for (int i = 0; i < (forward ? 4 : 1); i++) IN(WEIGHT, x.dim[3]);
    if (forward) return;
    IN(WIDE, x.dim[3]);
    IN(WIDE, x.dim[3]);
    add_input(m, ROLE_ACTIVATION, x);
}

/* One or two inputs of one shape, by the op's number of inputs. */
static void make_rows(maker *m) {
    sl_attrs *a = &m->c->attrs;
    sl_shape x = rows(m, channels(m, 1));
    switch (m->c->call.op) {
    case SL_OP_SCALE:
        a->alpha = -1.5;
        a->beta = 0.25;
        break;
    case SL_OP_CLAMP:
    case SL_OP_CLAMP_BWD:
        a->alpha = -0.5;
        a->beta = 0.75;
        break;
    case SL_OP_CAST:
        if (m->activation == SL_F32)
            a->dtype = m->weight == SL_F16 ? SL_F16 : SL_BF16;
        else
            a->dtype = sl_dtype_wide(m->activation);
        break;
    case SL_OP_UPDATE:
        a->alpha = between(m, 0, 1) ? 1 : 0.9;
        a->beta = a->alpha < 1 ? 0.1 : 1;
        a->dtype = sl_dtype_wide(m->activation);
        break;
    default:
        break;
    }
    for (int i = 0; i < sl_op_describe(m->c->call.op)->in_min; i++) add_input(m, ROLE_ACTIVATION, x);
}

static void make_geglu(maker *m) {
    sl_shape x = rows(m, channels(m, 2)), y = x;
    y.dim[y.rank - 1] /= 2;
    add_input(m, ROLE_ACTIVATION, x);
    if (m->c->call.op == SL_OP_GEGLU_BWD) add_input(m, ROLE_ACTIVATION, y);
}

static void make_binary(maker *m) {
    sl_shape full = image(m, 1), part = full;
    switch (between(m, 0, 5)) {
    case 0:
        break;
    case 1:
        part = SL_SHAPE(full.dim[3]);
        break;
    case 2:
        part.dim[1] = part.dim[2] = 1;
        break;
    case 3:
        part.dim[1] = part.dim[2] = part.dim[3] = 1;
        break;
    case 4:
        part = (sl_shape){0};
        break;
    default:
        part.dim[0] = part.dim[3] = 1;
    }
    bool swap = between(m, 0, 3) == 0;
    add_input(m, ROLE_ACTIVATION, swap ? part : full);
    add_input(m, swap ? ROLE_ACTIVATION : ROLE_WEIGHT, swap ? full : part);
}

static void make_concat(maker *m) {
    sl_attrs *a = &m->c->attrs;
    sl_shape x = image(m, 2);
    a->axis = (int32_t)between(m, 0, 3);
    int64_t whole = x.dim[a->axis];
    switch (m->c->call.op) {
    case SL_OP_CONCAT:
        for (int64_t i = 0, count = between(m, 2, 3); i < count; i++) {
            x.dim[a->axis] = between(m, 1, whole);
            add_input(m, ROLE_ACTIVATION, x);
        }
        return;
    case SL_OP_SLICE:
        a->start = between(m, 0, whole - 1);
        a->count = between(m, 1, whole - a->start);
        break;
    default:
        a->start = between(m, 0, 2);
        a->count = a->start + whole + between(m, 0, 2);
    }
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_transpose(maker *m) {
    uint32_t perm[SL_RANK_MAX];
    sl_shape x = image(m, 1);
    if (between(m, 0, 1)) x = SL_SHAPE(x.dim[0], x.dim[1], x.dim[2], x.dim[3], 2, 3);
    sl_random_permutation(m->random, perm, (uint32_t)x.rank);
    for (int i = 0; i < x.rank; i++) m->c->attrs.perm[i] = (int32_t)perm[i];
    m->c->attrs.shape = m->c->call.op == SL_OP_RESHAPE ? SL_SHAPE(sl_shape_count(&x)) : (sl_shape){0};
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_upsample(maker *m) {
    sl_shape x = image(m, 1);
    if (m->c->call.op == SL_OP_UPSAMPLE_NEAREST2X_BWD) {
        x.dim[1] *= 2;
        x.dim[2] *= 2;
    }
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_ring(maker *m) {
    int64_t N = batch(m), P = side(m) * side(m), C = channels(m, 1), R = between(m, 1, 12);
    int64_t kind = between(m, 0, 5); /* radial profiles have few channels and many places */
    if (kind == 0) C = 4, P = 20 * P + 1;
    if (kind == 1) C = between(m, 513, 530);
    m->c->attrs.count = R;
    if (m->c->call.op == SL_OP_RING_WEIGHTS) {
        IN(WIDE, N, P);
        return;
    }
    if (m->c->call.op == SL_OP_RING_GATHER)
        IN(ACTIVATION, N, P, C);
    else
        IN(ACTIVATION, N, R, C);
    IN(WIDE, N, P);
    if (between(m, 0, 1)) IN(WIDE, N, R);
}

static void make_pool(maker *m) {
    op_case *c = m->c;
    int64_t k = between(m, 2, 3);
    sl_shape x = image(m, 1);
    spatial(m, k);
    c->attrs.window[0] = c->attrs.window[1] = (int32_t)k;
    sl_shape y = x;
    for (int i = 0; i < 2; i++) y.dim[1 + i] = pooled_size(&c->attrs, x.dim[1 + i], k, i);
    bool backward = c->call.op == SL_OP_MAX_POOL_BWD || c->call.op == SL_OP_AVG_POOL_BWD;
    if (backward) c->attrs.shape = x;
    add_input(m, ROLE_ACTIVATION, backward ? y : x);
    if (c->call.op == SL_OP_MAX_POOL_BWD) add_input(m, ROLE_INTEGER, y);
    c->integer_below = x.dim[1] * x.dim[2];
}

static void make_step(maker *m) {
    add_input(m, ROLE_WIDE, image(m, 1));
    add_input(m, ROLE_WIDE, SL_SHAPE(m->c->call.op == SL_OP_ADAMW ? 8 : 4));
}

static void make_sum(maker *m) {
    sl_attrs *a = &m->c->attrs;
    sl_shape x = image(m, 1);
    a->axes = (uint32_t)between(m, 1, 15);
    a->keep = (int32_t)between(m, 0, 1);
    a->alpha = 0.5;
    a->dtype = sl_dtype_wide(m->activation);
    if (m->c->call.op == SL_OP_BROADCAST) {
        a->shape = x;
        for (int i = 0; i < 4; i++)
            if (a->axes >> i & 1) x.dim[i] = 1;
        a->axes = 0;
        a->keep = 0;
        a->dtype = SL_F32;
    }
    add_input(m, ROLE_ACTIVATION, x);
}

static void make_embedding(maker *m) {
    int64_t V = between(m, 2, 30), E = channels(m, 1), N = batch(m), L = between(m, 1, 9);
    m->c->integer_below = V;
    if (m->c->call.op == SL_OP_EMBEDDING) {
        IN(WEIGHT, V, E);
        IN(INTEGER, N, L);
        return;
    }
    m->c->attrs.shape = SL_SHAPE(V, E);
    IN(INTEGER, N, L);
    IN(ACTIVATION, N, L, E);
}

static void make_timestep(maker *m) {
    m->c->attrs.width = 2 * (int32_t)between(m, 2, 40);
    m->c->attrs.flip = (int32_t)between(m, 0, 1);
    m->c->attrs.alpha = (double)between(m, 0, 1);
    IN(WIDE, batch(m));
}

static void make_loss(maker *m) {
    sl_shape x = image(m, 1);
    sl_op op = m->c->call.op;
    add_input(m, ROLE_ACTIVATION, x);
    add_input(m, ROLE_ACTIVATION, x);
    if (op == SL_OP_MSE || op == SL_OP_MSE_BWD) {
        if (between(m, 0, 1))
            IN(WIDE, x.dim[0]);
        else
            add_absent(m);
    }
    if (op == SL_OP_MSE_BWD || op == SL_OP_L1_BWD) add_input(m, ROLE_WIDE, (sl_shape){0});
}

static void make_cross_entropy(maker *m) {
    int64_t N = between(m, 1, 20), K = between(m, 2, 20);
    m->c->integer_below = K;
    IN(ACTIVATION, N, K);
    IN(INTEGER, N);
    if (between(m, 0, 1))
        IN(WIDE, K);
    else
        add_absent(m);
    if (m->c->call.op == SL_OP_CROSS_ENTROPY_BWD) add_input(m, ROLE_WIDE, (sl_shape){0});
}

static void make_fill(maker *m) {
    m->c->attrs.shape = image(m, 1);
    m->c->attrs.dtype = m->activation;
    m->c->attrs.alpha = 1.25;
}

/* Two to four sums over one to six terms, some of which are not there. */
static void make_combine(maker *m) {
    sl_attrs *a = &m->c->attrs;
    int64_t sums = between(m, 2, 4), terms = between(m, 1, 6);
    sl_shape x = image(m, 1);
    IN(DOUBLE, sums, terms + 1);
    for (int64_t k = 0; k < terms; k++) {
        if (k == 0 || between(m, 0, 3))
            add_input(m, ROLE_WIDE, x);
        else
            add_absent(m);
    }
    a->start = between(m, 0, sums - 1);
    a->count = between(m, 0, sums - 1);
    a->alpha = (double)between(m, 0, 1) * 0.7;
    a->keep = (int32_t)between(m, 0, 1);
}

static void make_guide(maker *m) {
    sl_shape x = image(m, 1);
    x.dim[0] *= 2;
    add_input(m, ROLE_WIDE, x);
    IN(DOUBLE, 3);
}

static void make_noise(maker *m) {
    m->c->attrs.shape = image(m, 1);
    m->c->integer_below = INT32_MAX;
    IN(INTEGER, 6);
}

typedef void (*make_fn)(maker *);
static const make_fn makers[SL_OP_COUNT] = {
    [SL_OP_CONV2D] = make_conv,
    [SL_OP_CONV2D_BWD_DATA] = make_conv,
    [SL_OP_CONV2D_BWD_WEIGHT] = make_conv,
    [SL_OP_LINEAR] = make_linear,
    [SL_OP_LINEAR_BWD_DATA] = make_linear,
    [SL_OP_LINEAR_BWD_WEIGHT] = make_linear,
    [SL_OP_MATMUL] = make_matmul,
    [SL_OP_ATTENTION] = make_attention,
    [SL_OP_ATTENTION_BWD] = make_attention,
    [SL_OP_GROUP_NORM] = make_group_norm,
    [SL_OP_GROUP_NORM_BWD] = make_group_norm,
    [SL_OP_LAYER_NORM] = make_layer_norm,
    [SL_OP_LAYER_NORM_BWD] = make_layer_norm,
    [SL_OP_BATCH_NORM] = make_batch_norm,
    [SL_OP_BATCH_NORM_BWD] = make_batch_norm,
    [SL_OP_GEGLU] = make_geglu,
    [SL_OP_GEGLU_BWD] = make_geglu,
    [SL_OP_ADD] = make_binary,
    [SL_OP_SUB] = make_binary,
    [SL_OP_MUL] = make_binary,
    [SL_OP_CONCAT] = make_concat,
    [SL_OP_SLICE] = make_concat,
    [SL_OP_PAD] = make_concat,
    [SL_OP_TRANSPOSE] = make_transpose,
    [SL_OP_RESHAPE] = make_transpose,
    [SL_OP_UPSAMPLE_NEAREST2X] = make_upsample,
    [SL_OP_UPSAMPLE_NEAREST2X_BWD] = make_upsample,
    [SL_OP_RING_WEIGHTS] = make_ring,
    [SL_OP_RING_GATHER] = make_ring,
    [SL_OP_RING_SPREAD] = make_ring,
    [SL_OP_MAX_POOL] = make_pool,
    [SL_OP_MAX_POOL_BWD] = make_pool,
    [SL_OP_AVG_POOL] = make_pool,
    [SL_OP_AVG_POOL_BWD] = make_pool,
    [SL_OP_SUM] = make_sum,
    [SL_OP_ADAMW] = make_step,
    [SL_OP_SGD] = make_step,
    [SL_OP_BROADCAST] = make_sum,
    [SL_OP_EMBEDDING] = make_embedding,
    [SL_OP_EMBEDDING_BWD] = make_embedding,
    [SL_OP_TIMESTEP_EMBEDDING] = make_timestep,
    [SL_OP_MSE] = make_loss,
    [SL_OP_MSE_BWD] = make_loss,
    [SL_OP_L1] = make_loss,
    [SL_OP_L1_BWD] = make_loss,
    [SL_OP_CROSS_ENTROPY] = make_cross_entropy,
    [SL_OP_CROSS_ENTROPY_BWD] = make_cross_entropy,
    [SL_OP_FILL] = make_fill,
    [SL_OP_COMBINE] = make_combine,
    [SL_OP_GUIDE] = make_guide,
    [SL_OP_NOISE] = make_noise,
};

void op_case_make(op_case *c, sl_op op, op_sizes sizes, sl_dtype activation, sl_dtype weight,
                  sl_random *random) {
    memset(c, 0, sizeof *c);
    c->call.op = op;
    c->call.attrs = &c->attrs;
    maker m = {c, sizes, activation, weight, random};
    (makers[op] ? makers[op] : make_rows)(&m);
    while (c->call.in_count > sl_op_describe(op)->in_min && !sl_call_has(&c->call, c->call.in_count - 1))
        c->call.in_count--;
    assert_ok(sl_op_infer(&c->call));
}

/* ---- contents ---- */

static size_t bytes_of(const sl_operand *operand) {
    return (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
}

static void fill_operand(sl_operand *operand, int64_t below, sl_random *random) {
    for (size_t i = 0; i < (size_t)sl_operand_count(operand); i++) {
        double value = below ? sl_random_below(random, (uint32_t)below) : sl_random_normal(random);
        sl_convert(SL_F64, &value, operand->dtype, (char *)operand->data + i * sl_dtype_bytes(operand->dtype),
                   1);
    }
}

static void round_to_half(float *value, int64_t count) {
    for (int64_t i = 0; i < count; i++) value[i] = sl_f16_to_f32(sl_f32_to_f16(value[i]));
}

/* Every element positive: variances. */
static void make_positive(sl_operand *operand) {
    for (size_t i = 0; i < (size_t)sl_operand_count(operand); i++) {
        char *at = (char *)operand->data + i * sl_dtype_bytes(operand->dtype);
        double value;
        sl_convert(operand->dtype, at, SL_F64, &value, 1);
        value = fabs(value) + 0.1;
        sl_convert(SL_F64, &value, operand->dtype, at, 1);
    }
}

/* Inputs of a backward call that are results of its forward call: take them from its reference. */
static void derive(op_case *c, sl_op forward, const int *from, int from_count, const int *to) {
    sl_call call = {.op = forward, .attrs = &c->attrs, .in_count = from_count};
    sl_operand *in = c->call.in;
    for (int i = 0; i < from_count; i++) call.in[i] = in[from[i]];
    assert_ok(sl_op_infer(&call));
    for (int i = 0; i < call.out_count; i++) {
        if (to[i] < 0)
            call.out[i].flags = SL_OPERAND_ABSENT;
        else
            call.out[i].data = in[to[i]].data;
    }
    void *spare = NULL;
    if (call.out[0].flags) { /* the first result is always written */
        assert_ok(sl_alloc(&spare, bytes_of(&call.out[0]), 1));
        call.out[0].data = spare;
        call.out[0].flags = 0;
    }
    assert_ok(sl_alloc(&call.scratch, sl_op_reference_scratch(&call), 1));
    assert_ok(sl_op_reference(&call));
    sl_free(call.scratch);
    sl_free(spare);
}

/* Positions of maxima that lie in their windows: those of a random image. */
static void derive_positions(op_case *c, sl_random *random) {
    sl_call call = {.op = SL_OP_MAX_POOL, .attrs = &c->attrs, .in_count = 1};
    call.in[0] = (sl_operand){.dtype = SL_F32, .shape = c->attrs.shape};
    assert_ok(sl_alloc(&call.in[0].data, bytes_of(&call.in[0]), 1));
    fill_operand(&call.in[0], 0, random);
    assert_ok(sl_op_infer(&call));
    assert_ok(sl_alloc(&call.out[0].data, bytes_of(&call.out[0]), 1));
    assert_ok(sl_alloc(&call.scratch, sl_op_reference_scratch(&call), 1));
    call.out[1].data = c->call.in[1].data;
    assert_ok(sl_op_reference(&call));
    sl_free(call.in[0].data);
    sl_free(call.out[0].data);
    sl_free(call.scratch);
}

static void place_in_rings(op_case *c, sl_random *random) {
    sl_operand *ring = &c->call.in[c->call.op == SL_OP_RING_WEIGHTS ? 0 : 1];
    for (int64_t i = 0; i < sl_operand_count(ring); i++) {
        double place = (double)(c->attrs.count + 1) * sl_random_uniform(random) - 1;
        switch (sl_random_below(random, 6)) {
        case 0:
            place = floor(place);
            break;
        case 1:
            place = NAN;
            break;
        case 2: /* next to nothing of a ring */
            place = 1e-7 * sl_random_uniform(random);
            break;
        default:
            break;
        }
        sl_convert(SL_F64, &place, ring->dtype, (char *)ring->data + (size_t)i * sl_dtype_bytes(ring->dtype),
                   1);
    }
}

static void derive_inputs(op_case *c, sl_random *random) {
    switch (c->call.op) {
    case SL_OP_ADAMW:
        make_positive(&c->call.in[1]);
        break;
    case SL_OP_COMBINE: /* some weights are 0: those terms are not read */
        for (int64_t i = 0; i < sl_operand_count(&c->call.in[0]); i++)
            if (sl_random_below(random, 4) == 0) ((double *)c->call.in[0].data)[i] = 0;
        break;
    case SL_OP_GUIDE:
        ((double *)c->call.in[1].data)[0] = 5;
        ((double *)c->call.in[1].data)[1] = sl_random_below(random, 2) ? 0.7 : 0;
        ((double *)c->call.in[1].data)[2] = sl_random_below(random, 2) ? 1.5 : 5;
        break;
    case SL_OP_RING_WEIGHTS: /* places before, in, on, between and behind the rings, and lost ones */
    case SL_OP_RING_GATHER:
    case SL_OP_RING_SPREAD:
        place_in_rings(c, random);
        break;
    case SL_OP_MAX_POOL_BWD:
        derive_positions(c, random);
        break;
    case SL_OP_ATTENTION_BWD:
        derive(c, SL_OP_ATTENTION, (int[]){0, 1, 2}, 3, (int[]){3, 4});
        break;
    case SL_OP_GROUP_NORM_BWD:
        derive(c, SL_OP_GROUP_NORM, (int[]){0, 1, 2}, 3, (int[]){-1, 3, 4});
        break;
    case SL_OP_LAYER_NORM_BWD:
        derive(c, SL_OP_LAYER_NORM, (int[]){0, 1, 1}, 3, (int[]){-1, 2, 3});
        break;
    case SL_OP_BATCH_NORM:
        make_positive(&c->call.in[4]);
        break;
    case SL_OP_BATCH_NORM_BWD: {
        int32_t training = c->attrs.training;
        c->attrs.training = 1;
        derive(c, SL_OP_BATCH_NORM, (int[]){0, 1, 1, 1, 1}, 5, (int[]){-1, 2, 3, -1});
        c->attrs.training = training;
        break;
    }
    case SL_OP_CROSS_ENTROPY:
    case SL_OP_CROSS_ENTROPY_BWD:
        if (sl_call_has(&c->call, 2)) make_positive(&c->call.in[2]);
        break;
    default:
        break;
    }
}

void op_case_reset_outputs(op_case *c) {
    sl_random random = sl_random_stream(5, SL_STREAM_TEST, 0);
    for (int i = 0; i < c->call.out_count; i++) {
        sl_operand *out = &c->call.out[i];
        if (out->flags & SL_OPERAND_ABSENT) continue;
        memset((char *)out->data - GUARD_BYTES, 0xa5, bytes_of(out) + 2 * GUARD_BYTES);
        if (sl_op_describe(c->call.op)->reads_outputs)
            fill_operand(out, 0, &random);
        else
            memset(out->data, 0xff, bytes_of(out));
        if (c->call.op == SL_OP_ADAMW && i == 2) make_positive(out);
    }
}

void op_case_allocate(op_case *c, sl_random *random) {
    for (int i = 0; i < c->call.in_count; i++) {
        if (!sl_call_has(&c->call, i)) continue;
        sl_operand *in = &c->call.in[i];
        assert_ok(sl_alloc(&in->data, bytes_of(in), 1));
        fill_operand(in, c->role[i] == ROLE_INTEGER ? c->integer_below : 0, random);
        if (in->flags & SL_OPERAND_HALF) round_to_half(in->data, sl_operand_count(in));
    }
    derive_inputs(c, random);
    for (int i = 0; i < c->call.out_count; i++) {
        sl_operand *out = &c->call.out[i];
        if (out->flags & SL_OPERAND_ABSENT) continue;
        assert_ok(sl_alloc(&out->data, bytes_of(out) + 2 * GUARD_BYTES, 1));
        out->data = (char *)out->data + GUARD_BYTES;
    }
    op_case_reset_outputs(c);
}

int op_case_guards_hold(const op_case *c) {
    for (int i = 0; i < c->call.out_count; i++) {
        const sl_operand *out = &c->call.out[i];
        if (!out->data) continue;
        const unsigned char *before = (const unsigned char *)out->data - GUARD_BYTES;
        const unsigned char *after = (const unsigned char *)out->data + bytes_of(out);
        for (int k = 0; k < GUARD_BYTES; k++)
            if (before[k] != 0xa5 || after[k] != 0xa5) return 0;
    }
    return 1;
}

void op_case_free(op_case *c) {
    for (int i = 0; i < c->call.in_count; i++) sl_free(c->call.in[i].data);
    for (int i = 0; i < c->call.out_count; i++)
        if (c->call.out[i].data) sl_free((char *)c->call.out[i].data - GUARD_BYTES);
}

static size_t aligned(size_t bytes) {
    return (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
}

static void *spoilt(size_t bytes) {
    void *block;
    assert_ok(sl_alloc(&block, bytes, 1));
    memset(block, 0xff, bytes);
    return block;
}

sl_call op_kernel_open(const sl_kernel *kernel, const op_case *c) {
    const sl_kernel_code *code = kernel->code;
    sl_call call = c->call;
    call.attrs = &c->attrs;
    if (code->prepare) assert_ok(code->prepare(&call, &call.state));
    if (code->worker_scratch) call.worker_scratch_stride = aligned(code->worker_scratch(&call));
    call.worker_scratch = spoilt((size_t)sl_threads_count() * call.worker_scratch_stride);
    call.scratch = spoilt(code->scratch ? code->scratch(&call) : 0);
    size_t packed = code->packed ? code->packed(&call) : 0;
    call.packed = spoilt(packed);
    if (packed) assert_ok(code->pack(&call));
    return call;
}

void op_kernel_close(const sl_kernel *kernel, sl_call *call) {
    if (kernel->code->release && call->state) kernel->code->release(call->state);
    sl_free(call->scratch);
    sl_free(call->packed);
    sl_free(call->worker_scratch);
}

void op_case_reference(const op_case *c, double *out[SL_OUTPUTS_MAX]) {
    sl_call call = c->call;
    for (int i = 0; i < call.out_count; i++) {
        size_t count = (size_t)sl_operand_count(&call.out[i]);
        if (!sl_call_wants(&call, i)) continue;
        assert_ok(sl_alloc(&out[i], count, sizeof(double)));
        sl_convert(call.out[i].dtype, call.out[i].data, SL_F64, out[i], count); /* some are read too */
        call.out[i].dtype = SL_F64;
        call.out[i].data = out[i];
    }
    assert_ok(sl_alloc(&call.scratch, sl_op_reference_scratch(&call), 1));
    assert_ok(sl_op_reference(&call));
    sl_free(call.scratch);
}

/* fmax(0, NaN) is 0, so NaN is looked for by itself; a floor keeps rounding of an all but zero result from
 * counting. */
double op_case_error(const sl_operand *out, const double *expected) {
    double squares = 0, worst = 0, value;
    int64_t count = sl_operand_count(out);
    for (int64_t i = 0; i < count; i++) {
        const char *at = (const char *)out->data + (size_t)i * sl_dtype_bytes(out->dtype);
        sl_convert(out->dtype, at, SL_F64, &value, 1);
        double error = fabs(value - expected[i]);
        if (out->dtype == SL_BF16) error = fmax(0, error - fabs(expected[i]) * 0x1p-8);
        if (out->dtype == SL_F16) error = fmax(0, error - fmax(fabs(expected[i]) * 0x1p-11, 0x1p-25));
        squares += expected[i] * expected[i];
        worst = isnan(value) ? INFINITY : fmax(worst, error);
    }
    return worst / fmax(sqrt(squares / (double)count), 1e-2);
}
