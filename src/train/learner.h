/* A graph that learns: inputs in memory of our own, models' parameters, a loss, its plan.
 *
 *     sl_learner_open(&learner);
 *     x = sl_learner_input(&learner, "image", SL_F32, shape, &pixels);
 *     nn = sl_learner_model(&learner, "vae", params, true);  ... build ...
 *     sl_learner_finish(&learner, loss);
 *     loop: fill pixels; sl_learner_run(&learner, &loss)
 */
#ifndef SL_TRAIN_LEARNER_H
#define SL_TRAIN_LEARNER_H

#include "nn/lora.h"
#include "nn/nn.h"
#include "train/slot.h"
#include "train/trainer.h"

enum { SL_LEARNER_MODELS_MAX = 4, SL_LEARNER_INPUTS_MAX = 16 };

typedef struct sl_learner {
    sl_graph *graph;
    sl_plan *plan;
    sl_nn nn[SL_LEARNER_MODELS_MAX];
    int models;
    struct sl_learner_input {
        sl_value value;
        sl_tensor tensor;
    } input[SL_LEARNER_INPUTS_MAX];
    int inputs;
    sl_value loss, scale;
    float *loss_scale; /* of sl_learner_scale_loss; NULL: none */
    sl_status failed;  /* first failure of an allocation while building */
} sl_learner;

sl_status sl_learner_open(sl_learner *learner);
void sl_learner_close(sl_learner *learner); /* parameters stay with their owner */

/* An input whose memory belongs to the learner; *out_data (may be NULL) points to it. */
sl_value sl_learner_input(sl_learner *learner, const char *name, sl_dtype dtype, sl_shape shape,
                          void *out_data);

/* A builder for a model's parameters, in a scope of that name. `training`: its trainable parameters get
 * gradients. To be ended with sl_learner_model_end before the next one. */
sl_nn *sl_learner_model(sl_learner *learner, const char *scope, sl_params *params, bool training);
void sl_learner_model_end(sl_learner *learner);

/* Gradients are to be taken of the loss times *learner->loss_scale (1 until it is set). Before finish. */
void sl_learner_scale_loss(sl_learner *learner);

/* Backward pass where any model trains, plan, binding, memory. Allocates values and gradients of the stores
 * that lack them. The message of a failure names the layer. */
sl_status sl_learner_finish(sl_learner *learner, sl_value loss);

/* On a device: says what the learner takes of its memory, with the set's moments and averages, which are
 * still to come; SL_MEMORY, with these figures, where they find no room. */
sl_status sl_learner_tell(const sl_learner *learner, const char *what, size_t moments);

/* One run on the inputs as they stand: loss (may be NULL), gradients added. */
sl_status sl_learner_run(sl_learner *learner, double *out_loss);
/* The loss alone, for models that keep no running statistics: no gradient changes. */
sl_status sl_learner_evaluate(sl_learner *learner, double *out_loss);
/* An output of the last run: count values of F32 into out[]. */
sl_status sl_learner_read(sl_learner *learner, sl_value output, float *out, int64_t count);

/* Packed weights are stale: a frozen store was given other values. */
void sl_learner_changed(sl_learner *learner);

/* Runs the inputs once more with every result looked at; text names the first operation whose result is not
 * finite, or stays empty. */
void sl_learner_explain(sl_learner *learner, char *text, size_t bytes);

/* A slot for each parameter of the store that trains, and for each buffer, named prefix + name. Weight decay
 * applies to parameters of two and more axes, or to all. */
sl_status sl_slot_add_params(sl_slot_set *set, const char *prefix, sl_params *params, bool decay_all);

/* Values of every parameter that trains, and of every buffer, from a file of weights, where they are named
 * prefix + name. SL_MISMATCH names the first that lacks or has another shape; values before it are then
 * already read. */
sl_status sl_params_read(sl_params *params, const char *path, const char *prefix);

#endif
