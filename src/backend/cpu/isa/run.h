/* Rows of backend/kernels.def in this library: from a call of the engine to a kernel's arguments. */
#ifndef SL_BACKEND_CPU_ISA_RUN_H
#define SL_BACKEND_CPU_ISA_RUN_H

#include "backend/cpu/isa/isa.h"
#include "backend/kernel.h"

#define SL_ISA_CODE_(name, level)  sl_kernel_##name##_##level
#define SL_ISA_CODE_2(name, level) SL_ISA_CODE_(name, level)
#define SL_ISA_CODE(name)          SL_ISA_CODE_2(name, SL_ISA_LEVEL)

/* Whether products are those of backend/cpu/amx, which are of bf16 alone */
#ifdef SL_ISA_TILES
enum { HAS_TILES = 1 };
#else
enum { HAS_TILES = 0 };
#endif

/* Whether this level can multiply activations of the type. */
SL_INLINE bool can_multiply(sl_dtype dtype) {
#ifdef SL_ISA_TILES
    return dtype == SL_BF16;
#elif defined __AVX512BF16__
    return dtype == SL_F32 || dtype == SL_BF16;
#else
    return dtype == SL_F32;
#endif
}

SL_INLINE bool is_type(const sl_call *call, int input, sl_dtype dtype) {
    return !sl_call_has(call, input) || call->in[input].dtype == dtype;
}

/* Parameters in fp32: as they are, or converted into the scratch at *room, which moves on. */
SL_INLINE const float *as_floats(const sl_call *call, int input, float **room) {
    if (!sl_call_has(call, input)) return NULL;
    const sl_operand *operand = &call->in[input];
    if (operand->dtype == SL_F32) return operand->data;
    int64_t count = sl_operand_count(operand);
    float *floats = *room;
    sl_convert(operand->dtype, operand->data, SL_F32, floats, (size_t)count);
    *room += round_up(count, 16);
    return floats;
}

/* Room for `count` parameters of up to three kinds */
SL_INLINE size_t parameter_room(int64_t count) {
    return (size_t)(3 * round_up(count, 16)) * sizeof(float);
}

SL_INLINE void *wanted(const sl_call *call, int output) {
    return sl_call_wants(call, output) ? call->out[output].data : NULL;
}

/* A result that the kernel always writes: the output, or scratch where nobody wants it. */
SL_INLINE float *wanted_or(const sl_call *call, int output, int64_t count, float **room) {
    if (sl_call_wants(call, output)) return call->out[output].data;
    float *floats = *room;
    *room += round_up(count, 16);
    return floats;
}

#endif
