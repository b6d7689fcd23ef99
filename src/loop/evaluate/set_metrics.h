/* How far one set of images is from another: pure functions of points and distances.
 *
 * A set is a list of rows. Where two lists are asked for, the first is the reference. Nothing here knows of
 * images, and nothing draws random numbers but where a seed is given. */
#ifndef SL_LOOP_EVALUATE_SET_METRICS_H
#define SL_LOOP_EVALUATE_SET_METRICS_H

#include "base/random/random.h"
#include "loop/evaluate/points.h"

#include <stdbool.h>

typedef struct sl_rows {
    int64_t *row;
    int64_t count;
} sl_rows;

/* --- distances of distributions --- */

/* Unbiased squared maximum mean discrepancy under the kernel in `kernel` (Gretton et al., J. Mach. Learn.
 * Res. 13 (2012) 723, eq. 3); with the polynomial kernel it is KID. May be negative. Frames of one group are
 * no two draws from a distribution, so pairs within a group of group[] (by row; NULL: every row is its own)
 * do not count. NAN where a side has no pair. */
double sl_kid(const sl_pairs *kernel, const int64_t *group, const sl_rows *a, const sl_rows *b);

/* Unbiased energy distance 2 E|x-y| - E|x-x'| - E|y-y'| (Szekely and Rizzo, J. Stat. Plan. Inference 143
 * (2013) 1249); groups as above. */
double sl_energy_distance(const sl_pairs *distance, const int64_t *group, const sl_rows *a, const sl_rows *b);

/* |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2) of the two means and covariances (Heusel et al. 2017,
 * arXiv 1706.08500). Biased upwards on small sets: compare equal sizes only. SL_INVALID below 2 rows on a
 * side, SL_MEMORY. */
sl_status sl_frechet_distance(const sl_points *points, const sl_rows *a, const sl_rows *b, double *out);

/* Density and coverage (Naeem et al. 2020, arXiv 2002.09797) by the balls of the k-th nearest neighbour among
 * the reference `a`, one of the same group (as above) not counting: near-copies would leave no ball. Of equal
 * distributions: density 1, coverage 1 - prod (na - i)/(na + nb - i), i = 1..k, near 1 - 2^-k. SL_INVALID
 * unless each of `a` has k such neighbours and b has a row. */
sl_status sl_density_coverage(const sl_pairs *distance, const int64_t *group, const sl_rows *a,
                              const sl_rows *b, int k, double *density, double *coverage);

/* Root mean square over the columns of the difference of the column means (NAN left out). Of spectra in dB:
 * dB. */
double sl_mean_difference(const sl_points *points, const sl_rows *a, const sl_rows *b);

/* --- one number at a time --- */

/* Two-sample Kolmogorov-Smirnov statistic of column `column`, each row counting 1/weight[row] (the size of
 * its group), missing values left out; p from the asymptotic distribution (Stephens 1970) with as many
 * observations as the weights add up to: a group counts once. NAN with nothing on a side. */
typedef struct sl_ks {
    double statistic, p;
} sl_ks;
sl_status sl_ks_test(const sl_points *points, int64_t column, const double *weight, const sl_rows *a,
                     const sl_rows *b, sl_ks *out);
double sl_kolmogorov_tail(double lambda); /* P(K > lambda) */

/* p-values adjusted for their number (Holm, Scand. J. Stat. 6 (1979) 65), in place; NAN stays. */
void sl_holm(double *p, int64_t count);

/* --- can they be told apart (classifier two-sample test, Lopez-Paz and Oquab 2017, arXiv 1610.06545) --- */

/* Scores of each row by logistic regression that has not seen its fold: rows of one group share a fold.
 * Larger is more like label true. Both labels weigh the same. SL_INVALID unless both labels have 2 groups. */
sl_status sl_probe_logistic(const sl_points *points, const bool *label, const int64_t *group, int folds,
                            double *score);
/* The same taught by the rows of `train`, scores of the rows of `test`. SL_INVALID unless `train` has both
 * labels. */
sl_status sl_probe_teach(const sl_points *points, const bool *label, const sl_rows *train,
                         const sl_rows *test, double *score);
/* Nearest-neighbour score: distance to the nearest row of label false less that to label true, both outside
 * of the row's own group; NAN where there is none. */
void sl_probe_nearest(const sl_pairs *distance, const bool *label, const int64_t *group, double *score);

/* --- copies --- */

/* Distances of every row in `from` to its two nearest rows in `to` (not itself, nor one of its group).
 * INFINITY where there is none. */
void sl_nearest_two(const sl_pairs *distance, const int64_t *group, const sl_rows *from, const sl_rows *to,
                    double *nearest, double *second);
/* Mann-Whitney Z of the nearest distances of generated rows against those of held-out rows; below -2: the
 * generated ones lie nearer to the training set than unseen images do (C_T with one cell, Meehan, Chaudhuri
 * and Dasgupta 2020, arXiv 2004.05675). NAN where a side is empty. */
double sl_mann_whitney_z(const double *generated, int64_t generated_count, const double *held_out,
                         int64_t held_out_count);

/* --- resampling --- */

/* Two halves of a set without a common group, drawn at random: each group goes whole to the side that has
 * fewer rows. `group` has a number for each of rows.count rows. a and b: room for rows.count. */
sl_status sl_halves_draw(const sl_rows *rows, const int64_t *group, sl_random *random, sl_rows *a,
                         sl_rows *b);

/* --- linear algebra --- */

/* Eigenvalues of the symmetric a[n, n], which is overwritten, in rising order: Householder's reduction to
 * three diagonals, then implicit QL with Wilkinson's shift. SL_NUMERIC where that does not converge. */
sl_status sl_symmetric_eigenvalues(double *a, int64_t n, double *values);

#endif
