#include "backend/kernel.h"

#include <stddef.h>

/* The last row, without code, ends the table. */
static const sl_kernel table[] = {
#define SL_KERNEL(op, name, isa, dtypes, tolerance)                                                          \
    {SL_OP_##op, #name, (isa), (dtypes), (tolerance), &sl_kernel_##name},
#include "backend/kernels.def"
#undef SL_KERNEL
    {SL_OP_COUNT, NULL, 0, 0, 0, NULL},
};

const sl_kernel *sl_kernels(int *out_count) {
    *out_count = (int)(sizeof table / sizeof table[0]) - 1;
    return table;
}

static bool takes(unsigned dtypes, const sl_operand *operand) {
    if (operand->flags & SL_OPERAND_ABSENT || !sl_dtype_is_float(operand->dtype)) return true;
    return dtypes & 1u << operand->dtype;
}

bool sl_kernel_fits(const sl_kernel *kernel, const sl_call *call, unsigned isa) {
    if (kernel->op != call->op || (kernel->isa & isa) != kernel->isa) return false;
    for (int i = 0; i < call->in_count; i++)
        if (!takes(kernel->dtypes, &call->in[i])) return false;
    for (int i = 0; i < call->out_count; i++)
        if (!takes(kernel->dtypes, &call->out[i])) return false;
    return !kernel->code->accepts || kernel->code->accepts(call);
}

const sl_kernel *sl_kernel_find_in(const sl_kernel *rows, int count, const sl_call *call, unsigned isa) {
    for (int i = 0; i < count; i++)
        if (sl_kernel_fits(&rows[i], call, isa)) return &rows[i];
    return NULL;
}

const sl_kernel *sl_kernel_find(const sl_call *call, unsigned isa) {
    int count;
    const sl_kernel *rows = sl_kernels(&count);
    return sl_kernel_find_in(rows, count, call, isa);
}
