/* PNG (third edition, W3C) with its pixels uncompressed: chunks, and a zlib stream (RFC 1950) of stored
 * blocks (RFC 1951, 3.2.4). */
#include "image/write/write_internal.h"

#include <string.h>

enum { STORED_BLOCK_BYTES_MAX = 65535, ADLER_MODULUS = 65521 };

static void put32(sl_text *out, uint32_t value) {
    const uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                             (uint8_t)value};
    sl_text_add_bytes(out, bytes, sizeof bytes);
}

/* CRC-32 of chunk type and data (PNG, annex D), four bits at a time. */
static uint32_t crc_of(const char *data, size_t bytes) {
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (uint8_t)data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* A chunk begins with the length of its data, known when it ends: chunk_begin returns where it stands. */
static size_t chunk_begin(sl_text *out, const char *type) {
    put32(out, 0);
    sl_text_add_bytes(out, type, 4);
    return out->length - 8;
}

static void chunk_end(sl_text *out, size_t start) {
    if (out->failed) return;
    uint32_t bytes = (uint32_t)(out->length - start - 8);
    for (int i = 0; i < 4; i++) out->data[start + (size_t)i] = (char)(bytes >> (24 - 8 * i));
    put32(out, crc_of(out->data + start + 4, bytes + 4));
}

static void add_header(sl_text *out, const sl_png_job *job) {
    enum { GREY = 0, RGB = 2 };
    size_t start = chunk_begin(out, "IHDR");
    put32(out, (uint32_t)job->width_px);
    put32(out, (uint32_t)job->height_px);
    const uint8_t kind[] = {(uint8_t)job->bits, job->channels == 3 ? RGB : GREY, 0, 0, 0};
    sl_text_add_bytes(out, kind, sizeof kind);
    chunk_end(out, start);
}

static void add_text(sl_text *out, const char *key, const char *value) {
    if (!value) return;
    size_t start = chunk_begin(out, "iTXt");
    sl_text_add_bytes(out, key, strlen(key) + 1);
    sl_text_add_bytes(out, "\0\0\0\0", 4); /* not compressed, no language, key not translated */
    sl_text_add(out, value);
    chunk_end(out, start);
}

/* The rows as PNG has them: a filter byte (0: none), then numbers with the high byte first. */
static void make_rows(const sl_png_job *job, sl_text *rows) {
    size_t row_bytes = (size_t)job->width_px * (size_t)job->channels * (size_t)(job->bits / 8);
    for (int32_t y = 0; y < job->height_px; y++) {
        const uint8_t *row = job->pixels + (size_t)y * row_bytes;
        sl_text_add_bytes(rows, "", 1);
        if (job->bits == 8) sl_text_add_bytes(rows, row, row_bytes);
        for (size_t x = 0; job->bits == 16 && x < row_bytes; x += 2) {
            uint16_t number;
            memcpy(&number, row + x, sizeof number);
            const uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};
            sl_text_add_bytes(rows, bytes, sizeof bytes);
        }
    }
}

static uint32_t adler32(const char *data, size_t bytes) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < bytes; i++) {
        a = (a + (uint8_t)data[i]) % ADLER_MODULUS;
        b = (b + a) % ADLER_MODULUS;
    }
    return b << 16 | a;
}

static void add_stored(sl_text *out, const sl_text *rows) {
    size_t start = chunk_begin(out, "IDAT");
    sl_text_add(out, "\x78\x01");
    for (size_t at = 0; at < rows->length; at += STORED_BLOCK_BYTES_MAX) {
        size_t left = rows->length - at;
        uint16_t here = (uint16_t)(left < STORED_BLOCK_BYTES_MAX ? left : STORED_BLOCK_BYTES_MAX);
        const uint8_t head[] = {left <= STORED_BLOCK_BYTES_MAX, (uint8_t)here, (uint8_t)(here >> 8),
                                (uint8_t)~here, (uint8_t)(~here >> 8)};
        sl_text_add_bytes(out, head, sizeof head);
        sl_text_add_bytes(out, rows->data + at, here);
    }
    put32(out, adler32(rows->data, rows->length));
    chunk_end(out, start);
}

sl_status sl_png_compress(const sl_png_job *job, sl_text *out) {
    sl_text rows = SL_TEXT_INIT;
    make_rows(job, &rows);
    sl_status status = sl_text_status(&rows);
    if (!status && rows.length > INT32_MAX / 2)
        status =
            sl_fail(SL_LIMIT, "%zu bytes of pixels are too many for a PNG without compression", rows.length);
    if (!status) {
        sl_text_add_bytes(out, "\x89PNG\r\n\x1a\n", 8);
        add_header(out, job);
        add_text(out, "Software", "scatterloop " SL_VERSION);
        add_text(out, "Title", job->info->title);
        add_text(out, "Synthetic", job->info->synthetic ? "true" : NULL);
        add_text(out, "scatterloop_provenance", job->provenance);
        add_stored(out, &rows);
        chunk_end(out, chunk_begin(out, "IEND"));
        status = sl_text_status(out);
    }
    sl_text_free(&rows);
    return status;
}
