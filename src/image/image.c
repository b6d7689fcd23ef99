#include "image/image.h"

#include "base/limits.h"

#include <string.h>

sl_status sl_image_new(int32_t height_px, int32_t width_px, sl_image *out) {
    if (height_px < 1 || width_px < 1 || height_px > SL_LIMIT_IMAGE_SIDE_PX ||
        width_px > SL_LIMIT_IMAGE_SIDE_PX || (int64_t)height_px * width_px > SL_LIMIT_IMAGE_PX)
        return sl_fail(SL_LIMIT, "image of %d x %d pixels, expected 1 to %d a side and at most %lld in all",
                       height_px, width_px, SL_LIMIT_IMAGE_SIDE_PX, (long long)SL_LIMIT_IMAGE_PX);
    size_t count = (size_t)height_px * (size_t)width_px;
    sl_image image = {height_px, width_px, NULL, NULL};
    SL_TRY(sl_alloc(&image.value, count, sizeof *image.value));
    sl_status status = sl_alloc(&image.mask, count, sizeof *image.mask);
    if (status) {
        sl_free(image.value);
        return status;
    }
    *out = image;
    return SL_OK;
}

sl_status sl_image_copy(const sl_image *image, sl_image *out) {
    SL_TRY(sl_image_new(image->height_px, image->width_px, out));
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    memcpy(out->value, image->value, count * sizeof *image->value);
    memcpy(out->mask, image->mask, count * sizeof *image->mask);
    return SL_OK;
}

void sl_image_free(sl_image *image) {
    sl_free(image->value);
    sl_free(image->mask);
    *image = (sl_image){0};
}
