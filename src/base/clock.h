#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>

double sl_clock_s(void);                          /* monotonic seconds, for durations */
int64_t sl_clock_unix_ms(void);                   /* wall clock */
void sl_clock_iso(int64_t unix_ms, char out[25]); /* "2026-11-23T18:11:51.123Z" */

#endif
