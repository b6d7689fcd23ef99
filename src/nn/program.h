/* A computation ready to run: graph, layers, plan and bound parameters together.
 *
 *     sl_program p;
 *     SL_TRY(sl_program_begin(&p, params));
 *     sl_value x = sl_input(p.graph, "x", SL_F32, shape);
 *     sl_output(p.graph, "y", sl_nn_linear(&p.nn, "fc", x, 10, true));
 *     SL_TRY(sl_program_finish(&p, NULL));            kernels chosen, memory reserved, parameters bound
 *     SL_TRY(sl_program_set(&p, "x", data, bytes));
 *     SL_TRY(sl_program_run(&p));
 *     SL_TRY(sl_program_get(&p, "y", data, bytes));
 *     sl_program_end(&p);                              fine at any point, also after a failure
 */
#ifndef SL_NN_PROGRAM_H
#define SL_NN_PROGRAM_H

#include "nn/nn.h"

typedef struct sl_program {
    sl_graph *graph;
    sl_plan *plan; /* NULL before sl_program_finish */
    sl_nn nn;
} sl_program;

/* `params` may be shared by programs; it must outlive them, and keep its memory while they are in use. */
sl_status sl_program_begin(sl_program *program, sl_params *params);
sl_status sl_program_finish(sl_program *program, const sl_plan_options *options);
void sl_program_end(sl_program *program);

/* By name of an input or output; `bytes` must be its exact size. */
sl_status sl_program_set(sl_program *program, const char *input, const void *data, size_t bytes);
sl_status sl_program_get(sl_program *program, const char *output, void *data, size_t bytes);
sl_status sl_program_run(sl_program *program);

/* An output as a new tensor (caller: sl_tensor_free). */
sl_status sl_program_get_tensor(sl_program *program, const char *output, sl_tensor *out);

#endif
