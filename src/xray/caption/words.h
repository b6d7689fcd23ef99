/* What a caption says against what its image shows.
 *
 * For each word, and for the two questions a technique answers (grazing incidence or transmission, wide or
 * small angles), a logistic regression over the feature vector (xray/image_features.h) and what is found
 * blind gives the probability that the word is true of the image. What all words of a caption say together is
 * the weighted sum of their -ln(p), and of the same for the place that it gives the beam; the weights are a
 * logistic regression of its own, on captions of the image and of others. All coefficients
 * (model.def) are fitted by tools/caption-model to simulated images. */
#ifndef SL_XRAY_CAPTION_WORDS_H
#define SL_XRAY_CAPTION_WORDS_H

#include "xray/image_features.h"

#include "image/image.h"
#include "xray/caption/place.h"

/* The feature vector, then: whether a horizon is found, in what share of the width; what share of a turn the
 * longest ring can be followed, how many rings half a turn and more; and of the blind look: ln odds of
 * grazing incidence and of wide angles, contrast of a beamstop, probability of the beam's place, what rings,
 * inversion and a beamstop say for it, mirror symmetry, and the loss at the horizon. */
enum {
    SL_CAPTION_OF_VIEW = 4,
    SL_CAPTION_OF_LOOK = 9,
    SL_CAPTION_EVIDENCE = SL_IMAGE_FEATURE_COUNT + SL_CAPTION_OF_VIEW + SL_CAPTION_OF_LOOK
};

typedef enum sl_caption_word {
    SL_CAPTION_GRAZING,
    SL_CAPTION_WIDE,
#define SL_CAPTION_WORD(name, text, attribute) SL_CAPTION_##name,
#include "xray/caption/word.def"
#undef SL_CAPTION_WORD
    SL_CAPTION_WORD_COUNT
} sl_caption_word;

/* What a caption may claim: words, then the beam's place. */
enum { SL_CAPTION_PLACE = SL_CAPTION_WORD_COUNT, SL_CAPTION_CLAIMS };

const char *sl_caption_claim_text(int claim); /* "rings" */

/* What the caption says of a word: 1 that it is so, -1 that it is not, 0 nothing. A caption that does not
 * name a thing does not say that there is none; a technique says both of its answers. */
int sl_caption_says(const char *caption, sl_caption_word word);

/* What an image shows, nothing but its pixels known. SL_INVALID below SL_IMAGE_FEATURES_SIDE_LEAST pixels on
 * the longer side, SL_MEMORY. */
sl_status sl_caption_evidence(const sl_image *image, double out[SL_CAPTION_EVIDENCE]);

/* Probability that the word is true of an image with this evidence, in [0.002, 0.998]; what is missing (NaN)
 * counts as usual. */
double sl_caption_word_probability(sl_caption_word word, const double evidence[SL_CAPTION_EVIDENCE]);

/* For each claim: -ln of the probability that it is true; 0 where the caption does not make it. Returns how
 * many it makes that can be judged. */
int sl_caption_doubts(const char *caption, const double evidence[SL_CAPTION_EVIDENCE],
                      const sl_caption_beam *beam, double out[SL_CAPTION_CLAIMS]);
/* What a claim's doubt weighs. */
double sl_caption_weight(int claim);

#endif
