#include "loop/generate/sketch_standing.h"

#include "base/memory.h"
#include "xray/log_map.h"

#include <math.h>
#include <stdlib.h>

enum { AROUND = 96, LEAST_AROUND = AROUND / 4, USUAL_SIDE_PX = 256 };
static const double least_height = 0.04, least_share = 0.5,
                    /* of an image of the usual side */
    least_width_px = 1.5, off_px = 1, search_px = 3, step_px = 0.25;

/* How far beside a mark its neighbourhood is, in its widths. */
static const double aside = 1.3;

typedef struct picture {
    const float *log_map;
    int32_t height_px, width_px;
    double scale; /* to the usual side */
    const sl_direct_beam *beam;
} picture;

/* Between the middles of pixels; NAN outside. */
static double value_at(const picture *p, double row_px, double column_px) {
    double i = row_px - 0.5, j = column_px - 0.5;
    if (!(i >= 0 && j >= 0 && i < p->height_px - 1 && j < p->width_px - 1)) return NAN;
    int top = (int)i, left = (int)j;
    double y = i - top, x = j - left;
    const float *at = p->log_map + (int64_t)top * p->width_px + left, *below = at + p->width_px;
    return (1 - y) * ((1 - x) * (double)at[0] + x * (double)at[1]) +
           y * ((1 - x) * (double)below[0] + x * (double)below[1]);
}

static double mean_of_known(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : (a + b) / 2;
}

static int downwards(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Of the circle over those beside it, mean of its strongest quarter; NAN where too little of it is in the
 * frame. */
static double rise_of_circle(const picture *p, double radius_px, double aside_px) {
    double rise[AROUND], sum = 0;
    int known = 0;
    for (int k = 0; k < AROUND; k++) {
        double c = cos(2 * M_PI * k / AROUND), s = sin(2 * M_PI * k / AROUND), e[3];
        for (int i = 0; i < 3; i++) {
            double r = radius_px + (i == 1 ? -aside_px : i == 2 ? aside_px : 0);
            e[i] = r < 0 ? NAN : value_at(p, p->beam->row_px + r * s, p->beam->column_px + r * c);
        }
        double rises = e[0] - mean_of_known(e[1], e[2]);
        if (!isnan(rises)) rise[known++] = rises;
    }
    if (known < LEAST_AROUND) return NAN;
    qsort(rise, (size_t)known, sizeof *rise, downwards);
    for (int k = 0; k < known / 4; k++) sum += rise[k];
    return sum / (known / 4);
}

static double rise_of_spot(const picture *p, double row_px, double column_px, double aside_px) {
    double sum = 0;
    int known = 0;
    for (int k = 0; k < 8; k++) {
        double e =
            value_at(p, row_px + aside_px * sin(k * M_PI / 4), column_px + aside_px * cos(k * M_PI / 4));
        if (!isnan(e)) sum += e, known++;
    }
    return known ? value_at(p, row_px, column_px) - sum / known : NAN;
}

static double aside_of(const picture *p, const sl_sketch_mark *mark) {
    return aside * fmax((double)mark->width_px, least_width_px * p->scale);
}

/* How far to look without meeting another circle. */
static double room_around(const picture *p, const sl_sketch *sketch, const sl_sketch_mark *mark) {
    double room = search_px * p->scale;
    for (int i = 0; i < sketch->count; i++) {
        const sl_sketch_mark *other = &sketch->mark[i];
        if (other != mark && other->kind != SL_SKETCH_SPOT)
            room = fmin(room, fabs((double)(other->radius_px - mark->radius_px)) / 2);
    }
    return room;
}

static bool stands(const picture *p, const sl_sketch_mark *mark, double best, double best_off_px) {
    return best_off_px <= off_px * p->scale && best >= least_share * (double)mark->height;
}

static bool circle_stands(const picture *p, const sl_sketch *sketch, const sl_sketch_mark *mark) {
    double room = room_around(p, sketch, mark), best = -INFINITY, best_off = 0;
    for (double off = -room; off <= room; off += step_px * p->scale) {
        double rise = rise_of_circle(p, (double)mark->radius_px + off, aside_of(p, mark));
        if (rise > best) best = rise, best_off = off;
    }
    return stands(p, mark, best, fabs(best_off));
}

static bool spot_stands(const picture *p, const sl_sketch_mark *mark) {
    const double search = search_px * p->scale, step = 2 * step_px * p->scale;
    double best = -INFINITY, best_off = 0;
    for (double i = -search; i <= search; i += step)
        for (double j = -search; j <= search; j += step) {
            double rise =
                rise_of_spot(p, (double)mark->row_px + i, (double)mark->column_px + j, aside_of(p, mark));
            if (rise > best) best = rise, best_off = hypot(i, j);
        }
    return stands(p, mark, best, best_off);
}

/* Whether enough of the mark is in the frame, and high enough to be looked for. */
static bool is_looked_for(const picture *p, const sl_sketch_mark *mark) {
    if ((double)mark->height < least_height) return false;
    if (mark->kind == SL_SKETCH_SPOT)
        return !isnan(rise_of_spot(p, (double)mark->row_px, (double)mark->column_px, aside_of(p, mark)));
    return !isnan(rise_of_circle(p, (double)mark->radius_px, aside_of(p, mark)));
}

void sl_sketch_look(const sl_sketch *sketch, const sl_direct_beam *beam, const float *log_map,
                    int32_t height_px, int32_t width_px, sl_standing *out) {
    const double side_px = height_px < width_px ? height_px : width_px;
    const picture p = {log_map, height_px, width_px, side_px / USUAL_SIDE_PX, beam};
    for (int i = 0; i < sketch->count; i++) {
        const sl_sketch_mark *mark = &sketch->mark[i];
        out[i] = SL_STANDING_OPEN;
        if (!sketch->known || !beam->known || !is_looked_for(&p, mark)) continue;
        bool yes = mark->kind == SL_SKETCH_SPOT ? spot_stands(&p, mark) : circle_stands(&p, sketch, mark);
        out[i] = yes ? SL_STANDING_YES : SL_STANDING_NO;
    }
}

sl_status sl_sketch_record(const sl_sketch *sketch, const sl_direct_beam *beam, const sl_image *expectation,
                           json_t **out) {
    size_t count = (size_t)expectation->height_px * (size_t)expectation->width_px;
    sl_standing standing[SL_SKETCH_MARKS_MAX];
    double level;
    float *log_map;
    SL_TRY(sl_log_map_level(expectation->value, count, &level));
    SL_TRY(sl_alloc(&log_map, count, sizeof *log_map));
    sl_log_map_encode(expectation->value, count, level, log_map);
    sl_sketch_look(sketch, beam, log_map, expectation->height_px, expectation->width_px, standing);
    sl_free(log_map);
    *out = sl_sketch_json(sketch);
    for (int i = 0; i < sketch->count; i++)
        if (standing[i] != SL_STANDING_OPEN)
            json_object_set_new(json_array_get(*out, (size_t)i), "stands",
                                json_boolean(standing[i] == SL_STANDING_YES));
    return SL_OK;
}
