/* The even background that every frame has, from air, windows and electronics: a law of the simulator, and of
 * what a model has made (xray/instrument/usual_measurement.h). */
#ifndef SL_XRAY_INSTRUMENT_USUAL_BACKGROUND_H
#define SL_XRAY_INSTRUMENT_USUAL_BACKGROUND_H

#include "base/random/random.h"
#include "xray/technique.h"

/* Mean counts a pixel, in a frame of that count level (xray/log_map.h). */
double sl_usual_background(sl_technique technique, double level_counts, sl_random *random);

/* The same of a frame with nothing but background. */
double sl_usual_empty_background(double level_counts, sl_random *random);

/* Of a picture that a model has drawn, and whose darkest places have `darkest_counts`: mean counts below
 * which no pixel of it can be. 0 where the picture has as much background as some instrument. One that is
 * darker is no frame, but a picture whose faint background was cut off at black: it gets a background by the
 * law of its caption that would look alike, or else the least. */
double sl_usual_background_of_picture(const char *caption, double level_counts, double darkest_counts,
                                      sl_random *random);

#endif
