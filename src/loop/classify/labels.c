#include "loop/classify/labels.h"

#include "base/hash.h"
#include "loop/origin.h"
#include "loop/recorded.h"

#include <string.h>

enum { HOLDOUT_PARTS = 5 };

/* Below this strength, from 0 to 1, hardly anybody sees a simulated fault: called unreal, such images would
 * teach a classifier that what looks real is not. */
static const double faint = 0.3;

/* Whether this program simulated the image, as its record says, or may have: an image that comes from
 * elsewhere has one. */
static sl_status is_ours(const sl_workspace *workspace, sl_id image, bool *out) {
    json_t *provenance;
    sl_origin origin;
    *out = true;
    sl_status status = sl_recorded_provenance(workspace->store, image, &provenance);
    if (status == SL_NOT_FOUND) return SL_OK;
    SL_TRY(status);
    *out = sl_origin_of_made(sl_origin_record(provenance), &origin);
    json_decref(provenance);
    return SL_OK;
}

/* Of a simulated image: what is known, or that those of other programs are real. One of ours whose truth is
 * lost may have faults: nobody says. */
static sl_status label_by_truth(const sl_workspace *workspace, sl_id image, sl_arena *arena,
                                sl_image_label *out) {
    sl_truth truth = {.real = true};
    bool known, ours;
    SL_TRY(sl_store_truth(workspace->store, image, arena, &truth, &known));
    if (!known) SL_TRY(is_ours(workspace, image, &ours));
    if (!known && ours) return SL_OK;
    out->source = SL_LABEL_BY_TRUTH;
    out->label = !known || truth.real ? SL_LABEL_REAL : SL_LABEL_UNREAL;
    out->strength = known ? truth.strength : 0;
    return SL_OK;
}

sl_status sl_image_label_get(const sl_workspace *workspace, const sl_image_record *record, sl_arena *arena,
                             sl_image_label *out) {
    sl_consensus consensus;
    *out = (sl_image_label){.label = SL_LABEL_UNSURE};
    SL_TRY(sl_store_consensus(workspace->store, record->id, &consensus));
    if (consensus.real + consensus.unreal + consensus.unsure > 0) {
        out->source = consensus.simulated ? SL_LABEL_BY_SIMULATED_REVIEW : SL_LABEL_BY_REVIEW;
        out->label = consensus.label;
        out->reasons = consensus.reasons;
        out->conflict = consensus.conflict;
    } else if (record->origin == SL_ORIGIN_SIMULATED) {
        SL_TRY(label_by_truth(workspace, record->id, arena, out));
    } else if (record->origin == SL_ORIGIN_EXPERIMENTAL) {
        out->source = SL_LABEL_BY_MEASUREMENT;
        out->label = SL_LABEL_REAL;
    }
    return SL_OK;
}

/* What the image teaches: 1 real, 0 unreal, -1 nothing. */
static sl_status label_of(const sl_workspace *workspace, sl_arena *arena, const sl_image_record *record,
                          sl_label_counts *counts, int32_t *out) {
    sl_image_label said;
    *out = -1;
    SL_TRY(sl_image_label_get(workspace, record, arena, &said));
    if (said.label == SL_LABEL_UNSURE) return SL_OK;
    if (said.source == SL_LABEL_BY_TRUTH && said.label == SL_LABEL_UNREAL && said.strength < faint)
        return SL_OK;
    *out = said.label == SL_LABEL_REAL;
    counts->reviewed += said.source == SL_LABEL_BY_REVIEW || said.source == SL_LABEL_BY_SIMULATED_REVIEW;
    counts->known += said.source == SL_LABEL_BY_TRUTH;
    counts->measured += said.source == SL_LABEL_BY_MEASUREMENT;
    return SL_OK;
}

static uint64_t group_hash(const char *group) {
    uint8_t digest[SL_SHA256_BYTES];
    uint64_t hash = 0;
    sl_sha256(group ? group : "", group ? strlen(group) : 0, digest);
    for (int i = 0; i < 8; i++) hash = hash << 8 | digest[i];
    return hash;
}

bool sl_label_is_held_out(uint64_t group) {
    return (group & 0xff) % HOLDOUT_PARTS == 0;
}

static void place(const sl_image_record *record, int32_t label, bool reviewed, sl_labelled *out) {
    sl_feed_item item = {record->id, label, SL_FEED_TEST, reviewed, group_hash(record->group_key)};
    switch (record->split) {
    case SL_SPLIT_TRAIN:
        item.split = sl_label_is_held_out(item.group) ? SL_FEED_HOLDOUT : SL_FEED_TRAIN;
        out->train[out->train_count++] = item;
        break;
    case SL_SPLIT_CALIBRATION:
        out->calibration[out->calibration_count++] = item;
        break;
    default:
        out->test[out->test_count++] = item;
    }
}

/* Whether reviews alone could be learnt from: enough of each label, and in training some held out. */
static bool reviews_are_enough(const sl_feed_item *items, int64_t count) {
    int64_t of_label[2] = {0}, held_out = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!items[i].reviewed) continue;
        if (items[i].split == SL_FEED_HOLDOUT)
            held_out++;
        else
            of_label[items[i].label]++;
    }
    bool training = count > 0 && items[0].split != SL_FEED_TEST;
    return of_label[0] + of_label[1] >= SL_REVIEWS_MIN && of_label[0] >= SL_REVIEWS_OF_A_LABEL_MIN &&
           of_label[1] >= SL_REVIEWS_OF_A_LABEL_MIN && (held_out || !training);
}

/* Sets aside what nobody reviewed, where the reviews are enough. Whether they were. */
static bool keep_reviewed(sl_feed_item *items, int64_t *count, int64_t *set_aside) {
    if (!reviews_are_enough(items, *count)) return false;
    int64_t kept = 0;
    for (int64_t i = 0; i < *count; i++)
        if (items[i].reviewed) items[kept++] = items[i];
    *set_aside += *count - kept;
    *count = kept;
    return true;
}

static void count(const sl_feed_item *items, int64_t n, sl_split split, sl_label_counts *counts) {
    for (int64_t i = 0; i < n; i++) {
        counts->real += items[i].label == 1;
        counts->unreal += items[i].label == 0;
    }
    counts->split[split] = n;
}

static void choose(sl_labelled *l) {
    l->from_reviews = keep_reviewed(l->train, &l->train_count, &l->counts.set_aside);
    keep_reviewed(l->calibration, &l->calibration_count, &l->counts.set_aside);
    keep_reviewed(l->test, &l->test_count, &l->counts.set_aside);
    count(l->train, l->train_count, SL_SPLIT_TRAIN, &l->counts);
    count(l->calibration, l->calibration_count, SL_SPLIT_CALIBRATION, &l->counts);
    count(l->test, l->test_count, SL_SPLIT_TEST, &l->counts);
}

static sl_status check_enough(const sl_labelled *l) {
    int64_t of[2][2] = {{0}};
    for (int64_t i = 0; i < l->train_count; i++)
        of[l->train[i].split == SL_FEED_HOLDOUT][l->train[i].label]++;
    if (of[0][0] && of[0][1] && of[1][0] + of[1][1]) return SL_OK;
    return sl_fail(
        SL_INVALID,
        "too few labels to train on: %lld real and %lld unreal in the training part, %lld held out; review "
        "generated images, or add simulated ones with 'scatterloop simulate --unreal 0.5'",
        (long long)of[0][1], (long long)of[0][0], (long long)(of[1][0] + of[1][1]));
}

typedef struct collector {
    const sl_workspace *workspace;
    sl_arena *arena;
    sl_labelled *out;
} collector;

static void make_room(const collector *in, int64_t total) {
    in->out->train = SL_NEW(in->arena, sl_feed_item, total);
    in->out->calibration = SL_NEW(in->arena, sl_feed_item, total);
    in->out->test = SL_NEW(in->arena, sl_feed_item, total);
}

static sl_status collect_page(void *context, const sl_image_page *page) {
    const collector *in = context;
    if (page->first == 0) make_room(in, page->total);
    for (int i = 0; i < page->count; i++) {
        int32_t label;
        int64_t before = in->out->counts.reviewed;
        SL_TRY(label_of(in->workspace, page->arena, &page->record[i], &in->out->counts, &label));
        if (label >= 0) place(&page->record[i], label, in->out->counts.reviewed > before, in->out);
    }
    return SL_OK;
}

sl_status sl_labels_collect(const sl_workspace *workspace, sl_arena *arena, sl_labelled *out) {
    collector in = {workspace, arena, out};
    *out = (sl_labelled){0};
    SL_TRY(sl_store_image_pages(workspace->store, &SL_IMAGE_FILTER_ALL, collect_page, &in));
    choose(out);
    return check_enough(out);
}
