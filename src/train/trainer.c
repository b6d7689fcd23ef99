#include "train/trainer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "train/history.h"
#include "train/residence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SPIKE_AFTER = 50 }; /* updates before the running mean means anything */
/* The scale of a loss: halved where a gradient overflows, doubled after so many updates without. */
enum { SCALE_FIRST = 1 << 16, SCALE_MOST = 1 << 24, SCALE_GROWS_AFTER = 2000 };
static const double running = 0.02;

typedef struct trainer {
    const sl_train_task *task;
    sl_train_options options;
    sl_slot_set *set;
    sl_residence *residence;
    const sl_progress *progress;
    sl_train_outcome *out;
    sl_train_state *state; /* = &out->state */
    sl_history history;
    double begin_s, earlier_s, saved_s; /* clock at start and last save; seconds of earlier runs */
    double loss_sum, norm_last;         /* since the last line of history */
    int64_t loss_count;
    double line_s;
    bool spike, stopped; /* stopped: the state is saved, what is judged now is not in it */
    int64_t evaluated_step;
} trainer;

static void values_changed(trainer *t) {
    if (t->task->changed) t->task->changed(t->task->context);
}

static sl_status diverged(trainer *t, const char *what, double value) {
    char where[256] = "";
    if (t->task->explain) t->task->explain(t->task->context, where, sizeof where);
    if (!where[0] && sl_residence_fetch(t->residence) == SL_OK) {
        const sl_slot *slot = sl_slot_not_finite(t->set);
        if (slot) snprintf(where, sizeof where, "weight '%s'", slot->name);
    }
    return sl_fail(SL_NUMERIC, "step %lld: the %s is %g; first seen in %s", (long long)t->state->step, what,
                   value, where[0] ? where : "no weight or gradient");
}

/* ---- one update ---- */

static sl_status gradients(trainer *t, double *out_loss) {
    int micros = t->options.accumulate;
    *out_loss = 0;
    SL_TRY(sl_residence_zero_gradients(t->residence));
    for (int micro = 0; micro < micros; micro++) {
        double loss = 0;
        SL_TRY(t->task->gradient(t->task->context, t->state->step, micro, &loss));
        *out_loss += loss / micros;
        if (!isfinite(loss)) return diverged(t, "loss", loss);
    }
    return SL_OK;
}

/* Running mean and mean deviation of the loss; a loss far above both is reported. */
static void watch(trainer *t, double loss) {
    sl_train_state *s = t->state;
    double excess = loss - s->loss_mean;
    if (s->step >= SPIKE_AFTER && excess > 8 * s->loss_deviation && excess > s->loss_mean) {
        sl_warn("step %lld: the loss jumped to %.4g (running mean %.4g)", (long long)s->step, loss,
                s->loss_mean);
        t->out->spikes++;
        t->spike = true;
    }
    if (s->step == 0) {
        s->loss_mean = loss;
        return;
    }
    double rate = 1.0 / (double)(s->step + 1);
    if (rate < running) rate = running;
    s->loss_deviation += rate * (fabs(excess) - s->loss_deviation);
    s->loss_mean += rate * excess;
}

static void set_scale(trainer *t, double scale) {
    t->state->loss_scale = scale;
    t->state->unchanged = 0;
    t->task->scale_loss(t->task->context, scale);
}

/* The first scale, or that of the state the run goes on from. */
static void begin_scale(trainer *t) {
    if (t->state->loss_scale <= 0) t->state->loss_scale = SCALE_FIRST;
    t->task->scale_loss(t->task->context, t->state->loss_scale);
}

/* The gradient's norm, and what the gradients in memory are too large by. An update whose scaled gradient
 * overflows is tried again with half the scale, on the same samples. */
static sl_status scaled_gradients(trainer *t, double *out_loss, double *out_norm, double *out_factor) {
    for (;;) {
        double scale = t->task->scale_loss ? t->state->loss_scale : 1;
        SL_TRY(gradients(t, out_loss));
        SL_TRY(sl_residence_gradient_norm(t->residence, out_norm));
        *out_factor = t->options.accumulate * scale;
        *out_norm /= *out_factor;
        if (isfinite(*out_norm)) break;
        if (!(scale > 1)) return diverged(t, "gradient's norm", *out_norm);
        sl_debug("step %lld: a gradient overflows with the loss times %g", (long long)t->state->step, scale);
        set_scale(t, scale / 2);
    }
    if (t->task->scale_loss && ++t->state->unchanged >= SCALE_GROWS_AFTER &&
        t->state->loss_scale < SCALE_MOST)
        set_scale(t, 2 * t->state->loss_scale);
    return SL_OK;
}

static sl_status update(trainer *t) {
    const sl_train_options *o = &t->options;
    double loss, norm, factor;
    SL_TRY(scaled_gradients(t, &loss, &norm, &factor));
    double rate = sl_schedule_rate(&o->schedule, t->state->step);
    SL_TRY(sl_residence_step(t->residence, &o->optimizer, t->state->step + 1, rate,
                             sl_clip_factor(norm, o->clip_norm) / factor));
    values_changed(t);
    if (o->ema_decay > 0) {
        double n = (double)t->state->step, early = (1 + n) / (10 + n);
        SL_TRY(sl_residence_average(t->residence, early < o->ema_decay ? early : o->ema_decay));
    }
    watch(t, loss);
    t->loss_sum += loss;
    t->loss_count++;
    t->norm_last = norm;
    t->state->step++;
    t->out->steps_run++;
    t->state->elapsed_s = t->earlier_s + sl_clock_s() - t->begin_s;
    return SL_OK;
}

/* ---- evaluation ---- */

static sl_status evaluate(trainer *t, double *out_loss) {
    bool averaged = t->options.ema_decay > 0;
    if (averaged) {
        SL_TRY(sl_residence_exchange(t->residence));
        values_changed(t);
    }
    sl_status status = t->task->holdout(t->task->context, out_loss);
    if (averaged) {
        sl_status exchanged = sl_residence_exchange(t->residence);
        if (status == SL_OK) status = exchanged;
        values_changed(t);
    }
    return status;
}

typedef struct best_files {
    char best[SL_LIMIT_PATH_BYTES], aside[SL_LIMIT_PATH_BYTES];
} best_files;

static best_files files_of(const char *folder) {
    best_files files;
    snprintf(files.best, sizeof files.best, "%s/best.safetensors", folder);
    snprintf(files.aside, sizeof files.aside, "%s/best-before-stop.safetensors", folder);
    return files;
}

static sl_status move_over(const char *from, const char *to) {
    if (!sl_file_exists(from) || rename(from, to) == 0) return SL_OK;
    return sl_fail_errno("renaming '%s' to '%s'", from, to);
}

static sl_status consider_best(trainer *t, double loss) {
    sl_train_state *s = t->state;
    s->stale++;
    if (!(loss < s->best_holdout)) return SL_OK;
    s->best_holdout = loss;
    s->best_step = s->step;
    s->stale = 0;
    if (!t->options.folder) return SL_OK;
    best_files files = files_of(t->options.folder);
    /* what a run that goes on from the saved state has to find again */
    if (t->stopped) SL_TRY(move_over(files.best, files.aside));
    SL_TRY(sl_residence_fetch(t->residence));
    return sl_slot_set_save(files.best, t->set, true);
}

/* ---- history, states ---- */

static sl_status write_line(trainer *t, const double *holdout) {
    if (t->loss_count == 0 && !holdout) return SL_OK;
    double now = sl_clock_s(), seconds = now - t->line_s;
    json_t *line = json_object();
    json_object_set_new(line, "step", json_integer((json_int_t)t->state->step));
    json_object_set_new(line, "elapsed_s", json_real(t->state->elapsed_s));
    if (t->loss_count) {
        json_object_set_new(line, "loss", json_real(t->loss_sum / (double)t->loss_count));
        json_object_set_new(line, "lr",
                            json_real(sl_schedule_rate(&t->options.schedule, t->state->step - 1)));
        json_object_set_new(line, "grad_norm", json_real(t->norm_last));
        double samples = (double)(t->loss_count * t->task->samples_per_step);
        json_object_set_new(line, "samples_per_s", json_real(seconds > 0 ? samples / seconds : 0));
    }
    if (holdout && isfinite(*holdout)) json_object_set_new(line, "holdout", json_real(*holdout));
    if (holdout && t->state->best_step == t->state->step) json_object_set_new(line, "best", json_true());
    if (holdout && t->task->annotate) t->task->annotate(t->task->context, line);
    if (t->spike) json_object_set_new(line, "spike", json_true());
    t->loss_sum = 0;
    t->loss_count = 0;
    t->spike = false;
    t->line_s = now;
    return sl_history_add(&t->history, line);
}

static sl_status save(trainer *t) {
    t->saved_s = sl_clock_s();
    if (!t->options.folder) return SL_OK;
    SL_TRY(sl_residence_fetch(t->residence));
    return sl_context(
        sl_train_state_keep(t->options.folder, t->set, t->state, t->options.settings, t->options.keep),
        "saving the training at step %lld", (long long)t->state->step);
}

static bool due(int64_t step, int64_t every) {
    return every > 0 && step % every == 0;
}

static sl_status evaluate_and_note(trainer *t) {
    double loss;
    SL_TRY(evaluate(t, &loss));
    t->evaluated_step = t->state->step;
    if (isnan(t->out->holdout_first)) t->out->holdout_first = loss;
    t->out->holdout_last = loss;
    SL_TRY(consider_best(t, loss));
    return write_line(t, &loss);
}

static sl_status after_update(trainer *t) {
    const sl_train_options *o = &t->options;
    int64_t step = t->state->step;
    char note[96];
    snprintf(note, sizeof note, "loss %.4g", t->state->loss_mean);
    sl_progress_tell(t->progress, t->task->what, t->task->unit, step, o->steps, note);
    bool last = step >= o->steps;
    if (t->task->holdout && o->holdout_every && (due(step, o->holdout_every) || last))
        SL_TRY(evaluate_and_note(t));
    else if (due(step, o->log_every) || last)
        SL_TRY(write_line(t, NULL));
    bool by_time = o->save_every_s > 0 && sl_clock_s() - t->saved_s >= o->save_every_s;
    if (due(step, o->save_every) || by_time || last) SL_TRY(save(t));
    return SL_OK;
}

/* ---- the run ---- */

static sl_status begin(trainer *t) {
    sl_train_options *o = &t->options;
    if (o->accumulate < 1)
        return sl_fail(SL_INVALID, "%d micro-batches in an update, expected 1 or more", o->accumulate);
    if (!o->log_every) o->log_every = 10;
    if (!o->keep) o->keep = 2;
    SL_TRY(sl_slot_set_ready(t->set, sl_optimizer_moments(&o->optimizer), o->ema_decay > 0));
    if (sl_slot_set_trained(t->set) == 0)
        return sl_fail(SL_INVALID, "nothing to train: every weight is frozen");
    if (!o->folder) return SL_OK;
    SL_TRY(sl_folder_make(o->folder));
    sl_status found = sl_train_state_resume(o->folder, t->set, o->settings, t->state);
    if (found != SL_OK && found != SL_NOT_FOUND) return found;
    if (found == SL_OK) {
        sl_info("%s goes on from step %lld", t->task->what, (long long)t->state->step);
        values_changed(t);
    }
    best_files files = files_of(o->folder);
    SL_TRY(move_over(files.aside, files.best));
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/history.jsonl", o->folder);
    return sl_history_open(&t->history, path, t->state->step);
}

/* The best that was found should know of the last stretch, but not what goes on from the state: evaluations
 * of an uninterrupted run come by the schedule alone. */
static sl_status stop_by_time(trainer *t) {
    const sl_train_options *o = &t->options;
    t->out->stop = SL_STOP_TIME;
    SL_TRY(save(t));
    t->stopped = true;
    bool judged = t->evaluated_step == t->state->step;
    return t->task->holdout && o->holdout_every && !judged ? evaluate_and_note(t) : write_line(t, NULL);
}

static bool judged_before(const sl_train_state *state) {
    return isfinite(state->best_holdout) || state->stale > 0;
}

static sl_status steps(trainer *t) {
    const sl_train_options *o = &t->options;
    if (t->task->holdout && o->holdout_every && t->state->step == 0 && !judged_before(t->state))
        SL_TRY(evaluate_and_note(t));
    while (t->state->step < o->steps) {
        sl_status wish = sl_progress_check(t->progress);
        if (wish != SL_OK) {
            SL_TRY(save(t));
            return sl_fail(wish, "stopped at step %lld of %lld; run again to go on",
                           (long long)t->state->step, (long long)o->steps);
        }
        if (o->limit_s > 0 && t->out->steps_run && sl_clock_s() - t->begin_s >= o->limit_s)
            return stop_by_time(t);
        if (o->patience > 0 && t->state->stale >= o->patience) {
            t->out->stop = SL_STOP_PATIENCE;
            return t->out->steps_run ? save(t) : SL_OK;
        }
        SL_TRY(update(t));
        SL_TRY(after_update(t));
    }
    return SL_OK;
}

sl_status sl_train_run(const sl_train_task *task, const sl_train_options *options, sl_slot_set *set,
                       const sl_progress *progress, sl_train_outcome *out) {
    *out = (sl_train_outcome){.state = sl_train_state_begin(), .holdout_first = NAN, .holdout_last = NAN};
    json_t *none = json_object();
    trainer t = {.task = task,
                 .options = *options,
                 .set = set,
                 .progress = progress,
                 .out = out,
                 .state = &out->state};
    if (!t.options.settings) t.options.settings = none;
    sl_status status = begin(&t);
    t.earlier_s = t.state->elapsed_s;
    t.begin_s = t.saved_s = t.line_s = sl_clock_s();
    if (task->scale_loss) begin_scale(&t);
    if (status == SL_OK) status = sl_residence_begin(set, &t.residence);
    if (status == SL_OK) status = steps(&t);
    sl_status ended = sl_residence_end(t.residence);
    if (status == SL_OK) status = ended;
    double seconds = sl_clock_s() - t.begin_s;
    out->samples_per_s = seconds > 0 ? (double)(out->steps_run * task->samples_per_step) / seconds : 0;
    out->loss = t.state->loss_mean;
    sl_history_close(&t.history);
    json_decref(none);
    return status;
}
