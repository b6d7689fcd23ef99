/* Writes src/xray/caption/model.def: logistic regressions from what simulated images show to the words of
 * their captions, and what each claim of a caption weighs.
 *
 *     caption-model [IMAGES [THREADS]] > model.def     (built by `ninja tools/caption-model`)
 *
 * The weights are a logistic regression with none below zero, from the claims' doubts to whether a caption is
 * the image's own or another one's: of the same technique, of other angles, of the other geometry. Doubts are
 * those of regressions that have not seen the image. The same bytes for any number of threads. */
#include "base/random/random.h"
#include "base/threads.h"
#include "xray/caption/words.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F = SL_CAPTION_EVIDENCE, W = SL_CAPTION_WORD_COUNT, C = SL_CAPTION_CLAIMS, FOLDS = 4, KINDS = 3 };

static const uint64_t seed = 7301; /* no limit and no figure comes from it */
static const double ridge = 3e-3;  /* keeps weights of features that always agree apart from infinity */

typedef struct example {
    double feature[F];
    bool is_true[W];
    double unseen[W]; /* logit of each word by a regression without this image */
    sl_technique technique;
    bool is_empty;
    sl_caption_beam beam;
    char caption[SL_SIM_CAPTION_BYTES];
} example;

typedef struct work {
    example *all;
    int images;
    double model[FOLDS + 1][W][F + 1]; /* the last: of all images */
} work;

static void tell_truth(const sl_sim_sample *s, example *out) {
    out->is_true[SL_CAPTION_GRAZING] = s->is_grazing;
    out->is_true[SL_CAPTION_WIDE] = s->technique == SL_TECHNIQUE_WAXS || s->technique == SL_TECHNIQUE_GIWAXS;
#define SL_CAPTION_WORD(name, text, attribute_name)                                                          \
    out->is_true[SL_CAPTION_##name] = s->attribute[SL_SIM_ATTRIBUTE_##attribute_name] > 0;
#include "xray/caption/word.def"
#undef SL_CAPTION_WORD
    out->technique = s->technique;
    out->is_empty = s->class_id == SL_SIM_EMPTY;
    out->beam = (sl_caption_beam){s->beam_row_px / s->size_px, s->beam_column_px / s->size_px, 0.99};
    memcpy(out->caption, s->caption, sizeof out->caption);
}

static sl_status collect(void *context, int64_t task, int worker) {
    work *w = context;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    (void)worker;
    options.measure = true;
    sl_status status = sl_sim_sample_make(seed, (uint32_t)task, &options, &sample);
    if (!status) status = sl_caption_evidence(&sample.measured, w->all[task].feature);
    if (!status) tell_truth(&sample, &w->all[task]);
    sl_sim_sample_free(&sample);
    return status;
}

/* Brings every feature to mean 0 and spread 1, missing ones to 0, and writes what is usual. */
static void standardise(example *all, int images) {
    for (int f = 0; f < F; f++) {
        double sum = 0, square = 0, n = 0;
        for (int k = 0; k < images; k++) {
            double v = all[k].feature[f];
            if (isfinite(v)) sum += v, square += v * v, n++;
        }
        double mean = n > 0 ? sum / n : 0, spread = n > 1 ? sqrt(fmax(square / n - mean * mean, 0)) : 0;
        if (spread < 1e-9) spread = 1;
        for (int k = 0; k < images; k++) {
            double v = all[k].feature[f];
            all[k].feature[f] = isfinite(v) ? fmax(-4, fmin(4, (v - mean) / spread)) : 0;
        }
        printf("SL_CAPTION_FEATURE(%d, %.6g, %.6g)\n", f, mean, spread);
    }
}

static double logit(const double *weight, const double *feature) {
    double sum = weight[F];
    for (int f = 0; f < F; f++) sum += weight[f] * feature[f];
    return sum;
}

/* A word's regression without the images of a fold (FOLDS: of all), by gradient descent with momentum
 * (Nesterov) on the mean log loss. */
static void fit(void *context, int64_t task, int worker) {
    enum { ROUNDS = 1500 };
    work *w = context;
    int fold = (int)task / W, word = (int)task % W;
    double *weight = w->model[fold][word], ahead[F + 1] = {0};
    (void)worker;
    for (int round = 0; round < ROUNDS; round++) {
        double gradient[F + 1] = {0}, n = 0;
        for (int k = 0; k < w->images; k++) {
            const example *e = &w->all[k];
            if (k % FOLDS == fold) continue;
            double off = 1 / (1 + exp(-logit(ahead, e->feature))) - e->is_true[word];
            for (int f = 0; f < F; f++) gradient[f] += off * e->feature[f];
            gradient[F] += off, n++;
        }
        for (int f = 0; f <= F; f++) {
            double next = ahead[f] - 0.2 * (gradient[f] / n + (f < F ? ridge * ahead[f] : 0));
            ahead[f] = next + 0.9 * (next - weight[f]);
            weight[f] = next;
        }
    }
    for (int k = 0; k < w->images; k++)
        if (k % FOLDS == fold) w->all[k].unseen[word] = logit(weight, w->all[k].feature);
}

/* 0: same technique; 1: other angles; 2: the other geometry. */
static int difference(const example *a, const example *b) {
    if (a->is_true[SL_CAPTION_GRAZING] != b->is_true[SL_CAPTION_GRAZING]) return 2;
    return a->is_true[SL_CAPTION_WIDE] != b->is_true[SL_CAPTION_WIDE];
}

/* Another image's caption that differs in this way; NULL where a hundred draws find none. */
static const char *other_caption(const work *w, const example *e, int kind, sl_random *random) {
    for (int draw = 0; draw < 100; draw++) {
        const example *other = &w->all[sl_random_below(random, (uint32_t)w->images)];
        bool says_nothing = kind == 0 && (e->is_empty || other->is_empty);
        if (difference(e, other) == kind && !says_nothing && strcmp(e->caption, other->caption) != 0)
            return other->caption;
    }
    return NULL;
}

/* The doubts of sl_caption_doubts, by the regressions that have not seen the image. */
static void doubts_of(const example *e, const char *caption, double *out) {
    for (int word = 0; word < W; word++) {
        int says = sl_caption_says(caption, (sl_caption_word)word);
        out[word] = says ? log1p(exp(-says * fmax(-6, fmin(6, e->unseen[word])))) : 0;
    }
    const sl_caption_place place = sl_caption_place_of(caption);
    double p = sl_caption_place_probability(&place, &e->beam);
    out[SL_CAPTION_PLACE] = isnan(p) ? 0 : -log(p);
}

typedef struct pair {
    double doubt[C];
    bool is_other;
} pair;

static void write_weights(const pair *pairs, int count) {
    enum { ROUNDS = 4000 };
    double weight[C], constant = -1;
    for (int c = 0; c < C; c++) weight[c] = 0.3;
    for (int round = 0; round < ROUNDS; round++) {
        double gradient[C + 1] = {0};
        for (int k = 0; k < count; k++) {
            double sum = constant;
            for (int c = 0; c < C; c++) sum += weight[c] * pairs[k].doubt[c];
            double off = 1 / (1 + exp(-sum)) - pairs[k].is_other;
            for (int c = 0; c < C; c++) gradient[c] += off * pairs[k].doubt[c] / count;
            gradient[C] += off / count;
        }
        for (int c = 0; c < C; c++) weight[c] = fmax(0, weight[c] - 0.1 * gradient[c]);
        constant -= 0.1 * gradient[C];
    }
    for (int c = 0; c < C; c++) printf("SL_CAPTION_WEIGHT(%d, %.3g)\n", c, weight[c]);
}

static bool weigh(const work *w) {
    pair *pairs = calloc((size_t)w->images * (KINDS + 1), sizeof *pairs);
    int count = 0;
    if (!pairs) return false;
    for (int k = 0; k < w->images; k++) {
        const example *e = &w->all[k];
        sl_random random = sl_random_stream(seed, SL_STREAM_SHUFFLE, (uint32_t)k);
        doubts_of(e, e->caption, pairs[count++].doubt);
        for (int kind = 0; kind < KINDS; kind++) {
            const char *caption = other_caption(w, e, kind, &random);
            if (!caption) continue;
            doubts_of(e, caption, pairs[count].doubt);
            pairs[count++].is_other = true;
        }
    }
    write_weights(pairs, count);
    free(pairs);
    return true;
}

int main(int argc, char **argv) {
    static work w;
    w.images = argc > 1 ? atoi(argv[1]) : 6000;
    if (w.images < 2 * FOLDS || sl_threads_set(argc > 2 ? atoi(argv[2]) : 0)) return 2;
    w.all = calloc((size_t)w.images, sizeof *w.all);
    if (!w.all) return 2;
    if (sl_parallel_try(w.images, collect, &w)) {
        fprintf(stderr, "caption-model: %s\n", sl_error_message());
        return 1;
    }
    printf("/* SL_CAPTION_FEATURE(index, mean, spread): what is usual of a feature; SL_CAPTION_MODEL(word, "
           "constant, "
           "weights);\n * SL_CAPTION_WEIGHT(claim, what its doubt weighs). Made by caption-model %d from "
           "simulator "
           "version %d\n * and features version %d. */\n",
           w.images, SL_SIM_VERSION, SL_IMAGE_FEATURES_VERSION);
    standardise(w.all, w.images);
    sl_parallel_for((int64_t)(FOLDS + 1) * W, fit, &w);
    for (int word = 0; word < W; word++) {
        printf("SL_CAPTION_MODEL(%d, %.5g, {", word, w.model[FOLDS][word][F]);
        for (int f = 0; f < F; f++) printf("%s%.4g", f ? ", " : "", w.model[FOLDS][word][f]);
        printf("})\n");
    }
    bool done = weigh(&w);
    free(w.all);
    return !done;
}
