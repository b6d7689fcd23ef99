/* Faults of the measured counts. */
#include "xray/artefact/internal.h"

#include "xray/instrument/poisson.h"

#include <math.h>

/* The counts that nothing would have hidden. */
static float open_counts(fault *f, int64_t k, double share) {
    return (float)sl_poisson(&f->random,
                             share * (double)f->sample->mean_counts[k] * f->sample->measurement.exposure);
}

void fault_fill_gaps(fault *f) {
    sl_image *m = &f->sample->measured;
    int64_t pixels = (int64_t)f->size * f->size;
    /* the gaps of one half of the frame leak */
    bool half = sl_random_chance(&f->random, 0.6), rows = sl_random_chance(&f->random, 0.5),
         upper = sl_random_chance(&f->random, 0.5);
    int64_t in_half = 0;
    for (int64_t k = 0; k < pixels; k++)
        in_half += (m->mask[k] & SL_MASK_GAP) && ((rows ? k / f->size : k % f->size) < f->size / 2) == upper;
    if (in_half == 0) upper = !upper;
    for (int64_t k = 0; k < pixels; k++) {
        bool in_upper = (rows ? k / f->size : k % f->size) < f->size / 2;
        if (!(m->mask[k] & SL_MASK_GAP) || (half && in_upper != upper)) continue;
        m->value[k] = open_counts(f, k, f->severity);
        m->mask[k] = 0;
    }
}

double fault_hidden_counts(const sl_sim_sample *sample) {
    double sum = 0;
    for (int64_t k = 0; k < (int64_t)sample->size_px * sample->size_px; k++)
        if ((sample->measured.mask[k] & SL_MASK_BEAMSTOP) && !(sample->measured.mask[k] & SL_MASK_GAP))
            sum += (double)sample->mean_counts[k] * sample->measurement.exposure;
    return sum;
}

void fault_fill_beamstop(fault *f) {
    sl_image *m = &f->sample->measured;
    int64_t pixels = (int64_t)f->size * f->size;
    bool arm_alone = f->sample->measurement.beamstop.has_arm &&
                     f->sample->measurement.beamstop.arm_width_px > 5 && sl_random_chance(&f->random, 0.25);
    for (int64_t k = 0; k < pixels; k++) {
        uint8_t bits = m->mask[k] & (SL_MASK_BEAMSTOP | SL_MASK_ARM);
        if (!bits || (m->mask[k] & SL_MASK_GAP) || (arm_alone && (bits & SL_MASK_BEAMSTOP))) continue;
        m->value[k] += open_counts(f, k, f->severity);
        m->mask[k] &= (uint8_t) ~(SL_MASK_BEAMSTOP | SL_MASK_ARM);
    }
}

/* Gaussian blur of good pixels, by two passes. */
void fault_blur_noise(fault *f) {
    sl_image *m = &f->sample->measured;
    double sigma = 0.25 + 1.0 * f->severity;
    enum { REACH = 4 };
    float kernel[2 * REACH + 1];
    for (int k = -REACH; k <= REACH; k++) kernel[k + REACH] = (float)exp(-k * k / (2 * sigma * sigma));
    for (int pass = 0; pass < 2; pass++) {
        fault_keep(f, m->value);
        for (int32_t i = 0; i < f->size; i++)
            for (int32_t j = 0; j < f->size; j++) {
                int64_t at = (int64_t)i * f->size + j;
                if (m->mask[at]) continue;
                float sum = 0, weight = 0;
                for (int k = -REACH; k <= REACH; k++) {
                    int32_t y = pass ? i + k : i, x = pass ? j : j + k;
                    if (y < 0 || x < 0 || y >= f->size || x >= f->size) continue;
                    int64_t from = (int64_t)y * f->size + x;
                    if (m->mask[from]) continue;
                    sum += kernel[k + REACH] * f->scratch[from];
                    weight += kernel[k + REACH];
                }
                m->value[at] = sum / weight;
            }
    }
    for (int64_t k = 0; k < (int64_t)f->size * f->size; k++) m->value[k] = rintf(m->value[k]);
}

void fault_multiply_noise(fault *f) {
    sl_image *m = &f->sample->measured;
    for (int64_t k = 0; k < (int64_t)f->size * f->size; k++) {
        if (m->mask[k]) continue;
        double factor = 1 + (0.08 + 0.45 * f->severity) * sl_random_normal(&f->random);
        m->value[k] = rintf(m->value[k] * (float)fmax(factor, 0));
    }
}

void fault_add_grid(fault *f) {
    sl_image *m = &f->sample->measured;
    double depth = 0.06 + 0.4 * f->severity;
    int32_t down = (int32_t)sl_random_below(&f->random, 8), right = (int32_t)sl_random_below(&f->random, 8);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            int64_t k = (int64_t)i * f->size + j;
            bool line = (i + down) % 8 == 0 || (j + right) % 8 == 0;
            if (m->mask[k] || !line) continue;
            m->value[k] = rintf(m->value[k] * (float)(1 + depth) + (float)depth);
        }
}

/* Digits 0 to 9 as rows of three bits, top first. */
static const uint16_t digits[10] = {075557, 026227, 071747, 071717, 055711,
                                    074717, 074757, 071111, 075757, 075717};

static void draw_rectangle(fault *f, double top, double left, double height, double width, float value) {
    sl_image *m = &f->sample->measured;
    for (int32_t i = (int32_t)fmax(0, top); i < f->size && i < top + height; i++)
        for (int32_t j = (int32_t)fmax(0, left); j < f->size && j < left + width; j++) {
            int64_t k = (int64_t)i * f->size + j;
            m->value[k] = value;
            m->mask[k] = 0;
        }
}

/* Counts a pixel of a patch; masked pixels count nothing. */
static double counts_in(const sl_image *m, int32_t size, int32_t row, int32_t column, int32_t side) {
    double sum = 0;
    for (int32_t i = row; i < row + side && i < size; i++)
        for (int32_t j = column; j < column + side && j < size; j++) {
            int64_t k = (int64_t)i * size + j;
            if (!m->mask[k]) sum += (double)m->value[k];
        }
    return sum / side / side;
}

/* A number, a scale bar with it, or a slanted stroke, where it is brighter than what it covers. */
void fault_draw_object(fault *f) {
    double unit = fmax(1, f->size / 256.0), row, column, cell = unit * (1 + floor(2.2 * f->severity));
    float value = (float)(fmax(f->sample->level_counts, 20) * (0.02 + 0.98 * f->severity));
    int tries = 0;
    do {
        row = sl_random_range(&f->random, 0.05, 0.85) * f->size;
        column = sl_random_range(&f->random, 0.05, 0.7) * f->size;
    } while (++tries < 30 && counts_in(&f->sample->measured, f->size, (int32_t)row, (int32_t)column,
                                       f->size / 8) > (double)value / 6);
    uint32_t which = sl_random_below(&f->random, 3);
    if (which == 2) {
        double angle = sl_random_range(&f->random, 0, M_PI),
               length = sl_random_range(&f->random, 0.1, 0.35) * f->size;
        for (double s = 0; s < length; s += 0.5)
            draw_rectangle(f, row + s * sin(angle), column + s * cos(angle), cell, cell, value);
        return;
    }
    if (which == 1)
        draw_rectangle(f, row + 8 * cell, column, 2 * cell, sl_random_range(&f->random, 0.08, 0.25) * f->size,
                       value);
    int count = 1 + (int)sl_random_below(&f->random, 4);
    for (int n = 0; n < count; n++) {
        uint16_t shape = digits[sl_random_below(&f->random, 10)];
        for (int bit = 0; bit < 15; bit++)
            if (shape >> (14 - bit) & 1)
                draw_rectangle(f, row + bit / 3 * cell, column + (4 * n + bit % 3) * cell, cell, cell, value);
    }
}

void fault_clone_patch(fault *f) {
    sl_image *m = &f->sample->measured;
    int32_t side = (int32_t)(f->size * (0.08 + 0.17 * f->severity));
    int32_t from_row = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side)),
            from_column = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side));
    int32_t to_row = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side)),
            to_column = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side));
    /* a copy of darkness is no copy: taken from where there are photons, if there is such a place */
    for (int tries = 0; tries < 30 && counts_in(m, f->size, from_row, from_column, side) < 2; tries++) {
        from_row = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side));
        from_column = (int32_t)sl_random_below(&f->random, (uint32_t)(f->size - side));
    }
    fault_keep(f, m->value);
    for (int32_t i = 0; i < side; i++)
        for (int32_t j = 0; j < side; j++) {
            int64_t to = (int64_t)(to_row + i) * f->size + to_column + j;
            m->value[to] = f->scratch[(int64_t)(from_row + i) * f->size + from_column + j];
            m->mask[to] = 0;
        }
}

/* How far a colour is from all that the picture has. */
static double distance_from(const uint8_t *rgb, int64_t pixels, const double *colour) {
    double least = INFINITY;
    for (int64_t k = 0; k < pixels; k += 11) {
        double square = 0;
        for (int c = 0; c < 3; c++) square += (rgb[3 * k + c] - colour[c]) * (rgb[3 * k + c] - colour[c]);
        least = fmin(least, square);
    }
    return sqrt(least);
}

/* A change of one channel: around a place, or evenly beside a column, on the smaller side. */
typedef struct tint {
    double row, column, radius, strength;
    bool half;
    int channel;
} tint;

static double changed_value(const tint *t, int32_t width_px, int32_t row, int32_t column, double value) {
    double y = row - t->row, x = column - t->column,
           weight = exp(-(x * x + y * y) / (2 * t->radius * t->radius));
    if (t->half) weight = (x > 0) == (t->column > 0.5 * width_px) ? 0.5 : 0;
    return floor(fmax(0, fmin(255, value + t->strength * weight)));
}

/* How much of the change is seen: at places all over the picture, how far it leads from all of its colours.
 */
static double seen_of(const tint *t, const uint8_t *rgb, int32_t height_px, int32_t width_px) {
    enum { PLACES = 16 };
    double sum = 0;
    for (int i = 0; i < PLACES; i++)
        for (int j = 0; j < PLACES; j++) {
            int32_t row = (int32_t)((i + 0.5) * height_px / PLACES),
                    column = (int32_t)((j + 0.5) * width_px / PLACES);
            const uint8_t *at = &rgb[3 * ((int64_t)row * width_px + column)];
            double colour[3] = {at[0], at[1], at[2]};
            colour[t->channel] = changed_value(t, width_px, row, column, colour[t->channel]);
            if (fabs(colour[t->channel] - at[t->channel]) < 5) continue;
            sum += distance_from(rgb, (int64_t)height_px * width_px, colour);
        }
    return sum;
}

void sl_artefact_colour(uint8_t *rgb, int32_t height_px, int32_t width_px, double severity,
                        sl_random *random) {
    enum { TRIES = 12 };
    tint best = {0};
    double most = -1;
    bool half = sl_random_chance(random, 0.3);
    /* a change along the map, in a gap or beyond the scale is none: the one that shows most */
    for (int k = 0; k < TRIES; k++) {
        tint t = {.row = sl_random_range(random, 0, height_px),
                  .column = sl_random_range(random, 0, width_px),
                  .radius = sl_random_range(random, 0.06, 0.2) * height_px,
                  .half = half,
                  .channel = (int)sl_random_below(random, 3)};
        const uint8_t *at = &rgb[3 * ((int64_t)t.row * width_px + (int64_t)t.column) + t.channel];
        t.strength = (*at > 127 ? -1 : 1) * (10 + 40 * severity);
        double seen = seen_of(&t, rgb, height_px, width_px);
        if (seen > most) most = seen, best = t;
    }
    for (int32_t i = 0; i < height_px; i++)
        for (int32_t j = 0; j < width_px; j++) {
            uint8_t *value = &rgb[3 * ((int64_t)i * width_px + j) + best.channel];
            *value = (uint8_t)changed_value(&best, width_px, i, j, *value);
        }
}
