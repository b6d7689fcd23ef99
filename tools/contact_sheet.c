/* One picture of many frames, simulated beside measured ones, all shown alike: to look at before anything
 * else is believed of the simulator.
 *
 *     contact-sheet OUT.png [--columns N] [--size PX] [--seed S] ITEM...    (built by `ninja
 * tools/contact-sheet`)
 *
 * ITEM: a class of the simulator ("giwaxs", "giwaxs:6" for six, "giwaxs:6:film=mapbi3" with a parameter), a
 * file that `inspect` reads, or "/", which begins a new row. Counts go through log1p up to their 99.9 %
 * quantile, masked pixels are black; a frame is shrunk by area average, cut to a square where it nearly is
 * one and between bars otherwise. */
#include "image/display.h"
#include "image/frame.h"
#include "image/resize.h"
#include "image/write.h"
#include "xray/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BORDER = 3, ROWS_MAX = 64 };

typedef struct sheet {
    int columns, row, column;
    int32_t cell_px;
    uint64_t seed;
    uint32_t drawn[SL_SIM_CLASS_COUNT]; /* how many of each class there are already */
    int32_t width_px;
    uint8_t *pixels; /* [ROWS_MAX * pitch, width, 3] */
} sheet;

static void next_row(sheet *s) {
    if (s->column > 0) s->row++;
    s->column = 0;
}

static sl_status place(sheet *s, const sl_image *image) {
    if (s->column == s->columns) next_row(s);
    if (s->row >= ROWS_MAX) return sl_fail(SL_LIMIT, "more than %d rows", ROWS_MAX);
    int32_t longer = image->height_px > image->width_px ? image->height_px : image->width_px;
    int32_t shorter = image->height_px > image->width_px ? image->width_px : image->height_px;
    sl_fit_mode mode = longer <= 1.5 * shorter ? SL_FIT_CROP : SL_FIT_LETTERBOX;
    sl_image small;
    sl_fit record;
    sl_intensity_map map;
    sl_display_settings settings = {SL_COLORMAP_INFERNO, {0, 0, 0}};
    SL_TRY(sl_image_fit(image, mode, SL_RESIZE_BILINEAR, s->cell_px, s->cell_px, &small, &record));
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

/* "name=value" for one class. */
static sl_status give(sl_sim_overrides *overrides, sl_sim_class class_id, const char *setting) {
    const char *equals = strchr(setting, '=');
    char name[48];
    if (!equals || (size_t)(equals - setting) >= sizeof name)
        return sl_fail(SL_INVALID, "parameter '%s', expected name=value", setting);
    memcpy(name, setting, (size_t)(equals - setting));
    name[equals - setting] = 0;
    sl_sim_parameter parameter;
    SL_TRY(sl_sim_parameter_find(name, class_id, &parameter));
    const char *value = equals + 1;
    return sl_sim_overrides_set(overrides, class_id, parameter, &value, 1);
}

typedef struct class_item {
    sl_sim_class class_id;
    int count;
    const char *setting; /* NULL: none */
} class_item;

static sl_status place_class(sheet *s, const class_item *item) {
    sl_sim_overrides overrides = {0};
    /* shrunk as a measured frame is */
    int32_t size = s->cell_px < 128 ? 256 : s->cell_px < 512 ? 2 * s->cell_px : 1024;
    sl_sim_options options = {.size_px = size, .class_id = item->class_id, .measure = true};
    sl_sim_sample sample = {0};
    sl_status status = SL_OK;
    if (item->setting) status = give(&overrides, item->class_id, item->setting);
    if (item->setting) options.overrides = &overrides;
    for (int k = 0; k < item->count && !status; k++) {
        status = sl_sim_sample_make(s->seed, s->drawn[item->class_id]++, &options, &sample);
        if (!status) status = place(s, &sample.measured);
    }
    sl_sim_sample_free(&sample);
    sl_sim_overrides_free(&overrides);
    return status;
}

static sl_status place_file(sheet *s, const char *location) {
    sl_arena *arena;
    const char *path;
    sl_frame_request request;
    sl_frame frame;
    sl_image image;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_frame_locate(arena, location, &path, &request);
    if (!status) status = sl_frame_read(path, &request, NULL, &frame);
    sl_arena_free(arena);
    SL_TRY(status);
    status = sl_frame_to_image(&frame, &image);
    sl_frame_free(&frame);
    SL_TRY(status);
    status = place(s, &image);
    sl_image_free(&image);
    return status;
}

/* False where it is no class. */
static bool is_class(const char *item, class_item *out) {
    char name[32];
    size_t length = strcspn(item, ":");
    if (length >= sizeof name) return false;
    memcpy(name, item, length);
    name[length] = 0;
    *out = (class_item){.count = 1};
    if (item[length]) {
        char *end;
        out->count = (int)strtol(item + length + 1, &end, 10);
        if (*end == ':') out->setting = end + 1;
    }
    return !sl_sim_class_find(name, &out->class_id) && out->class_id != SL_SIM_CLASS_ANY;
}

static sl_status add_item(sheet *s, const char *item) {
    class_item found;
    if (strcmp(item, "/") == 0)
        next_row(s);
    else if (is_class(item, &found))
        return place_class(s, &found);
    else
        return place_file(s, item);
    return SL_OK;
}

static sl_status run(int count, char **argument) {
    sheet s = {.columns = 8, .cell_px = 192, .seed = 8};
    int first = 2;
    for (; first + 1 < count && strncmp(argument[first], "--", 2) == 0; first += 2) {
        int value = (int)strtol(argument[first + 1], NULL, 10);
        if (strcmp(argument[first], "--columns") == 0 && value > 0 && value <= 64)
            s.columns = value;
        else if (strcmp(argument[first], "--size") == 0 && value >= 32 && value <= 1024)
            s.cell_px = value;
        else if (strcmp(argument[first], "--seed") == 0 && value >= 0)
            s.seed = (uint64_t)value;
        else
            return sl_fail(SL_INVALID,
                           "option '%s %s', expected --columns 1 to 64, --size 32 to 1024 or --seed",
                           argument[first], argument[first + 1]);
    }
    s.width_px = s.columns * (s.cell_px + BORDER) - BORDER;
    size_t rows = (size_t)ROWS_MAX * (size_t)(s.cell_px + BORDER);
    SL_TRY(sl_alloc(&s.pixels, rows * (size_t)s.width_px, 3));
    memset(s.pixels, 255, rows * (size_t)s.width_px * 3);
    sl_status status = SL_OK;
    for (int i = first; i < count && !status; i++) status = add_item(&s, argument[i]);
    next_row(&s);
    if (!status)
        status =
            sl_png_write_rgb8(argument[1], s.row * (s.cell_px + BORDER) - BORDER, s.width_px, s.pixels, NULL);
    sl_free(s.pixels);
    return status;
}

int main(int count, char **argument) {
    if (count < 3) {
        fprintf(stderr, "usage: contact-sheet OUT.png [--columns N] [--size PX] [--seed S] ITEM...\n");
        return 1;
    }
    sl_status status = run(count, argument);
    if (status) fprintf(stderr, "contact-sheet: %s\n", sl_error_message());
    return status != 0;
}
