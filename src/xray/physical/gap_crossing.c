/* A6: what crosses a gap goes on behind it at the same distance from the beam. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 512, EDGE = 3, REACH = 10, SMOOTH = 8, LEAST_BINS = 40, CLEAR = 6 };

/* Counts along one edge of a gap over the distance from the beam. */
typedef struct edge_profile {
    double counts[BINS], pixels[BINS],
        high[BINS]; /* high: sqrt of counts without its slow part, NaN where not known */
} edge_profile;

typedef struct edge {
    bool is_column;   /* the gap runs down the image */
    int32_t from, to; /* lines of pixels beside the gap */
    int side;         /* of the beam: 0 before it, 1 behind it */
} edge;

static void fill_profile(const physical_view *view, const edge *e, edge_profile *out) {
    const sl_image *image = view->image;
    int32_t length = e->is_column ? image->height_px : image->width_px;
    double beam = e->is_column ? view->row_px : view->column_px;
    memset(out, 0, sizeof *out);
    for (int32_t line = e->from; line < e->to; line++)
        for (int32_t t = 0; t < length; t++) {
            int32_t i = e->is_column ? t : line, j = e->is_column ? line : t;
            int64_t k = (int64_t)i * image->width_px + j;
            double radius, azimuth;
            if (image->mask[k] || (t + 0.5 > beam) != e->side) continue;
            physical_polar(view, i + 0.5, j + 0.5, &radius, &azimuth);
            int bin = (int)fmin(radius / view->polar.step_px, BINS);
            if (bin < BINS) out->counts[bin] += (double)image->value[k], out->pixels[bin]++;
        }
}

/* Cuts what sticks out: a single grain on one side of the gap is no ring. */
static void clip(double *high) {
    double size[BINS];
    int count = 0;
    for (int r = 0; r < BINS; r++)
        if (!isnan(high[r])) size[count++] = fabs(high[r]);
    if (count == 0) return;
    double most = 3 * physical_median(size, count);
    for (int r = 0; r < BINS; r++)
        if (!isnan(high[r])) high[r] = fmax(-most, fmin(most, high[r]));
}

/* sqrt of counts less its running mean; returns the sum of squares over its noise, how clearly there is
 * something to see. */
static double take_off_slow(edge_profile *p) {
    double signal = 0, noise = 0;
    for (int r = 0; r < BINS; r++) {
        double counts = 0, pixels = 0;
        p->high[r] = NAN;
        for (int k = r - SMOOTH; k <= r + SMOOTH; k++)
            if (k >= 0 && k < BINS) counts += p->counts[k], pixels += p->pixels[k];
        if (p->pixels[r] < 2 || pixels < 3 * SMOOTH || counts < 20) continue;
        p->high[r] = sqrt(p->counts[r] / p->pixels[r]) - sqrt(counts / pixels);
        signal += p->high[r] * p->high[r];
        noise += 0.25 / p->pixels[r];
    }
    clip(p->high);
    return noise > 0 ? signal / noise : 0;
}

static double correlate(const edge_profile *a, const edge_profile *b, int shift) {
    double product = 0, first = 0, second = 0;
    int bins = 0;
    for (int r = 0; r < BINS; r++) {
        int s = r + shift;
        if (s < 0 || s >= BINS || isnan(a->high[r]) || isnan(b->high[s])) continue;
        product += a->high[r] * b->high[s];
        first += a->high[r] * a->high[r], second += b->high[s] * b->high[s];
        bins++;
    }
    return bins >= LEAST_BINS && first > 0 && second > 0 ? product / sqrt(first * second) : -1;
}

/* By how many bins the two edges' profiles are shifted; NaN where they have nothing clear in common. */
static double shift_between(const physical_view *view, edge before, edge behind) {
    edge_profile a, b;
    fill_profile(view, &before, &a);
    fill_profile(view, &behind, &b);
    if (take_off_slow(&a) < CLEAR || take_off_slow(&b) < CLEAR) return NAN;
    double best = -1;
    int at = 0;
    for (int shift = -REACH; shift <= REACH; shift++) {
        double value = correlate(&a, &b, shift);
        if (value > best) best = value, at = shift;
    }
    if (best < 0.75 || abs(at) == REACH) return NAN;
    /* unless another place fits clearly better, the rings are where they should be */
    return best - correlate(&a, &b, 0) > 0.3 ? fabs((double)at) : 0;
}

/* Whether there is a ring at all: a smooth fall-off can be laid over itself anywhere. */
static bool has_ring(const physical_view *view) {
    for (int k = 0; k < view->track_count; k++)
        if (view->track[k].seen >= 10) return true;
    return false;
}

/* Compares what lies on both sides of the gap in lines first .. end - 1, before and behind the beam; returns
 * how many of the two halves have something to compare. */
static int compare_gap(const physical_view *view, bool is_column, int32_t first, int32_t end, double *worst) {
    int32_t lines = is_column ? view->image->width_px : view->image->height_px;
    int32_t edge_px = (int32_t)ceil(EDGE * view->unit_px);
    int crossings = 0;
    if (first < edge_px || end + edge_px > lines) return 0;
    double shifts[2];
    for (int side = 0; side < 2; side++)
        shifts[side] = shift_between(view, (edge){is_column, first - edge_px, first, side},
                                     (edge){is_column, end, end + edge_px, side});
    /* what jumps at a gap jumps on both sides of the beam */
    if (!isnan(shifts[0]) && !isnan(shifts[1])) shifts[0] = shifts[1] = fmin(shifts[0], shifts[1]);
    bool both = !isnan(shifts[0]) && !isnan(shifts[1]);
    for (int side = 0; side < 2; side++) {
        if (isnan(shifts[side])) continue;
        if (!both) shifts[side] *= 0.5; /* one side alone is weaker evidence */
        crossings++;
        double shift = shifts[side] * view->polar.step_px / view->unit_px;
        *worst = fmax(*worst, shift);
        float middle = (float)(first + end) / 2, far = (float)(side ? lines : 0);
        float beam = (float)(is_column ? view->row_px : view->column_px);
        sl_mark mark = {SL_MARK_LINE, SL_PHYSICAL_GAP_CROSSING, shift > 2, middle, far, middle, beam, 0};
        if (is_column) mark.row = far, mark.column = middle, mark.row2 = beam, mark.column2 = middle;
        physical_mark(view, mark);
    }
    return crossings;
}

sl_status physical_gap_crossing(const physical_view *view, sl_physical_result *out) {
    const sl_image *image = view->image;
    int crossings = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "no gap with rings across it");
    if (view->is_grazing || !has_ring(view)) return SL_OK;
    for (int is_column = 0; is_column < 2; is_column++) {
        int32_t lines = is_column ? image->width_px : image->height_px, first = -1;
        for (int32_t line = 0; line < lines; line++) {
            bool gap = sl_gap_crosses(image, is_column, line);
            if (gap && first < 0) first = line;
            if (gap || first < 0) continue;
            crossings += compare_gap(view, is_column, first, line, &out->value);
            first = -1;
        }
    }
    if (crossings == 0) return SL_OK;
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "rings at %d half gaps; one jumps by %.0f px", crossings,
             out->value * view->unit_px);
    if (out->value <= 0)
        snprintf(out->saw, sizeof out->saw, "rings at %d half gaps go on behind them", crossings);
    return SL_OK;
}
