#include "op/rules.h"

sl_status sl_rule_rank(const sl_call *call, int input, int lowest, int highest) {
    const sl_shape *shape = &call->in[input].shape;
    sl_shape_text text;
    if (shape->rank >= lowest && shape->rank <= highest) return SL_OK;
    return sl_fail(SL_INVALID, "%s: input %d has shape %s, expected %d to %d dimensions",
                   sl_op_name(call->op), input, sl_shape_format(shape, &text), lowest, highest);
}

sl_status sl_rule_shape(const sl_call *call, int input, const sl_shape *expected) {
    const sl_shape *shape = &call->in[input].shape;
    sl_shape_text found_text, expected_text;
    if (sl_shape_equal(shape, expected)) return SL_OK;
    return sl_fail(SL_INVALID, "%s: input %d has shape %s, expected %s", sl_op_name(call->op), input,
                   sl_shape_format(shape, &found_text), sl_shape_format(expected, &expected_text));
}

sl_status sl_rule_vector(const sl_call *call, int input, int64_t size) {
    if (!sl_call_has(call, input)) return SL_OK;
    return sl_rule_shape(call, input, &SL_SHAPE(size));
}

sl_status sl_rule_axis(const sl_call *call) {
    int axis = call->attrs->axis, rank = call->in[0].shape.rank;
    if (axis >= 0 && axis < rank) return SL_OK;
    return sl_fail(SL_INVALID, "%s: axis %d of an input with %d dimensions", sl_op_name(call->op), axis,
                   rank);
}

void sl_rule_out(sl_call *call, sl_dtype dtype, const sl_shape *shape) {
    call->out[call->out_count++] = (sl_operand){.dtype = dtype, .shape = *shape};
}

sl_status sl_rule_like_first(sl_call *call) {
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    return SL_OK;
}

static int64_t dim_from_end(const sl_shape *shape, int i) {
    return i < shape->rank ? shape->dim[shape->rank - 1 - i] : 1;
}

sl_status sl_rule_broadcast(const sl_call *call, const sl_shape *a, const sl_shape *b, sl_shape *out) {
    sl_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < result.rank; i++) {
        int64_t in_a = dim_from_end(a, i), in_b = dim_from_end(b, i);
        if (in_a != in_b && in_a != 1 && in_b != 1) {
            sl_shape_text text_a, text_b;
            return sl_fail(SL_INVALID, "%s: shapes %s and %s do not broadcast", sl_op_name(call->op),
                           sl_shape_format(a, &text_a), sl_shape_format(b, &text_b));
        }
        result.dim[result.rank - 1 - i] = in_a == 1 ? in_b : in_a;
    }
    *out = result;
    return SL_OK;
}

void sl_rule_strides(const sl_shape *shape, int64_t stride[SL_RANK_MAX]) {
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

void sl_rule_broadcast_strides(const sl_shape *operand, const sl_shape *out, int64_t stride[SL_RANK_MAX]) {
    int64_t own[SL_RANK_MAX];
    sl_rule_strides(operand, own);
    for (int i = 0; i < out->rank; i++) {
        int at = i - (out->rank - operand->rank);
        stride[i] = at < 0 || operand->dim[at] == 1 ? 0 : own[at];
    }
}

sl_axis_view sl_rule_axis_view(const sl_shape *shape, int axis) {
    sl_axis_view view = {1, shape->dim[axis], 1};
    for (int i = 0; i < axis; i++) view.outer *= shape->dim[i];
    for (int i = axis + 1; i < shape->rank; i++) view.inner *= shape->dim[i];
    return view;
}

sl_value sl_emit1(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, sl_value a) {
    return emitter->emit(emitter, op, attrs, &a, 1, NULL);
}

sl_value sl_emit2(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, sl_value a, sl_value b) {
    return emitter->emit(emitter, op, attrs, (sl_value[]){a, b}, 2, NULL);
}

sl_value sl_emit_reduce_to(sl_emitter *emitter, sl_value gradient, sl_value like) {
    const sl_operand target = *emitter->describe(emitter, like), full = *emitter->describe(emitter, gradient);
    if (!sl_shape_equal(&full.shape, &target.shape)) {
        sl_attrs attrs = {.keep = 1,
                          .alpha = 1,
                          .dtype = target.dtype == full.dtype ? full.dtype : sl_dtype_wide(full.dtype)};
        int missing = full.shape.rank - target.shape.rank;
        for (int i = 0; i < full.shape.rank; i++)
            if (i < missing || target.shape.dim[i - missing] != full.shape.dim[i]) attrs.axes |= 1u << i;
        gradient = sl_emit1(emitter, SL_OP_RESHAPE, &(sl_attrs){.shape = target.shape},
                            sl_emit1(emitter, SL_OP_SUM, &attrs, gradient));
    }
    if (emitter->describe(emitter, gradient)->dtype == target.dtype) return gradient;
    return sl_emit1(emitter, SL_OP_CAST, &(sl_attrs){.dtype = target.dtype}, gradient);
}
