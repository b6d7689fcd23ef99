#include "base/threads.h"

#include "base/limits.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* Workers wait for the job number to change: they spin for a moment, since the next operation of a graph
 * usually follows within microseconds, then sleep. The gate holds the number of the job, whether it is
 * closed, and how many workers are inside. The caller closes it when no task is left and waits for those
 * inside alone: a worker that the system wakes too late, on a busy machine, is not waited for. */
enum { SPIN_ROUNDS = 4000 };
#define GATE_CLOSED    ((uint64_t)1 << 31)
#define GATE_INSIDE    (GATE_CLOSED - 1)
#define GATE_JOB(gate) ((uint32_t)((gate) >> 32))

static struct {
    pthread_mutex_t lock, caller_lock;
    pthread_cond_t wake, finished;
    pthread_t thread[SL_LIMIT_THREADS];
    int count; /* threads in all, the caller included; 0 = not started */
    atomic_ullong gate;
    atomic_bool stop;
    sl_task_fn run;
    void *context;
    int64_t tasks;
    atomic_llong next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .caller_lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static _Thread_local int current_worker = -1;

static int cpu_count(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < SL_LIMIT_THREADS ? count : SL_LIMIT_THREADS;
}

static void run_tasks(int worker) {
    current_worker = worker;
    for (;;) {
        long long task = atomic_fetch_add(&pool.next, 1);
        if (task >= pool.tasks) break;
        pool.run(pool.context, task, worker);
    }
    current_worker = -1;
}

static uint32_t current_job(void) {
    return GATE_JOB(atomic_load_explicit(&pool.gate, memory_order_acquire));
}

static uint32_t wait_for_job(uint32_t seen) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        uint32_t job = current_job();
        if (job != seen) return job;
        __builtin_ia32_pause();
    }
    pthread_mutex_lock(&pool.lock);
    while (current_job() == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    return current_job();
}

static bool enter(uint32_t job) {
    unsigned long long gate = atomic_load(&pool.gate);
    while (GATE_JOB(gate) == job && !(gate & GATE_CLOSED))
        if (atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1)) return true;
    return false;
}

static void leave(void) {
    unsigned long long gate = atomic_fetch_sub(&pool.gate, 1);
    if (!(gate & GATE_CLOSED) || (gate & GATE_INSIDE) != 1) return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.finished);
    pthread_mutex_unlock(&pool.lock);
}

static void *worker_main(void *argument) {
    int worker = (int)(intptr_t)argument;
    uint32_t seen = 0;
    for (;;) {
        seen = wait_for_job(seen);
        if (atomic_load(&pool.stop)) return NULL;
        if (!enter(seen)) continue;
        run_tasks(worker);
        leave();
    }
}

/* A new job, for all to see. */
static void announce(void) {
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.gate, (unsigned long long)(current_job() + 1) << 32);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

/* Nobody enters any more; returns when all inside have left. */
static void close_job(void) {
    atomic_fetch_or(&pool.gate, GATE_CLOSED);
    for (int i = 0; i < SPIN_ROUNDS && atomic_load(&pool.gate) & GATE_INSIDE; i++) __builtin_ia32_pause();
    if (!(atomic_load(&pool.gate) & GATE_INSIDE)) return;
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.gate) & GATE_INSIDE) pthread_cond_wait(&pool.finished, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void start(int count) {
    atomic_store(&pool.stop, false);
    atomic_store(&pool.gate, GATE_CLOSED);
    pool.count = 1;
    for (int i = 1; i < count; i++) {
        if (pthread_create(&pool.thread[i], NULL, worker_main, (void *)(intptr_t)i) != 0) break;
        pool.count = i + 1;
    }
}

static void stop_workers(void) {
    if (pool.count <= 1) return;
    atomic_store(&pool.stop, true);
    announce();
    for (int i = 1; i < pool.count; i++) pthread_join(pool.thread[i], NULL);
}

sl_status sl_threads_set(int count) {
    if (count < 0 || count > SL_LIMIT_THREADS)
        return sl_fail(SL_INVALID, "%d threads, expected 0 to %d", count, SL_LIMIT_THREADS);
    pthread_mutex_lock(&pool.caller_lock);
    stop_workers();
    start(count ? count : cpu_count());
    pthread_mutex_unlock(&pool.caller_lock);
    return SL_OK;
}

int sl_threads_count(void) {
    pthread_mutex_lock(&pool.caller_lock);
    if (pool.count == 0) start(cpu_count());
    int count = pool.count;
    pthread_mutex_unlock(&pool.caller_lock);
    return count;
}

void sl_parallel_for(int64_t tasks, sl_task_fn run, void *context) {
    if (current_worker >= 0) {
        for (int64_t i = 0; i < tasks; i++) run(context, i, current_worker);
        return;
    }
    pthread_mutex_lock(&pool.caller_lock);
    if (pool.count == 0) start(cpu_count());
    pool.run = run;
    pool.context = context;
    pool.tasks = tasks;
    atomic_store(&pool.next, 0);
    bool shared = tasks > 1 && pool.count > 1;
    if (shared) announce();
    run_tasks(0);
    if (shared) close_job();
    pthread_mutex_unlock(&pool.caller_lock);
}

/* ---- tasks that can fail ---- */

typedef struct trial {
    sl_try_fn run;
    void *context;
    pthread_mutex_t lock;
    int64_t failed; /* the first task in order that did so far; -1: none */
    sl_status status;
    char message[SL_ERROR_MESSAGE_BYTES];
} trial;

static void try_task(void *context, int64_t task, int worker) {
    trial *t = context;
    sl_status status = t->run(t->context, task, worker);
    if (status == SL_OK) return;
    pthread_mutex_lock(&t->lock);
    if (t->failed < 0 || task < t->failed) {
        t->failed = task;
        t->status = status;
        snprintf(t->message, sizeof t->message, "%s", sl_error_message());
    }
    pthread_mutex_unlock(&t->lock);
}

sl_status sl_parallel_try(int64_t tasks, sl_try_fn run, void *context) {
    trial t = {.run = run, .context = context, .lock = PTHREAD_MUTEX_INITIALIZER, .failed = -1};
    sl_parallel_for(tasks, try_task, &t);
    return t.failed < 0 ? SL_OK : sl_fail(t.status, "%s", t.message);
}
