#include "image/intensity_map.h"

#include "image/percentile.h"

#include <math.h>
#include <string.h>

static const char *const names[SL_INTENSITY_COUNT] = {
#define SL_INTENSITY(name, text) text,
    SL_INTENSITY_TABLE
#undef SL_INTENSITY
};

const char sl_intensity_choices[] = "linear|sqrt|log1p|asinh";

const sl_intensity_settings sl_intensity_default = {SL_INTENSITY_LOG1P, 1, {false, 0}, {true, 99.9}, -1};

static double transform(const sl_intensity_map *map, double counts) {
    switch (map->kind) {
    case SL_INTENSITY_SQRT:
        return sqrt(fmax(counts, 0));
    case SL_INTENSITY_LOG1P:
        return log1p(fmax(counts, 0) / map->scale);
    case SL_INTENSITY_ASINH:
        return asinh(counts / map->scale);
    default:
        return counts;
    }
}

static double untransform(const sl_intensity_map *map, double t) {
    switch (map->kind) {
    case SL_INTENSITY_SQRT:
        return t * t;
    case SL_INTENSITY_LOG1P:
        return expm1(t) * map->scale;
    case SL_INTENSITY_ASINH:
        return sinh(t) * map->scale;
    default:
        return t;
    }
}

static sl_status check(const sl_intensity_map *map) {
    if ((unsigned)map->kind >= SL_INTENSITY_COUNT)
        return sl_fail(SL_INVALID, "intensity map of unknown kind");
    if (!(map->scale > 0) || !isfinite(map->scale))
        return sl_fail(SL_INVALID, "scale of the intensity map is %g, expected more than 0", map->scale);
    if (!isfinite(map->low) || !isfinite(map->high) || !(map->low < map->high))
        return sl_fail(SL_INVALID, "intensity map from %g to %g counts, expected low < high", map->low,
                       map->high);
    if ((map->kind == SL_INTENSITY_SQRT || map->kind == SL_INTENSITY_LOG1P) && map->low < 0)
        return sl_fail(SL_INVALID, "intensity map %s from %g counts, expected 0 or more", names[map->kind],
                       map->low);
    if (!(map->masked_fill >= -1 && map->masked_fill <= 1))
        return sl_fail(SL_INVALID, "fill of masked pixels is %g, expected -1 to 1", map->masked_fill);
    return SL_OK;
}

static size_t unmasked_values(const sl_image *image, double *out) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px, kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!image->mask[i] && isfinite(image->value[i])) out[kept++] = (double)image->value[i];
    return kept;
}

sl_status sl_intensity_fit(const sl_intensity_settings *settings, const sl_image *image,
                           sl_intensity_map *out) {
    sl_intensity_map map = {
        .kind = settings->kind, .scale = settings->scale, .masked_fill = settings->masked_fill};
    map.low = settings->low.value;
    map.high = settings->high.value;
    if (settings->low.is_percentile || settings->high.is_percentile) {
        double *values;
        SL_TRY(sl_alloc(&values, (size_t)image->height_px * (size_t)image->width_px, sizeof *values));
        size_t count = unmasked_values(image, values);
        if (settings->low.is_percentile) map.low = count ? sl_percentile(values, count, map.low) : 0;
        if (settings->high.is_percentile) map.high = count ? sl_percentile(values, count, map.high) : 1;
        sl_free(values);
        if (map.high <= map.low && settings->high.is_percentile) map.high = map.low + 1;
    }
    SL_TRY(check(&map));
    *out = map;
    return SL_OK;
}

void sl_intensity_apply(sl_intensity_map *map, const sl_image *image, float *out) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    double low = transform(map, map->low), factor = 2 / (transform(map, map->high) - low);
    map->clipped_low = map->clipped_high = 0;
    for (size_t i = 0; i < count; i++) {
        double value = (double)image->value[i];
        if ((image->mask[i] & SL_MASK_NO_VALUE) || isnan(value)) {
            out[i] = (float)map->masked_fill;
        } else if (value < map->low) {
            map->clipped_low++;
            out[i] = -1;
        } else if (value > map->high) {
            map->clipped_high++;
            out[i] = 1;
        } else {
            out[i] = (float)((transform(map, value) - low) * factor - 1);
        }
    }
}

void sl_intensity_invert(const sl_intensity_map *map, const float *model, size_t count, float *out) {
    double low = transform(map, map->low), half_range = (transform(map, map->high) - low) / 2;
    for (size_t i = 0; i < count; i++) {
        double held = fmin(fmax((double)model[i], -1), 1); /* NAN becomes -1 */
        double counts = untransform(map, low + (held + 1) * half_range);
        out[i] = (float)fmin(fmax(counts, map->low), map->high);
    }
}

json_t *sl_intensity_to_json(const sl_intensity_map *map) {
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:I, s:I}", "kind", names[map->kind], "scale", map->scale,
                     "low", map->low, "high", map->high, "masked_fill", map->masked_fill, "clipped_low",
                     (json_int_t)map->clipped_low, "clipped_high", (json_int_t)map->clipped_high);
}

static sl_status parse(const json_t *object, sl_intensity_map *map) {
    const char *kind;
    SL_TRY(sl_json_string(object, "kind", &kind));
    map->kind = SL_INTENSITY_COUNT;
    for (int i = 0; i < SL_INTENSITY_COUNT; i++)
        if (strcmp(kind, names[i]) == 0) map->kind = (sl_intensity_kind)i;
    if (map->kind == SL_INTENSITY_COUNT)
        return sl_fail(SL_FORMAT, "kind is '%s', expected one of %s", kind, sl_intensity_choices);
    SL_TRY(sl_json_real(object, "scale", &map->scale));
    SL_TRY(sl_json_real(object, "low", &map->low));
    SL_TRY(sl_json_real(object, "high", &map->high));
    SL_TRY(sl_json_real_or(object, "masked_fill", -1, &map->masked_fill));
    SL_TRY(sl_json_int_or(object, "clipped_low", 0, INT64_MAX, 0, &map->clipped_low));
    SL_TRY(sl_json_int_or(object, "clipped_high", 0, INT64_MAX, 0, &map->clipped_high));
    return check(map);
}

sl_status sl_intensity_from_json(const json_t *object, sl_intensity_map *out) {
    sl_intensity_map map = {0};
    SL_TRY(sl_context(parse(object, &map), "intensity map"));
    *out = map;
    return SL_OK;
}
