/* A21: the image shows what its caption says. */
#include "xray/physical/internal.h"

#include "xray/caption_words.h"

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

sl_status physical_caption(const physical_view *view, sl_physical_result *out) {
    const char *caption = view->input->caption;
    double least = 1;
    int said = 0, says = 0;
    sl_caption_word worst = SL_CAPTION_GRAZING;
    for (int w = 0; w < SL_CAPTION_WORD_COUNT; w++) said += sl_caption_says(caption, (sl_caption_word)w) != 0;
    snprintf(out->saw, sizeof out->saw, "%s",
             caption ? "a caption without a word that can be seen" : "no caption");
    if (said == 0 || view->image->height_px < SL_IMAGE_FEATURES_SIDE_LEAST) return SL_OK;
    SL_TRY(physical_blind_evidence(view->blind, view->input->image));
    for (int w = 0; w < SL_CAPTION_WORD_COUNT; w++) {
        int word_says = sl_caption_says(caption, (sl_caption_word)w);
        double p = sl_caption_word_probability((sl_caption_word)w, view->blind->evidence);
        if (word_says < 0) p = 1 - p;
        if (word_says != 0 && p < least) least = p, worst = (sl_caption_word)w, says = word_says;
    }
    out->applicable = true;
    out->value = fmin(-log(fmax(least, 1e-9)), 20);
    draw(view);
    snprintf(out->saw, sizeof out->saw, "%d words; that it shows %s%s has probability %.2g", said,
             says < 0 ? "no " : "", sl_caption_word_text(worst), least);
    return SL_OK;
}
