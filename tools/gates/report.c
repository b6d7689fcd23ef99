/* The tables. */
#include "gates.h"

#include "base/file.h"

#include <math.h>

typedef enum target_kind {
    TIMES_FLOOR,    /* at most so many times the upper end of the floor's interval */
    ABOVE_FLOOR,    /* at most so much above it */
    SHARE_OF_FLOOR, /* at least so much of the floor */
    AT_LEAST,
    AT_MOST
} target_kind;

typedef enum gate_id {
#define GATE(name, words, target, value) GATE_##name,
#include "gates.def"
#undef GATE
    GATE_COUNT
} gate_id;

static const struct {
    const char *words;
    target_kind target;
    double value;
} gate_table[GATE_COUNT] = {
#define GATE(name, words, target, value) {words, target, value},
#include "gates.def"
#undef GATE
};

typedef struct gate_row {
    sl_estimate samples, floor, round_trip, ceiling;
    bool undecidable; /* the figure does not say what it should */
} gate_row;

static const sl_estimate unknown = {NAN, NAN, NAN, 0, ""};

/* ---- figures ---- */

static sl_status fill_distances(const gates *g, gate_row row[GATE_COUNT]) {
    enum { DRAWS = 200, SETS = 4 };
    const image_rows sets[SETS] = {g->set[SET_SAMPLES], g->set[SET_CLEAN], g->set[SET_ROUND_TRIP],
                                   g->set[SET_UNTRAINED]};
    image_rows reference = g->set[SET_REFERENCE];
    sl_estimate found[SETS][FIGURE_COUNT];
    if (reference.count > g->count) reference.count = g->count;
    SL_TRY(set_figures_measure(sets, SETS, &reference, DRAWS, found));
    for (int f = 0; f < FIGURE_COUNT; f++)
        row[GATE_KID + f] = (gate_row){found[0][f], found[1][f], found[2][f], found[3][f], false};
    return SL_OK;
}

/* Of n values, from their sum and that of their squares. */
static sl_estimate mean_of(double sum, double squares, int64_t n) {
    if (n < 2) return unknown;
    double count = (double)n, mean = sum / count;
    double half = 1.96 * sqrt(fmax(0, squares / count - mean * mean) / (count - 1));
    return (sl_estimate){mean, mean - half, mean + half, n, "normal"};
}

static sl_estimate mean_grid(const image_rows *rows) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        sum += rows->row[i].grid_db;
        squares += rows->row[i].grid_db * rows->row[i].grid_db;
    }
    return mean_of(sum, squares, rows->count);
}

sl_estimate marks_share(const image_rows *rows) {
    double sum = 0, squares = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        if (!rows->row[i].told) continue;
        double share = (double)rows->row[i].found / rows->row[i].told;
        sum += share, squares += share * share, n++;
    }
    return mean_of(sum, squares, n);
}

/* Images that fail no test of those that apply; with `family` those that are possible over all tests. */
static sl_estimate share_passing(const image_rows *rows, look seen, bool family, int technique) {
    int64_t judged = 0, passed = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        const verdicts *v = &rows->row[i].verdict[seen];
        if (isnan(v->family_p) || (technique >= 0 && rows->row[i].technique != technique)) continue;
        bool fails = false;
        for (int t = 0; t < TESTS; t++) fails |= v->fails[t];
        judged++;
        passed += family ? v->family_p > 0.01 : !fails;
    }
    return judged ? sl_proportion(passed, judged, 0, 0.95) : unknown;
}

static sl_estimate share_with(const image_rows *rows, sl_physical_test test) {
    int64_t with = 0;
    for (int64_t i = 0; i < rows->count; i++) with += rows->row[i].verdict[LOOK_EXPECTATION].applies[test];
    return rows->count ? sl_proportion(with, rows->count, 0, 0.95) : unknown;
}

/* A model that blurs its rings leaves the tests of rings nothing to find fault with, and one whose rings keep
 * no ratio that of lattices. */
static gate_row shares_with(const gates *g, sl_physical_test test) {
    return (gate_row){share_with(&g->set[SET_SAMPLES], test), share_with(&g->set[SET_CLEAN], test),
                      share_with(&g->set[SET_ROUND_TRIP], test), share_with(&g->set[SET_UNTRAINED], test),
                      false};
}

static void fill_tests(const gates *g, gate_row row[GATE_COUNT]) {
    static const struct {
        gate_id gate;
        look seen;
        bool family;
    } shares[] = {{GATE_EACH_EXPECTATION, LOOK_EXPECTATION, false},
                  {GATE_FAMILY_EXPECTATION, LOOK_EXPECTATION, true},
                  {GATE_EACH_MEASURED, LOOK_MEASURED, false},
                  {GATE_FAMILY_MEASURED, LOOK_MEASURED, true}};
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
        look seen = shares[k].seen;
        bool family = shares[k].family;
        row[shares[k].gate] = (gate_row){share_passing(&g->set[SET_SAMPLES], seen, family, -1),
                                         share_passing(&g->set[SET_CLEAN], seen, family, -1),
                                         share_passing(&g->set[SET_ROUND_TRIP], seen, family, -1),
                                         share_passing(&g->set[SET_UNTRAINED], seen, family, -1), false};
    }
}

static sl_status fill_copies(const gates *g, gate_row row[GATE_COUNT]) {
    const sl_estimate all = {1, 1, 1, g->count, "exact copies"};
    copies found;
    bool other = g->data_version != SL_SIM_VERSION;
    SL_TRY(copies_measure(&g->set[SET_SAMPLES], &g->set[SET_CLEAN], &g->set[SET_TRAINING], &found));
    row[GATE_NEAR] = (gate_row){found.near, found.near_floor, unknown, all, other};
    row[GATE_RATIO] = (gate_row){found.ratio, found.ratio_floor, unknown, all, other};
    row[GATE_TWINS] = (gate_row){found.twins, found.twins_floor, unknown, all, false};
    return SL_OK;
}

/* ---- verdicts ---- */

static bool is_upper(target_kind kind) {
    return kind == TIMES_FLOOR || kind == ABOVE_FLOOR || kind == AT_MOST;
}

double gate_target(int gate, const sl_estimate *floor) {
    double value = gate_table[gate].value;
    switch (gate_table[gate].target) {
    case TIMES_FLOOR:
        return value * fmax(floor->high, 0);
    case ABOVE_FLOOR:
        return value + floor->high;
    case SHARE_OF_FLOOR:
        return value * floor->value;
    default:
        return value;
    }
}

gate_verdict gate_judge(const sl_estimate *figure, double target, bool upper) {
    if (isnan(figure->value) || isnan(target)) return GATE_OPEN;
    if (upper) return figure->high <= target ? GATE_PASSED : figure->low > target ? GATE_FAILED : GATE_OPEN;
    return figure->low >= target ? GATE_PASSED : figure->high < target ? GATE_FAILED : GATE_OPEN;
}

/* ---- writing ---- */

static void write_estimate(FILE *file, const sl_estimate *e) {
    if (isnan(e->value))
        fputs(" – |", file);
    else if (e->high > e->low)
        fprintf(file, " %.3g [%.3g, %.3g] |", e->value, e->low, e->high);
    else
        fprintf(file, " %.3g |", e->value);
}

static void write_gate(FILE *file, gates *g, int gate, const gate_row *row, int *passed) {
    static const char *const words[] = {
        [GATE_PASSED] = "yes", [GATE_FAILED] = "**no**", [GATE_OPEN] = "open"};
    double target = gate_target(gate, &row->floor);
    bool upper = is_upper(gate_table[gate].target);
    gate_verdict verdict = row->undecidable ? GATE_OPEN : gate_judge(&row->samples, target, upper);
    fprintf(file, "| %s |", gate_table[gate].words);
    write_estimate(file, &row->samples);
    write_estimate(file, &row->floor);
    write_estimate(file, &row->round_trip);
    write_estimate(file, &row->ceiling);
    fprintf(file, " %s %.3g | %s%s |\n", upper ? "≤" : "≥", target, words[verdict],
            row->undecidable ? " (1)" : "");
    *passed += verdict == GATE_PASSED;
    g->all_pass &= verdict == GATE_PASSED;
}

static void write_gates(FILE *file, gates *g, const gate_row row[GATE_COUNT]) {
    int passed = 0;
    g->all_pass = true;
    fprintf(
        file,
        "| gate | samples [95 %%] | floor: held-out simulated | the autoencoder alone | ceiling: untrained | "
        "target | passed |\n|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < GATE_COUNT; k++) write_gate(file, g, k, &row[k], &passed);
    fprintf(file,
            "\n%d of %d gates passed. *Open*: the interval holds the target; more samples would tell.\n",
            passed, GATE_COUNT);
    if (g->data_version != SL_SIM_VERSION)
        fprintf(
            file,
            "(1) The model has learnt from version %d of the simulator, this program makes version %d: its "
            "training images cannot be made again, and those of the same seed stand in.\n",
            g->data_version, SL_SIM_VERSION);
}

static void write_by_technique(FILE *file, const gates *g) {
    static const image_set sets[] = {SET_SAMPLES, SET_ROUND_TRIP, SET_CLEAN};
    fprintf(file,
            "\n| share that fails no test | images | samples [95 %%] | the autoencoder alone | simulated |\n"
            "|---|---|---|---|---|\n");
    for (int t = 0; t < TECHNIQUES; t++)
        for (int seen = 0; seen < LOOK_COUNT; seen++) {
            sl_estimate first = share_passing(&g->set[SET_SAMPLES], (look)seen, false, t);
            fprintf(file, "| %s, %s | %lld |", sl_technique_name((sl_technique)t),
                    seen == LOOK_MEASURED ? "measured" : "expectation", (long long)first.n);
            for (int s = 0; s < 3; s++) {
                sl_estimate e = share_passing(&g->set[sets[s]], (look)seen, false, t);
                write_estimate(file, &e);
            }
            fputc('\n', file);
        }
}

static void write_share(FILE *file, const image_rows *rows, look seen, int test) {
    int64_t applies = 0, fails = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        applies += rows->row[i].verdict[seen].applies[test];
        fails += rows->row[i].verdict[seen].fails[test];
    }
    if (applies)
        fprintf(file, " %lld of %lld |", (long long)fails, (long long)applies);
    else
        fputs(" – |", file);
}

static void write_by_test(FILE *file, const gates *g) {
    static const image_set sets[] = {SET_SAMPLES, SET_ROUND_TRIP, SET_CLEAN};
    fprintf(
        file,
        "\n| fail at 1 %% | samples, expectations | the autoencoder alone | simulated | samples, measured "
        "| the autoencoder alone | simulated |\n|---|---|---|---|---|---|---|\n");
    for (int t = 0; t < TESTS; t++) {
        bool any = false;
        for (int64_t i = 0; i < g->count; i++)
            for (int seen = 0; seen < LOOK_COUNT; seen++)
                any |= g->set[SET_SAMPLES].row[i].verdict[seen].applies[t];
        if (!any) continue;
        fprintf(file, "| %s |", sl_physical_words((sl_physical_test)t));
        for (int s = 0; s < 3; s++) write_share(file, &g->set[sets[s]], LOOK_EXPECTATION, t);
        for (int s = 0; s < 3; s++) write_share(file, &g->set[sets[s]], LOOK_MEASURED, t);
        fputc('\n', file);
    }
}

static void write_claims(FILE *file, const obedience *o) {
    fprintf(file, "\n| captions say | images | and another | F1 of samples [95 %%] | of simulated images |\n"
                  "|---|---|---|---|---|\n");
    for (int c = 0; c < o->claims; c++) {
        const obeyed *each = &o->claim[c];
        fprintf(file, "| %s | %lld | %lld |", each->claim, (long long)each->said[0],
                (long long)each->said[1]);
        write_estimate(file, &each->f1);
        write_estimate(file, &each->limit);
        fputc('\n', file);
    }
}

sl_status report_write(gates *g, FILE *file) {
    gate_row row[GATE_COUNT] = {0};
    obedience obeyed_all;
    SL_TRY(fill_distances(g, row));
    row[GATE_GRID] = (gate_row){mean_grid(&g->set[SET_SAMPLES]), mean_grid(&g->set[SET_CLEAN]),
                                mean_grid(&g->set[SET_ROUND_TRIP]), mean_grid(&g->set[SET_UNTRAINED]), false};
    SL_TRY(obedience_measure(g, &obeyed_all));
    row[GATE_CAPTIONS] =
        (gate_row){obeyed_all.samples, obeyed_all.limit, obeyed_all.round_trip, obeyed_all.untrained, false};
    fill_tests(g, row);
    row[GATE_FOLLOWED] = shares_with(g, SL_PHYSICAL_ARC_SHAPE);
    row[GATE_LATTICES] = shares_with(g, SL_PHYSICAL_LATTICE_RATIO);
    row[GATE_MARKS] =
        (gate_row){marks_share(&g->set[SET_SAMPLES]), marks_share(&g->set[SET_CLEAN]),
                   marks_share(&g->set[SET_ROUND_TRIP]), marks_share(&g->set[SET_UNTRAINED]), false};
    SL_TRY(fill_copies(g, row));
    fprintf(file,
            "%lld samples of `%s` (%s), %lld steps, guidance %g (of levels %g%s) from %g to %g of the noise "
            "schedule, eta %g, brightness deviation %g.\n\n",
            (long long)g->count, sl_path_base(g->model), sl_path_base(g->folder),
            (long long)g->settings.steps, g->way.guidance,
            g->way.level_guidance > 0 ? g->way.level_guidance : g->way.guidance,
            g->way.sketch_guided ? ", by sketches too" : "", g->way.guidance_from, g->way.guidance_to,
            g->settings.eta, g->way.brightness_deviation);
    write_gates(file, g, row);
    write_by_technique(file, g);
    write_by_test(file, g);
    write_claims(file, &obeyed_all);
    return ferror(file) ? sl_fail_errno("cannot write the tables") : SL_OK;
}
