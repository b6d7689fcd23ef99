/* Fast kernels: how one is written, and how the best one is found.
 *
 * A kernel is one row of kernels.def, SL_KERNEL(OP, name, ISA mask, dtypes, tolerance), and one object
 * `const sl_kernel_code sl_kernel_<name>`, in a file compiled for that ISA. Registry, tests and bench include
 * the list: a row is registered, compared with the op's reference on random shapes, and timed.
 *
 * Order: for a call, the first row of kernels.def wins whose ISA is available, whose dtypes hold those of all
 * floating operands, and whose accepts() says yes. So the best kernels stand first; without any the op's
 * plain reference runs, and the plan counts that as a fall-back.
 *
 * Contract of run(): reads in[], writes out[] (all of them that are wanted), allocates nothing, uses
 * `scratch`, `worker_scratch` and `packed` as sized below. Work is cut by shape alone (sl_parallel_for), so
 * that results have the same bits for any number of threads. Never writes outside its outputs. out[0] may be
 * the same memory as an input only for ops that say "in place" in ops.def; all other operands never overlap.
 * Sums accumulate in fp32 or better whatever the storage. */
#ifndef SL_BACKEND_KERNEL_H
#define SL_BACKEND_KERNEL_H

#include "backend/call.h"
#include "backend/isa.h"
#include "base/status.h"

/* Data types a kernel takes, as a mask over its floating operands; combinations are accepts()'s to check. */
enum {
    SL_TAKES_F32 = 1 << SL_F32,
    SL_TAKES_BF16 = 1 << SL_BF16,
    SL_TAKES_F16 = 1 << SL_F16,
    SL_TAKES_BOTH = SL_TAKES_F32 | SL_TAKES_BF16,
    SL_TAKES_ALL = SL_TAKES_BOTH | SL_TAKES_F16,
    SL_TAKES_F64 = 1 << SL_F64, /* weights of sampling alone */
};

typedef struct sl_kernel_code {
    /* May this kernel run the call? Shapes, dtypes and flags are set, data is not. NULL: always. */
    bool (*accepts)(const sl_call *call);
    /* Bytes of call->scratch, and of each worker's block; NULL: none. */
    size_t (*scratch)(const sl_call *call);
    size_t (*worker_scratch)(const sl_call *call);
    /* Bytes of call->packed; NULL or 0: none. pack() fills it from in[] (usually the weight in[1]): once
     * where in[1].flags has SL_OPERAND_FROZEN, before every run otherwise (packed is then part of the scratch
     * memory). run() may not read in[1] of a frozen weight: its data can be NULL, its values nowhere else. */
    size_t (*packed)(const sl_call *call);
    sl_status (*pack)(const sl_call *call);
    /* Kernels of the same form (not NULL) pack a weight to the same bytes, given its dtype and flags and the
     * dtype of in[0]: a plan keeps one copy for all of them. */
    const char *form;
    /* Make what outlives runs (primitives of a library) into *out_state, given back to call->state; NULL:
     * nothing. May allocate. release() frees it. prepare() runs before scratch(), worker_scratch() and
     * packed() are asked. */
    sl_status (*prepare)(const sl_call *call, void **out_state);
    void (*release)(void *state);
    sl_status (*run)(const sl_call *call);
    double arithmetic; /* share of the operation's direct arithmetic that it does; 0 stands for all */
} sl_kernel_code;

typedef struct sl_kernel {
    sl_op op;
    const char *name;
    unsigned isa, dtypes;
    float tolerance; /* largest allowed |error| as a fraction of the reference's root mean square */
    const sl_kernel_code *code;
} sl_kernel;

#define SL_KERNEL(op, name, isa, dtypes, tolerance) extern const sl_kernel_code sl_kernel_##name;
#include "backend/kernels.def"
#undef SL_KERNEL

/* All rows, in order; *out_count of them. */
const sl_kernel *sl_kernels(int *out_count);

/* The best kernel for a call among the levels in `isa` (see sl_isa_available), or NULL: use the reference. */
const sl_kernel *sl_kernel_find(const sl_call *call, unsigned isa);

/* The first row of a list that can run a call where `isa` is to be had, or NULL. */
const sl_kernel *sl_kernel_find_in(const sl_kernel *rows, int count, const sl_call *call, unsigned isa);

/* Whether this one row can run the call on a CPU with `isa`. */
bool sl_kernel_fits(const sl_kernel *kernel, const sl_call *call, unsigned isa);

#endif
