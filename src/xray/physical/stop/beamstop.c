/* A8: nothing is counted behind a beamstop and its arm but what they let through. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { AROUND = 10, SECTORS = 12, PIECES = 64, PIECE_PX = 12, LEAST_PIECES = 3 };

static const double most_pass = 0.1, /* of the edge's blur, where a pixel is still taken for shadow */
    edge_share = 0.12, /* of what is beside, that it may bring there where the brightest stands */
    hidden = 3;        /* times the brightest that is seen: what may stand behind the edge */

/* A sector or a slice of the stop's shadow, or a piece of the arm's, and what lies beside it. */
typedef struct piece {
    double inside, inside_px, leak, beside, beside_px;
    double brightest;  /* beside it, above its noise */
    double pass_limit; /* of the edge alone: what is still taken for shadow */
} piece;

enum part { STOP, ARM };

/* A shadow as the detector draws it. */
typedef struct shadow {
    sl_beamstop stop; /* its edge blurred by the detector too */
    int part;
    bool is_long;
    double arm_cos, arm_sin;
    double share; /* of what is beside that the detector itself spreads */
} shadow;

/* How far outside the shadow a place is, px, negative within; *which: the piece it belongs to, -1 for none.
 */
static double outside_of(const shadow *s, double row, double column, int *which) {
    const sl_beamstop *stop = &s->stop;
    double down = row - stop->row_px, right = column - stop->column_px;
    if (s->part == STOP) {
        double tall = fmax(stop->half_height_px, stop->half_width_px),
               along = stop->half_height_px > stop->half_width_px ? down : right;
        /* a long stop by slices, since what is beside its ends is not what is beside it */
        *which = s->is_long ? (int)floor((along / tall + 1) * SECTORS / 2)
                            : (int)((atan2(down, right) + M_PI) * SECTORS / (2 * M_PI)) % SECTORS;
        if (*which >= SECTORS) *which = -1;
        return sl_beamstop_outside_px(stop, row, column);
    }
    double c = s->arm_cos, n = s->arm_sin;
    /* its root, where the stop's own edge is, is no arm */
    double along = right * c + down * n - fmax(stop->half_height_px, stop->half_width_px) - 6;
    *which = along < 0 ? -1 : (int)fmin(along / PIECE_PX, PIECES - 1);
    return fabs(down * c - right * n) - stop->arm_width_px / 2;
}

/* Adds all pixels within the shadow and beside it to the pieces. */
static void look(const physical_view *view, const shadow *s, piece out[PIECES]) {
    const sl_measurement *m = view->input->measurement;
    const sl_image *image = view->image;
    double through = s->part == STOP ? s->stop.transmission : 0;
    double reach =
        s->part == ARM ? INFINITY : fmax(s->stop.half_height_px, s->stop.half_width_px) + AROUND + 1;
    int32_t top = (int32_t)fmax(0, s->stop.row_px - reach),
            left = (int32_t)fmax(0, s->stop.column_px - reach),
            bottom = (int32_t)fmin(image->height_px, fmax(0, s->stop.row_px + reach)),
            right = (int32_t)fmin(image->width_px, fmax(0, s->stop.column_px + reach));
    for (int32_t i = top; i < bottom; i++)
        for (int32_t j = left; j < right; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            int which;
            if (image->mask[k] & ~(SL_MASK_BEAMSTOP | SL_MASK_ARM)) continue;
            double outside = outside_of(s, i + 0.5, j + 0.5, &which);
            if (which < 0 || outside > AROUND) continue;
            double pass = sl_beamstop_pass(&s->stop, i + 0.5, j + 0.5),
                   counts = (double)image->value[k] - m->offset;
            piece *p = &out[which];
            if (outside < 0 && pass - through < p->pass_limit)
                p->inside += counts, p->inside_px++, p->leak += pass;
            if (outside > 0 && pass > 0.95) p->beside += counts, p->beside_px++;
            if (outside > 0 && pass > 0.5)
                p->brightest = fmax(p->brightest, counts - 2 * sqrt(fmax(counts, 0)));
        }
}

/* The middle of the pieces' counts beyond what edge and transmission let through, in units of what is beside
 * them, less three sigma of all their noise; false where there is too little to see. A streak or a ring that
 * crosses the shadow is in one piece or two. */
static bool judge(const piece *pieces, const shadow *s, const sl_measurement *m, double *value) {
    double ratio[PIECES], noise = 0, open = 0;
    int count = 0;
    for (int n = 0; n < PIECES; n++) {
        const piece *p = &pieces[n];
        /* what is blurred all over is no shadow */
        if (p->inside_px < 1 || p->leak > most_pass * p->inside_px || p->beside_px < 3 || p->beside <= 0)
            continue;
        double beside = p->beside / p->beside_px,
               expected = (1.5 * p->leak + s->share * p->inside_px) * beside;
        ratio[count++] = (p->inside - expected) / p->inside_px / beside;
        open += p->inside_px * beside - expected;
        noise += expected + p->inside_px * m->read_noise * m->read_noise + 1;
    }
    if (count < LEAST_PIECES || open < 5 * sqrt(noise)) return false;
    *value = fmax(0, physical_median(ratio, count) - 3 * sqrt(noise) / open);
    return true;
}

/* The middle of what is beside the pieces, a pixel; 0 without any. */
static double usual_beside(const piece *pieces) {
    double beside[PIECES];
    int count = 0;
    for (int n = 0; n < PIECES; n++)
        if (pieces[n].beside_px >= 3) beside[count++] = pieces[n].beside / pieces[n].beside_px;
    return count > 0 ? fmax(0, physical_median(beside, count)) : 0;
}

/* Deeper in the shadow where something bright stands at its edge: beside a round stop's sector or the next
 * ones; at a long stop what stands at its end may go on behind it. */
static void limit_pass(const shadow *s, piece pieces[PIECES], double usual) {
    double seen[PIECES];
    for (int n = 0; n < PIECES; n++) seen[n] = pieces[n].brightest, pieces[n] = (piece){0};
    int count = s->part == ARM ? PIECES : SECTORS, near = s->part == STOP && s->is_long ? SECTORS : 1;
    for (int n = 0; n < count; n++) {
        double brightest = usual;
        for (int d = -near; d <= near; d++) {
            int at = s->part == STOP && !s->is_long ? (n + d + count) % count : n + d;
            if (at >= 0 && at < count) brightest = fmax(brightest, seen[at]);
        }
        pieces[n].pass_limit = fmin(most_pass, edge_share * usual / (hidden * brightest));
    }
}

static bool look_at(const physical_view *view, int part, double *value) {
    const sl_measurement *m = view->input->measurement;
    const sl_beamstop *stop = &m->beamstop;
    bool is_fibre = sl_detector_integrates(m->detector) && m->point_spread_px > 0;
    double tall = fmax(stop->half_height_px, stop->half_width_px),
           size = fmin(stop->half_height_px, stop->half_width_px);
    shadow s = {.stop = *stop,
                .part = part,
                .is_long = tall > 1.5 * size,
                .arm_cos = cos(stop->arm_angle_rad),
                .arm_sin = sin(stop->arm_angle_rad),
                .share = is_fibre ? 0.15 : 0.03};
    /* where a stop lets a little through, the direct beam shines in it, thousands of times brighter than all
     * else */
    if (part == STOP && stop->transmission > 0) return false;
    s.stop.edge_px = hypot(stop->edge_px, m->point_spread_px);
    piece pieces[PIECES] = {{0}};
    look(view, &s, pieces);
    double usual = usual_beside(pieces);
    if (!(usual > 0)) return false;
    limit_pass(&s, pieces, usual);
    look(view, &s, pieces);
    return judge(pieces, &s, m, value);
}

sl_status physical_beamstop(const physical_view *view, sl_physical_result *out) {
    const sl_measurement *m = view->input->measurement;
    snprintf(out->saw, sizeof out->saw, "no beamstop is known that stops the beam");
    if (!m || m->beamstop.shape == SL_BEAMSTOP_NONE || m->beamstop.transmission > 0.1) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "the shadow is too small, or too few counts around it");
    for (int part = STOP; part <= (m->beamstop.has_arm ? ARM : STOP); part++) {
        double value;
        if (!look_at(view, part, &value) || (out->applicable && value <= out->value)) continue;
        out->applicable = true;
        out->value = value;
        snprintf(out->saw, sizeof out->saw, "the shadow of the %s holds %.1f %% of what is beside it",
                 part == ARM ? "arm" : "stop", 100 * value);
    }
    return SL_OK;
}
