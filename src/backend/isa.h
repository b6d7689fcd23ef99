/* CPU levels that kernels are compiled for. */
#ifndef SL_BACKEND_ISA_H
#define SL_BACKEND_ISA_H

#include "base/status.h"

typedef enum sl_isa {
    SL_ISA_AVX2 = 1,        /* x86-64-v3: AVX2, FMA, F16C, BMI2 */
    SL_ISA_AVX512 = 2,      /* x86-64-v4: AVX-512 F, BW, CD, DQ, VL */
    SL_ISA_AVX512_BF16 = 4, /* and the bfloat16 dot products */
    SL_ISA_AMX = 8,         /* and bfloat16 products of tiles */
    SL_ISA_ALL = 15,
} sl_isa;

/* Mask of the levels that this CPU has and the environment allows: SL_ISA=ref|avx2|avx512|avx512bf16|amx
 * forces a level (with all below it) for tests; "ref" is 0: the plain references alone. Unknown words are
 * reported once and ignored. */
unsigned sl_isa_available(void);

/* The highest level of sl_isa_available(): "avx512"; "ref" where there is none. */
const char *sl_isa_best_name(void);

/* The mask of a level's name ("avx2"), those below it included. */
sl_status sl_isa_parse(const char *name, unsigned *out);

#endif
