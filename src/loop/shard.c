#include "loop/shard.h"

#include <stdio.h>

sl_status sl_shard_range(const char *text, int64_t count, int64_t *first, int64_t *end) {
    long long part = 0, parts = 1;
    char rest;
    if (text &&
        (sscanf(text, "%lld/%lld%c", &part, &parts, &rest) != 2 || parts < 1 || part < 0 || part >= parts))
        return sl_fail(SL_INVALID, "--shard %s: expected I/N with I from 0 to N-1", text);
    *first = count * part / parts;
    *end = count * (part + 1) / parts;
    return SL_OK;
}
