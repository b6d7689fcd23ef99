/* From what the autoencoder decodes to an image in counts. */
#ifndef SL_LOOP_MEASURE_DECODED_H
#define SL_LOOP_MEASURE_DECODED_H

#include "base/json.h"
#include "diffusion/beam_map.h"
#include "diffusion/bundle.h"
#include "image/image.h"

/* How the detector chain is chosen, over what the prompt says. */
typedef struct sl_decoded_settings {
    const char *detector; /* id, "none", or NULL: from the prompt */
    const char *beamstop; /* see sl_beamstop_parse; NULL: from the prompt */
    const sl_image *mask; /* laid over where not 0; NULL: none; must have the image's size */
    double exposure;
    bool noise_free;     /* the expectation itself, no detector */
    sl_direct_beam beam; /* where the denoiser was told that it is; not known: it is looked for */
} sl_decoded_settings;

/* decoded [H, W, channels] in -1..1 of image `item` of run `seed`. In expectation space: the log expectation,
 * whose count level is drawn for the image, measured by the detector chain. In observed space: the mean of
 * the channels through the inverse of the recorded intensity map (0..1 without one). *out is new; provenance
 * (an object) gets what was chosen. *expectation (may be NULL) gets the mean counts of an exposure of 1
 * in expectation space, else it stays as it is; free both with sl_image_free. */
sl_status sl_measure_decoded(const sl_bundle *bundle, const float *decoded, int32_t height_px,
                             int32_t width_px, int channels, const char *prompt,
                             const sl_decoded_settings *settings, uint64_t seed, uint32_t item,
                             json_t *provenance, sl_image *out, sl_image *expectation);

#endif
