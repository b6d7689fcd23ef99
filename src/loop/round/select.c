/* Steps of a round: drawing the queue; and a queue for labelling alone. */
#include "loop/round/round.h"

#include "base/random/random.h"
#include "image/fingerprint.h"
#include "loop/judge/queue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTERED_MAX = 20000 /* comparing all pairs of more would take minutes */ };

/* A growing list of ids. */
typedef struct id_list {
    sl_id *id;
    int64_t count, capacity;
} id_list;

static sl_status add_id(id_list *list, sl_id id) {
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity ? 2 * list->capacity : 256;
        sl_id *grown;
        SL_TRY(sl_alloc(&grown, (size_t)capacity, sizeof *grown));
        if (list->count) memcpy(grown, list->id, (size_t)list->count * sizeof *grown);
        sl_free(list->id);
        list->id = grown;
        list->capacity = capacity;
    }
    list->id[list->count++] = id;
    return SL_OK;
}

typedef struct selection {
    sl_round *round;
    sl_id reviewer;
    sl_queue_item *pool;
    const char **fingerprint;
    int64_t count;
    id_list decided, suspect, repeat, gold;
    sl_verdict *verdicts; /* of the round, by image */
    int64_t verdict_count;
    sl_prediction *scores; /* of the round's model over all images, by image */
    int64_t score_count;
    sl_consensus *labels; /* of all decided images, by image */
    int64_t label_count;
} selection;

static void end_selection(selection *in) {
    sl_free(in->pool);
    sl_free(in->fingerprint);
    sl_free(in->decided.id);
    sl_free(in->suspect.id);
    sl_free(in->repeat.id);
    sl_free(in->gold.id);
    sl_free(in->verdicts);
    sl_free(in->scores);
    sl_free(in->labels);
}

/* All rows are found by their image, which is a different member each time. */
#define FIND_BY_IMAGE(type, name)                                                                            \
    static int name##_by_image(const void *key, const void *item) {                                          \
        sl_id image = *(const sl_id *)key, other = ((const type *)item)->image;                              \
        return (image > other) - (image < other);                                                            \
    }                                                                                                        \
    static const type *find_##name(const type *rows, int64_t count, sl_id image) {                           \
        return count ? bsearch(&image, rows, (size_t)count, sizeof *rows, name##_by_image) : NULL;           \
    }
FIND_BY_IMAGE(sl_verdict, verdict)
FIND_BY_IMAGE(sl_prediction, score)
FIND_BY_IMAGE(sl_consensus, label)

static int compare_ids(const void *a, const void *b) {
    sl_id x = *(const sl_id *)a, y = *(const sl_id *)b;
    return (x > y) - (x < y);
}

static bool has_decided(const selection *in, sl_id image) {
    return in->decided.count &&
           bsearch(&image, in->decided.id, (size_t)in->decided.count, sizeof image, compare_ids);
}

/* Images that this reviewer has decided, in order. */
static sl_status load_decided(const sl_workspace *workspace, sl_id reviewer, sl_arena *arena, id_list *out) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *page;
    int count;
    filter.reviewer = reviewer;
    filter.counting = true;
    do {
        SL_TRY(sl_store_decisions(workspace->store, &filter, arena, &page, &count));
        for (int i = 0; i < count; i++) SL_TRY(add_id(out, page[i].image));
        if (count) filter.after = page[count - 1].id;
    } while (count > 0);
    if (out->count) qsort(out->id, (size_t)out->count, sizeof *out->id, compare_ids);
    return SL_OK;
}

static sl_status load_evidence(selection *in) {
    sl_store *store = in->round->workspace->store;
    SL_TRY(sl_store_verdicts(store, in->round->id, 0, in->round->arena, &in->verdicts, &in->verdict_count));
    SL_TRY(sl_store_consensus_all(store, 0, &in->labels, &in->label_count));
    sl_id model = in->verdict_count ? in->verdicts[0].model : 0;
    return model ? sl_store_scores(store, model, 0, &in->scores, &in->score_count) : SL_OK;
}

static void add_to_pool(selection *in, const sl_image_record *image) {
    const sl_verdict *verdict = find_verdict(in->verdicts, in->verdict_count, image->id);
    const sl_prediction *score = find_score(in->scores, in->score_count, image->id);
    in->fingerprint[in->count] =
        image->fingerprint ? sl_arena_strdup(in->round->arena, image->fingerprint) : NULL;
    in->pool[in->count++] = (sl_queue_item){.image = image->id,
                                            .p_real = verdict ? verdict->p_real : 0.5,
                                            .accepted = verdict && verdict->accepted,
                                            .uncertainty = score ? score->uncertainty : 0};
}

static sl_status pool_page(void *context, const sl_image_page *page) {
    selection *in = context;
    if (page->first == 0) {
        SL_TRY(sl_alloc(&in->pool, (size_t)page->total, sizeof *in->pool));
        SL_TRY(sl_alloc(&in->fingerprint, (size_t)page->total, sizeof *in->fingerprint));
    }
    for (int i = 0; i < page->count; i++) add_to_pool(in, &page->record[i]);
    return SL_OK;
}

/* The generated images of the round. */
static sl_status load_pool(selection *in) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.round = in->round->id;
    filter.origin = SL_ORIGIN_GENERATED;
    SL_TRY(sl_store_image_pages(in->round->workspace->store, &filter, pool_page, in));
    if (in->count == 0) return sl_fail(SL_NOT_FOUND, "the round has no generated images to be reviewed");
    if (in->count > CLUSTERED_MAX) return SL_OK;
    int64_t *cluster;
    SL_TRY(sl_alloc(&cluster, (size_t)in->count, sizeof *cluster));
    sl_status status = sl_queue_cluster(in->fingerprint, in->count, SL_FINGERPRINT_NEAR_BITS, cluster);
    for (int64_t i = 0; i < in->count; i++) in->pool[i].cluster = cluster[i];
    sl_free(cluster);
    return status;
}

typedef struct doubt {
    sl_id image;
    double contradiction;
} doubt;

static int worst_first(const void *a, const void *b) {
    const doubt *x = a, *y = b;
    if (x->contradiction != y->contradiction) return x->contradiction < y->contradiction ? 1 : -1;
    return (x->image > y->image) - (x->image < y->image);
}

/* A second answer stands, whatever classifiers say. */
static bool was_asked_again(const selection *in, sl_id image) {
    if (!in->decided.count) return false;
    const sl_id *first = in->decided.id, *end = first + in->decided.count;
    const sl_id *at = bsearch(&image, first, (size_t)in->decided.count, sizeof image, compare_ids);
    return at && ((at > first && at[-1] == image) || (at + 1 < end && at[1] == image));
}

/* Labels that the classifier holds for rather wrong, the worst first. Only fits that have not seen a label
 * can contradict it. */
static sl_status load_suspects(selection *in) {
    doubt *doubts;
    int64_t count = 0;
    SL_TRY(sl_alloc(&doubts, in->score_count ? (size_t)in->score_count : 1, sizeof *doubts));
    for (int64_t i = 0; i < in->score_count; i++) {
        const sl_prediction *score = &in->scores[i];
        const sl_consensus *label = find_label(in->labels, in->label_count, score->image);
        if (!score->fold || !label || label->label > SL_LABEL_UNREAL) continue;
        double contradiction = fabs((label->label == SL_LABEL_REAL) - score->p_real);
        if (contradiction > 0.5 && !was_asked_again(in, score->image))
            doubts[count++] = (doubt){score->image, contradiction};
    }
    qsort(doubts, (size_t)count, sizeof *doubts, worst_first);
    sl_status status = SL_OK;
    for (int64_t i = 0; i < count && !status; i++) status = add_id(&in->suspect, doubts[i].image);
    sl_free(doubts);
    return status;
}

/* What the reviewer decided in earlier rounds, each image once. */
static sl_status load_repeats(selection *in) {
    for (int64_t i = 0; i < in->decided.count; i++) {
        bool again = i > 0 && in->decided.id[i] == in->decided.id[i - 1];
        if (!again) SL_TRY(add_id(&in->repeat, in->decided.id[i]));
    }
    return SL_OK;
}

/* Simulated images of known truth that no model trains on and the reviewer has not seen. */
static sl_status load_gold(selection *in) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    sl_store *store = in->round->workspace->store;
    sl_image_record *page;
    int count;
    filter.origin = SL_ORIGIN_SIMULATED;
    filter.split = SL_SPLIT_TEST;
    filter.limit = 2000;
    SL_TRY(sl_store_images(store, &filter, in->round->arena, &page, &count));
    for (int i = 0; i < count; i++) {
        sl_truth truth;
        bool known;
        SL_TRY(sl_store_truth(store, page[i].id, in->round->arena, &truth, &known));
        if (known && !has_decided(in, page[i].id)) SL_TRY(add_id(&in->gold, page[i].id));
    }
    return SL_OK;
}

static sl_queue_settings queue_settings(const sl_round_settings *settings) {
    sl_queue_settings queue = SL_QUEUE_SETTINGS_DEFAULT;
    queue.size = settings->queue;
    queue.audit_pool = settings->audit_pool;
    queue.audit_accepted = settings->audit_accepted;
    queue.suspect = settings->suspect;
    queue.repeat = settings->repeat;
    queue.gold = settings->gold;
    queue.assisted = settings->assisted;
    return queue;
}

static void count_queues(const sl_assignment_record *records, int64_t count, json_t *result) {
    int64_t counts[SL_QUEUE_COUNT] = {0};
    for (int64_t i = 0; i < count; i++) counts[records[i].queue]++;
    for (int i = 0; i < SL_QUEUE_COUNT; i++)
        if (counts[i]) json_object_set_new(result, sl_queue_name((sl_queue)i), json_integer(counts[i]));
    json_object_set_new(result, "queue", json_integer(count));
}

static sl_status store_queue(selection *in, json_t *result) {
    sl_queue_settings settings = queue_settings(in->round->settings);
    sl_queue_extra extra = {in->suspect.id,    in->repeat.id,    in->gold.id,
                            in->suspect.count, in->repeat.count, in->gold.count};
    sl_assignment_record *records;
    int64_t count = 0;
    SL_TRY(sl_alloc(&records, (size_t)settings.size, sizeof *records));
    sl_status status =
        sl_queue_build(in->pool, in->count, &extra, &settings, in->round->seed, records, &count);
    for (int64_t i = 0; i < count; i++) {
        records[i].round = in->round->id;
        records[i].reviewer = in->reviewer;
    }
    if (!status) status = sl_store_assignments_add(in->round->workspace->store, records, (int)count);
    if (!status) count_queues(records, count, result);
    sl_free(records);
    return status;
}

static sl_status run_selection(selection *in, json_t *result) {
    const sl_round_settings *settings = in->round->settings;
    SL_TRY(sl_store_reviewer(in->round->workspace->store, sl_round_reviewer_name(settings),
                             settings->expert == SL_EXPERT_SIMULATED, &in->reviewer));
    SL_TRY(load_decided(in->round->workspace, in->reviewer, in->round->arena, &in->decided));
    SL_TRY(load_evidence(in));
    SL_TRY(load_pool(in));
    SL_TRY(load_suspects(in));
    SL_TRY(load_repeats(in));
    SL_TRY(load_gold(in));
    return store_queue(in, result);
}

sl_status sl_round_select(sl_round *round, json_t *result) {
    selection in = {.round = round};
    sl_status status = run_selection(&in, result);
    end_selection(&in);
    return status;
}

/* --- labels before there is anything to sort by --- */

typedef struct search {
    const selection *in;
    id_list *out;
} search;

static sl_status undecided_page(void *context, const sl_image_page *page) {
    const search *s = context;
    for (int i = 0; i < page->count; i++)
        if (!has_decided(s->in, page->record[i].id)) SL_TRY(add_id(s->out, page->record[i].id));
    return SL_OK;
}

/* The images the reviewer may be asked about. */
static sl_status load_undecided(const selection *in, int origin, id_list *out) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    search s = {in, out};
    filter.origin = origin;
    return sl_store_image_pages(in->round->workspace->store, &filter, undecided_page, &s);
}

const char sl_label_queue_config[] = "{\"kind\":\"labels\"}";

/* A stream of its own for every queue. */
static sl_status start_draw(const selection *in, uint64_t seed, sl_random *out) {
    sl_round_record *rounds;
    int count;
    SL_TRY(sl_store_rounds(in->round->workspace->store, in->round->arena, &rounds, &count));
    sl_id next = count ? rounds[count - 1].id + 1 : 1;
    *out = sl_random_stream(seed, SL_STREAM_AUDIT, (uint32_t)(1000 + next));
    return SL_OK;
}

static sl_status draw_labels(selection *in, const char *reviewer, int64_t count, int origin, uint64_t seed,
                             id_list *undecided, sl_id *out_round, int64_t *out_count) {
    sl_store *store = in->round->workspace->store;
    sl_random random;
    SL_TRY(sl_store_reviewer(store, reviewer, false, &in->reviewer));
    SL_TRY(load_decided(in->round->workspace, in->reviewer, in->round->arena, &in->decided));
    SL_TRY(load_undecided(in, origin, undecided));
    int64_t total = undecided->count;
    if (total == 0) return sl_fail(SL_NOT_FOUND, "'%s' has decided every image there is", reviewer);
    if (count > total) count = total;
    SL_TRY(start_draw(in, seed, &random));
    sl_round_record round = {.config = sl_label_queue_config, .seed = seed};
    sl_assignment_record *records;
    SL_TRY(sl_alloc(&records, (size_t)count, sizeof *records));
    for (int64_t i = 0; i < count; i++) {
        int64_t other = i + sl_random_below(&random, (uint32_t)(total - i));
        sl_id drawn = undecided->id[other];
        undecided->id[other] = undecided->id[i];
        records[i] = (sl_assignment_record){.image = drawn,
                                            .reviewer = in->reviewer,
                                            .queue = SL_QUEUE_AUDIT_POOL,
                                            .propensity = (double)count / (double)total,
                                            .blind = true,
                                            .position = i + 1};
    }
    sl_status status = sl_store_queue_add(store, &round, records, (int)count);
    sl_free(records);
    *out_round = round.id;
    *out_count = count;
    return status;
}

sl_status sl_label_queue_new(const sl_workspace *workspace, const char *reviewer, int64_t count, int origin,
                             uint64_t seed, sl_id *out_round, int64_t *out_count) {
    if (count < 1 || count > SL_STORE_LIST_MAX)
        return sl_fail(SL_INVALID, "%lld images to label, expected 1 to %d", (long long)count,
                       SL_STORE_LIST_MAX);
    sl_round round = {.workspace = workspace};
    selection in = {.round = &round};
    id_list undecided = {0};
    SL_TRY(sl_arena_new(&round.arena));
    sl_status status = draw_labels(&in, reviewer, count, origin, seed, &undecided, out_round, out_count);
    sl_free(undecided.id);
    end_selection(&in);
    sl_arena_free(round.arena);
    return status;
}
