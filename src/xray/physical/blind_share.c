/* What is found blind in an image, once for all who ask. */
#include "xray/physical/grazing/horizon.h"

#include <math.h>

sl_status physical_blind_look(sl_physical_blind *blind, const sl_image *image, const sl_blind_look **out) {
    if (!blind->looked) {
        sl_status status = sl_blind_look_at(image, &blind->look);
        if (status != SL_OK && status != SL_NUMERIC) return status;
        blind->looked = true;
        blind->shows_nothing = status == SL_NUMERIC;
    }
    *out = blind->shows_nothing ? NULL : &blind->look;
    return SL_OK;
}

/* Whether there is a horizon and how long it is; how far the longest ring can be followed; how many rings
 * half a turn and more. */
static void fill_from_view(const physical_view *view, double *out) {
    horizon h;
    int longest = 0, rings = 0;
    bool found = horizon_find(view, &h);
    for (int k = 0; k < view->track_count; k++) {
        longest = view->track[k].seen > longest ? view->track[k].seen : longest;
        rings += view->track[k].seen >= POLAR_SECTORS / 2;
    }
    out[0] = found;
    out[1] = found ? h.seen / (double)HORIZON_STRIPS : 0;
    out[2] = longest / (double)POLAR_SECTORS;
    out[3] = fmin(rings, 5);
}

/* ln odds that the techniques a or b are it, rather than c or d. */
static double odds(const double *p, sl_technique a, sl_technique b, sl_technique c, sl_technique d) {
    return log(fmax(p[a] + p[b], 1e-12)) - log(fmax(p[c] + p[d], 1e-12));
}

static void fill_from_look(const sl_blind_look *look, double *out) {
    const double *p = look->probability;
    const double found[SL_CAPTION_OF_LOOK] = {
        odds(p, SL_TECHNIQUE_GISAXS, SL_TECHNIQUE_GIWAXS, SL_TECHNIQUE_SAXS, SL_TECHNIQUE_WAXS),
        odds(p, SL_TECHNIQUE_WAXS, SL_TECHNIQUE_GIWAXS, SL_TECHNIQUE_SAXS, SL_TECHNIQUE_GISAXS),
        look->stop.contrast,
        look->centre.probability,
        look->centre.explained,
        look->centre.inversion,
        look->centre.stop,
        look->grazing.mirror,
        look->grazing.horizon_step};
    for (int k = 0; k < SL_CAPTION_OF_LOOK; k++) out[k] = found[k];
}

sl_status physical_blind_evidence(sl_physical_blind *blind, const sl_image *image) {
    const sl_physical_input input = {.image = image, .technique = SL_TECHNIQUE_UNKNOWN, .blind = blind};
    const sl_blind_look *look;
    physical_view *view;
    if (blind->has_evidence) return SL_OK;
    SL_TRY(physical_blind_look(blind, image, &look));
    const sl_beam_place beam = sl_image_beam_of(image, look);
    SL_TRY(sl_image_features(image, &beam, blind->evidence));
    SL_TRY(sl_alloc(&view, 1, sizeof *view));
    sl_status status = physical_view_prepare(&input, view);
    if (!status) fill_from_view(view, &blind->evidence[SL_IMAGE_FEATURE_COUNT]);
    double *of_look = &blind->evidence[SL_IMAGE_FEATURE_COUNT + SL_CAPTION_OF_VIEW];
    for (int k = 0; k < SL_CAPTION_OF_LOOK; k++) of_look[k] = NAN;
    if (look) fill_from_look(look, of_look);
    physical_view_free(view);
    sl_free(view);
    blind->has_evidence = status == SL_OK;
    return status;
}

sl_status sl_caption_evidence(const sl_image *image, double out[SL_CAPTION_EVIDENCE]) {
    sl_physical_blind blind = {0};
    SL_TRY(physical_blind_evidence(&blind, image));
    for (int i = 0; i < SL_CAPTION_EVIDENCE; i++) out[i] = blind.evidence[i];
    return SL_OK;
}

double sl_physical_technique_find(sl_physical_input *input) {
    sl_physical_blind own = {0};
    const sl_blind_look *look;
    if (input->technique != SL_TECHNIQUE_UNKNOWN || input->is_display || input->is_expectation) return 0;
    sl_status status = physical_blind_look(input->blind ? input->blind : &own, input->image, &look);
    if (status || !look || look->technique == SL_TECHNIQUE_UNKNOWN) return 0;
    input->technique = look->technique;
    return look->probability[look->technique];
}
