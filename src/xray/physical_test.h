/* Physical tests: is what an image shows possible on a detector?
 *
 * Each test looks at counts with their mask, and at what is known of geometry and measurement; it gives a
 * value that grows with the fault, compares it with the values of clean simulated images
 * (physical/calibration.def), says what it saw and can draw it. A test that finds nothing to judge is not
 * applicable, which is neither pass nor failure. What is not known is estimated from the image
 * (xray/blind.h). */
#ifndef SL_XRAY_PHYSICAL_TEST_H
#define SL_XRAY_PHYSICAL_TEST_H

#include "image/colour_line.h"
#include "image/image.h"
#include "xray/blind.h"
#include "xray/caption/words.h"
#include "xray/instrument/detector_chain.h"
#include "xray/instrument/geometry.h"
#include "xray/technique.h"

#include <stdbool.h>

/* What a test saw, in the image's pixels counted from its corner. */
typedef enum sl_mark_kind {
    SL_MARK_CIRCLE, /* at (row, column), of radius size_px */
    SL_MARK_LINE,   /* from (row, column) to (row2, column2) */
    SL_MARK_BOX,    /* from (row, column) to (row2, column2) */
    SL_MARK_POINT,  /* at (row, column) */
} sl_mark_kind;

typedef struct sl_mark {
    sl_mark_kind kind;
    int test;    /* sl_physical_test */
    bool is_odd; /* what speaks against the image; else what it was compared with */
    float row, column, row2, column2, size_px;
} sl_mark;

enum { SL_MARKS_MAX = 1024 };

typedef struct sl_drawing {
    int count;
    sl_mark mark[SL_MARKS_MAX];
} sl_drawing;

/* What is found in an image of which nothing is known: dear to find, so made once, by the first who needs it,
 * for all that look at the same image. Begins as zeros. */
typedef struct sl_physical_blind {
    bool looked, shows_nothing;
    sl_blind_look look;
    bool has_evidence;
    double evidence[SL_CAPTION_EVIDENCE]; /* for the words of a caption */
} sl_physical_blind;

/* What is known; everything but the image may be missing. */
typedef struct sl_physical_input {
    const sl_image
        *image; /* counts; masked pixels are not looked at, but by the tests of gaps and beamstop */
    sl_technique technique; /* as the caption says */
    const char *caption;    /* what the image is said to show; NULL: nothing is said */
    bool beam_known;
    double beam_row_px, beam_column_px;
    const sl_geometry *geometry;       /* of the image's pixels; NULL: a flat detector is assumed */
    const sl_grazing *grazing;         /* of a grazing-incidence image with a geometry; NULL: not known */
    const sl_measurement *measurement; /* detector, view and beamstop; NULL: not known */
    bool is_expectation;      /* mean counts without noise, gaps or beamstop: only tests of shape apply */
    bool is_display;          /* grey levels of a picture, not counts: the same */
    sl_colour_line colour;    /* of a colour picture; zeros: it is none */
    bool is_uncalibrated;     /* values alone are wanted; limit, z and p are left 0 */
    sl_physical_blind *blind; /* of this image, to be shared; NULL: found anew where it is needed */
    sl_drawing *drawing;      /* what the tests saw is added to it; NULL: nothing is drawn */
} sl_physical_input;

typedef struct sl_physical_result {
    bool applicable;
    double value; /* larger is worse; its unit is the test's */
    double limit; /* at most 1 % of clean images of its technique of which as much is known lie above */
    double z;     /* (value - median) / MAD of those images */
    double p;     /* share of them with at least this value; beyond all of them physical/calibration.h */
    char saw[120];
} sl_physical_result;

/* How much is known of an image: with its technique, what its values are compared with. */
typedef enum sl_physical_stratum {
    SL_STRATUM_GEOMETRY,    /* measured, detector and geometry known */
    SL_STRATUM_BEAM,        /* measured, beam known, the detector not */
    SL_STRATUM_BLIND,       /* measured, nothing known but the technique */
    SL_STRATUM_EXPECTATION, /* mean counts, nothing known but the technique */
    SL_STRATUM_COUNT
} sl_physical_stratum;
sl_physical_stratum sl_physical_stratum_of(const sl_physical_input *input);

typedef enum sl_physical_test {
#define SL_PHYSICAL(name, function, id, artefacts, judges, unit, words) SL_PHYSICAL_##name,
#include "xray/physical_test.def"
#undef SL_PHYSICAL
    SL_PHYSICAL_COUNT
} sl_physical_test;

const char *sl_physical_id(sl_physical_test test);        /* "ring-centre" */
const char *sl_physical_words(sl_physical_test test);     /* "rings share one centre" */
const char *sl_physical_artefacts(sl_physical_test test); /* "A1" */
const char *sl_physical_unit(sl_physical_test test);      /* "px" */
/* Whether it looks at shapes alone: such a test also judges expectations. */
bool sl_physical_is_of_shape(sl_physical_test test);

/* How many clean images a test's limit comes from, for what is known of an image and its technique (UNKNOWN:
 * of all techniques); below 40 the test does not apply there. */
int sl_physical_calibrated_images(sl_physical_test test, sl_physical_stratum stratum, sl_technique technique);
/* The simulator's version that they come from. */
int sl_physical_calibrated_of(void);

/* A simulated sample as the tests of a stratum see it. `expectation`: its mean counts with a mask of zeros,
 * needed for that stratum alone, else NULL. The input borrows both. */
struct sl_sim_sample;
sl_physical_input sl_physical_input_of(const struct sl_sim_sample *sample, sl_physical_stratum stratum,
                                       const sl_image *expectation);

/* Where the technique of measured counts is not known, fills in what the image shows (xray/blind.h). Returns
 * the probability of that, 0 where nothing was filled in. */
double sl_physical_technique_find(sl_physical_input *input);

/* All tests of one image. SL_MISMATCH where the measurement's view has another size. */
sl_status sl_physical_tests_run(const sl_physical_input *input, sl_physical_result out[SL_PHYSICAL_COUNT]);

#endif
