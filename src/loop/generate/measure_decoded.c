#include "loop/generate/measure_decoded.h"

#include "base/random/random.h"
#include "image/intensity_map.h"
#include "xray/blind.h"
#include "xray/instrument/detector_chain.h"
#include "xray/log_map.h"
#include "xray/quantile.h"
#include "xray/technique.h"
#include "xray/instrument/usual_background.h"
#include "xray/instrument/usual_beamstop.h"
#include "xray/instrument/usual_measurement.h"

#include <math.h>
#include <string.h>

/* Where the beam is in a decoded expectation: as it is found blind where the prompt names a transmission
 * technique, else the brightest place. `blank` is an image of that size without masked pixels. */
static void estimate_beam(float *mean_counts, const sl_image *blank, const char *prompt, double *row,
                          double *column) {
    sl_technique technique = sl_technique_of_caption(prompt);
    const sl_image expectation = {blank->height_px, blank->width_px, mean_counts, blank->mask};
    sl_blind_centre centre;
    sl_beam_estimate(mean_counts, blank->height_px, blank->width_px, row, column);
    if (technique == SL_TECHNIQUE_UNKNOWN || sl_technique_is_grazing(technique)) return;
    if (sl_blind_centre_find(&expectation, &centre) || !centre.found) return;
    *row = centre.row_px;
    *column = centre.column_px;
}

/* *out: NULL for none. */
static sl_status choose_detector(const char *prompt, const sl_decoded_settings *settings, sl_random *random,
                                 const sl_detector **out) {
    *out = NULL;
    if (!settings->detector)
        *out = sl_usual_detector_of_caption(prompt, random);
    else if (strcmp(settings->detector, "none") != 0)
        return sl_detector_find(settings->detector, out);
    return SL_OK;
}

static sl_status choose_measurement(float *mean_counts, const sl_image *shape, const char *prompt,
                                    const sl_detector *detector, const sl_decoded_settings *settings,
                                    sl_random *random, json_t *provenance, sl_measurement *out) {
    double row, column;
    if (settings->beam.known) {
        row = settings->beam.row_px;
        column = settings->beam.column_px;
    } else {
        estimate_beam(mean_counts, shape, prompt, &row, &column);
        json_object_set_new(provenance, "beam_estimate",
                            json_pack("{s:f, s:f}", "row_px", row, "column_px", column));
    }
    *out = sl_usual_measurement(detector, shape->height_px, shape->width_px, random);
    out->beamstop =
        sl_usual_beamstop_of_caption(prompt, fmin(shape->height_px, shape->width_px), row, column, random);
    if (settings->beamstop)
        SL_TRY(sl_beamstop_parse(settings->beamstop, shape->height_px, shape->width_px, &out->beamstop));
    out->exposure *= settings->exposure;
    if (!settings->mask) return SL_OK;
    if (settings->mask->height_px != shape->height_px || settings->mask->width_px != shape->width_px)
        return sl_fail(SL_MISMATCH, "the mask is %d x %d pixels, the image %d x %d",
                       settings->mask->height_px, settings->mask->width_px, shape->height_px,
                       shape->width_px);
    out->extra_mask = settings->mask->mask;
    return SL_OK;
}

static void record_measurement(const sl_measurement *m, double level, json_t *provenance) {
    json_t *beamstop =
        m->beamstop.shape == SL_BEAMSTOP_NONE
            ? json_null()
            : json_pack("{s:f, s:f, s:f, s:f, s:f}", "row_px", m->beamstop.row_px, "column_px",
                        m->beamstop.column_px, "half_height_px", m->beamstop.half_height_px, "half_width_px",
                        m->beamstop.half_width_px, "transmission", m->beamstop.transmission);
    json_object_set_new(provenance, "level_counts", json_real(level));
    json_object_set_new(provenance, "measurement",
                        json_pack("{s:s, s:f, s:o, s:f, s:f}", "detector",
                                  m->detector ? m->detector->id : "none", "exposure", m->exposure, "beamstop",
                                  beamstop, "point_spread_px", m->point_spread_px, "hot_fraction",
                                  m->hot_fraction));
}

/* No frame is darker than its background. */
static sl_status give_background(const char *prompt, double level, sl_random *random, json_t *provenance,
                                 sl_image *image) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    double darkest;
    SL_TRY(sl_quantile(image->value, count, 0.01, &darkest));
    double background = sl_usual_background_of_picture(prompt, level, darkest, random);
    if (!(background > 0)) return SL_OK;
    json_object_set_new(provenance, "background_counts", json_real(background));
    for (size_t i = 0; i < count; i++) image->value[i] = fmaxf(image->value[i], (float)background);
    return SL_OK;
}

/* The decoded map, 0 to 1, with its level where a level is: decoding then meets the one that is asked for. */
static sl_status expected_map(const float *decoded, int channels, json_t *provenance, sl_image *map,
                              double *out_mean) {
    size_t count = (size_t)map->height_px * (size_t)map->width_px;
    float *e = map->value;
    double quantile, sum = 0;
    for (size_t i = 0; i < count; i++) e[i] = 0.5f + 0.5f * decoded[i * (size_t)channels];
    SL_TRY(sl_log_map_meet_level(e, count, &quantile));
    for (size_t i = 0; i < count; i++) {
        e[i] = e[i] < 0 ? 0 : e[i] > 1 ? 1 : e[i];
        sum += (double)e[i];
    }
    json_object_set_new(provenance, "decoded_quantile", json_real(quantile));
    *out_mean = sum / (double)count;
    return SL_OK;
}

static sl_status measure_expectation(const float *decoded, int channels, const char *prompt,
                                     const sl_decoded_settings *settings, uint64_t seed, uint32_t item,
                                     json_t *provenance, sl_image *image, sl_image *expectation) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    sl_random random = sl_random_stream(seed, SL_STREAM_DETECTOR, item);
    const sl_detector *detector;
    double mean;
    json_object_set_new(provenance, "measurement_laws", json_integer(SL_USUAL_MEASUREMENT_VERSION));
    SL_TRY(choose_detector(prompt, settings, &random, &detector));
    SL_TRY(expected_map(decoded, channels, provenance, image, &mean));
    double level = sl_usual_level_of_picture(prompt, mean, detector, &random);
    sl_log_map_decode(image->value, count, level, image->value);
    SL_TRY(give_background(prompt, level, &random, provenance, image));
    if (settings->noise_free) {
        if (expectation) SL_TRY(sl_image_copy(image, expectation));
        for (size_t i = 0; i < count; i++) image->value[i] *= (float)settings->exposure;
        json_object_set_new(provenance, "level_counts", json_real(level * settings->exposure));
        json_object_set_new(provenance, "measurement", json_string("none: expectation"));
        return SL_OK;
    }
    sl_measurement measurement;
    sl_image measured;
    SL_TRY(choose_measurement(image->value, image, prompt, detector, settings, &random, provenance,
                              &measurement));
    SL_TRY(sl_detector_measure(image->value, image->height_px, image->width_px, &measurement, seed, item,
                               &measured));
    record_measurement(&measurement, level, provenance);
    if (expectation)
        *expectation = *image;
    else
        sl_image_free(image);
    *image = measured;
    return SL_OK;
}

static sl_status invert_observed(const sl_bundle *bundle, const float *decoded, int channels,
                                 json_t *provenance, sl_image *image) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++) sum += decoded[i * (size_t)channels + (size_t)c];
        float v = sum / (float)channels;
        image->value[i] = v < -1 ? -1 : v > 1 ? 1 : v;
    }
    if (!bundle->intensity_map) {
        for (size_t i = 0; i < count; i++) image->value[i] = 0.5f + 0.5f * image->value[i];
        json_object_set_new(provenance, "values",
                            json_string("display, 0 to 1: the model records no intensity map"));
        return SL_OK;
    }
    sl_intensity_map map;
    SL_TRY(sl_intensity_from_json(bundle->intensity_map, &map));
    sl_intensity_invert(&map, image->value, count, image->value);
    json_object_set_new(provenance, "intensity_map", sl_intensity_to_json(&map));
    return SL_OK;
}

sl_status sl_measure_decoded(const sl_bundle *bundle, const float *decoded, int32_t height_px,
                             int32_t width_px, int channels, const char *prompt,
                             const sl_decoded_settings *settings, uint64_t seed, uint32_t item,
                             json_t *provenance, sl_image *out, sl_image *expectation) {
    sl_image image;
    SL_TRY(sl_image_new(height_px, width_px, &image));
    sl_status status = bundle->space == SL_SPACE_EXPECTATION
                           ? measure_expectation(decoded, channels, prompt, settings, seed, item, provenance,
                                                 &image, expectation)
                           : invert_observed(bundle, decoded, channels, provenance, &image);
    if (status) {
        sl_image_free(&image);
        return status;
    }
    *out = image;
    return SL_OK;
}
