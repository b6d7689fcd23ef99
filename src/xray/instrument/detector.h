/* Area detectors: a table of real ones, and the mask of their gaps in any view of them. */
#ifndef SL_XRAY_INSTRUMENT_DETECTOR_H
#define SL_XRAY_INSTRUMENT_DETECTOR_H

#include "base/status.h"
#include "image/image.h"
#include "xray/instrument/geometry.h"

#include <stdint.h>

typedef enum sl_detector_kind {
    SL_DETECTOR_HYBRID,    /* counts photons, no read-out noise */
    SL_DETECTOR_CCD,       /* integrates: offset, read-out noise, long tails of the point spread */
    SL_DETECTOR_ROUND_CCD, /* the same with an active disc: corners are masked */
} sl_detector_kind;

typedef struct sl_detector {
    const char *id;   /* "pilatus-1m", as options name it */
    const char *name; /* "Pilatus 1M", as captions name it */
    int32_t rows, columns;
    double pixel_m;
    int32_t module_rows, module_columns, gap_rows, gap_columns; /* module 0: one piece */
    sl_detector_kind kind;
    double highest_count;
} sl_detector;

int sl_detector_count(void);
const sl_detector *sl_detector_at(int index); /* static; NULL outside 0..count-1 */
/* By id or name, either case, '_' as good as '-'. SL_NOT_FOUND lists what there is. */
sl_status sl_detector_find(const char *name, const sl_detector **out);

/* Whether it integrates light, so that its values are no counts of photons; false for NULL, an ideal one. */
bool sl_detector_integrates(const sl_detector *detector);

/* The whole detector, pixel by pixel. */
sl_view sl_view_whole(const sl_detector *detector);
/* The middle of the detector as height x width pixels: the largest window of that shape, so gaps are scaled
 * with it. */
sl_view sl_view_fit(const sl_detector *detector, int32_t height_px, int32_t width_px);

/* Sets SL_MASK_GAP in mask[height, width] of a view where more than a quarter of the pixel lies in a gap or
 * beyond the detector; other bits stay. Returns how many pixels were set. */
int64_t sl_detector_gap_mask(const sl_detector *detector, const sl_view *view, uint8_t *mask);

/* Whether a line of pixels (a row, or a column) lies in a gap that crosses the image: four fifths of it have
 * SL_MASK_GAP. */
bool sl_gap_crosses(const sl_image *image, bool is_column, int32_t line);

#endif
