/* The value at a rank, without putting all of them in order. */
#ifndef SL_BASE_SELECT_H
#define SL_BASE_SELECT_H

#include <stddef.h>

/* Returns the value that values[rank] has in rising order, and puts it there: then nothing before it is
 * larger and nothing behind it smaller. values[count] must hold no NaN; rank < count. */
double sl_select_double(double *values, size_t count, size_t rank);
float sl_select_float(float *values, size_t count, size_t rank);

#endif
