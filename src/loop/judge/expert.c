#include "loop/judge/expert.h"

#include "base/random/random.h"
#include "loop/judge/metrics.h"

#include <math.h>
#include <string.h>

/* What is seen easily and what only by those who look for it: strengths (0..1) at which half of them are
 * noticed, and how gradually that comes. Words are searched in the artefact's name. */
static const struct sensitivity {
    const char *word;
    double threshold, spread;
    sl_reason reason;
} sensitivities[] = {
    {"ring", 0.30, 0.12, SL_REASON_RING_SHAPE},
    {"concentric", 0.35, 0.12, SL_REASON_RING_SHAPE},
    {"symmetry", 0.45, 0.15, SL_REASON_SYMMETRY},
    {"beamstop", 0.25, 0.10, SL_REASON_BEAMSTOP},
    {"gap", 0.20, 0.10, SL_REASON_GAPS},
    {"mask", 0.30, 0.12, SL_REASON_GAPS},
    {"noise", 0.50, 0.18, SL_REASON_NOISE},
    {"halo", 0.40, 0.15, SL_REASON_BACKGROUND},
    {"background", 0.45, 0.15, SL_REASON_BACKGROUND},
    {"horizon", 0.35, 0.12, SL_REASON_BACKGROUND},
    {"duplicate", 0.40, 0.15, SL_REASON_DUPLICATE},
    {"caption", 0.40, 0.15, SL_REASON_PROMPT},
};
static const struct sensitivity common = {"", 0.35, 0.15, SL_REASON_OTHER};

static const struct sensitivity *sensitivity_of(const char *artefact) {
    for (size_t i = 0; artefact && i < sizeof sensitivities / sizeof *sensitivities; i++)
        if (strstr(artefact, sensitivities[i].word)) return &sensitivities[i];
    return &common;
}

sl_reason sl_expert_reason(const char *artefact) {
    return sensitivity_of(artefact)->reason;
}

sl_expert sl_expert_default(uint64_t seed) {
    return (sl_expert){.seed = seed,
                       .lapse = 0.02,
                       .guess = 0.02,
                       .slip = 0.005,
                       .unsure_band = 0.15,
                       .unsure_rate = 0.3,
                       .threshold_scale = 1};
}

sl_expert sl_expert_with_error(uint64_t seed, double rate) {
    sl_expert expert = {.seed = seed, .slip = rate, .threshold_scale = 1};
    return expert;
}

double sl_expert_chance_unreal(const sl_expert *expert, const sl_expert_view *view) {
    if (view->real) return expert->lapse;
    const struct sensitivity *kind = sensitivity_of(view->artefact);
    double tired = 1 + expert->fatigue * (double)view->place / 100;
    double threshold = kind->threshold * expert->threshold_scale * tired;
    return expert->lapse +
           (1 - expert->lapse - expert->guess) * sl_normal_cdf((view->strength - threshold) / kind->spread);
}

static sl_label opposite(sl_label label) {
    return label == SL_LABEL_REAL ? SL_LABEL_UNREAL : label == SL_LABEL_UNREAL ? SL_LABEL_REAL : label;
}

sl_expert_answer sl_expert_judge(const sl_expert *expert, const sl_expert_view *view, sl_id assignment) {
    sl_random random = sl_random_stream(expert->seed, SL_STREAM_EXPERT, (uint32_t)assignment);
    double sees = sl_random_uniform(&random), doubts = sl_random_uniform(&random);
    double follows = sl_random_uniform(&random), slips = sl_random_uniform(&random);
    double chance = sl_expert_chance_unreal(expert, view);
    sl_expert_answer answer = {.label = sees < chance ? SL_LABEL_UNREAL : SL_LABEL_REAL};
    if (fabs(chance - 0.5) < expert->unsure_band && doubts < expert->unsure_rate)
        answer.label = SL_LABEL_UNSURE;
    if (view->score_shown && follows < expert->anchoring)
        answer.label = view->machine_accepts ? SL_LABEL_REAL : SL_LABEL_UNREAL;
    if (slips < expert->slip) answer.label = opposite(answer.label);
    /* median 2 s, a reason takes 0.8 s more */
    double seconds = 2 * exp(0.5 * sl_random_normal(&random));
    if (answer.label == SL_LABEL_UNREAL) {
        answer.reasons = 1u << (view->real ? SL_REASON_OTHER : sl_expert_reason(view->artefact));
        seconds += 0.8;
    }
    answer.active_ms = (int64_t)(1000 * seconds);
    return answer;
}
