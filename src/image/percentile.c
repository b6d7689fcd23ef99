#include "image/percentile.h"

#include <math.h>

static void swap(double *a, double *b) {
    double kept = *a;
    *a = *b;
    *b = kept;
}

static double median_of_three(double a, double b, double c) {
    if (a > b) swap(&a, &b);
    return c <= a ? a : c >= b ? b : c;
}

/* Afterwards values[rank] is in its sorted place, nothing before it is larger and nothing behind it smaller
 * (Hoare's selection; equal values are split evenly, so constant images cost no more). */
static void select_rank(double *values, size_t count, size_t rank) {
    size_t low = 0, high = count - 1;
    while (low < high) {
        double pivot = median_of_three(values[low], values[low + (high - low) / 2], values[high]);
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i >= j) break;
            swap(&values[i++], &values[j--]);
        }
        /* low..split is <= pivot, what follows is >= pivot; both parts are shorter than before */
        size_t split = values[j] > pivot ? j - 1 : j;
        if (split == high) split--;
        if (rank <= split) {
            high = split;
        } else {
            low = split + 1;
        }
    }
}

double sl_percentile(double *values, size_t count, double percent) {
    if (count == 0) return NAN;
    double place = fmin(fmax(percent, 0), 100) / 100 * (double)(count - 1);
    size_t rank = (size_t)place;
    select_rank(values, count, rank);
    double low = values[rank], part = place - (double)rank;
    if (part <= 0 || rank + 1 >= count) return low;
    double high = values[rank + 1];
    for (size_t i = rank + 2; i < count; i++)
        if (values[i] < high) high = values[i];
    return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}
