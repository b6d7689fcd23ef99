/* Physical tests: is what an image shows possible on a detector?
 *
 * Each test looks at counts with their mask, and at what is known of geometry and measurement; it gives a
 * value that grows with the fault, compares it with the values of clean simulated images
 * (physical/calibration.def), and says what it saw. A test that finds nothing to judge is not applicable,
 * which is neither pass nor failure. */
#ifndef SL_XRAY_PHYSICAL_TEST_H
#define SL_XRAY_PHYSICAL_TEST_H

#include "image/image.h"
#include "xray/detector_chain.h"
#include "xray/geometry.h"

#include <stdbool.h>

/* What is known; everything but the image may be missing. */
typedef struct sl_physical_input {
    const sl_image
        *image;      /* counts; masked pixels are not looked at, but by the tests of gaps and beamstop */
    bool is_grazing; /* GISAXS or GIWAXS, as the caption says */
    bool beam_known;
    double beam_row_px, beam_column_px;
    const sl_geometry *geometry;       /* of the image's pixels; NULL: a flat detector is assumed */
    const sl_measurement *measurement; /* detector, view and beamstop; NULL: not known */
} sl_physical_input;

typedef struct sl_physical_result {
    bool applicable;
    double value; /* larger is worse; its unit is the test's */
    double z;     /* (value - median) / MAD of clean images */
    double p;     /* share of clean images with at least this value; at least 1/(n+1) */
    char saw[120];
} sl_physical_result;

/* SL_PHYSICAL(NAME, id, artefacts it is after, unit, words) */
#define SL_PHYSICAL_TABLE                                                                                    \
    SL_PHYSICAL(RING_CENTRE, "ring-centre", "A1", "px", "rings share one centre")                            \
    SL_PHYSICAL(RING_SHAPE, "ring-shape", "A2", "px", "rings are circles of the geometry")                   \
    SL_PHYSICAL(MIRROR, "mirror", "A3", "ln", "left and right of a grazing-incidence image agree")           \
    SL_PHYSICAL(BEAMSTOP, "beamstop", "A8", "ratio", "the beamstop's shadow is empty")                       \
    SL_PHYSICAL(GAPS, "gaps", "A7", "ratio", "detector gaps are empty")                                      \
    SL_PHYSICAL(NOISE_VARIANCE, "noise-variance", "A12", "|ln|", "variance equals mean counts")              \
    SL_PHYSICAL(NOISE_CORRELATION, "noise-correlation", "A12", "", "neighbouring pixels are independent")    \
    SL_PHYSICAL(NOISE_GRID, "noise-grid", "A12g", "sigma", "no pattern of 8 pixels")

typedef enum sl_physical_test {
#define SL_PHYSICAL(name, id, artefacts, unit, words) SL_PHYSICAL_##name,
    SL_PHYSICAL_TABLE
#undef SL_PHYSICAL
        SL_PHYSICAL_COUNT
} sl_physical_test;

const char *sl_physical_id(sl_physical_test test);
const char *sl_physical_words(sl_physical_test test);
/* Whether it looks at shapes alone: such a test also judges noise-free expectations. */
bool sl_physical_is_of_shape(sl_physical_test test);
/* Value above which 1 % of clean images lie; an image passes within [0, limit]. */
double sl_physical_limit(sl_physical_test test);

/* All tests of one image. SL_MISMATCH where the measurement's view has another size. */
sl_status sl_physical_tests_run(const sl_physical_input *input, sl_physical_result out[SL_PHYSICAL_COUNT]);

#endif
