#include "image/display.h"

#include <math.h>

static size_t count_of(const sl_image *image) {
    return (size_t)image->height_px * (size_t)image->width_px;
}

sl_status sl_display_grey16(sl_intensity_map *map, const sl_image *image, uint16_t *out) {
    size_t count = count_of(image);
    float *model;
    SL_TRY(sl_alloc(&model, count, sizeof *model));
    sl_intensity_apply(map, image, model);
    for (size_t i = 0; i < count; i++)
        out[i] =
            image->mask[i] & SL_MASK_NO_VALUE ? 0 : (uint16_t)lrint(((double)model[i] + 1) * 0.5 * 65535);
    sl_free(model);
    return SL_OK;
}

sl_status sl_display_rgb8(sl_intensity_map *map, const sl_image *image, const sl_display_settings *settings,
                          uint8_t *out) {
    size_t count = count_of(image);
    uint8_t table[256][3];
    float *model;
    SL_TRY(sl_alloc(&model, count, sizeof *model));
    sl_intensity_apply(map, image, model);
    sl_colormap_table(settings->colormap, table);
    for (size_t i = 0; i < count; i++) {
        long level = lrint(((double)model[i] + 1) * 0.5 * 255);
        const uint8_t *rgb = image->mask[i] & SL_MASK_NO_VALUE ? settings->masked_rgb : table[level];
        for (int c = 0; c < 3; c++) out[3 * i + (size_t)c] = rgb[c];
    }
    sl_free(model);
    return SL_OK;
}
