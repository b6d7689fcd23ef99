/* What shape rules and gradients share. Private to src/op. */
#ifndef SL_OP_RULES_H
#define SL_OP_RULES_H

#include "op/op.h"

/* Checks; messages name the op and the input. */
sl_status sl_rule_rank(const sl_call *call, int input, int lowest, int highest);
sl_status sl_rule_shape(const sl_call *call, int input, const sl_shape *expected);
sl_status sl_rule_vector(const sl_call *call, int input, int64_t size); /* [size]; fine if absent */
sl_status sl_rule_axis(const sl_call *call);                            /* attrs.axis within in[0] */

/* Add an output. */
void sl_rule_out(sl_call *call, sl_dtype dtype, const sl_shape *shape);
sl_status sl_rule_like_first(sl_call *call); /* out[0] is as in[0] */

/* Shape of the two broadcast together. */
sl_status sl_rule_broadcast(const sl_call *call, const sl_shape *a, const sl_shape *b, sl_shape *out);

/* out_index -> offset in an operand that is broadcast to it: stride 0 along repeated axes. */
void sl_rule_broadcast_strides(const sl_shape *operand, const sl_shape *out, int64_t stride[SL_RANK_MAX]);

/* Row-major strides. */
void sl_rule_strides(const sl_shape *shape, int64_t stride[SL_RANK_MAX]);

/* sizes around attrs.axis: x is [outer, dim, inner] */
typedef struct sl_axis_view {
    int64_t outer, dim, inner;
} sl_axis_view;
sl_axis_view sl_rule_axis_view(const sl_shape *shape, int axis);

/* Gradient helpers */
sl_value sl_emit1(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, sl_value a);
sl_value sl_emit2(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, sl_value a, sl_value b);
/* Sum a gradient down to the shape and the number format of the operand that was broadcast. */
sl_value sl_emit_reduce_to(sl_emitter *emitter, sl_value gradient, sl_value like);

/* Next index of a shape in row-major order; false past the end. */
static inline bool sl_index_next(const sl_shape *shape, int64_t index[SL_RANK_MAX]) {
    for (int i = shape->rank - 1; i >= 0; i--) {
        if (++index[i] < shape->dim[i]) return true;
        index[i] = 0;
    }
    return false;
}

#endif
