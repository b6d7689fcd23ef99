/* What the features share: one view of the image, made once. */
#ifndef SL_XRAY_FEATURE_INTERNAL_H
#define SL_XRAY_FEATURE_INTERNAL_H

#include "xray/image_features.h"

#include <stdint.h>

enum { FEATURE_RADII = 4096 }; /* radii beyond are not looked at; bins of a pixel */

typedef struct feature_view {
    int32_t height_px, width_px;
    double side_px;       /* the longer side */
    const uint8_t *bad;   /* [height, width]; 1: holds no value */
    const float *value;   /* [height, width], counts, cut at `level` */
    const float *display; /* [height, width] in [0, 1] */
    float *scratch;       /* [height, width] for whoever runs */
    double level;         /* 99.9 % quantile */
    int64_t good;
    sl_beam_place beam;
} feature_view;

/* Mean over the good pixels of each ring of one pixel about the beam. */
typedef struct feature_profile {
    int count;
    double mean[FEATURE_RADII], error[FEATURE_RADII], pixels[FEATURE_RADII]; /* error: of the mean */
} feature_profile;

void feature_profile_fill(const feature_view *view, feature_profile *out);
void feature_profile_bins(const feature_view *view, const feature_profile *profile, double *out);
void feature_peaks(const feature_view *view, const feature_profile *profile, double *out);
void feature_anisotropy(const feature_view *view, double *out);
void feature_symmetry(const feature_view *view, double *out);
void feature_shadows(const feature_view *view, double *out);
sl_status feature_spectrum(const feature_view *view, double *out);
sl_status feature_grey(const feature_view *view, double *out);

#endif
