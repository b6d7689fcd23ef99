/* One operation with its attributes and operands: what shape rules, references and kernels are handed. */
#ifndef SL_BACKEND_CALL_H
#define SL_BACKEND_CALL_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sl_op {
#define SL_OP(id, name) SL_OP_##id,
#include "backend/ops.def"
#undef SL_OP
    SL_OP_COUNT
} sl_op;

const char *sl_op_name(sl_op op);

enum { SL_INPUTS_MAX = 8, SL_OUTPUTS_MAX = 4 };

/* Everything that parametrises an op; ops.def says which fields an op reads, all others are zero. Compared by
 * bytes: start from (sl_attrs){0}. */
typedef struct sl_attrs {
    int32_t window[2]; /* height, width */
    int32_t stride[2]; /* down, across */
    int32_t pad[4];    /* top, bottom, left, right */
    int32_t groups, heads, width;
    int32_t axis;  /* 0..rank-1 */
    uint32_t axes; /* bit i: axis i */
    int32_t perm[SL_RANK_MAX];
    int32_t transpose_a, transpose_b, causal, silu, training, flip, keep; /* 0 or 1 */
    sl_dtype dtype;
    float eps;
    double alpha, beta;
    int64_t start, count;
    sl_shape shape;
} sl_attrs;

enum {
    SL_OPERAND_ABSENT = 1, /* an optional input that is not there, an optional output that nobody wants */
    SL_OPERAND_FROZEN = 2, /* a weight whose bytes stay the same between runs: packed once */
    SL_OPERAND_WEIGHT = 4, /* a parameter */
    SL_OPERAND_HALF = 8,   /* a frozen weight of F32 whose values are all F16's: may be packed as such */
};

/* A dense row-major array in the memory of the device that runs the op; 64-byte aligned unless it is
 * external. `data` is a device address: only kernels of that device dereference it. It is NULL while a plan
 * is made. */
typedef struct sl_operand {
    sl_dtype dtype;
    sl_shape shape;
    void *data;
    unsigned flags;
} sl_operand;

typedef struct sl_call {
    sl_op op;
    const sl_attrs *attrs;
    int in_count, out_count;
    sl_operand in[SL_INPUTS_MAX];
    sl_operand out[SL_OUTPUTS_MAX];

    /* The kernel's own memory, sized by the kernel's functions when the plan is made; 64-byte aligned, NOT
     * zeroed. */
    void *state;          /* from prepare() */
    void *packed;         /* filled by pack() */
    void *scratch;        /* dead after the call */
    char *worker_scratch; /* one block for each worker: sl_call_worker_scratch() */
    size_t worker_scratch_stride;
    void *device; /* the context of the device that runs the call; NULL on the CPU */
} sl_call;

static inline void *sl_call_worker_scratch(const sl_call *call, int worker) {
    return call->worker_scratch + (size_t)worker * call->worker_scratch_stride;
}

/* Whether input / output i is there (asked for). */
static inline bool sl_call_has(const sl_call *call, int i) {
    return i < call->in_count && !(call->in[i].flags & SL_OPERAND_ABSENT);
}

static inline bool sl_call_wants(const sl_call *call, int i) {
    return i < call->out_count && !(call->out[i].flags & SL_OPERAND_ABSENT);
}

/* Rows x columns view of [...,C]: the product of all sizes but the last. */
static inline int64_t sl_operand_rows(const sl_operand *x) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < x->shape.rank; i++) rows *= x->shape.dim[i];
    return rows;
}

static inline int64_t sl_operand_columns(const sl_operand *x) {
    return x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
}

static inline int64_t sl_operand_count(const sl_operand *x) {
    return sl_shape_count(&x->shape);
}

static inline bool sl_dtype_is_float(sl_dtype dtype) {
    return dtype == SL_F32 || dtype == SL_BF16 || dtype == SL_F16 || dtype == SL_F64;
}

/* Precision of statistics, losses and parameter gradients: F64 for F64, else F32. */
static inline sl_dtype sl_dtype_wide(sl_dtype dtype) {
    return dtype == SL_F64 ? SL_F64 : SL_F32;
}

#endif
