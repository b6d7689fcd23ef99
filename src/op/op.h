/* Operations: one descriptor each, with the shape rule, the plain reference, and the gradient.
 *
 * The list of operations with their operands is backend/ops.def. A reference computes on doubles, whatever
 * the dtypes of the operands (F64 included, so that gradients can be checked in double); it is slow and runs
 * on one thread. */
#ifndef SL_OP_OP_H
#define SL_OP_OP_H

#include "backend/call.h"
#include "base/status.h"

/* A value of a graph under construction. id 0 is "no value": an optional operand left out, or the result of a
 * failed builder call. */
typedef struct sl_value {
    int32_t id;
} sl_value;

#define SL_NONE ((sl_value){0})

/* What gradients are written against; the graph implements it. Errors are sticky in the graph. */
typedef struct sl_emitter sl_emitter;
struct sl_emitter {
    /* Adds one op. outs[] receives all its results (may be NULL); returns the first. */
    sl_value (*emit)(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, const sl_value *in, int in_count,
                     sl_value *outs);
    /* Dtype and shape of a value (its data is NULL). */
    const sl_operand *(*describe)(sl_emitter *emitter, sl_value value);
};

/* One node whose gradient is asked for. */
typedef struct sl_grad_call {
    const sl_attrs *attrs;
    int in_count, out_count;
    sl_value in[SL_INPUTS_MAX], out[SL_OUTPUTS_MAX];
    sl_value out_grad[SL_OUTPUTS_MAX]; /* SL_NONE where nothing flows in; at least one is there */
    bool need[SL_INPUTS_MAX];          /* inputs whose gradient is wanted */
    sl_value in_grad[SL_INPUTS_MAX]; /* to be filled for those; one that stays SL_NONE is an error, no zero */
} sl_grad_call;

typedef struct sl_op_desc {
    int in_min, in_max; /* number of inputs; those from in_min on may be left out */
    unsigned optional;  /* bit i: in[i] may be absent though later ones are there */
    /* Check inputs and attributes; fill out_count and the dtype and shape of each output. */
    sl_status (*infer)(sl_call *call);
    /* in[i], out[i]: the operands as doubles (integers too); NULL where absent. The shapes are in the call.
     */
    sl_status (*reference)(const sl_call *call, double *const *in, double *const *out);
    void (*grad)(sl_emitter *emitter, sl_grad_call *call); /* NULL: no gradient flows through */
    double (*flops)(const sl_call *call);                  /* NULL: one for each element of the result */
    unsigned integers;                                     /* bit i: in[i] is I32; all others are floating */
    unsigned in_place;  /* bit i: out[0] may be written over in[i] where dtype and shape are equal */
    bool reads_outputs; /* results are storage from outside, which is read too */
    const char *source;
} sl_op_desc;

/* Every operation of ops.def has one. */
const sl_op_desc *sl_op_describe(sl_op op);

/* The shape rule with the checks that all ops share; messages name the op. */
sl_status sl_op_infer(sl_call *call);
double sl_op_flops(const sl_call *call);

/* Run the reference on the operands' memory: converts through call->scratch, which must have
 * sl_op_reference_scratch(call) bytes. */
size_t sl_op_reference_scratch(const sl_call *call);
sl_status sl_op_reference(const sl_call *call);

#endif
