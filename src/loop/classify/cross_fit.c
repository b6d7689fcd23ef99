#include "loop/classify/cross_fit.h"

#include "base/file.h"

typedef struct crossing {
    const sl_fit *like;
    sl_arena *arena;
    const char *folder;
    sl_progress quiet; /* passes on the wish to stop alone: five fits are one work */
    const sl_feed_item *all;
    int64_t all_count;
    sl_feed_item *reviewed, *room; /* room: of all_count items */
    int64_t reviewed_count;
} crossing;

/* Independent of who is held out (labels.c), which is told by the lowest byte. */
int sl_cross_fold(const sl_feed_item *item) {
    return (int)((item->group >> 8 & 0xffff) % SL_CROSS_FOLDS);
}

/* The reviewed images of one fold into c->room; returns how many. */
static int64_t take_fold(const crossing *c, int fold) {
    int64_t count = 0;
    for (int64_t i = 0; i < c->reviewed_count; i++)
        if (sl_cross_fold(&c->reviewed[i]) == fold) c->room[count++] = c->reviewed[i];
    return count;
}

static sl_status train_without(const crossing *c, int fold, sl_fit *fit) {
    int64_t count = 0;
    for (int64_t i = 0; i < c->all_count; i++)
        if (!c->all[i].reviewed || sl_cross_fold(&c->all[i]) != fold) c->room[count++] = c->all[i];
    const char *folder = sl_arena_printf(c->arena, "%s/fold-%d", c->folder, fold);
    SL_TRY(sl_folder_make(folder));
    return sl_fit_train(fit, c->room, count, folder, &c->quiet);
}

/* Scores of one fold's images, put to their places in `out`. */
static sl_status score_fold(const crossing *c, int fold, const sl_classifier_model *classifier,
                            sl_scores *out) {
    sl_scores part;
    int64_t count = take_fold(c, fold), at = 0;
    SL_TRY(sl_scores_compute(classifier, c->like->workspace, c->room, count, &part));
    for (int64_t i = 0; i < c->reviewed_count; i++) {
        if (sl_cross_fold(&c->reviewed[i]) != fold) continue;
        out->logit[i] = part.logit[at];
        out->label[i] = part.label[at++];
    }
    sl_scores_free(&part);
    return SL_OK;
}

static sl_status run_fold(const crossing *c, int fold, sl_scores *out) {
    sl_fit fit;
    sl_status status = sl_fit_begin(c->like->settings, c->like->workspace, c->arena, &fit);
    if (!status) status = train_without(c, fold, &fit);
    if (!status) status = score_fold(c, fold, &fit.classifier, out);
    sl_fit_end(&fit);
    return status;
}

/* Training and calibration part together. What of the calibration part is held out follows the same rule. */
static void gather(const sl_labelled *l, crossing *c) {
    int64_t most = l->train_count + l->calibration_count;
    sl_feed_item *all = SL_NEW(c->arena, sl_feed_item, most + 1);
    c->reviewed = SL_NEW(c->arena, sl_feed_item, most + 1);
    c->room = SL_NEW(c->arena, sl_feed_item, most + 1);
    for (int64_t i = 0; i < l->train_count; i++) all[c->all_count++] = l->train[i];
    for (int64_t i = 0; i < l->calibration_count; i++) {
        if (!l->calibration[i].reviewed) continue;
        all[c->all_count] = l->calibration[i];
        all[c->all_count++].split =
            sl_label_is_held_out(l->calibration[i].group) ? SL_FEED_HOLDOUT : SL_FEED_TRAIN;
    }
    for (int64_t i = 0; i < c->all_count; i++)
        if (all[i].reviewed) c->reviewed[c->reviewed_count++] = all[i];
    c->all = all;
}

sl_status sl_cross_fit(const sl_fit *like, const sl_labelled *labels, sl_arena *arena, const char *folder,
                       const sl_progress *progress, const sl_feed_item **out_items, sl_scores *out) {
    crossing c = {.like = like, .arena = arena, .folder = folder};
    if (progress) c.quiet.cancel = progress->cancel;
    gather(labels, &c);
    SL_TRY(sl_scores_new(c.reviewed_count, out));
    sl_status status = SL_OK;
    for (int fold = 0; fold < SL_CROSS_FOLDS && !status; fold++) {
        sl_progress_tell(progress, "calibrating", "fit", fold, SL_CROSS_FOLDS, NULL);
        status = run_fold(&c, fold, out);
    }
    sl_progress_tell(progress, "calibrating", "fit", SL_CROSS_FOLDS, SL_CROSS_FOLDS, NULL);
    if (status) sl_scores_free(out);
    *out_items = c.reviewed;
    return status;
}
