/* A network of one golden case: graph, plan and parameters, with arrays in the fixtures' layout (N, C, H, W).
 */
#ifndef SL_LOOP_GOLDEN_NET_H
#define SL_LOOP_GOLDEN_NET_H

#include "loop/golden/family.h"
#include "model/model.h"
#include "nn/nn.h"
#include "train/optimizer.h"

typedef struct sl_golden_net {
    sl_graph *graph;
    sl_plan *plan;
    sl_nn nn;
} sl_golden_net;

/* Begins a graph over the store; set options of net->nn before the first layer. */
sl_status sl_golden_net_begin(const sl_golden *g, sl_golden_net *net, sl_params *params);
/* After the last layer: plans, allocates gradients where nn.training, binds and reserves. */
sl_status sl_golden_net_ready(sl_golden_net *net);
void sl_golden_net_free(sl_golden_net *net);

/* An F32 input for a tensor of the open case file, NHWC where it has four dimensions, or I32 for whole
 * numbers; call between begin and ready. The value's name is the key. */
sl_value sl_golden_net_input(sl_golden *g, sl_golden_net *net, const char *key);
/* After ready: the tensor's values into that input. */
sl_status sl_golden_net_feed(sl_golden *g, sl_golden_net *net, const char *key);

/* The value of output `name`, as floats in the fixtures' layout (caller: sl_free). */
sl_status sl_golden_net_fetch(sl_golden_net *net, const char *name, float **out, size_t *out_count);
/* Compare the output `name` with tensor `key`. */
sl_status sl_golden_net_compare(sl_golden *g, sl_golden_net *net, const char *name, const char *key);
/* Compare the scalar output `name` with a number of cases.json. */
sl_status sl_golden_net_scalar(sl_golden_net *net, const char *name, double *out);

/* Compare gradients: every tensor "PREFIX<name>" of the case file, and every norm of the JSON object `norms`
 * (path for the tolerances), names translated by `rules` (may be NULL). */
sl_status sl_golden_compare_gradients(sl_golden *g, const sl_params *params, const char *prefix,
                                      const json_t *norms, const char *path, const sl_name_rules *rules);

/* Compare the values of parameters with every tensor "PREFIX<name>". */
sl_status sl_golden_compare_values(sl_golden *g, const sl_params *params, const char *prefix,
                                   const sl_name_rules *rules);

/* Fills the gradients' slots of the trainable parameters (buffers as statistics). */
sl_status sl_golden_slots(sl_params *params, sl_slot_set *out);

/* `steps` AdamW steps as recorded under "adamw" or given: runs the net, clips where clip > 0. losses[steps],
 * norms[steps] before clipping (may be NULL). */
typedef struct sl_golden_training {
    double rate, clip;
    int steps;
    double *losses, *norms;
} sl_golden_training;
sl_status sl_golden_train(sl_golden_net *net, sl_params *params, const sl_golden_training *training);

/* The denoiser's training loss (mean squared error against "eps") of the open file's xt, timestep and ctx,
 * with its gradients; begun by the caller, ready and fed on return. And its recorded optimiser steps. In
 * golden_unet.c. */
sl_status sl_golden_denoiser(sl_golden *g, sl_golden_net *net, const sl_model *model);
sl_status sl_golden_optimise(sl_golden *g, const char *name, sl_golden_net *net, sl_params *params);

/* Between layouts: [N,C,H,W] to [N,H,W,C] and back; other ranks are copied. `shape` is that of the source. */
void sl_golden_to_nhwc(const sl_shape *shape, const float *source, float *target);
void sl_golden_to_nchw(const sl_shape *shape, const float *source, float *target);

#endif
