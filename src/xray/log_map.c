#include "xray/log_map.h"

#include "xray/quantile.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double level_fraction = 0.999;

/* Where the stretch begins, and how many times the missing height has to lie between that and the level: from
 * 2 on the curve rises everywhere. */
static const double stretch_fraction = 0.95, stretch_room = 2.5;

sl_status sl_log_map_level(const float *mean_counts, size_t count, double *out_level) {
    double quantile;
    SL_TRY(sl_quantile(mean_counts, count, level_fraction, &quantile));
    *out_level = fmax(quantile, SL_LOG_MAP_LEVEL_MIN);
    return SL_OK;
}

/* log(1 + x), x >= 0, within 2e-7: by the exponent and the series of artanh, several times as fast as the
 * library's, which counts for images of a quarter of a million pixels. */
static inline float log1p_near(float x) {
    if (x < 0.02f) return x * (1 - x * (0.5f - x * (1.0f / 3 - x * 0.25f)));
    float y = 1 + x;
    if (!(y < 0x1p126f)) return logf(y);
    uint32_t bits;
    memcpy(&bits, &y, sizeof bits);
    /* mantissa from sqrt(1/2) to sqrt(2) */
    int32_t exponent = (int32_t)(bits - 0x3f3504f3u) >> 23;
    bits -= (uint32_t)exponent << 23;
    memcpy(&y, &bits, sizeof y);
    float f = (y - 1) / (y + 1), f2 = f * f;
    float series = 2 * f * (1 + f2 * (1.0f / 3 + f2 * (0.2f + f2 * (1.0f / 7 + f2 * (1.0f / 9)))));
    return (float)exponent * 0.69314718f + series;
}

void sl_log_map_encode(const float *mean_counts, size_t count, double level_counts, float *out) {
    float scale = (float)(1 / log1p(level_counts / SL_LOG_MAP_COUNTS));
    for (size_t i = 0; i < count; i++) {
        float e = log1p_near(mean_counts[i] * (float)(1 / SL_LOG_MAP_COUNTS)) * scale;
        out[i] = e > 1 ? 1 : e < 0 ? 0 : e;
    }
}

static void scale_all(float scale, float *map, size_t count) {
    for (size_t i = 0; i < count; i++) map[i] *= scale;
}

/* `top` becomes 1, and what is above; `begin` stays, with the slope that it has. */
static void stretch_above(float begin, float top, float *map, size_t count) {
    float room = top - begin, missing = 1 - top;
    for (size_t i = 0; i < count; i++) {
        if (!(map[i] > begin)) continue;
        float u = fminf((map[i] - begin) / room, 1);
        map[i] = begin + u * (room + missing * u);
    }
}

sl_status sl_log_map_meet_level(float *log_map, size_t count, double *out_quantile) {
    SL_TRY(sl_quantile(log_map, count, level_fraction, out_quantile));
    if (!(*out_quantile >= SL_LOG_MAP_QUANTILE_LEAST)) return SL_OK;
    double begin, missing = 1 - *out_quantile;
    SL_TRY(sl_quantile(log_map, count, stretch_fraction, &begin));
    begin = fmin(begin, *out_quantile - stretch_room * fabs(missing));
    if (begin > 0)
        stretch_above((float)begin, (float)*out_quantile, log_map, count);
    else
        scale_all((float)(1 / *out_quantile), log_map, count);
    return SL_OK;
}

void sl_log_map_decode(const float *log_map, size_t count, double level_counts, float *out_mean_counts) {
    float scale = (float)log1p(level_counts / SL_LOG_MAP_COUNTS);
    for (size_t i = 0; i < count; i++) {
        float e = log_map[i] > 0 ? log_map[i] : 0;
        out_mean_counts[i] = expm1f(e * scale) * (float)SL_LOG_MAP_COUNTS;
    }
}
