#include "loop/golden/golden.h"

#include "base/file.h"
#include "loop/golden/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FLOOR_TOLERANCE 2e-5
/* What tolerances.json leaves out differs by 1e-6 at most. */
#define LEAST_SPREAD    1e-6
#define MOST_IN_16      0.5
#define SPREAD_TOO_WIDE 1e-4

static const struct {
    const char *name;
    sl_status (*run)(sl_golden *g);
    bool networks;
} families[] = {
#define GOLDEN_FAMILY(name, networks) {#name, sl_golden_##name, networks},
#include "loop/golden/families.def"
#undef GOLDEN_FAMILY
};

static void report(sl_golden *g) {
    int *counts[] = {&g->totals->passed, &g->totals->missed, &g->totals->not_covered};
    ++*counts[g->line.outcome];
    if (g->settings->line) g->settings->line(g->settings->context, &g->line);
    g->line = (sl_golden_line){0};
}

void sl_golden_format(const sl_golden_line *line, char *out, size_t bytes) {
    if (line->outcome == SL_GOLDEN_NOT_COVERED) {
        snprintf(out, bytes, "----  %-16s %-34s not yet covered (%d values)", line->family, line->name,
                 line->values + line->left_out);
    } else if (line->message) {
        snprintf(out, bytes, "MISS  %-16s %-34s %s", line->family, line->name, line->message);
    } else {
        const char *word = line->outcome == SL_GOLDEN_PASSED ? "ok  " : "MISS";
        char left_out[48] = "";
        if (line->left_out) snprintf(left_out, sizeof left_out, ", %d left out", line->left_out);
        snprintf(out, bytes, "%s  %-16s %-34s error %.1e  tolerance %.1e  (%d values%s%s%s)", word,
                 line->family, line->name, line->error, line->tolerance, line->values, left_out,
                 line->values > 1 ? ", worst " : "", line->values > 1 && line->worst ? line->worst : "");
    }
}

void sl_golden_begin(sl_golden *g, const char *name) {
    g->line = (sl_golden_line){.family = g->family, .name = sl_arena_strdup(g->arena, name)};
    g->worst_ratio = -1;
    g->dtype = g->settings->dtype;
    g->has_switches = false;
}

void sl_golden_end(sl_golden *g, sl_status status) {
    bool nothing = g->line.values == 0;
    bool missed = status || (nothing ? g->line.left_out == 0 : !(g->worst_ratio <= 1));
    g->line.outcome = missed ? SL_GOLDEN_MISSED : nothing ? SL_GOLDEN_NOT_COVERED : SL_GOLDEN_PASSED;
    if (status)
        g->line.message = sl_arena_strdup(g->arena, sl_error_message());
    else if (missed && nothing)
        g->line.message = "nothing was compared";
    report(g);
}

void sl_golden_not_covered(sl_golden *g, const char *name, int values) {
    g->line = (sl_golden_line){.family = g->family,
                               .name = sl_arena_strdup(g->arena, name),
                               .outcome = SL_GOLDEN_NOT_COVERED,
                               .values = values};
    report(g);
}

/* Of a value whose kernels in fp32 differ by `spread`; NAN: it cannot be compared. */
static double tolerance_of(const sl_golden *g, double spread) {
    if (g->dtype == SL_F32) return fmax(FLOOR_TOLERANCE, 10 * spread);
    double coarser = g->dtype == SL_BF16 ? 0x1p16 : 0x1p13;
    if (spread >= SPREAD_TOO_WIDE) return NAN;
    return fmin(MOST_IN_16, fmax(LEAST_SPREAD, spread) * coarser * (g->has_switches ? 8 : 1));
}

/* Takes one value's error into the open case. */
static void take(sl_golden *g, const char *key, double error) {
    double tolerance = tolerance_of(g, json_number_value(json_object_get(g->tolerances, key)));
    if (isnan(tolerance)) {
        g->line.left_out++;
        return;
    }
    double ratio = isnan(error) ? INFINITY : error / tolerance;
    g->line.values++;
    if (ratio <= g->worst_ratio) return;
    g->worst_ratio = ratio;
    g->line.error = error;
    g->line.tolerance = tolerance;
    g->line.worst = sl_arena_strdup(g->arena, key);
}

static double relative_error(const double *found, const double *expected, size_t count, double floor) {
    double error = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs(found[i] - expected[i]);
        if (isnan(difference)) return INFINITY;
        error = fmax(error, difference);
        largest = fmax(largest, fabs(expected[i]));
    }
    return error / (largest + floor);
}

static const char *tolerance_key(const sl_golden *g, const char *key) {
    return sl_arena_printf(g->arena, "%s|%s", g->file_name, key);
}

static sl_status load_expected(sl_golden *g, const char *key, size_t count, sl_tensor *out) {
    SL_TRY(sl_golden_load(g, key, SL_F64, out));
    size_t expected = (size_t)sl_shape_count(&out->shape);
    if (expected == count) return SL_OK;
    sl_tensor_free(out);
    return sl_fail(SL_MISMATCH, "'%s' has %zu values, %zu were computed", key, expected, count);
}

sl_status sl_golden_doubles(sl_golden *g, const char *key, const double *found, size_t count) {
    sl_tensor expected;
    SL_TRY(load_expected(g, key, count, &expected));
    if (g->dtype != SL_F32 && g->has_switches)
        g->line.left_out++;
    else
        take(g, tolerance_key(g, key), relative_error(found, expected.data, count, 1e-12));
    sl_tensor_free(&expected);
    return SL_OK;
}

sl_status sl_golden_floats(sl_golden *g, const char *key, const float *found, size_t count) {
    double *wide;
    SL_TRY(sl_alloc(&wide, count, sizeof *wide));
    sl_convert(SL_F32, found, SL_F64, wide, count);
    sl_status status = sl_golden_doubles(g, key, wide, count);
    sl_free(wide);
    return status;
}

/* Error 0 when all differences are at most `allowed`, else 1: exact values have no tolerance. */
static sl_status compare_whole(sl_golden *g, const char *key, sl_dtype dtype, const void *found, size_t count,
                               double allowed) {
    sl_tensor expected;
    SL_TRY(load_expected(g, key, count, &expected));
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        double value = dtype == SL_I64 ? (double)((const int64_t *)found)[i] : ((const uint8_t *)found)[i];
        if (fabs(value - ((const double *)expected.data)[i]) > allowed) error = 1;
    }
    take(g, tolerance_key(g, key), error);
    sl_tensor_free(&expected);
    return SL_OK;
}

sl_status sl_golden_integers(sl_golden *g, const char *key, const int64_t *found, size_t count) {
    return compare_whole(g, key, SL_I64, found, count, 0);
}

sl_status sl_golden_bytes(sl_golden *g, const char *key, const uint8_t *found, size_t count) {
    return compare_whole(g, key, SL_U8, found, count, 1);
}

sl_status sl_golden_numbers(sl_golden *g, const char *path, const json_t *expected, const double *found,
                            size_t count) {
    size_t have = json_is_array(expected) ? json_array_size(expected) : json_is_number(expected);
    if (have != count)
        return sl_fail(SL_MISMATCH, "'%s' has %zu numbers, %zu were computed", path, have, count);
    double *wanted;
    SL_TRY(sl_alloc(&wanted, count, sizeof *wanted));
    for (size_t i = 0; i < count; i++)
        wanted[i] = json_number_value(json_is_array(expected) ? json_array_get(expected, i) : expected);
    take(g, sl_arena_printf(g->arena, "json|%s", path), relative_error(found, wanted, count, 1e-4));
    sl_free(wanted);
    return SL_OK;
}

json_t *sl_golden_case(const sl_golden *g, const char *family, const char *name) {
    json_t *cases = json_object_get(g->cases, family);
    return name ? json_object_get(cases, name) : cases;
}

const char *sl_golden_path(const sl_golden *g, const char *name) {
    return sl_path_join(g->arena, g->settings->folder, name);
}

bool sl_golden_has(const sl_golden *g, const char *key) {
    return sl_safetensors_find(sl_golden_source(g), key) != NULL;
}

void sl_golden_touch(sl_golden *g, const char *key) {
    const sl_stored_tensor *stored = sl_safetensors_find(g->file, key);
    if (stored) g->touched[stored - sl_safetensors_at(g->file, 0)] = 1;
}

const sl_safetensors *sl_golden_source(const sl_golden *g) {
    return g->inputs ? g->inputs : g->file;
}

sl_status sl_golden_inputs_from(sl_golden *g, const char *name) {
    sl_safetensors_close(g->inputs);
    g->inputs = NULL;
    if (!name) return SL_OK;
    return sl_safetensors_open(sl_golden_path(g, sl_arena_printf(g->arena, "cases/%s.safetensors", name)),
                               &g->inputs);
}

sl_status sl_golden_load(sl_golden *g, const char *key, sl_dtype dtype, sl_tensor *out) {
    if (!g->inputs) sl_golden_touch(g, key);
    return sl_safetensors_load(sl_golden_source(g), key, dtype, out);
}

/* Untouched tensors, one line for each group: names up to the first dot. */
static void list_untouched(sl_golden *g) {
    size_t count = sl_safetensors_count(g->file);
    for (size_t i = 0; i < count;) {
        const char *name = sl_safetensors_at(g->file, i)->name;
        size_t length = strcspn(name, ".");
        if (name[length] == '.' && strncmp(name, "sched.", 6) == 0)
            length += 1 + strcspn(name + length + 1, ".");
        int values = 0;
        for (; i < count && strncmp(sl_safetensors_at(g->file, i)->name, name, length) == 0; i++)
            values += !g->touched[i];
        if (values) sl_golden_not_covered(g, sl_arena_strndup(g->arena, name, length), values);
    }
}

static void close_file(sl_golden *g) {
    if (g->file) list_untouched(g);
    sl_safetensors_close(g->file);
    sl_free(g->touched);
    g->file = NULL;
    g->touched = NULL;
}

sl_status sl_golden_open(sl_golden *g, const char *name) {
    close_file(g);
    g->file_name = sl_arena_strdup(g->arena, name);
    json_object_set_new(g->opened, name, json_true());
    SL_TRY(sl_safetensors_open(sl_golden_path(g, sl_arena_printf(g->arena, "cases/%s.safetensors", name)),
                               &g->file));
    return sl_alloc(&g->touched, sl_safetensors_count(g->file), 1);
}

/* Case files that no family opened. */
static sl_status list_unopened(void *context, const char *path) {
    sl_golden *g = context;
    const char *name = sl_path_base(path), *suffix = strstr(name, ".safetensors");
    if (!suffix) return SL_OK;
    name = sl_arena_strndup(g->arena, name, (size_t)(suffix - name));
    if (json_object_get(g->opened, name)) return SL_OK;
    g->family = name;
    SL_TRY(sl_safetensors_open(path, &g->file));
    sl_golden_not_covered(g, "(all)", (int)sl_safetensors_count(g->file));
    sl_safetensors_close(g->file);
    g->file = NULL;
    return SL_OK;
}

static sl_status load_folder(sl_golden *g) {
    SL_TRY(sl_json_read(sl_golden_path(g, "cases.json"), &g->cases));
    const char *path = sl_golden_path(g, "variant.json");
    if (sl_file_exists(path)) SL_TRY(sl_json_read(path, &g->variant));
    path = sl_golden_path(g, "tolerances.json");
    json_t *tolerances = NULL;
    if (sl_file_exists(path)) SL_TRY(sl_json_read(path, &tolerances));
    g->tolerances = json_incref(json_object_get(tolerances, "measured"));
    json_decref(tolerances);
    return SL_OK;
}

static sl_status unknown_family(const sl_golden *g) {
    char *names = sl_arena_strdup(g->arena, families[0].name);
    for (size_t i = 1; i < sizeof families / sizeof families[0]; i++)
        names = sl_arena_printf(g->arena, "%s, %s", names, families[i].name);
    return sl_fail(SL_INVALID, "no family '%s'; there are %s", g->settings->family, names);
}

static sl_status run_families(sl_golden *g) {
    bool found = false;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (g->settings->family && strcmp(g->settings->family, families[i].name) != 0) continue;
        found = true;
        if (g->settings->dtype != SL_F32 && !families[i].networks) {
            if (!g->settings->family) continue;
            return sl_fail(SL_INVALID, "family '%s' runs no networks: it is for fp32 alone",
                           families[i].name);
        }
        SL_TRY(sl_progress_check(g->settings->progress));
        g->family = families[i].name;
        sl_status status = families[i].run(g);
        if (status == SL_CANCELLED) return status;
        if (status) { /* outside a case: the family could not even begin */
            sl_golden_begin(g, "(set-up)");
            sl_golden_end(g, status);
        }
        close_file(g);
    }
    return found ? SL_OK : unknown_family(g);
}

sl_status sl_golden_run(const sl_golden_settings *settings, sl_golden_totals *totals) {
    *totals = (sl_golden_totals){0};
    sl_golden g = {.settings = settings, .totals = totals};
    SL_TRY(sl_arena_new(&g.arena));
    g.opened = json_object();
    sl_status status = load_folder(&g);
    if (!status) status = run_families(&g);
    if (!status && !settings->family && settings->dtype == SL_F32)
        status = sl_folder_walk(sl_golden_path(&g, "cases"), list_unopened, &g);
    json_decref(g.cases);
    json_decref(g.tolerances);
    json_decref(g.variant);
    json_decref(g.opened);
    sl_safetensors_close(g.file);
    sl_safetensors_close(g.inputs);
    sl_free(g.touched);
    sl_arena_free(g.arena);
    if (!status && totals->missed > 0)
        status = sl_fail(SL_MISMATCH, "%d of %d golden cases missed", totals->missed,
                         totals->missed + totals->passed);
    return status;
}
