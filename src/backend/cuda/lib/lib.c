#include "backend/cuda/lib/lib.h"

size_t sl_cuda_sum_columns_bytes(int64_t rows, int64_t columns) {
    return sl_cuda_aligned((size_t)(sl_cuda_column_slices(rows) * columns) * sizeof(float));
}

sl_status sl_cuda_sum_columns(const sl_call *call, const sl_operand *x, float *out, void *scratch) {
    int64_t rows = sl_operand_rows(x), columns = sl_operand_columns(x), slices = sl_cuda_column_slices(rows);
    cudaStream_t stream = sl_cuda_stream(call);
    sl_cuda_column_partial partial = {rows, columns, slices, x->dtype, x->data, scratch};
    sl_cuda_column_total total = {columns, slices, scratch, out};
    SL_TRY(sl_cuda_check(sl_cuda_api.sl_cuda_run_column_partial(&partial, stream), "column sums"));
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_column_total(&total, stream), "column sums");
}

sl_status sl_cuda_convert_array(const sl_call *call, sl_dtype from_dtype, const void *from, sl_dtype to_dtype,
                                void *to, int64_t count) {
    sl_cuda_convert convert = {count, from_dtype, to_dtype, from, to};
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_convert(&convert, sl_cuda_stream(call)), "conversion");
}
