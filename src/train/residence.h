/* Where a slot set's numbers live while it is trained: in the caller's memory, or on the device that plans
 * run on.
 *
 * On a device weights, gradients, moments and averages stay there from begin to end: plans do not carry them
 * to and fro, and the update runs there. sl_residence_fetch brings them to the caller's memory, before
 * anything there reads them; end does so too. On the CPU all this is the slot set's own work. */
#ifndef SL_TRAIN_RESIDENCE_H
#define SL_TRAIN_RESIDENCE_H

#include "train/optimizer.h"

typedef struct sl_residence sl_residence;

/* The set is ready (sl_slot_set_ready) and holds what training begins with; it outlives the residence, as do
 * its arrays. */
sl_status sl_residence_begin(sl_slot_set *set, sl_residence **out);
/* Fetches all, then gives the device's memory back. NULL is fine. */
sl_status sl_residence_end(sl_residence *residence);

sl_status sl_residence_fetch(sl_residence *residence);

/* As the functions of sl_slot_... and sl_optimizer_step. */
sl_status sl_residence_zero_gradients(sl_residence *residence);
sl_status sl_residence_gradient_norm(sl_residence *residence, double *out);
sl_status sl_residence_step(sl_residence *residence, const sl_optimizer *optimizer, int64_t step, double rate,
                            double gradient_scale);
sl_status sl_residence_average(sl_residence *residence, double decay);
sl_status sl_residence_exchange(sl_residence *residence);

#endif
