/* Whether an ideal observer could see an injected fault at all.
 *
 * Someone who knew both pictures without noise, with the fault and without, would tell them apart by a
 * matched filter, whose signal to noise is sqrt(sum (after - before)^2 / variance) over the pixels that hold
 * a value (North, RCA report PTR-6C (1943)). A test knows neither: it looks for a fault of any place and
 * shape in a picture whose content it has to estimate from the same counts. */
#ifndef TOOLS_VISIBILITY_H
#define TOOLS_VISIBILITY_H

#include "xray/simulate.h"

/* From here on a fault counts as visible: 4.5 standard deviations are what chance reaches at one of 65,536
 * places; twice that, for what is beside the fault has to be estimated from counts too. */
#define VISIBLE_SNR 10.0

/* The picture before the fault. Zeroed, or of an earlier sample, whose memory is used again. */
typedef struct visibility {
    size_t pixels;
    float *counts;   /* expectation, with the beamstop's shadow */
    float *measured; /* counts as measured */
    uint8_t *mask;
} visibility;

/* Keeps what the measured sample shows before a fault is put in. */
sl_status visibility_keep(const sl_sim_sample *sample, visibility *before);
void visibility_free(visibility *before);

/* Signal to noise of the fault that the sample had put in since; NAN where the fault is no change of the
 * picture without noise: in the noise itself, in gaps, in the caption. */
double visibility_snr(const visibility *before, const sl_sim_sample *sample);

#endif
