#include "backend/cuda/lib/lib.h"

#include "backend/cuda/own/own_kernel.h"

/* An operation beside the call's own, on the same device. */
static sl_call beside(const sl_call *call, sl_op op, const sl_attrs *attrs) {
    return (sl_call){.op = op, .attrs = attrs, .in_count = 1, .out_count = 1, .device = call->device};
}

static const sl_attrs over_rows = {.axes = 1, .alpha = 1};

static sl_call column_sum(const sl_call *call, const sl_operand *x, int64_t rows, int64_t columns) {
    sl_call sum = beside(call, SL_OP_SUM, &over_rows);
    sum.in[0] = (sl_operand){.dtype = x->dtype, .shape = {2, {rows, columns}}, .data = x->data};
    sum.out[0] = (sl_operand){.dtype = SL_F32, .shape = {1, {columns}}};
    return sum;
}

size_t sl_cuda_sum_columns_bytes(int64_t rows, int64_t columns) {
    sl_call sum = column_sum(&(sl_call){0}, &(sl_operand){0}, rows, columns);
    return sl_cuda_aligned(sl_cuda_own_code.scratch(&sum));
}

sl_status sl_cuda_sum_columns(const sl_call *call, const sl_operand *x, float *out, void *scratch) {
    sl_call sum = column_sum(call, x, sl_operand_rows(x), sl_operand_columns(x));
    sum.out[0].data = out;
    sum.scratch = scratch;
    return sl_context(sl_cuda_own_code.run(&sum), "column sums");
}

sl_status sl_cuda_add_bias(const sl_call *call, const sl_operand *y, const sl_operand *bias) {
    static const sl_attrs none = {0};
    sl_call add = beside(call, SL_OP_ADD, &none);
    add.in_count = 2;
    add.in[0] = add.out[0] = *y;
    add.in[1] = *bias;
    return sl_context(sl_cuda_own_code.run(&add), "adding a bias");
}

sl_status sl_cuda_convert_array(const sl_call *call, sl_dtype from_dtype, const void *from, sl_dtype to_dtype,
                                void *to, int64_t count) {
    sl_attrs attrs = {.dtype = to_dtype};
    sl_call cast = beside(call, SL_OP_CAST, &attrs);
    cast.in[0] = (sl_operand){.dtype = from_dtype, .shape = {1, {count}}, .data = (void *)(uintptr_t)from};
    cast.out[0] = (sl_operand){.dtype = to_dtype, .shape = {1, {count}}, .data = to};
    return sl_context(sl_cuda_own_code.run(&cast), "conversion");
}
