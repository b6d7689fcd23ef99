#include "train/slot.h"

#include "base/threads.h"

#include <math.h>
#include <string.h>

enum { PIECE = 1 << 15 }; /* numbers in a piece */

typedef struct sl_slot_piece {
    const sl_slot *slot;
    int64_t begin, end;
} sl_slot_piece;

sl_status sl_slot_set_new(sl_slot_set *out) {
    *out = (sl_slot_set){0};
    return sl_arena_new(&out->arena);
}

void sl_slot_set_free(sl_slot_set *set) {
    sl_free(set->storage);
    sl_arena_free(set->arena);
    *set = (sl_slot_set){0};
}

sl_status sl_slot_add(sl_slot_set *set, const char *name, const sl_shape *shape, float *value,
                      float *gradient, bool decay) {
    if (set->piece) return sl_fail(SL_INTERNAL, "weight '%s' was added to a finished set", name);
    if (set->count == set->capacity) {
        int capacity = set->capacity ? 2 * set->capacity : 64;
        sl_slot *grown = SL_NEW(set->arena, sl_slot, capacity);
        if (set->count) memcpy(grown, set->slot, (size_t)set->count * sizeof *grown);
        set->slot = grown;
        set->capacity = capacity;
    }
    set->slot[set->count++] = (sl_slot){.name = sl_arena_strdup(set->arena, name),
                                        .shape = *shape,
                                        .count = sl_shape_count(shape),
                                        .value = value,
                                        .gradient = gradient,
                                        .decay = decay};
    return SL_OK;
}

int64_t sl_slot_set_trained(const sl_slot_set *set) {
    int64_t total = 0;
    for (int i = 0; i < set->count; i++)
        if (set->slot[i].gradient) total += set->slot[i].count;
    return total;
}

static int64_t padded(int64_t count) {
    return (count + 15) / 16 * 16; /* every array begins at a cache line */
}

static void cut(sl_slot_set *set) {
    for (int i = 0; i < set->count; i++)
        if (set->slot[i].gradient) set->pieces += (set->slot[i].count + PIECE - 1) / PIECE;
    set->piece = SL_NEW(set->arena, sl_slot_piece, set->pieces + 1);
    set->partial = SL_NEW(set->arena, double, set->pieces + 1);
    sl_slot_piece *piece = set->piece;
    for (int i = 0; i < set->count; i++) {
        const sl_slot *slot = &set->slot[i];
        for (int64_t at = 0; slot->gradient && at < slot->count; at += PIECE)
            *piece++ = (sl_slot_piece){slot, at, at + PIECE < slot->count ? at + PIECE : slot->count};
    }
}

sl_status sl_slot_set_ready(sl_slot_set *set, int moments, bool averages) {
    int arrays = moments + averages;
    size_t numbers = 0, all = 0;
    for (int i = 0; i < set->count; i++)
        if (set->slot[i].gradient) numbers += (size_t)padded(set->slot[i].count);
    SL_TRY(sl_size_mul(numbers, (size_t)arrays, &all));
    if (all) SL_TRY(sl_alloc(&set->storage, all, sizeof(float)));
    float *next = set->storage;
    for (int i = 0; i < set->count; i++) {
        sl_slot *slot = &set->slot[i];
        if (!slot->gradient) continue;
        int64_t step = padded(slot->count);
        if (moments > 0) slot->moment1 = next, next += step;
        if (moments > 1) slot->moment2 = next, next += step;
        if (averages) {
            slot->average = next, next += step;
            memcpy(slot->average, slot->value, (size_t)slot->count * sizeof(float));
        }
    }
    cut(set);
    return SL_OK;
}

typedef struct each_work {
    sl_slot_set *set;
    sl_slot_visit visit;
    sl_slot_measure measure;
    void *context;
} each_work;

static void each_piece(void *context, int64_t task, int worker) {
    (void)worker;
    each_work *work = context;
    const sl_slot_piece *piece = &work->set->piece[task];
    if (work->visit)
        work->visit(work->context, piece->slot, piece->begin, piece->end);
    else
        work->set->partial[task] = work->measure(work->context, piece->slot, piece->begin, piece->end);
}

void sl_slot_for_each(sl_slot_set *set, sl_slot_visit visit, void *context) {
    each_work work = {.set = set, .visit = visit, .context = context};
    sl_parallel_for(set->pieces, each_piece, &work);
}

double sl_slot_sum(sl_slot_set *set, sl_slot_measure measure, void *context) {
    each_work work = {.set = set, .measure = measure, .context = context};
    sl_parallel_for(set->pieces, each_piece, &work);
    double sum = 0;
    for (int64_t i = 0; i < set->pieces; i++) sum += set->partial[i];
    return sum;
}

/* Sixteen sums side by side, so that the compiler may use vectors without changing the order of additions. */
static double squares(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    (void)context;
    enum { LANES = 16 };
    const float *g = slot->gradient;
    double lane[LANES] = {0}, sum = 0;
    int64_t i = begin;
    for (; i + LANES <= end; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += (double)g[i + k] * (double)g[i + k];
    for (; i < end; i++) sum += (double)g[i] * (double)g[i];
    for (int k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

double sl_slot_gradient_norm(sl_slot_set *set) {
    return sqrt(sl_slot_sum(set, squares, NULL));
}

static void zero(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    (void)context;
    memset(slot->gradient + begin, 0, (size_t)(end - begin) * sizeof(float));
}

void sl_slot_zero_gradients(sl_slot_set *set) {
    sl_slot_for_each(set, zero, NULL);
}

static void average(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    float rate = *(const float *)context, *a = slot->average;
    const float *x = slot->value;
    for (int64_t i = begin; i < end; i++) a[i] += rate * (x[i] - a[i]);
}

void sl_slot_average(sl_slot_set *set, double decay) {
    float rate = (float)(1 - decay);
    sl_slot_for_each(set, average, &rate);
}

static void exchange(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    (void)context;
    for (int64_t i = begin; i < end; i++) {
        float held = slot->value[i];
        slot->value[i] = slot->average[i];
        slot->average[i] = held;
    }
}

void sl_slot_exchange(sl_slot_set *set) {
    sl_slot_for_each(set, exchange, NULL);
}

static bool all_finite(const float *x, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

const sl_slot *sl_slot_not_finite(const sl_slot_set *set) {
    for (int i = 0; i < set->count; i++) {
        const sl_slot *slot = &set->slot[i];
        if (slot->gradient && !all_finite(slot->gradient, slot->count)) return slot;
    }
    for (int i = 0; i < set->count; i++)
        if (!all_finite(set->slot[i].value, set->slot[i].count)) return &set->slot[i];
    return NULL;
}
