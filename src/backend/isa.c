#include "backend/isa.h"

#include "base/log.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned available;

static bool cpu_has_tiles(void) {
    enum { LEAF = 7, BF16_BIT = 22, TILE_BIT = 24 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(LEAF, 0, &a, &b, &c, &d)) return false;
    return d >> BF16_BIT & 1 && d >> TILE_BIT & 1;
}

/* Linux gives the tile registers to a process that asks, for all its threads and children, and refuses where
 * it cannot save them (Documentation/arch/x86/xstate.rst). Asked only where they may be used: from then on
 * the stack of a signal handler must have room for them. */
static bool may_use_tiles(void) {
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* clang 14 has no name for it. */
static bool cpu_has_f16c(void) {
    enum { F16C = 1 << 29 };
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & F16C;
}

static unsigned cpu_levels(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi2") || !cpu_has_f16c())
        return 0;
    unsigned mask = SL_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return mask;
    mask |= SL_ISA_AVX512;
    if (!__builtin_cpu_supports("avx512bf16")) return mask;
    mask |= SL_ISA_AVX512_BF16;
    return cpu_has_tiles() ? mask | SL_ISA_AMX : mask;
}

static void detect(void) {
    unsigned levels = cpu_levels(), mask;
    const char *forced = getenv("SL_ISA");
    if (forced && *forced) {
        if (sl_isa_parse(forced, &mask) == SL_OK)
            levels &= mask;
        else
            sl_warn("SL_ISA ignored: %s", sl_error_message());
    }
    if (levels & SL_ISA_AMX && !may_use_tiles()) levels &= ~(unsigned)SL_ISA_AMX;
    available = levels;
}

unsigned sl_isa_available(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, detect);
    return available;
}

static const struct {
    const char *name;
    unsigned mask;
} levels[] = {{"ref", 0},
              {"avx2", SL_ISA_AVX2},
              {"avx512", SL_ISA_AVX2 | SL_ISA_AVX512},
              {"avx512bf16", SL_ISA_AVX2 | SL_ISA_AVX512 | SL_ISA_AVX512_BF16},
              {"amx", SL_ISA_ALL}};
enum { LEVELS = sizeof levels / sizeof levels[0] };

sl_status sl_isa_parse(const char *name, unsigned *out) {
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(name, levels[i].name) != 0) continue;
        *out = levels[i].mask;
        return SL_OK;
    }
    return sl_fail(SL_INVALID, "unknown CPU level '%.32s', expected ref, avx2, avx512, avx512bf16 or amx",
                   name);
}

const char *sl_isa_best_name(void) {
    unsigned mask = sl_isa_available();
    size_t best = 0;
    for (size_t i = 0; i < LEVELS; i++)
        if ((levels[i].mask & mask) == levels[i].mask) best = i;
    return levels[best].name;
}
