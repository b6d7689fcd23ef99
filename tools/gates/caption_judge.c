/* A small network that learns all claims at once from rows of which the answers are known: two hidden layers,
 * units left out at random while it learns (Srivastava et al., J. Mach. Learn. Res. 15 (2014) 1929). What
 * one claim teaches about an image serves the others, and rings can be counted as no line through features
 * counts them. */
#include "gates.h"

#include "train/feed.h"
#include "train/learner.h"
#include "train/trainer.h"

#include <string.h>

enum { HIDDEN = 256, LAYERS = 2, EPOCHS = 25, UPDATES_LEAST = 400 };

/* Shares of 256 that are left out: of the features, of the hidden units. */
static const unsigned left_out[LAYERS + 1] = {26, 77, 77};

struct caption_judge {
    const claim_lesson *lesson;
    sl_params *params;
    sl_learner learner;
    float *points,
        *kept[LAYERS]; /* inputs: [JUDGE_BATCH, width], factors of hidden units [JUDGE_BATCH, HIDDEN] */
    float *known;      /* input: 1 where a row says something of a claim [JUDGE_BATCH, claims] */
    int32_t *said;     /* input: what it says, 0 or 1 [JUDGE_BATCH * claims] */
    sl_value logits;
    const sl_rows *train;
    float *answer; /* [JUDGE_BATCH, claims] */
};

/* ---- graph ---- */

/* Where nothing is known the logit is 0, and so is the gradient. */
static sl_value loss_of(caption_judge *j, sl_value logits) {
    int64_t claims = j->lesson->claims;
    sl_value known = sl_learner_input(&j->learner, "known", SL_F32, SL_SHAPE(JUDGE_BATCH, claims), &j->known);
    sl_value said = sl_learner_input(&j->learner, "said", SL_I32, SL_SHAPE(JUDGE_BATCH * claims), &j->said);
    return sl_binary_cross_entropy(j->learner.graph, sl_mul(j->learner.graph, logits, known), said);
}

static sl_status build(caption_judge *j) {
    static const char *const names[LAYERS] = {"first", "second"};
    SL_TRY(sl_learner_open(&j->learner));
    sl_graph *g = j->learner.graph;
    sl_value x = sl_learner_input(&j->learner, "points", SL_F32,
                                  SL_SHAPE(JUDGE_BATCH, j->lesson->points->width), &j->points);
    sl_value kept[LAYERS];
    for (int k = 0; k < LAYERS; k++)
        kept[k] = sl_learner_input(&j->learner, names[k], SL_F32, SL_SHAPE(JUDGE_BATCH, HIDDEN), &j->kept[k]);
    sl_nn *nn = sl_learner_model(&j->learner, "judge", j->params, true);
    for (int k = 0; k < LAYERS; k++)
        x = sl_mul(g, sl_silu(g, sl_nn_linear(nn, names[k], x, HIDDEN, true)), kept[k]);
    j->logits = sl_nn_linear(nn, "claims", x, j->lesson->claims, true);
    sl_output(g, "logits", j->logits);
    sl_learner_model_end(&j->learner);
    return sl_learner_finish(&j->learner, loss_of(j, j->logits));
}

/* ---- batches ---- */

static void fill_row(caption_judge *j, int at, int64_t row) {
    const claim_lesson *l = j->lesson;
    const double *from = sl_points_row(l->points, row);
    float *to = j->points + (int64_t)at * l->points->width;
    for (int64_t k = 0; k < l->points->width; k++) to[k] = (float)from[k];
    for (int c = 0; c < l->claims; c++) {
        j->known[at * l->claims + c] = l->label[c][row] ? 1 : 0;
        j->said[at * l->claims + c] = l->label[c][row] > 0;
    }
}

/* Multiplies by 0 or by what keeps the mean. */
static void leave_out(sl_random *random, unsigned of_256, float *value, int64_t count) {
    float factor = 256.0f / (float)(256 - of_256);
    for (int64_t k = 0; k < count;)
        for (uint32_t bits = sl_random_u32(random), n = 0; n < 4 && k < count; n++, k++, bits >>= 8)
            value[k] *= (bits & 255) < of_256 ? 0 : factor;
}

static void keep_all(caption_judge *j) {
    for (int k = 0; k < LAYERS; k++)
        for (int i = 0; i < JUDGE_BATCH * HIDDEN; i++) j->kept[k][i] = 1;
}

static sl_status gradient(void *context, int64_t step, int micro, double *out_loss) {
    caption_judge *j = context;
    sl_random random = sl_random_stream(1, SL_STREAM_NOISE, (uint32_t)step);
    (void)micro;
    for (int i = 0; i < JUDGE_BATCH; i++)
        fill_row(j, i, j->train->row[sl_shuffled_item(1, step * JUDGE_BATCH + i, j->train->count)]);
    leave_out(&random, left_out[0], j->points, JUDGE_BATCH * j->lesson->points->width);
    keep_all(j);
    for (int k = 0; k < LAYERS; k++) leave_out(&random, left_out[k + 1], j->kept[k], JUDGE_BATCH * HIDDEN);
    return sl_learner_run(&j->learner, out_loss);
}

/* ---- learning and answering ---- */

static sl_status learn(caption_judge *j, const sl_progress *progress) {
    int64_t updates = EPOCHS * j->train->count / JUDGE_BATCH;
    if (updates < UPDATES_LEAST) updates = UPDATES_LEAST;
    sl_train_options options = {.optimizer = sl_optimizer_adamw(),
                                .schedule = {SL_SCHEDULE_COSINE, 2e-3, 0, updates / 4, updates},
                                .clip_norm = 1,
                                .accumulate = 1,
                                .steps = updates};
    const sl_train_task task = {.context = j,
                                .what = "learning what captions say",
                                .unit = "step",
                                .samples_per_step = JUDGE_BATCH,
                                .gradient = gradient};
    sl_train_outcome outcome;
    sl_slot_set set;
    options.optimizer.weight_decay = 0.02;
    SL_TRY(sl_slot_set_new(&set));
    sl_status status = sl_slot_add_params(&set, "", j->params, false);
    if (!status) status = sl_train_run(&task, &options, &set, progress, &outcome);
    sl_slot_set_free(&set);
    return status;
}

sl_status caption_judge_new(const claim_lesson *lesson, const sl_rows *train, const sl_progress *progress,
                            caption_judge **out) {
    caption_judge *j;
    *out = NULL;
    if (train->count < 1) return sl_fail(SL_INVALID, "no image to learn from");
    SL_TRY(sl_alloc(&j, 1, sizeof *j));
    *j = (caption_judge){.lesson = lesson, .train = train};
    sl_status status = sl_params_new(&j->params);
    if (!status) status = build(j);
    if (!status) status = sl_params_initialise(j->params, 1);
    if (!status) status = sl_alloc(&j->answer, (size_t)(JUDGE_BATCH * lesson->claims), sizeof *j->answer);
    if (!status) status = learn(j, progress);
    if (status)
        caption_judge_free(j);
    else
        *out = j;
    return status;
}

void caption_judge_free(caption_judge *j) {
    if (!j) return;
    sl_learner_close(&j->learner);
    sl_params_free(j->params);
    sl_free(j->answer);
    sl_free(j);
}

sl_status caption_judge_ask(caption_judge *j, const sl_rows *rows, double *const *score) {
    int claims = j->lesson->claims;
    double loss;
    keep_all(j);
    for (int64_t first = 0; first < rows->count; first += JUDGE_BATCH) {
        int64_t left = rows->count - first;
        int count = left < JUDGE_BATCH ? (int)left : JUDGE_BATCH;
        for (int i = 0; i < count; i++) fill_row(j, i, rows->row[first + i]);
        SL_TRY(sl_learner_evaluate(&j->learner, &loss));
        SL_TRY(sl_learner_read(&j->learner, j->logits, j->answer, (int64_t)JUDGE_BATCH * claims));
        for (int i = 0; i < count; i++)
            for (int c = 0; c < claims; c++)
                score[c][rows->row[first + i]] = (double)j->answer[i * claims + c];
    }
    return SL_OK;
}
