/* A classifier for each fold: trained as `train classifier` trains one. */
#include "transfer.h"

#include "base/memory.h"
#include "loop/classify/classifier_model.h"
#include "loop/shipped.h"
#include "train/classifier/classifier_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 16, HEAD_EPOCHS = 40, FULL_EPOCHS = 4 };

typedef struct lesson {
    const picture **item;
    int64_t count;
} lesson;

static sl_status lesson_image(void *context, int64_t item, float *out) {
    const lesson *l = context;
    memcpy(out, l->item[item]->seen, sizeof(float) * SEEN_PX * SEEN_PX);
    return SL_OK;
}

static sl_status lesson_about(void *context, int64_t item, sl_feed_about *out) {
    const lesson *l = context;
    const picture *p = l->item[item];
    *out = (sl_feed_about){.label = p->family == CLEAN ? SL_CLASS_REAL : SL_CLASS_UNREAL,
                           .split = p->part == PART_HOLDOUT ? SL_FEED_HOLDOUT : SL_FEED_TRAIN};
    snprintf(out->group, sizeof out->group, "%lld", (long long)p->seed_index);
    return SL_OK;
}

static sl_status train(sl_model *model, const lesson *l, bool full, const char *folder) {
    sl_feed feed = {.context = (void *)l,
                    .count = l->count,
                    .height_px = SEEN_PX,
                    .width_px = SEEN_PX,
                    .channels = 1,
                    .image = lesson_image,
                    .about = lesson_about};
    sl_classifier_recipe recipe = {.batch = BATCH,
                                   .epochs = full ? FULL_EPOCHS : HEAD_EPOCHS,
                                   .head_only = !full,
                                   .balance = true,
                                   .dtype = SL_F32};
    sl_train_options options = {
        .optimizer = sl_optimizer_adamw(),
        .schedule = {.kind = SL_SCHEDULE_COSINE, .rate = full ? 0.0005 : 0.01, .floor = 0.05},
        .accumulate = 1,
        .folder = folder};
    sl_classifier_outcome outcome;
    return sl_train_classifier(model, &recipe, &feed, &options, NULL, &outcome);
}

/* A fold's classifier is asked about clean images, about the families it has not seen, and about those of the
 * fold before it, which it has. */
static bool is_asked(const picture *p, const int *fold_of, int fold) {
    if (p->part < PART_CALIBRATION) return false;
    return p->part == PART_CALIBRATION || p->family == CLEAN || fold_of[p->family] == fold ||
           (fold_of[p->family] + 1) % FOLDS == fold;
}

/* logit[fold] of the calibration and test parts. */
static sl_status score(sl_model *model, pictures *all, const int *fold_of, int fold) {
    sl_predictor *predictor;
    float *images = NULL, logits[BATCH * SL_CLASSES];
    picture *batch[BATCH];
    int waiting = 0;
    SL_TRY(sl_predictor_new(model, BATCH, SEEN_PX, SEEN_PX, 1, SL_F32, &predictor));
    sl_status status = sl_alloc(&images, (size_t)BATCH * SEEN_PX * SEEN_PX, sizeof *images);
    for (int64_t k = 0; k <= all->count && !status; k++) {
        if (k < all->count) all->item[k].logit[fold] = NAN;
        if (k < all->count && is_asked(&all->item[k], fold_of, fold)) {
            memcpy(images + (size_t)waiting * SEEN_PX * SEEN_PX, all->item[k].seen,
                   sizeof(float) * SEEN_PX * SEEN_PX);
            batch[waiting++] = &all->item[k];
        }
        if (waiting < BATCH && k < all->count) continue;
        status = sl_predict(predictor, images, waiting, logits, NULL);
        for (int i = 0; i < waiting && !status; i++)
            batch[i]->logit[fold] = (double)logits[i * SL_CLASSES + SL_CLASS_REAL] -
                                    (double)logits[i * SL_CLASSES + SL_CLASS_UNREAL];
        waiting = 0;
    }
    sl_free(images);
    sl_predictor_free(predictor);
    return status;
}

static bool is_taught(const picture *p, const int *fold_of, int fold) {
    return p->family == CLEAN || fold_of[p->family] != fold;
}

static sl_status learn_fold(pictures *all, const int *fold_of, int fold, const char *backbone, bool full,
                            const char *folder) {
    lesson l = {NULL, 0};
    sl_model *model = NULL;
    sl_status status;
    SL_GUARD(status, sl_alloc(&l.item, (size_t)all->count, sizeof *l.item), done);
    for (int64_t k = 0; k < all->count; k++)
        if (all->item[k].part <= PART_HOLDOUT && is_taught(&all->item[k], fold_of, fold))
            l.item[l.count++] = &all->item[k];
    SL_GUARD(status, sl_classifier_new("resnet18", SL_CLASSES, SEEN_PX, (uint64_t)fold, &model), done);
    SL_GUARD(status, sl_classifier_begin_from(model, backbone), done);
    SL_GUARD(status, train(model, &l, full, folder), done);
    status = score(model, all, fold_of, fold);
done:
    sl_model_free(model);
    sl_free(l.item);
    return status;
}

sl_status learn_folds(const transfer_plan *plan, pictures *all, const int fold_of[SL_ARTEFACT_COUNT]) {
    const char *backbone;
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_shipped_model(arena, "backbone", &backbone);
    for (int fold = 0; fold < FOLDS && !status; fold++) {
        char folder[] = "/tmp/transfer-XXXXXX", command[64];
        if (!mkdtemp(folder)) status = sl_fail_errno("no temporary folder");
        if (!status) status = learn_fold(all, fold_of, fold, backbone, plan->full, folder);
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        if (system(command)) status = sl_fail(SL_IO, "cannot remove '%s'", folder);
        fprintf(stderr, "transfer: fold %d of %d learnt\n", fold + 1, FOLDS);
    }
    sl_arena_free(arena);
    return status;
}
