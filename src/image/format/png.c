/* PNG through libpng: grey, RGB or palette of up to 16 bits; alpha is left out. */
#include "image/format/format.h"

#include "base/limits.h"
#include "image/colour_line.h"
#include "image/format/luminance.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/* Everything a longjmp out of libpng must find again lives here, not in registers. */
typedef struct png_work {
    const sl_source *source;
    size_t at;
    png_structp png;
    png_infop info;
    png_bytep *rows;
    uint8_t *samples; /* [height, width, channels] of `bits` */
    uint32_t width_px, height_px;
    int channels, bits;
    char message[128];
} png_work;

static bool png_sniff(const sl_source *source) {
    return source->bytes >= 8 && memcmp(source->data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static void read_bytes(png_structp png, png_bytep out, size_t bytes) {
    png_work *work = png_get_io_ptr(png);
    if (bytes > work->source->bytes - work->at) png_error(png, "the file ends early");
    memcpy(out, work->source->data + work->at, bytes);
    work->at += bytes;
}

static void on_error(png_structp png, png_const_charp message) {
    png_work *work = png_get_error_ptr(png);
    snprintf(work->message, sizeof work->message, "%s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static sl_status start(png_work *work, const sl_source *source) {
    *work = (png_work){.source = source};
    work->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, work, on_error, on_warning);
    work->info = work->png ? png_create_info_struct(work->png) : NULL;
    if (!work->info) return sl_fail(SL_MEMORY, "out of memory");
    png_set_read_fn(work->png, work, read_bytes);
    png_set_user_limits(work->png, SL_LIMIT_IMAGE_SIDE_PX, SL_LIMIT_IMAGE_SIDE_PX);
    png_set_chunk_malloc_max(work->png, 8 << 20);
    return SL_OK;
}

static void finish(png_work *work) {
    png_destroy_read_struct(&work->png, &work->info, NULL);
    sl_free(work->rows);
    sl_free(work->samples);
}

/* Header, and transformations to 8 or 16 bits of grey or RGB. */
static void prepare(png_work *work) {
    png_structp png = work->png;
    png_read_info(png, work->info);
    png_set_expand(png); /* palette to RGB, 1 to 4 bits to 8 */
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    if (png_get_bit_depth(png, work->info) == 16) png_set_swap(png);
    png_read_update_info(png, work->info);
    work->width_px = png_get_image_width(png, work->info);
    work->height_px = png_get_image_height(png, work->info);
    work->channels = png_get_channels(png, work->info);
    work->bits = png_get_bit_depth(png, work->info);
}

static void collect_texts(png_work *work, json_t *metadata) {
    png_textp texts;
    int count;
    png_get_text(work->png, work->info, &texts, &count);
    for (int i = 0; i < count; i++) {
        size_t bytes =
            texts[i].compression >= PNG_ITXT_COMPRESSION_NONE ? texts[i].itxt_length : texts[i].text_length;
        if (!texts[i].text) continue;
        if (strcmp(texts[i].key, "scatterloop_provenance") == 0) {
            sl_metadata_provenance(metadata, texts[i].text, bytes);
        } else {
            sl_metadata_text(metadata, texts[i].key, texts[i].text, bytes);
        }
    }
}

static sl_status png_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "PNG"));
    SL_TRY(sl_format_check_frame(request->frame, 1));
    png_work work;
    sl_status status = start(&work, source);
    if (!status && setjmp(png_jmpbuf(work.png)) == 0) {
        prepare(&work);
        out->width_px = (int32_t)work.width_px;
        out->height_px = (int32_t)work.height_px;
        out->dtype = work.bits == 16 ? SL_U16 : SL_U8;
        out->is_picture = 1;
        if (work.channels > 1) sl_metadata_note(out->metadata, "note", SL_LUMINANCE_NOTE);
        collect_texts(&work, out->metadata);
    } else if (!status) {
        status = sl_fail(SL_FORMAT, "%s", work.message);
    }
    finish(&work);
    return status;
}

static void to_grey(const png_work *work, void *out) {
    size_t count = (size_t)work->width_px * work->height_px;
    if (work->bits == 16) {
        const uint16_t *in = (const uint16_t *)(const void *)work->samples;
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)out)[i] = (uint16_t)sl_luminance(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *in = work->samples + 3 * i;
        ((uint8_t *)out)[i] = (uint8_t)sl_luminance(in[0], in[1], in[2]);
    }
}

/* What 16 bits show beyond 8 is no colour that anybody sees. */
static sl_status note_colours(const png_work *work, json_t *metadata) {
    size_t values = 3 * (size_t)work->width_px * work->height_px;
    const uint16_t *deep = (const uint16_t *)(const void *)work->samples;
    uint8_t *rgb = work->samples, *narrowed = NULL;
    sl_colour_line line;
    if (work->bits == 16) {
        SL_TRY(sl_alloc(&narrowed, values, 1));
        for (size_t i = 0; i < values; i++) narrowed[i] = (uint8_t)(deep[i] >> 8);
        rgb = narrowed;
    }
    sl_status status = sl_colour_line_measure(rgb, (int32_t)work->height_px, (int32_t)work->width_px, &line);
    if (!status) json_object_set_new(metadata, "colour", sl_colour_line_to_json(&line));
    sl_free(narrowed);
    return status;
}

static sl_status read_all(png_work *work, json_t *metadata, void *out) {
    if (setjmp(png_jmpbuf(work->png)) != 0) return sl_fail(SL_FORMAT, "%s", work->message);
    prepare(work);
    if (work->channels != 1 && work->channels != 3)
        return sl_fail(SL_UNSUPPORTED, "%d channels, expected 1 or 3", work->channels);
    size_t row_bytes = png_get_rowbytes(work->png, work->info);
    SL_TRY(sl_alloc(&work->rows, work->height_px, sizeof *work->rows));
    uint8_t *target = out;
    if (work->channels == 3) {
        SL_TRY(sl_alloc(&work->samples, work->height_px, row_bytes));
        target = work->samples;
    }
    for (uint32_t y = 0; y < work->height_px; y++) work->rows[y] = target + y * row_bytes;
    png_read_image(work->png, work->rows);
    png_read_end(work->png, NULL);
    if (work->channels != 3) return SL_OK;
    to_grey(work, out);
    return note_colours(work, metadata);
}

static sl_status png_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    png_work work;
    sl_status status = start(&work, source);
    if (!status) status = read_all(&work, header->metadata, out);
    finish(&work);
    return status;
}

const sl_format sl_format_png = {"PNG", png_sniff, png_header, png_pixels};
