/* Building a computation: values, operations, gradients.
 *
 * A graph is built once for fixed shapes, then planned (graph/plan.h) and run many times. Builder calls
 * return values and never fail loudly: the first error sticks (with the scope it happened in,
 * "down_blocks.0.resnets.1.conv1"), all later calls return SL_NONE, and sl_graph_status() reports it. So a
 * model is written straight down and checked once.
 *
 * Shapes: activations are [N,H,W,C], [N,L,E] or [...,C]; convolution weights [O,I,kh,kw], linear weights
 * [out,in]. Data types: the result of an operation has the dtype of its first input; weights may be F32 or
 * a 16-bit type beside activations of any. Norms, softmax and losses compute in fp32 whatever the storage. */
#ifndef SL_GRAPH_GRAPH_H
#define SL_GRAPH_GRAPH_H

#include "op/op.h"

typedef struct sl_graph sl_graph;

sl_status sl_graph_new(sl_graph **out);
void sl_graph_free(sl_graph *graph); /* NULL is fine; plans made from it must be freed before */

/* SL_OK, or the first error with its message. */
sl_status sl_graph_status(const sl_graph *graph);
/* Make the graph fail from outside (a layer that cannot be built). Does nothing after a first error. */
void sl_graph_fail(sl_graph *graph, sl_status code, const char *format, ...) SL_PRINTF(3, 4);

/* Named scopes, joined by '.'; they name parameters, errors, the NaN guard's findings and the profile. */
void sl_graph_push(sl_graph *graph, const char *format, ...) SL_PRINTF(2, 3);
void sl_graph_pop(sl_graph *graph);
const char *sl_graph_scope(const sl_graph *graph); /* "" at the top */

/* Shape and dtype of a value; for SL_NONE a scalar F32. */
sl_shape sl_value_shape(const sl_graph *graph, sl_value value);
int64_t sl_value_dim(const sl_graph *graph, sl_value value,
                     int axis); /* axis < 0 counts from the end; 0 on error */
sl_dtype sl_value_dtype(const sl_graph *graph, sl_value value);
static inline bool sl_value_is(sl_value value) {
    return value.id > 0;
}

/* ---- what comes from outside ---- */

/* An input: its bytes are given before each run (sl_plan_upload, or sl_plan_bind). Names are unique. */
sl_value sl_input(sl_graph *graph, const char *name, sl_dtype dtype, sl_shape shape);

/* A parameter, named scope + "." + name. Its storage is bound to the plan (sl_plan_bind); a trainable one
 * gets a gradient (F32), added to the bound gradient storage by each run. A second call with the same full
 * name gives the same value; shape and dtype must agree, and it is trainable if any of the calls said so. A
 * frozen one is packed once. */
sl_value sl_parameter(sl_graph *graph, const char *name, sl_dtype dtype, sl_shape shape, bool trainable);

/* Says that all values of a frozen F32 parameter are ones of F16: kernels may keep them so, which changes no
 * result. To be said before a plan is made; packing other values fails with SL_MISMATCH. */
void sl_graph_parameter_is_half(sl_graph *graph, sl_value parameter);

/* Numbers known now, copied (count elements of dtype). */
sl_value sl_constant(sl_graph *graph, sl_dtype dtype, sl_shape shape, const void *data);
sl_value sl_fill(sl_graph *graph, sl_dtype dtype, sl_shape shape, double value);

/* Parameters in order of creation. */
typedef struct sl_parameter_info {
    const char *name; /* full path; lives as long as the graph */
    sl_value value;
    sl_dtype dtype;
    sl_shape shape;
    bool trainable;
    bool is_state; /* written by the graph itself (running statistics) */
} sl_parameter_info;
int sl_graph_parameter_count(const sl_graph *graph);
sl_parameter_info sl_graph_parameter(const sl_graph *graph, int index);
sl_value sl_graph_find(const sl_graph *graph,
                       const char *name); /* an input, parameter or output; SL_NONE if none */

/* Keep a value to the end of the run, under a unique name, to be read with sl_plan_download. */
void sl_output(sl_graph *graph, const char *name, sl_value value);

/* At the end of a run the input takes over the value (of its shape and dtype), for the next run to begin
 * with; of several such, and of those who read the input, each is done where it stands. Such an input is not
 * bound (sl_plan_bind): on a device it stays there until it is downloaded. */
void sl_assign(sl_graph *graph, sl_value input, sl_value value);

/* The input changes more seldom than the graph runs. What depends on such inputs and frozen parameters alone
 * is computed at the first run after an upload into one of them (or after other parameters are bound), and
 * kept for those that follow: keys and values of a prompt, say. Such an input is not bound, nor assigned. */
void sl_hold(sl_graph *graph, sl_value input);

/* ---- gradients ---- */

/* Ask for the gradient with respect to a value that is not a parameter (an input, say). Before its use. */
void sl_graph_require_gradient(sl_graph *graph, sl_value value);

/* Adds d loss / d p for each trainable parameter p that loss (a scalar) depends on, and adds it to p's bound
 * gradient at each run. Nothing is computed, or kept, for what is not trained. Once per graph. */
void sl_graph_backward(sl_graph *graph, sl_value loss);

/* After backward: the gradient of a value asked for by sl_graph_require_gradient; SL_NONE where it does not
 * depend. */
sl_value sl_gradient(sl_graph *graph, sl_value value);

/* What is built between begin and end is computed again in the backward pass instead of being kept; only what
 * leaves the segment stays. Inner segments belong to the outermost one. Results keep their bits. */
void sl_graph_checkpoint_begin(sl_graph *graph);
void sl_graph_checkpoint_end(sl_graph *graph);

/* ---- operations; `bias`, `weight` and the like may be SL_NONE where said ---- */

typedef struct sl_padding {
    int top, bottom, left, right;
} sl_padding;
#define SL_PAD(n) ((sl_padding){(n), (n), (n), (n)})

/* x [N,H,W,C], w [O,C,kh,kw], bias [O] or none -> [N,OH,OW,O], OH = (H + top + bottom - kh)/stride + 1 */
sl_value sl_conv2d(sl_graph *graph, sl_value x, sl_value w, sl_value bias, int stride, sl_padding padding);
/* x [...,in], w [out,in], bias [out] or none -> [...,out] */
sl_value sl_linear(sl_graph *graph, sl_value x, sl_value w, sl_value bias);
/* a [B...,M,K] (or [B...,K,M] where transpose_a), b [B...,K,N] (or [B...,N,K]) -> [B...,M,N] */
sl_value sl_matmul(sl_graph *graph, sl_value a, sl_value b, bool transpose_a, bool transpose_b);
/* q [N,L,E], k and v [N,M,E] -> softmax(q k' / sqrt(E/heads)) v, head by head: [N,L,E]. causal: query i sees
 * keys 0..i */
sl_value sl_attention(sl_graph *graph, sl_value q, sl_value k, sl_value v, int heads, bool causal);

/* x [N,...,C], gamma [C], beta [C]; statistics over each group of C/groups channels; silu: y = silu(norm(x))
 */
sl_value sl_group_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, int groups, float eps,
                       bool silu);
/* x [...,C]; statistics over C */
sl_value sl_layer_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, float eps);
/* x [...,C]; training: statistics over all but C of this batch, and running = (1-momentum) running + momentum
 * batch (variance unbiased) at each run; else the running statistics. running_mean and running_var are
 * parameters [C]. */
sl_value sl_batch_norm(sl_graph *graph, sl_value x, sl_value gamma, sl_value beta, sl_value running_mean,
                       sl_value running_var, float eps, float momentum, bool training);

sl_value sl_silu(sl_graph *graph, sl_value x);
sl_value sl_relu(sl_graph *graph, sl_value x);
sl_value sl_gelu(sl_graph *graph, sl_value x);       /* by erf */
sl_value sl_gelu_tanh(sl_graph *graph, sl_value x);  /* tanh approximation */
sl_value sl_quick_gelu(sl_graph *graph, sl_value x); /* x sigmoid(1.702 x) */
sl_value sl_sigmoid(sl_graph *graph, sl_value x);
sl_value sl_exp(sl_graph *graph, sl_value x);
sl_value sl_square(sl_graph *graph, sl_value x);
sl_value sl_abs(sl_graph *graph, sl_value x);
sl_value sl_clamp(sl_graph *graph, sl_value x, double low, double high);
sl_value sl_scale(sl_graph *graph, sl_value x, double a, double b); /* a x + b */
sl_value sl_geglu(sl_graph *graph, sl_value x);                     /* [...,2E] -> x[..E] * gelu(x[E..]) */
sl_value sl_cast(sl_graph *graph, sl_value x,
                 sl_dtype dtype); /* F32, BF16, F16 (F64 in tests); free if it is that */

/* Broadcast as in NumPy: [C], [N,1,1,C], [N,1,1,1], [] against [N,H,W,C], either side. dtype of a. */
sl_value sl_add(sl_graph *graph, sl_value a, sl_value b);
sl_value sl_sub(sl_graph *graph, sl_value a, sl_value b);
sl_value sl_mul(sl_graph *graph, sl_value a, sl_value b);

/* An axis below 0 counts from the end. */
sl_value sl_concat(sl_graph *graph, const sl_value *parts, int count, int axis);
sl_value sl_concat2(sl_graph *graph, sl_value a, sl_value b, int axis);
sl_value sl_slice(sl_graph *graph, sl_value x, int axis, int64_t start, int64_t count);
sl_value sl_pad(sl_graph *graph, sl_value x, int axis, int64_t before, int64_t after); /* zeros */
/* Free: the same memory. One size may be -1. */
sl_value sl_reshape(sl_graph *graph, sl_value x, sl_shape shape);
/* out axis i = x axis perm[i]; perm has rank(x) entries */
sl_value sl_transpose(sl_graph *graph, sl_value x, const int *perm);
#define SL_TRANSPOSE(graph, x, ...) sl_transpose((graph), (x), (const int[]){__VA_ARGS__})
sl_value sl_upsample_nearest2x(sl_graph *graph, sl_value x); /* [N,H,W,C] -> [N,2H,2W,C] */
/* [N,H,W,C] -> [N,H/b,W/b,C*b*b] and back; channel order as pixel_unshuffle: c*b*b + row*b + column */
sl_value sl_space_to_depth(sl_graph *graph, sl_value x, int block);
sl_value sl_depth_to_space(sl_graph *graph, sl_value x, int block);

sl_value sl_max_pool(sl_graph *graph, sl_value x, int window, int stride, sl_padding padding);
sl_value sl_avg_pool(sl_graph *graph, sl_value x, int window, int stride,
                     sl_padding padding);                 /* padding counts as 0 */
sl_value sl_avg_pool_global(sl_graph *graph, sl_value x); /* [N,H,W,C] -> [N,C] */

/* Which of some rings about a centre places belong to: ring [N,P], between whole numbers to both of them by
 * nearness, outside of 0..R-1 to none; and what makes a mean of a ring's sum, [N,R]. No gradient flows to
 * either. */
typedef struct sl_rings {
    sl_value ring, weights;
} sl_rings;
sl_rings sl_rings_of(sl_graph *graph, sl_value ring, int64_t rings);
/* x [N,P,C] -> the means [N,R,C] over the rings; 0 where nothing belongs to one */
sl_value sl_ring_mean(sl_graph *graph, sl_value x, sl_rings rings);
/* y [N,R,C] -> [N,P,C]: what the rings say at each place; 0 where it belongs to none */
sl_value sl_ring_spread(sl_graph *graph, sl_value y, sl_rings rings);

/* table [V,E], ids I32 [...] -> [...,E] */
sl_value sl_embedding(sl_graph *graph, sl_value table, sl_value ids);
sl_value sl_softmax(sl_graph *graph, sl_value x); /* last axis */
/* t F32 [N] (timesteps, may be fractional) -> F32 [N,width]; frequencies exp(-ln 10000 i/(width/2 - shift));
 * sines first unless flip_sin_to_cos */
sl_value sl_timestep_embedding(sl_graph *graph, sl_value t, int width, bool flip_sin_to_cos, double shift);

/* Over the axes in the bit mask (bit i: axis i; SL_ALL_AXES: a scalar); reduced axes disappear. */
#define SL_ALL_AXES 0xffffffffu
sl_value sl_sum(sl_graph *graph, sl_value x, uint32_t axes);
sl_value sl_mean(sl_graph *graph, sl_value x, uint32_t axes);

/* Sampling; formulas in backend/ops.def. */
/* The sum `sum` of the weights F64 [S, count+1] over the terms F32 (SL_NONE where there is none); p is its
 * sum `prediction`. */
typedef struct sl_combine_rule {
    int sum, prediction;
    double clip;
    bool rounded;
} sl_combine_rule;
sl_value sl_combine(sl_graph *graph, sl_value weights, const sl_value *terms, int count,
                    sl_combine_rule rule);
/* x F32 [2N,...,C], outputs without and then with their prompts -> [N,...,C]. guidance F64 [3]: the scale,
 * its rescale, and the scale for the mean of the first channel, which tells how bright an image is. */
sl_value sl_guide(sl_graph *graph, sl_value x, sl_value guidance);
/* key I32 [6]: seed (low word, high word), purpose and first item of the stream, counter (low, high), as
 * sl_noise_key gives them -> F32 [N,H,W,C], item by item */
sl_value sl_random_noise(sl_graph *graph, sl_value key, sl_shape shape);

/* Losses: a scalar F32. */
/* mean over all elements of weight[n] (pred - target)^2; weight [N] (first axis) or none */
sl_value sl_mse(sl_graph *graph, sl_value pred, sl_value target, sl_value weight);
sl_value sl_l1(sl_graph *graph, sl_value pred, sl_value target); /* mean |pred - target| */
/* logits [N,K], labels I32 [N], class_weight [K] or none -> sum w[y] nll / sum w[y] */
sl_value sl_cross_entropy(sl_graph *graph, sl_value logits, sl_value labels, sl_value class_weight);
/* logits of any shape, flags I32 [as many], 0 or 1 -> mean: the cross-entropy of the classes (0, logit) */
sl_value sl_binary_cross_entropy(sl_graph *graph, sl_value logits, sl_value flags);

#endif
