/* Where the beam is, from the picture alone. */
#include "xray/blind.h"
#include "xray/image_features.h"

sl_status sl_image_beam_find(const sl_image *image, sl_beam_place *out) {
    sl_blind_look look;
    sl_status status = sl_blind_look_at(image, &look);
    /* a level has no beam; its features are the same from anywhere */
    *out = (sl_beam_place){false, 0.5 * image->height_px, 0.5 * image->width_px};
    if (status == SL_NUMERIC) return SL_OK;
    SL_TRY(status);
    if (sl_technique_is_grazing(look.technique))
        *out = (sl_beam_place){false, look.grazing.horizon_row_px, look.grazing.specular_column_px};
    else
        *out = (sl_beam_place){false, look.centre.row_px, look.centre.column_px};
    return SL_OK;
}
