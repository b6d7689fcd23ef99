/* A simulated expert: a stand-in for a person in tests and demonstrations, always called simulated.
 *
 * It sees an artefact of kind k and strength s with the chance of a psychometric function,
 *     P(unreal) = lapse + (1 - lapse - guess) * Phi((s - threshold_k) / spread_k),
 * then errs as people do: a slip of the finger, tiredness, following a score that is shown. What it says of
 * an image depends on the seed and the assignment alone. */
#ifndef SL_LOOP_JUDGE_EXPERT_H
#define SL_LOOP_JUDGE_EXPERT_H

#include "store/record.h"

typedef struct sl_expert {
    uint64_t seed;
    double lapse;           /* calls a faultless image unreal */
    double guess;           /* calls the grossest artefact real */
    double slip;            /* presses the wrong key */
    double anchoring;       /* follows the shown verdict, on items that are not blind */
    double fatigue;         /* threshold grows by this share per 100 decisions of a sitting */
    double unsure_band;     /* says unsure where P(unreal) is within this of 1/2 ... */
    double unsure_rate;     /* ... with this chance */
    double threshold_scale; /* of all thresholds: above 1 is careless, below 1 is keen */
} sl_expert;

/* lapse and guess 2 %, slip 0.5 %, no anchoring. */
sl_expert sl_expert_default(uint64_t seed);
/* One who errs on about `rate` of the images either way (0 to 0.45), for sweeps over label noise. */
sl_expert sl_expert_with_error(uint64_t seed, double rate);

/* What is to be seen on an image. */
typedef struct sl_expert_view {
    bool real;            /* nothing wrong with it */
    const char *artefact; /* kind; NULL where real */
    double strength;      /* 0..1 */
    bool score_shown, machine_accepts;
    int64_t place; /* how many were decided in this sitting before */
} sl_expert_view;

typedef struct sl_expert_answer {
    sl_label label;
    uint32_t reasons;
    int64_t active_ms;
} sl_expert_answer;

/* How likely it finds the image unreal, 0..1, before it slips, doubts or follows a score. */
double sl_expert_chance_unreal(const sl_expert *expert, const sl_expert_view *view);
/* What it says of the image, and how long it takes: by seed and assignment alone. */
sl_expert_answer sl_expert_judge(const sl_expert *expert, const sl_expert_view *view, sl_id assignment);

/* The reason an expert gives for an artefact; SL_REASON_OTHER for unknown ones. */
sl_reason sl_expert_reason(const char *artefact);

#endif
