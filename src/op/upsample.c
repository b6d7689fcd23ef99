/* Nearest neighbour, twice the size: y[n,h,w,c] = x[n,h/2,w/2,c]; backward sums each 2x2. */
#include "op/rules.h"

#include <string.h>

static sl_status infer(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 4, 4));
    const sl_shape *x = &call->in[0].shape;
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(x->dim[0], 2 * x->dim[1], 2 * x->dim[2], x->dim[3]));
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 4, 4));
    const sl_shape *y = &call->in[0].shape;
    if (y->dim[1] % 2 || y->dim[2] % 2)
        return sl_fail(SL_INVALID, "upsample_nearest2x_bwd: odd height or width");
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(y->dim[0], y->dim[1] / 2, y->dim[2] / 2, y->dim[3]));
    return SL_OK;
}

/* Offset in the small image of element i of the large one. */
static int64_t small_offset(const sl_shape *large, int64_t i) {
    int64_t C = large->dim[3], W = large->dim[2], H = large->dim[1];
    int64_t c = i % C, w = i / C % W, h = i / C / W % H, n = i / C / W / H;
    return ((n * (H / 2) + h / 2) * (W / 2) + w / 2) * C + c;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *y = &call->out[0].shape;
    for (int64_t i = 0; i < sl_shape_count(y); i++) out[0][i] = in[0][small_offset(y, i)];
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *y = &call->in[0].shape;
    memset(out[0], 0, (size_t)sl_operand_count(&call->out[0]) * sizeof(double));
    for (int64_t i = 0; i < sl_shape_count(y); i++) out[0][small_offset(y, i)] += in[0][i];
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit1(emitter, SL_OP_UPSAMPLE_NEAREST2X_BWD, call->attrs, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_UPSAMPLE_NEAREST2X = {
    .in_min = 1, .in_max = 1, .infer = infer, .reference = reference, .grad = grad};
const sl_op_desc sl_op_desc_UPSAMPLE_NEAREST2X_BWD = {
    .in_min = 1, .in_max = 1, .infer = infer_bwd, .reference = reference_bwd};
