/* Places to rings about a centre and back: x[n,p] belongs to ring r and r + 1 with 1 - f and f, r + f =
 * ring[n,p]. Gathering is y[n,r] = sum over p of w(p,r) x[n,p], spreading x[n,p] = sum over r of w(p,r)
 * y[n,r]; with attrs.mean w(p,r) is divided by the sum of w(q,r) over all q. Each is the other's gradient. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

enum { RINGS_MAX = 1000000 }; /* numbers that a float tells apart */

static sl_status check(const sl_call *call) {
    const sl_shape *x = &call->in[0].shape;
    SL_TRY(sl_rule_rank(call, 0, 3, 3));
    SL_TRY(sl_rule_rank(call, 1, 2, 2));
    if (call->attrs->count < 1 || call->attrs->count > RINGS_MAX)
        return sl_fail(SL_INVALID, "%s: %lld rings, expected 1 to a million", sl_op_name(call->op),
                       (long long)call->attrs->count);
    sl_shape ring = SL_SHAPE(x->dim[0], call->op == SL_OP_RING_GATHER ? x->dim[1] : call->in[1].shape.dim[1]);
    return sl_rule_shape(call, 1, &ring);
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

static double weight_of(const double *ring, int64_t places, int64_t rings, int64_t wanted) {
    double sum = 0, share[2];
    int64_t r;
    for (int64_t p = 0; p < places; p++)
        if (shares(ring[p], rings, &r, share) && (r == wanted || r + 1 == wanted)) sum += share[wanted - r];
    return sum;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    bool gathers = call->op == SL_OP_RING_GATHER;
    int64_t N = call->in[1].shape.dim[0], P = call->in[1].shape.dim[1], R = call->attrs->count;
    int64_t C = call->in[0].shape.dim[2];
    memset(out[0], 0, (size_t)sl_operand_count(&call->out[0]) * sizeof(double));
    for (int64_t n = 0; n < N; n++)
        for (int64_t p = 0; p < P; p++) {
            const double *ring = in[1] + n * P;
            double share[2];
            int64_t r;
            if (!shares(ring[p], R, &r, share)) continue;
            for (int k = 0; k < 2; k++) {
                if (!(share[k] > 0)) continue;
                double w = share[k] / (call->attrs->mean ? weight_of(ring, P, R, r + k) : 1);
                int64_t at_place = (n * P + p) * C, at_ring = (n * R + r + k) * C;
                for (int64_t c = 0; c < C; c++)
                    out[0][(gathers ? at_ring : at_place) + c] +=
                        w * in[0][(gathers ? at_place : at_ring) + c];
            }
        }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_RING_SPREAD, call->attrs, call->out_grad[0], call->in[1]);
}

static void grad_spread(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_RING_GATHER, call->attrs, call->out_grad[0], call->in[1]);
}

const sl_op_desc sl_op_desc_RING_GATHER = {
    .in_min = 2, .in_max = 2, .infer = infer_gather, .reference = reference, .grad = grad};
const sl_op_desc sl_op_desc_RING_SPREAD = {
    .in_min = 2, .in_max = 2, .infer = infer_spread, .reference = reference, .grad = grad_spread};
