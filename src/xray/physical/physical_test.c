#include "xray/physical_test.h"

#include "xray/physical/calibration.h"
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum judges { SHAPE, COUNTS };

static const struct {
    const char *id, *words, *artefacts, *unit;
    enum judges judges;
    sl_status (*run)(const physical_view *view, sl_physical_result *out);
} tests[SL_PHYSICAL_COUNT] = {
#define SL_PHYSICAL(name, function, id, artefacts, judges, unit, words)                                      \
    {id, words, artefacts, unit, judges, physical_##function},
#include "xray/physical_test.def"
#undef SL_PHYSICAL
};

typedef calibration kinds_of_image[SL_STRATUM_COUNT][CALIBRATION_TECHNIQUES];

static const kinds_of_image calibrations[SL_PHYSICAL_COUNT] = {
#define SL_CALIBRATION(stratum, technique, name, images, limit, mad, ...)                                    \
    [SL_PHYSICAL_##name][SL_STRATUM_##stratum][SL_TECHNIQUE_##technique] = {images, limit, mad, __VA_ARGS__},
#define SL_CALIBRATION_OF(version)
#include "xray/physical/calibration.def"
#undef SL_CALIBRATION
#undef SL_CALIBRATION_OF
};

int sl_physical_calibrated_of(void) {
#define SL_CALIBRATION(stratum, technique, name, images, limit, mad, ...)
#define SL_CALIBRATION_OF(version) return version;
#include "xray/physical/calibration.def"
#undef SL_CALIBRATION
#undef SL_CALIBRATION_OF
}

int sl_physical_calibrated_images(sl_physical_test test, sl_physical_stratum stratum,
                                  sl_technique technique) {
    bool known =
        test < SL_PHYSICAL_COUNT && stratum < SL_STRATUM_COUNT && (int)technique < CALIBRATION_TECHNIQUES;
    return known ? calibrations[test][stratum][technique].images : 0;
}

const char *sl_physical_id(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? tests[test].id : "?";
}

const char *sl_physical_words(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? tests[test].words : "?";
}

const char *sl_physical_artefacts(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? tests[test].artefacts : "?";
}

const char *sl_physical_unit(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? tests[test].unit : "?";
}

bool sl_physical_is_of_shape(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT && tests[test].judges == SHAPE;
}

sl_physical_stratum sl_physical_stratum_of(const sl_physical_input *input) {
    if (input->is_expectation) return SL_STRATUM_EXPECTATION;
    if (input->geometry) return SL_STRATUM_GEOMETRY;
    return input->beam_known ? SL_STRATUM_BEAM : SL_STRATUM_BLIND;
}

/* `kind`: clean images of which as much is known, of each technique. */
static void calibrate(const calibration *kind, sl_technique technique, sl_physical_result *result) {
    const calibration *c = &kind[technique];
    result->limit = c->limit;
    if (result->applicable && c->images < CALIBRATION_LEAST) {
        result->applicable = false;
        snprintf(result->saw, sizeof result->saw, "too few clean images of its kind are known to judge by");
    }
    if (!result->applicable) {
        result->value = result->z = result->p = NAN;
        return;
    }
    result->z = (result->value - c->quantile[CALIBRATION_MEDIAN]) / fmax(c->mad, 1e-6);
    result->p = calibration_p(kind, (int)technique, result->value);
}

sl_status sl_physical_tests_run(const sl_physical_input *input, sl_physical_result out[SL_PHYSICAL_COUNT]) {
    const sl_measurement *m = input->measurement;
    if (m && m->detector &&
        (m->view.height_px != input->image->height_px || m->view.width_px != input->image->width_px))
        return sl_fail(SL_MISMATCH, "a view of %d x %d pixels for an image of %d x %d", m->view.height_px,
                       m->view.width_px, input->image->height_px, input->image->width_px);
    memset(out, 0, SL_PHYSICAL_COUNT * sizeof *out);
    physical_view *view;
    SL_TRY(sl_alloc(&view, 1, sizeof *view));
    sl_status status = physical_view_prepare(input, view);
    for (int k = 0; k < SL_PHYSICAL_COUNT && !status; k++) {
        if ((input->is_expectation || input->is_display) && tests[k].judges == COUNTS)
            snprintf(out[k].saw, sizeof out[k].saw, "%s",
                     input->is_display ? "grey levels of a picture are no counts"
                                       : "an expectation has no noise, gaps or beamstop");
        else
            status = tests[k].run(view, &out[k]);
        if (!input->is_uncalibrated)
            calibrate(calibrations[k][sl_physical_stratum_of(input)], input->technique, &out[k]);
    }
    physical_view_free(view);
    sl_free(view);
    return status;
}
