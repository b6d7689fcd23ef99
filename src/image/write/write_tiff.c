/* A baseline TIFF (TIFF 6.0) of one float32 strip: 8 bytes of header, the directory, its long values, the
 * numbers. */
#include "image/write/write_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_COUNT_MAX = 16, TYPE_ASCII = 2, TYPE_SHORT = 3, TYPE_LONG = 4 };

typedef struct tiff_directory {
    uint8_t entries[ENTRY_COUNT_MAX][12];
    const char *texts[ENTRY_COUNT_MAX]; /* NULL: the value is in the entry */
    uint32_t count;
} tiff_directory;

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static void add(tiff_directory *directory, uint32_t tag, uint32_t type, uint32_t count, uint32_t value) {
    uint8_t *entry = directory->entries[directory->count++];
    put16(entry, tag);
    put16(entry + 2, type);
    put32(entry + 4, count);
    put32(entry + 8, value);
}

static void add_text(tiff_directory *directory, uint32_t tag, const char *text) {
    directory->texts[directory->count] = text;
    add(directory, tag, TYPE_ASCII, (uint32_t)strlen(text) + 1, 0);
}

static uint32_t padded(const char *text) {
    return ((uint32_t)strlen(text) + 1 + 3) / 4 * 4;
}

/* Gives the texts their places behind the directory; returns where the numbers start. */
static uint32_t place(tiff_directory *directory) {
    uint32_t at = (8 + 2 + 12 * directory->count + 4 + 3) / 4 * 4;
    for (uint32_t i = 0; i < directory->count; i++) {
        if (!directory->texts[i]) continue;
        put32(directory->entries[i] + 8, at);
        at += padded(directory->texts[i]);
    }
    return at;
}

static void write_head(sl_text *out, const tiff_directory *directory) {
    static const uint8_t zeros[4];
    uint8_t head[10] = {'I', 'I', 42, 0, 8};
    put16(head + 8, directory->count);
    sl_text_add_bytes(out, head, sizeof head);
    sl_text_add_bytes(out, directory->entries, 12 * (size_t)directory->count);
    sl_text_add_bytes(out, zeros, 4); /* no further directory */
    sl_text_add_bytes(out, zeros, (4 - (8 + 2 + 12 * directory->count) % 4) % 4);
    for (uint32_t i = 0; i < directory->count; i++) {
        const char *text = directory->texts[i];
        if (!text) continue;
        sl_text_add_bytes(out, text, strlen(text) + 1);
        sl_text_add_bytes(out, zeros, padded(text) - strlen(text) - 1);
    }
}

/* Ours in braces, else the caption. */
static char *description(const char *provenance, const sl_write_info *info) {
    char *text = NULL;
    if (provenance) {
        if (asprintf(&text, "{\"scatterloop_provenance\":%s}", provenance) < 0) text = NULL;
    } else {
        text = strdup(info->title ? info->title : "");
    }
    return text;
}

sl_status sl_encode_tiff(const sl_image *image, const float *counts, const sl_write_info *info,
                         sl_text *out) {
    char *provenance;
    SL_TRY(sl_write_provenance_text(info, &provenance));
    char *text = description(provenance, info);
    free(provenance);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    uint32_t height = (uint32_t)image->height_px, width = (uint32_t)image->width_px;
    tiff_directory directory = {0};
    add(&directory, 256, TYPE_LONG, 1, width);
    add(&directory, 257, TYPE_LONG, 1, height);
    add(&directory, 258, TYPE_SHORT, 1, 32);
    add(&directory, 259, TYPE_SHORT, 1, 1); /* not compressed */
    add(&directory, 262, TYPE_SHORT, 1, 1); /* zero is black */
    add_text(&directory, 270, text);
    uint32_t offset_entry = directory.count;
    add(&directory, 273, TYPE_LONG, 1, 0);
    add(&directory, 277, TYPE_SHORT, 1, 1);
    add(&directory, 278, TYPE_LONG, 1, height);
    add(&directory, 279, TYPE_LONG, 1, height * width * 4);
    add_text(&directory, 305,
             info->synthetic ? "scatterloop " SL_VERSION " (synthetic image, not measured)"
                             : "scatterloop " SL_VERSION);
    add(&directory, 339, TYPE_SHORT, 1, 3); /* IEEE float */
    put32(directory.entries[offset_entry] + 8, place(&directory));

    write_head(out, &directory);
    sl_text_add_bytes(out, counts, (size_t)height * width * sizeof *counts);
    free(text);
    return SL_OK;
}
