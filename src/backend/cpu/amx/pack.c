/* Weights for tiles: for each panel of BLOCK output columns, [tap][k][BLOCK] units, k filled up to whole
 * tiles, zero where the panel exceeds the columns or the tile the channels. */
#include "backend/cpu/amx/tiles.h"

size_t SL_ISA(conv_packed_bytes)(const sl_cpu_conv_pack *p) {
    int64_t taps = p->shape->kernel_h * p->shape->kernel_w;
    return (size_t)(ceil_div(pack_columns(p), BLOCK) * taps * tile_units(pack_depth(p)) * BLOCK) *
           sizeof(unit);
}

/* n of the weights at, at + step, ... */
SL_INLINE vf weights_from(const sl_cpu_conv_pack *p, int64_t at, int64_t step, int64_t n) {
    if (p->weights_dtype == SL_F32) {
        const float *from = (const float *)p->weights + at;
        if (step == 1) return vf_load_n(from, n);
        vi places = _mm512_mullo_epi32(
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), vi_set1((int32_t)step));
        return _mm512_mask_i32gather_ps(vf_zero(), vm_first(n), places, from, sizeof(float));
    }
    float lanes[TILE] = {0};
    for (int64_t i = 0; i < n; i++) lanes[i] = weight_at(p->weights_dtype, p->weights, at + i * step);
    return vf_load(lanes);
}

SL_INLINE vi pairs_of(vf low, vf high) {
    vi a = _mm512_cvtepu16_epi32(bf16_bits(low)), b = _mm512_cvtepu16_epi32(bf16_bits(high));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

SL_INLINE int64_t lanes_from(int64_t begin, int64_t end, int64_t step) {
    return max_of(0, min_of(TILE, ceil_div(end - begin, step)));
}

/* 16 units of 16 columns, forward: pairs of input channels of one output channel, which are transposed. */
static void pack_forward(const sl_cpu_conv_pack *p, int64_t taps, int64_t tap, int64_t k, int64_t column,
                         unit *out) {
    int64_t in_c = p->shape->in_c;
    vi row[TILE];
    for (int64_t j = 0; j < TILE; j++) {
        row[j] = _mm512_setzero_si512();
        if (column + j >= p->shape->out_c) continue;
        int64_t at = ((column + j) * in_c + 2 * k) * taps + tap;
        vf low = weights_from(p, at, 2 * taps, lanes_from(2 * k, in_c, 2));
        int64_t more = lanes_from(2 * k + 1, in_c, 2);
        row[j] = pairs_of(low, more ? weights_from(p, at + taps, 2 * taps, more) : vf_zero());
    }
    transpose_units(row);
    for (int64_t i = 0; i < TILE; i++) store_units(out + i * BLOCK, row[i]);
}

/* The same backward: pairs of output channels of one input channel. */
static void pack_backward(const sl_cpu_conv_pack *p, int64_t taps, int64_t tap, int64_t k, int64_t column,
                          unit *out) {
    int64_t in_c = p->shape->in_c, out_c = p->shape->out_c, n = lanes_from(column, in_c, 1);
    for (int64_t i = 0; i < TILE; i++) {
        vf half[2] = {vf_zero(), vf_zero()};
        for (int64_t j = 0; j < 2; j++) {
            int64_t o = 2 * (k + i) + j;
            if (o < out_c && n > 0) half[j] = weights_from(p, (o * in_c + column) * taps + tap, taps, n);
        }
        store_units(out + i * BLOCK, pairs_of(half[0], half[1]));
    }
}

static void pack_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_conv_pack *p = context;
    int64_t taps = p->shape->kernel_h * p->shape->kernel_w, units = tile_units(pack_depth(p)),
            panel = task / taps, tap = task % taps;
    unit *out = (unit *)p->packed + task * units * BLOCK;
    for (int64_t k = 0; k < units; k += TILE)
        for (int64_t j = 0; j < BLOCK; j += TILE) {
            unit *to = out + k * BLOCK + j;
            if (p->pass == SL_CPU_FORWARD)
                pack_forward(p, taps, tap, k, panel * BLOCK + j, to);
            else
                pack_backward(p, taps, tap, k, panel * BLOCK + j, to);
        }
}

void SL_ISA(conv_pack)(const sl_cpu_conv_pack *p) {
    int64_t taps = p->shape->kernel_h * p->shape->kernel_w;
    sl_cpu_conv_pack job = *p;
    sl_parallel_for(ceil_div(pack_columns(p), BLOCK) * taps, pack_task, &job);
}
