#include "train/residence.h"

#include "backend/mirror.h"

#include <math.h>
#include <string.h>

typedef enum array { VALUE, GRADIENT, MOMENT1, MOMENT2, AVERAGE, ARRAYS } array;
enum { COEFFICIENTS = 8 };

typedef struct home {
    sl_mirror *mirror[ARRAYS]; /* NULL where the slot has none */
} home;

struct sl_residence {
    sl_slot_set *set;
    const sl_device *device; /* NULL: the caller's memory */
    home *homes;             /* [set->count] */
    char *memory; /* on the device: coefficients of decayed and undecayed slots, sums, one array to swap by */
    float *sums;  /* the sums' copy on the host */
    int64_t largest; /* numbers of the largest trained slot */
    void *scratch;
    bool settled;
};

/* ---- what a call of the device works on ---- */

static sl_operand array_of(const sl_residence *r, int slot, array which) {
    const sl_mirror *mirror = r->homes[slot].mirror[which];
    sl_operand operand = {.dtype = SL_F32, .shape = r->set->slot[slot].shape};
    if (mirror)
        operand.data = sl_mirror_address(mirror);
    else
        operand.flags = SL_OPERAND_ABSENT;
    return operand;
}

static char *coefficients_at(const sl_residence *r, bool decay) {
    return r->memory + (decay ? 0 : COEFFICIENTS * sizeof(float));
}

static char *sum_at(const sl_residence *r, int slot) {
    return r->memory + (2 * COEFFICIENTS + (size_t)slot) * sizeof(float);
}

static size_t sums_end(const sl_residence *r) {
    size_t bytes = (2 * COEFFICIENTS + (size_t)r->set->count) * sizeof(float);
    return (bytes + 255) / 256 * 256;
}

static sl_status run(const sl_residence *r, sl_call *call) {
    call->device = r->device->context;
    call->scratch = r->scratch;
    const sl_kernel *kernel = sl_device_kernel(r->device, call);
    if (!kernel)
        return sl_fail(SL_UNSUPPORTED, "device '%s' has no kernel for %s", r->device->module->name,
                       sl_op_name(call->op));
    return kernel->code->run(call);
}

/* ---- begin, fetch, end ---- */

static sl_status settle(sl_residence *r, int slot) {
    const sl_slot *s = &r->set->slot[slot];
    float *const arrays[ARRAYS] = {s->value, s->gradient, s->moment1, s->moment2, s->average};
    for (int a = 0; s->gradient && a < ARRAYS; a++) {
        if (!arrays[a]) continue;
        sl_mirror **mirror = &r->homes[slot].mirror[a];
        SL_TRY(sl_mirror_acquire(r->device, arrays[a], (size_t)s->count * sizeof(float), mirror));
        SL_TRY(sl_mirror_push(*mirror));
        sl_mirror_hold(*mirror, true);
    }
    if (s->gradient && s->count > r->largest) r->largest = s->count;
    return SL_OK;
}

/* Scratch for the largest slot's calls, which the kernels themselves size. */
static size_t scratch_bytes(const sl_residence *r) {
    static const sl_op ops[] = {SL_OP_ADAMW, SL_OP_SGD, SL_OP_SQUARE_SUM, SL_OP_UPDATE};
    size_t most = 0;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        sl_attrs attrs = {.dtype = SL_F32};
        sl_operand x = {.dtype = SL_F32, .shape = SL_SHAPE(r->largest)};
        sl_operand c = {.dtype = SL_F32, .shape = SL_SHAPE(COEFFICIENTS)};
        sl_call call = {
            .op = ops[i], .attrs = &attrs, .in_count = 2, .out_count = 3, .in = {x, c}, .out = {x, x, x}};
        const sl_kernel *kernel = sl_device_kernel(r->device, &call);
        size_t bytes = kernel && kernel->code->scratch ? kernel->code->scratch(&call) : 0;
        if (bytes > most) most = bytes;
    }
    return most;
}

static sl_status settle_all(sl_residence *r) {
    const sl_device_module_table *module = r->device->module;
    void *memory;
    for (int i = 0; i < r->set->count; i++)
        SL_TRY(sl_context(settle(r, i), "bringing '%s' to the device", r->set->slot[i].name));
    SL_TRY(module->allocate(r->device->context, sums_end(r) + (size_t)r->largest * sizeof(float), &memory));
    r->memory = memory;
    size_t scratch = scratch_bytes(r);
    return scratch ? module->allocate(r->device->context, scratch, &r->scratch) : SL_OK;
}

sl_status sl_residence_begin(sl_slot_set *set, sl_residence **out) {
    sl_residence *r = SL_NEW(set->arena, sl_residence, 1);
    *r = (sl_residence){.set = set};
    SL_TRY(sl_device_current(&r->device));
    *out = r;
    if (!r->device) return SL_OK;
    r->homes = SL_NEW(set->arena, home, set->count + 1);
    r->sums = SL_NEW(set->arena, float, set->count + 1);
    sl_device_lock(r->device);
    sl_status status = settle_all(r);
    sl_device_unlock(r->device);
    r->settled = status == SL_OK;
    return status;
}

static sl_status fetch(sl_residence *r) {
    for (int i = 0; i < r->set->count; i++)
        for (int a = 0; a < ARRAYS; a++)
            if (r->homes[i].mirror[a]) SL_TRY(sl_mirror_pull(r->homes[i].mirror[a]));
    return SL_OK;
}

sl_status sl_residence_fetch(sl_residence *r) {
    if (!r->device) return SL_OK;
    sl_device_lock(r->device);
    sl_status status = fetch(r);
    sl_device_unlock(r->device);
    return status;
}

sl_status sl_residence_end(sl_residence *r) {
    if (!r || !r->device) return SL_OK;
    /* a beginning that failed has nothing that is newer than the caller's */
    sl_status status = r->settled ? sl_residence_fetch(r) : SL_OK;
    sl_device_lock(r->device);
    for (int i = 0; i < r->set->count; i++) {
        for (int a = 0; a < ARRAYS; a++) {
            if (r->homes[i].mirror[a]) sl_mirror_hold(r->homes[i].mirror[a], false);
            sl_mirror_release(r->homes[i].mirror[a]);
        }
    }
    r->device->module->release(r->device->context, r->memory);
    r->device->module->release(r->device->context, r->scratch);
    sl_device_unlock(r->device);
    r->device = NULL;
    return status;
}

/* ---- the work ---- */

typedef sl_status (*slot_work)(sl_residence *r, int slot, void *context);

static sl_status each(sl_residence *r, slot_work work, void *context) {
    sl_status status = SL_OK;
    sl_device_lock(r->device);
    for (int i = 0; status == SL_OK && i < r->set->count; i++)
        if (r->set->slot[i].gradient) status = work(r, i, context);
    sl_device_unlock(r->device);
    return status;
}

static sl_status zero(sl_residence *r, int slot, void *context) {
    (void)context;
    return r->device->module->fill(r->device->context, array_of(r, slot, GRADIENT).data, 0,
                                   (size_t)r->set->slot[slot].count * sizeof(float));
}

sl_status sl_residence_zero_gradients(sl_residence *r) {
    if (r->device) return each(r, zero, NULL);
    sl_slot_zero_gradients(r->set);
    return SL_OK;
}

static sl_status sum_squares(sl_residence *r, int slot, void *context) {
    sl_attrs attrs = {0};
    (void)context;
    sl_call call = {.op = SL_OP_SQUARE_SUM,
                    .attrs = &attrs,
                    .in_count = 1,
                    .out_count = 1,
                    .in = {array_of(r, slot, GRADIENT)},
                    .out = {{.dtype = SL_F32, .data = sum_at(r, slot)}}};
    return run(r, &call);
}

sl_status sl_residence_gradient_norm(sl_residence *r, double *out) {
    if (!r->device) {
        *out = sl_slot_gradient_norm(r->set);
        return SL_OK;
    }
    SL_TRY(each(r, sum_squares, NULL));
    sl_device_lock(r->device);
    sl_status status = r->device->module->download(r->device->context, r->sums, sum_at(r, 0),
                                                   (size_t)r->set->count * sizeof(float));
    sl_device_unlock(r->device);
    double sum = 0;
    for (int i = 0; i < r->set->count; i++)
        if (r->set->slot[i].gradient) sum += (double)r->sums[i];
    *out = sqrt(sum);
    return status;
}

static sl_status step_slot(sl_residence *r, int slot, void *context) {
    const sl_optimizer *optimizer = context;
    bool adam = optimizer->kind == SL_OPTIMIZER_ADAMW;
    sl_attrs attrs = {0};
    sl_call call = {
        .op = adam ? SL_OP_ADAMW : SL_OP_SGD,
        .attrs = &attrs,
        .in_count = 2,
        .out_count = adam ? 3 : 2,
        .in = {array_of(r, slot, GRADIENT),
               {.dtype = SL_F32,
                .shape = SL_SHAPE(adam ? COEFFICIENTS : COEFFICIENTS / 2),
                .data = coefficients_at(r, r->set->slot[slot].decay)}},
        .out = {array_of(r, slot, VALUE), array_of(r, slot, MOMENT1), array_of(r, slot, MOMENT2)}};
    return run(r, &call);
}

sl_status sl_residence_step(sl_residence *r, const sl_optimizer *optimizer, int64_t step, double rate,
                            double gradient_scale) {
    if (!r->device) {
        sl_optimizer_step(optimizer, r->set, step, rate, gradient_scale);
        return SL_OK;
    }
    float c[2 * COEFFICIENTS] = {0};
    for (int undecayed = 0; undecayed < 2; undecayed++)
        sl_optimizer_coefficients(optimizer, step, rate, gradient_scale, !undecayed,
                                  c + undecayed * COEFFICIENTS);
    sl_device_lock(r->device);
    sl_status status = r->device->module->upload(r->device->context, r->memory, c, sizeof c);
    sl_device_unlock(r->device);
    SL_TRY(status);
    return each(r, step_slot, (void *)(uintptr_t)optimizer);
}

static sl_status average_slot(sl_residence *r, int slot, void *context) {
    double decay = *(const double *)context;
    sl_attrs attrs = {.alpha = decay, .beta = 1 - decay, .dtype = SL_F32};
    sl_call call = {.op = SL_OP_UPDATE,
                    .attrs = &attrs,
                    .in_count = 1,
                    .out_count = 1,
                    .in = {array_of(r, slot, VALUE)},
                    .out = {array_of(r, slot, AVERAGE)}};
    return run(r, &call);
}

sl_status sl_residence_average(sl_residence *r, double decay) {
    if (r->device) return each(r, average_slot, &decay);
    sl_slot_average(r->set, decay);
    return SL_OK;
}

static sl_status exchange_slot(sl_residence *r, int slot, void *context) {
    const sl_device_module_table *module = r->device->module;
    void *device = r->device->context, *value = array_of(r, slot, VALUE).data,
         *average = array_of(r, slot, AVERAGE).data, *held = r->memory + sums_end(r);
    size_t bytes = (size_t)r->set->slot[slot].count * sizeof(float);
    (void)context;
    SL_TRY(module->copy(device, held, value, bytes));
    SL_TRY(module->copy(device, value, average, bytes));
    return module->copy(device, average, held, bytes);
}

sl_status sl_residence_exchange(sl_residence *r) {
    if (r->device) return each(r, exchange_slot, NULL);
    sl_slot_exchange(r->set);
    return SL_OK;
}
