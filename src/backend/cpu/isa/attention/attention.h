/* Shared by attention forward and backward. */
#ifndef SL_BACKEND_CPU_ISA_ATTENTION_H
#define SL_BACKEND_CPU_ISA_ATTENTION_H

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/micro.h"
#ifdef SL_ISA_TILES
#include "backend/cpu/amx/tiles.h"
#endif

/* Tokens of a tile of the score matrix (KV_BLOCK is a multiple of NR), and what products count in: units of
 * a head's channels and tokens of keys are filled up to whole steps. */
#ifdef SL_ISA_TILES
enum { Q_BLOCK = 64, KV_BLOCK = 128, UNIT_STEP = DEPTH, TOKEN_STEP = BLOCK };
_Static_assert((int)NR == (int)BLOCK && KV_BLOCK % (int)BLOCK == 0 && (int)DEPTH == (int)VL,
               "panels and steps are those of tiles");
#else
enum {
    Q_BLOCK = 60 /* five full tiles of the micro kernel */,
    KV_BLOCK = 128,
    UNIT_STEP = 1,
    TOKEN_STEP = VL
};
#endif

static const float LOG2_E = 1.44269504f;

SL_INLINE int64_t head_units(bool bf16, int64_t dim) {
    return round_up(bf16 ? dim / 2 : dim, UNIT_STEP);
}

/* The shape with strides filled in */
SL_INLINE sl_cpu_attention_shape with_strides(const sl_cpu_attention_shape *shape) {
    sl_cpu_attention_shape s = *shape;
    int64_t dense = s.heads * s.head_dim;
    if (!s.q_stride) s.q_stride = dense;
    if (!s.k_stride) s.k_stride = dense;
    if (!s.v_stride) s.v_stride = dense;
    if (!s.out_stride) s.out_stride = dense;
    return s;
}

/* C[rows, columns] (+)= A B, with A transposed where it is said, in tiles never. Panel j of B holds NR
 * columns and starts at b + j*panel_step; columns are computed in whole vectors, so C and B have them up to a
 * multiple of VL. */
typedef struct product {
    bool bf16, transposed;
    const unit *a, *b;
    int64_t lda, a_row_step, ldb, panel_step;
    int64_t rows, columns, depth;
    float *c;
    int64_t ldc;
    bool add;
} product;

#ifdef SL_ISA_TILES
SL_INLINE void multiply_blocks(const product *p) {
    tile_product t = {.lda = p->lda * (int64_t)sizeof(unit), .ldb = p->ldb, .count = 1, .depth = p->depth};
    t.ldc = p->ldc, t.add = p->add;
    for (int64_t j = 0; j < p->columns; j += BLOCK)
        for (int64_t i = 0; i < p->rows; i += BLOCK) {
            t.a = p->a + i * p->a_row_step, t.b = p->b + j / BLOCK * p->panel_step;
            t.c = p->c + i * p->ldc + j;
            tile_multiply(&t, p->rows - i, p->columns - j);
        }
}
#else
SL_INLINE void multiply_blocks(const product *p) {
    micro_fn kernel = micro_for(p->bf16, p->transposed);
    for (int64_t j = 0; j < p->columns; j += NR) {
        int nv = p->columns - j > VL ? 2 : 1;
        int64_t tiles = ceil_div(p->rows, nv == 2 ? MR : MR_ONE);
        for (int64_t i = 0; i < tiles; i++) {
            range rows = part_of(p->rows, tiles, i);
            const unit *a = p->a + rows.begin * p->a_row_step;
            micro m = {.a = &a, .lda = p->lda, .ldb = p->ldb, .count = 1, .depth = p->depth, .add = p->add};
            m.b = p->b + j / NR * p->panel_step;
            m.c = p->c + rows.begin * p->ldc + j, m.ldc = p->ldc;
            kernel(&m, (int)(rows.end - rows.begin), nv);
        }
    }
}
#endif

/* Tokens [first, first + count) of one head, x[tokens, dim] with row stride, as columns of panels:
 * out[panel][head_units][NR], zero beyond the tokens and dim. */
void SL_ISA(attention_pack_columns)(bool bf16, const void *x, int64_t stride, int64_t dim, int64_t count,
                                    unit *out);

/* Tokens as rows: out[unit of tokens][width], width a multiple of VL, whole TOKEN_STEPs of tokens in bf16;
 * zero beyond dim and the tokens. */
void SL_ISA(attention_pack_rows)(bool bf16, const void *x, int64_t stride, int64_t dim, int64_t width,
                                 int64_t count, unit *out);

#endif
