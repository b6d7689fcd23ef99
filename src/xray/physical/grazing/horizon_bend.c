/* Strips of an image with a straight horizon agree at equal heights above it, and are darker below it; where
 * the image is bent they do so along a curve. Unlike an edge that is followed from strip to strip, this takes
 * all that stands at the horizon, and no arc or gap leads it away. */
#include "xray/physical/grazing/horizon_bend.h"

#include "base/memory.h"
#include "xray/physical/grazing/height_profile.h"

#include <math.h>
#include <stdlib.h>

/* Rows of profiles. */
enum {
    STRIPS = HORIZON_STRIPS,
    PAIRS = 3,
    ROWS = 36, /* above and below the line that strips are compared in */
    LEAST_ROWS = 24,
    SHIFT = 24, /* between two strips */
    MOST_BEND = 32,
    MOST_TILT = 40,
    MOST_OFFSET = 10,
    AWAY = 56, /* from the line: where edges are looked for */
    COARSE = 4,
    BENT = 8, /* from here on a curve is bent for certain */
    WINDOW = 4,
    FAR_FIRST = 7,
    FAR_LAST = 14
};

static const int apart[PAIRS] = {4, 8, 16}; /* strips between the two of a pair */

static const double strip_weight = 4, /* of the strips' correlation */
    edge_weight = 300,                /* of an edge's contrast */
    least_seen = 0.6;                 /* of the places seen along the line that a curve must show too */

typedef struct agreement {
    double sum, places; /* of correlations, times rows */
} agreement;

typedef struct bend_map {
    int line_row[STRIPS];
    height_profile profile[STRIPS];
    double edge[STRIPS][PROFILE_ROWS];             /* 0 where nothing is known */
    agreement match[PAIRS][STRIPS][2 * SHIFT + 1]; /* of a strip and that `apart` right of it */
} bend_map;

typedef struct curve {
    int bend, tilt, offset; /* rows */
    double worth;
} curve;

/* The contrast of an edge that stays dark below, less where noise could make it: beside an arc it is as dark
 * on the other side. */
static double edge_at(const height_profile *p, int row) {
    static const int window[2][2] = {{1, WINDOW}, {FAR_FIRST, FAR_LAST}};
    double least = INFINITY;
    for (int k = 0; k < 2; k++) {
        double above, below, error;
        if (!height_profile_sides(p, row, window[k][0], window[k][1], &above, &below, &error)) return 0;
        double snr = fmax(0, (above - below) / error),
               contrast = above + below > 0 ? (above - below) / (above + below) * snr / (snr + 4) : 0;
        least = fmin(least, contrast);
    }
    return least;
}

/* Correlation of rows first .. last - 1 of `a` with `b`, `shift` rows lower: what stands on either may be
 * stronger on one of them. */
static agreement agree(const height_profile *a, const height_profile *b, int first, int last, int shift) {
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    first = (int)fmax(fmax(first, 0), -shift), last = (int)fmin(fmin(last, a->rows), b->rows - shift);
    for (int r = first; r < last; r++) {
        if (a->pixels[r] == 0 || b->pixels[r + shift] == 0) continue;
        double u = a->root[r], v = b->root[r + shift];
        n++, x += u, y += v, xx += u * u, yy += v * v, xy += u * v;
    }
    if (n < LEAST_ROWS) return (agreement){0, 0};
    double both = xy - x * y / n, square = (xx - x * x / n) * (yy - y * y / n);
    return (agreement){square > 0 ? both / sqrt(square) * n : 0, n};
}

static void fill_map(const physical_view *view, const horizon *line, bend_map *map) {
    double wide = view->image->width_px / (double)STRIPS, step = height_profile_step_px(view);
    for (int s = 0; s < STRIPS; s++) {
        height_profile *p = &map->profile[s];
        height_profile_fill(view, s * wide, (s + 1) * wide, p);
        map->line_row[s] = (int)lround((line->offset_px + line->slope * (s + 0.5) * wide) / step);
        for (int r = 0; r < p->rows; r++) {
            int away = abs(r - map->line_row[s]);
            map->edge[s][r] = away <= AWAY ? edge_at(p, r) : 0;
        }
    }
    for (int n = 0; n < PAIRS; n++)
        for (int s = 0; s + apart[n] < STRIPS; s++) {
            int row = map->line_row[s], along = map->line_row[s + apart[n]] - row;
            for (int d = -SHIFT; d <= SHIFT; d++)
                map->match[n][s][SHIFT + d] =
                    agree(&map->profile[s], &map->profile[s + apart[n]], row - ROWS, row + ROWS, along + d);
        }
}

static double position(int strip) {
    return (2 * strip + 1.0) / STRIPS - 1;
}

/* How well strips agree along a curve of any offset: their mean correlation. */
static double agreement_of(const bend_map *map, int bend, int tilt, double *places) {
    double sum = 0;
    *places = 0;
    for (int n = 0; n < PAIRS; n++) {
        double along = 2.0 * apart[n] / STRIPS;
        for (int s = 0; s + apart[n] < STRIPS; s++) {
            int d = (int)lrint(bend * (2 * position(s) + along) * along + tilt * along) + SHIFT;
            if (d < 0 || d > 2 * SHIFT) continue;
            sum += map->match[n][s][d].sum, *places += map->match[n][s][d].places;
        }
    }
    return *places > 0 ? sum / *places : 0;
}

/* Mean contrast of the edge along a curve. */
static double edge_of(const bend_map *map, int bend, int tilt, int offset) {
    double sum = 0;
    for (int s = 0; s < STRIPS; s++) {
        double x = position(s);
        int row = map->line_row[s] + offset + (int)lrint((tilt + bend * x) * x);
        if (row >= 0 && row < map->profile[s].rows) sum += map->edge[s][row];
    }
    return sum / STRIPS;
}

/* What the best of the curves with that bend and tilt and offsets first .. last is worth; false where too
 * little is seen along them. */
static bool best_offset(const bend_map *map, double seen, int bend, int tilt, int first, int last, int step,
                        curve *out) {
    double places, mean = agreement_of(map, bend, tilt, &places), edge = -INFINITY;
    if (places < least_seen * seen) return false;
    *out = (curve){bend, tilt, first, 0};
    for (int offset = first; offset <= last; offset += step) {
        double value = edge_of(map, bend, tilt, offset);
        if (value > edge) edge = value, out->offset = offset;
    }
    out->worth = strip_weight * sqrt(seen) * mean + edge_weight * edge;
    return true;
}

static bool search(const bend_map *map, double seen, horizon_bend *out) {
    curve c, best = {0, 0, 0, -INFINITY}, straight = best;
    double sum = 0, count = 0;
    /* an inclined streak is as straight as a horizon */
    for (int tilt = -MOST_TILT; tilt <= MOST_TILT; tilt++)
        if (best_offset(map, seen, 0, tilt, -MOST_OFFSET, MOST_OFFSET, 1, &c) && c.worth > straight.worth)
            straight = c;
    if (!isfinite(straight.worth)) return false;
    best = straight;
    for (int bend = -MOST_BEND; bend <= MOST_BEND; bend += COARSE)
        for (int tilt = -MOST_TILT; tilt <= MOST_TILT; tilt += COARSE) {
            if (!best_offset(map, seen, bend, tilt, -MOST_OFFSET, MOST_OFFSET, 2, &c)) continue;
            if (c.worth > best.worth) best = c;
            if (abs(bend) >= BENT) sum += c.worth, count++;
        }
    for (int round = 2; round >= 1; round--) {
        curve from = best;
        for (int b = -1; b <= 1; b++)
            for (int t = -1; t <= 1; t++)
                if (best_offset(map, seen, from.bend + b * round, from.tilt + t * round, from.offset - 2,
                                from.offset + 2, 1, &c) &&
                    c.worth > best.worth)
                    best = c;
    }
    if (count < 1) return false;
    *out = (horizon_bend){best.bend, best.tilt, best.offset, best.worth - straight.worth,
                          best.worth - sum / count};
    return true;
}

bool horizon_bend_find(const physical_view *view, const horizon *line, horizon_bend *out) {
    double seen, step = height_profile_step_px(view);
    bend_map *map;
    if (sl_alloc(&map, 1, sizeof *map)) return false;
    fill_map(view, line, map);
    agreement_of(map, 0, 0, &seen);
    bool found = seen > 0 && search(map, seen, out);
    sl_free(map);
    if (found) out->bend_px *= step, out->tilt_px *= step, out->offset_px *= step;
    return found;
}
