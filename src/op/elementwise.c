/* Functions of one element, and their derivatives. A row of the table makes the op NAME and its backward
 * NAME_BWD: dx = dy * derivative, where the derivative is a function of x, or of y where that spares keeping
 * x. */
#include "op/rules.h"

#include <math.h>

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double cdf(double x) {
    return 0.5 * (1 + erf(x * sqrt(0.5)));
}

static double silu(double x) {
    return x * sigmoid(x);
}

static double silu_slope(double x) {
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
}

static double gelu(double x) {
    return x * cdf(x);
}

static double gelu_slope(double x) {
    return cdf(x) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* Hendrycks and Gimpel 2016, arXiv 1606.08415: u = sqrt(2/pi) (x + 0.044715 x^3) */
static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu_tanh_slope(double x) {
    double t = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

static double quick_gelu(double x) {
    return x * sigmoid(1.702 * x);
}

static double quick_gelu_slope(double x) {
    double s = sigmoid(1.702 * x);
    return s + 1.702 * x * s * (1 - s);
}

static double sigmoid_slope(double y) {
    return y * (1 - y);
}

static double square(double x) {
    return x * x;
}

static double square_slope(double x) {
    return 2 * x;
}

static double sign(double x) {
    return (x > 0) - (x < 0);
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(sl_rule_shape(call, 1, &call->in[0].shape));
    return sl_rule_like_first(call);
}

/* backward_input: 0 where the derivative is a function of x, 1 of y */
#define ELEMENTWISE(NAME, value, slope, backward_input)                                                      \
    static sl_status reference_##NAME(const sl_call *call, double *const *in, double *const *out) {          \
        int64_t count = sl_operand_count(&call->in[0]);                                                      \
        for (int64_t i = 0; i < count; i++) out[0][i] = value(in[0][i]);                                     \
        return SL_OK;                                                                                        \
    }                                                                                                        \
    static sl_status reference_##NAME##_BWD(const sl_call *call, double *const *in, double *const *out) {    \
        int64_t count = sl_operand_count(&call->in[0]);                                                      \
        for (int64_t i = 0; i < count; i++) out[0][i] = in[1][i] * slope(in[0][i]);                          \
        return SL_OK;                                                                                        \
    }                                                                                                        \
    static void grad_##NAME(sl_emitter *emitter, sl_grad_call *call) {                                       \
        sl_value saved = backward_input ? call->out[0] : call->in[0];                                        \
        call->in_grad[0] = sl_emit2(emitter, SL_OP_##NAME##_BWD, call->attrs, saved, call->out_grad[0]);     \
    }                                                                                                        \
    const sl_op_desc sl_op_desc_##NAME = {.in_min = 1,                                                       \
                                          .in_max = 1,                                                       \
                                          .infer = sl_rule_like_first,                                       \
                                          .reference = reference_##NAME,                                     \
                                          .grad = grad_##NAME,                                               \
                                          .in_place = 1};                                                    \
    const sl_op_desc sl_op_desc_##NAME##_BWD = {                                                             \
        .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_##NAME##_BWD, .in_place = 3};

ELEMENTWISE(SILU, silu, silu_slope, 0)
ELEMENTWISE(GELU, gelu, gelu_slope, 0)
ELEMENTWISE(GELU_TANH, gelu_tanh, gelu_tanh_slope, 0)
ELEMENTWISE(QUICK_GELU, quick_gelu, quick_gelu_slope, 0)
ELEMENTWISE(SIGMOID, sigmoid, sigmoid_slope, 1)
ELEMENTWISE(SQUARE, square, square_slope, 0)
ELEMENTWISE(ABS, fabs, sign, 0)

/* exp is its own derivative */
static sl_status reference_exp(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) out[0][i] = exp(in[0][i]);
    return SL_OK;
}

static void grad_exp(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_MUL, call->attrs, call->out_grad[0], call->out[0]);
}

const sl_op_desc sl_op_desc_EXP = {.in_min = 1,
                                   .in_max = 1,
                                   .infer = sl_rule_like_first,
                                   .reference = reference_exp,
                                   .grad = grad_exp,
                                   .in_place = 1};

/* Where relu and clamp pass nothing on, a gradient that is no number is left out too. */
static sl_status reference_relu(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++)
        out[0][i] = in[0][i] < 0 ? 0 : in[0][i]; /* NaN stays NaN */
    return SL_OK;
}

static sl_status reference_relu_bwd(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) out[0][i] = in[0][i] > 0 ? in[1][i] : 0;
    return SL_OK;
}

static void grad_relu(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_RELU_BWD, call->attrs, call->out[0], call->out_grad[0]);
}

const sl_op_desc sl_op_desc_RELU = {.in_min = 1,
                                    .in_max = 1,
                                    .infer = sl_rule_like_first,
                                    .reference = reference_relu,
                                    .grad = grad_relu,
                                    .in_place = 1};
const sl_op_desc sl_op_desc_RELU_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_relu_bwd, .in_place = 3};

static sl_status reference_clamp(const sl_call *call, double *const *in, double *const *out) {
    double low = call->attrs->alpha, high = call->attrs->beta;
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++)
        out[0][i] = in[0][i] < low ? low : in[0][i] > high ? high : in[0][i];
    return SL_OK;
}

static sl_status reference_clamp_bwd(const sl_call *call, double *const *in, double *const *out) {
    double low = call->attrs->alpha, high = call->attrs->beta;
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++)
        out[0][i] = in[0][i] >= low && in[0][i] <= high ? in[1][i] : 0;
    return SL_OK;
}

static void grad_clamp(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_CLAMP_BWD, call->attrs, call->in[0], call->out_grad[0]);
}

const sl_op_desc sl_op_desc_CLAMP = {.in_min = 1,
                                     .in_max = 1,
                                     .infer = sl_rule_like_first,
                                     .reference = reference_clamp,
                                     .grad = grad_clamp,
                                     .in_place = 1};
const sl_op_desc sl_op_desc_CLAMP_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_clamp_bwd, .in_place = 3};

static sl_status reference_scale(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++)
        out[0][i] = call->attrs->alpha * in[0][i] + call->attrs->beta;
    return SL_OK;
}

static void grad_scale(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] =
        sl_emit1(emitter, SL_OP_SCALE, &(sl_attrs){.alpha = call->attrs->alpha}, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_SCALE = {.in_min = 1,
                                     .in_max = 1,
                                     .infer = sl_rule_like_first,
                                     .reference = reference_scale,
                                     .grad = grad_scale,
                                     .in_place = 1};

static sl_status infer_cast(sl_call *call) {
    if (!sl_dtype_is_float(call->attrs->dtype))
        return sl_fail(SL_INVALID, "cast: to %s, expected F32, BF16 or F16",
                       sl_dtype_name(call->attrs->dtype));
    sl_rule_out(call, call->attrs->dtype, &call->in[0].shape);
    return SL_OK;
}

static sl_status reference_cast(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) out[0][i] = in[0][i];
    return SL_OK;
}

static void grad_cast(sl_emitter *emitter, sl_grad_call *call) {
    sl_dtype dtype = emitter->describe(emitter, call->in[0])->dtype;
    call->in_grad[0] = sl_emit1(emitter, SL_OP_CAST, &(sl_attrs){.dtype = dtype}, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_CAST = {
    .in_min = 1, .in_max = 1, .infer = infer_cast, .reference = reference_cast, .grad = grad_cast};
