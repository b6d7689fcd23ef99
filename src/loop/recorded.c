#include "loop/recorded.h"

#include <math.h>
#include <string.h>

sl_status sl_recorded_provenance(sl_store *store, sl_id image, json_t **out) {
    const char *text;
    sl_arena *arena;
    *out = NULL;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_image_provenance(store, image, arena, &text);
    if (!status && text) status = sl_json_parse(text, strlen(text), "provenance", out);
    sl_arena_free(arena);
    return status;
}

static bool place_of(const json_t *object, const char *row_key, const char *column_key, sl_beam_place *out) {
    const json_t *row = json_object_get(object, row_key), *column = json_object_get(object, column_key);
    if (!json_is_number(row) || !json_is_number(column)) return false;
    *out = (sl_beam_place){true, json_number_value(row), json_number_value(column), false};
    return true;
}

sl_beam_place sl_recorded_beam(const json_t *provenance) {
    sl_beam_place place = {0};
    if (!place_of(json_object_get(provenance, "beam"), "row_px", "column_px", &place))
        place_of(json_object_get(provenance, "geometry"), "beam_y_px", "beam_x_px", &place);
    return place;
}

sl_beam_place sl_recorded_centre(const json_t *provenance) {
    sl_beam_place place = sl_recorded_beam(provenance);
    if (!place.known) place_of(json_object_get(provenance, "beam_estimate"), "row_px", "column_px", &place);
    return place;
}

static double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The simulator's pixels are square, and it counts wavelengths in angstrom. */
sl_frame_geometry sl_recorded_geometry(const json_t *provenance) {
    const json_t *g = json_object_get(provenance, "geometry");
    sl_beam_place beam = sl_recorded_beam(provenance);
    sl_frame_geometry out = {.wavelength_m = number_of(g, "wavelength_m"),
                             .distance_m = number_of(g, "distance_m"),
                             .pixel_x_m = number_of(g, "pixel_x_m"),
                             .pixel_y_m = number_of(g, "pixel_y_m"),
                             .beam_x_px = beam.known ? beam.column_px : (double)NAN,
                             .beam_y_px = beam.known ? beam.row_px : (double)NAN,
                             .exposure_s = number_of(g, "exposure_s")};
    if (json_object_get(g, "pixel_m")) out.pixel_x_m = out.pixel_y_m = number_of(g, "pixel_m");
    if (json_object_get(g, "wavelength_ang")) out.wavelength_m = 1e-10 * number_of(g, "wavelength_ang");
    return out;
}

double sl_recorded_tilt(const json_t *provenance) {
    const json_t *g = json_object_get(provenance, "geometry");
    return hypot(json_number_value(json_object_get(g, "rot1_rad")),
                 json_number_value(json_object_get(g, "rot2_rad")));
}

bool sl_recorded_is_picture(const char *format, const char *dtype) {
    if (format && (strcmp(format, "PNG") == 0 || strcmp(format, "JPEG") == 0)) return true;
    return dtype && strcmp(dtype, "U8") == 0;
}
