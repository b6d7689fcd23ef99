/* A training as it stands after a step: one safetensors file from which it goes on exactly.
 *
 * Tensors "weight/NAME", "moment1/NAME", "moment2/NAME", "average/NAME" (float32) and, in the header, the
 * scalars, the settings and a checksum over everything. Random numbers need no state: every draw is keyed by
 * (seed, purpose, step or sample), so the step alone says where noise and data order stand. */
#ifndef SL_TRAIN_STATE_H
#define SL_TRAIN_STATE_H

#include "train/slot.h"

#include <jansson.h>

typedef struct sl_train_state {
    int64_t step; /* updates done */
    double elapsed_s;
    double loss_mean, loss_deviation; /* running, for the report of spikes */
    double best_holdout;              /* HUGE_VAL before the first */
    int64_t best_step, stale;         /* stale: evaluations since the best */
    double loss_scale;                /* 0: the loss is not scaled */
    int64_t unchanged;                /* updates since the scale's last change */
} sl_train_state;

/* The state of a training that has done nothing. */
sl_train_state sl_train_state_begin(void);

/* Written atomically. `settings` is what a resumed run must agree with, key by key: one that it lacks is a
 * difference too. */
sl_status sl_train_state_save(const char *path, const sl_slot_set *set, const sl_train_state *state,
                              const json_t *settings);

/* Checks names and shapes, the checksum where they match (SL_FORMAT: damaged), then the settings (SL_MISMATCH
 * names the first that differs); only then reads the numbers into the set. */
sl_status sl_train_state_load(const char *path, sl_slot_set *set, const json_t *settings,
                              sl_train_state *out);

/* folder/state-<step>.safetensors, keeping the `keep` newest (at least one). States of later steps, which a
 * run that stands here has passed over, are removed. */
sl_status sl_train_state_keep(const char *folder, const sl_slot_set *set, const sl_train_state *state,
                              const json_t *settings, int keep);

/* The newest readable state of the folder. A damaged one is reported and the one before it taken;
 * SL_NOT_FOUND when there is none at all, SL_MISMATCH when no state has these settings and tensors. */
sl_status sl_train_state_resume(const char *folder, sl_slot_set *set, const json_t *settings,
                                sl_train_state *out);

/* The weights alone under their own names, in float32: the values, or the averages where they exist. */
sl_status sl_slot_set_save(const char *path, const sl_slot_set *set, bool averages);
sl_status sl_slot_set_load(const char *path, sl_slot_set *set); /* into the values */

#endif
