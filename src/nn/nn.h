/* Layers with named parameters, on top of the graph builder.
 *
 * A builder (sl_nn) ties a graph to a parameter store: a layer declares its parameters in the store, under
 * its path, and computes with them in the graph. So one function that builds a model also names, shapes and
 * initialises everything the model owns. Errors stick in the graph (sl_graph_status); layers then return
 * SL_NONE.
 *
 *     sl_nn nn;
 *     sl_nn_open(&nn, graph, params);          paths are relative to the graph's scope at this call
 *     y = sl_nn_linear(&nn, "proj", x, 128, true);
 *     ... sl_plan_new(graph, ...) ...
 *     sl_nn_bind(&nn, plan);                    values and gradients of all parameters used
 *     sl_nn_close(&nn);
 */
#ifndef SL_NN_NN_H
#define SL_NN_NN_H

#include "graph/graph.h"
#include "graph/plan.h"
#include "nn/param.h"

struct sl_lora;

typedef struct sl_nn_use {
    sl_param *param;
    sl_value value;
} sl_nn_use;

typedef struct sl_nn {
    sl_graph *graph;
    sl_params *params;

    /* Options, to be set between sl_nn_open and the first layer. */
    sl_dtype dtype; /* of activations: SL_F32 (default), SL_BF16 or SL_F16; models cast their inputs, and
                       their outputs to F32 */
    bool training;  /* parameters marked trainable get gradients; batch norm uses and updates the batch's
                       statistics */
    bool frozen_statistics; /* batch norm keeps to its running statistics in training too (head-only training)
                             */
    bool recompute;         /* blocks are computed again in the backward pass instead of being kept */
    const struct sl_lora *const *loras; /* low-rank adapters (nn/lora.h), added to the layers they name */
    int lora_count;
    const char *const
        *probes; /* module paths, ended by NULL; each one's result becomes the output "probe.<path>" */

    size_t root; /* length of the graph's scope at sl_nn_open */
    sl_nn_use *uses;
    int use_count, use_capacity;
} sl_nn;

void sl_nn_open(sl_nn *nn, sl_graph *graph, sl_params *params);
void sl_nn_close(sl_nn *nn); /* frees the list of uses; graph and store stay */

/* Bind every parameter used, its adapters' too, and the gradients of those that train. Values (and, for those
 * that train, gradients) must be allocated. */
sl_status sl_nn_bind(const sl_nn *nn, sl_plan *plan);

/* Scopes. sl_nn_end returns `result`, after making it an output where it is probed. */
void sl_nn_begin(sl_nn *nn, const char *format, ...) SL_PRINTF(2, 3);
sl_value sl_nn_end(sl_nn *nn, sl_value result);
const char *sl_nn_path(const sl_nn *nn); /* of the current scope, relative to the root */

/* Segment computed again in the backward pass where nn->recompute. */
void sl_nn_segment_begin(sl_nn *nn);
void sl_nn_segment_end(sl_nn *nn);

/* A parameter of the current scope, for models that need one of their own. */
sl_value sl_nn_parameter(sl_nn *nn, const char *name, sl_shape shape, sl_init init);

/* The same in another store; a buffer is never trained. */
sl_value sl_nn_parameter_in(sl_nn *nn, sl_params *store, const char *name, sl_shape shape, sl_init init,
                            bool buffer);

/* First values of a layer with weight and bias; by default both are uniform within 1/sqrt(fan_in). */
typedef struct sl_nn_init {
    sl_init weight, bias;
} sl_nn_init;

/* x [...,I] -> [...,out]. Parameters <name>.weight [out,I], <name>.bias [out]. */
sl_value sl_nn_linear(sl_nn *nn, const char *name, sl_value x, int64_t out, bool bias);
sl_value sl_nn_linear_init(sl_nn *nn, const char *name, sl_value x, int64_t out, bool bias, sl_nn_init init);

/* x [N,H,W,C] -> [N,OH,OW,out]. Parameters <name>.weight [out,C,kernel,kernel], <name>.bias [out]. */
typedef struct sl_nn_conv {
    int64_t out;
    int kernel, stride;
    sl_padding padding;
    bool bias;
} sl_nn_conv;
sl_value sl_nn_conv2d(sl_nn *nn, const char *name, sl_value x, sl_nn_conv conv);
sl_value sl_nn_conv2d_init(sl_nn *nn, const char *name, sl_value x, sl_nn_conv conv, sl_nn_init init);
/* kernel 3, stride 1, padding 1, with bias */
sl_value sl_nn_conv3x3(sl_nn *nn, const char *name, sl_value x, int64_t out);
/* kernel 1, with bias */
sl_value sl_nn_conv1x1(sl_nn *nn, const char *name, sl_value x, int64_t out);

/* Norms: parameters <name>.weight [C] (ones), <name>.bias [C] (zeros). */
sl_value sl_nn_group_norm(sl_nn *nn, const char *name, sl_value x, int64_t groups, double eps, bool silu);
sl_value sl_nn_layer_norm(sl_nn *nn, const char *name, sl_value x, double eps);
/* Besides: buffers <name>.running_mean (zeros) and <name>.running_var (ones). */
sl_value sl_nn_batch_norm(sl_nn *nn, const char *name, sl_value x, double eps, double momentum);

/* ids [...] (I32) -> [...,width]. Parameter <name>.weight [vocab,width], normal with `std`. */
sl_value sl_nn_embedding(sl_nn *nn, const char *name, sl_value ids, int64_t vocab, int64_t width, double std);

#endif
