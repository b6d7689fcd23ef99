/* A9: a beamstop stands where the beam is. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

sl_status physical_beamstop_place(const physical_view *view, sl_physical_result *out) {
    const sl_measurement *m = view->input->measurement;
    snprintf(out->saw, sizeof out->saw, "no round beamstop, or the beam's place, is known");
    if (!m || m->beamstop.shape != SL_BEAMSTOP_DISC || (!view->centre_known && view->track_count == 0))
        return SL_OK;
    const sl_beamstop *stop = &m->beamstop;
    double away = hypot(stop->row_px - view->row_px, stop->column_px - view->column_px);
    out->applicable = true;
    out->value = away / fmax(stop->half_height_px, 1);
    physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_BEAMSTOP_PLACE, false, (float)stop->row_px,
                                  (float)stop->column_px, 0, 0, (float)stop->half_height_px});
    physical_mark(view, (sl_mark){SL_MARK_POINT, SL_PHYSICAL_BEAMSTOP_PLACE, out->value > 1,
                                  (float)view->row_px, (float)view->column_px, 0, 0, 0});
    snprintf(out->saw, sizeof out->saw, "the beam is %.1f px from the middle of a beamstop of radius %.1f px",
             away, stop->half_height_px);
    return SL_OK;
}
