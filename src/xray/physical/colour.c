/* A17: a colour picture of one grey value a pixel has the colours of one colour map, and no others. */
#include "xray/physical/internal.h"

#include <stdio.h>

sl_status physical_colour(const physical_view *view, sl_physical_result *out) {
    static const char *const reasons[SL_COLOUR_STATE_COUNT] = {
        [SL_COLOUR_NONE] = "no colour picture",
        [SL_COLOUR_ROUGH] = "a colour picture of which too little can be judged",
        [SL_COLOUR_NO_MAP] = "a colour picture of a colour map that is not known",
    };
    const sl_colour_line *colour = &view->input->colour;
    if (colour->state != SL_COLOUR_JUDGED) {
        snprintf(out->saw, sizeof out->saw, "%s", reasons[colour->state]);
        return SL_OK;
    }
    out->applicable = true;
    out->value = colour->off_levels;
    snprintf(out->saw, sizeof out->saw, "its colours are up to %.0f levels of 255 off the map '%s'",
             out->value, sl_colormap_name(colour->map));
    physical_mark(view, (sl_mark){.kind = SL_MARK_BOX,
                                  .test = SL_PHYSICAL_COLOUR,
                                  .is_odd = true,
                                  .row = (float)colour->top,
                                  .column = (float)colour->left,
                                  .row2 = (float)colour->bottom,
                                  .column2 = (float)colour->right});
    return SL_OK;
}
