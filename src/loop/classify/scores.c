#include "loop/classify/scores.h"

#include "loop/classify/physics.h"
#include "train/classifier/classifier.h"

#include <math.h>

enum { BATCH = 16, CHUNK = 128 };

sl_status sl_scores_new(int64_t count, sl_scores *out) {
    size_t items = count > 0 ? (size_t)count : 1;
    *out = (sl_scores){.count = count};
    sl_status status = sl_alloc(&out->logit, items, sizeof *out->logit);
    if (!status) status = sl_alloc(&out->p_real, items, sizeof *out->p_real);
    if (!status) status = sl_alloc(&out->oddness, items, sizeof *out->oddness);
    if (!status) status = sl_alloc(&out->label, items, sizeof *out->label);
    if (status) sl_scores_free(out);
    return status;
}

static sl_status predict_all(const sl_feed *feed, const sl_feed_item *items, sl_predictor *predictor,
                             float *images, sl_scores *scores) {
    float logits[BATCH * SL_CLASSES];
    for (int64_t at = 0; at < scores->count; at += BATCH) {
        int count = (int)(scores->count - at < BATCH ? scores->count - at : BATCH);
        int64_t wanted[BATCH];
        for (int i = 0; i < count; i++) wanted[i] = at + i;
        SL_TRY(sl_feed_get_many(feed, wanted, count, images, NULL));
        SL_TRY(sl_predict(predictor, images, count, logits, NULL));
        for (int i = 0; i < count; i++) {
            const float *row = logits + (size_t)i * SL_CLASSES;
            scores->logit[at + i] = (double)row[SL_CLASS_REAL] - (double)row[SL_CLASS_UNREAL];
            scores->label[at + i] = items[at + i].label == SL_CLASS_REAL;
        }
    }
    return SL_OK;
}

sl_status sl_scores_compute(const sl_classifier_model *classifier, const sl_workspace *workspace,
                            const sl_feed_item *items, int64_t count, sl_scores *out) {
    *out = (sl_scores){.count = count};
    if (count == 0) return SL_OK;
    sl_workspace_feed *feed = NULL;
    sl_predictor *predictor = NULL;
    float *images = NULL;
    int size = (int)classifier->size_px;
    sl_status status = sl_scores_new(count, out);
    if (!status) status = sl_workspace_feed_open(workspace, items, count, size, &feed);
    if (!status) status = sl_alloc(&images, (size_t)BATCH * (size_t)size * (size_t)size, sizeof *images);
    if (!status) status = sl_predictor_new(classifier->model, BATCH, size, size, 1, SL_F32, &predictor);
    if (!status) status = predict_all(sl_workspace_feed_get(feed), items, predictor, images, out);
    sl_predictor_free(predictor);
    sl_free(images);
    sl_workspace_feed_close(feed);
    sl_scores_apply(out, &SL_CALIBRATION_NONE);
    if (status) sl_scores_free(out);
    return status;
}

void sl_scores_apply(sl_scores *scores, const sl_calibration *calibration) {
    for (int64_t i = 0; i < scores->count && scores->p_real; i++)
        scores->p_real[i] = sl_calibration_apply(calibration, scores->logit[i]);
}

double sl_scores_entropy(double p) {
    if (p <= 0 || p >= 1) return 0;
    return -(p * log2(p) + (1 - p) * log2(1 - p));
}

static sl_status see_chunk(const sl_workspace *workspace, const sl_feed_item *items, int64_t count,
                           sl_arena *arena, double *oddness) {
    sl_image_record *records = SL_NEW(arena, sl_image_record, count);
    sl_physics *physics = SL_NEW(arena, sl_physics, count);
    for (int64_t i = 0; i < count; i++)
        SL_TRY(sl_store_image_get(workspace->store, items[i].image, arena, &records[i]));
    SL_TRY(sl_physics_judge_many(workspace, records, count, physics));
    for (int64_t i = 0; i < count; i++) oddness[i] = sl_physics_oddness(&physics[i]);
    return SL_OK;
}

sl_status sl_scores_see_physics(sl_scores *scores, const sl_workspace *workspace, const sl_feed_item *items) {
    sl_status status = SL_OK;
    for (int64_t at = 0; at < scores->count && !status; at += CHUNK) {
        int64_t count = scores->count - at < CHUNK ? scores->count - at : CHUNK;
        sl_arena *arena;
        SL_TRY(sl_arena_new(&arena));
        status = see_chunk(workspace, items + at, count, arena, scores->oddness + at);
        sl_arena_free(arena);
    }
    return status;
}

void sl_scores_judge(sl_scores *scores, const sl_classifier_model *classifier) {
    for (int64_t i = 0; i < scores->count; i++)
        scores->p_real[i] = sl_classifier_model_p_real(classifier, scores->logit[i], scores->oddness[i]);
}

void sl_scores_free(sl_scores *scores) {
    sl_free(scores->logit);
    sl_free(scores->oddness);
    sl_free(scores->p_real);
    sl_free(scores->label);
    *scores = (sl_scores){0};
}
