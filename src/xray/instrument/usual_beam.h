/* Where instruments usually have the direct beam. */
#ifndef SL_XRAY_INSTRUMENT_USUAL_BEAM_H
#define SL_XRAY_INSTRUMENT_USUAL_BEAM_H

#include "base/random/random.h"
#include "xray/technique.h"

#include <stdbool.h>

/* Where instruments of the technique have it, in shares of height and width: the law of the simulator. */
void sl_usual_beam_draw(sl_technique technique, sl_random *random, double *row, double *column);

/* The same for the technique that the caption names, of those frames of which such a caption is true: in the
 * third that it tells, exactly there, where it does (nobody who is shown the image should doubt the words),
 * and more often outside where it names no beamstop. false: it names no technique. */
bool sl_usual_beam_of_caption(const char *caption, sl_random *random, double *row, double *column);

#endif
