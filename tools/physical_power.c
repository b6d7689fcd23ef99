/* What the physical tests catch: each injected fault at rising severity, on images that the limits were not
 * made from.
 *
 *     physical-power [IMAGES] [--blind] [--faults "A1 A2"] [--clean N] [--threads N]
 *                                                    (built by `ninja tools/physical-power`)
 *
 * Prints the tables of docs/physical-tests.md. First false alarms of each test on N clean images of each
 * technique (default 500), with the techniques pooled by the default mix. Then a row a fault: IMAGES images
 * of severity 1 (default 100) and a quarter as many of each lower one; the share to which its tests do not
 * apply, of the techniques they are made for; the share caught, by its own tests at 1 % each and by any test,
 * 1 % over all; the share that could be seen at all (visibility.h), with what its own tests catch of those
 * where that is another figure; and the severities at which its own tests catch half and nine tenths.
 * Intervals are of 95 % (Wilson, J. Am. Stat. Assoc. 22 (1927) 209). The same text for any number of threads.
 */
#include "base/limits.h"
#include "base/memory.h"
#include "base/threads.h"
#include "clean_class.h"
#include "visibility.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A17 is a fault of a picture, not of a sample: it comes after those. */
enum { COLOUR_FAULT = SL_ARTEFACT_COUNT };

enum { LEVELS = 5, TECHNIQUES = SL_TECHNIQUE_UNKNOWN, TESTS = SL_PHYSICAL_COUNT, BATCH = 128 };
static const double severities[LEVELS] = {0.1, 0.25, 0.5, 0.75, 1};
static const uint64_t seed = 7102; /* far from the calibration's, which takes one of each technique */

typedef struct work {
    bool blind, faulty;
    int kind;      /* sl_artefact_kind, or COLOUR_FAULT */
    int64_t first; /* index of the batch's first image */
    sl_sim_sample sample[SL_LIMIT_THREADS];
    visibility before[SL_LIMIT_THREADS];
    bool made[BATCH]; /* the fault applies */
    double snr[BATCH];
    sl_technique technique[BATCH];
    sl_physical_result result[BATCH][TESTS];
} work;

/* Every second image has severity 1, the others take turns. */
static int level_of(int64_t index) {
    return index % 2 ? LEVELS - 1 : (int)(index / 2 % (LEVELS - 1));
}

static const char *fault_id(int kind) {
    return kind == COLOUR_FAULT ? "A17" : sl_artefact_id((sl_artefact_kind)kind);
}

static const char *fault_words(int kind) {
    return kind == COLOUR_FAULT ? "colour off the map" : sl_artefact_words((sl_artefact_kind)kind);
}

/* The sample as a colour picture, with the fault where its severity is above 0. */
static sl_status look_at_colours(const sl_sim_sample *sample, double severity, sl_colour_line *out) {
    int32_t size = sample->size_px;
    uint8_t *rgb;
    SL_TRY(sl_alloc(&rgb, (size_t)size * (size_t)size, 3));
    sl_sim_picture(sample, rgb);
    sl_random random = sl_random_stream(seed, SL_STREAM_TEST, sample->index);
    if (severity > 0) sl_artefact_colour(rgb, size, size, severity, &random);
    sl_status status = sl_colour_line_measure(rgb, size, size, out);
    sl_free(rgb);
    return status;
}

static sl_status make(work *w, int64_t index, int task, int worker) {
    sl_sim_sample *sample = &w->sample[worker];
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_technique technique = (sl_technique)(index % TECHNIQUES);
    options.measure = true;
    /* clean images of each technique in turn; faults in the default mix */
    if (!w->faulty) options.class_id = clean_class(technique, (uint32_t)(index / TECHNIQUES));
    w->made[task] = false;
    SL_TRY(sl_sim_sample_make(seed, (uint32_t)index, &options, sample));
    w->technique[task] = sample->technique;
    bool coloured = w->kind == COLOUR_FAULT, in_sample = w->faulty && !coloured;
    if (in_sample && !sl_artefact_applies((sl_artefact_kind)w->kind, sample)) return SL_OK;
    w->snr[task] = NAN;
    if (in_sample) {
        SL_TRY(visibility_keep(sample, &w->before[worker]));
        SL_TRY(sl_artefact_inject((sl_artefact_kind)w->kind, severities[level_of(index)], sample));
        w->snr[task] = visibility_snr(&w->before[worker], sample);
    }
    w->made[task] = true;
    sl_physical_input input =
        sl_physical_input_of(sample, w->blind ? SL_STRATUM_BLIND : SL_STRATUM_GEOMETRY, NULL);
    if (!in_sample)
        SL_TRY(look_at_colours(sample, w->faulty ? severities[level_of(index)] : 0, &input.colour));
    return sl_physical_tests_run(&input, w->result[task]);
}

static sl_status look(void *context, int64_t task, int worker) {
    work *w = context;
    return make(w, w->first + task, (int)task, worker);
}

static bool next_batch(work *w, int count) {
    sl_status status = sl_parallel_try(count, look, w);
    w->first += count;
    return status == SL_OK;
}

/* "12 (3.4 %: 1.2-5.6)" of n, without the count where `short_form`. */
static void write_share(int hits, int n, bool short_form) {
    if (n == 0) {
        printf(" – |");
        return;
    }
    double z = 1.96, p = (double)hits / n, d = 1 + z * z / n, middle = (p + z * z / (2.0 * n)) / d,
           half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / d;
    double low = fmax(0, 100 * (middle - half)), high = fmin(100, 100 * (middle + half));
    if (short_form)
        printf(" %.0f (%.0f–%.0f) |", 100 * p, low, high);
    else
        printf(" %d of %d: %.1f %% (%.1f–%.1f) |", hits, n, 100 * p, low, high);
}

/* Whether `id` is one of the words of `list`. */
static bool is_among(const char *list, const char *id) {
    size_t length = strlen(id);
    if (length == 0) return false;
    for (const char *at = list; (at = strstr(at, id)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == 0 || at[length] == ' ')) return true;
    return false;
}

static sl_physical_stratum stratum_of(const work *w) {
    return w->blind ? SL_STRATUM_BLIND : SL_STRATUM_GEOMETRY;
}

typedef struct outcome {
    bool meant; /* a test of the fault is made for the technique: it has limits there */
    bool applies, own, any;
} outcome;

static outcome judge(const work *w, int task, const char *artefact) {
    outcome out = {0};
    int applicable = 0;
    double least = 1;
    for (int t = 0; t < TESTS; t++) {
        const sl_physical_result *r = &w->result[task][t];
        bool own = is_among(sl_physical_artefacts((sl_physical_test)t), artefact);
        out.meant |=
            own && sl_physical_calibrated_images((sl_physical_test)t, stratum_of(w), w->technique[task]) > 0;
        if (!r->applicable) continue;
        applicable++;
        least = fmin(least, r->p);
        out.applies |= own;
        out.own |= own && r->value > r->limit;
    }
    out.any = least * applicable <= 0.01;
    return out;
}

/* Where the caught share first reaches `share`, between the severities; NaN if never. */
static double severity_of(const int *caught, const int *tried, double share) {
    double last = 0, last_severity = 0;
    for (int k = 0; k < LEVELS; k++) {
        if (tried[k] == 0) continue;
        double now = (double)caught[k] / tried[k];
        if (now >= share && now > last)
            return last_severity + (severities[k] - last_severity) * (share - last) / (now - last);
        last = now, last_severity = severities[k];
    }
    return NAN;
}

typedef struct tally {
    int tried[LEVELS], applied[LEVELS], own[LEVELS], any[LEVELS];
    int meant, meant_applied; /* of the techniques that the tests are made for, all severities */
    /* of severity 1; rated: it is known what could be seen */
    int rated, visible, visible_applied, visible_own;
} tally;

static void add(const work *w, int task, int level, tally *t) {
    outcome o = judge(w, task, fault_id(w->kind));
    t->tried[level]++, t->applied[level] += o.applies;
    t->own[level] += o.own, t->any[level] += o.any;
    t->meant += o.meant, t->meant_applied += o.meant && o.applies;
    if (level < LEVELS - 1 || isnan(w->snr[task])) return;
    bool visible = w->snr[task] >= VISIBLE_SNR;
    t->rated++, t->visible += visible;
    t->visible_applied += visible && o.applies, t->visible_own += visible && o.own;
}

static double percent(int part, int of) {
    return of > 0 ? 100.0 * part / of : 0;
}

/* The share that could be seen at all; behind it, what is caught of those where that differs by two and more.
 */
static void write_visible(const tally *t) {
    double all = percent(t->own[LEVELS - 1], t->applied[LEVELS - 1]),
           visible = percent(t->visible_own, t->visible_applied);
    if (t->rated == 0)
        printf(" – |");
    else if (t->visible_applied == 0 || fabs(visible - all) < 2)
        printf(" %.0f |", percent(t->visible, t->rated));
    else
        printf(" %.0f: %.0f |", percent(t->visible, t->rated), visible);
}

static void write_row(const work *w, const tally *t) {
    enum { FULL = LEVELS - 1 };
    printf("| %s | %s | %d |", fault_id(w->kind), fault_words(w->kind), t->applied[FULL]);
    write_share(t->meant - t->meant_applied, t->meant, true);
    for (int k = 0; k < FULL; k++)
        printf(" %.0f / %.0f |", percent(t->own[k], t->applied[k]), percent(t->any[k], t->tried[k]));
    write_share(t->own[FULL], t->applied[FULL], true);
    printf(" %.0f |", percent(t->any[FULL], t->tried[FULL]));
    write_visible(t);
    for (int half = 1; half >= 0; half--) {
        double at = severity_of(t->own, t->applied, half ? 0.5 : 0.9);
        if (isnan(at))
            printf(" – |");
        else
            printf(" %.2f |", at);
    }
    printf("\n");
    fflush(stdout);
}

static bool fault_row(work *w, int kind, int images) {
    tally t = {0};
    w->kind = kind, w->faulty = true, w->first = 0;
    while (t.tried[LEVELS - 1] < images && w->first < 40 * (int64_t)images) {
        int64_t first = w->first;
        if (!next_batch(w, BATCH)) return false;
        for (int k = 0; k < BATCH && t.tried[LEVELS - 1] < images; k++)
            if (w->made[k]) add(w, k, level_of(first + k), &t);
    }
    write_row(w, &t);
    return true;
}

/* Applied and failed by technique; last: all tests of an image together. */
typedef struct alarms {
    int applied[TECHNIQUES][TESTS + 1], failed[TECHNIQUES][TESTS + 1];
} alarms;

/* All techniques together as they are in the default mix. */
static void write_pooled(const alarms *a, int test) {
    double share[TECHNIQUES] = {0}, applied = 0, failed = 0, all = 0;
    for (int c = 0; c < CLEAN_CLASSES; c++) share[clean_mix[c].technique] += clean_mix[c].share;
    for (int k = 0; k < TECHNIQUES; k++) {
        all += a->applied[k][test];
        applied += share[k] * a->applied[k][test], failed += share[k] * a->failed[k][test];
    }
    /* shares of the mix, counts of all images */
    write_share((int)lround(applied > 0 ? failed / applied * all : 0), (int)all, false);
}

static bool write_false_alarms(work *w, int images) {
    alarms a = {0};
    w->faulty = false, w->first = 0;
    while (w->first < (int64_t)images * TECHNIQUES) {
        int64_t left = (int64_t)images * TECHNIQUES - w->first;
        int count = left < BATCH ? (int)left : BATCH;
        if (!next_batch(w, count)) return false;
        for (int k = 0; k < count; k++) {
            int technique = (int)w->technique[k];
            for (int t = 0; t < TESTS; t++) {
                const sl_physical_result *r = &w->result[k][t];
                a.applied[technique][t] += r->applicable;
                a.failed[technique][t] += r->applicable && r->value > r->limit;
            }
            a.applied[technique][TESTS]++;
            a.failed[technique][TESTS] += judge(w, k, "").any;
        }
    }
    printf("| test | all, by the default mix | SAXS | WAXS | GISAXS | GIWAXS |\n|---|---|---|---|---|---|\n");
    for (int t = 0; t <= TESTS; t++) {
        printf("| %s |", t < TESTS ? sl_physical_id((sl_physical_test)t) : "*impossible*");
        write_pooled(&a, t);
        for (int k = 0; k < TECHNIQUES; k++) {
            if (a.applied[k][t] == 0)
                printf(" – |");
            else
                printf(" %d of %d |", a.failed[k][t], a.applied[k][t]);
        }
        printf("\n");
    }
    printf("\n");
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    static work w;
    int images = 100, clean = 500, threads = 0;
    const char *faults = NULL;
    for (int k = 1; k < argc; k++) {
        const char *value = k + 1 < argc ? argv[k + 1] : "";
        if (strcmp(argv[k], "--blind") == 0)
            w.blind = true;
        else if (strcmp(argv[k], "--faults") == 0)
            faults = value, k++;
        else if (strcmp(argv[k], "--clean") == 0)
            clean = atoi(value), k++;
        else if (strcmp(argv[k], "--threads") == 0)
            threads = atoi(value), k++;
        else
            images = atoi(argv[k]);
    }
    if (images < 1 || sl_threads_set(threads)) return 2;
    bool done = clean < 1 || write_false_alarms(&w, clean);
    printf(
        "| fault | | n | not applicable | 0.1 | 0.25 | 0.5 | 0.75 | 1 | any | visible | half | nine tenths "
        "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int kind = 0; kind <= COLOUR_FAULT && done; kind++)
        if (!faults || is_among(faults, fault_id(kind))) done = fault_row(&w, kind, images);
    for (int k = 0; k < SL_LIMIT_THREADS; k++)
        sl_sim_sample_free(&w.sample[k]), visibility_free(&w.before[k]);
    if (!done) fprintf(stderr, "physical-power: %s\n", sl_error_message());
    return !done;
}
