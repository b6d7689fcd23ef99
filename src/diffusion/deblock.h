/* The deblocking filter: blocks that a decoder draws side by side do not quite meet, and eyes and spectra
 * find the least step where there is one every few pixels. It does two things, one after the other.
 *
 * Borders: across a border between blocks, what is left of the difference once either side goes on as the
 * straight line through its two pixels is a step. So much of it as `step` allows is spread over those four
 * pixels; what is beyond is the image's own, a ring or a horizon. The idea, a small step at a known place is
 * the coder's: List et al., IEEE Trans. Circuits Syst. Video Technol. 13 (2003) 614.
 *
 * Detail: means over a block's width have nothing of a pattern that repeats with blocks; taken of what they
 * leave over, too, they keep slopes and curvatures (twicing: Tukey 1977, chapter 16). Where what such means
 * leave of an image is less than `detail` in root mean square about a place, it is the decoder's, and the
 * means take its place; where it is more, an image with rings or spots, it stays. So what an image has of
 * fainter detail is broadened too. Beyond its rim an image goes on with its slope. */
#ifndef SL_DIFFUSION_DEBLOCK_H
#define SL_DIFFUSION_DEBLOCK_H

#include "base/json.h"

#include <stdint.h>

/* Both in values of the decoded image; 0: nothing of that kind is done. */
typedef struct sl_deblocking {
    int64_t block; /* px a side, 4 or more where anything is done */
    double step;   /* no pixel changes by more for the sake of borders */
    double detail; /* and by no more than this besides */
} sl_deblocking;

/* From scatterloop.json: keys "deblock" and "deblock_detail", 0 where they are absent. SL_FORMAT names what
 * is out of range, or where blocks are narrower than 4 pixels. */
sl_status sl_deblocking_read(const json_t *facts, int64_t block, sl_deblocking *out);

/* image[height, width, channels] of whole blocks, in place; each channel by itself. SL_MEMORY leaves it as it
 * was or with its borders alone done. */
sl_status sl_deblock(const sl_deblocking *how, float *image, int64_t height, int64_t width, int64_t channels);

#endif
