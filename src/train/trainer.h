/* The loop that every training runs in: accumulate, clip, update, average, evaluate, save, go on.
 *
 * The trainer knows slots and losses, not models: a task gives it gradients. With a folder it leaves there
 * state-*.safetensors (exact resume), best.safetensors (weights with the least hold-out loss) and
 * history.jsonl. A run that finds a state in its folder goes on from it; the result has the same bits as that
 * of an uninterrupted run. So a stop by time, which judges its last weights whatever the schedule says, does
 * that after its state is saved, and puts the best weights that the state knows of aside
 * (best-before-stop.safetensors), where the next run takes them from. */
#ifndef SL_TRAIN_TRAINER_H
#define SL_TRAIN_TRAINER_H

#include "base/progress.h"
#include "train/optimizer.h"
#include "train/state.h"

typedef struct sl_train_task {
    void *context;
    const char *what, *unit;  /* for progress: "training the VAE", "step" */
    int64_t samples_per_step; /* over all micro-batches */

    /* Loss of micro-batch `micro` of update `step`; its gradient is added to the slots' gradient arrays,
     * which the trainer zeroes. Must depend on nothing but the weights and these two numbers. */
    sl_status (*gradient)(void *context, int64_t step, int micro, double *out_loss);

    /* Where the loss is scaled before its gradient is taken, so that small ones are not lost in fp16
     * (Micikevicius et al., arXiv 1710.03740, section 3.2): gradients are then `scale` times too large. NULL:
     * never. */
    void (*scale_loss)(void *context, double scale);

    /* Loss on the held-out samples with fixed noise and time-steps. May be NULL. Lower is better. */
    sl_status (*holdout)(void *context, double *out_loss);

    /* Adds keys of its own to the history's line of an evaluation. May be NULL. */
    void (*annotate)(void *context, json_t *line);

    /* Called when a loss or gradient is not finite: names the layer where it began, into text. May be NULL.
     */
    void (*explain)(void *context, char *text, size_t bytes);

    /* Called after every change of the values: plans that hold them as frozen have stale packed copies. May
     * be NULL. */
    void (*changed)(void *context);
} sl_train_task;

typedef struct sl_train_options {
    sl_optimizer optimizer;
    sl_schedule schedule;
    double clip_norm;                /* 0: none */
    int accumulate;                  /* micro-batches in an update, >= 1 */
    double ema_decay;                /* 0: none; rises as (1+n)/(10+n) to this value */
    int64_t steps;                   /* updates in all, those of earlier runs included */
    double limit_s;                  /* stop with a saved state after so long; 0: no limit */
    int64_t holdout_every, patience; /* 0: never; patience in evaluations without a new best */
    int64_t save_every;              /* updates; 0: only by time */
    double save_every_s;             /* 0: only by updates */
    int64_t log_every;               /* updates between lines of history; 0: 10 */
    int keep;                        /* states to keep; 0: 2 */
    const char *folder;              /* NULL: nothing is saved */
    const json_t *settings;          /* object; what a resumed run must share; NULL: nothing */
} sl_train_options;

typedef enum sl_train_stop { SL_STOP_DONE, SL_STOP_TIME, SL_STOP_PATIENCE } sl_train_stop;

typedef struct sl_train_outcome {
    sl_train_stop stop;
    sl_train_state state;
    double loss;                        /* running mean of the training loss */
    double holdout_first, holdout_last; /* of this run; NAN without hold-out */
    int64_t spikes, steps_run;
    double samples_per_s;
} sl_train_outcome;

/* The set must be unready: the trainer reserves moments and averages. On return the values are the last ones
 * (not the averages). SL_CANCELLED after a wish to stop: the state is saved first. SL_NUMERIC names the step
 * and layer of a loss or gradient that is not finite; the state saved before it stays. */
sl_status sl_train_run(const sl_train_task *task, const sl_train_options *options, sl_slot_set *set,
                       const sl_progress *progress, sl_train_outcome *out);

#endif
