/* The deblocking filter: blocks that a decoder draws side by side do not quite meet, and eyes and spectra
 * find the least step where there is one every few pixels.
 *
 * Across a border between blocks, what is left of the difference once either side goes on as the straight
 * line through its two pixels is a step. So much of it as `limit` allows is spread over those four pixels;
 * what is beyond is the image's own, a ring or a horizon. The idea, a small step at a known place is the
 * coder's: List et al., IEEE Trans. Circuits Syst. Video Technol. 13 (2003) 614. */
#ifndef SL_DIFFUSION_DEBLOCK_H
#define SL_DIFFUSION_DEBLOCK_H

#include <stdint.h>

/* image[height, width, channels] of blocks of block x block pixels (4 or more, whole ones), in place: across
 * columns, then across rows. No pixel changes by more than `limit`; 0: none does, whatever the blocks. */
void sl_deblock(float *image, int64_t height, int64_t width, int64_t channels, int64_t block, float limit);

#endif
