/* Where rings, arcs and spots of an image usually are, of which a caption is true. */
#ifndef SL_LOOP_GENERATE_USUAL_SKETCH_H
#define SL_LOOP_GENERATE_USUAL_SKETCH_H

#include "diffusion/beam_map.h"

#include <stdint.h>

/* Draws by the laws of the simulator: images with their beam there are simulated (numbers 0, 1, ... of
 * `seed`) until the caption is true of one, in technique, words, how many rings, sharp or broad, and what it
 * names (a lattice, a material); that one's marks are *out. Not known where some hundred images are none
 * such, where the caption names no technique or nothing that is to be seen, or the beam is not known.
 * size_px: side of the image. */
sl_status sl_usual_sketch_draw(const char *caption, const sl_direct_beam *beam, int32_t size_px,
                               uint64_t seed, sl_sketch *out);

#endif
