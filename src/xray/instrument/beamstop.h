/* The beamstop: what stands before the detector in the direct beam, with its arm. */
#ifndef SL_XRAY_INSTRUMENT_BEAMSTOP_H
#define SL_XRAY_INSTRUMENT_BEAMSTOP_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sl_beamstop_shape {
    SL_BEAMSTOP_NONE,
    SL_BEAMSTOP_DISC,
    SL_BEAMSTOP_BAR,
    SL_BEAMSTOP_RACETRACK, /* a bar with round ends */
    SL_BEAMSTOP_SHAPE_COUNT
} sl_beamstop_shape;
const char *sl_beamstop_shape_id(sl_beamstop_shape shape); /* "disc" */

typedef struct sl_beamstop {
    sl_beamstop_shape shape;
    double row_px, column_px;             /* centre, counted from the image's corner */
    double half_height_px, half_width_px; /* both equal the radius of a disc */
    bool has_arm;
    double arm_angle_rad; /* 0 to the right, pi/2 down; the arm reaches the border */
    double arm_width_px;
    double transmission;                    /* of the stop; the arm is opaque */
    double edge_px;                         /* width (sigma) of the edge's blur */
    bool arm_through;                       /* a wire across the whole image, both ways from the stop */
    double holder_from_px, holder_width_px; /* from there on the arm is this wide; width 0: nowhere */
} sl_beamstop;

/* Distance of (row, column) from the stop without its arm, px; negative inside it. */
double sl_beamstop_outside_px(const sl_beamstop *beamstop, double row, double column);

/* Fraction of the photons that pass at (row, column), 1 far from the stop. */
double sl_beamstop_pass(const sl_beamstop *beamstop, double row, double column);

/* Multiplies values[height, width] (may be NULL) by the passing fraction and sets SL_MASK_BEAMSTOP and
 * SL_MASK_ARM in mask[height, width] where less than half passes. */
void sl_beamstop_apply(const sl_beamstop *beamstop, int32_t height_px, int32_t width_px, float *values,
                       uint8_t *mask);

/* From text: "none", or "disc", "bar" or "racetrack" with settings after a colon, as in
 * "disc:radius=12,arm=270,x=0.5,y=0.4". radius (px, of the half height and half width), width (of the arm,
 * px), arm (degrees, 0 right, 90 down, or "none"), x and y (centre as fractions of the image), transmission.
 * What is not named comes from `out`, which must hold a usable stop. SL_INVALID names the word. */
sl_status sl_beamstop_parse(const char *text, int32_t height_px, int32_t width_px, sl_beamstop *out);

#endif
