#include "train/augment.h"

#include "train/feed.h"

#include <string.h>

sl_variant sl_variant_draw(uint32_t allowed, sl_random *random) {
    uint32_t bits = sl_random_u32(random);
    return (sl_variant){.flip_left_right = allowed & SL_AUGMENT_FLIP_LEFT_RIGHT ? (int)(bits & 1) : 0,
                        .flip_up_down = allowed & SL_AUGMENT_FLIP_UP_DOWN ? (int)(bits >> 1 & 1) : 0,
                        .turns = allowed & SL_AUGMENT_TURN ? (int)(bits >> 2 & 3) : 0};
}

void sl_variant_apply(sl_variant variant, const float *image, int height_px, int width_px, int channels,
                      float *out) {
    int turns = height_px == width_px ? variant.turns : 0;
    for (int y = 0; y < height_px; y++)
        for (int x = 0; x < width_px; x++) {
            int from_y = variant.flip_up_down ? height_px - 1 - y : y;
            int from_x = variant.flip_left_right ? width_px - 1 - x : x;
            for (int i = 0; i < turns; i++) {
                int held = from_y;
                from_y = from_x;
                from_x = width_px - 1 - held;
            }
            memcpy(out + ((int64_t)y * width_px + x) * channels,
                   image + ((int64_t)from_y * width_px + from_x) * channels, (size_t)channels * sizeof *out);
        }
}
