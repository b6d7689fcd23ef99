#include "sheet.h"

#include "image/display.h"
#include "image/resize.h"
#include "image/write/write.h"

#include <string.h>

enum { BORDER = 3 };

sl_status sheet_open(int columns, int32_t cell_px, sheet *out) {
    *out = (sheet){.columns = columns, .cell_px = cell_px};
    out->width_px = columns * (cell_px + BORDER) - BORDER;
    size_t rows = (size_t)SHEET_ROWS_MAX * (size_t)(cell_px + BORDER);
    SL_TRY(sl_alloc(&out->pixels, rows * (size_t)out->width_px, 3));
    memset(out->pixels, 255, rows * (size_t)out->width_px * 3);
    return SL_OK;
}

void sheet_close(sheet *s) {
    sl_free(s->pixels);
    *s = (sheet){0};
}

void sheet_next_row(sheet *s) {
    if (s->column > 0) s->row++;
    s->column = 0;
}

sl_status sheet_place(sheet *s, const sl_image *image) {
    if (s->column == s->columns) sheet_next_row(s);
    if (s->row >= SHEET_ROWS_MAX) return sl_fail(SL_LIMIT, "more than %d rows", SHEET_ROWS_MAX);
    int32_t longer = image->height_px > image->width_px ? image->height_px : image->width_px;
    int32_t shorter = image->height_px > image->width_px ? image->width_px : image->height_px;
    sl_fit_mode mode = longer <= 1.5 * shorter ? SL_FIT_CROP : SL_FIT_LETTERBOX;
    sl_image small;
    sl_intensity_map map;
    sl_display_settings settings = {SL_COLORMAP_INFERNO, {0, 0, 0}};
    SL_TRY(sl_image_fit(image, mode, s->cell_px, s->cell_px, &small));
    uint8_t *rgb = NULL;
    sl_status status;
    SL_GUARD(status, sl_intensity_fit(&sl_intensity_default, &small, &map), done);
    SL_GUARD(status, sl_alloc(&rgb, (size_t)s->cell_px * (size_t)s->cell_px, 3), done);
    SL_GUARD(status, sl_display_rgb8(&map, &small, &settings, rgb), done);
    int32_t pitch = s->cell_px + BORDER;
    for (int32_t i = 0; i < s->cell_px; i++)
        memcpy(s->pixels + 3 * (((int64_t)s->row * pitch + i) * s->width_px + (int64_t)s->column * pitch),
               rgb + 3 * (int64_t)i * s->cell_px, 3 * (size_t)s->cell_px);
    s->column++;
done:
    sl_free(rgb);
    sl_image_free(&small);
    return status;
}

sl_status sheet_write(sheet *s, const char *path) {
    sheet_next_row(s);
    return sl_png_write_rgb8(path, s->row * (s->cell_px + BORDER) - BORDER, s->width_px, s->pixels, NULL);
}
