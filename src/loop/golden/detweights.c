#include "loop/golden/detweights.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

static uint64_t fnv1a64(uint64_t hash, const char *text) {
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static double value_at(uint64_t key, uint64_t i) {
    uint64_t z = key + i * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 40) * 0x1p-23 - 1;
}

static uint64_t key_of(const char *salt, const char *name) {
    return fnv1a64(fnv1a64(0xcbf29ce484222325u, salt), name);
}

void sl_detweights_uniform(const char *salt, const char *name, float *out, size_t count) {
    uint64_t key = key_of(salt, name);
    for (size_t i = 0; i < count; i++) out[i] = (float)value_at(key, i);
}

/* value = offset + factor v */
static void role_of(const char *name, const sl_shape *shape, double *offset, double *factor) {
    static const char *const small[] = {"class_token", "pos_embedding", "cls_token", "pos_embed"};
    const char *leaf = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;
    *offset = 0;
    *factor = 0.1;
    if (strcmp(leaf, "running_var") == 0) {
        *offset = 1;
        *factor = 0.3;
        return;
    }
    if (strcmp(leaf, "running_mean") == 0 || sl_ends_with(leaf, "bias")) return;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        if (strcmp(leaf, small[i]) == 0) return;
    if (shape->rank == 1) {
        *offset = 1;
        *factor = 0.2;
        return;
    }
    double fan_in = 1;
    for (int i = 1; i < shape->rank; i++) fan_in *= (double)shape->dim[i];
    *factor = sqrt(6 / fan_in);
}

sl_status sl_detweights_fill(const char *salt, const char *name, sl_tensor *tensor) {
    if (tensor->dtype != SL_F32 || !tensor->data)
        return sl_fail(SL_INVALID, "'%s' is to be filled with weights but holds no F32 memory", name);
    double offset, factor;
    role_of(name, &tensor->shape, &offset, &factor);
    uint64_t key = key_of(salt, name);
    float *out = tensor->data;
    for (int64_t i = 0; i < sl_shape_count(&tensor->shape); i++)
        out[i] = (float)(offset + factor * value_at(key, (uint64_t)i));
    return SL_OK;
}
