#include "image/write.h"

#include "base/file.h"
#include "base/text.h"
#include "image/write_internal.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static void append(png_structp png, png_bytep data, size_t bytes) {
    sl_text_add_bytes(png_get_io_ptr(png), data, bytes);
}

static void flush(png_structp png) {
    (void)png;
}

static void on_error(png_structp png, png_const_charp message) {
    snprintf(png_get_error_ptr(png), 128, "%s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static png_text text_chunk(const char *key, const char *value) {
    return (png_text){.compression = PNG_ITXT_COMPRESSION_NONE,
                      .key = (char *)(uintptr_t)key,
                      .text = (char *)(uintptr_t)value,
                      .itxt_length = strlen(value),
                      .lang = (char *)(uintptr_t) "",
                      .lang_key = (char *)(uintptr_t) ""};
}

static void add_texts(png_structp png, png_infop info_chunks, const sl_write_info *info,
                      const char *provenance) {
    png_text texts[4];
    int count = 0;
    texts[count++] = text_chunk("Software", "scatterloop " SL_VERSION);
    if (info->title) texts[count++] = text_chunk("Title", info->title);
    if (info->synthetic) texts[count++] = text_chunk("Synthetic", "true");
    if (provenance) texts[count++] = text_chunk("scatterloop_provenance", provenance);
    png_set_text(png, info_chunks, texts, count);
}

typedef struct png_job {
    int32_t height_px, width_px;
    int channels, bits;
    const uint8_t *pixels;
    const sl_write_info *info;
    const char *provenance;
} png_job;

static bool encode(png_structp png, png_infop chunks, const png_job *job) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_set_IHDR(png, chunks, (png_uint_32)job->width_px, (png_uint_32)job->height_px, job->bits,
                 job->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    add_texts(png, chunks, job->info, job->provenance);
    png_write_info(png, chunks);
    if (job->bits == 16) png_set_swap(png);
    size_t row_bytes = (size_t)job->width_px * (size_t)job->channels * (size_t)(job->bits / 8);
    for (int32_t y = 0; y < job->height_px; y++)
        png_write_row(png, (png_bytep)(uintptr_t)(job->pixels + (size_t)y * row_bytes));
    png_write_end(png, chunks);
    return true;
}

static sl_status encode_text(const png_job *job, sl_text *out) {
    char message[128] = "out of memory";
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
    png_infop chunks = png ? png_create_info_struct(png) : NULL;
    bool good = false;
    if (chunks) {
        png_set_write_fn(png, out, append, flush);
        good = encode(png, chunks, job);
    }
    png_destroy_write_struct(&png, &chunks);
    if (!good) return sl_fail(SL_INTERNAL, "PNG: %s", message);
    return sl_text_status(out);
}

static sl_status make_png(png_job *job, sl_text *out) {
    static const sl_write_info nothing = {0};
    if (!job->info) job->info = &nothing;
    char *provenance;
    SL_TRY(sl_write_provenance_text(job->info, &provenance));
    job->provenance = provenance;
    sl_status status = encode_text(job, out);
    free(provenance);
    return status;
}

sl_status sl_png_encode(int32_t height_px, int32_t width_px, int channels, int bits, const void *pixels,
                        const sl_write_info *info, void **out, size_t *out_bytes) {
    png_job job = {height_px, width_px, channels, bits, pixels, info, NULL};
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

static sl_status write_png(const char *path, png_job job) {
    sl_text text = SL_TEXT_INIT;
    sl_status status = make_png(&job, &text);
    if (!status) status = sl_file_write_atomic(path, text.data, text.length);
    sl_text_free(&text);
    return sl_context(status, "writing image '%s'", path);
}

sl_status sl_png_write_grey16(const char *path, int32_t height_px, int32_t width_px, const uint16_t *pixels,
                              const sl_write_info *info) {
    return write_png(path, (png_job){height_px, width_px, 1, 16, (const uint8_t *)pixels, info, NULL});
}

sl_status sl_png_write_rgb8(const char *path, int32_t height_px, int32_t width_px, const uint8_t *pixels,
                            const sl_write_info *info) {
    return write_png(path, (png_job){height_px, width_px, 3, 8, pixels, info, NULL});
}
