/* Weights on their way into a product, from whatever order they are kept in.
 *
 * Packed weights are panels of NR columns, [panel][tap][depth][NR] (pack.c). One copy of a frozen weight
 * serves both passes, and may be of F16: then the part that is about to be read is turned, widened, or both.
 */
#ifndef SL_BACKEND_CPU_ISA_PANELS_H
#define SL_BACKEND_CPU_ISA_PANELS_H

#include "backend/cpu/isa/conv.h"

typedef struct panel_set {
    const void *packed;
    int64_t taps, depth, columns; /* of this pass; depth in units */
    bool half;                    /* F16 */
    bool turned;                  /* kept for the other pass, whose columns are this one's depth; in fp32 */
} panel_set;

static inline panel_set panels_of(const sl_cpu_conv *conv, int64_t taps, int64_t depth, int64_t columns) {
    bool turned = conv->forward_form && conv->pass == SL_CPU_BACKWARD_DATA;
    return (panel_set){conv->packed, taps, depth, columns, conv->half, turned};
}

/* Whether they are read where they lie. */
SL_INLINE bool panels_lie_ready(const panel_set *w) {
    return !w->half && !w->turned;
}

SL_INLINE void widen(const uint16_t *from, int64_t count, float *to) {
    for (int64_t i = 0; i < count; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
}

/* Rows [NR] of a piece of a panel: too few, and too far from the next, for the CPU to see them coming. */
SL_INLINE void prefetch_piece(const void *piece, int64_t rows, int64_t row_bytes) {
    for (int64_t at = 0; at < rows * row_bytes; at += 64) _mm_prefetch((const char *)piece + at, _MM_HINT_T0);
}

/* Depth [k0, k1), k0 a multiple of NR, out of panels of the other pass: pieces of NR of its columns. */
static void turn_panel(const panel_set *w, int64_t panel, int64_t tap, int64_t k0, int64_t k1, float *room) {
    const int64_t size = w->half ? sizeof(uint16_t) : sizeof(float), step = w->taps * w->columns * NR * size;
    int64_t columns = min_of(NR, w->columns - panel * NR);
    float wide[NR * NR] __attribute__((aligned(64)));
    const char *piece =
        (const char *)w->packed + k0 / NR * step + (tap * w->columns + panel * NR) * NR * size;
    if (columns < NR) memset(room, 0, (size_t)((k1 - k0) * NR) * sizeof *room);
    for (int64_t k = k0; k < k1; k += NR, piece += step, room += NR * NR) {
        const float *from = (const float *)(const void *)piece;
        if (k + NR < k1) prefetch_piece(piece + step, columns, NR * size);
        if (w->half) widen((const uint16_t *)(const void *)piece, columns * NR, wide), from = wide;
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
        widen((const uint16_t *)w->packed + at, (k1 - k0) * NR, room);
    return (const unit *)(const void *)room;
}

#endif
