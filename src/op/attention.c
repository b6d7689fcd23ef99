/* Scaled dot-product attention, head by head (Vaswani et al. 2017, arXiv 1706.03762). With s = q k'/sqrt(D),
 * p = softmax(s), o = p v, and lse the logarithm of the softmax's denominator, so that p = exp(s - lse):
 *   dv = p' do;  dp = do v';  ds = p (dp - sum(do o));  dq = ds k/sqrt(D);  dk = ds' q/sqrt(D)
 * (Dao et al. 2022, arXiv 2205.14135, appendix B). Shapes: q, o [N,L,E], k, v [N,M,E], heads of D = E/heads.
 */
#include "op/rules.h"

#include <math.h>
#include <string.h>

static sl_status check(const sl_call *call) {
    const sl_shape *q = &call->in[0].shape, *k = &call->in[1].shape;
    SL_TRY(sl_rule_rank(call, 0, 3, 3));
    SL_TRY(sl_rule_rank(call, 1, 3, 3));
    SL_TRY(sl_rule_shape(call, 1, &SL_SHAPE(q->dim[0], k->dim[1], q->dim[2])));
    SL_TRY(sl_rule_shape(call, 2, k));
    if (call->attrs->heads < 1 || q->dim[2] % call->attrs->heads)
        return sl_fail(SL_INVALID, "%s: width %lld does not divide into %d heads", sl_op_name(call->op),
                       (long long)q->dim[2], call->attrs->heads);
    return SL_OK;
}

static sl_status infer(sl_call *call) {
    const sl_shape *q = &call->in[0].shape;
    SL_TRY(check(call));
    sl_rule_out(call, call->in[0].dtype, q);
    sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &SL_SHAPE(q->dim[0], call->attrs->heads, q->dim[1]));
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    const sl_shape *q = &call->in[0].shape;
    SL_TRY(check(call));
    SL_TRY(sl_rule_shape(call, 3, q));
    SL_TRY(sl_rule_shape(call, 4, &SL_SHAPE(q->dim[0], call->attrs->heads, q->dim[1])));
    SL_TRY(sl_rule_shape(call, 5, q));
    for (int i = 0; i < 3; i++) sl_rule_out(call, call->in[i].dtype, &call->in[i].shape);
    return SL_OK;
}

typedef struct sizes {
    int64_t N, L, M, E, D;
    int heads;
    double scale;
    bool causal;
} sizes;

static sizes sizes_of(const sl_call *call) {
    const sl_shape *q = &call->in[0].shape;
    int64_t D = q->dim[2] / call->attrs->heads;
    return (sizes){q->dim[0], q->dim[1],          call->in[1].shape.dim[1], q->dim[2],
                   D,         call->attrs->heads, 1 / sqrt((double)D),      call->attrs->causal};
}

static double score(const sizes *s, const double *q, const double *k) {
    double sum = 0;
    for (int64_t d = 0; d < s->D; d++) sum += q[d] * k[d];
    return sum * s->scale;
}

/* One query row: o [D] and the lse. k, v start at this image and head. */
static double attend(const sizes *s, int64_t keys, const double *q, const double *k, const double *v,
                     double *o) {
    double highest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++) highest = fmax(highest, score(s, q, k + j * s->E));
    memset(o, 0, (size_t)s->D * sizeof *o);
    for (int64_t j = 0; j < keys; j++) {
        double p = exp(score(s, q, k + j * s->E) - highest);
        sum += p;
        for (int64_t d = 0; d < s->D; d++) o[d] += p * v[j * s->E + d];
    }
    for (int64_t d = 0; d < s->D; d++) o[d] /= sum;
    return highest + log(sum);
}

static int64_t visible_keys(const sizes *s, int64_t query) {
    return s->causal && query + 1 < s->M ? query + 1 : s->M;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    sizes s = sizes_of(call);
    for (int64_t n = 0; n < s.N; n++) {
        for (int64_t h = 0; h < s.heads; h++) {
            for (int64_t i = 0; i < s.L; i++) {
                int64_t q = (n * s.L + i) * s.E + h * s.D, k = n * s.M * s.E + h * s.D;
                double lse = attend(&s, visible_keys(&s, i), in[0] + q, in[1] + k, in[2] + k, out[0] + q);
                if (out[1]) out[1][(n * s.heads + h) * s.L + i] = lse;
            }
        }
    }
    return SL_OK;
}

/* Adds one query row's part of the gradients; any of dq, dk, dv may be NULL. */
static void attend_bwd(const sizes *s, int64_t keys, double lse, const double *const row[3], const double *k,
                       const double *v, double *dq, double *dk, double *dv) {
    const double *q = row[0], *o = row[1], *d_o = row[2];
    double delta = 0;
    for (int64_t d = 0; d < s->D; d++) delta += d_o[d] * o[d];
    for (int64_t j = 0; j < keys; j++) {
        double p = exp(score(s, q, k + j * s->E) - lse), dp = 0;
        for (int64_t d = 0; d < s->D; d++) dp += d_o[d] * v[j * s->E + d];
        double ds = p * (dp - delta) * s->scale;
        for (int64_t d = 0; d < s->D; d++) {
            if (dq) dq[d] += ds * k[j * s->E + d];
            if (dk) dk[j * s->E + d] += ds * q[d];
            if (dv) dv[j * s->E + d] += p * d_o[d];
        }
    }
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    sizes s = sizes_of(call);
    for (int i = 0; i < 3; i++)
        if (out[i]) memset(out[i], 0, (size_t)sl_operand_count(&call->out[i]) * sizeof(double));
    for (int64_t n = 0; n < s.N; n++) {
        for (int64_t h = 0; h < s.heads; h++) {
            for (int64_t i = 0; i < s.L; i++) {
                int64_t q = (n * s.L + i) * s.E + h * s.D, k = n * s.M * s.E + h * s.D;
                attend_bwd(&s, visible_keys(&s, i), in[4][(n * s.heads + h) * s.L + i],
                           (const double *[]){in[0] + q, in[3] + q, in[5] + q}, in[1] + k, in[2] + k,
                           out[0] ? out[0] + q : NULL, out[1] ? out[1] + k : NULL,
                           out[2] ? out[2] + k : NULL);
            }
        }
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value parts[SL_OUTPUTS_MAX];
    sl_value in[] = {call->in[0], call->in[1], call->in[2], call->out[0], call->out[1], call->out_grad[0]};
    emitter->emit(emitter, SL_OP_ATTENTION_BWD, call->attrs, in, 6, parts);
    for (int i = 0; i < 3; i++) call->in_grad[i] = call->need[i] ? parts[i] : SL_NONE;
}

static double products(const sl_call *call) {
    const sl_shape *q = &call->in[0].shape;
    return 2.0 * (double)sl_shape_count(q) * (double)call->in[1].shape.dim[1];
}

static double flops(const sl_call *call) {
    return 2 * products(call);
}

static double flops_bwd(const sl_call *call) {
    return 5 * products(call);
}

const sl_op_desc sl_op_desc_ATTENTION = {.in_min = 3,
                                         .in_max = 3,
                                         .infer = infer,
                                         .reference = reference,
                                         .grad = grad,
                                         .flops = flops,
                                         .source = "arXiv 1706.03762; backward arXiv 2205.14135"};
const sl_op_desc sl_op_desc_ATTENTION_BWD = {
    .in_min = 6, .in_max = 6, .infer = infer_bwd, .reference = reference_bwd, .flops = flops_bwd};
