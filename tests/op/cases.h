/* Random calls of every operation, for tests of references, gradients and kernels, and for the bench. */
#ifndef SL_TESTS_OP_CASES_H
#define SL_TESTS_OP_CASES_H

#include "base/random/random.h"
#include "backend/kernel.h"
#include "op/op.h"

/* How an input is stored: an activation, a weight, statistics and losses (always wide), integers, or weights
 * of sampling (F64). */
typedef enum op_role { ROLE_ACTIVATION, ROLE_WEIGHT, ROLE_WIDE, ROLE_INTEGER, ROLE_DOUBLE } op_role;

typedef struct op_case {
    sl_attrs attrs;
    sl_call call; /* attrs points into this case: not to be copied; data of the inputs set by op_case_fill */
    op_role role[SL_INPUTS_MAX];
    int64_t integer_below; /* integers are 0..this-1 */
} op_case;

/* Sizes: odd and small, multiples of 16 as kernels like them, or of a layer's order for timing. */
typedef enum op_sizes { SIZES_TINY, SIZES_ODD, SIZES_EVEN, SIZES_LARGE } op_sizes;

/* A random call of `op` with its outputs inferred; activations in `activation`, weights in `weight`. */
void op_case_make(op_case *c, sl_op op, op_sizes sizes, sl_dtype activation, sl_dtype weight,
                  sl_random *random);

/* Inputs on the heap with random contents, statistics that belong to the data; outputs on the heap too, with
 * GUARD_BYTES of a pattern on either side. */
void op_case_allocate(op_case *c, sl_random *random);
void op_case_free(op_case *c);
/* Outputs anew: filled with NaN; results that are read too get the same numbers each time. */
void op_case_reset_outputs(op_case *c);
/* The reference's results as doubles, on the heap (sl_free), from the inputs and the outputs as they stand.
 */
void op_case_reference(const op_case *c, double *out[SL_OUTPUTS_MAX]);
/* Largest error of one result as a fraction of the expected ones' root mean square; bf16 results may be off
 * by their own rounding. Infinity for a NaN. */
double op_case_error(const sl_operand *out, const double *expected);
/* Whether nobody wrote outside the outputs. */
int op_case_guards_hold(const op_case *c);

/* A call ready for kernel->code->run(): the case's operands, with prepared state, packed weights and scratch
 * memory, which starts as NaN. */
sl_call op_kernel_open(const sl_kernel *kernel, const op_case *c);
void op_kernel_close(const sl_kernel *kernel, sl_call *call);

#endif
