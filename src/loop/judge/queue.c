#include "loop/judge/queue.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "image/fingerprint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Streams of SL_STREAM_AUDIT: each part of the queue draws for itself, so that one's size does not change
 * another. */
enum { DRAW_POOL, DRAW_ACCEPTED, DRAW_GOLD, DRAW_REPEAT, DRAW_INFORMATIVE, DRAW_ORDER };

typedef struct builder {
    const sl_queue_item *pool;
    int64_t pool_count;
    const sl_queue_settings *settings;
    uint64_t seed;
    bool *taken; /* [pool_count] */
    sl_assignment_record *out;
    int64_t count, room;
} builder;

static void put(builder *in, sl_id image, sl_queue queue, double propensity) {
    bool may_show = in->settings->assisted && (queue == SL_QUEUE_INFORMATIVE || queue == SL_QUEUE_SUSPECT);
    in->out[in->count++] =
        (sl_assignment_record){.image = image, .queue = queue, .propensity = propensity, .blind = !may_show};
}

static int64_t share_of(const builder *in, double share) {
    int64_t wanted = llround(share * (double)in->settings->size);
    return wanted < in->room - in->count ? wanted : in->room - in->count;
}

/* The first `count` of a random order of candidate[0..total-1]. */
static void shuffle_front(sl_random *random, int64_t *candidate, int64_t total, int64_t count) {
    for (int64_t i = 0; i < count && i < total; i++) {
        int64_t other = i + sl_random_below(random, (uint32_t)(total - i));
        int64_t kept = candidate[i];
        candidate[i] = candidate[other];
        candidate[other] = kept;
    }
}

static void draw_audit(builder *in, int64_t *candidate, int64_t total, double share, int draw,
                       sl_queue queue) {
    int64_t wanted = share_of(in, share);
    if (wanted > total) wanted = total;
    sl_random random = sl_random_stream(in->seed, SL_STREAM_AUDIT, (uint32_t)draw);
    shuffle_front(&random, candidate, total, wanted);
    for (int64_t i = 0; i < wanted; i++) {
        in->taken[candidate[i]] = true;
        put(in, in->pool[candidate[i]].image, queue, (double)wanted / (double)total);
    }
}

static void draw_audits(builder *in, int64_t *candidate) {
    for (int64_t i = 0; i < in->pool_count; i++) candidate[i] = i;
    draw_audit(in, candidate, in->pool_count, in->settings->audit_pool, DRAW_POOL, SL_QUEUE_AUDIT_POOL);
    int64_t accepted = 0;
    for (int64_t i = 0; i < in->pool_count; i++)
        if (in->pool[i].accepted && !in->taken[i]) candidate[accepted++] = i;
    draw_audit(in, candidate, accepted, in->settings->audit_accepted, DRAW_ACCEPTED, SL_QUEUE_AUDIT_ACCEPTED);
}

static bool is_queued(const builder *in, sl_id image) {
    for (int64_t i = 0; i < in->count; i++)
        if (in->out[i].image == image) return true;
    return false;
}

/* From a list of images outside the pool or known by name. In random order where `draw` is not negative. */
static sl_status draw_listed(builder *in, const sl_id *image, int64_t total, double share, int draw,
                             sl_queue queue) {
    int64_t wanted = share_of(in, share), *order;
    if (wanted < 1 || total < 1) return SL_OK;
    SL_TRY(sl_alloc(&order, (size_t)total, sizeof *order));
    for (int64_t i = 0; i < total; i++) order[i] = i;
    if (draw >= 0) {
        sl_random random = sl_random_stream(in->seed, SL_STREAM_AUDIT, (uint32_t)draw);
        shuffle_front(&random, order, total, total);
    }
    double propensity = draw >= 0 && wanted < total ? (double)wanted / (double)total : 1;
    int64_t end = in->count + wanted;
    for (int64_t i = 0; i < total && in->count < end; i++)
        if (!is_queued(in, image[order[i]])) put(in, image[order[i]], queue, propensity);
    sl_free(order);
    return SL_OK;
}

/* Entropy of the score in bits, unless the classifiers told their own doubt. */
static double uncertainty_of(const sl_queue_item *item) {
    if (item->uncertainty > 0) return item->uncertainty;
    double p = item->p_real;
    return p > 0 && p < 1 ? -(p * log2(p) + (1 - p) * log2(1 - p)) : 0;
}

typedef struct runner {
    int64_t item;
    double rate, arrival;
} runner;

static int by_arrival(const void *a, const void *b) {
    const runner *x = a, *y = b;
    if (x->arrival != y->arrival) return x->arrival > y->arrival ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Sampling without replacement with chances by rate: each arrives after an exponential time, the first are
 * taken. A small floor keeps every image possible. */
static int64_t start_race(const builder *in, runner *race) {
    const double floor_rate = 1e-3;
    sl_random random = sl_random_stream(in->seed, SL_STREAM_AUDIT, DRAW_INFORMATIVE);
    int64_t count = 0;
    for (int64_t i = 0; i < in->pool_count; i++) {
        double wait = -log(1 - sl_random_uniform(&random));
        if (in->taken[i] || is_queued(in, in->pool[i].image)) continue;
        double rate = pow(fmax(uncertainty_of(&in->pool[i]), floor_rate), in->settings->power);
        race[count++] = (runner){i, rate, wait / rate};
    }
    qsort(race, (size_t)count, sizeof *race, by_arrival);
    return count;
}

static int compare_ids(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sl_status draw_informative(builder *in, runner *race) {
    int64_t count = start_race(in, race), first = in->count, clusters = 0, *cluster, at = 0;
    SL_TRY(sl_alloc(&cluster, (size_t)(in->room + 1), sizeof *cluster));
    for (; at < count && in->count < in->room; at++) {
        int64_t own = in->pool[race[at].item].cluster;
        if (own && bsearch(&own, cluster, (size_t)clusters, sizeof own, compare_ids)) continue;
        if (own) {
            cluster[clusters++] = own;
            qsort(cluster, (size_t)clusters, sizeof own, compare_ids);
        }
        put(in, in->pool[race[at].item].image, SL_QUEUE_INFORMATIVE, race[at].rate);
    }
    /* closed at the arrival of the first who was not taken */
    double closed = at < count ? race[at].arrival : INFINITY;
    for (int64_t i = first; i < in->count; i++)
        in->out[i].propensity = fmin(1, fmax(1e-9, -expm1(-in->out[i].propensity * closed)));
    sl_free(cluster);
    return SL_OK;
}

static void set_order(builder *in) {
    sl_random random = sl_random_stream(in->seed, SL_STREAM_AUDIT, DRAW_ORDER);
    for (int64_t i = in->count - 1; i > 0; i--) {
        int64_t other = sl_random_below(&random, (uint32_t)(i + 1));
        sl_assignment_record kept = in->out[i];
        in->out[i] = in->out[other];
        in->out[other] = kept;
    }
    for (int64_t i = 0; i < in->count; i++) in->out[i].position = i + 1;
}

static sl_status build(builder *in, const sl_queue_extra *extra, int64_t *candidate, runner *race) {
    const sl_queue_settings *set = in->settings;
    draw_audits(in, candidate);
    SL_TRY(draw_listed(in, extra->gold, extra->golds, set->gold, DRAW_GOLD, SL_QUEUE_GOLD));
    SL_TRY(draw_listed(in, extra->repeat, extra->repeats, set->repeat, DRAW_REPEAT, SL_QUEUE_REPEAT));
    SL_TRY(draw_listed(in, extra->suspect, extra->suspects, set->suspect, -1, SL_QUEUE_SUSPECT));
    SL_TRY(draw_informative(in, race));
    set_order(in);
    return SL_OK;
}

static sl_status check_settings(const sl_queue_settings *set, int64_t pool_count) {
    double sum = set->audit_pool + set->audit_accepted + set->suspect + set->repeat + set->gold;
    bool negative = set->audit_pool < 0 || set->audit_accepted < 0 || set->suspect < 0 || set->repeat < 0 ||
                    set->gold < 0;
    if (negative || sum > 1 + 1e-9)
        return sl_fail(SL_INVALID, "shares of a queue add up to %g, at most 1", sum);
    if (set->size < 1) return sl_fail(SL_INVALID, "a queue of %lld", (long long)set->size);
    if (pool_count > UINT32_MAX) return sl_fail(SL_LIMIT, "a pool of %lld images", (long long)pool_count);
    return SL_OK;
}

sl_status sl_queue_build(const sl_queue_item *pool, int64_t pool_count, const sl_queue_extra *extra,
                         const sl_queue_settings *settings, uint64_t seed, sl_assignment_record *out,
                         int64_t *out_count) {
    SL_TRY(check_settings(settings, pool_count));
    size_t items = pool_count > 0 ? (size_t)pool_count : 1;
    builder in = {.pool = pool,
                  .pool_count = pool_count,
                  .settings = settings,
                  .seed = seed,
                  .out = out,
                  .room = settings->size};
    int64_t *candidate = NULL;
    runner *race = NULL;
    static const sl_queue_extra none;
    sl_status status = sl_alloc(&in.taken, items, sizeof *in.taken);
    if (!status) status = sl_alloc(&candidate, items, sizeof *candidate);
    if (!status) status = sl_alloc(&race, items, sizeof *race);
    if (!status) status = build(&in, extra ? extra : &none, candidate, race);
    sl_free(in.taken);
    sl_free(candidate);
    sl_free(race);
    SL_TRY(status);
    *out_count = in.count;
    return SL_OK;
}

/* --- near duplicates --- */

static int64_t root_of(int64_t *parent, int64_t item) {
    while (parent[item] != item) item = parent[item] = parent[parent[item]];
    return item;
}

/* All pairs: 10^8 of them, those of ten thousand images, take about a second. */
sl_status sl_queue_cluster(const char *const *fingerprint, int64_t count, int near_bits,
                           int64_t *out_cluster) {
    sl_fingerprint *prints;
    bool *known = NULL;
    size_t items = count ? (size_t)count : 1;
    SL_TRY(sl_alloc(&prints, items, sizeof *prints));
    sl_status status = sl_alloc(&known, items, sizeof *known);
    for (int64_t i = 0; i < count && !status; i++) {
        known[i] = sl_fingerprint_parse(fingerprint[i], &prints[i]);
        out_cluster[i] = i;
        for (int64_t k = 0; k < i && known[i]; k++) {
            if (!known[k] || sl_fingerprint_distance(&prints[i], &prints[k]) > near_bits) continue;
            int64_t a = root_of(out_cluster, i), b = root_of(out_cluster, k);
            out_cluster[a > b ? a : b] = a > b ? b : a;
        }
    }
    for (int64_t i = 0; i < count && !status; i++) out_cluster[i] = root_of(out_cluster, i);
    for (int64_t i = 0; i < count && !status; i++) out_cluster[i]++;
    sl_free(prints);
    sl_free(known);
    return status;
}
