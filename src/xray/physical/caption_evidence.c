/* What the tests find in an image of which nothing is known, as evidence for the words of a caption. */
#include "xray/caption_words.h"
#include "xray/physical/horizon.h"

#include <math.h>

static void look_blind(const physical_view *view, double *out) {
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

sl_status sl_caption_evidence(const sl_image *image, double out[SL_CAPTION_EVIDENCE]) {
    const sl_physical_input input = {.image = image, .technique = SL_TECHNIQUE_UNKNOWN};
    physical_view *view;
    SL_TRY(sl_image_features(image, NULL, out));
    SL_TRY(sl_alloc(&view, 1, sizeof *view));
    sl_status status = physical_view_prepare(&input, view);
    if (!status) look_blind(view, &out[SL_IMAGE_FEATURE_COUNT]);
    physical_view_free(view);
    sl_free(view);
    return status;
}
