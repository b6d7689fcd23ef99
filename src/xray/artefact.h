/* Injected faults: images that look like detector data and are not, with exact truth about what is wrong.
 *
 * Each works on pixels, never through the code that tests for it. The clean and the faulty image share their
 * counting noise, so that pairs can be compared. */
#ifndef SL_XRAY_ARTEFACT_H
#define SL_XRAY_ARTEFACT_H

#include "base/random/random.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sl_artefact_kind {
#define SL_ARTEFACT(name, id, words) SL_ARTEFACT_##name,
#include "xray/artefact.def"
#undef SL_ARTEFACT
    SL_ARTEFACT_COUNT
} sl_artefact_kind;

const char *sl_artefact_id(sl_artefact_kind kind);    /* "A1" */
const char *sl_artefact_words(sl_artefact_kind kind); /* "non-concentric ring" */
sl_status sl_artefact_find(const char *id, sl_artefact_kind *out);

typedef struct sl_artefact {
    sl_artefact_kind kind;
    double severity;                  /* (0, 1] */
    int32_t top, left, bottom, right; /* what it changed: rows top..bottom-1, columns left..right-1 */
    int64_t changed_px;
} sl_artefact;

enum { SL_ARTEFACTS_MAX = 3 };

struct sl_sim_sample;
struct sl_sim_options;

/* Whether the image has what the fault needs: a ring, gaps, a beamstop, a horizon. */
bool sl_artefact_applies(sl_artefact_kind kind, const struct sl_sim_sample *sample);

/* Puts a fault into a measured sample: its expectation, log map, measurement and list of faults. The
 * measurement is repeated with the sample's own random numbers. SL_INVALID where it does not apply or
 * severity is not in (0, 1]. */
sl_status sl_artefact_inject(sl_artefact_kind kind, double severity, struct sl_sim_sample *sample);

/* Sample `index` with one to three faults that apply (one alone in a third of the images), severities
 * log-uniform 0.05 to 1. The clean image of the same arguments is sl_sim_sample_make's. options->measure is
 * taken as set. */
sl_status sl_sim_unreal_make(uint64_t seed, uint32_t index, const struct sl_sim_options *options,
                             struct sl_sim_sample *sample);

/* A17: colour off the map, on an 8-bit RGB picture [height, width, 3] (sl_sim_picture): one channel changes
 * by up to 50 levels, in a patch or on one side. */
void sl_artefact_colour(uint8_t *rgb, int32_t height_px, int32_t width_px, double severity,
                        sl_random *random);

#endif
