#include "image/format/format.h"

#include "base/limits.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What one file may unpack to: the largest image in the widest type, with room for headers. */
static const size_t unpacked_limit_bytes = (size_t)SL_LIMIT_IMAGE_PX * 8 + ((size_t)64 << 20);

bool sl_gzip_sniff(const sl_source *source) {
    return source->bytes > 18 && source->data[0] == 0x1f && source->data[1] == 0x8b && source->data[2] == 8;
}

static sl_status grow(uint8_t **data, size_t *capacity) {
    size_t wanted = *capacity ? *capacity * 2 : (size_t)4 << 20;
    if (wanted > unpacked_limit_bytes) wanted = unpacked_limit_bytes;
    if (wanted == *capacity)
        return sl_fail(SL_LIMIT, "unpacks to more than %zu MiB", unpacked_limit_bytes >> 20);
    uint8_t *larger = realloc(*data, wanted);
    if (!larger) return sl_fail(SL_MEMORY, "out of memory: asked for %zu MiB", wanted >> 20);
    *data = larger;
    *capacity = wanted;
    return SL_OK;
}

static sl_status inflate_all(z_stream *stream, const sl_source *source, uint8_t **data, size_t *bytes) {
    size_t capacity = 0, given = 0;
    for (int code = Z_OK;;) {
        if (*bytes == capacity) SL_TRY(grow(data, &capacity));
        size_t left = source->bytes - given, room = capacity - *bytes;
        uInt in = left > INT_MAX ? INT_MAX : (uInt)left, space = room > INT_MAX ? INT_MAX : (uInt)room;
        stream->next_in = (Bytef *)(uintptr_t)(source->data + given);
        stream->avail_in = in;
        stream->next_out = *data + *bytes;
        stream->avail_out = space;
        code = inflate(stream, Z_NO_FLUSH);
        given += in - stream->avail_in;
        *bytes += space - stream->avail_out;
        if (code == Z_STREAM_END) {
            /* members may follow each other, and zeros may pad the end */
            if (source->bytes - given < 18 || source->data[given] != 0x1f) return SL_OK;
            inflateReset(stream);
        } else if (code != Z_OK) {
            return sl_fail(SL_FORMAT, "damaged at byte %zu: %s", given,
                           stream->msg           ? stream->msg
                           : code == Z_BUF_ERROR ? "the file ends early"
                                                 : zError(code));
        }
    }
}

sl_status sl_gzip_unpack(const sl_source *source, sl_source *out) {
    z_stream stream = {0};
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return sl_fail(SL_MEMORY, "out of memory");
    uint8_t *data = NULL;
    size_t bytes = 0;
    sl_status status = inflate_all(&stream, source, &data, &bytes);
    inflateEnd(&stream);
    if (status) {
        free(data);
        return status;
    }
    *out = (sl_source){data, bytes};
    return SL_OK;
}
