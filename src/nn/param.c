#include "nn/param.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sl_params {
    sl_arena *arena;
    sl_param **items;
    int count, capacity;
    int *slots; /* open addressing: index + 1, 0 when empty; slot_count is a power of two > 2*count */
    uint32_t slot_count;
    sl_param_source source; /* read NULL: none */
};

sl_init sl_init_normal(double std) {
    return (sl_init){SL_INIT_NORMAL, std};
}

sl_init sl_init_fan_in(int64_t fan_in) {
    return (sl_init){SL_INIT_UNIFORM, 1.0 / sqrt((double)fan_in)};
}

sl_init sl_init_kaiming_fan_out(int64_t fan_out) {
    return (sl_init){SL_INIT_NORMAL, sqrt(2.0 / (double)fan_out)};
}

sl_init sl_init_xavier(int64_t fan_in, int64_t fan_out) {
    return (sl_init){SL_INIT_UNIFORM, sqrt(6.0 / (double)(fan_in + fan_out))};
}

/* FNV-1a, 32 bits */
static uint32_t name_hash(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

sl_status sl_params_new(sl_params **out) {
    sl_params *params;
    SL_TRY(sl_alloc(&params, 1, sizeof *params));
    sl_status status = sl_arena_new(&params->arena);
    if (status != SL_OK) {
        sl_free(params);
        return status;
    }
    *out = params;
    return SL_OK;
}

void sl_params_set_source(sl_params *params, const sl_param_source *source) {
    if (params->source.release) params->source.release(params->source.context);
    params->source = source ? *source : (sl_param_source){0};
    for (int i = 0; i < params->count; i++) params->items[i]->source = source ? &params->source : NULL;
}

void sl_params_free(sl_params *params) {
    if (!params) return;
    sl_params_set_source(params, NULL);
    for (int i = 0; i < params->count; i++) {
        sl_tensor_free(&params->items[i]->value);
        sl_tensor_free(&params->items[i]->gradient);
    }
    sl_arena_free(params->arena);
    sl_free(params->items);
    sl_free(params->slots);
    sl_free(params);
}

/* The slot of `name`, or the empty one where it would go. */
static uint32_t find_slot(const sl_params *params, const char *name) {
    uint32_t mask = params->slot_count - 1, slot = name_hash(name) & mask;
    while (params->slots[slot] && strcmp(params->items[params->slots[slot] - 1]->name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static sl_status grow(sl_params *params) {
    int capacity = params->capacity ? 2 * params->capacity : 256;
    sl_param **items;
    int *slots;
    SL_TRY(sl_alloc(&items, (size_t)capacity, sizeof *items));
    sl_status status = sl_alloc(&slots, 4 * (size_t)capacity, sizeof *slots);
    if (status != SL_OK) {
        sl_free(items);
        return status;
    }
    if (params->count) memcpy(items, params->items, (size_t)params->count * sizeof *items);
    sl_free(params->items);
    sl_free(params->slots);
    params->items = items;
    params->slots = slots;
    params->capacity = capacity;
    params->slot_count = 4 * (uint32_t)capacity;
    for (int i = 0; i < params->count; i++) slots[find_slot(params, items[i]->name)] = i + 1;
    return SL_OK;
}

sl_param *sl_params_find(const sl_params *params, const char *name) {
    if (params->count == 0) return NULL;
    int found = params->slots[find_slot(params, name)];
    return found ? params->items[found - 1] : NULL;
}

sl_status sl_params_declare(sl_params *params, const char *name, const sl_shape *shape, sl_init init,
                            bool buffer, sl_param **out) {
    sl_param *param = sl_params_find(params, name);
    if (param) {
        sl_shape_text have, want;
        if (!sl_shape_equal(&param->value.shape, shape))
            return sl_fail(SL_MISMATCH, "parameter '%s' has shape %s, asked for %s", name,
                           sl_shape_format(&param->value.shape, &have), sl_shape_format(shape, &want));
        *out = param;
        return SL_OK;
    }
    if (params->count == params->capacity) SL_TRY(grow(params));
    param = SL_NEW(params->arena, sl_param, 1);
    param->name = sl_arena_strdup(params->arena, name);
    param->index = params->count;
    param->trainable = !buffer;
    param->buffer = buffer;
    param->init = init;
    param->value = (sl_tensor){.dtype = SL_F32, .shape = *shape};
    param->gradient = (sl_tensor){.dtype = SL_F32, .shape = *shape};
    param->source = params->source.read ? &params->source : NULL;
    params->slots[find_slot(params, name)] = params->count + 1;
    params->items[params->count++] = param;
    *out = param;
    return SL_OK;
}

int sl_params_count(const sl_params *params) {
    return params->count;
}

sl_param *sl_params_at(const sl_params *params, int index) {
    return params->items[index];
}

int64_t sl_params_values(const sl_params *params, bool trainable_only) {
    int64_t total = 0;
    for (int i = 0; i < params->count; i++) {
        const sl_param *param = params->items[i];
        if (!param->buffer && (param->trainable || !trainable_only))
            total += sl_shape_count(&param->value.shape);
    }
    return total;
}

size_t sl_params_bytes(const sl_params *params) {
    size_t total = 0;
    for (int i = 0; i < params->count; i++) {
        const sl_param *param = params->items[i];
        if (param->value.data) total += sl_tensor_bytes(&param->value);
        if (param->gradient.data) total += sl_tensor_bytes(&param->gradient);
    }
    return total;
}

static sl_status hold(sl_tensor *tensor) {
    if (tensor->data) return SL_OK;
    sl_tensor fresh;
    SL_TRY(sl_tensor_new(tensor->dtype, &tensor->shape, &fresh));
    *tensor = fresh;
    return SL_OK;
}

sl_status sl_param_hold(sl_param *param) {
    if (param->value.data) return SL_OK;
    sl_status status = hold(&param->value);
    if (!status && param->source)
        status = param->source->read(param->source->context, param, param->value.data);
    if (status) {
        sl_free(param->value.data);
        param->value.data = NULL;
    }
    return sl_context(status, "parameter '%s'", param->name);
}

sl_status sl_params_allocate(sl_params *params) {
    for (int i = 0; i < params->count; i++) SL_TRY(sl_param_hold(params->items[i]));
    return SL_OK;
}

sl_status sl_params_allocate_trained(sl_params *params) {
    for (int i = 0; i < params->count; i++)
        if (params->items[i]->trainable || !params->items[i]->source) SL_TRY(sl_param_hold(params->items[i]));
    return SL_OK;
}

sl_status sl_params_allocate_gradients(sl_params *params) {
    for (int i = 0; i < params->count; i++) {
        sl_param *param = params->items[i];
        if (param->trainable) {
            SL_TRY(sl_context(hold(&param->gradient), "gradient of '%s'", param->name));
        } else if (param->gradient.data) {
            sl_tensor_free(&param->gradient);
            param->gradient = (sl_tensor){.dtype = SL_F32, .shape = param->value.shape};
        }
    }
    return SL_OK;
}

void sl_params_zero_gradients(sl_params *params) {
    for (int i = 0; i < params->count; i++) {
        sl_tensor *gradient = &params->items[i]->gradient;
        if (gradient->data) memset(gradient->data, 0, sl_tensor_bytes(gradient));
    }
}

static void fill(const sl_param *param, uint64_t seed, void *target) {
    sl_random random = sl_random_stream(seed, SL_STREAM_INIT, name_hash(param->name));
    size_t count = (size_t)sl_shape_count(&param->value.shape);
    float block[1024];
    size_t step = sizeof block / sizeof *block;
    for (size_t start = 0; start < count; start += step) {
        size_t n = count - start < step ? count - start : step;
        if (param->init.kind == SL_INIT_NORMAL) sl_random_normals(&random, block, n);
        for (size_t i = 0; i < n; i++) {
            switch (param->init.kind) {
            case SL_INIT_ZEROS:
                block[i] = 0.0f;
                break;
            case SL_INIT_ONES:
                block[i] = 1.0f;
                break;
            case SL_INIT_NORMAL:
                block[i] = (float)(param->init.scale * (double)block[i]);
                break;
            case SL_INIT_UNIFORM:
                block[i] = (float)(param->init.scale * ((double)sl_random_u32(&random) * 0x1p-31 - 1.0));
                break;
            }
        }
        sl_convert(SL_F32, block, param->value.dtype,
                   (char *)target + start * sl_dtype_bytes(param->value.dtype), n);
    }
}

sl_status sl_param_initialise(sl_param *param, uint64_t seed) {
    SL_TRY(sl_context(hold(&param->value), "parameter '%s'", param->name));
    fill(param, seed, param->value.data);
    return SL_OK;
}

typedef struct drawn {
    uint64_t seed;
    sl_dtype stored;
} drawn;

/* Numbers rounded to another type, in place. */
static void round_to(sl_dtype stored, sl_dtype dtype, char *values, size_t count) {
    uint64_t block[256];
    size_t step = sizeof block / sizeof *block, bytes = sl_dtype_bytes(dtype);
    for (size_t at = 0; at < count; at += step) {
        size_t n = count - at < step ? count - at : step;
        sl_convert(dtype, values + at * bytes, stored, block, n);
        sl_convert(stored, block, dtype, values + at * bytes, n);
    }
}

static sl_status draw(void *context, const sl_param *param, void *target) {
    const drawn *d = context;
    fill(param, d->seed, target);
    if (d->stored != SL_F32)
        round_to(d->stored, param->value.dtype, target, (size_t)sl_shape_count(&param->value.shape));
    return SL_OK;
}

static bool draws_halves(void *context, const sl_param *param) {
    (void)param;
    return ((const drawn *)context)->stored == SL_F16;
}

sl_status sl_params_initialise_on_demand(sl_params *params, uint64_t seed, sl_dtype stored) {
    drawn *kept;
    SL_TRY(sl_alloc(&kept, 1, sizeof *kept));
    *kept = (drawn){seed, stored};
    sl_params_set_source(params, &(sl_param_source){draw, draws_halves, sl_free, kept});
    return SL_OK;
}

typedef struct init_job {
    sl_params *params;
    uint64_t seed;
} init_job;

static void init_task(void *context, int64_t task, int worker) {
    (void)worker;
    const init_job *job = context;
    fill(job->params->items[task], job->seed, job->params->items[task]->value.data);
}

sl_status sl_params_initialise(sl_params *params, uint64_t seed) {
    for (int i = 0; i < params->count; i++)
        SL_TRY(sl_context(hold(&params->items[i]->value), "parameter '%s'", params->items[i]->name));
    sl_parallel_for(params->count, init_task, &(init_job){params, seed});
    return SL_OK;
}

sl_status sl_params_train_only(sl_params *params, const char *const *prefixes) {
    for (int i = 0; i < params->count; i++) params->items[i]->trainable = false;
    for (int p = 0; prefixes[p]; p++) {
        int matched = 0;
        for (int i = 0; i < params->count; i++) {
            sl_param *param = params->items[i];
            if (param->buffer || strncmp(param->name, prefixes[p], strlen(prefixes[p])) != 0) continue;
            param->trainable = true;
            matched++;
        }
        if (matched == 0) return sl_fail(SL_NOT_FOUND, "no parameter's name begins with '%s'", prefixes[p]);
    }
    return SL_OK;
}

/* Index of the first value that is not finite, or -1. F32 only: other types come from checked files. */
static int64_t first_bad(const sl_tensor *tensor) {
    if (!tensor->data || tensor->dtype != SL_F32) return -1;
    const float *value = tensor->data;
    int64_t count = sl_shape_count(&tensor->shape);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(value[i])) return i;
    return -1;
}

sl_status sl_params_check_finite(const sl_params *params) {
    for (int i = 0; i < params->count; i++) {
        const sl_param *param = params->items[i];
        int64_t bad = first_bad(&param->value);
        if (bad >= 0)
            return sl_fail(SL_NUMERIC, "value %lld of parameter '%s' is not finite", (long long)bad,
                           param->name);
        bad = first_bad(&param->gradient);
        if (bad >= 0)
            return sl_fail(SL_NUMERIC, "value %lld of the gradient of '%s' is not finite", (long long)bad,
                           param->name);
    }
    return SL_OK;
}

void sl_params_mix(sl_params *params, const sl_params *other, double share) {
    for (int i = 0; i < sl_params_count(params); i++) {
        sl_param *param = sl_params_at(params, i);
        if (!param->trainable && !param->buffer) continue;
        float *to = param->value.data;
        const float *from = sl_params_at(other, i)->value.data;
        for (int64_t k = 0; k < sl_shape_count(&param->value.shape); k++)
            to[k] = (float)(share * (double)to[k] + (1 - share) * (double)from[k]);
    }
}
