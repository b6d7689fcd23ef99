/* Whether rings, arcs and spots stand where an image was told that they are. */
#include "gates.h"

#include <math.h>
#include <stdlib.h>

enum { AROUND = 96, LEAST_AROUND = AROUND / 4 };
static const double least_height = 0.04, /* ten grey levels: lower ones are doubtful by themselves */
    least_width_px = 1.5, off_px = 1, search_px = 3, step_px = 0.25, least_share = 0.5;

/* Between the middles of pixels; NAN outside. */
static double value_at(const float *map, double row_px, double column_px) {
    double i = row_px - 0.5, j = column_px - 0.5;
    if (!(i >= 0 && j >= 0 && i < SIDE_PX - 1 && j < SIDE_PX - 1)) return NAN;
    int top = (int)i, left = (int)j;
    double y = i - top, x = j - left;
    const float *at = map + top * SIDE_PX + left;
    return (1 - y) * ((1 - x) * (double)at[0] + x * (double)at[1]) +
           y * ((1 - x) * (double)at[SIDE_PX] + x * (double)at[SIDE_PX + 1]);
}

static double mean_of_known(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : (a + b) / 2;
}

static int downwards(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Rise of the circle over those beside it, mean of its strongest quarter as the simulator counts it; NAN
 * where too little of it is in the frame. */
static double rise_of_circle(const float *map, const sl_beam_place *beam, double radius_px, double aside_px) {
    double rise[AROUND], sum = 0;
    int known = 0;
    for (int k = 0; k < AROUND; k++) {
        double c = cos(2 * M_PI * k / AROUND), s = sin(2 * M_PI * k / AROUND), e[3];
        for (int i = 0; i < 3; i++) {
            double r = radius_px + (i == 1 ? -aside_px : i == 2 ? aside_px : 0);
            e[i] = r < 0 ? NAN : value_at(map, beam->row_px + r * s, beam->column_px + r * c);
        }
        double rises = e[0] - mean_of_known(e[1], e[2]);
        if (!isnan(rises)) rise[known++] = rises;
    }
    if (known < LEAST_AROUND) return NAN;
    qsort(rise, (size_t)known, sizeof *rise, downwards);
    for (int k = 0; k < known / 4; k++) sum += rise[k];
    return sum / (known / 4);
}

static double rise_of_spot(const float *map, double row_px, double column_px, double aside_px) {
    double sum = 0;
    int known = 0;
    for (int k = 0; k < 8; k++) {
        double e =
            value_at(map, row_px + aside_px * sin(k * M_PI / 4), column_px + aside_px * cos(k * M_PI / 4));
        if (!isnan(e)) sum += e, known++;
    }
    return known ? value_at(map, row_px, column_px) - sum / known : NAN;
}

static double width_of(const sl_sketch_mark *mark) {
    return fmax((double)mark->width_px, least_width_px);
}

/* How far to look without meeting another circle. */
static double room_around(const sl_sketch *sketch, const sl_sketch_mark *mark) {
    double room = search_px;
    for (int i = 0; i < sketch->count; i++) {
        const sl_sketch_mark *other = &sketch->mark[i];
        if (other != mark && other->kind != SL_SKETCH_SPOT)
            room = fmin(room, fabs((double)(other->radius_px - mark->radius_px)) / 2);
    }
    return room;
}

static bool circle_stands(const float *map, const sl_beam_place *beam, const sl_sketch *sketch,
                          const sl_sketch_mark *mark) {
    double room = room_around(sketch, mark), best = -INFINITY, best_off = 0;
    for (double off = -room; off <= room; off += step_px) {
        double rise = rise_of_circle(map, beam, (double)mark->radius_px + off, 1.3 * width_of(mark));
        if (rise > best) best = rise, best_off = off;
    }
    return fabs(best_off) <= off_px && best >= least_share * (double)mark->height;
}

static bool spot_stands(const float *map, const sl_sketch_mark *mark) {
    double best = -INFINITY, best_off = 0;
    for (double i = -search_px; i <= search_px; i += 2 * step_px)
        for (double j = -search_px; j <= search_px; j += 2 * step_px) {
            double rise = rise_of_spot(map, (double)mark->row_px + i, (double)mark->column_px + j,
                                       1.3 * width_of(mark));
            if (rise > best) best = rise, best_off = hypot(i, j);
        }
    return best_off <= off_px && best >= least_share * (double)mark->height;
}

/* Whether enough of the mark is in the frame, and high enough to be looked for. */
static bool is_looked_for(const float *map, const sl_beam_place *beam, const sl_sketch_mark *mark) {
    if ((double)mark->height < least_height) return false;
    double aside = 1.3 * width_of(mark);
    if (mark->kind == SL_SKETCH_SPOT)
        return !isnan(rise_of_spot(map, (double)mark->row_px, (double)mark->column_px, aside));
    return !isnan(rise_of_circle(map, beam, (double)mark->radius_px, aside));
}

void marks_look(const float *map, const sl_beam_place *beam, const sl_sketch *sketch, int32_t *told,
                int32_t *found) {
    *told = *found = 0;
    if (!sketch->known || !beam->known) return;
    for (int i = 0; i < sketch->count; i++) {
        const sl_sketch_mark *mark = &sketch->mark[i];
        if (!is_looked_for(map, beam, mark)) continue;
        ++*told;
        *found +=
            mark->kind == SL_SKETCH_SPOT ? spot_stands(map, mark) : circle_stands(map, beam, sketch, mark);
    }
}
