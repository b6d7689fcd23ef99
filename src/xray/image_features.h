/* The physical feature vector of an image: numbers with a meaning, by which sets of images are compared.
 *
 * They look at a detector image as a person at the beamline would: fall-off with the radius, rings, texture,
 * symmetry, shadows, spectrum, noise, grey levels. All are free of the unit of the values up to the half
 * count of the log display (xray/log_map.h), and of the size in pixels where that can be: sets to be compared
 * should still be brought to one size first, because noise and fine detail cannot. */
#ifndef SL_XRAY_IMAGE_FEATURES_H
#define SL_XRAY_IMAGE_FEATURES_H

#include "image/image.h"

#include <stdbool.h>

/* Raised whenever the same image gives other numbers. */
enum { SL_IMAGE_FEATURES_VERSION = 2 };

typedef enum sl_image_feature {
#define SL_IMAGE_FEATURE(name, id, words) SL_IMAGE_FEATURE_##name,
#include "xray/image_features.def"
#undef SL_IMAGE_FEATURE
    SL_IMAGE_FEATURE_COUNT
} sl_image_feature;

enum { SL_PROFILE_BINS = 24, SL_ANISOTROPY_BANDS = 6, SL_PSD_BANDS = 8, SL_IMAGE_FEATURES_SIDE_LEAST = 32 };

const char *sl_image_feature_id(sl_image_feature feature);    /* "peak-count" */
const char *sl_image_feature_words(sl_image_feature feature); /* a line for people */

/* Where the beam is, in pixels from the outer corner of the top left one. */
typedef struct sl_beam_place {
    bool known; /* false: it is looked for in the image */
    double row_px, column_px;
    bool found; /* by sl_image_beam_find: it need not be looked for again */
} sl_beam_place;

/* Blind (xray/blind.h): the beam's likeliest place; at grazing incidence, where the specular plane meets the
 * horizon; the middle of an image that shows nothing. SL_MEMORY. */
sl_status sl_image_beam_find(const sl_image *image, sl_beam_place *out);
/* The same from what a look at this image gave; `look` NULL: an image that shows nothing. */
struct sl_blind_look;
sl_beam_place sl_image_beam_of(const sl_image *image, const struct sl_blind_look *look);

/* All features of `image`; `beam` NULL: look for it. A feature that cannot be computed (no maxima, too few
 * good pixels, beam out of reach) is NAN, which means missing: never a guess. Pixels of SL_MASK_NO_VALUE are
 * not looked at; those behind a beamstop or below a horizon are, since measured files do not mark them.
 * Deterministic. SL_INVALID below SL_IMAGE_FEATURES_SIDE_LEAST pixels on the longer side, SL_MEMORY. */
sl_status sl_image_features(const sl_image *image, const sl_beam_place *beam,
                            double out[SL_IMAGE_FEATURE_COUNT]);

#endif
