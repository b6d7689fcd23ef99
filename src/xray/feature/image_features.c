#include "xray/image_features.h"

#include "xray/feature/internal.h"
#include "xray/log_map.h"
#include "xray/quantile.h"

#include <math.h>

static const struct {
    const char *id, *words;
} names[SL_IMAGE_FEATURE_COUNT] = {
#define SL_IMAGE_FEATURE(name, id, words) {id, words},
#include "xray/image_features.def"
#undef SL_IMAGE_FEATURE
};

const char *sl_image_feature_id(sl_image_feature feature) {
    return feature < SL_IMAGE_FEATURE_COUNT ? names[feature].id : "?";
}

const char *sl_image_feature_words(sl_image_feature feature) {
    return feature < SL_IMAGE_FEATURE_COUNT ? names[feature].words : "?";
}

/* Level of the good pixels, and how many there are. */
static void measure_level(const sl_image *image, float *scratch, feature_view *view) {
    int64_t pixels = (int64_t)image->height_px * image->width_px, good = 0;
    for (int64_t k = 0; k < pixels; k++)
        if (!(image->mask[k] & SL_MASK_NO_VALUE) && isfinite(image->value[k]))
            scratch[good++] = image->value[k];
    view->good = good;
    view->level = good ? fmax(sl_quantile_in_place(scratch, (size_t)good, 0.999), SL_LOG_MAP_LEVEL_MIN) : 1;
}

static void fill_view(const sl_image *image, float *value, float *display, float *scratch, uint8_t *bad,
                      feature_view *view) {
    int64_t pixels = (int64_t)image->height_px * image->width_px;
    *view = (feature_view){.height_px = image->height_px,
                           .width_px = image->width_px,
                           .side_px = fmax(image->height_px, image->width_px),
                           .bad = bad,
                           .value = value,
                           .display = display,
                           .scratch = scratch};
    measure_level(image, scratch, view);
    for (int64_t k = 0; k < pixels; k++) {
        bad[k] = (image->mask[k] & SL_MASK_NO_VALUE) || !isfinite(image->value[k]);
        value[k] = bad[k] ? 0 : fminf(fmaxf(image->value[k], 0), (float)view->level);
    }
    sl_log_map_encode(value, (size_t)pixels, view->level, display);
}

static sl_status compute(const feature_view *view, double *out) {
    feature_profile *profile;
    SL_TRY(sl_alloc(&profile, 1, sizeof *profile));
    feature_profile_fill(view, profile);
    feature_profile_bins(view, profile, out);
    feature_peaks(view, profile, out);
    sl_free(profile);
    feature_anisotropy(view, out);
    feature_symmetry(view, out);
    feature_shadows(view, out);
    SL_TRY(feature_grey(view, out));
    return feature_spectrum(view, out);
}

sl_status sl_image_features(const sl_image *image, const sl_beam_place *beam,
                            double out[SL_IMAGE_FEATURE_COUNT]) {
    if (image->height_px < SL_IMAGE_FEATURES_SIDE_LEAST && image->width_px < SL_IMAGE_FEATURES_SIDE_LEAST)
        return sl_fail(SL_INVALID, "features of an image of %d x %d pixels, expected a side of at least %d",
                       image->height_px, image->width_px, SL_IMAGE_FEATURES_SIDE_LEAST);
    size_t pixels = (size_t)image->height_px * (size_t)image->width_px;
    float *room;
    SL_TRY(sl_alloc(&room, pixels, 3 * sizeof *room + 1));
    feature_view view;
    fill_view(image, room, room + pixels, room + 2 * pixels, (uint8_t *)(room + 3 * pixels), &view);
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++) out[i] = NAN;
    sl_status status = SL_OK;
    if (view.good) {
        if (beam && (beam->known || beam->found))
            view.beam = *beam;
        else
            status = sl_image_beam_find(image, &view.beam);
        if (!status) status = compute(&view, out);
    } else {
        out[SL_IMAGE_FEATURE_GAP_SHARE] = 1;
    }
    sl_free(room);
    return status;
}
