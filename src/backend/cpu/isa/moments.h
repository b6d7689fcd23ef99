/* Sums over the rows of a block of an activation, one for each column: what the norms are made of. */
#ifndef SL_BACKEND_CPU_ISA_MOMENTS_H
#define SL_BACKEND_CPU_ISA_MOMENTS_H

#include "backend/cpu/isa/isa.h"

/* Rows of a part of an activation with `width` columns: about 16 thousand elements, by shape alone. */
SL_INLINE int64_t rows_in_part(int64_t width) {
    return max_of(1, 16384 / max_of(1, width));
}

/* Sums of x - shift and of its square for each column of x[rows, width] starting at element `at`. A shift
 * near the mean keeps the difference of large numbers out of the variance. */
SL_INLINE void column_moments(const bool bf16, const void *x, int64_t at, int64_t rows, int64_t width,
                              const float *shift, float *sum, float *square) {
    enum { VECTORS = 4, BLOCK = 32 };
    for (int64_t c = 0; c < width; c += VECTORS * VL) {
        vf s[VECTORS], q[VECTORS], k[VECTORS];
        int64_t lanes[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            lanes[v] = max_of(0, min_of(VL, width - c - v * VL));
            s[v] = q[v] = vf_zero();
            k[v] = vf_load_n(shift + c + v * VL, lanes[v]);
        }
        /* short sums first: less is lost by rounding */
        for (int64_t first = 0; first < rows; first += BLOCK) {
            vf bs[VECTORS], bq[VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) bs[v] = bq[v] = vf_zero();
            for (int64_t row = first; row < min_of(rows, first + BLOCK); row++)
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; v++) {
                    if (lanes[v] == 0) continue;
                    vf d = vf_get_n(bf16, x, at + row * width + c + v * VL, lanes[v]) - k[v];
                    bs[v] = bs[v] + d;
                    bq[v] = vf_fma(d, d, bq[v]);
                }
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) s[v] = s[v] + bs[v], q[v] = q[v] + bq[v];
        }
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            vf_store_n(sum + c + v * VL, s[v], lanes[v]);
            vf_store_n(square + c + v * VL, q[v], lanes[v]);
        }
    }
}

/* Mean and sum of squared deviations of some numbers, and the same of two lots together (Chan et al. 1983).
 */
typedef struct moments {
    double count, mean, deviation;
} moments;
SL_INLINE moments moments_of(double count, double shift, double sum, double square) {
    return (moments){count, shift + sum / count, square - sum * sum / count};
}
SL_INLINE moments moments_join(moments a, moments b) {
    double count = a.count + b.count, gap = b.mean - a.mean;
    if (a.count == 0) return b;
    return (moments){count, a.mean + gap * b.count / count,
                     a.deviation + b.deviation + gap * gap * a.count * b.count / count};
}

#endif
