/* From expectation to measurement: what a detector records when the mean number of photons in each pixel is
 * known.
 *
 * In this order: flat field and module-edge pixels, beamstop, point spread, dead time, Poisson counts, cosmic
 * tracks, read-out noise (CCD only), hot and dead pixels and chips, saturation, gaps. It knows nothing of how
 * the expectation came about: a simulator's and a decoded one are measured alike. */
#ifndef SL_XRAY_INSTRUMENT_DETECTOR_CHAIN_H
#define SL_XRAY_INSTRUMENT_DETECTOR_CHAIN_H

#include "base/random/random.h"
#include "image/image.h"
#include "xray/instrument/beamstop.h"
#include "xray/instrument/detector.h"

/* A read-out chip that gives nothing, in the detector's pixels; rows 0: none. */
typedef struct sl_dead_chip {
    int32_t row, column, rows, columns;
} sl_dead_chip;

typedef struct sl_measurement {
    const sl_detector *detector; /* NULL: no gaps, counts photons, never saturates */
    sl_view view;                /* what of the detector the image shows; unused without one */
    double exposure;             /* multiplies the expectation */
    sl_beamstop beamstop;
    double point_spread_px;             /* Gaussian sigma; CCD: half width of the tails' kernel */
    double flat_pixel, flat_module;     /* relative spread of the gain, of pixels and of modules */
    double edge_gain;                   /* of the pixels along module edges, 1 when corrected */
    double dead_time_fraction;          /* dead time over exposure time: counts lost as exp(-mean * this) */
    double hot_fraction, dead_fraction; /* of all pixels */
    sl_dead_chip dead_chip;
    double cosmic_count; /* mean number of tracks */
    double offset,
        read_noise; /* CCD: added to the counts, so that they may be below zero after an offset is taken */
    double highest_count;      /* saturation; 0: the detector's, or none */
    const uint8_t *extra_mask; /* [height, width] mask bits to be laid over (--mask), or NULL; borrowed */
} sl_measurement;

/* A clean measurement with this detector (may be NULL) at exposure 1: no beamstop, usual small flaws. The
 * view is the middle of the detector. */
sl_measurement sl_measurement_default(const sl_detector *detector, int32_t height_px, int32_t width_px);

/* Counts as float in out->value and the exact mask in out->mask; masked gaps hold 0. mean_counts[height,
 * width] must be finite and not negative (SL_NUMERIC names the pixel). A function of its arguments alone:
 * image `item` of `seed` is the same in any order of work. *out is new (sl_image_free). */
sl_status sl_detector_measure(const float *mean_counts, int32_t height_px, int32_t width_px,
                              const sl_measurement *measurement, uint64_t seed, uint32_t item, sl_image *out);

/* The brightest place of a smoothed expectation, a fair guess of the beam. */
void sl_beam_estimate(const float *mean_counts, int32_t height_px, int32_t width_px, double *row,
                      double *column);

#endif
