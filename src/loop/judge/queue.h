/* What a reviewer is asked in a round, and with what chance each image came to be asked.
 *
 * Blind random samples of the whole pool and of the accepted give honest numbers whatever else is in the
 * queue; the rest goes where labels teach most. All are mixed, so that the reviewer cannot tell one kind from
 * another. */
#ifndef SL_LOOP_JUDGE_QUEUE_H
#define SL_LOOP_JUDGE_QUEUE_H

#include "loop/workspace.h"

typedef struct sl_queue_item {
    sl_id image;
    double p_real, uncertainty; /* uncertainty 0: that of p_real is taken */
    bool accepted;
    int64_t cluster; /* near duplicates share a number, of which one is asked; 0: alone */
} sl_queue_item;

typedef struct sl_queue_settings {
    int64_t size; /* assignments in all */
    /* Shares of it; what they leave is informative. A share for which there are too few images falls to
     * informative. */
    double audit_pool, audit_accepted, suspect, repeat, gold;
    double power;  /* informative: chances go with uncertainty to this power; 0: all alike */
    bool assisted; /* informative and suspect items may show their score */
} sl_queue_settings;
#define SL_QUEUE_SETTINGS_DEFAULT                                                                            \
    ((sl_queue_settings){.size = 200,                                                                        \
                         .audit_pool = 0.15,                                                                 \
                         .audit_accepted = 0.15,                                                             \
                         .suspect = 0.10,                                                                    \
                         .repeat = 0.05,                                                                     \
                         .gold = 0.05,                                                                       \
                         .power = 1})

/* Images that may be asked besides the pool. */
typedef struct sl_queue_extra {
    const sl_id *suspect, *repeat, *gold; /* suspects: the most suspect first */
    int64_t suspects, repeats, golds;
} sl_queue_extra;

/* Fills out[settings->size] (fewer where images lack: *out_count) with image, queue, propensity, blind and
 * position 1.. in a random order; round, reviewer and id are left to the caller. No image comes twice.
 * Depends on seed, pool and settings only. Propensities: exact for the audits (of the accepted: the chance of
 * one that the audit of the pool left), gold and repeats; for informative items the chance that an
 * exponential race at the same rates gives. */
sl_status sl_queue_build(const sl_queue_item *pool, int64_t pool_count, const sl_queue_extra *extra,
                         const sl_queue_settings *settings, uint64_t seed, sl_assignment_record *out,
                         int64_t *out_count);

/* Numbers near duplicates alike: single linkage over fingerprints (64 hexadecimal digits, NULL: alone) at
 * most `near_bits` apart. out_cluster[count]: 1.. */
sl_status sl_queue_cluster(const char *const *fingerprint, int64_t count, int near_bits,
                           int64_t *out_cluster);

#endif
