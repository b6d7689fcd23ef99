/* Where the beam is, from the picture alone. */
#include "xray/blind.h"
#include "xray/image_features.h"

sl_beam_place sl_image_beam_of(const sl_image *image, const sl_blind_look *look) {
    /* a level has no beam; its features are the same from anywhere */
    sl_beam_place place = {false, 0.5 * image->height_px, 0.5 * image->width_px, true};
    if (!look) return place;
    bool grazing = sl_technique_is_grazing(look->technique);
    place.row_px = grazing ? look->grazing.horizon_row_px : look->centre.row_px;
    place.column_px = grazing ? look->grazing.specular_column_px : look->centre.column_px;
    return place;
}

sl_status sl_image_beam_find(const sl_image *image, sl_beam_place *out) {
    sl_blind_look look;
    sl_status status = sl_blind_look_at(image, &look);
    if (status != SL_OK && status != SL_NUMERIC) return status;
    *out = sl_image_beam_of(image, status == SL_OK ? &look : NULL);
    return SL_OK;
}
