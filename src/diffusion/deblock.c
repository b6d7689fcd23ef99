#include "diffusion/deblock.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* A narrower block has no pixels but those that are changed at its borders. */
enum { LEAST_BLOCK = 4 };

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

/* How an image goes on beyond its ends: with its slope, as if turned about the last place, or as in a mirror.
 */
typedef enum beyond { TURNED, MIRRORED } beyond;

/* Means over a block's width along an axis of `count` places, at least a block's, `step` numbers each:
 * in[lines][count][step], out[] alike, line[count + block][step]. Half of the first and last number where
 * their number is even, so that a mean has a middle. */
static void means_along(const float *in, int64_t lines, int64_t count, int64_t step, int64_t block,
                        beyond ends, float *line, float *out) {
    int64_t reach = block / 2, values = count * step;
    for (int64_t n = 0; n < lines; n++, in += values, out += values) {
        memcpy(line + reach * step, in, (size_t)values * sizeof *line);
        for (int64_t far = 1; far <= reach; far++)
            for (int64_t i = 0; i < step; i++) {
                const float *first = in + i, *last = first + values - step;
                float before = first[far * step], behind = last[-far * step];
                line[(reach - far) * step + i] = ends == TURNED ? 2 * *first - before : before;
                line[(reach + count - 1 + far) * step + i] = ends == TURNED ? 2 * *last - behind : behind;
            }
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
    float *line;            /* [height + block, width, channels] */
    float *half;            /* images: means along rows alone, */
    float *change, *detail; /* what would take detail out, and how much there is of it about a place */
} detail_work;

/* Over a block both ways. `out` may be `in`. */
static void block_means(const detail_work *w, const float *in, beyond ends, float *out) {
    means_along(in, w->height, w->width, w->channels, w->block, ends, w->line, w->half);
    means_along(w->half, 1, w->height, w->width * w->channels, w->block, ends, w->line, out);
}

static void find_detail(const detail_work *w, const float *image) {
    int64_t count = w->height * w->width * w->channels;
    float *means = w->change, *again = w->detail;
    block_means(w, image, TURNED, means);
    block_means(w, means, TURNED, again);
    for (int64_t i = 0; i < count; i++) {
        w->change[i] = 2 * means[i] - again[i] - image[i];
        w->detail[i] = w->change[i] * w->change[i];
    }
    /* twice, as the change: so a spot is seen wherever the means have spread it to */
    block_means(w, w->detail, MIRRORED, w->detail);
    block_means(w, w->detail, MIRRORED, w->detail);
}

/* The fourth power of the share makes it all or nothing but near the limit. Where something is not finite,
 * all stays as it is. */
static void take_detail(const detail_work *w, float limit, float *image) {
    int64_t count = w->height * w->width * w->channels;
    for (int64_t i = 0; i < count; i++) {
        float share = w->detail[i] / limit / limit, square = share * share;
        float change = within(w->change[i] / (1 + square * square), limit);
        if (isfinite(change)) image[i] += change;
    }
}

static sl_status smooth_detail(const sl_deblocking *how, float *image, int64_t height, int64_t width,
                               int64_t channels) {
    size_t row = (size_t)(width * channels), count = (size_t)height * row;
    size_t line = (size_t)(height + how->block) * row; /* and width + block, channels, is no more */
    float *room;
    SL_TRY(sl_alloc(&room, line + 3 * count, sizeof *room));
    float *half = room + line;
    detail_work work = {height, width, channels, how->block, room, half, half + count, half + 2 * count};
    find_detail(&work, image);
    take_detail(&work, (float)how->detail, image);
    sl_free(room);
    return SL_OK;
}

sl_status sl_deblocking_read(const json_t *facts, int64_t block, sl_deblocking *out) {
    static const char *const keys[] = {"deblock", "deblock_detail"};
    double *const values[] = {&out->step, &out->detail};
    out->block = block;
    for (int k = 0; k < 2; k++) {
        SL_TRY(sl_json_real_or(facts, keys[k], 0, values[k]));
        if (!(*values[k] >= 0 && *values[k] <= 1))
            return sl_fail(SL_FORMAT, "'%s' is %g, expected 0 to 1", keys[k], *values[k]);
        if (*values[k] > 0 && block < LEAST_BLOCK)
            return sl_fail(SL_FORMAT, "'%s' is for blocks of %d pixels and more, 'space_to_depth' is %lld",
                           keys[k], LEAST_BLOCK, (long long)block);
    }
    return SL_OK;
}

sl_status sl_deblock(const sl_deblocking *how, float *image, int64_t height, int64_t width,
                     int64_t channels) {
    if (how->step > 0) join_borders(image, height, width, channels, how->block, (float)how->step);
    return how->detail > 0 ? smooth_detail(how, image, height, width, channels) : SL_OK;
}
