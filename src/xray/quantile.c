#include "xray/quantile.h"

#include "base/memory.h"

#include <string.h>

/* The k-th smallest of values[count], which are put in another order (Hoare's selection). */
static float select_rank(float *values, size_t count, size_t k) {
    size_t low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i >= j) break;
            float swap = values[i];
            values[i++] = values[j];
            values[j--] = swap;
        }
        /* values[low..j] <= pivot <= values[j+1..high] */
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[k];
}

double sl_quantile_in_place(float *values, size_t count, double fraction) {
    return (double)select_rank(values, count, (size_t)((double)(count - 1) * fraction));
}

sl_status sl_quantile(const float *values, size_t count, double fraction, double *out) {
    float *copy;
    if (count == 0) return sl_fail(SL_INVALID, "quantile of no values");
    SL_TRY(sl_alloc(&copy, count, sizeof *copy));
    memcpy(copy, values, count * sizeof *copy);
    *out = sl_quantile_in_place(copy, count, fraction);
    sl_free(copy);
    return SL_OK;
}
