/* One look at an image for all that can be found blind. */
#include "xray/blind/candidates.h"
#include "xray/blind/look.h"

#include <math.h>

/* The row of a beamstop that stands on the specular column, not above the horizon. */
static double beam_row(const blind_cells *c, const blind_stop *stop, int count, const blind_mirror *mirror,
                       const blind_horizon *horizon) {
    for (int k = 0; k < count; k++)
        if (fabs(stop[k].column - mirror->column) < 0.02 * c->columns + 0.5 * stop[k].radius &&
            stop[k].row > horizon->row - 2)
            return stop[k].row;
    return NAN;
}

sl_status blind_look_with_traits(const sl_image *image, sl_blind_look *out, double trait[BLIND_TRAITS]) {
    blind_cells level[BLIND_LEVELS];
    SL_TRY(blind_pyramid_make(image, level));
    const blind_cells *c = &level[BLIND_CANDIDATE_LEVEL];
    blind_mirror mirror = blind_mirror_find(c, false), turned = blind_mirror_find(c, true);
    blind_horizon horizon = blind_horizon_find(c, &level[BLIND_FINEST]);
    blind_stop stops[BLIND_STOPS];
    int count = blind_stops_find(c, BLIND_STOPS, stops);
    out->stop = (sl_blind_stop){0};
    if (count)
        out->stop = (sl_blind_stop){stops[0].row * c->cell_px, stops[0].column * c->cell_px,
                                    stops[0].radius * c->cell_px, stops[0].contrast};
    double row = beam_row(c, stops, count, &mirror, &horizon);
    out->grazing = (sl_blind_grazing){mirror.column * c->cell_px, mirror.correlation,
                                      horizon.row * c->cell_px, horizon.step, row * c->cell_px};
    sl_status status = blind_centre_choose(level, stops, count, &out->centre);
    if (!status) blind_traits_of(c, &out->centre, &mirror, &turned, &horizon, trait);
    blind_pyramid_free(level);
    return status;
}

sl_status sl_blind_look_at(const sl_image *image, sl_blind_look *out) {
    double trait[BLIND_TRAITS];
    SL_TRY(blind_look_with_traits(image, out, trait));
    blind_technique_judge(trait, out->probability);
    int best = 0;
    for (int t = 1; t < SL_TECHNIQUE_UNKNOWN; t++)
        if (out->probability[t] > out->probability[best]) best = t;
    out->technique =
        out->probability[best] >= SL_BLIND_TECHNIQUE_LEAST ? (sl_technique)best : SL_TECHNIQUE_UNKNOWN;
    return SL_OK;
}
