#include "backend/cpu/isa/isa.h"

const sl_cpu_kernels SL_ISA(kernels);
const sl_cpu_kernels SL_ISA(kernels) = {
    .name = SL_ISA_TEXT,
#ifdef __AVX512BF16__
    .bf16 = true,
#endif
#define SL_CPU_KERNEL(result, name, type) .name = SL_ISA(name),
#include "backend/cpu/kernels.def"
#undef SL_CPU_KERNEL
};
