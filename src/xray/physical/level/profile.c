#include "xray/physical/level/profile.h"

#include <math.h>

enum { TOGETHER = 3, LEAST_SECTORS = 4, LEAST_COUNTS = 40 };

void physical_profile(const physical_view *view, double *out) {
    for (int r = 0; r < POLAR_RADII; r++) {
        double value[POLAR_SECTORS / TOGETHER], counts = 0;
        int seen = 0;
        for (int s = 0; s < POLAR_SECTORS; s += TOGETHER) {
            double pixels, mean = polar_map_mean(&view->polar, s, TOGETHER, r, &pixels);
            if (pixels < 2) continue;
            value[seen++] = mean;
            counts += mean * pixels;
        }
        out[r] = NAN;
        if (seen < LEAST_SECTORS || counts < LEAST_COUNTS) continue;
        double middle = physical_median(value, seen);
        if (middle > 0) out[r] = log(middle);
    }
}
