/* Where a caption puts the beam, against where it is. */
#ifndef SL_XRAY_CAPTION_PLACE_H
#define SL_XRAY_CAPTION_PLACE_H

#include <stdbool.h>

/* "with a beamstop at the bottom left", "beam outside", or both: thirds of the frame, counted from the top
 * left one. */
typedef struct sl_caption_place {
    bool outside;    /* the beam is outside of the frame */
    bool in_third;   /* the beam, or its beamstop, is in this third; the first that is named */
    int row, column; /* 0, 1, 2; 1 where no third is named */
} sl_caption_place;

sl_caption_place sl_caption_place_of(const char *caption);

/* Whether it says anything. */
static inline bool sl_caption_place_said(const sl_caption_place *place) {
    return place->in_third || place->outside;
}

/* The beam's place in shares of height and width, and the probability that it is there; 0: nobody knows. */
typedef struct sl_caption_beam {
    double row, column, probability;
} sl_caption_beam;

/* People's thirds are no exact ones: whoever judges their words allows them so much of the frame. */
#define SL_CAPTION_PLACE_SLACK 0.05

/* Whether the words fit the place, or would within `slack` of the frame; of a beam that is said to be outside
 * nothing else is asked. */
bool sl_caption_place_fits(const sl_caption_place *place, double row, double column, double slack);

/* Probability that the words are true, in [0.01, 0.99]; NAN where they say nothing or the beam is not known.
 */
double sl_caption_place_probability(const sl_caption_place *place, const sl_caption_beam *beam);

#endif
