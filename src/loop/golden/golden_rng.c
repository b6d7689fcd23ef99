/* Noise of torch's CPU generator, and of NumPy's two. */
#include "loop/golden/family.h"

#include "base/random/torch_random.h"
#include "loop/golden/numpy_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_LIMIT = 1 << 20 };

typedef union values {
    float *f32;
    double *f64;
    int64_t *i64;
} values;

/* What the folder draws under each name; the first whose text begins the name's last part holds. */
static const struct {
    const char *what;
    sl_dtype dtype;
} draws[] = {{"randint_big", SL_I64}, {"randint", SL_I64}, {"randperm", SL_I64}, {"randn_f64", SL_F64},
             {"rand_f64", SL_F64},    {"randn", SL_F32},   {"rand", SL_F32},     {"bernoulli", SL_F32},
             {"uniform", SL_F32},     {"normal", SL_F32}};

static void draw_bernoulli(sl_torch_random *random, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float probability = 0.3f;
        sl_torch_bernoulli(random, &probability, out + i, 1);
    }
}

static void draw(sl_torch_random *random, const char *what, values out, size_t count) {
    if (!strcmp(what, "randint_big"))
        sl_torch_randint(random, 0, (int64_t)1 << 40, out.i64, count);
    else if (!strcmp(what, "randint"))
        sl_torch_randint(random, 0, 1000, out.i64, count);
    else if (!strcmp(what, "randperm"))
        sl_torch_randperm(random, out.i64, count);
    else if (!strcmp(what, "randn_f64"))
        sl_torch_randn_f64(random, out.f64, count);
    else if (!strcmp(what, "rand_f64"))
        sl_torch_rand_f64(random, out.f64, count);
    else if (!strcmp(what, "randn"))
        sl_torch_randn(random, out.f32, count);
    else if (!strcmp(what, "rand"))
        sl_torch_rand(random, out.f32, count);
    else if (!strcmp(what, "bernoulli"))
        draw_bernoulli(random, out.f32, count);
    else if (!strcmp(what, "uniform"))
        sl_torch_uniform(random, -2, 3, out.f32, count);
    else
        sl_torch_normal(random, 1.5, 0.5, out.f32, count);
}

/* Draws as many values as `key` holds and compares. */
static sl_status compare_draw(sl_golden *g, sl_torch_random *random, const char *key, const char *what) {
    const sl_stored_tensor *stored = sl_safetensors_find(g->file, key);
    size_t i = 0, kinds = sizeof draws / sizeof draws[0];
    while (i < kinds && strncmp(what, draws[i].what, strlen(draws[i].what)) != 0) i++;
    if (!stored || i == kinds) return sl_fail(SL_UNSUPPORTED, "no way to draw '%s'", key);
    size_t count = (size_t)sl_shape_count(&stored->shape);
    void *block;
    if (count > COUNT_LIMIT) return sl_fail(SL_LIMIT, "'%s' has %zu values", key, count);
    SL_TRY(sl_alloc(&block, count, sizeof(double)));
    draw(random, draws[i].what, (values){.f64 = block}, count);
    sl_status status = draws[i].dtype == SL_I64   ? sl_golden_integers(g, key, block, count)
                       : draws[i].dtype == SL_F64 ? sl_golden_doubles(g, key, block, count)
                                                  : sl_golden_floats(g, key, block, count);
    sl_free(block);
    return status;
}

/* "randn.SEED.SHAPE": one draw of a fresh generator; a case is a seed. */
static void single_draws(sl_golden *g) {
    size_t count = sl_safetensors_count(g->file);
    for (size_t i = 0; i < count;) {
        const char *name = sl_safetensors_at(g->file, i)->name;
        const char *dot = strncmp(name, "randn.", 6) == 0 ? strchr(name + 6, '.') : NULL;
        if (!dot) {
            i++;
            continue;
        }
        size_t length = (size_t)(dot + 1 - name);
        sl_status status = SL_OK;
        sl_golden_begin(g, sl_arena_strndup(g->arena, name, length - 1));
        for (; i < count && strncmp(sl_safetensors_at(g->file, i)->name, name, length) == 0; i++) {
            sl_torch_random random;
            sl_torch_random_seed(&random, strtoull(name + 6, NULL, 10));
            if (!status) status = compare_draw(g, &random, sl_safetensors_at(g->file, i)->name, "randn");
        }
        sl_golden_end(g, status);
    }
}

/* "GROUP.N.WHAT", N = 0, 1, ...: consecutive draws of one generator. */
static void sequence(sl_golden *g, const char *group, const char *always, uint64_t seed) {
    sl_torch_random random;
    sl_torch_random_seed(&random, seed);
    sl_status status = SL_OK;
    sl_golden_begin(g, group);
    for (int n = 0; !status; n++) {
        const char *prefix = sl_arena_printf(g->arena, "%s.%d.", group, n), *key = NULL;
        for (size_t i = 0; i < sl_safetensors_count(g->file) && !key; i++)
            if (strncmp(sl_safetensors_at(g->file, i)->name, prefix, strlen(prefix)) == 0)
                key = sl_safetensors_at(g->file, i)->name;
        if (!key) break;
        status = compare_draw(g, &random, key, always ? always : key + strlen(prefix));
    }
    sl_golden_end(g, status);
}

/* Ends and sums of a large draw, named "big_SHAPE_seedS". */
static sl_status large_draw(sl_golden *g, const char *name, const json_t *facts) {
    enum { EDGE = 8 };
    const char *word = strstr(name, "_seed");
    size_t count = 1;
    for (const char *c = name + 4; word && c < word; c += strspn(c, "x")) {
        char *end;
        count *= strtoull(c, &end, 10);
        if (end == c || count > COUNT_LIMIT) return sl_fail(SL_FORMAT, "no shape in '%s'", name);
        c = end;
    }
    float *x;
    sl_torch_random random;
    SL_TRY(sl_alloc(&x, count, sizeof *x));
    sl_torch_random_seed(&random, strtoull(word ? word + 5 : "", NULL, 10));
    sl_torch_randn(&random, x, count);
    double first[EDGE], last[EDGE], sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i], squares += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < EDGE; i++) first[i] = (double)x[i], last[i] = (double)x[count - EDGE + i];
    sl_free(x);
    const struct {
        const char *key;
        const double *found;
        size_t count;
    } wanted[] = {{"first8", first, EDGE}, {"last8", last, EDGE}, {"sum", &sum, 1}, {"sumsq", &squares, 1}};
    for (int i = 0; i < 4; i++)
        SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/rng/%s/%s", name, wanted[i].key),
                                 json_object_get(facts, wanted[i].key), wanted[i].found, wanted[i].count));
    return SL_OK;
}

static void numpy_draws(sl_golden *g, uint64_t seed) {
    static const char *const keys[] = {"numpy_legacy_randn10", "numpy_pcg64_normal10"};
    enum { TEN = 10 };
    double x[TEN];
    for (int i = 0; i < 2; i++) {
        if (!sl_golden_has(g, keys[i])) continue;
        if (i == 0)
            sl_numpy_legacy_randn((uint32_t)seed, x, TEN);
        else
            sl_numpy_standard_normal(seed, x, TEN);
        sl_golden_begin(g, keys[i]);
        sl_golden_end(g, sl_golden_doubles(g, keys[i], x, TEN));
    }
}

sl_status sl_golden_rng(sl_golden *g) {
    SL_TRY(sl_golden_open(g, "rng"));
    int64_t seed;
    SL_TRY(sl_json_int(g->variant, "seed", 0, INT64_MAX, &seed));
    single_draws(g);
    sequence(g, "seq", "randn", (uint64_t)seed);
    sequence(g, "mix", NULL, (uint64_t)seed);
    sl_torch_random random;
    sl_torch_random_seed(&random, (uint64_t)seed);
    sl_golden_begin(g, "default_generator_20");
    sl_golden_end(g, compare_draw(g, &random, "default_generator_20", "randn"));
    numpy_draws(g, (uint64_t)seed);
    const char *name;
    json_t *facts;
    json_object_foreach(sl_golden_case(g, "rng", NULL), name, facts) {
        if (strncmp(name, "big_", 4) != 0) continue;
        sl_golden_begin(g, name);
        sl_golden_end(g, large_draw(g, name, facts));
    }
    return SL_OK;
}
