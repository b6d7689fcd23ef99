/* A21: the image shows what its caption says. */
#include "xray/physical/internal.h"

#include "xray/caption/words.h"

#include <math.h>
#include <stdio.h>

/* What contradicts the caption is nothing that has a place: the frame is marked. */
static void draw(const physical_view *view) {
    physical_mark(view, (sl_mark){.kind = SL_MARK_BOX,
                                  .test = SL_PHYSICAL_CAPTION,
                                  .is_odd = true,
                                  .row = 1,
                                  .column = 1,
                                  .row2 = (float)(view->image->height_px - 2),
                                  .column2 = (float)(view->image->width_px - 2)});
}

/* Whether an image was measured at grazing incidence is the first thing a caption says, and its loudest word:
 * images that leave it open are not judged by their captions. */
static const double open_below = 0.95;

static sl_status find_beam(const physical_view *view, sl_caption_beam *out) {
    const sl_image *image = view->input->image;
    const sl_blind_look *look;
    *out = (sl_caption_beam){view->row_px / image->height_px, view->column_px / image->width_px, 0.99};
    if (view->centre_known) return SL_OK;
    SL_TRY(physical_blind_look(view->blind, image, &look));
    bool found = look && look->centre.found && !view->is_grazing;
    *out = (sl_caption_beam){0};
    if (found)
        *out = (sl_caption_beam){look->centre.row_px / image->height_px,
                                 look->centre.column_px / image->width_px, look->centre.probability};
    return SL_OK;
}

sl_status physical_caption(const physical_view *view, sl_physical_result *out) {
    const char *caption = view->input->caption;
    double doubt[SL_CAPTION_CLAIMS], sum = 0;
    sl_caption_beam beam;
    int worst = 0;
    snprintf(out->saw, sizeof out->saw, "%s",
             caption ? "a caption without a word that can be seen" : "no caption");
    if (!caption || view->image->height_px < SL_IMAGE_FEATURES_SIDE_LEAST) return SL_OK;
    SL_TRY(physical_blind_evidence(view->blind, view->input->image));
    SL_TRY(find_beam(view, &beam));
    int made = sl_caption_doubts(caption, view->blind->evidence, &beam, doubt);
    if (made == 0) return SL_OK;
    double grazing = sl_caption_word_probability(SL_CAPTION_GRAZING, view->blind->evidence);
    snprintf(out->saw, sizeof out->saw,
             "grazing incidence or transmission: the image leaves it open (%.0f %%)", 100 * grazing);
    if (fmax(grazing, 1 - grazing) < open_below) return SL_OK;
    for (int k = 0; k < SL_CAPTION_CLAIMS; k++) {
        double weighed = sl_caption_weight(k) * doubt[k];
        if (weighed > sl_caption_weight(worst) * doubt[worst]) worst = k;
        sum += weighed;
    }
    int says = worst < SL_CAPTION_PLACE ? sl_caption_says(caption, (sl_caption_word)worst) : 1;
    out->applicable = true;
    out->value = sum;
    draw(view);
    snprintf(out->saw, sizeof out->saw, "%d words; that it shows %s%s has probability %.2g", made,
             says < 0 ? "no " : "", sl_caption_claim_text(worst), exp(-doubt[worst]));
    return SL_OK;
}
