/* Images as points of a space, and all distances between them. */
#ifndef SL_LOOP_EVALUATE_POINTS_H
#define SL_LOOP_EVALUATE_POINTS_H

#include "base/status.h"

#include <stdint.h>

/* at[count, width], row i is an image; owned (sl_free). */
typedef struct sl_points {
    int64_t count, width;
    double *at;
} sl_points;

sl_status sl_points_new(int64_t count, int64_t width, sl_points *out); /* zeros */
void sl_points_free(sl_points *points);

/* Number i of row k for the caller who wants one column at a time. */
static inline const double *sl_points_row(const sl_points *points, int64_t row) {
    return points->at + row * points->width;
}

/* How columns become comparable numbers of one size, learnt from the reference rows [0, reference): mean 0
 * and standard deviation 1 over the values present there, held to +-SL_STANDARD_REACH; a missing value (NAN)
 * becomes the mean, so that it says nothing. A column that more than half of the reference or half of the
 * other rows [reference, rows) lack is left out; one that does not vary in the reference takes its spread
 * from all rows, and is left out where it does not vary at all. kept[width] gets which stay; *out (new) has
 * those alone. */
#define SL_STANDARD_REACH 6.0
sl_status sl_points_standardise(const sl_points *raw, int64_t reference, int64_t rows, unsigned char *kept,
                                sl_points *out);

/* at[count, count], symmetric; owned (sl_free). */
typedef struct sl_pairs {
    int64_t count;
    float *at;
} sl_pairs;

static inline double sl_pair(const sl_pairs *pairs, int64_t i, int64_t j) {
    return (double)pairs->at[i * pairs->count + j];
}

typedef enum sl_pair_kind {
    SL_PAIR_EUCLID,     /* |x - y| */
    SL_PAIR_ABSOLUTE,   /* mean over columns of |x - y|: Wasserstein-1 where rows are cumulative distributions
                         */
    SL_PAIR_POLYNOMIAL, /* (x.y / width + 1)^3, the kernel of KID (Binkowski et al. 2018, arXiv 1801.01401) */
} sl_pair_kind;

/* The same bits for any number of threads. SL_MEMORY. */
sl_status sl_pairs_new(const sl_points *points, sl_pair_kind kind, sl_pairs *out);
void sl_pairs_free(sl_pairs *pairs);

#endif
