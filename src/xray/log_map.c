#include "xray/log_map.h"

#include "xray/quantile.h"

#include <math.h>

sl_status sl_log_map_level(const float *mean_counts, size_t count, double *out_level) {
    double quantile;
    SL_TRY(sl_quantile(mean_counts, count, 0.999, &quantile));
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
