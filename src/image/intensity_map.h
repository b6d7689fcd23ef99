/* Counts to model space and back: model = 2 (t(v) - t(low)) / (t(high) - t(low)) - 1 with one of the
 * transforms t below, and everything needed to undo it recorded with the image.
 *
 * Inside low..high the way back is exact to 1e-6 of high - low (model values kept as float). What lies
 * outside is clipped and counted. */
#ifndef SL_IMAGE_INTENSITY_MAP_H
#define SL_IMAGE_INTENSITY_MAP_H

#include "base/json.h"
#include "base/status.h"
#include "image/image.h"

#include <stddef.h>

/* SL_INTENSITY(NAME, "name"): t(v) of a count v and the scale c */
#define SL_INTENSITY_TABLE                                                                                   \
    SL_INTENSITY(LINEAR, "linear") /* v */                                                                   \
    SL_INTENSITY(SQRT, "sqrt")     /* sqrt(v) */                                                             \
    SL_INTENSITY(LOG1P, "log1p")   /* log(1 + v/c) */                                                        \
    SL_INTENSITY(ASINH, "asinh")   /* asinh(v/c) */

typedef enum sl_intensity_kind {
#define SL_INTENSITY(name, text) SL_INTENSITY_##name,
    SL_INTENSITY_TABLE
#undef SL_INTENSITY
        SL_INTENSITY_COUNT
} sl_intensity_kind;

/* "linear|sqrt|log1p|asinh", for option tables. */
extern const char sl_intensity_choices[];

/* A bound is a count, or a percentile of the unmasked pixels. */
typedef struct sl_intensity_bound {
    bool is_percentile;
    double value;
} sl_intensity_bound;

typedef struct sl_intensity_settings {
    sl_intensity_kind kind;
    double scale; /* c, in counts; > 0 */
    sl_intensity_bound low, high;
    double masked_fill; /* model value of masked pixels, -1..1 */
} sl_intensity_settings;

/* log1p with c = 1, from 0 to the 99.9th percentile, masked pixels at -1. */
extern const sl_intensity_settings sl_intensity_default;

typedef struct sl_intensity_map {
    sl_intensity_kind kind;
    double scale, low, high; /* counts */
    double masked_fill;
    int64_t clipped_low, clipped_high; /* unmasked pixels outside low..high when it was last applied */
} sl_intensity_map;

/* Fixes the bounds for one image. SL_INVALID: scale or bounds make no sense; an image without unmasked pixels
 * gets 0..1, and a constant one low..low+1. */
sl_status sl_intensity_fit(const sl_intensity_settings *settings, const sl_image *image,
                           sl_intensity_map *out);

/* out: [height_px, width_px] in -1..1. Counts what is clipped. */
void sl_intensity_apply(sl_intensity_map *map, const sl_image *image, float *out);

/* Model values, held to -1..1, back to counts. `out` may be `model`. */
void sl_intensity_invert(const sl_intensity_map *map, const float *model, size_t count, float *out);

json_t *sl_intensity_to_json(const sl_intensity_map *map); /* new reference */
sl_status sl_intensity_from_json(const json_t *object, sl_intensity_map *out);

#endif
