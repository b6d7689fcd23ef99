/* What calibration.def holds of a test's values on clean images, for which kinds of image, and how rare a
 * value is among them. */
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

typedef struct calibration {
    int images; /* clean images to which the test applied */
    double limit;
    double mad; /* median absolute deviation */
    double quantile[CALIBRATION_SHARES];
} calibration;

/* Share of clean images with at least this value; kind[CALIBRATION_TECHNIQUES] are those of which as much is
 * known, of each technique. Beyond all of the technique's own, an exponential tail (Pickands, Ann. Stat. 3
 * (1975) 119, shape 0) where they show one, never below 1e-6. Else 1/(n + 1), since n images alone tell no
 * less; n counts those of all techniques where the value lies beyond all of them, too. */
double calibration_p(const calibration *kind, int technique, double value);

#endif
