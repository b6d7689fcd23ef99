#include "diffusion/deblock.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

/* ---- borders ---- */

static float within(float x, float limit) {
    return x < -limit ? -limit : x > limit ? limit : x;
}

/* The pixels at[-2 * step] to at[step] on either side of a border before `at`. */
static void meet(float *at, int64_t step, float limit) {
    float left = 1.5f * at[-step] - 0.5f * at[-2 * step], right = 1.5f * at[0] - 0.5f * at[step];
    float gap = within(right - left, limit);
    at[-2 * step] += 0.25f * gap;
    at[-step] += 0.5f * gap;
    at[0] -= 0.5f * gap;
    at[step] -= 0.25f * gap;
}

static void join_borders(float *image, int64_t height, int64_t width, int64_t channels, int64_t block,
                         float limit) {
    int64_t row = width * channels;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = block; x < width; x += block)
            for (int64_t c = 0; c < channels; c++) meet(image + y * row + x * channels + c, channels, limit);
    for (int64_t y = block; y < height; y += block)
        for (int64_t i = 0; i < row; i++) meet(image + y * row + i, row, limit);
}

/* ---- detail ---- */

/* Place i of n, which may lie beyond: an image goes on as in a mirror. */
static int64_t mirrored(int64_t i, int64_t n) {
    while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2 * n - 1 - i;
    return i;
}

/* Means over a block's width along an axis of `count` places, `step` numbers each; in[lines][count][step],
 * out[] alike, line[count + block][step]. Half of the first and last number where their number is even, so
 * that a mean has a middle. */
static void means_along(const float *in, int64_t lines, int64_t count, int64_t step, int64_t block,
                        float *line, float *out) {
    int64_t reach = block / 2, values = count * step;
    for (int64_t n = 0; n < lines; n++, in += values, out += values) {
        for (int64_t i = -reach; i < count + reach; i++)
            memcpy(line + (i + reach) * step, in + mirrored(i, count) * step, (size_t)step * sizeof *line);
        memset(out, 0, (size_t)values * sizeof *out);
        for (int64_t k = 0; k <= 2 * reach; k++) {
            bool is_half = block % 2 == 0 && (k == 0 || k == 2 * reach);
            float share = (is_half ? 0.5f : 1.0f) / (float)block;
            for (int64_t i = 0; i < values; i++) out[i] += share * line[k * step + i];
        }
    }
}

typedef struct detail_work {
    int64_t height, width, channels, block;
    float *line, *half, *smooth, *more; /* [height + block, width, channels], then images */
} detail_work;

/* Over a block both ways. `out` may be `in`. */
static void block_means(const detail_work *w, const float *in, float *out) {
    means_along(in, w->height, w->width, w->channels, w->block, w->line, w->half);
    means_along(w->half, 1, w->height, w->width * w->channels, w->block, w->line, out);
}

static void take_detail(const detail_work *w, double limit, float *image) {
    int64_t count = w->height * w->width * w->channels;
    block_means(w, image, w->smooth);
    block_means(w, w->smooth, w->more);
    for (int64_t i = 0; i < count; i++) {
        w->smooth[i] = 2 * w->smooth[i] - w->more[i] - image[i];
        w->more[i] = w->smooth[i] * w->smooth[i];
    }
    /* as far about as the means of means have come, so that what stands out is seen where it blurs them */
    block_means(w, w->more, w->more);
    block_means(w, w->more, w->more);
    for (int64_t i = 0; i < count; i++) {
        float share = w->more[i] / (float)(limit * limit), fourth = share * share * share * share;
        image[i] += within(w->smooth[i] / (1 + fourth), (float)limit);
    }
}

static sl_status smooth_detail(const sl_deblocking *how, float *image, int64_t height, int64_t width,
                               int64_t channels) {
    size_t row = (size_t)(width * channels), count = (size_t)height * row,
           longest = (size_t)(height + how->block) * row + (size_t)((width + how->block) * channels);
    float *room;
    SL_TRY(sl_alloc(&room, longest + 3 * count, sizeof *room));
    float *half = room + longest;
    detail_work work = {height, width, channels, how->block, room, half, half + count, half + 2 * count};
    take_detail(&work, how->detail, image);
    sl_free(room);
    return SL_OK;
}

sl_status sl_deblock(const sl_deblocking *how, float *image, int64_t height, int64_t width,
                     int64_t channels) {
    if (how->step > 0) join_borders(image, height, width, channels, how->block, (float)how->step);
    return how->detail > 0 ? smooth_detail(how, image, height, width, channels) : SL_OK;
}
