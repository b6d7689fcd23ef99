#include "diffusion/sampler/sampler_graph.h"

const char *const sl_sampler_step_kept[1 + SL_SAMPLING_SLOTS] = {"latents", "slot.0", "slot.1", "slot.2"};

bool sl_sampler_step_equal(const sl_sampler_step *a, const sl_sampler_step *b) {
    return a->form.slots == b->form.slots && a->form.wants_noise == b->form.wants_noise &&
           a->form.rounds == b->form.rounds && a->form.clip_range == b->form.clip_range &&
           a->guided == b->guided && a->draws_noise == b->draws_noise;
}

static sl_value form_sum(sl_graph *graph, const sl_sampler_step *step, const sl_step_values *values,
                         const sl_value *terms, int sum) {
    sl_combine_rule rule = {.sum = sum,
                            .prediction = SL_SUM_PREDICTION,
                            .clip = step->form.clip_range,
                            .rounded = step->form.rounds};
    return sl_combine(graph, values->weights, terms, SL_TERM_PREDICTION, rule);
}

sl_value sl_sampler_step_begin(sl_graph *graph, const sl_sampler_step *step, sl_shape shape,
                               sl_step_values *out) {
    out->latents = sl_input(graph, sl_sampler_step_kept[0], SL_F32, shape);
    out->weights = sl_input(graph, "weights", SL_F64, SL_SHAPE(SL_SUMS, SL_TERMS));
    const sl_value terms[SL_TERM_PREDICTION] = {out->latents};
    sl_value input = form_sum(graph, step, out, terms, SL_SUM_INPUT);
    return step->guided ? sl_concat2(graph, input, input, 0) : input;
}

static sl_value noise_of(sl_graph *graph, const sl_sampler_step *step, sl_shape shape) {
    if (!step->form.wants_noise) return SL_NONE;
    if (!step->draws_noise) return sl_input(graph, "noise", SL_F32, shape);
    return sl_random_noise(graph, sl_input(graph, "noise_key", SL_I32, SL_SHAPE(6)), shape);
}

void sl_sampler_step_end(sl_graph *graph, const sl_sampler_step *step, const sl_step_values *values,
                         sl_value output) {
    sl_shape shape = sl_value_shape(graph, values->latents);
    if (step->guided) output = sl_guide(graph, output, sl_input(graph, "guidance", SL_F64, SL_SHAPE(3)));
    sl_value terms[SL_TERM_PREDICTION] = {values->latents, output, noise_of(graph, step, shape)};
    sl_value *slots = terms + SL_TERM_SLOT;
    for (int i = 0; i < step->form.slots; i++)
        slots[i] = sl_input(graph, sl_sampler_step_kept[1 + i], SL_F32, shape);
    sl_value next = form_sum(graph, step, values, terms, SL_SUM_SAMPLE);
    for (int i = step->form.slots - 1; i >= 0; i--)
        sl_assign(graph, slots[i], form_sum(graph, step, values, terms, SL_SUM_SLOT + i));
    sl_assign(graph, values->latents, next);
}
