#include "loop/picture.h"

#include "base/file.h"
#include "image/display.h"
#include "image/resize.h"

sl_status sl_picture_load(const sl_workspace *workspace, sl_id id, sl_image *out) {
    sl_arena *arena;
    sl_image_record record;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_image_get(workspace->store, id, arena, &record);
    if (!status) status = sl_workspace_get_image(workspace, record.object_hash, out);
    sl_arena_free(arena);
    return sl_context(status, "image %lld", (long long)id);
}

sl_status sl_picture_encode_png(const sl_image *image, const sl_write_info *info, void **out,
                                size_t *out_bytes) {
    sl_intensity_map map;
    uint16_t *grey;
    SL_TRY(sl_intensity_fit(&sl_intensity_default, image, &map));
    SL_TRY(sl_alloc(&grey, (size_t)image->height_px * (size_t)image->width_px, sizeof *grey));
    sl_status status = sl_display_grey16(&map, image, grey);
    if (!status) status = sl_png_encode(image->height_px, image->width_px, 1, 16, grey, info, out, out_bytes);
    sl_free(grey);
    return status;
}

sl_status sl_picture_write_png(const char *path, const sl_image *image, const sl_write_info *info) {
    void *data = NULL;
    size_t bytes = 0;
    sl_status status = sl_picture_encode_png(image, info, &data, &bytes);
    if (!status) status = sl_file_write_atomic(path, data, bytes);
    sl_free(data);
    return sl_context(status, "writing image '%s'", path);
}

static sl_status encode_colour(const sl_image *image, void **out, size_t *out_bytes) {
    const sl_display_settings settings = {.colormap = SL_COLORMAP_INFERNO, .masked_rgb = {28, 46, 66}};
    sl_intensity_map map;
    uint8_t *rgb;
    SL_TRY(sl_intensity_fit(&sl_intensity_default, image, &map));
    SL_TRY(sl_alloc(&rgb, (size_t)image->height_px * (size_t)image->width_px, 3));
    sl_status status = sl_display_rgb8(&map, image, &settings, rgb);
    if (!status) status = sl_png_encode(image->height_px, image->width_px, 3, 8, rgb, NULL, out, out_bytes);
    sl_free(rgb);
    return status;
}

sl_status sl_picture_thumbnail(const sl_image *image, int32_t side_px, void **out, size_t *out_bytes) {
    int32_t longest = image->height_px > image->width_px ? image->height_px : image->width_px;
    if (longest <= side_px) return encode_colour(image, out, out_bytes);
    int32_t height = (int32_t)((int64_t)image->height_px * side_px / longest);
    int32_t width = (int32_t)((int64_t)image->width_px * side_px / longest);
    sl_image small;
    SL_TRY(sl_image_resize(image, height ? height : 1, width ? width : 1, &small));
    sl_status status = encode_colour(&small, out, out_bytes);
    sl_image_free(&small);
    return status;
}
