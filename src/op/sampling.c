/* What a step of sampling does beside the model: sums with weights that are given, classifier-free guidance
 * (Ho and Salimans 2022, arXiv 2207.12598) with the rescale of Lin et al. 2023, section 3.4, and noise. */
#include "op/rules.h"

#include "base/random/random.h"

#include <math.h>

/* ---- sums ---- */

static sl_status infer_combine(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, 2));
    const sl_attrs *a = call->attrs;
    const int64_t *size = call->in[0].shape.dim;
    const sl_operand *first = NULL;
    if (call->in[0].dtype != SL_F64 || call->in_count - 1 > size[1] - 1)
        return sl_fail(SL_INVALID, "combine: %s weights of %lld terms for %d, expected F64 for all",
                       sl_dtype_name(call->in[0].dtype), (long long)size[1] - 1, call->in_count - 1);
    if (a->start < 0 || a->start >= size[0] || a->count < 0 || a->count >= size[0])
        return sl_fail(SL_INVALID, "combine: sum %lld with %lld, there are %lld", (long long)a->start,
                       (long long)a->count, (long long)size[0]);
    for (int i = 1; i < call->in_count; i++) {
        if (!sl_call_has(call, i)) continue;
        if (!first) first = &call->in[i];
        SL_TRY(sl_rule_shape(call, i, &first->shape));
    }
    if (!first) return sl_fail(SL_INVALID, "combine: no term");
    sl_rule_out(call, first->dtype, &first->shape);
    return SL_OK;
}

static double sum_at(const sl_call *call, double *const *in, const double *weight, int64_t i) {
    double sum = 0;
    for (int k = 1; k < call->in_count; k++)
        if (in[k] && weight[k - 1] != 0) sum += weight[k - 1] * in[k][i];
    return sum;
}

static sl_status reference_combine(const sl_call *call, double *const *in, double *const *out) {
    int64_t terms = call->in[0].shape.dim[1] - 1;
    const double *weight = in[0] + call->attrs->start * (terms + 1),
                 *prediction = in[0] + call->attrs->count * (terms + 1);
    double high = call->attrs->alpha;
    for (int64_t i = 0; i < sl_operand_count(&call->out[0]); i++) {
        double sum = sum_at(call, in, weight, i);
        if (weight[terms] != 0) {
            double p = sum_at(call, in, prediction, i);
            if (high > 0) p = p < -high ? -high : p > high ? high : p;
            sum += weight[terms] * (call->attrs->keep ? (double)(float)p : p);
        }
        out[0][i] = sum;
    }
    return SL_OK;
}

/* ---- guidance ---- */

static sl_status infer_guide(sl_call *call) {
    sl_shape shape = call->in[0].shape;
    SL_TRY(sl_rule_rank(call, 0, 2, SL_RANK_MAX));
    SL_TRY(sl_rule_vector(call, 1, 3));
    if (shape.dim[0] % 2)
        return sl_fail(SL_INVALID, "guide: %lld outputs, expected two an image", (long long)shape.dim[0]);
    shape.dim[0] /= 2;
    sl_rule_out(call, call->in[0].dtype, &shape);
    return SL_OK;
}

/* Standard deviation with n-1, as torch.std. */
static double deviation(const double *x, int64_t count) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    for (int64_t i = 0; i < count; i++)
        squares += (x[i] - sum / (double)count) * (x[i] - sum / (double)count);
    return sqrt(squares / (double)(count - 1));
}

/* Of the first channel's mean, with the prompt less without. */
static double level_difference(const double *absent, const double *bound, int64_t count, int64_t channels) {
    double sum = 0;
    for (int64_t i = 0; i < count; i += channels) sum += bound[i] - absent[i];
    return sum / (double)(count / channels);
}

static sl_status reference_guide(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *shape = &call->out[0].shape;
    int64_t images = shape->dim[0], count = sl_operand_count(&call->out[0]), each = count / images,
            channels = shape->dim[shape->rank - 1];
    double guidance = in[1][0], rescale = in[1][1], more = in[1][2] - guidance;
    for (int64_t n = 0; n < images; n++) {
        const double *absent = in[0] + n * each, *bound = absent + count;
        double *y = out[0] + n * each, factor = 1;
        for (int64_t i = 0; i < each; i++) y[i] = absent[i] + guidance * (bound[i] - absent[i]);
        double shift = more * level_difference(absent, bound, each, channels);
        for (int64_t i = 0; i < each; i += channels) y[i] += shift;
        if (rescale > 0) factor = rescale * deviation(bound, each) / deviation(y, each) + 1 - rescale;
        for (int64_t i = 0; i < each; i++) y[i] *= factor;
    }
    return SL_OK;
}

/* ---- noise ---- */

static sl_status infer_noise(sl_call *call) {
    SL_TRY(sl_rule_vector(call, 0, 6));
    if (call->attrs->shape.rank != 4) return sl_fail(SL_INVALID, "noise: expected a shape [N, H, W, C]");
    sl_rule_out(call, SL_F32, &call->attrs->shape);
    return SL_OK;
}

static sl_status reference_noise(const sl_call *call, double *const *in, double *const *out) {
    const int64_t *size = call->out[0].shape.dim;
    int64_t pixels = size[1] * size[2], channels = size[3], each = pixels * channels;
    uint32_t key[6];
    for (int i = 0; i < 6; i++) key[i] = (uint32_t)(int32_t)in[0][i];
    for (int64_t n = 0; n < size[0]; n++) {
        sl_random random =
            sl_random_stream((uint64_t)key[1] << 32 | key[0], (sl_stream)key[2], key[3] + (uint32_t)n);
        random.counter = (uint64_t)key[5] << 32 | key[4];
        for (int64_t i = 0; i < each; i += 2) {
            float pair[2];
            sl_random_normals(&random, pair, 2);
            for (int64_t k = i; k < i + 2 && k < each; k++)
                out[0][n * each + k % pixels * channels + k / pixels] = (double)pair[k - i];
        }
    }
    return SL_OK;
}

const sl_op_desc sl_op_desc_COMBINE = {.in_min = 2,
                                       .in_max = SL_INPUTS_MAX,
                                       .optional = 0xfe,
                                       .in_place = 0xfe,
                                       .infer = infer_combine,
                                       .reference = reference_combine};
const sl_op_desc sl_op_desc_GUIDE = {.in_min = 2,
                                     .in_max = 2,
                                     .infer = infer_guide,
                                     .reference = reference_guide,
                                     .source = "arXiv 2207.12598"};
const sl_op_desc sl_op_desc_NOISE = {
    .in_min = 1, .in_max = 1, .integers = 1, .infer = infer_noise, .reference = reference_noise};
