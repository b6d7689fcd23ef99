/* What is measured of every image of a set. */
#ifndef SL_LOOP_EVALUATE_MEASURED_SET_H
#define SL_LOOP_EVALUATE_MEASURED_SET_H

#include "base/hash.h"
#include "base/progress.h"
#include "image/fingerprint.h"
#include "loop/evaluate/image_set.h"
#include "loop/evaluate/points.h"
#include "train/classifier/classifier.h"

typedef struct sl_measuring {
    int32_t side_px;    /* images are averaged down until their longer side has this */
    bool known_beam;    /* take the recorded beam where there is one */
    bool shuffled;      /* also measure each image with its good pixels in random order */
    sl_model *backbone; /* NULL: physical features alone */
    int32_t backbone_px;
    uint64_t seed;
} sl_measuring;

/* Row i of all is image index[i] of the set; images that could not be read are left out, and listed in the
 * set's errors. */
typedef struct sl_measured_set {
    int64_t count;
    int64_t *index;
    sl_points physical, backbone;                   /* width 0: none */
    sl_points shuffled_physical, shuffled_backbone; /* count 0: none */
    sl_fingerprint *fingerprint;
    char (*content)[SL_SHA256_HEX];
} sl_measured_set;

/* SL_INVALID where no image could be read. The same for any number of threads. */
sl_status sl_measured_set_make(sl_image_set *set, const sl_measuring *how, const sl_progress *progress,
                               sl_measured_set *out);
void sl_measured_set_free(sl_measured_set *set);

/* Longer side `side_px`, by area average; an image that is not larger is copied. *out: sl_image_free. */
sl_status sl_image_average_down(const sl_image *image, int32_t side_px, sl_image *out);

#endif
