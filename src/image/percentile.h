/* Percentiles by selection: linear between the two nearest ranks, rank p/100*(count-1), as NumPy's default.
 */
#ifndef SL_IMAGE_PERCENTILE_H
#define SL_IMAGE_PERCENTILE_H

#include <stddef.h>

/* `values` is reordered. NAN when count is 0. `percent` is held to 0..100. */
double sl_percentile(double *values, size_t count, double percent);

#endif
