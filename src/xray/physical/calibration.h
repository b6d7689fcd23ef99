/* Which quantiles of a test's values on clean images calibration.def holds, and for which kinds of image. */
#ifndef SL_XRAY_PHYSICAL_CALIBRATION_H
#define SL_XRAY_PHYSICAL_CALIBRATION_H

enum {
    CALIBRATION_SHARES = 15,
    CALIBRATION_95 = 10,
    CALIBRATION_MEDIAN = 5,
    CALIBRATION_TECHNIQUES = 5, /* sl_technique; the last is UNKNOWN: all classes together */
    CALIBRATION_LEAST = 40      /* clean images without which a test says nothing of a kind of image */
};

/* Shares of the clean images that lie below each quantile. */
static const double calibration_share[CALIBRATION_SHARES] = {0,   .05, .1,  .25,  .4,  .5,   .6, .75,
                                                             .85, .9,  .95, .975, .99, .995, 1};

#endif
