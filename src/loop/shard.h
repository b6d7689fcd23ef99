/* Part of a run's images, so that several processes or machines can share the work. */
#ifndef SL_LOOP_SHARD_H
#define SL_LOOP_SHARD_H

#include "base/status.h"

#include <stdint.h>

/* "I/N" with I from 0 to N-1 (NULL: all) gives images *first to *end - 1 of `count`. SL_INVALID names the
 * text. */
sl_status sl_shard_range(const char *text, int64_t count, int64_t *first, int64_t *end);

#endif
