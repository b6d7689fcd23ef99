/* Do images show what their captions say? A judge learns the claims from held-out simulated images, by the
 * features of the backbone and those of physics of the measured image and of its expectation, and is asked
 * about others. */
#include "gates.h"

#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum claim_kind {
    TECHNIQUE,         /* every caption says it or another */
    WORD,              /* said wherever it is so */
    WIDE_WORD,         /* the same at wide angles */
    TRANSMISSION_WORD, /* the same in transmission */
    GRAZING_THING,     /* sometimes said where it is so, never so in transmission */
    RINGS,             /* few, several or many, if anything is said */
    WIDTH,             /* sharp or broad, if anything is said */
    OUTSIDE,           /* where the beam is, if anything is said */
    ROW,
    COLUMN
} claim_kind;

static const struct {
    const char *words;
    claim_kind kind;
    int value;
} claims[] = {
#define CLAIM(words, kind, value) {words, kind, value},
#include "claims.def"
#undef CLAIM
};
enum { CLAIMS = sizeof claims / sizeof *claims, DRAWS = 500, SAID_LEAST = 5, TAUGHT_LEAST = 20 };
_Static_assert((int)CLAIMS <= (int)CLAIMS_MAX, "claims fit");

int claims_count(void) {
    return CLAIMS;
}

const char *claims_words(int claim) {
    const char *words = claims[claim].words;
    return words[0] == ';' ? words + 2 : words;
}

/* Whether the list after "showing" has the words. */
static bool shows(const char *caption, const char *words) {
    const char *from = strstr(caption, "showing "), *end;
    if (!from) return false;
    const char *at = strstr(from, words);
    end = from + strlen(from);
    const char *const ends[] = {";", " with a beamstop", " on a"};
    for (int k = 0; k < 3; k++) {
        const char *stop = strstr(from, ends[k]);
        if (stop && stop < end) end = stop;
    }
    return at && at < end;
}

static bool tells_rings(const char *caption) {
    return strstr(caption, "; few rings") || strstr(caption, "; several rings") ||
           strstr(caption, "; many rings");
}

static int place_says(int claim, const char *caption) {
    const sl_caption_place place = sl_caption_place_of(caption);
    if (!sl_caption_place_said(&place)) return 0;
    if (claims[claim].kind == OUTSIDE) return place.outside ? 1 : -1;
    if (place.outside) return 0;
    return (claims[claim].kind == ROW ? place.row : place.column) == claims[claim].value ? 1 : -1;
}

int claims_say(int claim, const char *caption) {
    const char *words = claims[claim].words;
    sl_technique technique = sl_technique_of_caption(caption);
    bool grazing = sl_technique_is_grazing(technique),
         wide = technique == SL_TECHNIQUE_WAXS || technique == SL_TECHNIQUE_GIWAXS;
    switch (claims[claim].kind) {
    case TECHNIQUE:
        return (int)technique == claims[claim].value ? 1 : -1;
    case WORD:
        return shows(caption, words) ? 1 : -1;
    case WIDE_WORD:
        return shows(caption, words) ? 1 : wide ? -1 : 0;
    case TRANSMISSION_WORD:
        return shows(caption, words) ? 1 : grazing ? 0 : -1;
    case GRAZING_THING:
        return shows(caption, words) ? 1 : grazing ? 0 : -1;
    case RINGS:
        return strstr(caption, words) ? 1 : tells_rings(caption) ? -1 : 0;
    case WIDTH:
        return strstr(caption, words) ? 1 : strstr(caption, "; broad") ? -1 : 0;
    default:
        return place_says(claim, caption);
    }
}

/* ---- scores and calls ---- */

double f1_of(int64_t true_positive, int64_t false_positive, int64_t false_negative) {
    int64_t all = 2 * true_positive + false_positive + false_negative;
    return all > 0 ? 2.0 * (double)true_positive / (double)all : (double)NAN;
}

typedef struct scored {
    double score;
    int label;
} scored;

static int falling(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

double f1_threshold(const double *score, const int *label, int64_t count) {
    scored *order;
    int64_t n = 0, positives = 0, found = 0;
    double best = -1, threshold = 0;
    if (sl_alloc(&order, (size_t)count + 1, sizeof *order)) return threshold;
    for (int64_t i = 0; i < count; i++) {
        if (!label[i] || !isfinite(score[i])) continue;
        order[n++] = (scored){score[i], label[i]};
        positives += label[i] > 0;
    }
    qsort(order, (size_t)n, sizeof *order, falling);
    for (int64_t i = 0; i < n; i++) {
        found += order[i].label > 0;
        if (i + 1 < n && order[i + 1].score >= order[i].score) continue;
        double f1 = f1_of(found, i + 1 - found, positives - found);
        /* half way to the next: what lies there is as near to either */
        if (f1 > best)
            best = f1, threshold = i + 1 < n ? (order[i].score + order[i + 1].score) / 2 : order[i].score;
    }
    sl_free(order);
    return threshold;
}

/* ---- the classifier ---- */

enum { WIDTH_ALL = BACKBONE_FEATURES + SL_SIM_ATTRIBUTE_COUNT + 2 * SL_IMAGE_FEATURE_COUNT };
static const image_set asked[] = {SET_CLEAN, SET_SAMPLES, SET_ROUND_TRIP, SET_UNTRAINED};
enum { ASKED = sizeof asked / sizeof *asked };

typedef struct work {
    const gates *g;
    sl_points points;      /* the reference, then each set that is asked about */
    int64_t first[ASKED];  /* row of each */
    bool usable[CLAIMS];   /* enough to learn from */
    int *label[CLAIMS];    /* [rows] what captions say */
    double *score[CLAIMS]; /* [rows] what the judge says, of each row by one that has not learnt from it */
    double least[CLAIMS];  /* score that is called so */
} work;

static void copy_points(sl_points *raw, int64_t first, const image_rows *rows) {
    for (int64_t i = 0; i < rows->count; i++) {
        const image_row *row = &rows->row[i];
        double *out = raw->at + (first + i) * raw->width;
        for (int k = 0; k < BACKBONE_FEATURES; k++) *out++ = (double)row->backbone[k];
        for (int k = 0; k < SL_SIM_ATTRIBUTE_COUNT; k++) *out++ = (double)row->attribute[k];
        for (int k = 0; k < SL_IMAGE_FEATURE_COUNT; k++) *out++ = row->feature[k];
        for (int k = 0; k < SL_IMAGE_FEATURE_COUNT; k++) *out++ = row->expected[k];
    }
}

static sl_status make_points(work *w) {
    const image_rows *reference = &w->g->set[SET_REFERENCE];
    unsigned char kept[WIDTH_ALL];
    sl_points raw;
    int64_t rows = reference->count;
    for (int s = 0; s < ASKED; s++) w->first[s] = rows, rows += w->g->set[asked[s]].count;
    SL_TRY(sl_points_new(rows, WIDTH_ALL, &raw));
    copy_points(&raw, 0, reference);
    for (int s = 0; s < ASKED; s++) copy_points(&raw, w->first[s], &w->g->set[asked[s]]);
    sl_status status = sl_points_standardise(&raw, reference->count, reference->count, kept, &w->points);
    sl_points_free(&raw);
    return status;
}

/* Of an image without rings or arcs there is nothing to say. */
static int true_rings(int claim, const image_row *row) {
    static const double most[] = {SL_SIM_RINGS_FEW_MOST, SL_SIM_RINGS_SEVERAL_MOST, INFINITY};
    double rings = round(exp2(4 * (double)row->truth[SL_SIM_ATTRIBUTE_RING_COUNT])) - 1;
    int as = claims[claim].value;
    if (rings < 1) return 0;
    return rings <= most[as] && (as == 0 || rings > most[as - 1]) ? 1 : -1;
}

static int true_place(int claim, const image_row *row) {
    bool inside = row->truth[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0;
    if (claims[claim].kind == OUTSIDE) return inside ? -1 : 1;
    if (!inside) return 0;
    sl_sim_attribute along =
        claims[claim].kind == ROW ? SL_SIM_ATTRIBUTE_CENTRE_ROW : SL_SIM_ATTRIBUTE_CENTRE_COLUMN;
    double at = (double)row->truth[along];
    int third = at < 1 / 3.0 ? 0 : at > 2 / 3.0 ? 2 : 1;
    return third == claims[claim].value ? 1 : -1;
}

int claims_teach(int claim, const image_row *row) {
    switch (claims[claim].kind) {
    case GRAZING_THING:
        return row->truth[claims[claim].value] > 0 ? 1 : -1;
    case RINGS:
        return true_rings(claim, row);
    case OUTSIDE:
    case ROW:
    case COLUMN:
        return true_place(claim, row);
    default:
        return claims_say(claim, row->caption);
    }
}

static void fill_labels(work *w, int claim) {
    const image_rows *reference = &w->g->set[SET_REFERENCE];
    int64_t said[2] = {0, 0};
    for (int64_t i = 0; i < reference->count; i++) {
        int label = w->label[claim][i] = claims_teach(claim, &reference->row[i]);
        if (label) said[label > 0]++;
    }
    for (int s = 0; s < ASKED; s++)
        for (int64_t i = 0; i < w->g->set[asked[s]].count; i++)
            w->label[claim][w->first[s] + i] = claims_say(claim, w->g->set[asked[s]].row[i].caption);
    w->usable[claim] = said[0] >= TAUGHT_LEAST && said[1] >= TAUGHT_LEAST;
    if (!w->usable[claim]) memset(w->label[claim], 0, (size_t)w->points.count * sizeof **w->label);
}

/* Of claims that too few rows could teach nothing is learnt. */
static sl_status teach(work *w, const sl_rows *train, const sl_rows *test) {
    const claim_lesson lesson = {&w->points, w->label, CLAIMS};
    caption_judge *judge;
    SL_TRY(caption_judge_new(&lesson, train, w->g->progress, &judge));
    sl_status status = caption_judge_ask(judge, test, w->score);
    caption_judge_free(judge);
    return status;
}

/* The reference is scored by halves, each by what the other teaches: thresholds come from there. The others
 * by what all of it teaches. */
static sl_status ask(work *w) {
    int64_t n = w->g->set[SET_REFERENCE].count, *room;
    SL_TRY(sl_alloc(&room, (size_t)w->points.count, sizeof *room));
    sl_rows half[2] = {{room, n / 2}, {room + n / 2, n - n / 2}}, reference = {room, n},
            others = {room + n, w->points.count - n};
    for (int64_t i = 0; i < n; i++) half[i % 2].row[i / 2] = i;
    for (int64_t i = n; i < w->points.count; i++) room[i] = i;
    sl_status status = teach(w, &half[0], &half[1]);
    if (!status) status = teach(w, &half[1], &half[0]);
    if (!status) status = teach(w, &reference, &others);
    sl_free(room);
    return status;
}

static void find_thresholds(work *w) {
    for (int c = 0; c < CLAIMS; c++)
        if (w->usable[c])
            w->least[c] = f1_threshold(w->score[c], w->label[c], w->g->set[SET_REFERENCE].count);
}

/* ---- figures ---- */

/* F1 of a claim over rows first + index[...] (NULL: in order). */
static double f1_over(const work *w, int claim, int64_t first, const uint32_t *index, int64_t count) {
    int64_t hits = 0, false_calls = 0, missed = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = first + (index ? (int64_t)index[i] : i);
        int label = w->label[claim][row];
        bool called = w->score[claim][row] >= w->least[claim];
        hits += label > 0 && called, missed += label > 0 && !called, false_calls += label < 0 && called;
    }
    return f1_of(hits, false_calls, missed);
}

/* Mean over claims[...] that are used; those that a resample happens to lack are left out of it. */
static double macro_over(const work *w, const bool *used, int64_t first, const uint32_t *index,
                         int64_t count) {
    double sum = 0, n = 0;
    for (int c = 0; c < CLAIMS; c++) {
        double f1 = used[c] ? f1_over(w, c, first, index, count) : (double)NAN;
        if (isfinite(f1)) sum += f1, n++;
    }
    return n > 0 ? sum / n : NAN;
}

/* Interval by resampling images; claim < 0: the mean over the used ones. */
static sl_status estimate(const work *w, const bool *used, int claim, int set, sl_estimate *out) {
    int64_t first = w->first[set], n = w->g->set[asked[set]].count;
    uint32_t *index;
    double value[DRAWS];
    *out = (sl_estimate){NAN, NAN, NAN, n, "bootstrap"};
    if (n == 0) return SL_OK;
    SL_TRY(sl_alloc(&index, (size_t)n, sizeof *index));
    for (int d = 0; d < DRAWS; d++) {
        sl_random random = sl_random_stream(1, SL_STREAM_BOOTSTRAP, (uint32_t)d);
        for (int64_t i = 0; i < n; i++) index[i] = sl_random_below(&random, (uint32_t)n);
        value[d] = claim < 0 ? macro_over(w, used, first, index, n) : f1_over(w, claim, first, index, n);
    }
    sl_free(index);
    *out = sl_estimate_of_draws(value, DRAWS, n, "bootstrap");
    out->value = claim < 0 ? macro_over(w, used, first, NULL, n) : f1_over(w, claim, first, NULL, n);
    return SL_OK;
}

/* Claims that enough captions make, and enough make otherwise. The clean images have the samples' captions.
 */
static void choose_claims(const work *w, bool used[CLAIMS], obedience *out) {
    for (int c = 0; c < CLAIMS; c++) {
        int64_t said[2] = {0, 0};
        for (int64_t i = 0; i < w->g->set[SET_CLEAN].count; i++) {
            int label = w->label[c][w->first[0] + i];
            if (label) said[label < 0]++;
        }
        used[c] = w->usable[c] && said[0] >= SAID_LEAST && said[1] >= SAID_LEAST;
        if (used[c])
            out->claim[out->claims++] = (obeyed){.claim = claims_words(c), .said = {said[0], said[1]}};
    }
}

static sl_status measure(const work *w, obedience *out) {
    bool used[CLAIMS];
    choose_claims(w, used, out);
    for (int c = 0, at = 0; c < CLAIMS; c++) {
        if (!used[c]) continue;
        SL_TRY(estimate(w, used, c, 0, &out->claim[at].limit));
        SL_TRY(estimate(w, used, c, 1, &out->claim[at++].f1));
    }
    sl_estimate *all[ASKED] = {&out->limit, &out->samples, &out->round_trip, &out->untrained};
    for (int s = 0; s < ASKED; s++) SL_TRY(estimate(w, used, -1, s, all[s]));
    return SL_OK;
}

sl_status obedience_measure(const gates *g, obedience *out) {
    work w = {.g = g};
    sl_status status = make_points(&w);
    *out = (obedience){0};
    for (int c = 0; c < CLAIMS && !status; c++) {
        status = sl_alloc(&w.label[c], (size_t)w.points.count, sizeof *w.label[c]);
        if (!status) status = sl_alloc(&w.score[c], (size_t)w.points.count, sizeof *w.score[c]);
        if (!status) fill_labels(&w, c);
    }
    if (!status) status = ask(&w);
    if (!status) find_thresholds(&w), status = measure(&w, out);
    for (int c = 0; c < CLAIMS; c++) sl_free(w.label[c]), sl_free(w.score[c]);
    sl_points_free(&w.points);
    return status;
}
