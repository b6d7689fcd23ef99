/* TIFF and BigTIFF through libtiff: one sample of 8 to 64 bits, or RGB of 8 or 16; strips or tiles; a
 * directory is a frame. */
#include "image/format/format.h"

#include "base/limits.h"
#include "image/format/luminance.h"

#include <stdarg.h>
#include <string.h>
#include <tiffio.h>

static const tmsize_t allocation_limit_bytes = (tmsize_t)1 << 30;

/* What libtiff is given instead of a file, and its first complaint. */
typedef struct tiff_memory {
    const sl_source *source;
    uint64_t at;
    char message[256];
} tiff_memory;

typedef struct tiff_layout {
    uint32_t width_px, height_px;
    uint32_t block_width_px, block_height_px; /* tile, or strip (of full width) */
    uint16_t samples;                         /* 1, or 3 and more for RGB */
    sl_dtype dtype;
    bool tiled;
} tiff_layout;

static bool tiff_sniff(const sl_source *source) {
    static const char marks[4][5] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    if (source->bytes < 8) return false;
    for (int i = 0; i < 4; i++)
        if (memcmp(source->data, marks[i], 4) == 0) return true;
    return false;
}

static tmsize_t memory_read(thandle_t handle, void *out, tmsize_t bytes) {
    tiff_memory *memory = (tiff_memory *)handle;
    if (bytes < 0 || memory->at >= memory->source->bytes) return 0;
    uint64_t left = memory->source->bytes - memory->at;
    if ((uint64_t)bytes > left) bytes = (tmsize_t)left;
    memcpy(out, memory->source->data + memory->at, (size_t)bytes);
    memory->at += (uint64_t)bytes;
    return bytes;
}

static tmsize_t memory_write(thandle_t handle, void *data, tmsize_t bytes) {
    (void)handle;
    (void)data;
    (void)bytes;
    return 0;
}

static toff_t memory_seek(thandle_t handle, toff_t offset, int whence) {
    tiff_memory *memory = (tiff_memory *)handle;
    if (whence == SEEK_SET) memory->at = offset;
    if (whence == SEEK_CUR) memory->at += offset;
    if (whence == SEEK_END) memory->at = memory->source->bytes + offset;
    return memory->at;
}

static int memory_close(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t memory_size(thandle_t handle) {
    return ((tiff_memory *)handle)->source->bytes;
}

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list args) {
    (void)tiff;
    (void)module;
    tiff_memory *memory = context;
    if (!memory->message[0]) vsnprintf(memory->message, sizeof memory->message, format, args);
    return 1;
}

static int on_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list args) {
    (void)tiff;
    (void)context;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static sl_status failed(const tiff_memory *memory, const char *what) {
    return sl_fail(SL_FORMAT, "%s: %s", what, memory->message[0] ? memory->message : "no reason given");
}

static sl_status tiff_open(const sl_source *source, tiff_memory *memory, TIFF **out) {
    *memory = (tiff_memory){.source = source};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return sl_fail(SL_MEMORY, "out of memory");
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, memory);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, memory);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, allocation_limit_bytes);
    *out = TIFFClientOpenExt("image", "rm", (thandle_t)memory, memory_read, memory_write, memory_seek,
                             memory_close, memory_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return *out ? SL_OK : failed(memory, "cannot be opened");
}

static sl_status tiff_type(uint16_t bits, uint16_t sample_format, sl_dtype *out) {
    static const struct {
        uint16_t bits, format;
        sl_dtype dtype;
    } types[] = {
        {8, SAMPLEFORMAT_UINT, SL_U8},     {16, SAMPLEFORMAT_UINT, SL_U16},
        {32, SAMPLEFORMAT_UINT, SL_U32},   {64, SAMPLEFORMAT_UINT, SL_U64},
        {8, SAMPLEFORMAT_INT, SL_I8},      {16, SAMPLEFORMAT_INT, SL_I16},
        {32, SAMPLEFORMAT_INT, SL_I32},    {64, SAMPLEFORMAT_INT, SL_I64},
        {16, SAMPLEFORMAT_IEEEFP, SL_F16}, {32, SAMPLEFORMAT_IEEEFP, SL_F32},
        {64, SAMPLEFORMAT_IEEEFP, SL_F64},
    };
    if (sample_format == SAMPLEFORMAT_VOID) sample_format = SAMPLEFORMAT_UINT;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].bits != bits || types[i].format != sample_format) continue;
        *out = types[i].dtype;
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED,
                   "%u bits a sample of sample format %u, expected 8 to 64 bits of integer or float", bits,
                   sample_format);
}

static sl_status tiff_samples(TIFF *tiff, tiff_layout *layout) {
    uint16_t bits, sample_format, planar, photometric = PHOTOMETRIC_MINISBLACK, compression;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &sample_format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    if (!TIFFIsCODECConfigured(compression))
        return sl_fail(SL_UNSUPPORTED, "compression number %u", compression);
    SL_TRY(tiff_type(bits, sample_format, &layout->dtype));
    if (layout->samples == 1 &&
        (photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE))
        return SL_OK;
    if (photometric != PHOTOMETRIC_RGB || layout->samples < 3 || layout->samples > 4 ||
        planar != PLANARCONFIG_CONTIG || (layout->dtype != SL_U8 && layout->dtype != SL_U16))
        return sl_fail(
            SL_UNSUPPORTED,
            "%u samples a pixel of photometric kind %u, expected one of grey, or RGB of 8 or 16 bits",
            layout->samples, photometric);
    return SL_OK;
}

static sl_status tiff_read_layout(TIFF *tiff, tiff_layout *layout) {
    *layout = (tiff_layout){0};
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout->width_px);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout->height_px);
    SL_TRY(sl_format_check_size(layout->height_px, layout->width_px));
    SL_TRY(tiff_samples(tiff, layout));
    layout->tiled = TIFFIsTiled(tiff);
    if (layout->tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &layout->block_width_px);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &layout->block_height_px);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &layout->block_height_px);
        layout->block_width_px = layout->width_px;
        if (layout->block_height_px > layout->height_px) layout->block_height_px = layout->height_px;
    }
    return sl_context(sl_format_check_size(layout->block_height_px, layout->block_width_px), "tile or strip");
}

static void tiff_description(TIFF *tiff, sl_frame_header *out) {
    static const struct {
        uint32_t tag;
        const char *key;
    } texts[] = {{TIFFTAG_MODEL, "Model"}, {TIFFTAG_SOFTWARE, "Software"}, {TIFFTAG_DATETIME, "DateTime"}};
    const char *text;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (TIFFGetField(tiff, texts[i].tag, &text) && text)
            sl_metadata_text(out->metadata, texts[i].key, text, strlen(text));
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &text) || !text) return;
    static const char ours[] = "{\"scatterloop_provenance\":";
    size_t length = strlen(text);
    if (strncmp(text, ours, sizeof ours - 1) == 0 && text[length - 1] == '}') {
        sl_metadata_provenance(out->metadata, text + sizeof ours - 1, length - sizeof ours);
    } else {
        sl_geometry_from_comments(text, &out->geometry);
        sl_metadata_text(out->metadata, "ImageDescription", text, length);
    }
}

/* Number of directories up to and a little beyond the one asked for; all of them in any common file. */
static int64_t count_directories(TIFF *tiff, int64_t wanted) {
    int64_t frames = 1;
    while (frames < wanted + 4096 && !TIFFLastDirectory(tiff) && TIFFReadDirectory(tiff)) frames++;
    return frames;
}

static sl_status select_frame(TIFF *tiff, const tiff_memory *memory, int64_t frame) {
    if (frame == 0 && TIFFCurrentDirectory(tiff) == 0) return SL_OK;
    return TIFFSetDirectory(tiff, (tdir_t)frame) ? SL_OK : failed(memory, "cannot go to the directory");
}

static sl_status tiff_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "TIFF"));
    tiff_memory memory;
    tiff_layout layout;
    TIFF *tiff;
    SL_TRY(tiff_open(source, &memory, &tiff));
    out->frames = count_directories(tiff, request->frame);
    sl_status status = sl_format_check_frame(request->frame, out->frames);
    if (!status) status = select_frame(tiff, &memory, request->frame);
    if (!status) status = tiff_read_layout(tiff, &layout);
    if (!status) {
        out->dtype = layout.dtype;
        out->width_px = (int32_t)layout.width_px;
        out->height_px = (int32_t)layout.height_px;
        if (layout.samples > 1) sl_metadata_note(out->metadata, "note", SL_LUMINANCE_NOTE);
        tiff_description(tiff, out);
    }
    TIFFClose(tiff);
    return status;
}

/* Copies the part of a decoded block that lies in the image. */
static void place_block(const tiff_layout *layout, const uint8_t *block, uint32_t x0, uint32_t y0,
                        uint8_t *out) {
    size_t element = sl_dtype_bytes(layout->dtype);
    uint32_t columns = layout->width_px - x0, rows = layout->height_px - y0;
    if (columns > layout->block_width_px) columns = layout->block_width_px;
    if (rows > layout->block_height_px) rows = layout->block_height_px;
    for (uint32_t y = 0; y < rows; y++) {
        const uint8_t *in = block + (size_t)y * layout->block_width_px * layout->samples * element;
        uint8_t *target = out + ((size_t)(y0 + y) * layout->width_px + x0) * element;
        if (layout->samples == 1) {
            memcpy(target, in, columns * element);
            continue;
        }
        for (uint32_t x = 0; x < columns; x++, in += layout->samples * element) {
            if (layout->dtype == SL_U8) {
                target[x] = (uint8_t)sl_luminance(in[0], in[1], in[2]);
            } else {
                uint16_t sample[3], grey;
                memcpy(sample, in, sizeof sample);
                grey = (uint16_t)sl_luminance(sample[0], sample[1], sample[2]);
                memcpy(target + 2 * (size_t)x, &grey, 2);
            }
        }
    }
}

static sl_status read_blocks(TIFF *tiff, const tiff_memory *memory, const tiff_layout *layout, uint8_t *block,
                             size_t block_bytes, void *out) {
    for (uint32_t y = 0; y < layout->height_px; y += layout->block_height_px) {
        for (uint32_t x = 0; x < layout->width_px; x += layout->block_width_px) {
            memset(block, 0, block_bytes);
            size_t rows = layout->height_px - y;
            if (layout->tiled || rows > layout->block_height_px) rows = layout->block_height_px;
            size_t wanted = rows * (block_bytes / layout->block_height_px);
            tmsize_t got =
                layout->tiled
                    ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, 0), block, (tmsize_t)wanted)
                    : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, y, 0), block, (tmsize_t)wanted);
            if (got < 0 || (size_t)got < wanted) return failed(memory, "tile or strip cannot be read");
            place_block(layout, block, x, y, out);
        }
    }
    return SL_OK;
}

static sl_status tiff_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    tiff_memory memory;
    tiff_layout layout;
    TIFF *tiff;
    SL_TRY(tiff_open(source, &memory, &tiff));
    uint8_t *block = NULL;
    size_t block_bytes = 0;
    sl_status status = select_frame(tiff, &memory, header->frame);
    if (!status) status = tiff_read_layout(tiff, &layout);
    if (!status) {
        size_t pixels = (size_t)layout.block_width_px * layout.block_height_px;
        block_bytes = pixels * layout.samples * sl_dtype_bytes(layout.dtype);
        tmsize_t library_bytes = layout.tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
        if (library_bytes != (tmsize_t)block_bytes)
            status = sl_fail(SL_UNSUPPORTED, "tile or strip of %lld bytes, expected %zu",
                             (long long)library_bytes, block_bytes);
    }
    if (!status) status = sl_alloc(&block, block_bytes, 1);
    if (!status) status = read_blocks(tiff, &memory, &layout, block, block_bytes, out);
    sl_free(block);
    TIFFClose(tiff);
    return status;
}

const sl_format sl_format_tiff = {"TIFF", tiff_sniff, tiff_header, tiff_pixels};
