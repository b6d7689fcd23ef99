#include "backend/cpu/kernels.h"

#include "backend/isa.h"

#include <stddef.h>

extern const sl_cpu_kernels sl_kernels_avx2, sl_kernels_avx512, sl_kernels_avx512bf16;

const sl_cpu_kernels *sl_cpu_kernels_for(unsigned isa) {
    if (isa & SL_ISA_AVX512_BF16) return &sl_kernels_avx512bf16;
    if (isa & SL_ISA_AVX512) return &sl_kernels_avx512;
    return isa & SL_ISA_AVX2 ? &sl_kernels_avx2 : NULL;
}
