/* JPEG through libjpeg-turbo, as luminance; a colour picture is decoded twice, to see what its colours are.
 */
#include "image/format/format.h"

#include "image/colour_line.h"
#include "image/format/luminance.h"

#include <string.h>
#include <turbojpeg.h>

static bool jpeg_sniff(const sl_source *source) {
    return source->bytes >= 4 && source->data[0] == 0xff && source->data[1] == 0xd8 &&
           source->data[2] == 0xff;
}

static sl_status jpeg_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "JPEG"));
    SL_TRY(sl_format_check_frame(request->frame, 1));
    tjhandle handle = tjInitDecompress();
    if (!handle) return sl_fail(SL_MEMORY, "out of memory");
    int width, height, subsampling, colours;
    sl_status status = SL_OK;
    if (tjDecompressHeader3(handle, source->data, (unsigned long)source->bytes, &width, &height, &subsampling,
                            &colours) != 0) {
        status = sl_fail(SL_FORMAT, "%s", tjGetErrorStr2(handle));
    } else {
        out->width_px = width;
        out->height_px = height;
        out->dtype = SL_U8;
        out->is_picture = 1;
        if (colours != TJCS_GRAY) sl_metadata_note(out->metadata, "note", SL_LUMINANCE_NOTE);
    }
    tjDestroy(handle);
    return status;
}

static sl_status note_colours(tjhandle handle, const sl_source *source, const sl_frame_header *header) {
    uint8_t *rgb;
    sl_colour_line line;
    SL_TRY(sl_alloc(&rgb, (size_t)header->width_px * (size_t)header->height_px, 3));
    sl_status status = SL_OK;
    if (tjDecompress2(handle, source->data, (unsigned long)source->bytes, rgb, header->width_px, 0,
                      header->height_px, TJPF_RGB, TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
        status = sl_fail(SL_FORMAT, "%s", tjGetErrorStr2(handle));
    if (!status) status = sl_colour_line_measure(rgb, header->height_px, header->width_px, &line);
    if (!status) json_object_set_new(header->metadata, "colour", sl_colour_line_to_json(&line));
    sl_free(rgb);
    return status;
}

static sl_status jpeg_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    tjhandle handle = tjInitDecompress();
    if (!handle) return sl_fail(SL_MEMORY, "out of memory");
    sl_status status = SL_OK;
    if (tjDecompress2(handle, source->data, (unsigned long)source->bytes, out, header->width_px, 0,
                      header->height_px, TJPF_GRAY, TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
        status = sl_fail(SL_FORMAT, "%s", tjGetErrorStr2(handle));
    if (!status && json_object_get(header->metadata, "note")) status = note_colours(handle, source, header);
    tjDestroy(handle);
    return status;
}

const sl_format sl_format_jpeg = {"JPEG", jpeg_sniff, jpeg_header, jpeg_pixels};
