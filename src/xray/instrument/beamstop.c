#include "xray/instrument/beamstop.h"

#include "image/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stop with what its shadow needs worked out. */
typedef struct shade {
    const sl_beamstop *stop;
    double arm_cos, arm_sin, arm_half_px;
} shade;

static shade shade_of(const sl_beamstop *stop) {
    return (shade){stop, cos(stop->arm_angle_rad), sin(stop->arm_angle_rad), stop->arm_width_px / 2};
}

double sl_beamstop_outside_px(const sl_beamstop *stop, double row, double column) {
    double y = row - stop->row_px, x = column - stop->column_px;
    if (stop->shape == SL_BEAMSTOP_DISC) return sqrt(x * x + y * y) - stop->half_height_px;
    if (stop->shape == SL_BEAMSTOP_BAR)
        return fmax(fabs(y) - stop->half_height_px, fabs(x) - stop->half_width_px);
    double round = fmin(stop->half_height_px, stop->half_width_px);
    double up = fmax(fabs(y) - (stop->half_height_px - round), 0),
           aside = fmax(fabs(x) - (stop->half_width_px - round), 0);
    return sqrt(up * up + aside * aside) - round;
}

/* The same of the arm, which is wider where its holder begins. */
static double outside_arm(const shade *s, double row, double column) {
    const sl_beamstop *stop = s->stop;
    double y = row - stop->row_px, x = column - stop->column_px;
    double along = x * s->arm_cos + y * s->arm_sin, across = fabs(y * s->arm_cos - x * s->arm_sin);
    double outside = fmax(across - s->arm_half_px, stop->arm_through ? -INFINITY : -along);
    if (stop->holder_width_px > 0)
        outside = fmin(outside, fmax(across - stop->holder_width_px / 2, stop->holder_from_px - along));
    return outside;
}

/* A blurred edge: from 0 inside to 1 outside over a few sigma. */
static double edge(double distance_px, double sigma_px) {
    double x = distance_px / fmax(sigma_px, 0.05);
    return x > 4 ? 1 : x < -4 ? 0 : 0.5 * (1 + erf(x * M_SQRT1_2));
}

/* The holder is behind the stop: what it casts outside is opaque, inside the stop's own shadow it adds
 * nothing. */
static double pass(const sl_beamstop *stop, double outside_stop_px, double outside_arm_px) {
    double past_stop = edge(outside_stop_px, stop->edge_px);
    double share = stop->transmission + (1 - stop->transmission) * past_stop;
    if (stop->has_arm && past_stop > 0) share *= 1 - past_stop * (1 - edge(outside_arm_px, stop->edge_px));
    return share;
}

double sl_beamstop_pass(const sl_beamstop *stop, double row, double column) {
    if (stop->shape == SL_BEAMSTOP_NONE) return 1;
    shade s = shade_of(stop);
    return pass(stop, sl_beamstop_outside_px(stop, row, column), outside_arm(&s, row, column));
}

void sl_beamstop_apply(const sl_beamstop *stop, int32_t height_px, int32_t width_px, float *values,
                       uint8_t *mask) {
    if (stop->shape == SL_BEAMSTOP_NONE) return;
    shade s = shade_of(stop);
    double reach = 4 * stop->edge_px + 1,
           widest = fmax(stop->arm_width_px, stop->holder_width_px) / 2 + reach;
    double round = hypot(stop->half_height_px, stop->half_width_px) + reach, round2 = round * round;
    if (!stop->has_arm) widest = -1;
    for (int32_t i = 0; i < height_px; i++) {
        double row = i + 0.5, y = row - stop->row_px;
        for (int32_t j = 0; j < width_px; j++) {
            double column = j + 0.5, x = column - stop->column_px, across = y * s.arm_cos - x * s.arm_sin;
            /* nearly all pixels are far from both */
            if (x * x + y * y > round2 && (across > widest || -across > widest)) continue;
            double stop_distance = sl_beamstop_outside_px(stop, row, column);
            double arm_distance = stop->has_arm ? outside_arm(&s, row, column) : reach;
            int64_t k = (int64_t)i * width_px + j;
            if (values) values[k] *= (float)pass(stop, stop_distance, arm_distance);
            if (stop_distance < 0)
                mask[k] |= SL_MASK_BEAMSTOP;
            else if (stop->has_arm && arm_distance < 0)
                mask[k] |= SL_MASK_ARM;
        }
    }
}

const char *sl_beamstop_shape_id(sl_beamstop_shape shape) {
    static const char *const ids[SL_BEAMSTOP_SHAPE_COUNT] = {"none", "disc", "bar", "racetrack"};
    return shape < SL_BEAMSTOP_SHAPE_COUNT ? ids[shape] : "?";
}

static sl_status parse_setting(const char *word, int32_t height_px, int32_t width_px, sl_beamstop *stop) {
    char key[16], *end;
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : 0;
    if (length == 0 || length >= sizeof key)
        return sl_fail(SL_INVALID, "beamstop setting '%s', expected name=value", word);
    memcpy(key, word, length);
    key[length] = 0;
    if (strcmp(key, "arm") == 0 && strcmp(equals + 1, "none") == 0) {
        stop->has_arm = false;
        return SL_OK;
    }
    double value = strtod(equals + 1, &end);
    if (end == equals + 1 || *end || !isfinite(value))
        return sl_fail(SL_INVALID, "beamstop setting '%s', expected a number after '='", word);
    if (strcmp(key, "radius") == 0 && value > 0)
        stop->half_height_px = stop->half_width_px = value;
    else if (strcmp(key, "width") == 0 && value > 0)
        stop->arm_width_px = value;
    else if (strcmp(key, "arm") == 0) {
        stop->has_arm = true;
        stop->arm_angle_rad = value * M_PI / 180;
    } else if (strcmp(key, "x") == 0)
        stop->column_px = value * width_px;
    else if (strcmp(key, "y") == 0)
        stop->row_px = value * height_px;
    else if (strcmp(key, "transmission") == 0 && value >= 0 && value <= 1)
        stop->transmission = value;
    else
        return sl_fail(
            SL_INVALID,
            "beamstop setting '%s', expected radius (> 0), width (> 0), arm, x, y or transmission (0 to 1)",
            word);
    return SL_OK;
}

sl_status sl_beamstop_parse(const char *text, int32_t height_px, int32_t width_px, sl_beamstop *out) {
    sl_beamstop stop = *out;
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    int shape = 0;
    while (shape < SL_BEAMSTOP_SHAPE_COUNT) {
        const char *id = sl_beamstop_shape_id((sl_beamstop_shape)shape);
        if (strlen(id) == length && memcmp(text, id, length) == 0) break;
        shape++;
    }
    if (shape == SL_BEAMSTOP_SHAPE_COUNT)
        return sl_fail(SL_INVALID, "beamstop '%s', expected none, disc, bar or racetrack", text);
    stop.shape = (sl_beamstop_shape)shape;
    while (colon && colon[1]) {
        const char *word = colon + 1, *comma = strchr(word, ',');
        char setting[64];
        size_t bytes = comma ? (size_t)(comma - word) : strlen(word);
        if (bytes >= sizeof setting) return sl_fail(SL_INVALID, "beamstop setting of %zu characters", bytes);
        memcpy(setting, word, bytes);
        setting[bytes] = 0;
        SL_TRY(parse_setting(setting, height_px, width_px, &stop));
        colon = comma;
    }
    *out = stop;
    return SL_OK;
}
