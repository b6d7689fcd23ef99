#include "image/format/hdf5_filters.h"

#include "base/limits.h"
#include "base/memory.h"

#include <lz4.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

enum { FILTER_LZF = 32000, FILTER_LZ4 = 32004, FILTER_BITSHUFFLE = 32008, FILTER_ZSTD = 32015 };
enum { BITSHUFFLE_NONE = 0, BITSHUFFLE_LZ4 = 2, BITSHUFFLE_ZSTD = 3 };

static _Thread_local size_t expected_bytes;

void sl_hdf5_filters_expect(size_t chunk_bytes) {
    expected_bytes = chunk_bytes;
}

static uint64_t big_endian(const uint8_t *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

/* Eight rows of eight bits become eight columns (H. S. Warren, Hacker's Delight, 7-3). */
static uint64_t transpose_8x8(uint64_t x) {
    uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaULL;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000ccccULL;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ULL;
    return x ^ t ^ (t << 28);
}

/* One block of `count` elements (a multiple of 8). Shuffled, row 8*b+k holds bit k of byte b of every
 * element. */
static void undo_block(const uint8_t *in, size_t count, size_t element_bytes, uint8_t *out) {
    size_t row_bytes = count / 8;
    for (size_t b = 0; b < element_bytes; b++) {
        for (size_t group = 0; group < row_bytes; group++) {
            uint64_t bits = 0;
            for (size_t k = 0; k < 8; k++) bits |= (uint64_t)in[(8 * b + k) * row_bytes + group] << (8 * k);
            bits = transpose_8x8(bits);
            for (size_t j = 0; j < 8; j++)
                out[(8 * group + j) * element_bytes + b] = (uint8_t)(bits >> (8 * j));
        }
    }
}

void sl_bitshuffle_undo(const uint8_t *in, size_t count, size_t element_bytes, size_t block, uint8_t *out) {
    for (size_t at = 0; at < count;) {
        size_t here = count - at < block ? (count - at) / 8 * 8 : block;
        if (here == 0) { /* fewer than eight elements at the end are stored as they are */
            memcpy(out + at * element_bytes, in + at * element_bytes, (count - at) * element_bytes);
            return;
        }
        undo_block(in + at * element_bytes, here, element_bytes, out + at * element_bytes);
        at += here;
    }
}

/* Elements of a block when the file names none: 8 KiB worth, in eights, at least 128. */
static size_t default_block(size_t element_bytes) {
    size_t block = 8192 / element_bytes / 8 * 8;
    return block < 128 ? 128 : block;
}

static bool unpack_block(unsigned compression, const uint8_t *in, size_t in_bytes, uint8_t *out,
                         size_t out_bytes) {
    if (compression == BITSHUFFLE_LZ4) {
        if (in_bytes > LZ4_MAX_INPUT_SIZE || out_bytes > LZ4_MAX_INPUT_SIZE) return false;
        int got = LZ4_decompress_safe((const char *)in, (char *)out, (int)in_bytes, (int)out_bytes);
        return got >= 0 && (size_t)got == out_bytes;
    }
    return ZSTD_decompress(out, out_bytes, in, in_bytes) == out_bytes;
}

/* Stream: total bytes (8, big endian), bytes of a block (4), then for each block its packed size (4) and
 * data; the last elements beyond a multiple of eight follow as they are. `scratch` holds one block. */
static bool undo_compressed(unsigned compression, size_t element_bytes, const uint8_t *in, size_t in_bytes,
                            uint8_t *scratch, size_t block, uint8_t *out, size_t out_bytes) {
    const uint8_t *end = in + in_bytes;
    size_t count = out_bytes / element_bytes;
    for (size_t at = 0; at < count;) {
        size_t here = count - at < block ? (count - at) / 8 * 8 : block;
        uint8_t *target = out + at * element_bytes;
        if (here == 0) {
            size_t rest = (count - at) * element_bytes;
            if ((size_t)(end - in) < rest) return false;
            memcpy(target, in, rest);
            return true;
        }
        if (end - in < 4) return false;
        size_t packed = (size_t)big_endian(in, 4);
        in += 4;
        if ((size_t)(end - in) < packed) return false;
        if (!unpack_block(compression, in, packed, scratch, here * element_bytes)) return false;
        undo_block(scratch, here, element_bytes, target);
        in += packed;
        at += here;
    }
    return true;
}

/* The body of the filter: NULL on damaged data, else a new buffer of *out_bytes. */
static uint8_t *bitshuffle(size_t value_count, const unsigned values[], const uint8_t *in, size_t in_bytes,
                           size_t *out_bytes) {
    size_t element_bytes = value_count > 2 ? values[2] : 0, block = value_count > 3 ? values[3] : 0;
    unsigned compression = value_count > 4 ? values[4] : BITSHUFFLE_NONE;
    if (element_bytes < 1 || element_bytes > 64 || compression == 1 || compression > BITSHUFFLE_ZSTD)
        return NULL;
    size_t total = in_bytes;
    if (compression != BITSHUFFLE_NONE) {
        if (in_bytes < 12) return NULL;
        total = (size_t)big_endian(in, 8);
        block = (size_t)big_endian(in + 8, 4) / element_bytes;
    } else if (block == 0) {
        block = default_block(element_bytes);
    }
    if (total != expected_bytes || total % element_bytes || block < 8 || block % 8) return NULL;
    size_t scratch_bytes = block * element_bytes;
    if (scratch_bytes > total + 8 * element_bytes) scratch_bytes = total + 8 * element_bytes;
    uint8_t *out = H5allocate_memory(total, 0);
    uint8_t *scratch = NULL;
    bool good = out != NULL;
    if (good && compression == BITSHUFFLE_NONE) {
        sl_bitshuffle_undo(in, total / element_bytes, element_bytes, block, out);
    } else if (good && sl_alloc(&scratch, scratch_bytes, 1) == SL_OK) {
        good =
            undo_compressed(compression, element_bytes, in + 12, in_bytes - 12, scratch, block, out, total);
    }
    sl_free(scratch);
    if (!good && out) H5free_memory(out);
    *out_bytes = total;
    return good ? out : NULL;
}

/* Hands the new buffer over as HDF5 wants it; 0 means failure. */
static size_t replace(void **buffer, size_t *buffer_bytes, uint8_t *out, size_t out_bytes) {
    if (!out) return 0;
    H5free_memory(*buffer);
    *buffer = out;
    *buffer_bytes = out_bytes;
    return out_bytes;
}

static size_t bitshuffle_filter(unsigned flags, size_t value_count, const unsigned values[], size_t bytes,
                                size_t *buffer_bytes, void **buffer) {
    size_t out_bytes = 0;
    if (!(flags & H5Z_FLAG_REVERSE)) return 0; /* for reading only */
    uint8_t *out = bitshuffle(value_count, values, *buffer, bytes, &out_bytes);
    return replace(buffer, buffer_bytes, out, out_bytes);
}

/* Stream: total bytes (8, big endian), bytes of a block (4), then each block's packed size (4) and data; a
 * block whose packed size equals its own is stored as it is. */
static bool undo_lz4(const uint8_t *in, size_t in_bytes, size_t block, uint8_t *out, size_t total) {
    const uint8_t *end = in + in_bytes;
    for (size_t at = 0; at < total;) {
        size_t here = total - at < block ? total - at : block;
        if (end - in < 4) return false;
        size_t packed = (size_t)big_endian(in, 4);
        in += 4;
        if ((size_t)(end - in) < packed) return false;
        if (packed == here) {
            memcpy(out + at, in, here);
        } else if (!unpack_block(BITSHUFFLE_LZ4, in, packed, out + at, here)) {
            return false;
        }
        in += packed;
        at += here;
    }
    return true;
}

static size_t lz4_filter(unsigned flags, size_t value_count, const unsigned values[], size_t bytes,
                         size_t *buffer_bytes, void **buffer) {
    (void)value_count;
    (void)values;
    const uint8_t *in = *buffer;
    if (!(flags & H5Z_FLAG_REVERSE) || bytes < 12) return 0;
    size_t total = (size_t)big_endian(in, 8), block = (size_t)big_endian(in + 8, 4);
    if (total != expected_bytes || block == 0) return 0;
    uint8_t *out = H5allocate_memory(total, 0);
    if (out && !undo_lz4(in + 12, bytes - 12, block, out, total)) {
        H5free_memory(out);
        out = NULL;
    }
    return replace(buffer, buffer_bytes, out, total);
}

static size_t zstd_filter(unsigned flags, size_t value_count, const unsigned values[], size_t bytes,
                          size_t *buffer_bytes, void **buffer) {
    (void)value_count;
    (void)values;
    if (!(flags & H5Z_FLAG_REVERSE)) return 0;
    uint8_t *out = H5allocate_memory(expected_bytes, 0);
    if (out && ZSTD_decompress(out, expected_bytes, *buffer, bytes) != expected_bytes) {
        H5free_memory(out);
        out = NULL;
    }
    return replace(buffer, buffer_bytes, out, expected_bytes);
}

/* Byte c < 32: c+1 bytes follow as they are; else a copy of what came before, c>>5 + 2 bytes long (7: one
 * more byte adds to the length), the low 5 bits and the next byte + 1 back. */
static bool undo_lzf(const uint8_t *in, size_t in_bytes, uint8_t *out, size_t total) {
    const uint8_t *end = in + in_bytes;
    size_t at = 0;
    while (in < end) {
        size_t code = *in++, length = code < 32 ? code + 1 : code >> 5;
        if (code < 32) {
            if ((size_t)(end - in) < length || total - at < length) return false;
            memcpy(out + at, in, length);
            in += length;
            at += length;
            continue;
        }
        if (length == 7) {
            if (in == end) return false;
            length += *in++;
        }
        length += 2;
        if (in == end) return false;
        size_t back = ((code & 31) << 8 | *in++) + 1;
        if (back > at || total - at < length) return false;
        for (; length > 0; length--, at++) out[at] = out[at - back]; /* the two may overlap */
    }
    return at == total;
}

static size_t lzf_filter(unsigned flags, size_t value_count, const unsigned values[], size_t bytes,
                         size_t *buffer_bytes, void **buffer) {
    (void)value_count;
    (void)values;
    if (!(flags & H5Z_FLAG_REVERSE)) return 0;
    uint8_t *out = H5allocate_memory(expected_bytes, 0);
    if (out && !undo_lzf(*buffer, bytes, out, expected_bytes)) {
        H5free_memory(out);
        out = NULL;
    }
    return replace(buffer, buffer_bytes, out, expected_bytes);
}

void sl_hdf5_filters_register(void) {
    static const H5Z_class2_t filters[] = {
        {H5Z_CLASS_T_VERS, FILTER_BITSHUFFLE, 0, 1, "bitshuffle", NULL, NULL, bitshuffle_filter},
        {H5Z_CLASS_T_VERS, FILTER_LZF, 0, 1, "lzf", NULL, NULL, lzf_filter},
        {H5Z_CLASS_T_VERS, FILTER_LZ4, 0, 1, "lz4", NULL, NULL, lz4_filter},
        {H5Z_CLASS_T_VERS, FILTER_ZSTD, 0, 1, "zstd", NULL, NULL, zstd_filter},
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) H5Zregister(&filters[i]);
}

size_t sl_hdf5_filters_undo(int id, size_t value_count, const unsigned values[], size_t bytes,
                            void **buffer) {
    H5Z_func_t filter = id == FILTER_BITSHUFFLE ? bitshuffle_filter
                        : id == FILTER_LZ4      ? lz4_filter
                                                : zstd_filter;
    size_t buffer_bytes = bytes;
    return filter(H5Z_FLAG_REVERSE, value_count, values, bytes, &buffer_bytes, buffer);
}

static const char *known_name(H5Z_filter_t id) {
    static const struct {
        H5Z_filter_t id;
        const char *name;
    } names[] = {{307, "bzip2"},       {32001, "Blosc"}, {32013, "ZFP"},    {32017, "SZ"},
                 {32018, "FCIDECOMP"}, {32019, "JPEG"},  {32026, "Blosc2"}, {32023, "Granular BitRound"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].id == id) return names[i].name;
    return "unknown";
}

sl_status sl_hdf5_filters_check(hid_t creation_list) {
    int count = H5Pget_nfilters(creation_list);
    for (int i = 0; i < count; i++) {
        unsigned flags, values[16], config;
        size_t value_count = 16;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(creation_list, (unsigned)i, &flags, &value_count, values,
                                         sizeof name - 1, name, &config);
        if (id < 0) return sl_fail(SL_FORMAT, "filter %d cannot be read", i);
        if (H5Zfilter_avail(id) <= 0)
            return sl_fail(SL_UNSUPPORTED,
                           "compressed with filter %d (%s), expected deflate, shuffle, fletcher32, szip, "
                           "LZF, LZ4, zstd or "
                           "bitshuffle",
                           id, name[0] ? name : known_name(id));
        if (id == FILTER_BITSHUFFLE && value_count > 4 && values[4] != BITSHUFFLE_NONE &&
            values[4] != BITSHUFFLE_LZ4 && values[4] != BITSHUFFLE_ZSTD)
            return sl_fail(SL_UNSUPPORTED,
                           "bitshuffle with compression number %u, expected 0, 2 (LZ4) or 3 (zstd)",
                           values[4]);
    }
    return SL_OK;
}
