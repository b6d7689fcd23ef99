/* What can be told from an image alone: where the beam hit, and how it was measured. */
#ifndef SL_XRAY_BLIND_H
#define SL_XRAY_BLIND_H

#include "image/image.h"
#include "xray/technique.h"

#include <stdbool.h>

/* Probabilities below which an estimate is none. */
#define SL_BLIND_CENTRE_LEAST    0.5
#define SL_BLIND_TECHNIQUE_LEAST 0.9

typedef struct sl_blind_centre {
    bool found;               /* the probability reaches SL_BLIND_CENTRE_LEAST */
    double row_px, column_px; /* counted from the image's corner; may lie outside */
    double probability;       /* that the beam is within 4 pixels of it, in an image of 256 */
    double explained; /* share of the variance of ln(counts) that symmetry about it explains, 0 to 1 */
    double inversion; /* correlation of the image with itself, turned by 180 degrees about it */
    double stop;      /* contrast of a beamstop's shadow there; 0: none seen */
} sl_blind_centre;

/* The beam's place of a transmission image. Places that may be it (the best by rings, by inversion, dark
 * discs, the brightest place) are refined and compared by what they explain; the choice among them and its
 * probability are a conditional logit (McFadden 1974), the numbers of which `blind-fit` makes from simulated
 * images (blind/centre_weights.def). Looked for within a quarter of the image's side beyond its borders.
 * What the mask says of beamstop and horizon is not looked at. SL_NUMERIC where no pixel has counts. */
sl_status sl_blind_centre_find(const sl_image *image, sl_blind_centre *out);

/* What is defined of an image at grazing incidence. */
typedef struct sl_blind_grazing {
    double specular_column_px; /* the upright line about which left and right agree most */
    double mirror;             /* their correlation, beyond what rows have in common */
    double horizon_row_px;     /* the level edge with the largest loss downwards */
    double horizon_step;       /* that loss in ln(counts) */
    double beam_row_px;        /* of a beamstop on the specular column, below the horizon; NAN: none seen */
} sl_blind_grazing;

/* The clearest dark disc in bright surroundings, as of a beamstop. */
typedef struct sl_blind_stop {
    double row_px, column_px, radius_px;
    double
        contrast; /* ln of the counts around over those within, over its doubt; 0: none seen, clear above 2 */
} sl_blind_stop;

typedef struct sl_blind_look {
    sl_blind_stop stop;
    sl_blind_centre centre;                   /* as of a transmission image */
    sl_blind_grazing grazing;                 /* as of one at grazing incidence */
    double probability[SL_TECHNIQUE_UNKNOWN]; /* of each technique, by a multinomial logit on what the image
                                               * shows (blind/technique.h, technique_weights.def) */
    sl_technique technique;                   /* UNKNOWN where none reaches SL_BLIND_TECHNIQUE_LEAST */
} sl_blind_look;

/* All of it at once. SL_NUMERIC where no pixel has counts. Deterministic. */
sl_status sl_blind_look_at(const sl_image *image, sl_blind_look *out);

#endif
