/* One turn of the loop: images are generated, judged by the machine, some of them by the expert, the numbers
 * of the round measured, the classifier trained again.
 *
 * A round is a table of steps. What a step did is in the store before the next begins, and a step that was
 * interrupted may be run again without doing anything twice: so a round goes on where its process was killed,
 * with the settings it was started with. */
#ifndef SL_LOOP_ROUND_ROUND_H
#define SL_LOOP_ROUND_ROUND_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef enum sl_round_expert { SL_EXPERT_PERSON, SL_EXPERT_SIMULATED } sl_round_expert;

typedef struct sl_round_settings {
    /* generation */
    sl_list prompts; /* empty: sl_round_choose */
    int64_t rounds;  /* of sl_loop_run */
    int64_t count, seed, steps, batch, size_px;
    double guidance;
    const char *model, *lora, *detector;
    /* review */
    int expert; /* sl_round_expert */
    double expert_error;
    const char *reviewer;
    int64_t queue;
    double audit_pool, audit_accepted, suspect, repeat, gold;
    bool assisted;
    /* machine */
    double target; /* precision of the accepted that the threshold is chosen for */
    int evidence;  /* of the classifiers trained in the round, as sl_train_classifier_settings has it */
    double confidence;
} sl_round_settings;

extern const sl_option sl_round_options[];

typedef struct sl_round {
    const sl_workspace *workspace;
    const sl_round_settings *settings;
    const sl_progress *progress;
    sl_arena *arena; /* of this call */
    sl_id id;
    int64_t number;
    uint64_t seed; /* of this round: differs from that of every other with the same --seed */
    bool waiting;  /* a step sets it when somebody else has to act first; the round then stops here for now */
} sl_round;

/* A step: does its work and puts what is worth keeping into `result` (an object). */
typedef struct sl_round_rule {
    const char *name;
    sl_status (*run)(sl_round *round, json_t *result);
} sl_round_rule;

/* generate, classify, select, review, measure, retrain, report; ends with {0}. */
extern const sl_round_rule sl_round_rules[];

/* Goes on with the unfinished round, or starts one. *out (new reference): {"round", "number", "resumed",
 * "waiting": null or the step that waits, then "reviewer": for whom, "steps": {name: result}, "metrics"}.
 * SL_BUSY when another process is at work on a round of this workspace. */
sl_status sl_round_run(const sl_workspace *workspace, const sl_round_settings *settings,
                       const sl_round_rule *rules, const sl_progress *progress, json_t **out);

/* settings->rounds rounds, an unfinished one counting as the first. An interrupted loop goes on to the end it
 * was started for, whatever is asked now. *out: {"rounds": [what sl_round_run gave]}. Stops early when a
 * round waits. */
sl_status sl_loop_run(const sl_workspace *workspace, const sl_round_settings *settings,
                      const sl_round_rule *rules, const sl_progress *progress, json_t **out);

/* Closes the unfinished round and the loop it belongs to, so that the next one starts anew. What was made
 * stays. 0 in *out_number: there was none. */
sl_status sl_round_abandon(const sl_workspace *workspace, int64_t *out_number);

/* --- steps that need no network (src/loop/round) --- */

/* Fills in what the settings leave open, as the workspace is now: as prompts the captions of the measured
 * training images (at most 64, none where there are none), as adapter "auto" the newest one's path, or
 * "none". A round does so when it starts, and its record has what was chosen, so that it goes on with that.
 * In the round's arena. */
sl_status sl_round_choose(const sl_round *round, sl_round_settings *settings);
/* Draws the reviewer's queue from the images of the round. */
sl_status sl_round_select(sl_round *round, json_t *result);
/* The simulated expert decides all open assignments; a person is waited for. */
sl_status sl_round_review(sl_round *round, json_t *result);
/* The metrics of the round into `result`; they become the round's own. */
sl_status sl_round_measure(sl_round *round, json_t *result);

/* Who is asked by these settings; recorded with the round, since the user's name may be another later. */
const char *sl_round_reviewer_name(const sl_round_settings *settings);

/* --- labelling before there is anything to sort by --- */

/* The settings recorded of a round that only groups a label queue, which tell it from a turn of the loop. */
extern const char sl_label_queue_config[];

/* A queue of `count` images drawn at random from those of `origin` (sl_origin or SL_ANY) that the reviewer
 * has not decided; there whole or not at all, and no matter to a round under way. *out_round: the id that
 * groups it; *out_count: how many there were. SL_NOT_FOUND when none is left. */
sl_status sl_label_queue_new(const sl_workspace *workspace, const char *reviewer, int64_t count, int origin,
                             uint64_t seed, sl_id *out_round, int64_t *out_count);

#endif
