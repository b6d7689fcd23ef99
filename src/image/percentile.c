#include "image/percentile.h"

#include "base/numeric/select.h"

#include <math.h>

double sl_percentile(double *values, size_t count, double percent) {
    if (count == 0) return NAN;
    double place = fmin(fmax(percent, 0), 100) / 100 * (double)(count - 1);
    size_t rank = (size_t)place;
    double low = sl_select_double(values, count, rank), part = place - (double)rank;
    if (part <= 0 || rank + 1 >= count) return low;
    double high = values[rank + 1];
    for (size_t i = rank + 2; i < count; i++)
        if (values[i] < high) high = values[i];
    return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}
