/* Profiles of narrow strips over the height, and how well two of them agree. */
#ifndef SL_XRAY_PHYSICAL_HEIGHT_PROFILE_H
#define SL_XRAY_PHYSICAL_HEIGHT_PROFILE_H

#include "xray/physical/internal.h"

enum { PROFILE_ROWS = 1024 };

/* Square roots of mean counts, whose noise is the same everywhere, row by row; pixels 0 where too few are
 * seen. */
typedef struct height_profile {
    int rows;
    double root[PROFILE_ROWS], pixels[PROFILE_ROWS];
} height_profile;

/* Image pixels that a row of a profile is high. */
double height_profile_step_px(const physical_view *view);

/* Of the columns whose middles lie in from .. to, px. */
void height_profile_fill(const physical_view *view, double from, double to, height_profile *out);

/* Roots of the mean counts of rows row - last .. row - first (above) and row + first - 1 .. row + last - 1
 * (below), and by how much they differ by counting noise, sigma. False where less than half of the rows of
 * either are seen. */
bool height_profile_sides(const height_profile *p, int row, int first, int last, double *above, double *below,
                          double *error);

/* What two profiles differ by. */
typedef struct profile_match {
    double cost; /* sum over places of the squared difference, in variances, cut off at 9 */
    double places;
} profile_match;

/* Rows first .. last - 1 of `a` against `b`, `shift` rows lower; the ratio of their levels is free. `unlike`:
 * what square roots may differ by beside counting noise, as a share. No places where fewer than `least` rows
 * are seen in both. */
profile_match height_profile_match(const height_profile *a, const height_profile *b, int first, int last,
                                   int shift, int least, double unlike);

#endif
