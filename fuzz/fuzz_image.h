/* One format on hostile bytes, in this process: header, then pixels into a block of exactly their size. */
#ifndef SL_FUZZ_FUZZ_IMAGE_H
#define SL_FUZZ_FUZZ_IMAGE_H

#include "base/memory.h"
#include "image/format/format.h"

#include <math.h>

static inline sl_status sl_fuzz_room(void *context, size_t bytes, void **out) {
    if (bytes > (64 << 20)) return SL_LIMIT;
    SL_TRY(sl_alloc(out, bytes ? bytes : 1, 1));
    *(void **)context = *out;
    return SL_OK;
}

/* `format` NULL: as a whole file, found by content and unpacked. */
static inline int sl_fuzz_image(const sl_format *format, const uint8_t *data, size_t bytes) {
    static const sl_frame_request first = {"", 0};
    sl_source source = {data, bytes};
    sl_frame_header header = {.frames = 1, .metadata = json_object()};
    void *pixels = NULL;
    if (!format) {
        sl_decode(&source, &first, sl_fuzz_room, &pixels, &format, &header);
    } else if (format->sniff(&source) && format->header(&source, &first, &header) == SL_OK &&
               sl_format_check_size(header.height_px, header.width_px) == SL_OK) {
        if (sl_fuzz_room(&pixels, sl_format_pixel_bytes(&header), &pixels) == SL_OK)
            format->pixels(&source, &header, pixels);
    }
    sl_free(pixels);
    json_decref(header.metadata);
    return 0;
}

#endif
