/* The numbers a training changes: one slot for each weight tensor, with everything that belongs to it.
 *
 * Values and gradients are borrowed from whoever owns the model; moments and the running average belong to
 * the set. Work over a set is cut into pieces of fixed size, and sums are taken piece by piece in slot order:
 * the same bits for any number of threads. */
#ifndef SL_TRAIN_SLOT_H
#define SL_TRAIN_SLOT_H

#include "tensor/tensor.h"

#include <stdbool.h>

typedef struct sl_slot {
    const char *name; /* canonical name of the weight */
    sl_shape shape;
    int64_t count;
    float *value;
    float *gradient; /* NULL: a statistic (batch norm) that is saved with the weights but not trained */
    bool decay;      /* weight decay applies */
    float *moment1, *moment2, *average; /* NULL where not used */
} sl_slot;

typedef struct sl_slot_set {
    sl_arena *arena;
    sl_slot *slot;
    int count, capacity;
    struct sl_slot_piece *piece; /* made by sl_slot_set_ready */
    int64_t pieces;
    double *partial; /* [pieces] */
    float *storage;
} sl_slot_set;

sl_status sl_slot_set_new(sl_slot_set *out);
void sl_slot_set_free(sl_slot_set *set);

/* The name is copied; value and gradient are borrowed. */
sl_status sl_slot_add(sl_slot_set *set, const char *name, const sl_shape *shape, float *value,
                      float *gradient, bool decay);

/* Reserves zeroed moments (0, 1 or 2 for each trained number) and averages, which begin as copies of the
 * values. After this no slot can be added. */
sl_status sl_slot_set_ready(sl_slot_set *set, int moments, bool averages);

int64_t sl_slot_set_trained(const sl_slot_set *set); /* trained numbers in all */

/* visit(context, slot, begin, end) over all trained numbers, in parallel pieces. */
typedef void (*sl_slot_visit)(void *context, const sl_slot *slot, int64_t begin, int64_t end);
void sl_slot_for_each(sl_slot_set *set, sl_slot_visit visit, void *context);

/* Sum over all trained numbers of visit's returns, added in a fixed order. */
typedef double (*sl_slot_measure)(void *context, const sl_slot *slot, int64_t begin, int64_t end);
double sl_slot_sum(sl_slot_set *set, sl_slot_measure measure, void *context);

/* Euclidean norm of the whole gradient, summed in double. Not finite if any gradient is not. */
double sl_slot_gradient_norm(sl_slot_set *set);

void sl_slot_zero_gradients(sl_slot_set *set);

/* average := decay*average + (1-decay)*value; exchange swaps values and averages, to evaluate with the
 * averages. Statistics follow the values unaveraged. */
void sl_slot_average(sl_slot_set *set, double decay);
void sl_slot_exchange(sl_slot_set *set);

/* First slot whose gradient (or else value) holds a number that is not finite; NULL if all are finite. */
const sl_slot *sl_slot_not_finite(const sl_slot_set *set);

#endif
