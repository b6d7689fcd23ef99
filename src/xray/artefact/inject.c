#include "xray/artefact/internal.h"

#include "xray/log_map.h"

#include <math.h>
#include <string.h>

typedef enum stage { ON_EXPECTATION, ON_COUNTS, ON_CAPTION } stage;

static const struct {
    stage stage;
    void (*run)(fault *f);
} faults[SL_ARTEFACT_COUNT] = {
    [SL_ARTEFACT_NON_CONCENTRIC] = {ON_EXPECTATION, fault_shift_ring},
    [SL_ARTEFACT_ELLIPTIC] = {ON_EXPECTATION, fault_stretch_ring},
    [SL_ARTEFACT_WOBBLY] = {ON_EXPECTATION, fault_wobble_ring},
    [SL_ARTEFACT_BROKEN_MIRROR] = {ON_EXPECTATION, fault_break_mirror},
    [SL_ARTEFACT_RATIO_JITTER] = {ON_EXPECTATION, fault_jitter_ring},
    [SL_ARTEFACT_FILLED_GAP] = {ON_COUNTS, fault_fill_gaps},
    [SL_ARTEFACT_FILLED_BEAMSTOP] = {ON_COUNTS, fault_fill_beamstop},
    [SL_ARTEFACT_MISPLACED_BEAMSTOP] = {ON_EXPECTATION, fault_move_beamstop},
    [SL_ARTEFACT_BELOW_HORIZON] = {ON_EXPECTATION, fault_mirror_horizon},
    [SL_ARTEFACT_BENT_HORIZON] = {ON_EXPECTATION, fault_bend_horizon},
    [SL_ARTEFACT_BLURRED_NOISE] = {ON_COUNTS, fault_blur_noise},
    [SL_ARTEFACT_MULTIPLICATIVE_NOISE] = {ON_COUNTS, fault_multiply_noise},
    [SL_ARTEFACT_GRID] = {ON_COUNTS, fault_add_grid},
    [SL_ARTEFACT_LEVEL_STEP] = {ON_EXPECTATION, fault_step_up},
    [SL_ARTEFACT_LEVEL_GROWTH] = {ON_EXPECTATION, fault_grow},
    [SL_ARTEFACT_LEVEL_TILT] = {ON_EXPECTATION, fault_tilt},
    [SL_ARTEFACT_OBJECT] = {ON_COUNTS, fault_draw_object},
    [SL_ARTEFACT_BLOBS] = {ON_EXPECTATION, fault_add_blobs},
    [SL_ARTEFACT_CLONE] = {ON_COUNTS, fault_clone_patch},
    [SL_ARTEFACT_BROKEN_FRIEDEL] = {ON_EXPECTATION, fault_dim_lobe},
    [SL_ARTEFACT_GAP_SHIFT] = {ON_EXPECTATION, fault_shift_behind_gap},
    [SL_ARTEFACT_TILED] = {ON_EXPECTATION, fault_tile},
    [SL_ARTEFACT_WRONG_POLARISATION] = {ON_EXPECTATION, fault_change_polarisation},
    [SL_ARTEFACT_GAP_STEP] = {ON_EXPECTATION, fault_step_behind_gap},
    [SL_ARTEFACT_TURNED_ORDER] = {ON_EXPECTATION, fault_turn_order},
    [SL_ARTEFACT_SWAPPED_CAPTION] = {ON_CAPTION, fault_swap_caption},
    [SL_ARTEFACT_MOVED_SPECULAR] = {ON_EXPECTATION, fault_move_specular},
    [SL_ARTEFACT_WIDENED_RING] = {ON_EXPECTATION, fault_widen_ring},
};

static const struct {
    const char *id, *words;
} names[SL_ARTEFACT_COUNT] = {
#define SL_ARTEFACT(name, id, words) {id, words},
#include "xray/artefact.def"
#undef SL_ARTEFACT
};

const char *sl_artefact_id(sl_artefact_kind kind) {
    return kind < SL_ARTEFACT_COUNT ? names[kind].id : "?";
}

const char *sl_artefact_words(sl_artefact_kind kind) {
    return kind < SL_ARTEFACT_COUNT ? names[kind].words : "?";
}

sl_status sl_artefact_find(const char *id, sl_artefact_kind *out) {
    for (int k = 0; k < SL_ARTEFACT_COUNT; k++)
        if (strcmp(names[k].id, id) == 0) {
            *out = (sl_artefact_kind)k;
            return SL_OK;
        }
    return sl_fail(SL_NOT_FOUND, "no artefact '%s', expected one of"
#define SL_ARTEFACT(name, id_text, words) " " id_text
#include "xray/artefact.def"
#undef SL_ARTEFACT
                   ,
                   id);
}

static bool horizon_visible(const sl_sim_sample *sample) {
    for (int k = 0; k < sample->feature_count; k++)
        if (sample->feature[k].kind == SL_FEATURE_HORIZON) return sample->feature[k].visible;
    return false;
}

bool sl_artefact_applies(sl_artefact_kind kind, const sl_sim_sample *sample) {
    bool stopped = sample->measurement.beamstop.shape != SL_BEAMSTOP_NONE;
    int32_t line;
    switch (kind) {
    case SL_ARTEFACT_NON_CONCENTRIC:
    case SL_ARTEFACT_ELLIPTIC:
    case SL_ARTEFACT_WOBBLY:
        return fault_pick_bent_ring(sample) != NULL;
    case SL_ARTEFACT_RATIO_JITTER:
        return !sample->is_grazing && fault_pick_lattice_ring(sample) != NULL;
    case SL_ARTEFACT_BROKEN_MIRROR:
        return sample->is_grazing && sample->beam_column_px > 0.25 * sample->size_px &&
               sample->beam_column_px < 0.75 * sample->size_px;
    case SL_ARTEFACT_BELOW_HORIZON:
    case SL_ARTEFACT_BENT_HORIZON:
        return sample->is_grazing && horizon_visible(sample);
    case SL_ARTEFACT_BROKEN_FRIEDEL:
        return sample->technique == SL_TECHNIQUE_SAXS && sample->class_id != SL_SIM_EMPTY &&
               sample->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0;
    case SL_ARTEFACT_GAP_SHIFT:
        return !sample->is_grazing && sample->measured.value &&
               fault_gaps_across(sample, false, &line, 1) + fault_gaps_across(sample, true, &line, 1) > 0;
    case SL_ARTEFACT_LEVEL_STEP:
        return !sample->is_grazing && sample->class_id != SL_SIM_EMPTY &&
               sample->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0 && fault_has_smooth_radius(sample);
    case SL_ARTEFACT_LEVEL_GROWTH:
    case SL_ARTEFACT_LEVEL_TILT: /* at grazing incidence the sample decides what is brighter */
        return !sample->is_grazing && sample->class_id != SL_SIM_EMPTY &&
               sample->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0;
    case SL_ARTEFACT_BLURRED_NOISE:
    case SL_ARTEFACT_MULTIPLICATIVE_NOISE: /* what integrates does so by itself */
        return !sl_detector_integrates(sample->measurement.detector);
    case SL_ARTEFACT_FILLED_GAP:
        return sample->attribute[SL_SIM_ATTRIBUTE_GAPS] > 0;
    case SL_ARTEFACT_FILLED_BEAMSTOP:
        /* where it hides nothing, nothing can leak */
        return stopped && sample->measurement.beamstop.transmission <= 0 && sample->measured.value &&
               fault_hidden_counts(sample) > 100;
    case SL_ARTEFACT_MISPLACED_BEAMSTOP:
        return stopped && sample->measurement.beamstop.shape == SL_BEAMSTOP_DISC;
    case SL_ARTEFACT_WIDENED_RING:
        return !sample->is_grazing && fault_pick_lone_ring(sample, SL_FEATURE_RING, FAULT_WIDE_ROOM) != NULL;
    case SL_ARTEFACT_WRONG_POLARISATION:
        return sample->technique == SL_TECHNIQUE_WAXS;
    case SL_ARTEFACT_GAP_STEP:
        return !sample->is_grazing && fault_has_inner_gap(&sample->measured);
    case SL_ARTEFACT_TURNED_ORDER:
        return !sample->is_grazing && fault_pick_order(sample) != NULL;
    case SL_ARTEFACT_MOVED_SPECULAR:
        return fault_specular_is_seen(sample);
    default:
        return true;
    }
}

/* Where the two images differ by more than a fifth of the counting noise that the pixel has anyway. */
static void locate(const float *before, const float *after, int32_t size, sl_artefact *artefact) {
    artefact->top = artefact->left = size;
    for (int32_t i = 0; i < size; i++)
        for (int32_t j = 0; j < size; j++) {
            int64_t k = (int64_t)i * size + j;
            double allowed = 0.2 * sqrt(fmax((double)before[k], 0.25));
            if (fabs((double)after[k] - (double)before[k]) <= allowed) continue;
            artefact->changed_px++;
            if (i < artefact->top) artefact->top = i;
            if (i >= artefact->bottom) artefact->bottom = i + 1;
            if (j < artefact->left) artefact->left = j;
            if (j >= artefact->right) artefact->right = j + 1;
        }
    if (artefact->changed_px == 0) artefact->top = artefact->left = 0;
}

static sl_status measure_again(sl_sim_sample *s) {
    size_t pixels = (size_t)s->size_px * (size_t)s->size_px;
    sl_image measured;
    SL_TRY(sl_detector_measure(s->mean_counts, s->size_px, s->size_px, &s->measurement, s->seed, s->index,
                               &measured));
    sl_image_free(&s->measured);
    s->measured = measured;
    SL_TRY(sl_log_map_level(s->mean_counts, pixels, &s->level_counts));
    sl_log_map_encode(s->mean_counts, pixels, s->level_counts, s->log_map);
    return SL_OK;
}

/* Runs the fault with `before` and `f->scratch` as room for one image each. */
static sl_status inject(fault *f, float *before, sl_artefact *out) {
    sl_sim_sample *s = f->sample;
    size_t bytes = (size_t)f->size * (size_t)f->size * sizeof(float);
    if (faults[f->kind].stage == ON_CAPTION) {
        faults[f->kind].run(f);
        /* no pixel is wrong: all of them contradict the words */
        *out = (sl_artefact){f->kind, f->severity, 0, 0, f->size, f->size, (int64_t)f->size * f->size};
        return SL_OK;
    }
    if (faults[f->kind].stage == ON_COUNTS) {
        memcpy(before, s->measured.value, bytes);
        faults[f->kind].run(f);
        locate(before, s->measured.value, f->size, out);
        return SL_OK;
    }
    memcpy(before, s->mean_counts, bytes);
    sl_beamstop stop = s->measurement.beamstop;
    faults[f->kind].run(f);
    if (f->kind == SL_ARTEFACT_MISPLACED_BEAMSTOP) {
        float *after = f->scratch;
        memcpy(after, before, bytes);
        uint8_t *mask;
        SL_TRY(sl_alloc(&mask, (size_t)f->size * (size_t)f->size, 1));
        sl_beamstop_apply(&stop, f->size, f->size, before, mask);
        sl_beamstop_apply(&s->measurement.beamstop, f->size, f->size, after, mask);
        sl_free(mask);
        locate(before, after, f->size, out);
    } else {
        locate(before, s->mean_counts, f->size, out);
    }
    return measure_again(s);
}

sl_status sl_artefact_inject(sl_artefact_kind kind, double severity, sl_sim_sample *sample) {
    if (!(severity > 0 && severity <= 1))
        return sl_fail(SL_INVALID, "severity %g, expected above 0 and at most 1", severity);
    if (kind >= SL_ARTEFACT_COUNT || !sl_artefact_applies(kind, sample) || !sample->measured.value)
        return sl_fail(SL_INVALID, "artefact %s (%s) does not apply to this image", sl_artefact_id(kind),
                       sl_artefact_words(kind));
    if (sample->artefact_count >= SL_ARTEFACTS_MAX)
        return sl_fail(SL_LIMIT, "more than %d artefacts in one image", SL_ARTEFACTS_MAX);
    fault f = {kind,   severity,        sl_random_stream(sample->seed, SL_STREAM_SIMULATE, sample->index),
               sample, sample->size_px, NULL};
    /* numbers of its own: far beyond those of the attempts at the clean image */
    f.random.counter = UINT64_C(1) << 56 | (uint64_t)kind << 40;
    size_t pixels = (size_t)f.size * (size_t)f.size;
    float *before = NULL;
    sl_artefact artefact = {.kind = kind, .severity = severity};
    sl_status status;
    SL_GUARD(status, sl_alloc(&before, pixels, sizeof(float)), done);
    SL_GUARD(status, sl_alloc(&f.scratch, pixels, sizeof(float)), done);
    SL_GUARD(status, inject(&f, before, &artefact), done);
    sample->artefact[sample->artefact_count++] = artefact;
done:
    sl_free(before);
    sl_free(f.scratch);
    return status;
}

sl_status sl_sim_unreal_make(uint64_t seed, uint32_t index, const sl_sim_options *options,
                             sl_sim_sample *sample) {
    sl_sim_options measured = *options;
    measured.measure = true;
    SL_TRY(sl_sim_sample_make(seed, index, &measured, sample));
    sl_random random = sl_random_stream(seed, SL_STREAM_SIMULATE, index);
    random.counter = UINT64_C(2) << 56;
    int wanted = 1 + (int)sl_random_below(&random, SL_ARTEFACTS_MAX);
    sl_artefact_kind chosen[SL_ARTEFACTS_MAX];
    for (int n = 0, tries = 0; n < wanted && tries < 64; tries++) {
        sl_artefact_kind kind = (sl_artefact_kind)sl_random_below(&random, SL_ARTEFACT_COUNT);
        double severity = sl_random_log_range(&random, 0.05, 1);
        bool again = !sl_artefact_applies(kind, sample);
        for (int k = 0; k < n; k++) again |= chosen[k] == kind;
        /* faults of the expectation are measured anew, which would wash out those of the counts */
        if (n > 0 && faults[chosen[n - 1]].stage == ON_COUNTS && faults[kind].stage == ON_EXPECTATION)
            again = true;
        if (again) continue;
        SL_TRY(sl_artefact_inject(kind, severity, sample));
        chosen[n++] = kind;
    }
    return SL_OK;
}
