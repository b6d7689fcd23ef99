/* Sums, guidance and noise of a step of sampling: src/op/sampling.c. Sums and noise are formed in double:
 * there are few of them, and they are what the CPU forms. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_SAMPLING_H
#define SL_BACKEND_CUDA_OWN_BODIES_SAMPLING_H

#include "backend/cuda/own/bodies_common.h"

/* ---- sums ---- */

PIECE position combine_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE double sum_of_terms(const sl_cuda_own *c, const double *weight, position i) {
    double sum = 0;
    for (int k = 1; k < c->in_count; k++)
        if (has(c, k) && weight[k - 1] != 0) sum += weight[k - 1] * (double)((const float *)c->in[k].data)[i];
    return sum;
}

PIECE void combine_at(const sl_cuda_own *c, position i) {
    int width = (int)c->in[0].shape.dim[1];
    const double *weights = (const double *)c->in[0].data, *weight = weights + c->attrs.start * width;
    double sum = sum_of_terms(c, weight, i), high = c->attrs.alpha;
    if (weight[width - 1] != 0) {
        double p = sum_of_terms(c, weights + c->attrs.count * width, i);
        if (high > 0) p = p < -high ? -high : p > high ? high : p;
        sum += weight[width - 1] * (c->attrs.keep ? (double)(float)p : p);
    }
    ((float *)c->out[0].data)[i] = (float)sum;
}

/* ---- guidance ---- */

PIECE position guide_items(const sl_cuda_own *c) {
    return dim_of(&c->out[0], 0);
}

/* Of an image, by its team; n-1, as torch.std. */
PIECE float spread_of(const float *x, position count, sl_cuda_team team) {
    float sum = 0, squares = 0;
    for (position i = team.rank; i < count; i += team.size) sum += x[i];
    float mean = team_sum(team, sum) / (float)count;
    for (position i = team.rank; i < count; i += team.size) squares += (x[i] - mean) * (x[i] - mean);
    return sqrtf(team_sum(team, squares) / (float)(count - 1));
}

/* Of the first channel's mean, with the prompt less without. */
PIECE float level_difference(const float *absent, const float *bound, position places, position channels,
                             sl_cuda_team team) {
    float sum = 0;
    for (position i = team.rank; i < places; i += team.size)
        sum += bound[i * channels] - absent[i * channels];
    return team_sum(team, sum) / (float)places;
}

/* A member reads of y only what it has written itself. */
PIECE void guide_at(const sl_cuda_own *c, position image, sl_cuda_team team) {
    position count = count_of(&c->out[0]), each = divide(count, dim_of(&c->out[0], 0)).whole;
    const double *weights = (const double *)c->in[1].data;
    const float *absent = (const float *)c->in[0].data + image * each, *bound = absent + count;
    float *y = (float *)c->out[0].data + image * each, guidance = (float)weights[0],
          rescale = (float)weights[1], more = (float)(weights[2] - weights[0]), shift = 0;
    position channels = dim_of(&c->out[0], c->out[0].shape.rank - 1), places = divide(each, channels).whole;
    if (more != 0) shift = more * level_difference(absent, bound, places, channels, team);
    for (position i = team.rank; i < each; i += team.size)
        y[i] = absent[i] + guidance * (bound[i] - absent[i]) + (divide(i, channels).rest ? 0 : shift);
    if (!(rescale > 0)) return;
    float wanted = spread_of(bound, each, team),
          factor = rescale * wanted / spread_of(y, each, team) + (1 - rescale);
    for (position i = team.rank; i < each; i += team.size) y[i] *= factor;
}

/* ---- noise ---- */

typedef struct random_block {
    uint32_t word[4];
} random_block;

/* Philox4x32-10: Salmon et al. 2011. */
PIECE random_block philox(uint32_t key0, uint32_t key1, random_block b) {
    for (int round = 0; round < 10; round++) {
        uint64_t first = (uint64_t)0xD2511F53u * b.word[0], second = (uint64_t)0xCD9E8D57u * b.word[2];
        random_block next = {{(uint32_t)(second >> 32) ^ b.word[1] ^ key0, (uint32_t)second,
                              (uint32_t)(first >> 32) ^ b.word[3] ^ key1, (uint32_t)first}};
        b = next;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return b;
}

PIECE double uniform_of(uint32_t high, uint32_t low) {
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

PIECE void sine_of_turn(double turn, double *sine, double *cosine) {
#ifdef __CUDA_ARCH__
    sincospi(2 * turn, sine, cosine);
#else
    *sine = sin(6.283185307179586 * turn);
    *cosine = cos(6.283185307179586 * turn);
#endif
}

PIECE position pairs_each(const sl_cuda_own *c) {
    const sl_operand *out = &c->out[0];
    return divided_up(dim_of(out, 1) * dim_of(out, 2) * dim_of(out, 3), 2);
}

PIECE position noise_items(const sl_cuda_own *c) {
    return dim_of(&c->out[0], 0) * pairs_each(c);
}

/* A block gives two normals (Box-Muller), neighbours in the order C,H,W. */
PIECE void noise_at(const sl_cuda_own *c, position item) {
    const uint32_t *key = (const uint32_t *)c->in[0].data;
    const sl_operand *out = &c->out[0];
    position pixels = dim_of(out, 1) * dim_of(out, 2), channels = dim_of(out, 3), each = pixels * channels;
    split at = divide(item, pairs_each(c)); /* the image, and the pair in it */
    uint64_t counter = ((uint64_t)key[5] << 32 | key[4]) + (uint64_t)at.rest;
    random_block b = {{(uint32_t)counter, (uint32_t)(counter >> 32), key[2], key[3] + (uint32_t)at.whole}};
    b = philox(key[0], key[1], b);
    double radius = sqrt(-2 * log(1 - uniform_of(b.word[0], b.word[1])));
    double sine, cosine;
    sine_of_turn(uniform_of(b.word[2], b.word[3]), &sine, &cosine);
    float pair[2] = {(float)(radius * cosine), (float)(radius * sine)};
    for (int k = 0; k < 2 && 2 * at.rest + k < each; k++) {
        split place = divide(2 * at.rest + k, pixels); /* the channel, and the pixel */
        ((float *)out->data)[at.whole * each + place.rest * channels + place.whole] = pair[k];
    }
}

#endif
