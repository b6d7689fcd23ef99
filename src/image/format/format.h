/* The formats table: a format is a row. To add one, write its three functions in a file of this folder and
 * add the row in formats.c.
 *
 * Rows work on bytes in memory, never on files or descriptors: they run in the decoder's child process, where
 * no system call but those for memory is allowed. Everything they read is hostile: every offset and size is
 * checked against the source before use, sizes through base/limits.h. */
#ifndef SL_IMAGE_FORMAT_FORMAT_H
#define SL_IMAGE_FORMAT_FORMAT_H

#include "image/frame.h"

typedef struct sl_source {
    const uint8_t *data;
    size_t bytes;
} sl_source;

typedef struct sl_format {
    const char *name;
    bool (*sniff)(const sl_source *source);
    /* Fills all but `metadata`, which is an empty object to add to (sl_metadata_*); the caller has set
     * geometry to NAN, frames to 1, frame to the one asked for. */
    sl_status (*header)(const sl_source *source, const sl_frame_request *request, sl_frame_header *out);
    /* The pixels of the image that `header` describes (made by the function above from the same source), in
     * the machine's byte order, into height_px*width_px elements of header->dtype; behind them, where the
     * header has_mask, as many bytes of sl_mask_bit. */
    sl_status (*pixels)(const sl_source *source, const sl_frame_header *header, void *out);
} sl_format;

extern const sl_format sl_format_edf, sl_format_tiff, sl_format_cbf, sl_format_hdf5, sl_format_npy,
    sl_format_png, sl_format_jpeg;

int sl_format_count(void);
const sl_format *sl_format_at(int index);
/* The row whose sniff says yes. SL_UNSUPPORTED with the first bytes otherwise. */
sl_status sl_format_find(const sl_source *source, const sl_format **out);

/* What the child does: gunzip where needed, find the format, read header and (out_pixels not NULL) pixels.
 * `allocate` gives the room for the pixels once their size is known and checked. */
typedef sl_status (*sl_pixel_room)(void *context, size_t bytes, void **out);
sl_status sl_decode(const sl_source *source, const sl_frame_request *request, sl_pixel_room allocate,
                    void *context, const sl_format **out_format, sl_frame_header *out);

bool sl_gzip_sniff(const sl_source *source);
/* The unpacked bytes in a block of the caller's (sl_free). */
sl_status sl_gzip_unpack(const sl_source *source, sl_source *out);

/* Of the pixels, and of the mask behind them where there is one. */
size_t sl_format_pixel_bytes(const sl_frame_header *header);
/* Height and width of an image from outside: both at least 1, within the limits. */
sl_status sl_format_check_size(int64_t height_px, int64_t width_px);
/* Whether `frame` is one of 0..frames-1. */
sl_status sl_format_check_frame(int64_t frame, int64_t frames);
/* Formats without datasets refuse a request for one. */
sl_status sl_format_no_dataset(const sl_frame_request *request, const char *format);

/* Bytes of `count` elements swapped in place. */
void sl_bytes_swap(void *data, size_t count, size_t element_bytes);

/* ---- metadata ---- */

/* A text of the file under metadata.text.<key>. Not UTF-8 is read as Latin-1; very long texts, and keys
 * beyond a thousand, are left out. */
void sl_metadata_text(json_t *metadata, const char *key, const char *value, size_t bytes);
/* Our own provenance: JSON under metadata.provenance; anything else is ignored. */
void sl_metadata_provenance(json_t *metadata, const char *text, size_t bytes);
/* A note of the reader's own under metadata.<key>. */
void sl_metadata_note(json_t *metadata, const char *key, const char *value);

/* A number at the start of `text` (blanks skipped); false if there is none or it is not finite. */
bool sl_parse_number(const char *text, double *out);
/* Metres for a number in `unit` ("m", "mm", "um", "A", "angstrom", "nm", ...); NAN for an unknown unit. */
double sl_length_m(double number, const char *unit);
/* Wavelength of a photon of this energy. */
double sl_wavelength_m_of_energy_ev(double energy_ev);
/* The lines "# Pixel_size 172e-6 m x 172e-6 m", "# Detector_distance 2.9 m" ... that detectors put in CBF and
 * TIFF headers. `text` is NUL-terminated. */
void sl_geometry_from_comments(const char *text, sl_frame_geometry *geometry);

#endif
