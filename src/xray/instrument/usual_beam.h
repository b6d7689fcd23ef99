/* Where instruments usually have the direct beam. */
#ifndef SL_XRAY_INSTRUMENT_USUAL_BEAM_H
#define SL_XRAY_INSTRUMENT_USUAL_BEAM_H

#include "base/random.h"
#include "xray/technique.h"

#include <stdbool.h>

/* Where instruments of the technique have it, in shares of height and width: the law of the simulator. */
void sl_usual_beam_draw(sl_technique technique, sl_random *random, double *row, double *column);

/* The same for the technique that the caption names, in the third of the frame that it tells, where it does.
 * Exactly there: nobody who is shown the image should doubt the words. false: it names no technique. */
bool sl_usual_beam_of_caption(const char *caption, sl_random *random, double *row, double *column);

#endif
