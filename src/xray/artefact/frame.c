/* Faults of the frame as a whole: sides, halves and copies that do not belong together. */
#include "xray/artefact/internal.h"

#include <math.h>

/* One side of the beam is fainter than the one opposite, within a sector of up to 120 degrees with soft
 * edges. */
void fault_dim_lobe(fault *f) {
    sl_sim_sample *s = f->sample;
    double middle = sl_random_range(&f->random, -M_PI, M_PI), half = sl_random_range(&f->random, 0.5, 1.05);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double azimuth = atan2(i + 0.5 - s->beam_row_px, j + 0.5 - s->beam_column_px);
            double away = fabs(remainder(azimuth - middle, 2 * M_PI));
            double inside = 1 / (1 + exp((away - half) / 0.06));
            s->mean_counts[(int64_t)i * f->size + j] *= (float)(1 - 0.8 * f->severity * inside);
        }
}

/* Whether the ring is on the frame and not masked beside the line at `along`. */
static bool crossing_is_seen(const sl_sim_sample *sample, bool turned, int32_t line, double along) {
    int32_t t = (int32_t)floor(along), room = sample->size_px / 24, before = line - 2;
    if (along < room || along >= sample->size_px - room || before < 0) return false;
    int64_t k = turned ? (int64_t)t * sample->size_px + before : (int64_t)before * sample->size_px + t;
    return !sample->measured.mask[k];
}

int fault_gaps_across(const sl_sim_sample *sample, bool turned, int32_t *out, int most) {
    const sl_feature *ring = fault_pick_ring(sample);
    double beam = turned ? sample->beam_column_px : sample->beam_row_px,
           along = turned ? sample->beam_row_px : sample->beam_column_px;
    int count = 0;
    if (!ring || ring->kind != SL_FEATURE_RING) return 0;
    for (int32_t line = 1; line + 1 < sample->size_px && count < most; line++) {
        if (!sl_gap_crosses(&sample->measured, turned, line) ||
            sl_gap_crosses(&sample->measured, turned, line - 1))
            continue;
        /* where it meets the gap at a right angle, moving it along the gap changes its distance most */
        double away = line - beam, half = sqrt(fmax(0, ring->radius_px * ring->radius_px - away * away));
        bool seen = crossing_is_seen(sample, turned, line, along - half) ||
                    crossing_is_seen(sample, turned, line, along + half);
        if (half > 0.5 * ring->radius_px && seen) out[count++] = line;
    }
    return count;
}

/* All that lies behind a gap is moved along it. */
void fault_shift_behind_gap(fault *f) {
    sl_sim_sample *s = f->sample;
    bool turned = sl_random_chance(&f->random, 0.5);
    int32_t gaps[FAULT_GAPS];
    int count = fault_gaps_across(s, turned, gaps, FAULT_GAPS);
    if (count == 0) count = fault_gaps_across(s, turned = !turned, gaps, FAULT_GAPS);
    int32_t gap = gaps[sl_random_below(&f->random, (uint32_t)count)];
    double shift = (1 + 7 * f->severity) * (f->size / 256.0) * (sl_random_chance(&f->random, 0.5) ? -1 : 1);
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            if ((turned ? j : i) < gap) continue;
            s->mean_counts[(int64_t)i * f->size + j] =
                turned ? fault_value_at(f->scratch, f->size, i + 0.5 - shift, j + 0.5)
                       : fault_value_at(f->scratch, f->size, i + 0.5, j + 0.5 - shift);
        }
}

/* First line of the n-th gap that crosses the frame with an eighth of it and more on either side; -1 beyond
 * the last. */
static int32_t inner_gap(const sl_image *image, bool turned, int n) {
    int32_t size = turned ? image->width_px : image->height_px;
    for (int32_t line = size / 8; line < size - size / 8; line++)
        if (sl_gap_crosses(image, turned, line) && !sl_gap_crosses(image, turned, line - 1) && n-- == 0)
            return line;
    return -1;
}

bool fault_has_inner_gap(const sl_image *image) {
    return inner_gap(image, false, 0) >= 0 || inner_gap(image, true, 0) >= 0;
}

/* Mean counts on the eight lines on either side of a gap, on the poorer side. */
static double counts_beside(const sl_sim_sample *s, bool turned, int32_t gap) {
    enum { LINES = 8 };
    double sum[2] = {0, 0};
    int32_t end = gap;
    while (end < s->size_px && sl_gap_crosses(&s->measured, turned, end)) end++;
    for (int32_t k = 1; k <= LINES; k++)
        for (int32_t t = 0; t < s->size_px; t++)
            for (int side = 0; side < 2; side++) {
                int32_t line = side ? end - 1 + k : gap - k;
                if (line < 0 || line >= s->size_px) continue;
                int64_t at = turned ? (int64_t)t * s->size_px + line : (int64_t)line * s->size_px + t;
                if (!s->measured.mask[at]) sum[side] += (double)s->mean_counts[at];
            }
    return fmin(sum[0], sum[1]);
}

/* All that lies behind a gap is brighter: one that has a fourth and more of the counts beside it that another
 * has, since a step in the dark is none. */
void fault_step_behind_gap(fault *f) {
    sl_sim_sample *s = f->sample;
    int32_t gap[2 * FAULT_GAPS];
    double counts[2 * FAULT_GAPS], most = 0;
    bool turned[2 * FAULT_GAPS];
    int count = 0, fit = 0;
    for (int way = 0; way < 2; way++)
        for (int n = 0; n < FAULT_GAPS && inner_gap(&s->measured, way, n) >= 0; n++, count++) {
            turned[count] = way;
            gap[count] = inner_gap(&s->measured, way, n);
            counts[count] = counts_beside(s, way, gap[count]);
            most = fmax(most, counts[count]);
        }
    for (int k = 0; k < count; k++)
        if (counts[k] >= most / 4) turned[fit] = turned[k], gap[fit++] = gap[k];
    int chosen = (int)sl_random_below(&f->random, (uint32_t)fit);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++)
            if ((turned[chosen] ? j : i) >= gap[chosen])
                s->mean_counts[(int64_t)i * f->size + j] *= (float)(1 + f->severity);
}

/* The frame at half its size, twice across and twice down; at low severity the copies are only laid over. */
void fault_tile(fault *f) {
    sl_sim_sample *s = f->sample;
    double share = 0.3 + 0.7 * f->severity;
    fault_keep(f, s->mean_counts);
    for (int32_t i = 0; i < f->size; i++)
        for (int32_t j = 0; j < f->size; j++) {
            double row = fmod(2.0 * i + 1, f->size), column = fmod(2.0 * j + 1, f->size);
            double copy = (double)fault_value_at(f->scratch, f->size, row, column);
            float *here = &s->mean_counts[(int64_t)i * f->size + j];
            *here = (float)((1 - share) * (double)*here + share * copy);
        }
}
