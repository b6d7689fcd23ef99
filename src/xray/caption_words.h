/* What a caption says against what its image shows.
 *
 * For each word, and for the two questions a technique answers (grazing incidence or transmission, wide or
 * small angles), a logistic regression over the feature vector (xray/image_features.h) and what the physical
 * tests find blind gives the probability that the word is true of the image. The coefficients
 * (caption_model.def) are fitted by tools/caption-model to simulated images. */
#ifndef SL_XRAY_CAPTION_WORDS_H
#define SL_XRAY_CAPTION_WORDS_H

#include "xray/image_features.h"

#include "image/image.h"

/* The feature vector, then: whether a horizon is found, in what share of the width; what share of a turn the
 * longest ring can be followed, how many rings half a turn and more. */
enum { SL_CAPTION_EVIDENCE = SL_IMAGE_FEATURE_COUNT + 4 };

typedef enum sl_caption_word {
    SL_CAPTION_GRAZING,
    SL_CAPTION_WIDE,
#define SL_CAPTION_WORD(name, text, attribute) SL_CAPTION_##name,
#include "xray/caption_word.def"
#undef SL_CAPTION_WORD
    SL_CAPTION_WORD_COUNT
} sl_caption_word;

const char *sl_caption_word_text(sl_caption_word word); /* "rings" */

/* What the caption says of a word: 1 that it is so, -1 that it is not, 0 nothing. A caption that does not
 * name a thing does not say that there is none; a technique says both of its answers. */
int sl_caption_says(const char *caption, sl_caption_word word);

/* What an image shows, nothing but its pixels known. SL_INVALID below SL_IMAGE_FEATURES_SIDE_LEAST pixels on
 * the longer side, SL_MEMORY. */
sl_status sl_caption_evidence(const sl_image *image, double out[SL_CAPTION_EVIDENCE]);

/* Probability that the word is true of an image with this evidence; what is missing (NaN) counts as usual. */
double sl_caption_word_probability(sl_caption_word word, const double evidence[SL_CAPTION_EVIDENCE]);

#endif
