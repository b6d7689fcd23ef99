/* Sums of arrays times numbers. */
#ifndef SL_TENSOR_COMBINE_H
#define SL_TENSOR_COMBINE_H

#include <stdbool.h>
#include <stddef.h>

/* Element by element, in double: p = the sum of prediction[k] term[k], clipped to +-clip (0: not) and then
 * rounded to float where `rounded`; the result is the sum of weight[k] term[k], in the order of k, and then
 * weight[terms] p, rounded once. Terms of weight 0 are not read and may be NULL. */
typedef struct sl_combination {
    int terms;
    const double *weight;     /* [terms + 1] */
    const double *prediction; /* [terms] */
    double clip;
    bool rounded;
} sl_combination;

/* `count` elements; out may be one of the terms. */
void sl_combine_arrays(const sl_combination *combination, const float *const *term, float *out, size_t count);

#endif
