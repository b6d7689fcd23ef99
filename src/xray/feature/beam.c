/* Where the beam is, from the picture alone. */
#include "xray/detector_chain.h"
#include "xray/image_features.h"
#include "xray/quantile.h"

#include <math.h>

/* Mean place of the brightness within `radius` of (row, column); the same place where all is dark. */
static void weigh(const sl_image *image, const float *value, double radius, double *row, double *column) {
    double sum = 0, rows = 0, columns = 0;
    int32_t top = (int32_t)fmax(0, *row - radius),
            bottom = (int32_t)fmin(image->height_px, *row + radius + 1);
    int32_t left = (int32_t)fmax(0, *column - radius),
            right = (int32_t)fmin(image->width_px, *column + radius + 1);
    for (int32_t i = top; i < bottom; i++)
        for (int32_t j = left; j < right; j++) {
            double y = i + 0.5 - *row, x = j + 0.5 - *column;
            if (y * y + x * x > radius * radius) continue;
            double v = (double)value[(int64_t)i * image->width_px + j];
            sum += v, rows += v * (i + 0.5), columns += v * (j + 0.5);
        }
    if (sum > 0) *row = rows / sum, *column = columns / sum;
}

/* Values cut at the 99.9 % quantile, so that hot pixels draw no more than the brightest part. */
static sl_status cut_values(const sl_image *image, float *value) {
    int64_t pixels = (int64_t)image->height_px * image->width_px, good = 0;
    for (int64_t k = 0; k < pixels; k++)
        if (!(image->mask[k] & SL_MASK_NO_VALUE) && isfinite(image->value[k]))
            value[good++] = image->value[k];
    float level = good ? (float)sl_quantile_in_place(value, (size_t)good, 0.999) : 0;
    for (int64_t k = 0; k < pixels; k++) {
        bool bad = (image->mask[k] & SL_MASK_NO_VALUE) || !isfinite(image->value[k]);
        value[k] = bad ? 0 : fminf(fmaxf(image->value[k], 0), level);
    }
    return good ? SL_OK : sl_fail(SL_INVALID, "no pixel of the image holds a value");
}

sl_status sl_image_beam_find(const sl_image *image, sl_beam_place *out) {
    enum { ROUNDS = 24 };
    float *value;
    double row, column;
    SL_TRY(sl_alloc(&value, (size_t)image->height_px * (size_t)image->width_px, sizeof *value));
    sl_status status = cut_values(image, value);
    if (!status) {
        sl_beam_estimate(value, image->height_px, image->width_px, &row, &column);
        double side = fmax(image->height_px, image->width_px);
        /* a wide window first: it has to reach across the shadow of the beamstop */
        for (int round = 0; round < ROUNDS; round++)
            weigh(image, value, fmax(4, side / (round < ROUNDS / 2 ? 4 : 6)), &row, &column);
        *out = (sl_beam_place){false, row, column};
    }
    sl_free(value);
    return status;
}
