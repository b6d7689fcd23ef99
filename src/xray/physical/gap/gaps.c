/* A7: gaps between modules count nothing. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

sl_status physical_gaps(const physical_view *view, sl_physical_result *out) {
    const sl_measurement *m = view->input->measurement;
    const sl_image *image = view->image;
    snprintf(out->saw, sizeof out->saw, "no detector with gaps is known");
    if (!m || !m->detector || m->detector->module_rows == 0) return SL_OK;
    int64_t pixels = (int64_t)image->height_px * image->width_px;
    uint8_t *gap;
    SL_TRY(sl_alloc(&gap, (size_t)pixels, 1));
    int64_t gap_px = sl_detector_gap_mask(m->detector, &m->view, gap), live_px = 0;
    double in_gap = 0, live = 0;
    for (int64_t k = 0; k < pixels; k++) {
        if (gap[k])
            in_gap += fmax((double)image->value[k], 0);
        else if (!image->mask[k])
            live += (double)image->value[k], live_px++;
    }
    sl_free(gap);
    if (gap_px < 20 || live_px < 20 || live <= 0) return SL_OK;
    out->applicable = true;
    out->value = in_gap / (double)gap_px / (live / (double)live_px);
    snprintf(out->saw, sizeof out->saw, "%.3g counts a pixel in the gaps, %.3g elsewhere",
             in_gap / (double)gap_px, live / (double)live_px);
    return SL_OK;
}
