/* Products of bfloat16 in the tile registers of AMX: 16 rows of 64 bytes each, of which a 32 x 32 block of C
 * takes four, A two and B two.
 *
 * A unit is a pair of neighbouring k. A has [row][k] units, B [k][column] units as in micro.h, so that the
 * packed forms of all levels are alike; here every depth is a multiple of DEPTH units, filled up with zeros.
 * Sums are in fp32; numbers too small for normal form count as zero (Intel, Architecture Instruction Set
 * Extensions, TDPBF16PS). */
#ifndef SL_BACKEND_CPU_AMX_TILES_H
#define SL_BACKEND_CPU_AMX_TILES_H

#include "backend/cpu/isa/conv.h"

enum {
    TILE = 16,        /* rows, and units or floats of a row */
    BLOCK = 2 * TILE, /* rows and columns of a product */
    DEPTH = TILE,     /* units of one multiplication */
};

/* C[row][column] (+)= sum over t < count, k < depth of A[row][a_at[t] + k] * B[b_at[t] + k][column]. A may
 * begin at any even address: a pair is any two neighbours. */
typedef struct tile_product {
    const void *a; /* rows `lda` bytes apart */
    int64_t lda;
    const unit *b; /* rows `ldb` units apart */
    int64_t ldb;
    const int64_t *a_at, *b_at; /* [count]; bytes, rows. NULL: zeros */
    int64_t count, depth;
    float *c;
    int64_t ldc;
    bool add;
} tile_product;

/* Between these two a task may multiply. A thread that keeps tiles keeps its core from sleeping deeply. */
SL_INLINE void tiles_begin(void) {
    /* in static memory: the intrinsic tells the compiler of its first bytes alone */
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1,
                .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                .rows = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE}};
    _tile_loadconfig(&config);
}
SL_INLINE void tiles_end(void) {
    _tile_release();
}

/* The intrinsics do not tell the compiler what memory they read. */
SL_INLINE void memory_is_written(void) {
    __asm__ volatile("" ::: "memory");
}

/* The sanitizer does not see what a tile reads and writes: first and last byte of each row, for it. */
SL_INLINE void touch_rows(const void *first, int64_t step, int64_t rows, int64_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    for (int64_t i = 0; i < rows; i++) {
        const volatile char *row = (const volatile char *)first + i * step;
        (void)row[0];
        (void)row[bytes - 1];
    }
#else
    (void)first, (void)step, (void)rows, (void)bytes;
#endif
}

SL_INLINE void tile_body(const int row_tiles, const int column_tiles, const tile_product *p) {
    const int64_t lda = p->lda, ldb = p->ldb, ldc = p->ldc;
    const int64_t b_step = ldb * (int64_t)sizeof(unit), c_step = ldc * (int64_t)sizeof(float);
    memory_is_written();
    touch_rows(p->c, c_step, row_tiles * TILE, column_tiles * 64);
    if (p->add) {
        _tile_loadd(0, p->c, c_step);
        if (column_tiles == 2) _tile_loadd(1, p->c + TILE, c_step);
        if (row_tiles == 2) _tile_loadd(2, p->c + TILE * ldc, c_step);
        if (row_tiles == 2 && column_tiles == 2) _tile_loadd(3, p->c + TILE * ldc + TILE, c_step);
    } else {
        _tile_zero(0);
        if (column_tiles == 2) _tile_zero(1);
        if (row_tiles == 2) _tile_zero(2);
        if (row_tiles == 2 && column_tiles == 2) _tile_zero(3);
    }
    for (int64_t t = 0; t < p->count; t++) {
        const char *a = (const char *)p->a + (p->a_at ? p->a_at[t] : 0);
        const unit *b = p->b + (p->b_at ? p->b_at[t] * ldb : 0);
        touch_rows(a, lda, row_tiles * TILE, p->depth * (int64_t)sizeof(unit));
        touch_rows(b, b_step, p->depth, column_tiles * 64);
        for (int64_t k = 0; k < p->depth; k += DEPTH, a += DEPTH * sizeof(unit), b += DEPTH * ldb) {
            _tile_loadd(6, b, b_step);
            _tile_loadd(4, a, lda);
            _tile_dpbf16ps(0, 4, 6);
            if (column_tiles == 2) {
                _tile_loadd(7, b + TILE, b_step);
                _tile_dpbf16ps(1, 4, 7);
            }
            if (row_tiles == 2) {
                _tile_loadd(5, a + TILE * lda, lda);
                _tile_dpbf16ps(2, 5, 6);
            }
            if (row_tiles == 2 && column_tiles == 2) _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, p->c, c_step);
    if (column_tiles == 2) _tile_stored(1, p->c + TILE, c_step);
    if (row_tiles == 2) _tile_stored(2, p->c + TILE * ldc, c_step);
    if (row_tiles == 2 && column_tiles == 2) _tile_stored(3, p->c + TILE * ldc + TILE, c_step);
    memory_is_written();
}

/* One product of `rows` x `columns`, each 1..BLOCK; C is written in whole tiles, and A and B are read so. */
SL_INLINE void tile_multiply(const tile_product *p, int64_t rows, int64_t columns) {
    if (rows > TILE) {
        if (columns > TILE)
            tile_body(2, 2, p);
        else
            tile_body(2, 1, p);
    } else if (columns > TILE)
        tile_body(1, 2, p);
    else
        tile_body(1, 1, p);
}

/* Units of so many channels, in whole tiles */
SL_INLINE int64_t tile_units(int64_t channels) {
    return round_up(ceil_div(channels, 2), DEPTH);
}

SL_INLINE void store_units(unit *to, vi x) {
    _mm512_storeu_si512(to, x);
}

/* One row of `channels` in bf16, at any even address, filled up to whole tiles; NULL: zeros */
SL_INLINE void copy_tile_row(const uint16_t *from, int64_t channels, unit *out) {
    for (int64_t k = 0; k < channels; k += 2 * TILE, out += TILE) {
        __mmask32 inside = (__mmask32)((UINT64_C(1) << min_of(2 * TILE, channels - k)) - 1);
        store_units(out, from ? _mm512_maskz_loadu_epi16(inside, from + k) : _mm512_setzero_si512());
    }
}

#endif
