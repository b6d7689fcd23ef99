#include "loop/check/overlay.h"

#include "image/display.h"
#include "image/write/write.h"

#include <math.h>

enum { LEAST_SIDE_PX = 768 };

/* The picture and how many of its pixels make one of the image. */
typedef struct canvas {
    int32_t height, width, scale;
    uint8_t *rgb;
} canvas;

static const uint8_t usual_rgb[3] = {80, 170, 255}, odd_rgb[3] = {255, 140, 0};

static void put(const canvas *c, double row, double column, const uint8_t rgb[3]) {
    int32_t y = (int32_t)floor(row), x = (int32_t)floor(column);
    if (y < 0 || x < 0 || y >= c->height || x >= c->width) return;
    for (int k = 0; k < 3; k++) c->rgb[3 * ((int64_t)y * c->width + x) + k] = rgb[k];
}

static void draw_line(const canvas *c, double row, double column, double row2, double column2,
                      const uint8_t rgb[3]) {
    double length = fmax(fabs(row2 - row), fabs(column2 - column));
    int steps = (int)fmin(length, 4 * (c->height + c->width)) + 1;
    for (int k = 0; k <= steps; k++)
        put(c, row + (row2 - row) * k / steps, column + (column2 - column) * k / steps, rgb);
}

static void draw_circle(const canvas *c, double row, double column, double radius, const uint8_t rgb[3]) {
    int steps = (int)fmin(8 * radius, 1e5) + 8;
    for (int k = 0; k < steps; k++) {
        double turn = 2 * M_PI * k / steps;
        put(c, row + radius * sin(turn), column + radius * cos(turn), rgb);
    }
}

static void draw_mark(const canvas *c, const sl_mark *m, const uint8_t rgb[3]) {
    double s = c->scale, row = (double)m->row * s, column = (double)m->column * s, row2 = (double)m->row2 * s,
           column2 = (double)m->column2 * s;
    switch (m->kind) {
    case SL_MARK_CIRCLE:
        draw_circle(c, row, column, (double)m->size_px * s, rgb);
        break;
    case SL_MARK_LINE:
        draw_line(c, row, column, row2, column2, rgb);
        break;
    case SL_MARK_BOX:
        draw_line(c, row, column, row, column2, rgb);
        draw_line(c, row2, column, row2, column2, rgb);
        draw_line(c, row, column, row2, column, rgb);
        draw_line(c, row, column2, row2, column2, rgb);
        break;
    case SL_MARK_POINT:
        draw_line(c, row - 2, column, row + 2, column, rgb);
        draw_line(c, row, column - 2, row, column + 2, rgb);
        break;
    }
}

static sl_status new_canvas(const sl_image *image, canvas *out) {
    const sl_display_settings settings = {.colormap = SL_COLORMAP_GRAY, .masked_rgb = {28, 46, 66}};
    int32_t longer = image->height_px > image->width_px ? image->height_px : image->width_px;
    sl_intensity_map map;
    uint8_t *small;
    *out = (canvas){.scale = (LEAST_SIDE_PX + longer - 1) / longer};
    if (out->scale > 8) out->scale = 8;
    out->height = image->height_px * out->scale;
    out->width = image->width_px * out->scale;
    SL_TRY(sl_intensity_fit(&sl_intensity_default, image, &map));
    SL_TRY(sl_alloc(&small, (size_t)image->height_px * (size_t)image->width_px, 3));
    sl_status status = sl_display_rgb8(&map, image, &settings, small);
    if (!status) status = sl_alloc(&out->rgb, (size_t)out->height * (size_t)out->width, 3);
    for (int32_t i = 0; i < out->height && !status; i++)
        for (int32_t j = 0; j < out->width; j++)
            put(out, i, j, &small[3 * ((int64_t)(i / out->scale) * image->width_px + j / out->scale)]);
    sl_free(small);
    return status;
}

sl_status sl_overlay_write(const char *path, const sl_image *image, const sl_drawing *drawing,
                           const bool *fails) {
    canvas c;
    SL_TRY(new_canvas(image, &c));
    /* what speaks against the image lies on top */
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < drawing->count; k++) {
            const sl_mark *m = &drawing->mark[k];
            bool odd = m->is_odd && fails[m->test];
            if (odd == (pass == 1)) draw_mark(&c, m, odd ? odd_rgb : usual_rgb);
        }
    sl_status status = sl_png_write_rgb8(path, c.height, c.width, c.rgb, NULL);
    sl_free(c.rgb);
    return status;
}
