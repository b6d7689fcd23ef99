/* Which quantiles of a test's values on clean images calibration.def holds. */
#ifndef SL_XRAY_PHYSICAL_CALIBRATION_H
#define SL_XRAY_PHYSICAL_CALIBRATION_H

enum { CALIBRATION_SHARES = 16, CALIBRATION_95 = 10, CALIBRATION_LIMIT = 12, CALIBRATION_MEDIAN = 5 };

/* Shares of the clean images that lie below each quantile. */
static const double calibration_share[CALIBRATION_SHARES] = {0,   .05, .1,  .25,  .4,  .5,   .6,   .75,
                                                             .85, .9,  .95, .975, .99, .995, .998, 1};

#endif
