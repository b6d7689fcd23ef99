/* Upper bounds on everything that comes from outside. A file or request that asks for more is refused with
 * SL_LIMIT and the two numbers; nothing is allocated before the check. */
#ifndef SL_BASE_LIMITS_H
#define SL_BASE_LIMITS_H

#include <stdint.h>

enum {
    SL_LIMIT_IMAGE_SIDE_PX = 32768,
    SL_LIMIT_PATH_BYTES = 4096,
    SL_LIMIT_GIVEN_PATH_BYTES = SL_LIMIT_PATH_BYTES - 512, /* leaves room for names of ours inside */
    SL_LIMIT_CAPTION_BYTES = 4096,
    SL_LIMIT_JSON_DEPTH = 64,
    SL_LIMIT_THREADS = 256,
    SL_LIMIT_BATCH = 4096,
};

#define SL_LIMIT_IMAGE_PX         ((int64_t)128 << 20) /* pixels of one frame */
#define SL_LIMIT_FILE_BYTES       ((int64_t)8 << 30)   /* one image file */
#define SL_LIMIT_JSON_BYTES       ((int64_t)64 << 20)
#define SL_LIMIT_CHECKPOINT_BYTES ((int64_t)64 << 30)
#define SL_LIMIT_REQUEST_BYTES    ((int64_t)1 << 20) /* body of a web request */

#endif
