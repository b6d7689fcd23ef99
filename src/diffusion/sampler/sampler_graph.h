/* A step of sampling as a graph around the model: what sl_sampling_step does in the caller's memory, where
 * plans run. The latents and what the sampler keeps stay there from one run to the next; a run is one step.
 *
 *     sl_sampler_step s = {.form = sl_sampling_form_of(&settings), .guided = true};
 *     sl_step_values values;
 *     sl_value input = sl_sampler_step_begin(graph, &s, shape, &values);
 *     sl_sampler_step_end(graph, &s, &values, the model's output of that input);
 *
 * Inputs of the graph: "latents" F32 [N,h,w,C], uploaded before the first run, read after any (not bound);
 * before each run "weights" F64 [SL_SUMS, SL_TERMS] (sl_sampling_weigh), and where noise is wanted "noise"
 * F32 [N,h,w,C] or, drawn by the graph, "noise_key" I32 [6] (sl_noise_key); "guidance" F64 [3] (sl_guide)
 * where guided. */
#ifndef SL_DIFFUSION_SAMPLER_SAMPLER_GRAPH_H
#define SL_DIFFUSION_SAMPLER_SAMPLER_GRAPH_H

#include "diffusion/sampler/sampler.h"
#include "graph/graph.h"

typedef struct sl_sampler_step {
    sl_sampling_form form;
    bool guided;      /* the model sees every image twice: without and with its prompt */
    bool draws_noise; /* by itself */
} sl_sampler_step;

/* Names of what stays from one run to the next: the latents, and as many slots as the form has. */
extern const char *const sl_sampler_step_kept[1 + SL_SAMPLING_SLOTS];

bool sl_sampler_step_equal(const sl_sampler_step *a, const sl_sampler_step *b);

typedef struct sl_step_values {
    sl_value latents, weights;
} sl_step_values;

/* What the model sees, [N,h,w,C] or, guided, [2N,h,w,C]; latents is of shape [N,h,w,C]. */
sl_value sl_sampler_step_begin(sl_graph *graph, const sl_sampler_step *step, sl_shape shape,
                               sl_step_values *out);
/* output: the model's, F32 of that input's shape. */
void sl_sampler_step_end(sl_graph *graph, const sl_sampler_step *step, const sl_step_values *values,
                         sl_value output);

#endif
