/* The technique from what an image shows. */
#ifndef SL_XRAY_BLIND_TECHNIQUE_H
#define SL_XRAY_BLIND_TECHNIQUE_H

#include "xray/blind/grazing.h"

enum { BLIND_ROWS = 8, BLIND_RINGS_SEEN = 7 };

/* What tells the techniques apart, in this order. */
typedef enum blind_trait {
    BLIND_TRAIT_ONE,        /* 1 */
    BLIND_TRAIT_CENTRE,     /* probability of the beam's place */
    BLIND_TRAIT_EXPLAINED,  /* -ln of what rings and lobes about it leave over, to 3 */
    BLIND_TRAIT_INVERSION,  /* correlation under inversion through it */
    BLIND_TRAIT_OUTSIDE,    /* 1 where it lies outside the image */
    BLIND_TRAIT_STOP,       /* contrast of a beamstop there */
    BLIND_TRAIT_MIRROR,     /* correlation of left and right about the best upright line */
    BLIND_TRAIT_OVERLAP,    /* what of the image that compares */
    BLIND_TRAIT_TURNED,     /* the same for above and below about the best level line */
    BLIND_TRAIT_STEP,       /* loss across the largest level edge, in ln(counts) */
    BLIND_TRAIT_STEP_SHARE, /* columns in which something is lost there */
    BLIND_TRAIT_BELOW,      /* brightness of all below it, in sigma */
    BLIND_TRAIT_STEP_ROW,   /* its place, 0 top to 1 bottom */
    BLIND_TRAIT_SIGMA,      /* sigma of ln(1 + counts) */
    BLIND_TRAIT_GRAIN,      /* mean square difference of a cell from its neighbours */
    BLIND_TRAIT_ROD,        /* brightness of the mirror line above the edge, in sigma, beyond its rows' */
    BLIND_TRAIT_BAND,       /* largest mean of a row beyond the rows' mean, in sigma */
    BLIND_TRAIT_EDGE,       /* loss across the edge times the columns in which it is, low in the image */
    BLIND_TRAIT_DARK,       /* loss across it times how dark all below is */
    BLIND_TRAIT_SURFACE,    /* how much better the mirror holds than inversion */
    BLIND_TRAIT_ROW_0,      /* BLIND_ROWS means of rows from top to bottom, in sigma */
    BLIND_TRAIT_RING_0 = BLIND_TRAIT_ROW_0 + BLIND_ROWS, /* means about the beam, ln radius */
    BLIND_TRAITS = BLIND_TRAIT_RING_0 + BLIND_RINGS_SEEN
} blind_trait;

/* The traits of an image of which centre, mirror and horizon (in cells of `c`) are found. */
void blind_traits_of(const blind_cells *c, const sl_blind_centre *centre, const blind_mirror *mirror,
                     const blind_mirror *turned, const blind_horizon *horizon, double out[BLIND_TRAITS]);

/* P(technique | traits) by multinomial logit (blind/technique_weights.def). */
void blind_technique_judge(const double trait[BLIND_TRAITS], double probability[SL_TECHNIQUE_UNKNOWN]);

#endif
