#include "diffusion/deblock.h"

/* The pixels at[-2 * step] to at[step] on either side of a border before `at`. */
static void meet(float *at, int64_t step, float limit) {
    float left = 1.5f * at[-step] - 0.5f * at[-2 * step], right = 1.5f * at[0] - 0.5f * at[step];
    float gap = right - left;
    gap = gap < -limit ? -limit : gap > limit ? limit : gap;
    at[-2 * step] += 0.25f * gap;
    at[-step] += 0.5f * gap;
    at[0] -= 0.5f * gap;
    at[step] -= 0.25f * gap;
}

void sl_deblock(float *image, int64_t height, int64_t width, int64_t channels, int64_t block, float limit) {
    int64_t row = width * channels;
    if (limit <= 0) return;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = block; x < width; x += block)
            for (int64_t c = 0; c < channels; c++) meet(image + y * row + x * channels + c, channels, limit);
    for (int64_t y = block; y < height; y += block)
        for (int64_t i = 0; i < row; i++) meet(image + y * row + i, row, limit);
}
