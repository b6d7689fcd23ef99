/* Shared by the files of the convolution. */
#ifndef SL_BACKEND_CPU_ISA_CONV_H
#define SL_BACKEND_CPU_ISA_CONV_H

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/micro.h"
#include "backend/cpu/isa/transpose.h"

SL_INLINE int64_t depth_units(sl_dtype dtype, int64_t channels) {
    return dtype == SL_BF16 ? (channels + 1) / 2 : channels;
}

/* A 1x1 convolution without stride and padding is one long row of pixels. */
SL_INLINE sl_cpu_conv_shape flattened(const sl_cpu_conv_shape *s) {
    if (s->kernel_h * s->kernel_w != 1 || s->stride != 1 || s->pad_top != 0 || s->pad_left != 0 ||
        s->in_h != s->out_h || s->in_w != s->out_w)
        return *s;
    sl_cpu_conv_shape flat = sl_cpu_linear_shape(s->batch * s->in_h * s->in_w, s->in_c, s->out_c);
    return flat;
}

/* What the passes call input and output channels. */
SL_INLINE int64_t pack_depth(const sl_cpu_conv_pack *p) {
    return p->pass == SL_CPU_FORWARD ? p->shape->in_c : p->shape->out_c;
}
SL_INLINE int64_t pack_columns(const sl_cpu_conv_pack *p) {
    return p->pass == SL_CPU_FORWARD ? p->shape->out_c : p->shape->in_c;
}

/* A tap of a convolution: input pixel = output index * step + d. */
typedef struct conv_tap {
    int64_t dy, dx;
    int64_t index; /* in the weights */
} conv_tap;

SL_INLINE conv_tap forward_tap(const sl_cpu_conv_shape *s, int64_t index) {
    return (conv_tap){index / s->kernel_w * s->dilation - s->pad_top,
                      index % s->kernel_w * s->dilation - s->pad_left, index};
}

/* The taps of backward-data that meet input pixels stride*g + (y, x), with gradients as their input; how
 * many. Input pixel stride*g + y gets gradient from output row o under a tap where o*stride = stride*g + y -
 * dy. */
static inline int64_t backward_taps(const sl_cpu_conv_shape *s, int64_t y, int64_t x, conv_tap *out) {
    int64_t count = 0;
    for (int64_t i = 0; i < s->kernel_h * s->kernel_w; i++) {
        conv_tap tap = forward_tap(s, i);
        int64_t dy = y - tap.dy, dx = x - tap.dx;
        if (dy % s->stride == 0 && dx % s->stride == 0)
            out[count++] = (conv_tap){dy / s->stride, dx / s->stride, i};
    }
    return count;
}

/* What is done with a sum on its way to the output: bias, activation, residual. */
typedef struct conv_end {
    const sl_cpu_conv *conv;
    int64_t out_stride, residual_stride; /* elements */
} conv_end;

SL_INLINE conv_end conv_end_of(const sl_cpu_conv *conv, int64_t columns) {
    return (conv_end){conv, conv->output_stride ? conv->output_stride : columns,
                      conv->residual_stride ? conv->residual_stride : columns};
}

SL_INLINE void finish_vector(const conv_end *end, const bool bf16, const sl_cpu_activation act,
                             int64_t column, int64_t pixel, const float *c, int64_t lanes) {
    const sl_cpu_conv *conv = end->conv;
    vf value = vf_load(c);
    if (conv->bias) value = value + vf_load_n(conv->bias + column, lanes);
    value = v_activation(act, value);
    if (conv->residual)
        value = value + vf_get_n(bf16, conv->residual, pixel * end->residual_stride + column, lanes);
    vf_put_n(bf16, conv->output, pixel * end->out_stride + column, value, lanes);
}

/* FINISH(bf16, activation) with both as constants */
#define FOR_CONV_END(bf16, activation, FINISH)                                                               \
    switch (activation) {                                                                                    \
        CONV_END(SL_ACT_SILU, bf16, FINISH)                                                                  \
        CONV_END(SL_ACT_GELU, bf16, FINISH)                                                                  \
        CONV_END(SL_ACT_QUICK_GELU, bf16, FINISH)                                                            \
        CONV_END(SL_ACT_GELU_TANH, bf16, FINISH)                                                             \
        CONV_END(SL_ACT_TANH, bf16, FINISH)                                                                  \
        CONV_END(SL_ACT_SIGMOID, bf16, FINISH)                                                               \
        CONV_END(SL_ACT_RELU, bf16, FINISH)                                                                  \
    default:                                                                                                 \
        CONV_END_OF(SL_ACT_NONE, bf16, FINISH)                                                               \
    }
#define CONV_END(kind, bf16, FINISH)                                                                         \
    case kind:                                                                                               \
        CONV_END_OF(kind, bf16, FINISH)                                                                      \
        break;
#define CONV_END_OF(kind, bf16, FINISH)                                                                      \
    if (bf16)                                                                                                \
        FINISH(true, kind);                                                                                  \
    else                                                                                                     \
        FINISH(false, kind);

SL_INLINE float weight_at(sl_dtype dtype, const void *weights, int64_t i) {
    switch (dtype) {
    case SL_BF16:
        return sl_bf16_to_f32(((const uint16_t *)weights)[i]);
    case SL_F16:
        return sl_f16_to_f32(((const uint16_t *)weights)[i]);
    default:
        return ((const float *)weights)[i];
    }
}

/* to[j*to_step + i] = from[i*from_step + j] for i < rows, j < columns */
SL_INLINE void transpose(const float *from, int64_t from_step, int64_t rows, int64_t columns, float *to,
                         int64_t to_step) {
    for (int64_t i = 0; i < rows; i += 8)
        for (int64_t j = 0; j < columns; j += 8) {
            const float *block = from + i * from_step + j;
            if (i + 8 <= rows && j + 8 <= columns) {
                transpose_8x8(block, from_step, to + j * to_step + i, to_step);
                continue;
            }
            for (int64_t y = 0; y < min_of(8, columns - j); y++)
                for (int64_t x = 0; x < min_of(8, rows - i); x++)
                    to[(j + y) * to_step + i + x] = block[x * from_step + y];
        }
}

#endif
