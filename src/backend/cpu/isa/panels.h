/* Weights on their way into a product, from whatever order they are kept in.
 *
 * Packed weights are panels of NR columns, [panel][tap][depth][NR] (pack.c). One copy of a frozen weight
 * serves both passes, and may be of 16 bits: then the part that is about to be read is turned, widened, or
 * both. */
#ifndef SL_BACKEND_CPU_ISA_PANELS_H
#define SL_BACKEND_CPU_ISA_PANELS_H

#include "backend/cpu/isa/conv.h"

typedef struct panel_set {
    const void *packed;
    int64_t taps, depth, columns; /* of this pass; depth in units, in channels where `pairs` */
    bool half;                    /* F16 */
    bool pairs;                   /* of bf16 of an even depth, wanted as floats */
    bool turned; /* kept for the other pass, whose columns are this one's depth; not units of pairs */
} panel_set;

static inline panel_set panels_of(const sl_cpu_conv *conv, int64_t taps, int64_t depth, int64_t columns) {
    bool turned = conv->forward_form && conv->pass == SL_CPU_BACKWARD_DATA;
    return (panel_set){conv->packed, taps, depth, columns, conv->half, false, turned};
}

/* Whether they are read where they lie. */
SL_INLINE bool panels_lie_ready(const panel_set *w) {
    return !w->half && !w->pairs && !w->turned;
}

SL_INLINE bool is_narrow(const panel_set *w) {
    return w->half || w->pairs;
}

/* Some rows [NR], of pairs an even number. */
SL_INLINE void widen(const panel_set *w, const uint16_t *from, int64_t rows, float *to) {
    if (w->half) {
        for (int64_t i = 0; i < rows * NR; i += 8)
            _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
        return;
    }
    const vi upper = vi_set1((int32_t)0xffff0000);
    for (int64_t i = 0; i < rows; i += 2, from += 2 * NR, to += 2 * NR)
        for (int64_t j = 0; j < NR; j += VL) {
            vi pair = vi_bits(vf_load((const float *)(const void *)(from + 2 * j)));
            vf_store(to + j, vf_bits(vi_shift_up(pair, 16)));
            vf_store(to + NR + j, vf_bits(vi_and(pair, upper)));
        }
}

/* Rows [NR] of a piece of a panel: too few, and too far from the next, for the CPU to see them coming. */
SL_INLINE void prefetch_piece(const void *piece, int64_t rows, int64_t row_bytes) {
    for (int64_t at = 0; at < rows * row_bytes; at += 64) _mm_prefetch((const char *)piece + at, _MM_HINT_T0);
}

/* Depth [k0, k1), k0 a multiple of NR, out of panels of the other pass: pieces of NR of its columns. */
static void turn_panel(const panel_set *w, int64_t panel, int64_t tap, int64_t k0, int64_t k1, float *room) {
    const int64_t size = is_narrow(w) ? sizeof(uint16_t) : sizeof(float),
                  step = w->taps * w->columns * NR * size;
    int64_t columns = min_of(NR, w->columns - panel * NR);
    float wide[NR * NR] __attribute__((aligned(64)));
    const char *piece =
        (const char *)w->packed + k0 / NR * step + (tap * w->columns + panel * NR) * NR * size;
    if (columns < NR) memset(room, 0, (size_t)((k1 - k0) * NR) * sizeof *room);
    for (int64_t k = k0; k < k1; k += NR, piece += step, room += NR * NR) {
        const float *from = (const float *)(const void *)piece;
        if (k + NR < k1) prefetch_piece(piece + step, columns, NR * size);
        if (is_narrow(w)) widen(w, (const uint16_t *)(const void *)piece, columns, wide), from = wide;
        transpose(from, NR, columns, min_of(NR, k1 - k), room, NR);
    }
}

/* [k1 - k0][NR] of a panel under a tap: in place, or in `room`. */
static inline const unit *panel_rows(const panel_set *w, int64_t panel, int64_t tap, int64_t k0, int64_t k1,
                                     float *room) {
    int64_t at = ((panel * w->taps + tap) * w->depth + k0) * NR;
    if (panels_lie_ready(w)) return (const unit *)w->packed + at;
    if (w->turned)
        turn_panel(w, panel, tap, k0, k1, room);
    else
        widen(w, (const uint16_t *)w->packed + at, k1 - k0, room);
    return (const unit *)(const void *)room;
}

#endif
