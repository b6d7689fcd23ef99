/* Quantiles of pixels. */
#ifndef SL_XRAY_QUANTILE_H
#define SL_XRAY_QUANTILE_H

#include "base/status.h"

#include <stddef.h>

/* The value below which `fraction` (0 to 1) of values[count] lie; rank floor((count - 1) * fraction). count >
 * 0. */
sl_status sl_quantile(const float *values, size_t count, double fraction, double *out);

/* The same, but values[count] may be put in another order. */
double sl_quantile_in_place(float *values, size_t count, double fraction);

#endif
