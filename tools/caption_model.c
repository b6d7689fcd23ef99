/* Writes src/xray/caption_model.def: logistic regressions from what simulated images show to the words of
 * their captions.
 *
 *     caption-model [IMAGES] > caption_model.def     (built by `ninja tools/caption-model`) */
#include "xray/caption_words.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { F = SL_CAPTION_EVIDENCE, W = SL_CAPTION_WORD_COUNT, ROUNDS = 1500 };

static const uint64_t seed = 7003; /* no limit comes from it, and no figure */
static const double ridge = 1e-3;  /* keeps weights of features that always agree apart from infinity */

typedef struct example {
    double feature[F];
    bool is_true[W];
} example;

static void tell_truth(const sl_sim_sample *s, bool *out) {
    out[SL_CAPTION_GRAZING] = s->is_grazing;
    out[SL_CAPTION_WIDE] = s->technique == SL_TECHNIQUE_WAXS || s->technique == SL_TECHNIQUE_GIWAXS;
#define SL_CAPTION_WORD(name, text, attribute_name)                                                          \
    out[SL_CAPTION_##name] = s->attribute[SL_SIM_ATTRIBUTE_##attribute_name] > 0;
#include "xray/caption_word.def"
#undef SL_CAPTION_WORD
}

static sl_status collect(int images, example *out) {
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_status status = SL_OK;
    options.measure = true;
    for (int k = 0; k < images && !status; k++) {
        status = sl_sim_sample_make(seed, (uint32_t)k, &options, &sample);
        if (!status) status = sl_caption_evidence(&sample.measured, out[k].feature);
        if (!status) tell_truth(&sample, out[k].is_true);
    }
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

/* Gradient descent with momentum (Nesterov) on the mean log loss. */
static void fit(const example *all, int images, int word) {
    double weight[F + 1] = {0}, ahead[F + 1] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        double gradient[F + 1] = {0};
        for (int k = 0; k < images; k++) {
            double sum = ahead[F];
            for (int f = 0; f < F; f++) sum += ahead[f] * all[k].feature[f];
            double off = 1 / (1 + exp(-sum)) - all[k].is_true[word];
            for (int f = 0; f < F; f++) gradient[f] += off * all[k].feature[f] / images;
            gradient[F] += off / images;
        }
        for (int f = 0; f <= F; f++) {
            double next = ahead[f] - 0.2 * (gradient[f] + (f < F ? ridge * ahead[f] : 0));
            ahead[f] = next + 0.9 * (next - weight[f]);
            weight[f] = next;
        }
    }
    printf("SL_CAPTION_MODEL(%d, %.5g, {", word, weight[F]);
    for (int f = 0; f < F; f++) printf("%s%.4g", f ? ", " : "", weight[f]);
    printf("})\n");
}

int main(int argc, char **argv) {
    int images = argc > 1 ? atoi(argv[1]) : 1500;
    example *all = images > 0 ? calloc((size_t)images, sizeof *all) : NULL;
    if (!all) return 2;
    if (collect(images, all)) {
        fprintf(stderr, "caption-model: %s\n", sl_error_message());
        return 1;
    }
    printf("/* SL_CAPTION_FEATURE(index, mean, spread): what is usual of a feature; SL_CAPTION_MODEL(word, "
           "constant, "
           "weights).\n * Made by caption-model %d from simulator version %d and features version %d. */\n",
           images, SL_SIM_VERSION, SL_IMAGE_FEATURES_VERSION);
    standardise(all, images);
    for (int word = 0; word < W; word++) fit(all, images, word);
    free(all);
    return 0;
}
