/* Formats that are read and written by libraries, in a build without them: found by content all the same, so
 * that the message can name them. */
#include "base/core/core_only.h"
#include "image/format/format.h"
#include "image/write/write_internal.h"

#include <string.h>

static bool starts_with(const sl_source *source, const char *mark, size_t bytes) {
    return source->bytes >= bytes && memcmp(source->data, mark, bytes) == 0;
}

static bool is_hdf5(const sl_source *source) {
    return starts_with(source, "\x89HDF\r\n\x1a\n", 8);
}

static bool is_png(const sl_source *source) {
    return starts_with(source, "\x89PNG\r\n\x1a\n", 8);
}

static bool is_jpeg(const sl_source *source) {
    return starts_with(source, "\xff\xd8\xff", 3);
}

static bool is_tiff(const sl_source *source) {
    return starts_with(source, "II*\0", 4) || starts_with(source, "MM\0*", 4) ||
           starts_with(source, "II+\0", 4) || starts_with(source, "MM\0+", 4);
}

static sl_status no_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    (void)source, (void)request, (void)out;
    return sl_core_only_lacks("reading this format (EDF, CBF and NPY are read here)");
}

static sl_status no_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    (void)header, (void)out;
    return no_header(source, NULL, NULL);
}

const sl_format sl_format_hdf5 = {"HDF5", is_hdf5, no_header, no_pixels};
const sl_format sl_format_png = {"PNG", is_png, no_header, no_pixels};
const sl_format sl_format_jpeg = {"JPEG", is_jpeg, no_header, no_pixels};
const sl_format sl_format_tiff = {"TIFF", is_tiff, no_header, no_pixels};

bool sl_gzip_sniff(const sl_source *source) {
    return starts_with(source, "\x1f\x8b\x08", 3);
}

sl_status sl_gzip_unpack(const sl_source *source, sl_source *out) {
    (void)source, (void)out;
    return sl_core_only_lacks("unpacking it");
}

sl_status sl_encode_hdf5(const sl_image *image, const float *counts, const sl_write_info *info,
                         sl_text *out) {
    (void)image, (void)counts, (void)info, (void)out;
    return sl_core_only_lacks("writing HDF5");
}
