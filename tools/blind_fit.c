/* Writes the numbers of the blind estimates, from simulated images:
 *
 *     blind-fit centre [IMAGES] > src/xray/blind/centre_weights.def
 *     blind-fit technique [IMAGES] > src/xray/blind/technique_weights.def
 *
 * (built by `ninja tools/blind-fit`). First the centre's, then compile, then the technique's, which go by it.
 * Both maximise a penalised likelihood by Adam (Kingma and Ba 2015) on all images at once. */
#include "base/memory.h"
#include "base/random/random.h"
#include "xray/blind/candidates.h"
#include "xray/blind/look.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 7101; /* far from the seeds of training data and of the measuring tool */

enum { WEIGHTS_MAX = SL_TECHNIQUE_UNKNOWN * BLIND_TRAITS };

/* Adds the gradient of an image's log likelihood. */
typedef void (*add_gradient)(const void *image, const double *weight, double *gradient);

static void maximise(const void *images, size_t image_bytes, int count, int weights, double penalty,
                     add_gradient add, double *weight) {
    enum { STEPS = 2000 };
    double mean[WEIGHTS_MAX] = {0}, square[WEIGHTS_MAX] = {0}, gradient[WEIGHTS_MAX];
    for (int step = 1; step <= STEPS; step++) {
        double rate = step < STEPS / 2 ? 0.05 : 0.05 * 2 * (STEPS - step) / STEPS;
        for (int k = 0; k < weights; k++) gradient[k] = -penalty * weight[k];
        for (int i = 0; i < count; i++) add((const char *)images + (size_t)i * image_bytes, weight, gradient);
        for (int k = 0; k < weights; k++) {
            mean[k] = 0.9 * mean[k] + 0.1 * gradient[k];
            square[k] = 0.99 * square[k] + 0.01 * gradient[k] * gradient[k];
            weight[k] +=
                rate * mean[k] / (1 - pow(0.9, step)) / (sqrt(square[k] / (1 - pow(0.99, step))) + 1e-6);
        }
    }
}

/* Shares of exp(utility) in place. */
static void soften(double *utility, int count) {
    double top = utility[0], all = 0;
    for (int k = 1; k < count; k++) top = fmax(top, utility[k]);
    for (int k = 0; k < count; k++) all += utility[k] = exp(utility[k] - top);
    for (int k = 0; k < count; k++) utility[k] /= all;
}

/* The places of an image, and which of them are right; none may be. */
typedef struct choice {
    int count;
    bool good[BLIND_CANDIDATES], any;
    double evidence[BLIND_CANDIDATES][BLIND_EVIDENCE];
} choice;

/* Evidence that goes in: not where in the frame a place lies, which is the simulator's habit. */
static bool is_used(int evidence) {
    return evidence != BLIND_OUTSIDE && evidence != BLIND_FAR;
}

/* weight[BLIND_EVIDENCE] is the utility of none. */
static void add_choice(const void *image, const double *weight, double *gradient) {
    const choice *c = image;
    double share[BLIND_CANDIDATES + 1], right = 0;
    for (int k = 0; k < c->count; k++) {
        share[k] = 0;
        for (int e = 0; e < BLIND_EVIDENCE; e++) share[k] += weight[e] * c->evidence[k][e];
    }
    share[c->count] = weight[BLIND_EVIDENCE];
    soften(share, c->count + 1);
    for (int k = 0; k < c->count; k++) right += c->good[k] ? share[k] : 0;
    for (int k = 0; k < c->count; k++) {
        double pull = (c->good[k] ? share[k] / fmax(right, 1e-12) : 0) - share[k];
        for (int e = 0; e < BLIND_EVIDENCE; e++)
            if (is_used(e)) gradient[e] += pull * c->evidence[k][e];
    }
    gradient[BLIND_EVIDENCE] += (c->any ? 0 : 1) - share[c->count];
}

static sl_status fill_choice(const sl_sim_sample *s, blind_bins *b, choice *out) {
    blind_cells level[BLIND_LEVELS];
    blind_candidate place[BLIND_CANDIDATES];
    blind_stop stops[BLIND_STOPS];
    SL_TRY(blind_pyramid_make(&s->measured, level));
    double cell_px = level[BLIND_CANDIDATE_LEVEL].cell_px, near = 4.0 * s->size_px / 256;
    int stop_count = blind_stops_find(&level[BLIND_CANDIDATE_LEVEL], BLIND_STOPS, stops);
    *out = (choice){.count = blind_candidates_find(level, b, stops, stop_count, place)};
    for (int k = 0; k < out->count; k++) {
        double off =
            hypot(place[k].row * cell_px - s->beam_row_px, place[k].column * cell_px - s->beam_column_px);
        out->good[k] = off <= near;
        out->any |= out->good[k];
        memcpy(out->evidence[k], place[k].evidence, sizeof place[k].evidence);
    }
    blind_pyramid_free(level);
    return SL_OK;
}

static sl_status fit_centre(int images) {
    static const char *const names[BLIND_EVIDENCE] = {
        "BLIND_RINGS",       "BLIND_RINGS_BEHIND", "BLIND_INVERSION",    "BLIND_INVERSION_BEHIND",
        "BLIND_SHARE",       "BLIND_SHARE_BEHIND", "BLIND_OVERLAP",      "BLIND_STOP",
        "BLIND_STOP_BEHIND", "BLIND_BRIGHT",       "BLIND_BRIGHT_BEHIND"};
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    double weight[WEIGHTS_MAX] = {0};
    choice *all;
    blind_bins *b;
    int count = 0;
    options.measure = true;
    SL_TRY(sl_alloc(&all, (size_t)images, sizeof *all));
    sl_status status = sl_alloc(&b, 1, sizeof *b);
    for (uint32_t k = 0; count < images && !status; k++) {
        status = sl_sim_sample_make(seed, k, &options, &sample);
        if (!status && !sample.is_grazing) count += fill_choice(&sample, b, &all[count]) == SL_OK;
    }
    if (!status) {
        maximise(all, sizeof *all, count, BLIND_EVIDENCE + 1, 0.5, add_choice, weight);
        printf(
            "/* SL_CENTRE_WEIGHT(evidence, weight of a unit in the logit), SL_CENTRE_NONE(utility of none),\n"
            " * made by blind-fit centre %d from simulator version %d. */\n",
            images, SL_SIM_VERSION);
        for (int e = 0; e < BLIND_EVIDENCE; e++)
            if (is_used(e)) printf("SL_CENTRE_WEIGHT(%s, %.4g)\n", names[e], weight[e]);
        printf("SL_CENTRE_NONE(%.4g)\n", weight[BLIND_EVIDENCE]);
    }
    sl_sim_sample_free(&sample);
    sl_free(all);
    sl_free(b);
    return status;
}

typedef struct seen {
    int technique;
    double trait[BLIND_TRAITS];
} seen;

static void add_seen(const void *image, const double *weight, double *gradient) {
    const seen *s = image;
    double share[SL_TECHNIQUE_UNKNOWN] = {0};
    for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++)
        for (int k = 0; k < BLIND_TRAITS; k++) share[t] += weight[t * BLIND_TRAITS + k] * s->trait[k];
    soften(share, SL_TECHNIQUE_UNKNOWN);
    for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++)
        for (int k = 0; k < BLIND_TRAITS; k++)
            gradient[t * BLIND_TRAITS + k] += ((t == s->technique) - share[t]) * s->trait[k];
}

/* Cuts a window out of the image: measured frames are strips and parts of larger ones, simulated ones never.
 */
static sl_status cut(const sl_image *image, uint32_t item, sl_image *out) {
    sl_random random = sl_random_stream(seed, SL_STREAM_AUGMENT, item);
    int32_t height = (int32_t)(image->height_px * sl_random_range(&random, 0.35, 1)),
            width = (int32_t)(image->width_px * sl_random_range(&random, 0.6, 1));
    int32_t top = (int32_t)((image->height_px - height) * sl_random_range(&random, 0, 1)),
            left = (int32_t)((image->width_px - width) * sl_random_range(&random, 0, 1));
    SL_TRY(sl_image_new(height, width, out));
    for (int32_t i = 0; i < height; i++) {
        size_t from = (size_t)(top + i) * (size_t)image->width_px + (size_t)left,
               to = (size_t)i * (size_t)width;
        memcpy(out->value + to, image->value + from, (size_t)width * sizeof *out->value);
        memcpy(out->mask + to, image->mask + from, (size_t)width);
    }
    return SL_OK;
}

/* Traits of the sample, of every third transmission one as a window shows it. */
static sl_status fill_seen(const sl_sim_sample *s, uint32_t item, seen *out) {
    sl_blind_look look;
    sl_image window;
    out->technique = (int)s->technique;
    if (s->is_grazing || item % 3) return blind_look_with_traits(&s->measured, &look, out->trait);
    SL_TRY(cut(&s->measured, item, &window));
    sl_status status = blind_look_with_traits(&window, &look, out->trait);
    sl_image_free(&window);
    return status;
}

static sl_status fit_technique(int images) {
    static const char *const names[] = {"SAXS", "WAXS", "GISAXS", "GIWAXS"};
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    double weight[WEIGHTS_MAX] = {0};
    seen *all;
    int count = 0;
    options.measure = true;
    SL_TRY(sl_alloc(&all, (size_t)images, sizeof *all));
    sl_status status = SL_OK;
    for (uint32_t k = 0; count < images && !status; k++) {
        status = sl_sim_sample_make(seed, k, &options, &sample);
        if (status || sample.class_id == SL_SIM_EMPTY) continue; /* nothing there to tell it by */
        count += fill_seen(&sample, k, &all[count]) == SL_OK;
    }
    if (!status) {
        maximise(all, sizeof *all, count, WEIGHTS_MAX, 0.1, add_seen, weight);
        printf("/* SL_TECHNIQUE_WEIGHTS(technique, weights of the traits in their order), made by blind-fit "
               "technique %d from\n * simulator version %d. */\n",
               images, SL_SIM_VERSION);
        for (int t = 0; t < SL_TECHNIQUE_UNKNOWN; t++) {
            printf("SL_TECHNIQUE_WEIGHTS(%s", names[t]);
            for (int k = 0; k < BLIND_TRAITS; k++)
                printf("%s%.4g", k % 12 ? ", " : ",\n                     ", weight[t * BLIND_TRAITS + k]);
            printf(")\n");
        }
    }
    sl_sim_sample_free(&sample);
    sl_free(all);
    return status;
}

int main(int argc, char **argv) {
    int images = argc > 2 ? atoi(argv[2]) : 600;
    bool centre = argc > 1 && strcmp(argv[1], "centre") == 0,
         technique = argc > 1 && strcmp(argv[1], "technique") == 0;
    if (images < 1 || (!centre && !technique)) {
        fprintf(stderr, "blind-fit centre|technique [IMAGES]\n");
        return 2;
    }
    if (centre ? fit_centre(images) : fit_technique(images)) {
        fprintf(stderr, "blind-fit: %s\n", sl_error_message());
        return 1;
    }
    return 0;
}
