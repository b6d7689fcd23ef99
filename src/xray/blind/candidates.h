/* Places that may be the beam's, and what speaks for each. */
#ifndef SL_XRAY_BLIND_CANDIDATES_H
#define SL_XRAY_BLIND_CANDIDATES_H

#include "xray/blind/internal.h"

/* What speaks for a place; the weights of the choice go by this order. */
typedef enum blind_evidence {
    BLIND_RINGS,            /* -ln of what rings and lobes about it leave over */
    BLIND_RINGS_BEHIND,     /* the same less that of the best place */
    BLIND_INVERSION,        /* correlation under inversion */
    BLIND_INVERSION_BEHIND, /* less that of the best place */
    BLIND_SHARE,            /* covariance under inversion over the whole variance */
    BLIND_SHARE_BEHIND,     /* less that of the best place */
    BLIND_OVERLAP,          /* part of the image that has a counterpart */
    BLIND_STOP,             /* contrast of a dark disc around it, fading with its distance */
    BLIND_STOP_BEHIND,      /* less that of the best place */
    BLIND_BRIGHT,           /* mean brightness around it, in sigma of the image */
    BLIND_BRIGHT_BEHIND,    /* less that of the best place */
    BLIND_OUTSIDE,          /* 1 where it lies outside the image */
    BLIND_FAR,              /* squared distance from the image's middle over its half side */
    BLIND_EVIDENCE
} blind_evidence;

typedef struct blind_candidate {
    double row, column; /* cells of the level at hand */
    double left;        /* over: blind_left_over */
    blind_inversion inversion;
    double evidence[BLIND_EVIDENCE];
} blind_candidate;

enum { BLIND_CANDIDATES = 10, BLIND_CANDIDATE_LEVEL = 2, BLIND_STOPS = 4 };

/* The places of an image, in cells of level BLIND_CANDIDATE_LEVEL, with their evidence; returns their number.
 * stops[stop_count]: dark discs in the same cells, the clearest first. `b` is room to work in. */
int blind_candidates_find(const blind_cells level[BLIND_LEVELS], blind_bins *b, const blind_stop *stops,
                          int stop_count, blind_candidate out[BLIND_CANDIDATES]);

/* The likeliest of them, refined in the finest cells, of which those in shadow are dropped. */
sl_status blind_centre_choose(blind_cells level[BLIND_LEVELS], const blind_stop *stops, int stop_count,
                              sl_blind_centre *out);

#endif
