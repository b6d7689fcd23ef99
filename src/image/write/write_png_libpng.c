#include "image/write/write_internal.h"

#include <png.h>
#include <setjmp.h>
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

static bool encode(png_structp png, png_infop chunks, const sl_png_job *job) {
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

sl_status sl_png_compress(const sl_png_job *job, sl_text *out) {
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
