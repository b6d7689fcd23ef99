#include "loop/evaluate/evaluate.h"

#include "base/numeric/sort.h"
#include "loop/shipped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sl_option sl_evaluate_options[] = {
    SL_OPTION_TEXT(sl_evaluate_settings, reference, "reference", 'r', NULL, "SET", "what it should be like"),
    SL_OPTION_TEXT(sl_evaluate_settings, candidate, "candidate", 'c', NULL, "SET", "what is to be judged"),
    SL_OPTION_TEXT(sl_evaluate_settings, holdout, "holdout", 0, NULL, "SET",
                   "images like the reference that nothing was trained on: tells copies from likeness"),
    SL_OPTION_PATH(sl_evaluate_settings, report, "report", 'o', NULL, "FILE", "also write one HTML page"),
    SL_OPTION_LIST(sl_evaluate_settings, groups, "groups", 0, "FILE",
                   "table with columns 'file' and 'group' that names the groups of files"),
    SL_OPTION_CHOICE(sl_evaluate_settings, group_by, "group-by", 0, "series", "series|folder|file",
                     "what makes a group of files otherwise, as import does"),
    SL_OPTION_LIST(sl_evaluate_settings, without, "without", 0, "ID",
                   "leave out features whose id begins so (\"noise\", \"psd\"): what else differs?"),
    SL_OPTION_CHOICE(sl_evaluate_settings, spaces, "spaces", 0, "all", "all|physical",
                     "physical features and the shipped backbone's, or the first alone"),
    SL_OPTION_CHOICE(sl_evaluate_settings, beam, "beam", 0, "blind", "blind|known",
                     "look for the beam in every image, or take it from where it is recorded"),
    SL_OPTION_FLAG(sl_evaluate_settings, strata, "strata", 0, "also compare images of each technique alone"),
    SL_OPTION_INT(
        sl_evaluate_settings, size_px, "size", 0, "256", 64, 1024, "px",
        "longer side to which images are averaged down; the smallest image sets it where it is smaller"),
    SL_OPTION_INT(sl_evaluate_settings, most, "max", 0, "500", 2, 5000, "images",
                  "images of a set at most, drawn at random"),
    SL_OPTION_INT(sl_evaluate_settings, draws, "draws", 0, "1000", 20, 20000, "N",
                  "resamples behind each interval"),
    SL_OPTION_INT(sl_evaluate_settings, k, "k", 0, "5", 1, 32, "N", "neighbours of density and coverage"),
    SL_OPTION_INT(sl_evaluate_settings, seed, "seed", 's', "0", 0, 9007199254740992.0, "N",
                  "of all random choices"),
    SL_OPTION_INT(sl_evaluate_settings, thumbnails, "thumbnails", 0, "12", 0, 200, "images",
                  "images of each set on the page"),
    {0}};

static const char *const techniques[SL_EVALUATE_TECHNIQUES] = {"SAXS", "WAXS", "GISAXS", "GIWAXS"};

typedef struct evaluator {
    const sl_evaluate_settings *settings;
    const sl_workspace *workspace;
    const sl_progress *progress;
    sl_arena *arena;
    sl_evaluation *out;
    sl_compare_settings compare;
    sl_model *backbone;
    sl_comparison comparison;
} evaluator;

double sl_set_number_place(const sl_set_number *number) {
    const sl_estimate *floor_number = &number->floor, *ceiling = &number->ceiling;
    bool apart = ceiling->low > floor_number->high || ceiling->high < floor_number->low;
    double span = ceiling->value - floor_number->value;
    return apart ? (number->value.value - floor_number->value) / span : NAN;
}

static void warn(evaluator *e, const char *text) {
    json_array_append_new(e->out->warnings, json_string(text));
}

/* --- reading --- */

static sl_status open_sets(evaluator *e) {
    const sl_evaluate_settings *s = e->settings;
    const char *words[SL_EVALUATE_SETS] = {s->reference, s->candidate, s->holdout};
    sl_image_set_settings how = {.names = {.groups = s->groups, .group_by = s->group_by},
                                 .most = s->most,
                                 .seed = (uint64_t)s->seed,
                                 .simulation_px = (int32_t)s->size_px};
    if (!words[0] || !words[1])
        return sl_fail(SL_INVALID, "--reference SET and --candidate SET are both needed");
    e->out->has_holdout = words[2] != NULL;
    for (int i = 0; i < SL_EVALUATE_SETS; i++)
        if (words[i]) SL_TRY(sl_image_set_open(words[i], e->workspace, &how, e->arena, &e->out->sets[i].set));
    return SL_OK;
}

static void choose_side(evaluator *e) {
    int64_t side = e->settings->size_px;
    const char *smallest = NULL;
    for (int s = 0; s < SL_EVALUATE_SETS; s++)
        for (int64_t i = 0; i < e->out->sets[s].set.count; i++) {
            const sl_set_image *each = &e->out->sets[s].set.image[i];
            if (each->side_px < side) side = each->side_px, smallest = each->name;
        }
    e->out->side_px = (int32_t)side;
    if (smallest)
        warn(e, sl_arena_printf(e->arena, "compared at %lld px, because '%s' has no more", (long long)side,
                                smallest));
}

static sl_status load_backbone(evaluator *e) {
    const char *folder;
    if (e->settings->spaces) return SL_OK;
    sl_status status = sl_shipped_model(e->arena, "backbone", &folder);
    if (status == SL_NOT_FOUND) {
        warn(e, "the shipped backbone was not found: physical features alone");
        return SL_OK;
    }
    return status ? status : sl_model_load(folder, &e->backbone);
}

static sl_status measure_sets(evaluator *e) {
    enum { BACKBONE_PX = 128 }; /* what it was trained on */
    sl_measuring how = {.side_px = e->out->side_px,
                        .known_beam = e->settings->beam == 1,
                        .backbone = e->backbone,
                        .backbone_px = BACKBONE_PX,
                        .seed = (uint64_t)e->settings->seed};
    for (int s = 0; s < SL_EVALUATE_SETS; s++) {
        sl_evaluated_set *each = &e->out->sets[s];
        how.shuffled = s == 0;
        if (each->set.count) SL_TRY(sl_measured_set_make(&each->set, &how, e->progress, &each->measured));
    }
    return SL_OK;
}

/* --- groups and techniques --- */

typedef struct named {
    const char *name;
    int64_t *out;
} named;

static int by_name(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* Equal names get equal numbers, across the sets. */
static sl_status number_groups(evaluator *e) {
    int64_t total = 0, n = 0, number = -1;
    for (int s = 0; s < SL_EVALUATE_SETS; s++) {
        sl_evaluated_set *each = &e->out->sets[s];
        total += each->measured.count;
        SL_TRY(sl_alloc(&each->group, (size_t)each->measured.count + 1, sizeof *each->group));
    }
    named *all;
    SL_TRY(sl_alloc(&all, (size_t)total, sizeof *all));
    for (int s = 0; s < SL_EVALUATE_SETS; s++)
        for (int64_t i = 0; i < e->out->sets[s].measured.count; i++)
            all[n++] = (named){e->out->sets[s].set.image[e->out->sets[s].measured.index[i]].group,
                               &e->out->sets[s].group[i]};
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(all[i].name, all[i - 1].name) != 0) number++;
        *all[i].out = number;
    }
    sl_free(all);
    return SL_OK;
}

static const char *technique_of(const sl_evaluated_set *each, int64_t row) {
    return each->set.image[each->measured.index[row]].technique;
}

static void count_set(sl_evaluated_set *each) {
    for (int64_t i = 0; i < each->measured.count; i++) {
        bool first = true;
        for (int64_t j = 0; j < i; j++) first = first && each->group[j] != each->group[i];
        each->groups += first;
        for (int t = 0; t < SL_EVALUATE_TECHNIQUES; t++)
            each->technique[t] += technique_of(each, i) && strcmp(technique_of(each, i), techniques[t]) == 0;
    }
}

static void warn_of_sets(evaluator *e) {
    enum { FEW_GROUPS = 10 };
    static const char *const names[] = {"reference", "candidate", "hold-out set"};
    for (int s = 0; s < SL_EVALUATE_SETS; s++) {
        sl_evaluated_set *each = &e->out->sets[s];
        if (!each->measured.count) continue;
        count_set(each);
        if (each->groups < FEW_GROUPS)
            warn(e, sl_arena_printf(e->arena, "the %s has only %lld groups: its intervals are rough",
                                    names[s], (long long)each->groups));
    }
    for (int t = 0; t < SL_EVALUATE_TECHNIQUES; t++) {
        double a = (double)e->out->sets[0].technique[t] / (double)e->out->sets[0].measured.count,
               b = (double)e->out->sets[1].technique[t] / (double)e->out->sets[1].measured.count;
        if (fabs(a - b) > 0.15)
            warn(e, sl_arena_printf(e->arena,
                                    "%s is %.0f %% of the reference and %.0f %% of the candidate: part "
                                    "of the distance is this mix (--strata looks at each)",
                                    techniques[t], 100 * a, 100 * b));
    }
}

/* --- comparing --- */

static sl_status compare_rows(evaluator *e, const sl_rows *reference, const sl_rows *candidate,
                              sl_set_number *number) {
    SL_TRY(sl_compare_draws(&e->comparison, reference, candidate, &e->compare, e->progress, number));
    return sl_compare_probes(&e->comparison, reference, candidate, &e->compare, e->progress, number);
}

static void explain_missing(sl_set_number *number) {
    for (int i = 0; i < SL_SET_NUMBER_COUNT; i++)
        if (!isfinite(number[i].value.value) && !number[i].missing[0])
            snprintf(number[i].missing, sizeof number[i].missing, "not to be had from these groups");
}

/* Rows of set `s` that have a technique (NULL: all), as rows of the comparison. */
static sl_status list_rows(const evaluator *e, int s, const char *technique, sl_rows *out) {
    const sl_evaluated_set *each = &e->out->sets[s];
    *out = (sl_rows){0};
    SL_TRY(sl_alloc(&out->row, (size_t)each->measured.count + 1, sizeof *out->row));
    for (int64_t i = 0; i < each->measured.count; i++) {
        const char *has = technique_of(each, i);
        if (technique && (!has || strcmp(has, technique) != 0)) continue;
        out->row[out->count++] = i + (s ? e->comparison.reference : 0);
    }
    return SL_OK;
}

static sl_status compare_all(evaluator *e, const char *technique, sl_set_number *number, int64_t count[2]) {
    sl_rows reference = {0}, candidate = {0};
    sl_status status = list_rows(e, 0, technique, &reference);
    if (!status) status = list_rows(e, 1, technique, &candidate);
    count[0] = reference.count;
    count[1] = candidate.count;
    if (!status && reference.count && candidate.count)
        status = compare_rows(e, &reference, &candidate, number);
    sl_free(reference.row);
    sl_free(candidate.row);
    return status;
}

static sl_status compare_strata(evaluator *e) {
    for (int t = 0; t < SL_EVALUATE_TECHNIQUES && e->settings->strata; t++) {
        sl_evaluated_stratum *stratum = &e->out->stratum[e->out->strata];
        int64_t count[2];
        SL_TRY(compare_all(e, techniques[t], stratum->number, count));
        stratum->technique = techniques[t];
        stratum->reference = count[0];
        stratum->candidate = count[1];
        if (!count[0] || !count[1]) continue;
        explain_missing(stratum->number);
        e->out->strata++;
    }
    return SL_OK;
}

/* Which rows of reference and candidate have the technique; what nothing is said of counts as not having it.
 */
static void mark_technique(const evaluator *e, const char *technique, bool *label, sl_transfer *out) {
    int64_t row = 0;
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < e->out->sets[s].measured.count; i++) {
            const char *has = technique_of(&e->out->sets[s], i);
            label[row] = has && strcmp(has, technique) == 0;
            *(s ? &out->candidate : &out->reference) += label[row++];
        }
}

/* Train on the candidate, test on the reference, for every technique of which both have some and lack some.
 */
static sl_status compare_transfers(evaluator *e) {
    enum { LEAST = 4 };
    bool *label;
    int64_t n = e->comparison.reference, m = e->comparison.candidate;
    SL_TRY(sl_alloc(&label, (size_t)(n + m), sizeof *label));
    sl_status status = SL_OK;
    for (int t = 0; t < SL_EVALUATE_TECHNIQUES && !status; t++) {
        sl_transfer transfer = {.technique = techniques[t]};
        mark_technique(e, techniques[t], label, &transfer);
        if (transfer.reference < LEAST || transfer.candidate < LEAST || n - transfer.reference < LEAST ||
            m - transfer.candidate < LEAST)
            continue;
        status = sl_compare_transfer(&e->comparison, label, &e->compare, &transfer.taught_by_candidate,
                                     &transfer.taught_by_reference);
        if (!status) e->out->transfer[e->out->transfers++] = transfer;
        if (status == SL_INVALID) status = SL_OK; /* too few groups of this technique */
    }
    sl_free(label);
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(a, b);
}

static sl_status count_identical(evaluator *e) {
    const sl_measured_set *a = &e->out->sets[0].measured, *b = &e->out->sets[1].measured;
    char(*known)[SL_SHA256_HEX];
    SL_TRY(sl_alloc(&known, (size_t)a->count, sizeof *known));
    memcpy(known, a->content, (size_t)a->count * sizeof *known);
    qsort(known, (size_t)a->count, sizeof *known, by_text);
    for (int64_t i = 0; i < b->count; i++)
        e->out->identical += bsearch(b->content[i], known, (size_t)a->count, sizeof *known, by_text) != NULL;
    sl_free(known);
    return SL_OK;
}

static sl_status compare_copies(evaluator *e) {
    int64_t n = e->comparison.candidate;
    SL_TRY(sl_alloc(&e->out->nearest, (size_t)n, sizeof *e->out->nearest));
    SL_TRY(sl_alloc(&e->out->distance, (size_t)n, sizeof *e->out->distance));
    SL_TRY(sl_compare_copies(&e->comparison, &e->compare, e->out->nearest, e->out->number));
    for (int64_t i = 0; i < n; i++)
        e->out->distance[i] =
            sl_pair(&e->comparison.distance, e->comparison.reference + i, e->out->nearest[i]);
    if (!e->out->has_holdout)
        warn(e, "no hold-out set: copies are judged against the distances within the reference");
    return count_identical(e);
}

/* Quartiles of columns first..first+width of both sets. */
static sl_status quartiles(const sl_comparison *c, int64_t first, int64_t width, sl_points *out) {
    double *column;
    int64_t most = c->reference > c->candidate ? c->reference : c->candidate;
    SL_TRY(sl_points_new(6, width, out));
    SL_TRY(sl_alloc(&column, (size_t)most, sizeof *column));
    for (int set = 0; set < 2; set++)
        for (int64_t k = 0; k < width; k++) {
            int64_t n = 0, start = set ? c->reference : 0, end = start + (set ? c->candidate : c->reference);
            for (int64_t i = start; i < end; i++) {
                double v = sl_points_row(&c->raw, i)[first + k];
                if (isfinite(v)) column[n++] = v;
            }
            sl_sort_doubles(column, (size_t)n);
            for (int q = 0; q < 3; q++)
                out->at[(set * 3 + q) * width + k] = n ? column[(n - 1) * (q + 1) / 4] : NAN;
        }
    sl_free(column);
    return SL_OK;
}

static sl_status compare(evaluator *e) {
    const sl_evaluated_set *sets = e->out->sets;
    const sl_measured_set *measured[3] = {&sets[0].measured, &sets[1].measured,
                                          sets[2].measured.count ? &sets[2].measured : NULL};
    const int64_t *group[3] = {sets[0].group, sets[1].group, sets[2].group};
    int64_t count[2];
    e->compare = (sl_compare_settings){.draws = e->settings->draws,
                                       .k = e->settings->k,
                                       .seed = (uint64_t)e->settings->seed,
                                       .without = &e->settings->without};
    SL_TRY(sl_comparison_new(measured, group, &e->compare, &e->comparison));
    SL_TRY(compare_all(e, NULL, e->out->number, count));
    SL_TRY(compare_copies(e));
    explain_missing(e->out->number);
    SL_TRY(sl_compare_columns(&e->comparison, &e->compare, e->out->column));
    SL_TRY(quartiles(&e->comparison, SL_IMAGE_FEATURE_PROFILE_00, SL_PROFILE_BINS, &e->out->profile));
    SL_TRY(quartiles(&e->comparison, SL_IMAGE_FEATURE_PSD_0, SL_PSD_BANDS, &e->out->spectrum));
    SL_TRY(compare_transfers(e));
    return compare_strata(e);
}

sl_status sl_evaluate(const sl_evaluate_settings *settings, const sl_workspace *workspace,
                      const sl_progress *progress, sl_arena *arena, sl_evaluation *out) {
    *out = (sl_evaluation){.warnings = json_array()};
    evaluator e = {
        .settings = settings, .workspace = workspace, .progress = progress, .arena = arena, .out = out};
    sl_status status = open_sets(&e);
    if (!status) choose_side(&e);
    if (!status) status = load_backbone(&e);
    if (!status) status = measure_sets(&e);
    if (!status) status = number_groups(&e);
    if (!status) warn_of_sets(&e);
    if (!status) status = compare(&e);
    sl_comparison_free(&e.comparison);
    sl_model_free(e.backbone);
    if (status) sl_evaluation_free(out);
    return status;
}

void sl_evaluation_free(sl_evaluation *evaluation) {
    for (int s = 0; s < SL_EVALUATE_SETS; s++) {
        sl_image_set_close(&evaluation->sets[s].set);
        sl_measured_set_free(&evaluation->sets[s].measured);
        sl_free(evaluation->sets[s].group);
    }
    sl_free(evaluation->nearest);
    sl_free(evaluation->distance);
    sl_points_free(&evaluation->profile);
    sl_points_free(&evaluation->spectrum);
    json_decref(evaluation->warnings);
    *evaluation = (sl_evaluation){0};
}
