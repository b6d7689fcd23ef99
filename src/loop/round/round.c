#include "loop/round/round.h"

#include "base/file.h"
#include "base/log.h"
#include "loop/generate/generate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SETTINGS sl_round_settings
const sl_option sl_round_options[] = {
    SL_OPTION_LIST(
        SETTINGS, prompts, "prompt", 'p', "TEXT",
        "what to generate, taken in turn (default: the first 64 captions of the measured training images)"),
    SL_OPTION_INT(SETTINGS, rounds, "rounds", 'n', "1", 1, 1000, "N",
                  "of 'loop': rounds to run; one under way counts as the first"),
    SL_OPTION_INT(SETTINGS, count, "images", 'i', "200", 1, 1e6, "images", "images to generate in a round"),
    SL_OPTION_INT(SETTINGS, seed, "seed", 's', "0", 0, 9007199254740992.0, "N", "each round adds its number"),
    SL_OPTION_INT(SETTINGS, steps, "steps", 0, "30", 1, 1000, "steps", "denoising steps"),
    SL_GENERATE_GUIDANCE(SETTINGS),
    SL_OPTION_INT(SETTINGS, batch, "batch", 'b', "4", 1, 256, "images", "images computed together"),
    SL_OPTION_INT(SETTINGS, size_px, "size", 0, "0", 0, 4096, "px", "side; 0: what the model was trained at"),
    SL_OPTION_PATH(SETTINGS, model, "model", 'm', NULL, "DIR",
                   "diffusers folder (default: the shipped base)"),
    SL_OPTION_PATH(SETTINGS, lora, "lora", 0, "auto", "FILE",
                   "adapter; auto: the newest of the workspace, if there is one; none: without"),
    SL_OPTION_TEXT(SETTINGS, detector, "detector", 0, NULL, "NAME", "measure with this detector"),
    SL_OPTION_CHOICE(SETTINGS, expert, "expert", 'e', "person", "person|simulated",
                     "who reviews: a person at the review page, or a simulated expert (always called so)"),
    SL_OPTION_REAL(SETTINGS, expert_error, "expert-error", 0, "0", 0, 0.45, NULL,
                   "error rate of the simulated expert; 0: lapses and thresholds of a careful one"),
    SL_OPTION_TEXT(SETTINGS, reviewer, "reviewer", 'r', NULL, "NAME",
                   "who is asked (default: the user's name, or 'simulated expert')"),
    SL_OPTION_INT(SETTINGS, queue, "queue", 0, "100", 1, 10000, "images", "images to be reviewed"),
    SL_OPTION_REAL(SETTINGS, audit_pool, "audit-pool", 0, "0.15", 0, 1, NULL,
                   "share of the queue: blind random sample of all images"),
    SL_OPTION_REAL(SETTINGS, audit_accepted, "audit-accepted", 0, "0.15", 0, 1, NULL,
                   "share of the queue: blind random sample of the accepted"),
    SL_OPTION_REAL(SETTINGS, suspect, "suspect", 0, "0.1", 0, 1, NULL,
                   "share of the queue: earlier labels that classifiers contradict which have not seen them"),
    SL_OPTION_REAL(SETTINGS, repeat, "repeat", 0, "0.05", 0, 1, NULL,
                   "share of the queue: images of earlier rounds, to measure the reviewer's own noise"),
    SL_OPTION_REAL(SETTINGS, gold, "gold", 0, "0.05", 0, 1, NULL,
                   "share of the queue: simulated images of known truth, where the workspace has some"),
    SL_OPTION_FLAG(SETTINGS, assisted, "assisted", 0, "show scores on images that are not for measuring"),
    SL_OPTION_REAL(SETTINGS, target, "target", 't', "0.95", 0.5, 1, NULL, "precision wanted of the accepted"),
    SL_OPTION_CHOICE(SETTINGS, evidence, "evidence", 0, "none", "none|physical",
                     "what the verdict takes beside the score of classifiers trained here"),
    SL_OPTION_REAL(SETTINGS, confidence, "confidence", 0, "0.95", 0.5, 0.999, NULL, "of all intervals"),
    {0}};

/* One process at a time works on rounds. The lock goes with the process, however it ends. */
static sl_status lock_rounds(const sl_workspace *workspace, int *out_lock) {
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    const char *path = sl_path_join(arena, workspace->root, "round.lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    sl_status status = lock < 0 ? sl_fail_errno("cannot open '%s'", path) : SL_OK;
    if (!status && flock(lock, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? sl_fail(SL_BUSY, "another process is at work on a round of this workspace")
                     : sl_fail_errno("cannot lock '%s'", path);
        close(lock);
    }
    sl_arena_free(arena);
    if (!status) *out_lock = lock;
    return status;
}

/* The rounds that are turns of the loop; those of label queues are not. Of no round, the id is 0. */
typedef struct turns {
    sl_round_record newest, unfinished; /* unfinished: the newest of these */
    int64_t count;
} turns;

static sl_status find_turns(const sl_workspace *workspace, sl_arena *arena, turns *out) {
    sl_round_record *rounds;
    int count;
    *out = (turns){0};
    SL_TRY(sl_store_rounds(workspace->store, arena, &rounds, &count));
    for (int i = 0; i < count; i++) {
        if (strcmp(rounds[i].config, sl_label_queue_config) == 0) continue;
        out->count++;
        out->newest = rounds[i];
        if (rounds[i].state == SL_RUN_RUNNING) out->unfinished = rounds[i];
    }
    return SL_OK;
}

static sl_status start_round(sl_round *round, const sl_round_record *before, sl_round_settings *settings) {
    *settings = *round->settings;
    settings->reviewer = sl_round_reviewer_name(settings);
    SL_TRY(sl_round_choose(round, settings));
    round->settings = settings;
    json_t *config = sl_options_to_json(sl_round_options, settings);
    char *text = config ? sl_json_canonical(config) : NULL;
    json_decref(config);
    if (!text) return sl_fail(SL_MEMORY, "out of memory recording the settings of a round");
    sl_round_record record = {.parent = before->id, .config = text, .seed = (uint64_t)round->settings->seed};
    sl_status status = sl_store_round_start(round->workspace->store, &record);
    free(text);
    round->id = record.id;
    round->number = record.number;
    return status;
}

/* A round goes on with what it was started with. */
static sl_status resume_round(sl_round *round, const sl_round_record *record, sl_round_settings *settings) {
    json_t *config;
    SL_TRY(sl_json_parse(record->config, strlen(record->config), "settings of the round", &config));
    *settings = (sl_round_settings){0};
    sl_status status = sl_options_from_json(sl_round_options, config, round->arena, settings);
    json_decref(config);
    SL_TRY(sl_context(status, "round %lld", (long long)record->number));
    SL_TRY(sl_round_choose(round, settings)); /* rounds of before did not record it */
    round->settings = settings;
    round->id = record->id;
    round->number = record->number;
    sl_info("going on with round %lld", (long long)record->number);
    return SL_OK;
}

/* A step done before gives the result it recorded. */
static sl_status recall_step(const sl_round_step *step, json_t *steps, const char *name) {
    json_t *result;
    const char *text = step->result ? step->result : "{}";
    SL_TRY(sl_json_parse(text, strlen(text), "result of a step", &result));
    json_object_set_new(steps, name, result);
    return SL_OK;
}

static sl_status record_failure(sl_round *round, const char *name, sl_status status) {
    char message[512];
    snprintf(message, sizeof message, "%s", sl_error_message());
    json_t *result = json_pack("{s:s, s:s}", "error", sl_status_name(status), "message", message);
    char *text = result ? sl_json_canonical(result) : NULL;
    sl_run_state state = status == SL_CANCELLED ? SL_RUN_CANCELLED : SL_RUN_FAILED;
    (void)sl_store_step_set(round->workspace->store, round->id, name, state, text);
    free(text);
    json_decref(result);
    return sl_fail(status, "round %lld, %s: %s", (long long)round->number, name, message);
}

static sl_status run_step(sl_round *round, const sl_round_rule *rule, json_t *steps) {
    sl_store *store = round->workspace->store;
    sl_round_step step;
    SL_TRY(sl_store_step_get(store, round->id, rule->name, round->arena, &step));
    if (step.state == SL_RUN_DONE) return recall_step(&step, steps, rule->name);
    SL_TRY(sl_progress_check(round->progress));
    SL_TRY(sl_store_step_set(store, round->id, rule->name, SL_RUN_RUNNING, NULL));
    json_t *result = json_object();
    sl_status status = rule->run(round, result);
    if (status || round->waiting) {
        json_decref(result);
        return status ? record_failure(round, rule->name, status) : SL_OK;
    }
    char *text = sl_json_canonical(result);
    json_object_set_new(steps, rule->name, result);
    status = text ? sl_store_step_set(store, round->id, rule->name, SL_RUN_DONE, text)
                  : sl_fail(SL_MEMORY, "out of memory recording a step");
    free(text);
    return status;
}

static sl_status run_steps(sl_round *round, const sl_round_rule *rules, json_t *out) {
    json_t *steps = json_object();
    json_object_set_new(out, "steps", steps);
    json_object_set_new(out, "round", json_integer(round->id));
    json_object_set_new(out, "number", json_integer(round->number));
    json_object_set_new(out, "waiting", json_null());
    for (const sl_round_rule *rule = rules; rule->name; rule++) {
        SL_TRY(run_step(round, rule, steps));
        if (!round->waiting) continue;
        json_object_set_new(out, "waiting", json_string(rule->name));
        json_object_set_new(out, "reviewer", sl_json_text(sl_round_reviewer_name(round->settings)));
        return SL_OK;
    }
    json_t *metrics = json_object_get(steps, "measure");
    char *text = metrics ? sl_json_canonical(metrics) : NULL;
    if (metrics) json_object_set(out, "metrics", metrics);
    sl_status status = sl_store_round_finish(round->workspace->store, round->id, SL_RUN_DONE, text);
    free(text);
    return status;
}

static sl_status run_locked(sl_round *round, const sl_round_rule *rules, json_t *out) {
    turns so_far;
    sl_round_settings recorded;
    SL_TRY(find_turns(round->workspace, round->arena, &so_far));
    bool resumed = so_far.unfinished.id != 0;
    SL_TRY(resumed ? resume_round(round, &so_far.unfinished, &recorded)
                   : start_round(round, &so_far.newest, &recorded));
    round->seed = (uint64_t)round->settings->seed + (uint64_t)round->number;
    json_object_set_new(out, "resumed", json_boolean(resumed));
    return run_steps(round, rules, out);
}

sl_status sl_round_run(const sl_workspace *workspace, const sl_round_settings *settings,
                       const sl_round_rule *rules, const sl_progress *progress, json_t **out) {
    int lock;
    SL_TRY(lock_rounds(workspace, &lock));
    sl_round round = {.workspace = workspace, .settings = settings, .progress = progress};
    json_t *result = json_object();
    sl_status status = sl_arena_new(&round.arena);
    if (!status) status = run_locked(&round, rules, result);
    sl_arena_free(round.arena);
    close(lock);
    if (status) {
        json_decref(result);
        return status;
    }
    *out = result;
    return SL_OK;
}

/* --- several rounds --- */

static const char loop_end_key[] = "loop-rounds"; /* how many rounds there are when the loop under way ends */

static sl_status set_loop_end(const sl_workspace *workspace, int64_t count) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, count);
    return sl_store_setting_set(workspace->store, loop_end_key, text);
}

/* The rounds still to be done, one under way among them: those of an interrupted loop, else `count`. */
static sl_status find_rounds_left(const sl_workspace *workspace, int64_t count, int64_t *out) {
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    turns so_far;
    const char *text = NULL;
    sl_status status = find_turns(workspace, arena, &so_far);
    if (!status) status = sl_store_setting_get(workspace->store, loop_end_key, arena, &text);
    int64_t end = text ? strtoll(text, NULL, 10) : 0;
    sl_arena_free(arena);
    SL_TRY(status);
    int64_t under_way = so_far.unfinished.id != 0, done = so_far.count - under_way;
    *out = count;
    if (end <= 0) return set_loop_end(workspace, done + count);
    /* none: killed after its last round and before it could say so */
    *out = end - done > under_way ? end - done : under_way;
    if (*out) sl_info("going on with a loop: rounds to be done, %" PRId64, *out);
    return SL_OK;
}

sl_status sl_loop_run(const sl_workspace *workspace, const sl_round_settings *settings,
                      const sl_round_rule *rules, const sl_progress *progress, json_t **out) {
    int64_t left;
    SL_TRY(find_rounds_left(workspace, settings->rounds, &left));
    json_t *rounds = json_array();
    sl_status status = SL_OK;
    bool waits = false;
    while (left > 0 && !waits && !status) {
        json_t *round;
        status = sl_round_run(workspace, settings, rules, progress, &round);
        if (status) break;
        json_array_append_new(rounds, round);
        waits = json_is_string(json_object_get(round, "waiting"));
        left -= !waits;
    }
    if (!left && !status) status = set_loop_end(workspace, 0);
    if (status) {
        json_decref(rounds);
        return status;
    }
    *out = json_pack("{s:o}", "rounds", rounds);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "out of memory for a result");
}

static sl_status abandon_locked(const sl_workspace *workspace, sl_arena *arena, int64_t *out_number) {
    turns so_far;
    SL_TRY(find_turns(workspace, arena, &so_far));
    SL_TRY(set_loop_end(workspace, 0));
    sl_id id = so_far.unfinished.id;
    *out_number = so_far.unfinished.number;
    return id ? sl_store_round_finish(workspace->store, id, SL_RUN_CANCELLED, NULL) : SL_OK;
}

sl_status sl_round_abandon(const sl_workspace *workspace, int64_t *out_number) {
    int lock;
    sl_arena *arena;
    SL_TRY(lock_rounds(workspace, &lock));
    sl_status status = sl_arena_new(&arena);
    if (!status) {
        status = abandon_locked(workspace, arena, out_number);
        sl_arena_free(arena);
    }
    close(lock);
    return status;
}
