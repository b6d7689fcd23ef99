#include "loop/recorded.h"

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

bool sl_recorded_is_picture(const char *format, const char *dtype) {
    if (format && (strcmp(format, "PNG") == 0 || strcmp(format, "JPEG") == 0)) return true;
    return dtype && strcmp(dtype, "U8") == 0;
}
