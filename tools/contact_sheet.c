/* One picture of many frames, simulated beside measured ones, all shown alike: to look at before anything
 * else is believed of the simulator.
 *
 *     contact-sheet OUT.png [--columns N] [--size PX] [--seed S] ITEM...    (built by `ninja
 * tools/contact-sheet`)
 *
 * ITEM: a class of the simulator ("giwaxs", "giwaxs:6" for six, "giwaxs:6:film=mapbi3" with a parameter), a
 * file that `inspect` reads, or "/", which begins a new row. How frames are shown: sheet.h. */
#include "image/frame.h"
#include "sheet.h"
#include "xray/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct drawing {
    sheet sheet;
    uint64_t seed;
    uint32_t drawn[SL_SIM_CLASS_COUNT]; /* how many of each class there are already */
} drawing;

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

static sl_status place_class(drawing *d, const class_item *item) {
    sl_sim_overrides overrides = {0};
    /* shrunk as a measured frame is */
    int32_t cell = d->sheet.cell_px, size = cell < 128 ? 256 : cell < 512 ? 2 * cell : 1024;
    sl_sim_options options = {.size_px = size, .class_id = item->class_id, .measure = true};
    sl_sim_sample sample = {0};
    sl_status status = SL_OK;
    if (item->setting) status = give(&overrides, item->class_id, item->setting);
    if (item->setting) options.overrides = &overrides;
    for (int k = 0; k < item->count && !status; k++) {
        status = sl_sim_sample_make(d->seed, d->drawn[item->class_id]++, &options, &sample);
        if (!status) status = sheet_place(&d->sheet, &sample.measured);
    }
    sl_sim_sample_free(&sample);
    sl_sim_overrides_free(&overrides);
    return status;
}

static sl_status place_file(drawing *d, const char *location) {
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
    status = sheet_place(&d->sheet, &image);
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

static sl_status add_item(drawing *d, const char *item) {
    class_item found;
    if (strcmp(item, "/") == 0)
        sheet_next_row(&d->sheet);
    else if (is_class(item, &found))
        return place_class(d, &found);
    else
        return place_file(d, item);
    return SL_OK;
}

static sl_status run(int count, char **argument) {
    int columns = 8, cell_px = 192, first = 2;
    drawing d = {.seed = 8};
    for (; first + 1 < count && strncmp(argument[first], "--", 2) == 0; first += 2) {
        int value = (int)strtol(argument[first + 1], NULL, 10);
        if (strcmp(argument[first], "--columns") == 0 && value > 0 && value <= 64)
            columns = value;
        else if (strcmp(argument[first], "--size") == 0 && value >= 32 && value <= 1024)
            cell_px = value;
        else if (strcmp(argument[first], "--seed") == 0 && value >= 0)
            d.seed = (uint64_t)value;
        else
            return sl_fail(SL_INVALID,
                           "option '%s %s', expected --columns 1 to 64, --size 32 to 1024 or --seed",
                           argument[first], argument[first + 1]);
    }
    SL_TRY(sheet_open(columns, cell_px, &d.sheet));
    sl_status status = SL_OK;
    for (int i = first; i < count && !status; i++) status = add_item(&d, argument[i]);
    if (!status) status = sheet_write(&d.sheet, argument[1]);
    sheet_close(&d.sheet);
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
