/* The training loop on a task small enough to be known: fit y = A x + b by least squares, data drawn by key.
 */
#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "base/json.h"
#include "base/random/random.h"
#include "base/threads.h"
#include "train/history.h"
#include "train/trainer.h"

#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

enum { IN = 6, OUT = 5, BATCH = 8, SPARE = 70000 }; /* SPARE: a weight of several pieces */

typedef struct toy {
    float weight[OUT * IN], bias[OUT], *spare;
    float weight_gradient[OUT * IN], bias_gradient[OUT], *spare_gradient;
    float statistic[3];
    int batch, pause_us;
    int64_t poison_step; /* -1: never */
    int changes, tries;
    double scale, scale_most; /* of the loss; gradients above the latter overflow */
} toy;

static void toy_begin(toy *t) {
    *t = (toy){.batch = BATCH, .poison_step = -1, .statistic = {1, 2, 3}};
    t->spare = calloc(SPARE, sizeof(float));
    t->spare_gradient = calloc(SPARE, sizeof(float));
    sl_random random = sl_random_stream(1, SL_STREAM_INIT, 0);
    sl_random_normals(&random, t->weight, OUT * IN);
    sl_random_normals(&random, t->spare, SPARE);
}

static void toy_end(toy *t) {
    free(t->spare);
    free(t->spare_gradient);
}

static void toy_slots(toy *t, sl_slot_set *set) {
    assert_ok(sl_slot_set_new(set));
    assert_ok(sl_slot_add(set, "layer.weight", &SL_SHAPE(OUT, IN), t->weight, t->weight_gradient, true));
    assert_ok(sl_slot_add(set, "layer.bias", &SL_SHAPE(OUT), t->bias, t->bias_gradient, false));
    assert_ok(sl_slot_add(set, "spare", &SL_SHAPE(SPARE), t->spare, t->spare_gradient, true));
    assert_ok(sl_slot_add(set, "running", &SL_SHAPE(3), t->statistic, NULL, false));
}

/* One sample: x, and y = truth(x). The spare weights are pulled to 1 with a pull that differs from place to
 * place. */
static double toy_sample(toy *t, uint32_t item, double share) {
    sl_random random = sl_random_stream(5, SL_STREAM_NOISE, item);
    float x[IN];
    double loss = 0;
    sl_random_normals(&random, x, IN);
    for (int o = 0; o < OUT; o++) {
        double truth = 0.5, got = (double)t->bias[o];
        for (int i = 0; i < IN; i++) {
            truth += (o == i % OUT ? 2.0 : -0.25) * (double)x[i];
            got += (double)t->weight[o * IN + i] * (double)x[i];
        }
        double d = got - truth;
        loss += d * d / OUT;
        for (int i = 0; i < IN; i++)
            t->weight_gradient[o * IN + i] += (float)(2 * share * d * (double)x[i] / OUT);
        t->bias_gradient[o] += (float)(2 * share * d / OUT);
    }
    return loss;
}

static sl_status toy_gradient(void *context, int64_t step, int micro, double *out_loss) {
    toy *t = context;
    *out_loss = 0;
    for (int n = 0; n < t->batch; n++) {
        uint32_t item = (uint32_t)((step * BATCH) + micro * t->batch + n);
        *out_loss += toy_sample(t, item, 1.0 / t->batch) / t->batch;
    }
    for (int i = 0; i < SPARE; i++) t->spare_gradient[i] += 1e-3f * (float)(i % 7) * (t->spare[i] - 1);
    t->statistic[0] += 0.125f;
    if (step == t->poison_step) t->bias_gradient[2] = NAN;
    if (t->pause_us) usleep((useconds_t)t->pause_us);
    return SL_OK;
}

static sl_status toy_holdout(void *context, double *out_loss) {
    toy *t = context, copy = *t;
    *out_loss = 0;
    for (uint32_t n = 0; n < 16; n++) *out_loss += toy_sample(&copy, 1u << 20 | n, 0) / 16;
    return SL_OK;
}

static void toy_changed(void *context) {
    ((toy *)context)->changes++;
}

static sl_train_task toy_task(toy *t) {
    return (sl_train_task){.context = t,
                           .what = "fitting",
                           .unit = "step",
                           .samples_per_step = BATCH,
                           .gradient = toy_gradient,
                           .holdout = toy_holdout,
                           .changed = toy_changed};
}

static sl_train_options toy_options(const char *folder) {
    return (sl_train_options){.optimizer = sl_optimizer_adamw(),
                              .schedule = {SL_SCHEDULE_COSINE, 0.06, 0.05, 10, 200},
                              .clip_norm = 1,
                              .accumulate = 1,
                              .ema_decay = 0.99,
                              .steps = 200,
                              .holdout_every = 20,
                              .save_every = 7,
                              .keep = 2,
                              .folder = folder};
}

static char *new_folder(void) {
    char *folder = malloc(SCRATCH_FOLDER_BYTES);
    assert_true(scratch_folder_make(folder));
    return folder;
}

static void drop_folder(char *folder) {
    assert_true(scratch_folder_remove(folder));
    free(folder);
}

static sl_status toy_run(toy *t, const sl_train_options *options, sl_slot_set *set, sl_train_outcome *out) {
    toy_slots(t, set);
    sl_train_task task = toy_task(t);
    return sl_train_run(&task, options, set, NULL, out);
}

static void training_learns_and_is_recorded(void **state) {
    (void)state;
    char *folder = new_folder();
    toy t;
    toy_begin(&t);
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(folder);
    assert_ok(toy_run(&t, &options, &set, &out));
    assert_int_equal(out.stop, SL_STOP_DONE);
    assert_int_equal(out.state.step, 200);
    assert_true(out.holdout_last < 0.05 * out.holdout_first);
    assert_true(t.changes >= 200);
    char path[256];
    snprintf(path, sizeof path, "%s/history.jsonl", folder);
    char *text;
    size_t bytes;
    assert_ok(sl_file_read(path, 1 << 20, &text, &bytes));
    assert_non_null(strstr(text, "\"holdout\""));
    assert_non_null(strstr(text, "\"grad_norm\""));
    sl_free(text);
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    assert_true(sl_file_exists(path));
    sl_slot_set_free(&set);
    toy_end(&t);
    drop_folder(folder);
}

/* Bytes of everything that training changes. */
static void assert_same(const toy *a, const sl_slot_set *a_set, const toy *b, const sl_slot_set *b_set) {
    assert_memory_equal(a->weight, b->weight, sizeof a->weight);
    assert_memory_equal(a->bias, b->bias, sizeof a->bias);
    assert_memory_equal(a->statistic, b->statistic, sizeof a->statistic);
    assert_memory_equal(a->spare, b->spare, SPARE * sizeof(float));
    for (int i = 0; i < a_set->count - 1; i++) {
        size_t size = (size_t)a_set->slot[i].count * sizeof(float);
        assert_memory_equal(a_set->slot[i].moment1, b_set->slot[i].moment1, size);
        assert_memory_equal(a_set->slot[i].moment2, b_set->slot[i].moment2, size);
        assert_memory_equal(a_set->slot[i].average, b_set->slot[i].average, size);
    }
}

/* Waits until a first state was saved, however busy the machine. */
static void await_state(const char *folder) {
    char pattern[256];
    snprintf(pattern, sizeof pattern, "%s/state-*.safetensors", folder);
    for (int i = 0; i < 2000; i++) {
        glob_t found = {0};
        bool there = glob(pattern, 0, NULL, &found) == 0;
        globfree(&found);
        if (there) return;
        usleep(5000);
    }
    fail_msg("no state was saved within ten seconds");
}

/* A child trains and is killed at several moments, some within a save; then the run is finished here. */
static void kill_and_resume_gives_the_same_bits(void **state) {
    (void)state;
    toy whole, part;
    sl_slot_set whole_set, part_set;
    sl_train_outcome out;
    char *folder = new_folder();
    sl_train_options options = toy_options(folder);
    for (int kill_number = 0; kill_number < 4; kill_number++) {
        pid_t child = fork();
        if (child == 0) {
            sl_threads_set(1);
            toy_begin(&part);
            part.pause_us = 1000;
            sl_slot_set set;
            _exit(toy_run(&part, &options, &set, &out) == SL_OK ? 0 : 1);
        }
        await_state(folder);
        usleep(10000 + 17300 * (useconds_t)kill_number);
        kill(child, SIGKILL);
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_true(WIFSIGNALED(ended) || WEXITSTATUS(ended) == 0);
    }
    toy_begin(&part);
    assert_ok(toy_run(&part, &options, &part_set, &out));
    assert_true(out.steps_run < 200); /* something was there to go on from */
    toy_begin(&whole);
    options.folder = NULL;
    assert_ok(toy_run(&whole, &options, &whole_set, &out));
    assert_same(&whole, &whole_set, &part, &part_set);
    sl_slot_set_free(&whole_set);
    sl_slot_set_free(&part_set);
    toy_end(&whole);
    toy_end(&part);
    drop_folder(folder);
}

static void thread_counts_agree(void **state) {
    (void)state;
    toy one, three;
    sl_slot_set one_set, three_set;
    sl_train_outcome out;
    sl_train_options options = toy_options(NULL);
    toy_begin(&one);
    toy_begin(&three);
    assert_ok(sl_threads_set(1));
    assert_ok(toy_run(&one, &options, &one_set, &out));
    assert_ok(sl_threads_set(3));
    assert_ok(toy_run(&three, &options, &three_set, &out));
    assert_ok(sl_threads_set(0));
    assert_same(&one, &one_set, &three, &three_set);
    sl_slot_set_free(&one_set);
    sl_slot_set_free(&three_set);
    toy_end(&one);
    toy_end(&three);
}

static void accumulation_equals_a_big_batch(void **state) {
    (void)state;
    toy big, small;
    sl_slot_set big_set, small_set;
    sl_train_outcome out;
    sl_train_options options = toy_options(NULL);
    options.steps = 30;
    toy_begin(&big);
    assert_ok(toy_run(&big, &options, &big_set, &out));
    toy_begin(&small);
    small.batch = BATCH / 4;
    options.accumulate = 4;
    assert_ok(toy_run(&small, &options, &small_set, &out));
    for (int i = 0; i < OUT * IN; i++) assert_near(big.weight[i], small.weight[i], 2e-5);
    sl_slot_set_free(&big_set);
    sl_slot_set_free(&small_set);
    toy_end(&big);
    toy_end(&small);
}

/* Stopped by the clock, a run judges the weights it has before it saves them. */
static void a_run_cut_by_time_is_judged(void **state) {
    (void)state;
    char *folder = new_folder(), path[256];
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(folder);
    options.limit_s = 0.2;
    options.holdout_every = 1000000;
    options.ema_decay = 0;
    toy t, best;
    toy_begin(&t);
    t.pause_us = 5000;
    assert_ok(toy_run(&t, &options, &set, &out));
    assert_int_equal(out.stop, SL_STOP_TIME);
    assert_true(out.state.best_step > 0 && out.state.best_step == out.state.step);
    toy_begin(&best);
    sl_slot_set best_set;
    toy_slots(&best, &best_set);
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    assert_ok(sl_slot_set_load(path, &best_set));
    assert_memory_equal(best.weight, t.weight, sizeof t.weight);
    sl_slot_set_free(&set);
    sl_slot_set_free(&best_set);
    toy_end(&t);
    toy_end(&best);
    drop_folder(folder);
}

static sl_status cut_run(toy *t, const sl_train_options *options, bool cancelled, sl_train_outcome *out) {
    atomic_bool cancel = true;
    sl_progress progress = {.cancel = &cancel};
    sl_slot_set set;
    toy_slots(t, &set);
    sl_train_task task = toy_task(t);
    sl_status status = sl_train_run(&task, options, &set, cancelled ? &progress : NULL, out);
    sl_slot_set_free(&set);
    return status;
}

static void assert_same_best(const char *a, const char *b) {
    char path[256], *a_data, *b_data;
    size_t a_bytes, b_bytes;
    snprintf(path, sizeof path, "%s/best.safetensors", a);
    assert_ok(sl_file_read(path, 1 << 22, &a_data, &a_bytes));
    snprintf(path, sizeof path, "%s/best.safetensors", b);
    assert_ok(sl_file_read(path, 1 << 22, &b_data, &b_bytes));
    assert_int_equal(a_bytes, b_bytes);
    assert_memory_equal(a_data, b_data, a_bytes);
    sl_free(a_data);
    sl_free(b_data);
}

/* Cancelled before its first update, then stopped by time after every one: nothing of what is judged on the
 * way is left. Steps so large that the loss rises again. */
static void stops_leave_no_trace(void **state) {
    (void)state;
    char *whole_folder = new_folder(), *part_folder = new_folder(), path[256];
    sl_train_outcome whole_out, part_out = {0};
    sl_train_options options = toy_options(whole_folder);
    options.schedule = (sl_schedule){SL_SCHEDULE_CONSTANT, .rate = 1.5};
    options.ema_decay = 0;
    options.steps = 24;
    options.holdout_every = 5;
    toy whole, part;
    toy_begin(&whole);
    toy_begin(&part);
    assert_ok(cut_run(&whole, &options, false, &whole_out));
    options.folder = part_folder;
    assert_status(cut_run(&part, &options, true, &part_out), SL_CANCELLED);
    options.limit_s = 1e-9;
    int runs = 0;
    for (; part_out.state.step < options.steps; runs++) assert_ok(cut_run(&part, &options, false, &part_out));
    assert_int_equal(runs, options.steps);
    assert_int_equal(whole_out.state.stale, 3);
    assert_int_equal(part_out.state.stale, whole_out.state.stale);
    assert_int_equal(part_out.state.best_step, whole_out.state.best_step);
    assert_true(part_out.state.best_holdout == whole_out.state.best_holdout);
    assert_memory_equal(whole.weight, part.weight, sizeof whole.weight);
    assert_memory_equal(whole.spare, part.spare, SPARE * sizeof(float));
    assert_same_best(whole_folder, part_folder);
    snprintf(path, sizeof path, "%s/best-before-stop.safetensors", part_folder);
    assert_false(sl_file_exists(path));
    toy_end(&whole);
    toy_end(&part);
    drop_folder(whole_folder);
    drop_folder(part_folder);
}

static void settings_must_agree(void **state) {
    (void)state;
    char *folder = new_folder();
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(folder);
    options.steps = 3;
    json_t *settings = json_pack("{s:i, s:s}", "width", 64, "loss", "v"),
           *other = json_pack("{s:i}", "width", 65);
    toy t;
    options.settings = settings;
    toy_begin(&t);
    assert_ok(toy_run(&t, &options, &set, &out));
    sl_slot_set_free(&set);
    options.settings = other;
    assert_status(toy_run(&t, &options, &set, &out), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "width = 64"));
    sl_slot_set_free(&set);
    toy_end(&t);
    json_decref(settings);
    json_decref(other);
    drop_folder(folder);
}

/* What a training began with and what it is asked for differ where only one of them has a key. */
static void a_setting_that_is_lacking_differs(void **state) {
    (void)state;
    char *folder = new_folder(), path[256];
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    json_t *few = json_pack("{s:i}", "a", 1), *more = json_pack("{s:i, s:f}", "a", 1, "noisy", 0.25);
    sl_train_state now = sl_train_state_begin();
    sl_slot_set set;
    toy t;
    toy_begin(&t);
    toy_slots(&t, &set);
    assert_ok(sl_train_state_save(path, &set, &now, more));
    assert_ok(sl_train_state_load(path, &set, more, &now));
    assert_status(sl_train_state_load(path, &set, few, &now), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "noisy = 0.25"));
    assert_ok(sl_train_state_save(path, &set, &now, few));
    assert_status(sl_train_state_load(path, &set, more, &now), SL_MISMATCH);
    sl_slot_set_free(&set);
    toy_end(&t);
    json_decref(few);
    json_decref(more);
    drop_folder(folder);
}

/* The newest state is damaged in its last byte: it is passed over and the one before it taken. */
static void damaged_states_are_passed_over(void **state) {
    (void)state;
    char *folder = new_folder();
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(folder);
    options.steps = 20;
    toy t;
    toy_begin(&t);
    assert_ok(toy_run(&t, &options, &set, &out));
    sl_slot_set_free(&set);
    char path[256];
    snprintf(path, sizeof path, "%s/state-%010d.safetensors", folder, 20);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, -1, SEEK_END);
    int last = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(last ^ 1, file);
    fclose(file);
    options.steps = 21;
    assert_ok(toy_run(&t, &options, &set, &out));
    assert_int_equal(out.steps_run, 21 - 14);
    sl_slot_set_free(&set);
    toy_end(&t);
    drop_folder(folder);
}

/* The first occurrence of `text` in the file loses its first letter to another. */
static void spoil(const char *path, const char *text) {
    char *data;
    size_t bytes;
    assert_ok(sl_file_read(path, 1 << 24, &data, &bytes));
    char *at = memmem(data, bytes, text, strlen(text));
    assert_non_null(at);
    *at ^= 1;
    assert_ok(sl_file_write_atomic(path, data, bytes));
    sl_free(data);
}

/* So is one that is damaged in its settings or in the name of a tensor. */
static void damaged_headers_are_passed_over(void **state) {
    (void)state;
    static const char *const places[] = {"width", "moment1/layer.bias"};
    json_t *settings = json_pack("{s:i}", "width", 64);
    for (int k = 0; k < 2; k++) {
        char *folder = new_folder(), path[256];
        sl_slot_set set;
        sl_train_state now = sl_train_state_begin(), found;
        toy t;
        toy_begin(&t);
        toy_slots(&t, &set);
        assert_ok(sl_slot_set_ready(&set, 2, false));
        for (now.step = 1; now.step <= 2; now.step++)
            assert_ok(sl_train_state_keep(folder, &set, &now, settings, 2));
        snprintf(path, sizeof path, "%s/state-%010d.safetensors", folder, 2);
        spoil(path, places[k]);
        if (k == 0) assert_status(sl_train_state_load(path, &set, settings, &found), SL_FORMAT);
        assert_ok(sl_train_state_resume(folder, &set, settings, &found));
        assert_int_equal(found.step, 1);
        sl_slot_set_free(&set);
        toy_end(&t);
        drop_folder(folder);
    }
    json_decref(settings);
}

/* A state that was just written stays, whatever the folder holds of later steps. */
static void the_state_just_written_stays(void **state) {
    (void)state;
    char *folder = new_folder(), path[256];
    sl_slot_set set;
    sl_train_state now = sl_train_state_begin(), found;
    json_t *settings = json_object();
    toy t;
    toy_begin(&t);
    toy_slots(&t, &set);
    snprintf(path, sizeof path, "%s/state-%010d.safetensors", folder, 20);
    assert_ok(sl_file_write_atomic(path, "damaged", 7));
    now.step = 14;
    assert_ok(sl_train_state_keep(folder, &set, &now, settings, 1));
    assert_false(sl_file_exists(path));
    assert_ok(sl_train_state_resume(folder, &set, settings, &found));
    assert_int_equal(found.step, 14);
    sl_slot_set_free(&set);
    toy_end(&t);
    json_decref(settings);
    drop_folder(folder);
}

static void not_finite_is_named(void **state) {
    (void)state;
    toy t;
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(NULL);
    toy_begin(&t);
    t.poison_step = 12;
    assert_status(toy_run(&t, &options, &set, &out), SL_NUMERIC);
    assert_non_null(strstr(sl_error_message(), "step 12"));
    assert_non_null(strstr(sl_error_message(), "layer.bias"));
    sl_slot_set_free(&set);
    toy_end(&t);
}

/* ---- parts ---- */

static void clipping_clips(void **state) {
    (void)state;
    float value[4] = {0}, gradient[4] = {3, 0, 4, 0};
    sl_slot_set set;
    assert_ok(sl_slot_set_new(&set));
    assert_ok(sl_slot_add(&set, "w", &SL_SHAPE(4), value, gradient, true));
    assert_ok(sl_slot_set_ready(&set, 0, false));
    double norm = sl_slot_gradient_norm(&set);
    assert_near(norm, 5, 1e-12);
    sl_optimizer sgd = sl_optimizer_sgd(0);
    sl_optimizer_step(&sgd, &set, 1, 1.0, sl_clip_factor(norm, 1.0));
    assert_near(hypot((double)value[0], (double)value[2]), 1.0, 1e-5);
    assert_near(sl_clip_factor(0.5, 1.0), 1.0, 0);
    assert_near(sl_clip_factor(5, 0), 1.0, 0);
    sl_slot_set_free(&set);
}

/* Three AdamW steps by hand, in double, from the papers' formulas. */
static void adamw_follows_its_formulas(void **state) {
    (void)state;
    float value = 0.7f, gradient;
    double x = 0.7, m = 0, v = 0;
    if ((float)x != value) x = (double)value;
    sl_slot_set set;
    assert_ok(sl_slot_set_new(&set));
    assert_ok(sl_slot_add(&set, "w", &SL_SHAPE(1), &value, &gradient, true));
    assert_ok(sl_slot_set_ready(&set, 2, false));
    sl_optimizer adamw = sl_optimizer_adamw();
    for (int step = 1; step <= 3; step++) {
        double g = 0.3 * step - 0.4;
        gradient = (float)g;
        sl_optimizer_step(&adamw, &set, step, 1e-2, 1);
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        double unbiased_m = m / (1 - pow(0.9, step)), unbiased_v = v / (1 - pow(0.999, step));
        x = x * (1 - 1e-2 * 0.01) - 1e-2 * unbiased_m / (sqrt(unbiased_v) + 1e-8);
        assert_near((double)value, x, 2e-7);
    }
    sl_slot_set_free(&set);
}

static void momentum_follows_its_formula(void **state) {
    (void)state;
    float value = 1, gradient = 0.5f;
    sl_slot_set set;
    assert_ok(sl_slot_set_new(&set));
    assert_ok(sl_slot_add(&set, "w", &SL_SHAPE(1), &value, &gradient, true));
    assert_ok(sl_slot_set_ready(&set, 1, false));
    sl_optimizer sgd = sl_optimizer_sgd(0.9);
    double x = 1, m = 0;
    for (int step = 1; step <= 4; step++) {
        sl_optimizer_step(&sgd, &set, step, 0.1, 1);
        m = 0.9 * m + 0.5;
        x -= 0.1 * m;
        assert_near((double)value, x, 1e-6);
    }
    sl_slot_set_free(&set);
}

static void schedules_rise_and_fall(void **state) {
    (void)state;
    sl_schedule s = {SL_SCHEDULE_COSINE, 1.0, 0.1, 10, 110};
    assert_near(sl_schedule_rate(&s, 0), 0.1, 1e-12);
    assert_near(sl_schedule_rate(&s, 9), 1.0, 1e-12);
    assert_near(sl_schedule_rate(&s, 10), 1.0, 1e-12);
    assert_near(sl_schedule_rate(&s, 60), 0.55, 1e-12);
    assert_near(sl_schedule_rate(&s, 110), 0.1, 1e-12);
    assert_near(sl_schedule_rate(&s, 500), 0.1, 1e-12);
    s.kind = SL_SCHEDULE_LINEAR;
    assert_near(sl_schedule_rate(&s, 35), 0.1 + 0.9 * 0.75, 1e-12);
    s.kind = SL_SCHEDULE_CONSTANT;
    assert_near(sl_schedule_rate(&s, 1000), 1.0, 1e-12);
    sl_schedule_kind kind;
    assert_ok(sl_schedule_kind_parse("cosine", &kind));
    assert_int_equal(kind, SL_SCHEDULE_COSINE);
    assert_status(sl_schedule_kind_parse("cubic", &kind), SL_INVALID);
}

static void averages_follow(void **state) {
    (void)state;
    float value[2] = {1, 2}, gradient[2] = {0};
    sl_slot_set set;
    assert_ok(sl_slot_set_new(&set));
    assert_ok(sl_slot_add(&set, "w", &SL_SHAPE(2), value, gradient, true));
    assert_ok(sl_slot_set_ready(&set, 0, true));
    value[0] = 3;
    sl_slot_average(&set, 0.75);
    assert_near(set.slot[0].average[0], 1.5, 1e-7);
    sl_slot_exchange(&set);
    assert_near(value[0], 1.5, 1e-7);
    sl_slot_exchange(&set);
    assert_near(value[0], 3, 0);
    sl_slot_set_free(&set);
}

/* Lines beyond the step that is resumed from go, and so does a torn last line. */
static void history_forgets_what_is_redone(void **state) {
    (void)state;
    char *folder = new_folder(), path[256];
    snprintf(path, sizeof path, "%s/history.jsonl", folder);
    const char text[] = "{\"step\":10}\n{\"step\":20}\n{\"step\":30}\n{\"ste";
    assert_ok(sl_file_write_atomic(path, text, sizeof text - 1));
    sl_history history;
    assert_ok(sl_history_open(&history, path, 20));
    assert_ok(sl_history_add(&history, json_pack("{s:i}", "step", 25)));
    sl_history_close(&history);
    char *read;
    size_t bytes;
    assert_ok(sl_file_read(path, 1000, &read, &bytes));
    assert_string_equal(read, "{\"step\":10}\n{\"step\":20}\n{\"step\":25}\n");
    sl_free(read);
    drop_folder(folder);
}

/* ---- a scaled loss ---- */

static void toy_scale(void *context, double scale) {
    ((toy *)context)->scale = scale;
}

static sl_status scaled_gradient(void *context, int64_t step, int micro, double *out_loss) {
    toy *t = context;
    SL_TRY(toy_gradient(context, step, micro, out_loss));
    float *gradients[] = {t->weight_gradient, t->bias_gradient, t->spare_gradient};
    int counts[] = {OUT * IN, OUT, SPARE};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < counts[k]; i++) gradients[k][i] *= (float)t->scale;
    if (step >= 3 && t->scale > t->scale_most) t->bias_gradient[1] = INFINITY;
    t->tries++;
    return SL_OK;
}

static sl_status scaled_run(toy *t, int64_t steps, const char *folder, sl_train_outcome *out) {
    sl_slot_set set;
    sl_train_options options = toy_options(folder);
    options.steps = steps;
    sl_train_task task = toy_task(t);
    task.gradient = scaled_gradient;
    task.scale_loss = toy_scale;
    toy_slots(t, &set);
    sl_status status = sl_train_run(&task, &options, &set, NULL, out);
    sl_slot_set_free(&set);
    return status;
}

/* The scale is a power of two: it falls where a gradient overflows, leaves no trace in the weights, and a
 * resumed run goes on with it. */
static void a_scaled_loss_trains_the_same(void **state) {
    (void)state;
    char *folder = new_folder();
    toy plain, scaled, cut;
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_options options = toy_options(NULL);
    options.steps = 30;
    toy_begin(&plain), toy_begin(&scaled), toy_begin(&cut);
    scaled.scale_most = cut.scale_most = 1024;
    assert_ok(toy_run(&plain, &options, &set, &out));
    sl_slot_set_free(&set);
    assert_ok(scaled_run(&scaled, 30, NULL, &out));
    assert_true(out.state.loss_scale == 1024);
    assert_int_equal(scaled.tries, 30 + 6); /* 65536 to 1024 at step 3 */
    assert_memory_equal(plain.weight, scaled.weight, sizeof plain.weight);
    assert_memory_equal(plain.spare, scaled.spare, SPARE * sizeof(float));

    assert_ok(scaled_run(&cut, 20, folder, &out));
    cut.tries = 0;
    assert_ok(scaled_run(&cut, 30, folder, &out));
    assert_int_equal(cut.tries, 10);
    assert_memory_equal(plain.weight, cut.weight, sizeof plain.weight);

    /* no scale is small enough */
    scaled.scale_most = 0.5;
    assert_int_equal(scaled_run(&scaled, 5, NULL, &out), SL_NUMERIC);
    toy_end(&plain), toy_end(&scaled), toy_end(&cut);
    drop_folder(folder);
}

static sl_status no_gradient(void *context, int64_t step, int micro, double *out_loss) {
    (void)context, (void)step, (void)micro;
    *out_loss = 1;
    return SL_OK;
}

/* It rises again after 2000 updates. */
static void a_scale_rises(void **state) {
    (void)state;
    float value[4] = {1, 2, 3, 4}, gradient[4] = {0};
    toy t = {0};
    sl_slot_set set;
    sl_train_outcome out;
    sl_train_task task = {.context = &t, .what = "nothing", .gradient = no_gradient, .scale_loss = toy_scale};
    sl_train_options options = {
        .optimizer = sl_optimizer_sgd(0), .schedule = {.rate = 1}, .accumulate = 1, .steps = 2001};
    assert_ok(sl_slot_set_new(&set));
    assert_ok(sl_slot_add(&set, "w", &SL_SHAPE(4), value, gradient, false));
    assert_ok(sl_train_run(&task, &options, &set, NULL, &out));
    assert_true(out.state.loss_scale == 131072 && t.scale == 131072);
    assert_int_equal(out.state.unchanged, 1);
    sl_slot_set_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_and_resume_gives_the_same_bits), /* first: it forks before there are threads */
        cmocka_unit_test(training_learns_and_is_recorded),
        cmocka_unit_test(thread_counts_agree),
        cmocka_unit_test(accumulation_equals_a_big_batch),
        cmocka_unit_test(a_run_cut_by_time_is_judged),
        cmocka_unit_test(stops_leave_no_trace),
        cmocka_unit_test(settings_must_agree),
        cmocka_unit_test(a_setting_that_is_lacking_differs),
        cmocka_unit_test(damaged_states_are_passed_over),
        cmocka_unit_test(damaged_headers_are_passed_over),
        cmocka_unit_test(the_state_just_written_stays),
        cmocka_unit_test(not_finite_is_named),
        cmocka_unit_test(clipping_clips),
        cmocka_unit_test(adamw_follows_its_formulas),
        cmocka_unit_test(momentum_follows_its_formula),
        cmocka_unit_test(schedules_rise_and_fall),
        cmocka_unit_test(averages_follow),
        cmocka_unit_test(history_forgets_what_is_redone),
        cmocka_unit_test(a_scaled_loss_trains_the_same),
        cmocka_unit_test(a_scale_rises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
