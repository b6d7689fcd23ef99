/* Group normalisation, with SiLU behind it where attrs.silu (Wu and He 2018, arXiv 1803.08494).
 *   xhat = (x - mean) rstd over each image's group of C/G channels;  z = xhat gamma + beta;  y = z or silu(z)
 *   dxhat = dz gamma;  dx = rstd (dxhat - mean(dxhat) - xhat mean(dxhat xhat)), means over the group. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

typedef struct sizes {
    int64_t N, pixels, C, G, width; /* width: channels of a group */
} sizes;

static sizes sizes_of(const sl_call *call) {
    const sl_shape *x = &call->in[0].shape;
    int64_t C = x->dim[x->rank - 1], G = call->attrs->groups;
    return (sizes){x->dim[0], sl_shape_count(x) / x->dim[0] / C, C, G, C / G};
}

static sl_status check(const sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, SL_RANK_MAX));
    int64_t C = sl_operand_columns(&call->in[0]);
    SL_TRY(sl_rule_vector(call, 1, C));
    SL_TRY(sl_rule_vector(call, 2, C));
    if (call->attrs->groups < 1 || C % call->attrs->groups)
        return sl_fail(SL_INVALID, "%s: %lld channels do not divide into %d groups", sl_op_name(call->op),
                       (long long)C, call->attrs->groups);
    return SL_OK;
}

static sl_status infer(sl_call *call) {
    SL_TRY(check(call));
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    sl_shape stats = SL_SHAPE(call->in[0].shape.dim[0], call->attrs->groups);
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    sl_rule_out(call, wide, &stats);
    sl_rule_out(call, wide, &stats);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(check(call));
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    sl_shape stats = SL_SHAPE(call->in[0].shape.dim[0], call->attrs->groups);
    SL_TRY(sl_rule_shape(call, 3, &stats));
    SL_TRY(sl_rule_shape(call, 4, &stats));
    SL_TRY(sl_rule_shape(call, 5, &call->in[0].shape));
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    sl_rule_out(call, wide, &call->in[1].shape);
    sl_rule_out(call, wide, &call->in[1].shape);
    return SL_OK;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Offset of element i of group g of image n, i = 0..pixels*width-1. */
static int64_t offset(const sizes *s, int64_t n, int64_t g, int64_t i) {
    return (n * s->pixels + i / s->width) * s->C + g * s->width + i % s->width;
}

static void group_forward(const sl_call *call, const sizes *s, int64_t n, int64_t g, double *const *in,
                          double *const *out) {
    int64_t count = s->pixels * s->width;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < count; i++) mean += in[0][offset(s, n, g, i)];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = in[0][offset(s, n, g, i)] - mean;
        variance += d * d;
    }
    double rstd = 1 / sqrt(variance / (double)count + (double)call->attrs->eps);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = offset(s, n, g, i), c = at % s->C;
        double z = (in[0][at] - mean) * rstd * in[1][c] + in[2][c];
        out[0][at] = call->attrs->silu ? z * sigmoid(z) : z;
    }
    if (out[1]) out[1][n * s->G + g] = mean;
    if (out[2]) out[2][n * s->G + g] = rstd;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    sizes s = sizes_of(call);
    for (int64_t i = 0; i < s.N * s.G; i++) group_forward(call, &s, i / s.G, i % s.G, in, out);
    return SL_OK;
}

/* Gradient at z of element `at`, and its xhat. */
static double dz_at(const sl_call *call, double *const *in, int64_t at, int64_t c, int64_t stat,
                    double *xhat) {
    *xhat = (in[0][at] - in[3][stat]) * in[4][stat];
    if (!call->attrs->silu) return in[5][at];
    double z = *xhat * in[1][c] + in[2][c], s = sigmoid(z);
    return in[5][at] * s * (1 + z * (1 - s));
}

static void group_backward(const sl_call *call, const sizes *s, int64_t n, int64_t g, double *const *in,
                           double *const *out) {
    int64_t count = s->pixels * s->width, stat = n * s->G + g;
    double sum = 0, sum_xhat = 0, xhat;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = offset(s, n, g, i), c = at % s->C;
        double dz = dz_at(call, in, at, c, stat, &xhat);
        sum += dz * in[1][c];
        sum_xhat += dz * in[1][c] * xhat;
        if (out[1]) out[1][c] += dz * xhat;
        if (out[2]) out[2][c] += dz;
    }
    if (!out[0]) return;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = offset(s, n, g, i), c = at % s->C;
        double dxhat = dz_at(call, in, at, c, stat, &xhat) * in[1][c];
        out[0][at] = in[4][stat] * (dxhat - (sum + xhat * sum_xhat) / (double)count);
    }
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    sizes s = sizes_of(call);
    for (int i = 1; i < 3; i++)
        if (out[i]) memset(out[i], 0, (size_t)s.C * sizeof(double));
    for (int64_t i = 0; i < s.N * s.G; i++) group_backward(call, &s, i / s.G, i % s.G, in, out);
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value parts[SL_OUTPUTS_MAX];
    sl_value in[] = {call->in[0], call->in[1], call->in[2], call->out[1], call->out[2], call->out_grad[0]};
    emitter->emit(emitter, SL_OP_GROUP_NORM_BWD, call->attrs, in, 6, parts);
    for (int i = 0; i < 3; i++) call->in_grad[i] = call->need[i] ? parts[i] : SL_NONE;
}

static double flops(const sl_call *call) {
    return 8.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_GROUP_NORM = {.in_min = 3,
                                          .in_max = 3,
                                          .infer = infer,
                                          .reference = reference,
                                          .grad = grad,
                                          .flops = flops,
                                          .source = "arXiv 1803.08494"};
const sl_op_desc sl_op_desc_GROUP_NORM_BWD = {
    .in_min = 6, .in_max = 6, .infer = infer_bwd, .reference = reference_bwd, .flops = flops};
