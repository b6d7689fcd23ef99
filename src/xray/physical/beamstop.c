/* A8: nothing is counted behind an opaque beamstop. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

sl_status physical_beamstop(const physical_view *view, sl_physical_result *out) {
    const sl_measurement *m = view->input->measurement;
    const sl_image *image = view->image;
    snprintf(out->saw, sizeof out->saw, "no opaque beamstop is known");
    if (!m || m->beamstop.shape == SL_BEAMSTOP_NONE || m->beamstop.transmission > 0) return SL_OK;
    const sl_beamstop *stop = &m->beamstop;
    double inside = 0, inside_px = 0, around = 0, around_px = 0, leak = 0,
           reach = fmax(stop->half_height_px, stop->half_width_px) + 12;
    for (int32_t i = (int32_t)fmax(0, stop->row_px - reach); i < image->height_px && i < stop->row_px + reach;
         i++)
        for (int32_t j = (int32_t)fmax(0, stop->column_px - reach);
             j < image->width_px && j < stop->column_px + reach; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (image->mask[k] & ~(SL_MASK_BEAMSTOP | SL_MASK_ARM)) continue;
            double y = fabs(i + 0.5 - stop->row_px), x = fabs(j + 0.5 - stop->column_px),
                   margin = 2 + 2 * stop->edge_px;
            double outside = stop->shape == SL_BEAMSTOP_DISC
                                 ? hypot(x, y) - stop->half_height_px
                                 : fmax(y - stop->half_height_px, x - stop->half_width_px);
            if (outside < -margin)
                inside += (double)image->value[k] - m->offset, inside_px++,
                    leak += sl_beamstop_pass(stop, i + 0.5, j + 0.5);
            if (outside > margin && outside < 10 && !(image->mask[k] & SL_MASK_ARM))
                around += (double)image->value[k] - m->offset, around_px++;
        }
    if (inside_px < 6 || around_px < 20 || around < 30) {
        snprintf(out->saw, sizeof out->saw, "the shadow is too small, or too few counts around it");
        return SL_OK;
    }
    out->applicable = true;
    /* beyond what the stop's edge and transmission let through, and its noise, in units of what is beside it
     */
    double beside = around / around_px, expected = 1.5 * leak * beside + 0.03 * inside_px * beside;
    out->value =
        fmax(0, inside - expected - 3 * sqrt(expected + inside_px * m->read_noise * m->read_noise + 1)) /
        inside_px / beside;
    snprintf(out->saw, sizeof out->saw, "%.3g counts a pixel in the shadow, %.3g beside it",
             inside / inside_px, around / around_px);
    return SL_OK;
}
