#include "image/format/format.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* In order of certainty: those with a signature first, EDF (only a brace and keys) last. */
static const sl_format *const rows[] = {
    &sl_format_hdf5, &sl_format_png, &sl_format_jpeg, &sl_format_npy,
    &sl_format_tiff, &sl_format_cbf, &sl_format_edf,
};

int sl_format_count(void) {
    return (int)(sizeof rows / sizeof rows[0]);
}

const sl_format *sl_format_at(int index) {
    return index >= 0 && index < sl_format_count() ? rows[index] : NULL;
}

sl_status sl_format_find(const sl_source *source, const sl_format **out) {
    if (source->bytes == 0) return sl_fail(SL_FORMAT, "the file is empty");
    for (int i = 0; i < sl_format_count(); i++) {
        if (!rows[i]->sniff(source)) continue;
        *out = rows[i];
        return SL_OK;
    }
    char head[3 * 8 + 1] = "";
    for (size_t i = 0; i < 8 && i < source->bytes; i++) snprintf(head + 3 * i, 4, "%02x ", source->data[i]);
    return sl_fail(SL_UNSUPPORTED,
                   "unknown format (first bytes %s), expected EDF, TIFF, CBF, HDF5/NeXus, NPY, PNG or JPEG",
                   head);
}

size_t sl_format_pixel_bytes(const sl_frame_header *header) {
    size_t count = (size_t)header->height_px * (size_t)header->width_px;
    return count * (sl_dtype_bytes(header->dtype) + (header->has_mask ? 1 : 0));
}

sl_status sl_format_check_size(int64_t height_px, int64_t width_px) {
    if (height_px < 1 || width_px < 1)
        return sl_fail(SL_FORMAT, "image of %lld x %lld pixels (height x width), expected at least 1 x 1",
                       (long long)height_px, (long long)width_px);
    if (height_px > SL_LIMIT_IMAGE_SIDE_PX || width_px > SL_LIMIT_IMAGE_SIDE_PX ||
        height_px * width_px > SL_LIMIT_IMAGE_PX)
        return sl_fail(SL_LIMIT, "image of %lld x %lld pixels, expected at most %d a side and %lld in all",
                       (long long)height_px, (long long)width_px, SL_LIMIT_IMAGE_SIDE_PX,
                       (long long)SL_LIMIT_IMAGE_PX);
    return SL_OK;
}

sl_status sl_format_check_frame(int64_t frame, int64_t frames) {
    if (frame >= 0 && frame < frames) return SL_OK;
    return sl_fail(SL_NOT_FOUND, "frame %lld asked for, the file has %lld (counted from 0)", (long long)frame,
                   (long long)frames);
}

sl_status sl_format_no_dataset(const sl_frame_request *request, const char *format) {
    if (!request->dataset || !request->dataset[0]) return SL_OK;
    return sl_fail(SL_INVALID, "dataset '%s' asked for, but %s files have none", request->dataset, format);
}

void sl_bytes_swap(void *data, size_t count, size_t element_bytes) {
    uint8_t *at = data;
    for (size_t i = 0; i < count; i++, at += element_bytes) {
        for (size_t low = 0, high = element_bytes - 1; low < high; low++, high--) {
            uint8_t kept = at[low];
            at[low] = at[high];
            at[high] = kept;
        }
    }
}

static sl_status decode_unpacked(const sl_source *source, const sl_frame_request *request,
                                 sl_pixel_room allocate, void *context, const sl_format **out_format,
                                 sl_frame_header *out) {
    SL_TRY(sl_format_find(source, out_format));
    const sl_format *format = *out_format;
    SL_TRY(sl_context(format->header(source, request, out), "%s header", format->name));
    SL_TRY(sl_format_check_size(out->height_px, out->width_px));
    if (!allocate) return SL_OK;
    void *pixels;
    SL_TRY(allocate(context, sl_format_pixel_bytes(out), &pixels));
    return sl_context(format->pixels(source, out, pixels), "%s pixels", format->name);
}

sl_status sl_decode(const sl_source *source, const sl_frame_request *request, sl_pixel_room allocate,
                    void *context, const sl_format **out_format, sl_frame_header *out) {
    static const sl_frame_request first = {NULL, 0};
    if (!request) request = &first;
    json_t *metadata = out->metadata;
    *out = (sl_frame_header){.metadata = metadata,
                             .frames = 1,
                             .frame = request->frame,
                             .geometry = {NAN, NAN, NAN, NAN, NAN, NAN, NAN}};
    if (!sl_gzip_sniff(source)) return decode_unpacked(source, request, allocate, context, out_format, out);
    sl_source unpacked;
    SL_TRY(sl_context(sl_gzip_unpack(source, &unpacked), "gzip"));
    sl_status status = decode_unpacked(&unpacked, request, allocate, context, out_format, out);
    sl_free((void *)(uintptr_t)unpacked.data);
    return status;
}
