/* Shared by the files of the convolution. */
#ifndef SL_BACKEND_CPU_ISA_CONV_H
#define SL_BACKEND_CPU_ISA_CONV_H

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/micro.h"

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

#endif
