#include "base/clock.h"

#include <stdio.h>
#include <time.h>

double sl_clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t sl_clock_unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sl_clock_iso(int64_t unix_ms, char out[25]) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(out, 25, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, 25 - length, ".%03dZ", (int)(unix_ms % 1000));
}
