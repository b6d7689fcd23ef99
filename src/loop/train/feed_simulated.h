/* The simulator as a source of training images (train/feed.h). */
#ifndef SL_LOOP_FEED_SIMULATED_H
#define SL_LOOP_FEED_SIMULATED_H

#include "train/feed.h"
#include "xray/simulate.h"

typedef enum sl_simulated_image {
    SL_SIMULATED_EXPECTATION, /* 1 channel: the noise-free log map */
    SL_SIMULATED_MEASURED,    /* 1 channel: the measured frame as classifiers see it (sl_prepare_image) */
    SL_SIMULATED_PAIR, /* 2 channels: the expectation in the measured frame's log map, and that frame */
} sl_simulated_image;

/* Must outlive the feed made from it. Item k of the feed is sample first + k of the seed. */
typedef struct sl_simulated {
    uint64_t seed;
    uint32_t first;
    sl_sim_options options;
    sl_simulated_image image;
} sl_simulated;

/* count 0: without end. Attributes are the simulator's. */
sl_feed sl_feed_simulated(sl_simulated *simulated, int64_t count);

#endif
