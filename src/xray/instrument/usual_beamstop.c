#include "xray/instrument/usual_beamstop.h"

#include "xray/technique.h"

#include <math.h>
#include <string.h>

#define DEGREE (M_PI / 180)

/* ---- whether there is one ---- */

/* Frames with a beamstop, of those that the beam meets, and of these again how many captions name it. */
static const double usual_share = 0.75, said_share = 0.75;

bool sl_usual_beamstop_can_be(double row, double column) {
    const double beside = 0.02;
    return row > -beside && row < 1 + beside && column > -beside && column < 1 + beside;
}

bool sl_usual_beamstop_is_there(double row, double column, sl_random *random) {
    bool usual = sl_random_chance(random, usual_share);
    return usual && sl_usual_beamstop_can_be(row, column);
}

bool sl_usual_beamstop_is_said(sl_random *random) {
    return sl_random_chance(random, said_share);
}

double sl_usual_beamstop_silence(double row, double column) {
    return sl_usual_beamstop_can_be(row, column) ? 1 - usual_share * said_share : 1;
}

sl_usual_words sl_usual_beamstop_words(const char *caption) {
    if (!strcasestr(caption, "beamstop")) return SL_USUAL_SILENT;
    return strcasestr(caption, "without a beamstop") ? SL_USUAL_WITHOUT : SL_USUAL_WITH;
}

/* ---- what it is ---- */

/* A strip or a rounded block over beam and specular rod. */
static void stretch_stop(double size_px, double beam_row_px, double radius, sl_random *random,
                         sl_beamstop *stop) {
    double tall = sl_random_range(random, 0.04, 0.16) * size_px;
    stop->shape = sl_random_chance(random, 0.4) ? SL_BEAMSTOP_RACETRACK : SL_BEAMSTOP_BAR;
    stop->half_height_px = tall;
    stop->half_width_px = fmax(1.5, radius * 0.4);
    stop->row_px = beam_row_px - 0.6 * tall;
    stop->has_arm = sl_random_chance(random, 0.5);
}

/* What carries the stop: a bar, a wire across the whole frame, or a thin bar from a thick holder at the
 * border. */
static void draw_arm(double size_px, double radius, bool grazing, sl_random *random, sl_beamstop *stop) {
    double angle = (int)sl_random_below(random, 4) * M_PI / 2;
    if (sl_random_chance(random, 0.3)) angle = sl_random_range(random, 0, 2 * M_PI);
    if (grazing) angle = M_PI / 2;
    stop->arm_angle_rad = angle + sl_random_range(random, -3, 3) * DEGREE;
    stop->has_arm = sl_random_chance(random, 0.8);
    stop->arm_width_px = fmax(1.5, radius * sl_random_range(random, 0.15, 0.6));
    double kind = sl_random_range(random, 0, 1), from = sl_random_range(random, 0.12, 0.5) * size_px,
           wide = sl_random_range(random, 2, 5);
    if (kind < 0.12) {
        stop->arm_through = true;
        stop->arm_width_px = fmax(1, 0.3 * stop->arm_width_px);
    } else if (kind < 0.4) {
        stop->holder_from_px = from;
        stop->holder_width_px = wide * stop->arm_width_px;
    }
}

sl_beamstop sl_usual_beamstop(double size_px, double beam_row_px, double beam_column_px, bool grazing,
                              sl_random *random) {
    double radius = sl_random_log_range(random, 0.014, 0.05) * size_px;
    double down = sl_random_range(random, -0.3, 0.3) * radius,
           right = sl_random_range(random, -0.3, 0.3) * radius;
    double transmission = sl_random_chance(random, 0.65) ? 0 : sl_random_log_range(random, 3e-4, 3e-2);
    sl_beamstop stop = {.shape = SL_BEAMSTOP_DISC,
                        .row_px = beam_row_px + down,
                        .column_px = beam_column_px + right,
                        .half_height_px = radius,
                        .half_width_px = radius,
                        .transmission = transmission,
                        .edge_px = sl_random_range(random, 0.4, 1.2)};
    draw_arm(size_px, radius, grazing, random, &stop);
    if (grazing && sl_random_chance(random, 0.4)) stretch_stop(size_px, beam_row_px, radius, random, &stop);
    return stop;
}

sl_beamstop sl_usual_beamstop_of_caption(const char *caption, double size_px, double beam_row_px,
                                         double beam_column_px, sl_random *random) {
    bool grazing = sl_technique_is_grazing(sl_technique_of_caption(caption)), there;
    double row = beam_row_px / size_px, column = beam_column_px / size_px;
    sl_usual_words words = sl_usual_beamstop_words(caption);
    if (words == SL_USUAL_SILENT) /* of such frames, those whose beamstop was not named */
        there = sl_random_chance(random,
                                 usual_share * (1 - said_share) / sl_usual_beamstop_silence(row, column)) &&
                sl_usual_beamstop_can_be(row, column);
    else
        there = words == SL_USUAL_WITH;
    if (!there) return (sl_beamstop){.shape = SL_BEAMSTOP_NONE};
    return sl_usual_beamstop(size_px, beam_row_px, beam_column_px, grazing, random);
}
