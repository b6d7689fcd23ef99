#include "xray/quantile.h"

#include "base/memory.h"
#include "base/numeric/select.h"

#include <string.h>

double sl_quantile_in_place(float *values, size_t count, double fraction) {
    return (double)sl_select_float(values, count, (size_t)((double)(count - 1) * fraction));
}

/* High quantiles without moving every value: those above a threshold, which a sample of the values gives, are
 * kept and ranked. Returns how many lie above it; the caller must see whether the rank is among them. */
static size_t keep_above(const float *values, size_t count, float threshold, float *kept) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        kept[n] = values[i];
        n += values[i] > threshold;
    }
    return n;
}

sl_status sl_quantile(const float *values, size_t count, double fraction, double *out) {
    float *copy;
    if (count == 0) return sl_fail(SL_INVALID, "quantile of no values");
    SL_TRY(sl_alloc(&copy, count, sizeof *copy));
    enum { STRIDE = 16 };
    size_t rank = (size_t)((double)(count - 1) * fraction), few = 0, above = 0;
    if (fraction > 0.9 && count > 64 * STRIDE) {
        for (size_t i = 0; i < count; i += STRIDE) copy[few++] = values[i];
        float threshold = (float)sl_quantile_in_place(copy, few, 1 - 4 * (1 - fraction) - 4.0 / (double)few);
        above = keep_above(values, count, threshold, copy);
    }
    if (above >= count - rank) {
        *out = (double)sl_select_float(copy, above, above - (count - rank));
    } else {
        memcpy(copy, values, count * sizeof *copy);
        *out = sl_quantile_in_place(copy, count, fraction);
    }
    sl_free(copy);
    return SL_OK;
}
