/* How instruments usually measure: the laws by which the simulator draws detector, view, flaws and count
 * level (and the beamstop: xray/instrument/usual_beamstop.h). What a model has made is measured by the same,
 * so that it differs from what it has learnt from by the model's own errors alone. */
#ifndef SL_XRAY_INSTRUMENT_USUAL_MEASUREMENT_H
#define SL_XRAY_INSTRUMENT_USUAL_MEASUREMENT_H

#include "base/random/random.h"
#include "xray/instrument/detector_chain.h"

/* Raised whenever the same draws would give another measurement. 1: frames had a beamstop only where their
 * caption names one. 2: pictures could be black where every frame has some background. */
#define SL_USUAL_MEASUREMENT_VERSION 3

/* One of those that beamlines and laboratories have. Never NULL. */
const sl_detector *sl_usual_detector(sl_random *random);

/* What of the detector an image of size_px x size_px shows: a square window, mostly within it. */
sl_view sl_usual_view(const sl_detector *detector, int32_t size_px, sl_random *random);

/* Point spread, gains, bad pixels and chips of m->detector as m->view shows it. */
void sl_usual_flaws(sl_random *random, sl_measurement *m);

/* Both, at exposure 1 and without a beamstop. Images that are not square show the middle of the detector;
 * detector NULL: an ideal one. */
sl_measurement sl_usual_measurement(const sl_detector *detector, int32_t height_px, int32_t width_px,
                                    sl_random *random);

/* The count level (xray/log_map.h) of a usual exposure. Short ones are a minority; CCDs have none. detector
 * NULL: an ideal one that counts photons. */
double sl_usual_level_counts(const sl_detector *detector, sl_random *random);

/* The same of a frame with nothing but background. */
double sl_usual_empty_level_counts(sl_random *random);

/* Count levels beyond which captions may say "noise high" and "noise low". */
#define SL_USUAL_NOISE_HIGH_BELOW 60.0
#define SL_USUAL_NOISE_LOW_ABOVE  3000.0

/* ---- what a caption says, and where it says nothing what is usual ---- */

/* "on a Pilatus 1M detector with gaps". */
const sl_detector *sl_usual_detector_of_caption(const char *caption, sl_random *random);

/* "noise high", "noise low", "background only"; every other caption that might have said the former two is
 * silent. */
double sl_usual_level_of_caption(const char *caption, const sl_detector *detector, sl_random *random);

/* The same for a picture that is known, by the mean of its log map (xray/log_map.h, at its own level): what
 * counts too little to show is black, so that short exposures are darker pictures. Of levels that suit the
 * caption one is drawn by how well it suits the picture. */
double sl_usual_level_of_picture(const char *caption, double map_mean, const sl_detector *detector,
                                 sl_random *random);

#endif
