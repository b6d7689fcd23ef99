/* The fast CPU kernels, as plain functions over argument structures.
 *
 * Layout: activations are rows of channels: NHWC images are [N*H*W, C], sequences [N*L, E]. A `stride` is the
 * distance of two rows in elements, so that a slice of the channels can be read or written in place; 0 means
 * dense. Types: `dtype` is SL_F32 or SL_BF16 and is that of the activations; sums are in fp32. Biases, norm
 * parameters, statistics and weight gradients are fp32. Only the levels with bf16 products
 * have SL_BF16 for convolution and attention (that of tiles nothing else); the others take it at every level.
 * Threads: work is cut by shape alone, each task writes its own results and sums go in a fixed order: the
 * same bits for any number of threads. Kernels allocate nothing; `workspace` is 64-byte aligned and as large
 * as the function of the same name says. Outputs are overwritten, not added to, unless said otherwise; they
 * may not overlap inputs unless said otherwise. Arguments are not checked: the op layer has inferred the
 * shapes. */
#ifndef SL_BACKEND_CPU_KERNELS_H
#define SL_BACKEND_CPU_KERNELS_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sl_cpu_activation {
    SL_ACT_NONE,
    SL_ACT_SILU,       /* x * sigmoid(x) */
    SL_ACT_GELU,       /* x * Phi(x), exact */
    SL_ACT_QUICK_GELU, /* x * sigmoid(1.702 x) */
    SL_ACT_GELU_TANH,  /* x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    SL_ACT_TANH,
    SL_ACT_SIGMOID,
    SL_ACT_RELU,
    SL_ACT_COUNT
} sl_cpu_activation;

/* ---- Convolution, and linear layers as its 1x1 case
 * ---------------------------------------------------------- */

typedef struct sl_cpu_conv_shape {
    int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
    int64_t kernel_h, kernel_w, stride, dilation, pad_top,
        pad_left; /* what lies below and right follows from out_h/w */
} sl_cpu_conv_shape;

/* y[rows, out] = x[rows, in] W^T */
static inline sl_cpu_conv_shape sl_cpu_linear_shape(int64_t rows, int64_t in, int64_t out) {
    return (sl_cpu_conv_shape){1, 1, rows, in, 1, rows, out, 1, 1, 1, 1, 0, 0};
}

typedef enum sl_cpu_conv_pass { SL_CPU_FORWARD, SL_CPU_BACKWARD_DATA } sl_cpu_conv_pass;

/* Weights [out_c, in_c, kernel_h, kernel_w] (a linear layer's [out, in]) to the order of a pass: once where
 * they are frozen, before each run where they are trained. Packed for one level and dtype; good for any batch
 * and image size, unless `winograd`. */
typedef struct sl_cpu_conv_pack {
    const sl_cpu_conv_shape *shape;
    sl_cpu_conv_pass pass;
    sl_dtype dtype;
    sl_dtype weights_dtype; /* F32, BF16 or F16 */
    const void *weights;
    void *packed;
    bool half; /* to F16, for activations in fp32: weights that lose nothing by it; not winograd() */
} sl_cpu_conv_pack;

/* Forward: input [N,in_h,in_w,in_c] to output [N,out_h,out_w,out_c] = act(conv + bias) + residual.
 * Backward-data: input is the gradient of the output, output the gradient of the input; the rest stays NULL.
 */
typedef struct sl_cpu_conv {
    const sl_cpu_conv_shape *shape;
    sl_cpu_conv_pass pass;
    sl_dtype dtype;
    const void *input, *packed;
    const float *bias;    /* [C of output] or NULL */
    const void *residual; /* as output, or NULL; may be the output itself */
    void *output;
    int64_t input_stride, residual_stride, output_stride;
    sl_cpu_activation activation; /* NONE or SILU in winograd() */
    bool half;                    /* the weights are packed so */
    bool forward_form; /* the weights are those of conv_pack() for the forward pass, whatever the pass is:
                          in fp32, and of an even number of channels in winograd() */
    void *workspace;
    char *worker_workspace; /* winograd(): a block for each worker */
    size_t worker_stride;
} sl_cpu_conv;

/* grad_weights[out_c, in_c, kernel_h, kernel_w] from the input and the gradient of the output. */
typedef struct sl_cpu_conv_grad {
    const sl_cpu_conv_shape *shape;
    sl_dtype dtype;
    const void *input, *grad_output;
    int64_t input_stride, grad_output_stride;
    float *grad_weights;
    void *workspace;
    char *worker_workspace; /* a block for each worker */
    size_t worker_stride;
} sl_cpu_conv_grad;

/* sums[width] = sums of the columns of x[rows, width]; the gradient of a bias. */
typedef struct sl_cpu_column_sum {
    int64_t rows, width, stride;
    sl_dtype dtype;
    const void *x;
    float *sums;
    void *workspace;
} sl_cpu_column_sum;

/* ---- Attention
 * ------------------------------------------------------------------------------------------------ */

/* q, out [N, q_tokens, heads*head_dim]; k, v [N, kv_tokens, heads*head_dim]; head h is at column h*head_dim.
 * head_dim 1..SL_ATTENTION_HEAD_MAX, even in bf16. */
enum { SL_ATTENTION_HEAD_MAX = 512 };
typedef struct sl_cpu_attention_shape {
    int64_t batch, heads, q_tokens, kv_tokens, head_dim;
    int64_t q_stride, k_stride, v_stride, out_stride; /* 0: heads*head_dim */
    bool causal;                                      /* token i sees tokens 0..i */
    float scale;                                      /* of q k^T, usually 1/sqrt(head_dim) */
} sl_cpu_attention_shape;

/* out = softmax(scale q k^T) v. lse[N, heads, q_tokens], the log of the sum of exponentials, is kept for the
 * backward pass; NULL where none follows. */
typedef struct sl_cpu_attention {
    const sl_cpu_attention_shape *shape;
    sl_dtype dtype;
    const void *q, *k, *v;
    void *out;
    float *lse;
    void *workspace;
} sl_cpu_attention;

/* Gradients have the strides of their tensors; grad_out that of out. */
typedef struct sl_cpu_attention_grad {
    const sl_cpu_attention_shape *shape;
    sl_dtype dtype;
    const void *q, *k, *v, *out, *grad_out;
    const float *lse;
    void *grad_q, *grad_k, *grad_v; /* each may be NULL */
    void *workspace;
} sl_cpu_attention_grad;

/* ---- Normalisation
 * -------------------------------------------------------------------------------------------- */

/* y = act((x - mean) * rstd * gamma + beta) over x[N, pixels, channels], statistics for each image and group,
 * act NONE or SILU. mean, rstd [N, groups] are written. `y` may be `x`. */
typedef struct sl_cpu_group_norm {
    int64_t batch, pixels, channels, groups;
    sl_dtype dtype;
    float epsilon;
    bool silu;
    const void *x;
    const float *gamma, *beta;
    void *y;
    float *mean, *rstd;
    void *workspace;
} sl_cpu_group_norm;

/* grad_gamma and grad_beta [channels] may be NULL together; grad_x may be NULL, or grad_y itself. */
typedef struct sl_cpu_group_norm_grad {
    int64_t batch, pixels, channels, groups;
    sl_dtype dtype;
    bool silu;
    const void *x, *grad_y;
    const float *gamma, *beta, *mean, *rstd;
    void *grad_x;
    float *grad_gamma, *grad_beta;
    void *workspace;
} sl_cpu_group_norm_grad;

/* Over each row of x[rows, width]; mean, rstd [rows] are written. */
typedef struct sl_cpu_layer_norm {
    int64_t rows, width;
    sl_dtype dtype;
    float epsilon;
    const void *x;
    const float *gamma, *beta; /* both may be NULL */
    void *y;
    float *mean, *rstd;
} sl_cpu_layer_norm;

typedef struct sl_cpu_layer_norm_grad {
    int64_t rows, width;
    sl_dtype dtype;
    const void *x, *grad_y;
    const float *gamma, *mean, *rstd;
    void *grad_x;                  /* may be NULL */
    float *grad_gamma, *grad_beta; /* may be NULL together */
    void *workspace;
} sl_cpu_layer_norm_grad;

/* Over the rows of x[rows, channels]. Training: mean, rstd [channels] of this batch are written (biased
 * variance), and running_mean, running_variance move towards them by `momentum` (unbiased variance, as in
 * PyTorch) unless NULL. Otherwise mean and rstd are made from the running statistics. */
typedef struct sl_cpu_batch_norm {
    int64_t rows, channels;
    sl_dtype dtype;
    float epsilon, momentum;
    bool training;
    const void *x;
    const float *gamma, *beta;
    void *y;
    float *mean, *rstd, *running_mean, *running_variance;
    float *unbiased; /* the batch's variance [channels], or NULL */
    void *workspace;
} sl_cpu_batch_norm;

typedef struct sl_cpu_batch_norm_grad {
    int64_t rows, channels;
    sl_dtype dtype;
    bool training;
    const void *x, *grad_y;
    const float *gamma, *mean, *rstd;
    void *grad_x;
    float *grad_gamma, *grad_beta;
    void *workspace;
} sl_cpu_batch_norm_grad;

/* ---- Elementwise
 * ---------------------------------------------------------------------------------------------- */

/* y = act(x); y may be x. With grad_y: y = grad_y * act'(x), where x is the activation's value for TANH,
 * SIGMOID and RELU; y may be grad_y or x. */
typedef struct sl_cpu_activate {
    int64_t count;
    sl_dtype dtype;
    sl_cpu_activation activation;
    const void *x, *grad_y;
    void *y;
} sl_cpu_activate;

/* y[rows, width] = x[rows, 0..width) * gelu(x[rows, width..2 width)). With grad_y: y is the gradient [rows, 2
 * width]. */
typedef struct sl_cpu_geglu {
    int64_t rows, width;
    sl_dtype dtype;
    const void *x, *grad_y;
    void *y;
} sl_cpu_geglu;

/* Softmax over each row of x[rows, width]; y may be x. Backward (grad_y given): x is the softmax itself. */
typedef struct sl_cpu_softmax {
    int64_t rows, width;
    sl_dtype dtype;
    const void *x, *grad_y;
    void *y;
} sl_cpu_softmax;

/* Between SL_F32 and SL_BF16, round to nearest even. */
typedef struct sl_cpu_cast {
    int64_t count;
    sl_dtype from, to;
    const void *x;
    void *y;
} sl_cpu_cast;

/* One CPU level's functions. */
typedef struct sl_cpu_kernels {
    const char *name; /* "avx2", "avx512", "avx512bf16", "amx" */
    bool bf16;        /* has bf16 products */
    bool bf16_only;   /* and none of fp32: convolution and attention are of bf16 alone */
#define SL_CPU_KERNEL(result, name, type) result (*name)(const type *arguments);
#include "backend/cpu/kernels.def"
#undef SL_CPU_KERNEL
} sl_cpu_kernels;

/* The functions of the highest level in a mask of backend/isa.h; NULL where it is 0: only plain references
 * are left. */
const sl_cpu_kernels *sl_cpu_kernels_for(unsigned isa);

#endif
