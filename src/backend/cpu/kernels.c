#include "backend/cpu/kernels.h"

#include "backend/isa.h"

#include <stddef.h>

extern const sl_cpu_kernels sl_kernels_avx2, sl_kernels_avx512, sl_kernels_avx512bf16;

#define SL_CPU_KERNEL(result, name, type)  result sl_##name##_avx512bf16(const type *arguments);
#define SL_CPU_PRODUCT(result, name, type) result sl_##name##_amx(const type *arguments);
#include "backend/cpu/kernels.def"
#undef SL_CPU_KERNEL

static const sl_cpu_kernels amx = {
    .name = "amx",
    .bf16 = true,
    .bf16_only = true,
#define SL_CPU_KERNEL(result, name, type)  .name = sl_##name##_avx512bf16,
#define SL_CPU_PRODUCT(result, name, type) .name = sl_##name##_amx,
#include "backend/cpu/kernels.def"
#undef SL_CPU_KERNEL
};

const sl_cpu_kernels *sl_cpu_kernels_for(unsigned isa) {
    if (isa & SL_ISA_AMX) return &amx;
    if (isa & SL_ISA_AVX512_BF16) return &sl_kernels_avx512bf16;
    if (isa & SL_ISA_AVX512) return &sl_kernels_avx512;
    return isa & SL_ISA_AVX2 ? &sl_kernels_avx2 : NULL;
}
