/* The records of a workspace, as plain values.
 *
 * Ids are positive and given by the store; 0 means none. Times are milliseconds of the Unix clock, 0 unknown.
 * Texts may be NULL where the comment says so; those of records read from a store live in the caller's arena.
 * Hashes are 64 lower-case hexadecimal digits. */
#ifndef SL_STORE_RECORD_H
#define SL_STORE_RECORD_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t sl_id;

/* Names as they stand in the database, in JSON and on the command line: VALUE(CONSTANT, "name"). */
#define SL_ORIGINS(VALUE)                                                                                    \
    VALUE(EXPERIMENTAL, "experimental")                                                                      \
    VALUE(SIMULATED, "simulated")                                                                            \
    VALUE(GENERATED, "generated")
#define SL_SPLITS(VALUE)                                                                                     \
    VALUE(TRAIN, "train")                                                                                    \
    VALUE(CALIBRATION, "calibration")                                                                        \
    VALUE(TEST, "test")
#define SL_LABELS(VALUE)                                                                                     \
    VALUE(REAL, "real")                                                                                      \
    VALUE(UNREAL, "unreal")                                                                                  \
    VALUE(UNSURE, "unsure")                                                                                  \
    VALUE(WITHDRAWN, "withdrawn") /* an undo: the superseded decision no longer counts */
#define SL_QUEUES(VALUE)                                                                                     \
    VALUE(INFORMATIVE, "informative")       /* where the classifiers doubt */                                \
    VALUE(AUDIT_POOL, "audit-pool")         /* blind random sample of the whole pool */                      \
    VALUE(AUDIT_ACCEPTED, "audit-accepted") /* blind random sample of what the machine accepted */           \
    VALUE(SUSPECT, "suspect")               /* label and classifiers disagree */                             \
    VALUE(REPEAT, "repeat")                 /* seen before by the same reviewer */                           \
    VALUE(GOLD, "gold")                     /* simulated, truth known */                                     \
    VALUE(FREE, "free")                     /* chosen by the reviewer */
#define SL_RUN_STATES(VALUE)                                                                                 \
    VALUE(PENDING, "pending")                                                                                \
    VALUE(RUNNING, "running")                                                                                \
    VALUE(DONE, "done")                                                                                      \
    VALUE(FAILED, "failed")                                                                                  \
    VALUE(CANCELLED, "cancelled")                                                                            \
    VALUE(INTERRUPTED, "interrupted") /* its process ended without a word */
#define SL_REASONS(VALUE)                                                                                    \
    VALUE(RING_SHAPE, "ring shape")                                                                          \
    VALUE(SYMMETRY, "symmetry")                                                                              \
    VALUE(BEAMSTOP, "beamstop")                                                                              \
    VALUE(GAPS, "gaps or mask")                                                                              \
    VALUE(NOISE, "noise statistics")                                                                         \
    VALUE(BACKGROUND, "halo or background")                                                                  \
    VALUE(DUPLICATE, "duplicate or memorised")                                                               \
    VALUE(PROMPT, "prompt mismatch")                                                                         \
    VALUE(OTHER, "other")

typedef enum sl_origin {
#define VALUE(constant, name) SL_ORIGIN_##constant,
    SL_ORIGINS(VALUE) SL_ORIGIN_COUNT
} sl_origin;
#undef VALUE
typedef enum sl_split {
#define VALUE(constant, name) SL_SPLIT_##constant,
    SL_SPLITS(VALUE) SL_SPLIT_COUNT
} sl_split;
#undef VALUE
typedef enum sl_label {
#define VALUE(constant, name) SL_LABEL_##constant,
    SL_LABELS(VALUE) SL_LABEL_COUNT
} sl_label;
#undef VALUE
typedef enum sl_queue {
#define VALUE(constant, name) SL_QUEUE_##constant,
    SL_QUEUES(VALUE) SL_QUEUE_COUNT
} sl_queue;
#undef VALUE
typedef enum sl_run_state {
#define VALUE(constant, name) SL_RUN_##constant,
    SL_RUN_STATES(VALUE) SL_RUN_STATE_COUNT
} sl_run_state;
#undef VALUE
typedef enum sl_reason { /* bit numbers: a set of reasons is 1 << reason, or-ed; key 1 is the first */
#define VALUE(constant, name) SL_REASON_##constant,
                         SL_REASONS(VALUE) SL_REASON_COUNT
} sl_reason;
#undef VALUE

const char *sl_origin_name(sl_origin origin);
const char *sl_split_name(sl_split split);
const char *sl_label_name(sl_label label);
const char *sl_queue_name(sl_queue queue);
const char *sl_run_state_name(sl_run_state state);
const char *sl_reason_name(sl_reason reason);
/* SL_INVALID lists the known names. */
sl_status sl_origin_parse(const char *name, sl_origin *out);
sl_status sl_split_parse(const char *name, sl_split *out);
sl_status sl_label_parse(const char *name, sl_label *out);
sl_status sl_queue_parse(const char *name, sl_queue *out);
sl_status sl_run_state_parse(const char *name, sl_run_state *out);

/* One image. Its pixels are the object of that hash; nothing here is ever changed once added. */
typedef struct sl_image_record {
    sl_id id;
    const char *content_hash; /* of decoded pixels, mask and shape: equal images have equal hashes whatever
                                 their file */
    const char *object_hash;  /* of the stored file (store/object.h) */
    sl_origin origin;
    sl_split split;
    const char *group_key; /* sample, scan or prompt-and-seed family: never divided between splits */
    const char *caption;   /* prompt of a generated image; NULL: none */
    const char *source;    /* file (and frame) it came from; NULL for generated ones */
    sl_id run, round, parent;
    int64_t run_index; /* k-th image of its run and its round; with either it names the image, so adding it
                          again changes nothing */
    uint64_t seed;
    sl_id generator, lora; /* models */
    int64_t steps;
    double guidance;
    const char *scheduler; /* NULL: none */
    int64_t height_px, width_px;
    const char *dtype;       /* of the source: "U16" */
    const char *fingerprint; /* what it looks like (image/fingerprint.h), 64 hexadecimal digits, for near
                                duplicates; NULL: unknown */
    int64_t created_ms;
    const char *provenance; /* JSON of all the rest; only written here, read by sl_store_image_provenance */
    const struct sl_truth *truth; /* what is known of it (its `image` is unused), so that neither is there
                              without the other; NULL: nothing; only written here, read by sl_store_truth */
} sl_image_record;

/* What a classifier said of an image. */
typedef struct sl_prediction {
    sl_id image, model;
    int64_t fold; /* out-of-fold predictions: 1..; 0: the whole model */
    double p_real, logit, uncertainty;
    int64_t created_ms;
} sl_prediction;

/* The first of a list, newest first, that a whole model gave; NULL: none. */
static inline const sl_prediction *sl_prediction_of_model(const sl_prediction *list, int count) {
    for (int i = 0; i < count; i++)
        if (!list[i].fold) return &list[i];
    return NULL;
}

/* A number that physics constrains. */
typedef struct sl_test_result {
    sl_id image;
    const char *name, *version;
    double value, low, high; /* passes within [low, high] */
    bool passed;
    int64_t created_ms;
} sl_test_result;

/* What the machine concluded in a round, from classifier, threshold and physical tests. */
typedef struct sl_verdict {
    sl_id image, round, model;
    bool accepted;
    double p_real, threshold;
    const char *reasons; /* names of failed tests, "score"; "" when accepted */
} sl_verdict;

/* What is known of a simulated image. */
typedef struct sl_truth {
    sl_id image;
    bool real;
    const char *artefact; /* NULL where real */
    double strength;      /* 0..1 */
} sl_truth;

typedef struct sl_reviewer {
    sl_id id;
    const char *name;
    const char *role; /* "reviewer", "lead", "viewer", "admin" */
    bool simulated;   /* its decisions are never called human */
} sl_reviewer;

/* An image to be judged by a reviewer, and with what probability it came into the queue. */
typedef struct sl_assignment_record {
    sl_id id, round, image, reviewer;
    sl_queue queue;
    double propensity; /* chance of this image to be drawn into this queue; in (0, 1] */
    bool blind;        /* hide scores and verdicts until decided */
    int64_t position;  /* order within (round, reviewer); unique there */
    int64_t shown_ms;
    sl_id decision; /* the one that counts now; 0: still to be decided */
} sl_assignment_record;

/* A decision as made; never changed. An undo or change of mind is a further one that supersedes it. */
typedef struct sl_decision {
    sl_id id;                /* rising in the order of arrival */
    const char *client_uuid; /* 36 characters; sending the same again changes nothing */
    sl_id assignment, image, reviewer;
    sl_label label;
    uint32_t reasons;    /* bits 1 << sl_reason */
    int64_t score;       /* 1..5; 0: none */
    const char *note;    /* NULL: none */
    const char *display; /* JSON: how the image was shown; NULL: not told */
    int64_t shown_ms, decided_ms, active_ms, received_ms;
    sl_id supersedes;
    const char
        *supersedes_uuid; /* when adding, instead of the id: clients know only their own names; NULL: none */
    const char *batch;    /* decisions undone together; NULL: none */
    const char *previous_hash, *hash; /* chain over all decisions */
} sl_decision;

/* What the reviewers together say: the last counting decision of each. */
typedef struct sl_consensus {
    sl_id image;
    sl_label label; /* the majority; UNSURE when nobody says real or unreal, or they are even */
    bool conflict;  /* both real and unreal */
    int64_t real, unreal, unsure;
    bool simulated; /* some of it by a simulated expert */
    int64_t decided_ms;
    uint32_t reasons;
} sl_consensus;

typedef struct sl_model_record {
    sl_id id;
    const char *hash;             /* of its weights */
    const char *kind;             /* "generator", "lora", "classifier", "vae", "backbone" */
    const char *name, *path;      /* path below the workspace, or absolute */
    const char *config, *metrics; /* JSON; may be NULL */
    const char *parents;          /* JSON array of hashes; may be NULL */
    sl_id run, round;
    int64_t created_ms;
} sl_model_record;

/* A piece of long work: what was asked, how far it is, what came out. */
typedef struct sl_run_record {
    sl_id id, round;
    const char *kind;   /* "import", "generate", "train lora" ... */
    const char *config; /* JSON of all settings */
    uint64_t seed;
    sl_run_state state;
    int64_t done, total;
    const char *unit, *note; /* may be NULL */
    const char *result;      /* JSON; NULL until done */
    int64_t process;         /* id on this machine while running */
    int64_t created_ms, updated_ms, finished_ms;
    const char *version; /* of the program */
} sl_run_record;

typedef struct sl_round_record {
    sl_id id, parent;
    int64_t number;     /* 1.. */
    const char *config; /* JSON */
    uint64_t seed;
    const char *dataset_hash; /* of the images and labels it started from; may be NULL */
    sl_run_state state;
    const char *metrics; /* JSON; NULL until measured */
    int64_t created_ms, finished_ms;
} sl_round_record;

/* A step of a round; what is recorded as done is not done again after an interruption. */
typedef struct sl_round_step {
    sl_id round;
    const char *name; /* "generate", "classify", "select", "review", "retrain", "report" */
    sl_run_state state;
    const char *result; /* JSON; NULL until done */
    int64_t started_ms, finished_ms;
} sl_round_step;

#endif
