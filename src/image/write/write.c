#include "image/write/write.h"

#include "base/file.h"
#include "base/text.h"
#include "image/format/npy.h"
#include "image/write/write_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *suffix;
    sl_status (*encode)(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);
} writers[SL_WRITE_COUNT] = {
    [SL_WRITE_TIFF] = {"tif", sl_encode_tiff},
    [SL_WRITE_HDF5] = {"h5", sl_encode_hdf5},
    [SL_WRITE_NPY] = {"npy", sl_encode_npy},
};

const char sl_write_choices[] = "tiff|hdf5|npy";

const char *sl_write_suffix(sl_write_format format) {
    return (unsigned)format < SL_WRITE_COUNT ? writers[format].suffix : "";
}

static void coded_counts(const sl_image *image, float *out) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    for (size_t i = 0; i < count; i++) {
        out[i] = image->value[i];
        if (image->mask[i] & (SL_MASK_HOT | SL_MASK_DEAD)) out[i] = -2;
        if (image->mask[i] & (SL_MASK_INVALID | SL_MASK_GAP)) out[i] = -1;
    }
}

sl_status sl_image_encode(sl_write_format format, const sl_image *image, const sl_write_info *info,
                          void **out, size_t *out_bytes) {
    static const sl_write_info nothing = {0};
    float *counts;
    SL_TRY(sl_alloc(&counts, (size_t)image->height_px * (size_t)image->width_px, sizeof *counts));
    coded_counts(image, counts);
    sl_text file = SL_TEXT_INIT;
    sl_status status = writers[format].encode(image, counts, info ? info : &nothing, &file);
    sl_free(counts);
    if (!status) status = sl_text_status(&file);
    if (status) {
        sl_text_free(&file);
        return status;
    }
    *out = file.data; /* from malloc, which sl_free ends */
    *out_bytes = file.length;
    return SL_OK;
}

sl_status sl_image_write(const char *path, sl_write_format format, const sl_image *image,
                         const sl_write_info *info) {
    void *data = NULL;
    size_t bytes = 0;
    sl_status status = sl_image_encode(format, image, info, &data, &bytes);
    if (!status) status = sl_file_write_atomic(path, data, bytes);
    sl_free(data);
    return sl_context(status, "writing image '%s'", path);
}

sl_status sl_write_provenance_text(const sl_write_info *info, char **out) {
    *out = NULL;
    if (!info->provenance) return SL_OK;
    *out = sl_json_canonical(info->provenance);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "out of memory for the provenance");
}

sl_status sl_encode_npy(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out) {
    char header[128], *provenance;
    SL_TRY(sl_write_provenance_text(info, &provenance));
    int length =
        snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }",
                 image->height_px, image->width_px);
    uint8_t head[128] = "\x93NUMPY\x01";
    head[8] = 118; /* the header is padded so that the numbers start at 128 */
    memset(head + 10, ' ', 117);
    memcpy(head + 10, header, (size_t)length);
    head[127] = '\n';
    sl_text_add_bytes(out, head, sizeof head);
    sl_text_add_bytes(out, counts, (size_t)image->height_px * (size_t)image->width_px * sizeof *counts);
    if (provenance) sl_text_printf(out, SL_NPY_PROVENANCE_MARK "%s", provenance);
    free(provenance);
    return SL_OK;
}

sl_status sl_image_provenance_read(const char *path, json_t **out) {
    sl_frame frame;
    SL_TRY(sl_frame_read_header(path, NULL, NULL, &frame));
    json_t *found = json_object_get(frame.header.metadata, "provenance");
    json_incref(found);
    sl_frame_free(&frame);
    if (!found) return sl_fail(SL_NOT_FOUND, "'%s' holds no provenance", path);
    *out = found;
    return SL_OK;
}
