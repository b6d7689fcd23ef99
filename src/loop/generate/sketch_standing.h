/* Whether rings, arcs and spots stand where an image was told that they are.
 *
 * A denoiser follows a sketch (diffusion/sketch.h) most of the time: weak marks may be lost, and spots stand
 * elsewhere. Whoever takes marks for labels has to know which are there. */
#ifndef SL_LOOP_SKETCH_STANDING_H
#define SL_LOOP_SKETCH_STANDING_H

#include "diffusion/beam_map.h"
#include "image/image.h"

typedef enum sl_standing {
    SL_STANDING_OPEN, /* too low to be told from nothing, or too little of it is in the frame */
    SL_STANDING_NO,
    SL_STANDING_YES /* it rises most within 1 px of its place, and at least half as high as it was told */
} sl_standing;

/* log_map [height, width] is of the mean counts (xray/log_map.h), without noise or gaps; out [sketch->count].
 * Looked for are marks from 0.04 in height, ten grey levels of 255, within 3 px; of circles the strongest
 * quarter counts, as simulated ones are measured. Pixels here are of an image 256 wide, and wider ones are
 * looked at in proportion. All are open where sketch or beam are not known. */
void sl_sketch_look(const sl_sketch *sketch, const sl_direct_beam *beam, const float *log_map,
                    int32_t height_px, int32_t width_px, sl_standing *out);

/* What a record says of a sketch: sl_sketch_json's list, in which marks that are not open have "stands", true
 * or false. `expectation` is mean counts; *out is a new reference. */
sl_status sl_sketch_record(const sl_sketch *sketch, const sl_direct_beam *beam, const sl_image *expectation,
                           json_t **out);

#endif
