/* Measured frames of ../shared/data/experimental whose beam a calibration tells: for the test and for
 * tools/blind_accuracy.c. */
#ifndef SL_TESTS_MEASURED_FRAMES_H
#define SL_TESTS_MEASURED_FRAMES_H

#include "xray/technique.h"

#include <math.h>

static const struct {
    const char *file;
    sl_technique technique;
    double row_px, column_px; /* NaN where it is not known */
} measured[] = {
#define SL_MEASURED_FRAME(file, technique, row, column) {file, SL_TECHNIQUE_##technique, row, column},
#include "measured_frames.def"
#undef SL_MEASURED_FRAME
};

#endif
