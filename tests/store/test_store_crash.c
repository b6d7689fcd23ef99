/* A process writes without pause and is killed at a random moment, again and again. What it was told is on
 * disk must be there: each acknowledged number comes through a pipe only after the store's SL_OK. */
#include "store_fixture.h"

#include "base/clock.h"
#include "base/random/random.h"
#include "store/object.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 20, THREADS = 4 };

typedef struct child_thread {
    sl_store *store;
    const char *objects;
    sl_id reviewer;
    int64_t base;
    int pipe;
} child_thread;

/* Image with its object, then a decision about it, then the acknowledgement. */
static sl_status write_one(child_thread *self, sl_arena *arena, int64_t k) {
    char hash[SL_SHA256_HEX], text[64];
    snprintf(text, sizeof text, "pixels of %lld", (long long)k);
    SL_TRY(sl_object_put(self->objects, text, strlen(text), hash));
    sl_image_record image = fixture_image(arena, k);
    image.object_hash = hash;
    SL_TRY(sl_store_images_add(self->store, &image, 1, true, NULL));
    sl_decision decision = {.client_uuid = fixture_uuid(arena, 9, k),
                            .image = image.id,
                            .reviewer = self->reviewer,
                            .label = SL_LABEL_REAL,
                            .decided_ms = k};
    return sl_store_decide(self->store, arena, &decision);
}

static void *child_write(void *context) {
    child_thread *self = context;
    for (int64_t k = self->base;; k += THREADS) {
        sl_arena *arena;
        if (sl_arena_new(&arena) || write_one(self, arena, k)) _exit(3);
        if (write(self->pipe, &k, sizeof k) != (ssize_t)sizeof k) _exit(4);
        sl_arena_free(arena);
    }
    return NULL;
}

static void run_child(const fixture *in, const char *objects, int64_t base, int pipe) {
    sl_store *store;
    if (sl_store_open(in->path, false, &store)) _exit(2);
    child_thread threads[THREADS];
    pthread_t handle[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (child_thread){store, objects, in->reviewer, base + i, pipe};
        pthread_create(&handle[i], NULL, child_write, &threads[i]);
    }
    pause();
}

/* Sum and count of all acknowledged numbers, and whether each is in the store. */
static void check_acknowledged(fixture *in, const char *objects, const int64_t *acknowledged, int count) {
    for (int i = 0; i < count; i++) {
        sl_decision decision;
        sl_image_record image;
        char *data, expected[64];
        size_t bytes;
        assert_ok(sl_store_decision_find(in->store, fixture_uuid(in->arena, 9, acknowledged[i]), in->arena,
                                         &decision));
        if (decision.id == 0) fail_msg("acknowledged decision %lld is lost", (long long)acknowledged[i]);
        assert_int_equal(decision.decided_ms, acknowledged[i]);
        assert_ok(sl_store_image_get(in->store, decision.image, in->arena, &image));
        assert_ok(sl_object_get(objects, image.object_hash, 100, &data, &bytes));
        snprintf(expected, sizeof expected, "pixels of %lld", (long long)acknowledged[i]);
        assert_string_equal(data, expected);
        sl_free(data);
    }
}

static int kill_once(fixture *in, const char *objects, int64_t base, int64_t delay_us, int64_t *acknowledged,
                     int room) {
    int ends[2], count = 0, code;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_child(in, objects, base, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    /* the moment is counted from the first acknowledgement, so that a slow machine does not make the test
     * empty */
    int64_t k;
    if (read(ends[0], &k, sizeof k) == (ssize_t)sizeof k) acknowledged[count++] = k;
    nanosleep(&(struct timespec){.tv_nsec = delay_us * 1000}, NULL);
    kill(child, SIGKILL);
    while (count < room && read(ends[0], &k, sizeof k) == (ssize_t)sizeof k) acknowledged[count++] = k;
    close(ends[0]);
    waitpid(child, &code, 0);
    assert_true(WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL);
    return count;
}

static void nothing_acknowledged_is_lost(void **state) {
    enum { ROOM = 100000 };
    fixture *in = *state;
    int64_t *acknowledged = calloc(ROOM, sizeof *acknowledged);
    const char *objects = sl_arena_printf(in->arena, "%s/objects", in->folder);
    sl_random random = sl_random_stream((uint64_t)sl_clock_unix_ms(), SL_STREAM_TEST, 1);
    print_message("seed %llu\n", (unsigned long long)random.seed);
    int count = 0;
    sl_store_close(in->store);
    for (int round = 0; round < KILLS; round++) {
        int64_t delay_us = sl_random_below(&random, 60000);
        count += kill_once(in, objects, 1000000L * round, delay_us, acknowledged + count, ROOM - count);
        assert_ok(sl_store_open(in->path, false, &in->store));
        int64_t links;
        assert_ok(sl_store_check(in->store, &links));
        assert_true(links >= count);
        check_acknowledged(in, objects, acknowledged, count);
        if (round + 1 < KILLS) sl_store_close(in->store);
    }
    sl_object_check check;
    assert_ok(sl_objects_check(objects, &check));
    print_message("%d decisions acknowledged, %d kills, %lld leftovers swept\n", count, KILLS,
                  (long long)check.leftovers);
    assert_true(count >= KILLS);
    free(acknowledged);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost, fixture_open, fixture_close),
};
TEST_MAIN(tests)
