/* Putting numbers in order. */
#ifndef SL_BASE_SORT_H
#define SL_BASE_SORT_H

#include <stddef.h>

/* Ascending, in place. values[count] must hold no NaN. */
void sl_sort_doubles(double *values, size_t count);

#endif
