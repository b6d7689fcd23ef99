/* The gaps of a detector as they cross an image. */
#ifndef SL_XRAY_PHYSICAL_GAP_LINES_H
#define SL_XRAY_PHYSICAL_GAP_LINES_H

#include "xray/physical/internal.h"

typedef struct gap_lines {
    bool is_column;     /* it runs down the image */
    int32_t first, end; /* its lines */
} gap_lines;

/* The next gap with lines before or behind it, rows before columns; begin with a zeroed one. False: there is
 * none. */
bool gap_lines_next(const sl_image *image, gap_lines *gap);

/* What one gap tells: how much it could (in any unit), and whether it does. */
typedef struct gap_say {
    double weight;
    bool is_decided;
} gap_say;

/* Whether enough is decided, at least one gap and `least_decided` of those that matter: that have a quarter
 * of the largest weight and more. A fault at one that is not would be missed. */
bool gap_says_decide(const gap_say *say, int count, double least_decided);

/* Draws the gap from border to border. */
void gap_lines_mark(const physical_view *view, sl_physical_test test, const gap_lines *gap, bool is_odd);

#endif
