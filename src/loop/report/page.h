/* Pieces of the report: text that is safe in HTML, numbers, pictures, plots. */
#ifndef SL_LOOP_REPORT_PAGE_H
#define SL_LOOP_REPORT_PAGE_H

#include "base/json.h"
#include "base/text.h"
#include "image/image.h"

/* With & < > " ' as entities. NULL adds nothing. */
void sl_page_escape(sl_text *page, const char *text);

/* A cell of a table: an estimate object {value, low, high, n, method} as "0.93 [0.89, 0.96], n 120"; anything
 * else as "-". */
void sl_page_estimate_cell(sl_text *page, const json_t *estimate, bool percent);
void sl_page_number_cell(sl_text *page, const json_t *number, int digits);

/* <figure> with the image as an embedded PNG; `kind` is its CSS class, caption and note may be NULL. */
sl_status sl_page_picture(sl_text *page, const sl_image *image, const char *kind, const char *caption,
                          const char *note);

/* A curve as inline SVG: y against x, count points (those that are not finite are left out). */
typedef struct sl_page_curve {
    const char *name;
    const double *x, *y;
    int count;
} sl_page_curve;
void sl_page_plot(sl_text *page, const char *title, const char *x_label, const sl_page_curve *curves,
                  int curve_count, bool log_y);

extern const char sl_page_style[]; /* CSS of the report */

#endif
