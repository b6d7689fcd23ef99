#include "visibility.h"

#include <math.h>
#include <string.h>

void visibility_free(visibility *before) {
    sl_free(before->counts);
    sl_free(before->measured);
    sl_free(before->mask);
    *before = (visibility){0};
}

static double expected_at(const sl_sim_sample *s, size_t k) {
    size_t width = (size_t)s->size_px;
    double pass =
        sl_beamstop_pass(&s->measurement.beamstop, (double)(k / width) + 0.5, (double)(k % width) + 0.5);
    return (double)s->mean_counts[k] * s->measurement.exposure * pass;
}

sl_status visibility_keep(const sl_sim_sample *sample, visibility *before) {
    size_t pixels = (size_t)sample->size_px * (size_t)sample->size_px;
    if (before->pixels != pixels) {
        visibility_free(before);
        SL_TRY(sl_alloc(&before->counts, pixels, sizeof(float)));
        SL_TRY(sl_alloc(&before->measured, pixels, sizeof(float)));
        SL_TRY(sl_alloc(&before->mask, pixels, 1));
        before->pixels = pixels;
    }
    for (size_t k = 0; k < pixels; k++) before->counts[k] = (float)expected_at(sample, k);
    memcpy(before->measured, sample->measured.value, pixels * sizeof(float));
    memcpy(before->mask, sample->measured.mask, pixels);
    return SL_OK;
}

/* The picture with the fault, without noise, at a pixel. */
static double after_at(const visibility *before, const sl_sim_sample *s, const sl_artefact *fault, size_t k) {
    switch (fault->kind) {
    case SL_ARTEFACT_FILLED_BEAMSTOP: { /* it takes the shadow out of the mask where it fills it */
        bool filled = before->mask[k] != s->measured.mask[k];
        double leak = filled ? fault->severity * (double)s->mean_counts[k] * s->measurement.exposure : 0;
        return (double)before->counts[k] + leak;
    }
    case SL_ARTEFACT_OBJECT: /* drawn over the counts */
        return (double)(s->measured.value[k] != before->measured[k] ? s->measured.value[k]
                                                                    : before->counts[k]);
    default:
        return expected_at(s, k);
    }
}

double visibility_snr(const visibility *before, const sl_sim_sample *sample) {
    const sl_artefact *fault = &sample->artefact[sample->artefact_count - 1];
    double sum = 0, read_noise = sample->measurement.read_noise;
    switch (fault->kind) {
    case SL_ARTEFACT_FILLED_GAP:
    case SL_ARTEFACT_BLURRED_NOISE:
    case SL_ARTEFACT_MULTIPLICATIVE_NOISE:
    case SL_ARTEFACT_GRID:
    case SL_ARTEFACT_CLONE:
    case SL_ARTEFACT_SWAPPED_CAPTION:
        return NAN;
    default:
        break;
    }
    for (size_t k = 0; k < before->pixels; k++) {
        if ((before->mask[k] | sample->measured.mask[k]) & (SL_MASK_NO_VALUE | SL_MASK_SATURATED)) continue;
        double old = (double)before->counts[k], new = after_at(before, sample, fault, k);
        /* counts of the two pictures' mean: neither alone, since either may be without counts */
        double variance = 0.5 * (old + new) + read_noise * read_noise;
        if (variance > 0) sum += (new - old) * (new - old) / variance;
    }
    return sqrt(sum);
}
