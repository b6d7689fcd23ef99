/* The beamstops that instruments usually have, and what captions say of them: laws of the simulator, and of
 * what a model has made (xray/instrument/usual_measurement.h). Places are shares of height and width, where
 * not in px. */
#ifndef SL_XRAY_INSTRUMENT_USUAL_BEAMSTOP_H
#define SL_XRAY_INSTRUMENT_USUAL_BEAMSTOP_H

#include "base/random/random.h"
#include "xray/instrument/detector_chain.h"

#include <stdbool.h>

/* Whether a beam there meets the frame, or nearly so: no other has a beamstop in it. */
bool sl_usual_beamstop_can_be(double row, double column);

/* Whether a frame has one: most have where it can be. */
bool sl_usual_beamstop_is_there(double row, double column, sl_random *random);

/* Whether the caption of a frame that has one names it: most do. */
bool sl_usual_beamstop_is_said(sl_random *random);

/* How many captions of frames with the beam there say nothing of a beamstop, of 1. */
double sl_usual_beamstop_silence(double row, double column);

/* One about the beam's place, in pixels of an image of that size. */
sl_beamstop sl_usual_beamstop(double size_px, double beam_row_px, double beam_column_px, bool grazing,
                              sl_random *random);

typedef enum sl_usual_words { SL_USUAL_SILENT, SL_USUAL_WITH, SL_USUAL_WITHOUT } sl_usual_words;
sl_usual_words sl_usual_beamstop_words(const char *caption);

/* "with a beamstop" and "without a beamstop" are taken at their word. A caption that says neither is one of a
 * frame without, or of one whose beamstop was not named: three of seven such have one where it can be. Shape
 * NONE without. */
sl_beamstop sl_usual_beamstop_of_caption(const char *caption, double size_px, double beam_row_px,
                                         double beam_column_px, sl_random *random);

#endif
