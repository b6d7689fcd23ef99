#include "image/write/write.h"

#include "base/file.h"
#include "base/text.h"
#include "image/write/write_internal.h"

#include <stdlib.h>

static sl_status make_png(sl_png_job *job, sl_text *out) {
    static const sl_write_info nothing = {0};
    if (!job->info) job->info = &nothing;
    char *provenance;
    SL_TRY(sl_write_provenance_text(job->info, &provenance));
    job->provenance = provenance;
    sl_status status = sl_png_compress(job, out);
    free(provenance);
    return status;
}

sl_status sl_png_encode(int32_t height_px, int32_t width_px, int channels, int bits, const void *pixels,
                        const sl_write_info *info, void **out, size_t *out_bytes) {
    sl_png_job job = {height_px, width_px, channels, bits, pixels, info, NULL};
    sl_text text = SL_TEXT_INIT;
    sl_status status = make_png(&job, &text);
    if (status) {
        sl_text_free(&text);
        return status;
    }
    *out = text.data; /* from malloc, which sl_free ends */
    *out_bytes = text.length;
    return SL_OK;
}

static sl_status write_png(const char *path, sl_png_job job) {
    sl_text text = SL_TEXT_INIT;
    sl_status status = make_png(&job, &text);
    if (!status) status = sl_file_write_atomic(path, text.data, text.length);
    sl_text_free(&text);
    return sl_context(status, "writing image '%s'", path);
}

sl_status sl_png_write_grey16(const char *path, int32_t height_px, int32_t width_px, const uint16_t *pixels,
                              const sl_write_info *info) {
    return write_png(path, (sl_png_job){height_px, width_px, 1, 16, (const uint8_t *)pixels, info, NULL});
}

sl_status sl_png_write_rgb8(const char *path, int32_t height_px, int32_t width_px, const uint8_t *pixels,
                            const sl_write_info *info) {
    return write_png(path, (sl_png_job){height_px, width_px, 3, 8, pixels, info, NULL});
}
