/* A6: the level goes on behind a gap. */
#include "xray/physical/gap/gap_lines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Lines beside the gap that are left out, and of a strip; counts and pieces of radius of the smallest ones.
 */
enum { BINS = 512, SKIP = 1, EDGE = 4, LEAST_COUNTS = 25, LEAST_PIECES = 4 };

static const double usual = 0.03; /* ln: what gains of modules differ by, and rings cut obliquely */
static const double surely = 1.5; /* errors that a level may change by */
/* ln: with such an error a half says nothing of a step by a factor of two; with the larger one it shows so
 * much structure that the other half is not to be believed either. */
static const double vague = 0.5, unclear = 0.8;
/* Of the gaps that matter, by the counts beside them, this share has to be decided. */
static const double least_decided = 0.85;

/* Counts on one side of a gap over the distance from the beam, before the beam and behind it apart. */
typedef struct side_profile {
    double counts[2][BINS], pixels[2][BINS];
} side_profile;

/* The line beside a gap is left out: pixels there are larger on many detectors. */
static void fill_side(const physical_view *view, bool is_column, int32_t from, int32_t to,
                      side_profile *out) {
    const sl_image *image = view->image;
    int32_t length = is_column ? image->height_px : image->width_px;
    double beam = is_column ? view->row_px : view->column_px;
    memset(out, 0, sizeof *out);
    for (int32_t line = from; line < to; line++)
        for (int32_t t = 0; t < length; t++) {
            int32_t i = is_column ? t : line, j = is_column ? line : t;
            int64_t k = (int64_t)i * image->width_px + j;
            double radius, azimuth;
            if (image->mask[k]) continue;
            physical_polar(view, i + 0.5, j + 0.5, &radius, &azimuth);
            int bin = (int)fmin(radius / view->polar.step_px, BINS), half = t + 0.5 > beam;
            if (bin < BINS) out->counts[half][bin] += (double)image->value[k], out->pixels[half][bin]++;
        }
}

/* ln of the two sides' ratio in pieces of radius with enough counts; returns how many there are. *noise2: the
 * mean of their variances from counting. */
static int ratios(const side_profile *a, const side_profile *b, int half, double *out, double *noise2) {
    int count = 0;
    double counts[2] = {0, 0}, pixels = 0, sum = 0;
    for (int r = 0; r < BINS; r++) {
        double n = a->pixels[half][r], m = b->pixels[half][r];
        if (n < 1 || m < 1) continue;
        /* as many pixels of each radius on either side, so that a steep decay weighs alike */
        double least = fmin(n, m);
        counts[0] += a->counts[half][r] * least / n;
        counts[1] += b->counts[half][r] * least / m;
        pixels += least;
        if (fmin(counts[0], counts[1]) < LEAST_COUNTS || pixels < 2 * EDGE) continue;
        out[count++] = log(counts[0] / counts[1]);
        sum += 1 / counts[0] + 1 / counts[1];
        counts[0] = counts[1] = pixels = 0;
    }
    *noise2 = count ? sum / count : 0;
    return count;
}

/* Median of the ratios of one half, and its standard error, from their spread or from counting, whichever is
 * larger: few pieces may agree by chance. False with too few. */
static bool change_in_half(const side_profile *a, const side_profile *b, int half, double *change,
                           double *error) {
    double all[BINS], off[BINS], noise2;
    int count = ratios(a, b, half, all, &noise2);
    if (count < LEAST_PIECES) return false;
    *change = physical_median(all, count);
    for (int k = 0; k < count; k++) off[k] = fabs(all[k] - *change);
    double spread = 1.4826 * physical_median(off, count);
    *error = 1.25 * fmax(spread, sqrt(noise2)) / sqrt(count);
    return true;
}

/* The strips of EDGE lines beside a gap: of either side the inner and the outer one. */
typedef struct gap_strips {
    side_profile side[2][2];
    double across; /* lines from inner strip to inner strip, in widths of a strip */
} gap_strips;

/* How the level changes across the gap in one half, and what it may change by without a step: its error, and
 * what it changes by within either side, from strip to strip, carried on over the gap. False: too little is
 * seen. */
static bool step_of_half(const gap_strips *strips, int half, double *step, double *allowed) {
    double error, slope2 = 0;
    if (!change_in_half(&strips->side[0][0], &strips->side[1][0], half, step, &error)) return false;
    for (int side = 0; side < 2; side++) {
        double within, noise;
        if (!change_in_half(&strips->side[side][0], &strips->side[side][1], half, &within, &noise))
            return false;
        slope2 = fmax(slope2, within * within - noise * noise);
    }
    *allowed = surely * hypot(hypot(error, usual), strips->across * sqrt(slope2));
    return true;
}

/* What is found at one gap. */
typedef struct gap_step {
    gap_lines gap;
    bool decided;
    double step, excess; /* ln: across the gap, and by how much that is more than what may be */
    double counts;       /* beside it, on the poorer side */
} gap_step;

/* A texture that changes around the beam steps up in one half and down in the other; a level that steps does
 * the same in both. */
static void judge_halves(const gap_strips *strips, gap_step *out) {
    int decided = 0;
    for (int half = 0; half < 2; half++) {
        double step, allowed;
        if (!step_of_half(strips, half, &step, &allowed)) continue;
        if (allowed > unclear) {
            out->decided = false;
            return;
        }
        if (allowed > vague) continue;
        double excess = fmax(0, fabs(step) - allowed);
        bool less = decided == 0 || excess < out->excess;
        if (decided > 0 && step * out->step <= 0) excess = 0, less = true;
        if (less) out->step = step, out->excess = excess;
        decided++;
    }
    out->decided = decided > 0;
}

static double counts_of(const side_profile strip[2]) {
    double sum = 0;
    for (int k = 0; k < 2; k++)
        for (int half = 0; half < 2; half++)
            for (int r = 0; r < BINS; r++) sum += strip[k].counts[half][r];
    return sum;
}

/* False for a gap at the border, without room for the strips. */
static bool look_at_gap(const physical_view *view, const gap_lines *gap, gap_strips *strips, gap_step *out) {
    const sl_image *image = view->image;
    int32_t lines = gap->is_column ? image->width_px : image->height_px,
            skip = (int32_t)ceil(SKIP * view->unit_px), edge = (int32_t)ceil(EDGE * view->unit_px);
    *out = (gap_step){.gap = *gap};
    if (gap->first - skip - 2 * edge < 0 || gap->end + skip + 2 * edge > lines) return false;
    for (int k = 0; k < 2; k++) {
        int32_t before = gap->first - skip - k * edge, behind = gap->end + skip + k * edge;
        fill_side(view, gap->is_column, before - edge, before, &strips->side[0][k]);
        fill_side(view, gap->is_column, behind, behind + edge, &strips->side[1][k]);
    }
    strips->across = (double)(gap->end - gap->first + 2 * skip + edge) / edge;
    out->counts = fmin(counts_of(strips->side[0]), counts_of(strips->side[1]));
    judge_halves(strips, out);
    return true;
}

sl_status physical_gap_level(const physical_view *view, sl_physical_result *out) {
    enum { GAPS = 64 };
    gap_step list[GAPS];
    int count = 0, decided = 0;
    double worst = 0;
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "not a transmission image" : "no gaps at which a step would be told");
    if (view->is_grazing) return SL_OK;
    gap_strips *strips;
    SL_TRY(sl_alloc(&strips, 1, sizeof *strips));
    for (gap_lines gap = {0}; count < GAPS && gap_lines_next(view->image, &gap);)
        count += look_at_gap(view, &gap, strips, &list[count]);
    sl_free(strips);
    gap_say say[GAPS];
    for (int k = 0; k < count; k++) say[k] = (gap_say){list[k].counts, list[k].decided};
    out->applicable = gap_says_decide(say, count, least_decided);
    if (!out->applicable) return SL_OK;
    for (int k = 0; k < count; k++) {
        if (!list[k].decided) continue;
        decided++;
        if (list[k].excess >= out->value) out->value = list[k].excess, worst = list[k].step;
        gap_lines_mark(view, SL_PHYSICAL_GAP_LEVEL, &list[k].gap, list[k].excess > 0.1);
    }
    snprintf(out->saw, sizeof out->saw, "%d gaps; the level changes by %.0f %% across one", decided,
             100 * (exp(fabs(worst)) - 1));
    return SL_OK;
}
