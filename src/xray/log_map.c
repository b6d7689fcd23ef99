#include "xray/log_map.h"

#include "base/memory.h"

#include <math.h>
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

sl_status sl_log_map_level(const float *mean_counts, size_t count, double *out_level) {
    if (count == 0) return sl_fail(SL_INVALID, "count level of an empty image");
    float *copy;
    SL_TRY(sl_alloc(&copy, count, sizeof *copy));
    memcpy(copy, mean_counts, count * sizeof *copy);
    double quantile = (double)select_rank(copy, count, (size_t)((double)(count - 1) * 0.999));
    sl_free(copy);
    *out_level = fmax(quantile, SL_LOG_MAP_LEVEL_MIN);
    return SL_OK;
}

void sl_log_map_encode(const float *mean_counts, size_t count, double level_counts, float *out) {
    float scale = (float)(1 / log1p(level_counts / SL_LOG_MAP_COUNTS));
    for (size_t i = 0; i < count; i++) {
        float e = log1pf(mean_counts[i] * (float)(1 / SL_LOG_MAP_COUNTS)) * scale;
        out[i] = e > 1 ? 1 : e < 0 ? 0 : e;
    }
}

void sl_log_map_decode(const float *log_map, size_t count, double level_counts, float *out_mean_counts) {
    float scale = (float)log1p(level_counts / SL_LOG_MAP_COUNTS);
    for (size_t i = 0; i < count; i++) {
        float e = log_map[i] > 0 ? log_map[i] : 0;
        out_mean_counts[i] = expm1f(e * scale) * (float)SL_LOG_MAP_COUNTS;
    }
}
