/* c[b] = a[b] b[b], each transposed where asked; B batches, M x K times K x N. */
#include "op/rules.h"

typedef struct sizes {
    int64_t batches, M, K, N;
} sizes;

static sizes sizes_of(const sl_call *call) {
    const sl_shape *a = &call->in[0].shape, *b = &call->in[1].shape;
    int last = a->rank - 1, transpose_a = call->attrs->transpose_a;
    sizes s = {1, a->dim[transpose_a ? last : last - 1], a->dim[transpose_a ? last - 1 : last],
               b->dim[call->attrs->transpose_b ? last - 1 : last]};
    for (int i = 0; i < last - 1; i++) s.batches *= a->dim[i];
    return s;
}

static sl_status infer(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, SL_RANK_MAX));
    sl_shape expected = call->in[0].shape, y = expected;
    int last = y.rank - 1;
    SL_TRY(sl_rule_rank(call, 1, y.rank, y.rank));
    sizes s = sizes_of(call);
    expected.dim[last - 1] = call->attrs->transpose_b ? s.N : s.K;
    expected.dim[last] = call->attrs->transpose_b ? s.K : s.N;
    SL_TRY(sl_rule_shape(call, 1, &expected));
    y.dim[last - 1] = s.M;
    y.dim[last] = s.N;
    sl_rule_out(call, call->in[0].dtype, &y);
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    sizes s = sizes_of(call);
    int64_t a_row = call->attrs->transpose_a ? 1 : s.K, a_column = call->attrs->transpose_a ? s.M : 1;
    int64_t b_row = call->attrs->transpose_b ? 1 : s.N, b_column = call->attrs->transpose_b ? s.K : 1;
    for (int64_t batch = 0; batch < s.batches; batch++) {
        const double *a = in[0] + batch * s.M * s.K, *b = in[1] + batch * s.K * s.N;
        for (int64_t m = 0; m < s.M; m++) {
            for (int64_t n = 0; n < s.N; n++) {
                double sum = 0;
                for (int64_t k = 0; k < s.K; k++)
                    sum += a[m * a_row + k * a_column] * b[k * b_row + n * b_column];
                out[0][(batch * s.M + m) * s.N + n] = sum;
            }
        }
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value a = call->in[0], b = call->in[1], dy = call->out_grad[0];
    int ta = call->attrs->transpose_a, tb = call->attrs->transpose_b;
    if (call->need[0])
        call->in_grad[0] =
            ta ? sl_emit2(emitter, SL_OP_MATMUL, &(sl_attrs){.transpose_a = tb, .transpose_b = 1}, b, dy)
               : sl_emit2(emitter, SL_OP_MATMUL, &(sl_attrs){.transpose_b = !tb}, dy, b);
    if (call->need[1])
        call->in_grad[1] =
            tb ? sl_emit2(emitter, SL_OP_MATMUL, &(sl_attrs){.transpose_a = 1, .transpose_b = ta}, dy, a)
               : sl_emit2(emitter, SL_OP_MATMUL, &(sl_attrs){.transpose_a = !ta}, a, dy);
}

static double flops(const sl_call *call) {
    sizes s = sizes_of(call);
    return 2.0 * (double)s.batches * (double)s.M * (double)s.N * (double)s.K;
}

const sl_op_desc sl_op_desc_MATMUL = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference, .grad = grad, .flops = flops};
