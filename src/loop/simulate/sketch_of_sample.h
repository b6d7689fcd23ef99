/* What a simulated image shows, as a denoiser is told of it. */
#ifndef SL_LOOP_SIMULATE_SKETCH_OF_SAMPLE_H
#define SL_LOOP_SIMULATE_SKETCH_OF_SAMPLE_H

#include "diffusion/sketch.h"
#include "xray/simulate.h"

/* Its rings, arcs and spots that can be seen. */
void sl_sketch_of_sample(const sl_sim_sample *sample, sl_sketch *out);

#endif
