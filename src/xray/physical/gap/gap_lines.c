#include "xray/physical/gap/gap_lines.h"

#include <math.h>

static bool next_of_one_kind(const sl_image *image, gap_lines *gap) {
    int32_t lines = gap->is_column ? image->width_px : image->height_px, first = -1;
    for (int32_t line = gap->end; line < lines; line++) {
        bool crosses = sl_gap_crosses(image, gap->is_column, line);
        if (crosses && first < 0) first = line;
        if (crosses || first < 0) continue;
        gap->first = first;
        gap->end = line;
        return true;
    }
    return false;
}

bool gap_lines_next(const sl_image *image, gap_lines *gap) {
    if (next_of_one_kind(image, gap)) return true;
    if (gap->is_column) return false;
    *gap = (gap_lines){.is_column = true};
    return next_of_one_kind(image, gap);
}

void gap_lines_mark(const physical_view *view, sl_physical_test test, const gap_lines *gap, bool is_odd) {
    float middle = (float)(gap->first + gap->end) / 2;
    sl_mark mark = {SL_MARK_LINE, (int)test, is_odd, middle, 0, middle, (float)view->image->width_px, 0};
    if (gap->is_column) {
        mark.row = 0, mark.column = middle;
        mark.row2 = (float)view->image->height_px, mark.column2 = middle;
    }
    physical_mark(view, mark);
}

bool gap_says_decide(const gap_say *say, int count, double least_decided) {
    static const double matters = 0.25;
    double most = 0;
    int matter = 0, decided = 0;
    for (int k = 0; k < count; k++) most = fmax(most, say[k].weight);
    for (int k = 0; k < count; k++) {
        if (say[k].weight < matters * most) continue;
        matter++, decided += say[k].is_decided;
    }
    return decided > 0 && decided >= least_decided * matter;
}
