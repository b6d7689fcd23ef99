#include "loop/pixels.h"

#include "base/limits.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>

static const char magic[8] = {'S', 'L', 'P', 'I', 'X', 'E', 'L', '1'};
enum {
    HEADER_BYTES = 16,
    PLANES = 4,
    LEVEL = 1 /* the planes pack well; a higher level costs more than it saves */
};

static void put_u32(unsigned char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get_u32(const unsigned char *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static size_t pixel_count(const sl_image *image) {
    return (size_t)image->height_px * (size_t)image->width_px;
}

/* values [count] and mask [count] <-> four byte planes and the mask, [5, count] */
static void to_planes(const sl_image *image, unsigned char *planes) {
    size_t count = pixel_count(image);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &image->value[i], sizeof bits);
        for (size_t plane = 0; plane < PLANES; plane++)
            planes[plane * count + i] = (unsigned char)(bits >> 8 * plane);
    }
    memcpy(planes + PLANES * count, image->mask, count);
}

static void from_planes(const unsigned char *planes, sl_image *image) {
    size_t count = pixel_count(image);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        for (size_t plane = 0; plane < PLANES; plane++)
            bits |= (uint32_t)planes[plane * count + i] << 8 * plane;
        memcpy(&image->value[i], &bits, sizeof bits);
    }
    memcpy(image->mask, planes + PLANES * count, count);
}

sl_status sl_pixels_encode(const sl_image *image, unsigned char **out, size_t *out_bytes) {
    size_t plain_bytes = (PLANES + 1) * pixel_count(image);
    size_t room_bytes = ZSTD_compressBound(plain_bytes);
    unsigned char *planes, *data;
    SL_TRY(sl_alloc(&planes, plain_bytes, 1));
    sl_status status = sl_alloc(&data, HEADER_BYTES + room_bytes, 1);
    if (status) {
        sl_free(planes);
        return status;
    }
    to_planes(image, planes);
    memcpy(data, magic, sizeof magic);
    put_u32(data + 8, (uint32_t)image->height_px);
    put_u32(data + 12, (uint32_t)image->width_px);
    size_t packed_bytes = ZSTD_compress(data + HEADER_BYTES, room_bytes, planes, plain_bytes, LEVEL);
    sl_free(planes);
    if (ZSTD_isError(packed_bytes)) {
        sl_free(data);
        return sl_fail(SL_MEMORY, "cannot pack %zu bytes: %s", plain_bytes, ZSTD_getErrorName(packed_bytes));
    }
    *out = data;
    *out_bytes = HEADER_BYTES + packed_bytes;
    return SL_OK;
}

static sl_status unpack(const unsigned char *data, size_t bytes, sl_image *image) {
    size_t plain_bytes = (PLANES + 1) * pixel_count(image);
    unsigned char *planes;
    SL_TRY(sl_alloc(&planes, plain_bytes, 1));
    size_t found_bytes = ZSTD_decompress(planes, plain_bytes, data + HEADER_BYTES, bytes - HEADER_BYTES);
    bool whole = found_bytes == plain_bytes;
    if (whole) from_planes(planes, image);
    sl_free(planes);
    if (whole) return SL_OK;
    return sl_fail(SL_FORMAT, "damaged pixel file: %s",
                   ZSTD_isError(found_bytes) ? ZSTD_getErrorName(found_bytes) : "too short");
}

sl_status sl_pixels_decode(const void *data, size_t bytes, sl_image *out) {
    const unsigned char *head = data;
    if (bytes < HEADER_BYTES || memcmp(head, magic, sizeof magic) != 0)
        return sl_fail(SL_FORMAT, "not a pixel file (%zu bytes)", bytes);
    uint32_t height = get_u32(head + 8), width = get_u32(head + 12);
    if (height == 0 || width == 0 || height > SL_LIMIT_IMAGE_SIDE_PX || width > SL_LIMIT_IMAGE_SIDE_PX ||
        (int64_t)height * width > SL_LIMIT_IMAGE_PX)
        return sl_fail(SL_LIMIT, "pixel file of %u x %u", height, width);
    sl_image image;
    SL_TRY(sl_image_new((int32_t)height, (int32_t)width, &image));
    sl_status status = unpack(head, bytes, &image);
    if (status) {
        sl_image_free(&image);
        return status;
    }
    *out = image;
    return SL_OK;
}

static void hash_values(const sl_image *image, char *out) {
    enum { PIECE = 4096 };
    size_t count = pixel_count(image);
    sl_sha256_state state;
    uint8_t digest[SL_SHA256_BYTES];
    float value[PIECE];
    sl_sha256_begin(&state);
    for (size_t start = 0; start < count; start += PIECE) {
        size_t here = count - start < PIECE ? count - start : PIECE;
        for (size_t i = 0; i < here; i++)
            value[i] = image->mask[start + i] & SL_MASK_NO_VALUE ? 0 : image->value[start + i];
        sl_sha256_add(&state, value, here * sizeof *value);
    }
    sl_sha256_end(&state, digest);
    sl_hex(digest, sizeof digest, out);
}

void sl_pixels_hash(const sl_image *image, char out_hash[SL_SHA256_HEX]) {
    size_t count = pixel_count(image);
    unsigned char head[8];
    char parts[3 * (SL_SHA256_HEX - 1) + 1];
    put_u32(head, (uint32_t)image->height_px);
    put_u32(head + 4, (uint32_t)image->width_px);
    sl_sha256_hex(head, sizeof head, parts);
    hash_values(image, parts + SL_SHA256_HEX - 1);
    sl_sha256_hex(image->mask, count, parts + 2 * (SL_SHA256_HEX - 1));
    sl_sha256_hex(parts, sizeof parts - 1, out_hash);
}
