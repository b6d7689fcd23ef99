/* Optimisers and learning-rate schedules.
 *
 * AdamW: Loshchilov & Hutter, arXiv 1711.05101, with the bias corrections of Kingma & Ba, arXiv 1412.6980;
 * the order of operations is PyTorch's, so that trajectories can be compared step by step. */
#ifndef SL_TRAIN_OPTIMIZER_H
#define SL_TRAIN_OPTIMIZER_H

#include "train/slot.h"

typedef enum sl_optimizer_kind { SL_OPTIMIZER_ADAMW, SL_OPTIMIZER_SGD } sl_optimizer_kind;

typedef struct sl_optimizer {
    sl_optimizer_kind kind;
    double weight_decay;          /* AdamW: decoupled; SGD: added to the gradient */
    double beta1, beta2, epsilon; /* AdamW */
    double momentum;              /* SGD */
} sl_optimizer;

sl_optimizer sl_optimizer_adamw(void);                   /* 0.9, 0.999, 1e-8, decay 0.01 */
sl_optimizer sl_optimizer_sgd(double momentum);          /* no decay */
int sl_optimizer_moments(const sl_optimizer *optimizer); /* arrays of the gradient's size that it keeps */

/* One update of all trained slots. `step` counts from 1; the gradient is multiplied by gradient_scale first
 * (clipping). */
void sl_optimizer_step(const sl_optimizer *optimizer, sl_slot_set *set, int64_t step, double rate,
                       double gradient_scale);

/* The step's numbers as the operations ADAMW (8) and SGD (4 of them) of backend/ops.def take them. */
void sl_optimizer_coefficients(const sl_optimizer *optimizer, int64_t step, double rate,
                               double gradient_scale, bool decays, float out[8]);

/* Factor that brings a gradient of this norm to at most limit: min(1, limit/(norm + 1e-6)); 1 where limit is
 * 0. */
double sl_clip_factor(double norm, double limit);

typedef enum sl_schedule_kind {
    SL_SCHEDULE_CONSTANT,
    SL_SCHEDULE_LINEAR,
    SL_SCHEDULE_COSINE
} sl_schedule_kind;

/* Rate rises linearly over `warmup` steps, then stays, or falls linearly or by half a cosine to rate*floor at
 * `total`. */
typedef struct sl_schedule {
    sl_schedule_kind kind;
    double rate, floor;
    int64_t warmup, total;
} sl_schedule;

double sl_schedule_rate(const sl_schedule *schedule, int64_t step); /* step counts from 0 */
sl_status sl_schedule_kind_parse(const char *name, sl_schedule_kind *out);

#endif
