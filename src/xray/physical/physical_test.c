#include "xray/physical_test.h"

#include "xray/physical/internal.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *id, *words;
} names[SL_PHYSICAL_COUNT] = {
#define SL_PHYSICAL(name, id, artefacts, unit, words) {id, words},
    SL_PHYSICAL_TABLE
#undef SL_PHYSICAL
};

/* Shares of clean images below each of the calibration's quantiles. */
enum { QUANTILES = 16 };
static const double shares[QUANTILES] = {0,   .05, .1,  .25,  .4,  .5,   .6,   .75,
                                         .85, .9,  .95, .975, .99, .995, .998, 1};

typedef struct calibration {
    int images; /* clean images to which the test applied */
    double mad; /* median absolute deviation */
    double quantile[QUANTILES];
} calibration;

static const calibration calibrations[SL_PHYSICAL_COUNT] = {
#define SL_CALIBRATION(name, images, mad, ...) [SL_PHYSICAL_##name] = {images, mad, __VA_ARGS__},
#include "xray/physical/calibration.def"
#undef SL_CALIBRATION
};

const char *sl_physical_id(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? names[test].id : "?";
}

const char *sl_physical_words(sl_physical_test test) {
    return test < SL_PHYSICAL_COUNT ? names[test].words : "?";
}

bool sl_physical_is_of_shape(sl_physical_test test) {
    return test == SL_PHYSICAL_RING_CENTRE || test == SL_PHYSICAL_RING_SHAPE || test == SL_PHYSICAL_MIRROR;
}

double sl_physical_limit(sl_physical_test test) {
    return calibrations[test].quantile[12];
}

static void calibrate(const calibration *c, sl_physical_result *result) {
    if (!result->applicable) {
        result->value = result->z = result->p = NAN;
        return;
    }
    double v = result->value, below = 0;
    result->z = (v - c->quantile[5]) / fmax(c->mad, 1e-6);
    if (v > c->quantile[QUANTILES - 1]) below = 1;
    for (int k = 0; k + 1 < QUANTILES; k++) {
        double low = c->quantile[k], high = c->quantile[k + 1];
        /* where many clean images share a value, take the lowest share: such a value is no evidence */
        if (v > low && v <= high) below = shares[k] + (shares[k + 1] - shares[k]) * (v - low) / (high - low);
    }
    result->p = fmax(1 - below, 1.0 / (c->images + 1));
}

sl_status sl_physical_tests_run(const sl_physical_input *input, sl_physical_result out[SL_PHYSICAL_COUNT]) {
    const sl_measurement *m = input->measurement;
    if (m && m->detector &&
        (m->view.height_px != input->image->height_px || m->view.width_px != input->image->width_px))
        return sl_fail(SL_MISMATCH, "a view of %d x %d pixels for an image of %d x %d", m->view.height_px,
                       m->view.width_px, input->image->height_px, input->image->width_px);
    memset(out, 0, SL_PHYSICAL_COUNT * sizeof *out);
    SL_TRY(physical_rings(input, &out[SL_PHYSICAL_RING_CENTRE], &out[SL_PHYSICAL_RING_SHAPE]));
    SL_TRY(physical_mirror(input, &out[SL_PHYSICAL_MIRROR]));
    SL_TRY(physical_beamstop(input, &out[SL_PHYSICAL_BEAMSTOP]));
    SL_TRY(physical_gaps(input, &out[SL_PHYSICAL_GAPS]));
    SL_TRY(physical_noise(input, &out[SL_PHYSICAL_NOISE_VARIANCE], &out[SL_PHYSICAL_NOISE_CORRELATION],
                          &out[SL_PHYSICAL_NOISE_GRID]));
    for (int k = 0; k < SL_PHYSICAL_COUNT; k++) calibrate(&calibrations[k], &out[k]);
    return SL_OK;
}
