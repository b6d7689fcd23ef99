/* A8: nothing is counted behind a beamstop and its arm but what they let through. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { AROUND = 10, SECTORS = 12, PIECES = 64, PIECE_PX = 12, LEAST_PIECES = 3 };

/* A sector of the stop's shadow, or a piece of the arm's, and what lies beside it. */
typedef struct piece {
    double inside, inside_px, leak, beside, beside_px;
} piece;

enum part { STOP, ARM };

/* How far outside the shadow a place is, px, negative within; *which: the piece it belongs to, -1 for none.
 */
static double outside_of(const sl_beamstop *stop, int part, double row, double column, int *which) {
    double down = row - stop->row_px, right = column - stop->column_px;
    if (part == STOP) {
        double size = fmin(stop->half_height_px, stop->half_width_px);
        *which = (int)((atan2(down, right) + M_PI) * SECTORS / (2 * M_PI)) % SECTORS;
        /* where a stop lets a little of the beam through, its middle shows the beam */
        if (hypot(down, right) < 0.4 * size) *which = -1;
        return stop->shape == SL_BEAMSTOP_DISC
                   ? hypot(down, right) - stop->half_height_px
                   : fmax(fabs(down) - stop->half_height_px, fabs(right) - stop->half_width_px);
    }
    double c = cos(stop->arm_angle_rad), s = sin(stop->arm_angle_rad);
    /* its root, where the stop's own edge is, is no arm */
    double along = right * c + down * s - fmax(stop->half_height_px, stop->half_width_px) - 6;
    *which = along < 0 ? -1 : (int)fmin(along / PIECE_PX, PIECES - 1);
    return fabs(down * c - right * s) - stop->arm_width_px / 2;
}

static void look(const physical_view *view, int part, piece out[PIECES]) {
    const sl_measurement *m = view->input->measurement;
    const sl_beamstop *stop = &m->beamstop;
    const sl_image *image = view->image;
    /* of a thin arm, what lies within its blurred edges has to do */
    double margin =
        part == STOP ? 2 + 2 * stop->edge_px : fmin(1 + stop->edge_px, stop->arm_width_px / 2 - 0.5);
    memset(out, 0, PIECES * sizeof *out);
    for (int32_t i = 0; i < image->height_px; i++)
        for (int32_t j = 0; j < image->width_px; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            int which;
            if (image->mask[k] & ~(SL_MASK_BEAMSTOP | SL_MASK_ARM)) continue;
            double outside = outside_of(stop, part, i + 0.5, j + 0.5, &which);
            if (which < 0 || outside > AROUND) continue;
            double pass = sl_beamstop_pass(stop, i + 0.5, j + 0.5),
                   counts = (double)image->value[k] - m->offset;
            piece *p = &out[which];
            if (outside < -margin) p->inside += counts, p->inside_px++, p->leak += pass;
            if (outside > 0 && pass > 0.95) p->beside += counts, p->beside_px++;
        }
}

/* The middle of the pieces' counts beyond what edge and transmission let through, in units of what is beside
 * them, less three sigma of all their noise; false where there is too little to see. A streak or a ring that
 * crosses the shadow is in one piece or two. */
static bool judge(const piece *pieces, const sl_measurement *m, double *value) {
    double ratio[PIECES], noise = 0, open = 0;
    int count = 0;
    for (int n = 0; n < PIECES; n++) {
        const piece *p = &pieces[n];
        /* what is blurred all over is no shadow */
        if (p->inside_px < 1 || p->leak > 0.08 * p->inside_px || p->beside_px < 3 || p->beside <= 0) continue;
        double beside = p->beside / p->beside_px, expected = (1.5 * p->leak + 0.03 * p->inside_px) * beside;
        ratio[count++] = (p->inside - expected) / p->inside_px / beside;
        open += p->inside_px * beside - expected;
        noise += expected + p->inside_px * m->read_noise * m->read_noise + 1;
    }
    if (count < LEAST_PIECES || open < 6 * sqrt(noise)) return false;
    *value = fmax(0, physical_median(ratio, count) - 3 * sqrt(noise) / open);
    return true;
}

sl_status physical_beamstop(const physical_view *view, sl_physical_result *out) {
    const sl_measurement *m = view->input->measurement;
    snprintf(out->saw, sizeof out->saw, "no beamstop is known that stops the beam");
    if (!m || m->beamstop.shape == SL_BEAMSTOP_NONE || m->beamstop.transmission > 0.1) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "the shadow is too small, or too few counts around it");
    for (int part = STOP; part <= (m->beamstop.has_arm ? ARM : STOP); part++) {
        piece pieces[PIECES];
        double value;
        look(view, part, pieces);
        if (!judge(pieces, m, &value) || (out->applicable && value <= out->value)) continue;
        out->applicable = true;
        out->value = value;
        snprintf(out->saw, sizeof out->saw, "the shadow of the %s holds %.1f %% of what is beside it",
                 part == ARM ? "arm" : "stop", 100 * value);
    }
    return SL_OK;
}
