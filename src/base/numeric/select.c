#include "base/numeric/select.h"

/* Hoare's selection. The pivot is the middle one of three; equal values are split evenly, so that constant
 * images cost no more. low..split is <= pivot, what follows is >= pivot, and both parts are shorter than
 * before. */
#define SELECT(name, type)                                                                                   \
    type name(type *values, size_t count, size_t rank) {                                                     \
        size_t low = 0, high = count - 1;                                                                    \
        while (low < high) {                                                                                 \
            type a = values[low], b = values[low + (high - low) / 2], c = values[high];                      \
            type less = a > b ? b : a, more = a > b ? a : b;                                                 \
            type pivot = c <= less ? less : c >= more ? more : c;                                            \
            size_t i = low, j = high;                                                                        \
            for (;;) {                                                                                       \
                while (values[i] < pivot) i++;                                                               \
                while (values[j] > pivot) j--;                                                               \
                if (i >= j) break;                                                                           \
                type kept = values[i];                                                                       \
                values[i++] = values[j];                                                                     \
                values[j--] = kept;                                                                          \
            }                                                                                                \
            size_t split = values[j] > pivot ? j - 1 : j;                                                    \
            if (split == high) split--;                                                                      \
            if (rank <= split)                                                                               \
                high = split;                                                                                \
            else                                                                                             \
                low = split + 1;                                                                             \
        }                                                                                                    \
        return values[rank];                                                                                 \
    }

SELECT(sl_select_double, double)
SELECT(sl_select_float, float)
