/* Places to rings about a centre and back: x[n,p] belongs to ring r and r + 1 with 1 - f and f, r + f =
 * ring[n,p], which makes s(p,r). Gathering is y[n,r] = w[n,r] sum over p of s(p,r) x[n,p], spreading x[n,p] =
 * sum over r of s(p,r) w[n,r] y[n,r], where w is 1 if it is absent: each is the other's gradient. With the
 * weights 1 / sum over p of s(p,r) gathering makes means. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

enum { RINGS_MAX = 1000000 }; /* numbers that a float tells apart */

/* A ring of less has nobody in it, but roundings. */
static const double least_share = 1e-30;

static sl_status check_count(const sl_call *call) {
    if (call->attrs->count >= 1 && call->attrs->count <= RINGS_MAX) return SL_OK;
    return sl_fail(SL_INVALID, "%s: %lld rings, expected 1 to a million", sl_op_name(call->op),
                   (long long)call->attrs->count);
}

static sl_status infer_weights(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, 2));
    SL_TRY(check_count(call));
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(call->in[0].shape.dim[0], call->attrs->count));
    return SL_OK;
}

static sl_status check(const sl_call *call) {
    const sl_shape *x = &call->in[0].shape;
    SL_TRY(sl_rule_rank(call, 0, 3, 3));
    SL_TRY(sl_rule_rank(call, 1, 2, 2));
    SL_TRY(check_count(call));
    sl_shape ring = SL_SHAPE(x->dim[0], call->op == SL_OP_RING_GATHER ? x->dim[1] : call->in[1].shape.dim[1]);
    SL_TRY(sl_rule_shape(call, 1, &ring));
    return sl_call_has(call, 2) ? sl_rule_shape(call, 2, &SL_SHAPE(x->dim[0], call->attrs->count)) : SL_OK;
}

static sl_status infer_gather(sl_call *call) {
    SL_TRY(check(call));
    const sl_shape *x = &call->in[0].shape;
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(x->dim[0], call->attrs->count, x->dim[2]));
    return SL_OK;
}

static sl_status infer_spread(sl_call *call) {
    SL_TRY(check(call));
    const sl_shape *y = &call->in[0].shape;
    SL_TRY(sl_rule_shape(call, 0, &SL_SHAPE(y->dim[0], call->attrs->count, y->dim[2])));
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(y->dim[0], call->in[1].shape.dim[1], y->dim[2]));
    return SL_OK;
}

/* The share of ring r and of the next; false: the place belongs to none. */
static bool shares(double place, int64_t rings, int64_t *r, double share[2]) {
    if (!(place >= 0 && place <= (double)(rings - 1))) return false;
    *r = (int64_t)place;
    share[1] = place - (double)*r;
    share[0] = 1 - share[1];
    return true;
}

static sl_status reference_weights(const sl_call *call, double *const *in, double *const *out) {
    int64_t N = call->in[0].shape.dim[0], P = call->in[0].shape.dim[1], R = call->attrs->count;
    memset(out[0], 0, (size_t)(N * R) * sizeof(double));
    for (int64_t n = 0; n < N; n++)
        for (int64_t p = 0; p < P; p++) {
            double share[2];
            int64_t r;
            if (!shares(in[0][n * P + p], R, &r, share)) continue;
            for (int k = 0; k < 2; k++)
                if (share[k] > 0) out[0][n * R + r + k] += share[k];
        }
    for (int64_t i = 0; i < N * R; i++) out[0][i] = out[0][i] > least_share ? 1 / out[0][i] : 1;
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    bool gathers = call->op == SL_OP_RING_GATHER, weighs = sl_call_has(call, 2);
    int64_t N = call->in[1].shape.dim[0], P = call->in[1].shape.dim[1], R = call->attrs->count;
    int64_t C = call->in[0].shape.dim[2];
    memset(out[0], 0, (size_t)sl_operand_count(&call->out[0]) * sizeof(double));
    for (int64_t n = 0; n < N; n++)
        for (int64_t p = 0; p < P; p++) {
            double share[2];
            int64_t r;
            if (!shares(in[1][n * P + p], R, &r, share)) continue;
            for (int k = 0; k < 2; k++) {
                if (!(share[k] > 0)) continue;
                int64_t ring = n * R + r + k, at_place = (n * P + p) * C, at_ring = ring * C;
                double w = weighs ? share[k] * in[2][ring] : share[k];
                for (int64_t c = 0; c < C; c++)
                    out[0][(gathers ? at_ring : at_place) + c] +=
                        w * in[0][(gathers ? at_place : at_ring) + c];
            }
        }
    return SL_OK;
}

/* To in[0] alone. */
static void grad_by(sl_emitter *emitter, sl_grad_call *call, sl_op back) {
    const sl_value in[3] = {call->out_grad[0], call->in[1], call->in_count > 2 ? call->in[2] : SL_NONE};
    call->in_grad[0] = emitter->emit(emitter, back, call->attrs, in, 3, NULL);
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    grad_by(emitter, call, SL_OP_RING_SPREAD);
}

static void grad_spread(sl_emitter *emitter, sl_grad_call *call) {
    grad_by(emitter, call, SL_OP_RING_GATHER);
}

const sl_op_desc sl_op_desc_RING_WEIGHTS = {
    .in_min = 1, .in_max = 1, .infer = infer_weights, .reference = reference_weights};
const sl_op_desc sl_op_desc_RING_GATHER = {
    .in_min = 2, .in_max = 3, .infer = infer_gather, .reference = reference, .grad = grad};
const sl_op_desc sl_op_desc_RING_SPREAD = {
    .in_min = 2, .in_max = 3, .infer = infer_spread, .reference = reference, .grad = grad_spread};
