/* How rare a value is among clean images: their quantiles, and what may be said beyond the largest. */
#include "xray/physical/calibration.h"

#include <math.h>

enum { LAST = CALIBRATION_SHARES - 1, STEPS_LEAST = 3, IMAGES_LEAST = 5 };

/* Decay length of the highest values; 0 where they show none. Many clean images may share one value: what
 * lies above it is looked at, and has to be of several values and images. The slowest decay of any quantile
 * counts. */
static double tail_scale(const calibration *c) {
    int start = CALIBRATION_95, steps = 0;
    while (start < LAST && c->quantile[start + 1] <= c->quantile[CALIBRATION_95]) start++;
    double above = (1 - calibration_share[start]) * c->images, scale = 1e-3 * fabs(c->quantile[LAST]);
    if (above < IMAGES_LEAST) return 0;
    for (int k = start + 1; k <= LAST; k++) {
        double rarer = above / fmax((1 - calibration_share[k]) * c->images, 1);
        steps += c->quantile[k] > c->quantile[k - 1];
        if (rarer > 1) scale = fmax(scale, (c->quantile[k] - c->quantile[start]) / log(rarer));
    }
    return steps >= STEPS_LEAST ? scale : 0;
}

static double share_within(const calibration *c, double value) {
    double below = 0;
    for (int k = 0; k < LAST; k++) {
        double low = c->quantile[k], high = c->quantile[k + 1];
        /* where many clean images share a value, take the lowest share: such a value is no evidence */
        if (value > low && value <= high)
            below = calibration_share[k] +
                    (calibration_share[k + 1] - calibration_share[k]) * (value - low) / (high - low);
    }
    return fmax(1 - below, 1.0 / (c->images + 1));
}

double calibration_p(const calibration *kind, int technique, double value) {
    const calibration *c = &kind[technique];
    double top = c->quantile[LAST], scale = tail_scale(c);
    if (value <= top) return share_within(c, value);
    if (scale > 0) return fmax(exp(-(value - top) / scale) / (c->images + 1), 1e-6);
    int images = 0;
    for (int k = 0; k < CALIBRATION_TECHNIQUES; k++) {
        if (kind[k].images > 0 && value <= kind[k].quantile[LAST]) return 1.0 / (c->images + 1);
        images += kind[k].images;
    }
    return 1.0 / (images + 1);
}
