#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "base/text.h"
#include "base/threads.h"
#include "tensor/tensor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void status_builds_a_chain(void **state) {
    (void)state;
    sl_status status = sl_context(sl_fail(SL_FORMAT, "found %d", 3), "reading '%s'", "a.edf");
    assert_int_equal(status, SL_FORMAT);
    assert_string_equal(sl_error_message(), "reading 'a.edf': found 3");
    errno = ENOSPC;
    assert_int_equal(sl_fail_errno("writing"), SL_FULL);
}

static void sizes_are_checked(void **state) {
    (void)state;
    void *block = NULL;
    assert_status(sl_alloc(&block, SIZE_MAX / 2, 4), SL_LIMIT);
    assert_null(block);
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    char *text = sl_arena_printf(arena, "%s-%d", "x", 7);
    assert_string_equal(text, "x-7");
    unsigned char *large = sl_arena_alloc(arena, 1 << 20, 1);
    assert_int_equal((uintptr_t)large % SL_ALIGNMENT, 0);
    sl_arena_free(arena);
}

static void ends_of_strings_are_told(void **state) {
    (void)state;
    assert_true(sl_ends_with("conv.bias", "bias") && sl_ends_with("bias", "bias") && sl_ends_with("", ""));
    assert_false(sl_ends_with("bias.", "bias") || sl_ends_with("as", "bias") || sl_ends_with("", "a"));
}

static void files_are_whole_or_absent(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES];
    assert_true(scratch_folder_make(folder));
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    char *path = sl_path_join(arena, folder, "a.txt");
    assert_ok(sl_file_write_atomic(path, "hello", 5));
    sl_file_writer writer;
    assert_ok(sl_file_writer_open(&writer, path));
    fputs("half", writer.stream);
    sl_file_writer_abandon(&writer);
    char *data;
    size_t bytes;
    assert_ok(sl_file_read(path, 100, &data, &bytes));
    assert_string_equal(data, "hello");
    sl_free(data);
    assert_status(sl_file_read(path, 4, &data, &bytes), SL_LIMIT);
    char *copy = sl_path_join(arena, folder, "copy.txt");
    assert_status(sl_file_copy(path, copy, 4), SL_LIMIT);
    assert_false(sl_file_exists(copy));
    assert_ok(sl_file_copy(path, copy, 5));
    assert_ok(sl_file_read(copy, 5, &data, &bytes));
    assert_string_equal(data, "hello");
    sl_free(data);
    assert_status(sl_file_read(folder, 4, &data, &bytes), SL_INVALID);
    assert_status(sl_file_read("/nonexistent/x", 4, &data, &bytes), SL_NOT_FOUND);
    char hex[SL_SHA256_HEX];
    assert_ok(sl_sha256_file_hex(path, hex));
    assert_string_equal(hex, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_true(scratch_folder_remove(folder));
    sl_arena_free(arena);
}

static sl_status join_name(void *context, const char *path) {
    strncat(context, sl_path_base(path), 31);
    return SL_OK;
}

/* Data sets are often folders of links; links that lead in circles or nowhere must not matter. */
static void links_to_files_are_followed(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES], path[128], names[256] = "";
    assert_true(scratch_folder_make(folder));
    snprintf(path, sizeof path, "%s/sub", folder);
    assert_ok(sl_folder_make(path));
    snprintf(path, sizeof path, "%s/sub/a", folder);
    assert_ok(sl_file_write_atomic(path, "x", 1));
    static const char *const links[][2] = {{"b", "sub/a"}, {"c", "nowhere"}, {"sub/circle", ".."}};
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, links[k][0]);
        assert_int_equal(symlink(links[k][1], path), 0);
    }
    assert_ok(sl_folder_walk(folder, join_name, names));
    assert_string_equal(names, "ba");
    assert_true(scratch_folder_remove(folder));
}

/* FIPS 180-4's example of two blocks, and the same in pieces. */
static void hashes_take_data_in_pieces(void **state) {
    (void)state;
    static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char hex[SL_SHA256_HEX], whole[SL_SHA256_HEX];
    uint8_t digest[SL_SHA256_BYTES];
    sl_sha256_hex(text, strlen(text), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char data[200];
    memset(data, 'x', sizeof data);
    for (size_t bytes = 0; bytes <= sizeof data; bytes++) {
        sl_sha256_state pieces;
        sl_sha256_begin(&pieces);
        for (size_t at = 0, step = 1; at < bytes; at += step, step = 2 * step + 1) {
            if (step > bytes - at) step = bytes - at;
            sl_sha256_add(&pieces, data + at, step);
        }
        sl_sha256_end(&pieces, digest);
        sl_hex(digest, sizeof digest, hex);
        sl_sha256_hex(data, bytes, whole);
        assert_string_equal(hex, whole);
    }
}

static void json_getters_name_the_key(void **state) {
    (void)state;
    json_t *value;
    const char text[] = "{\"a\": 3, \"b\": \"x\"}";
    assert_ok(sl_json_parse(text, strlen(text), "test", &value));
    int64_t number;
    assert_ok(sl_json_int(value, "a", 0, 5, &number));
    assert_int_equal(number, 3);
    assert_status(sl_json_int(value, "b", 0, 5, &number), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "\"b\""));
    assert_status(sl_json_int(value, "a", 4, 5, &number), SL_FORMAT);
    json_decref(value);
    assert_status(sl_json_parse("{\"a\":1,\"a\":2}", 13, "test", &value), SL_FORMAT);
}

/* Philox4x32-10 known-answer tests of the Random123 distribution (kat_vectors): counter, key, words. */
static void blocks_are_philox(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t words[4];
    } known[] = {{{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                 {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                  0xffffffffffffffff,
                  {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                 {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                  0x299f31d0a4093822,
                  {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (int i = 0; i < 3; i++) {
        uint32_t words[4];
        sl_random_block(known[i].key, known[i].counter, words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

/* The first of these by way of a stream. */
static void random_numbers_are_philox(void **state) {
    (void)state;
    sl_random random = {0};
    assert_int_equal(sl_random_u32(&random), 0x6627e8d5);
    assert_int_equal(sl_random_u32(&random), 0xe169c58d);
    assert_int_equal(sl_random_u32(&random), 0xbc57ac4c);
    assert_int_equal(sl_random_u32(&random), 0x9b00dbd8);
}

static void normals_have_their_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    float *x = malloc(N * sizeof *x);
    sl_random random = sl_random_stream(7, SL_STREAM_TEST, 0);
    sl_random_normals(&random, x, N);
    double mean = 0, square = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        double v = (double)x[i];
        mean += v / N, square += v * v / N, fourth += v * v * v * v / N;
    }
    assert_true(fabs(mean) < 0.01 && fabs(square - 1) < 0.02 && fabs(fourth - 3) < 0.1);
    free(x);
}

static void add_one(void *context, int64_t task, int worker) {
    (void)worker;
    ((int *)context)[task]++;
}

static void every_task_runs_once(void **state) {
    (void)state;
    enum { TASKS = 1000 };
    for (int threads = 1; threads <= 5; threads++) {
        int runs[TASKS] = {0};
        assert_ok(sl_threads_set(threads));
        for (int round = 0; round < 50; round++) sl_parallel_for(TASKS, add_one, runs);
        for (int i = 0; i < TASKS; i++) assert_int_equal(runs[i], 50);
    }
    assert_status(sl_threads_set(-1), SL_INVALID);
}

static sl_status fail_some(void *context, int64_t task, int worker) {
    (void)worker;
    ((int *)context)[task]++;
    return task % 7 == 3 ? sl_fail(task == 3 ? SL_FORMAT : SL_IO, "task %d", (int)task) : SL_OK;
}

/* Whatever the threads: all tasks run, and it is the first failure in order that is told. */
static void the_first_failure_in_order_is_told(void **state) {
    (void)state;
    enum { TASKS = 300 };
    for (int threads = 1; threads <= 4; threads++) {
        int runs[TASKS] = {0};
        assert_ok(sl_threads_set(threads));
        for (int round = 0; round < 20; round++) {
            assert_status(sl_parallel_try(TASKS, fail_some, runs), SL_FORMAT);
            assert_string_equal(sl_error_message(), "task 3");
        }
        for (int i = 0; i < TASKS; i++) assert_int_equal(runs[i], 20);
        assert_ok(sl_parallel_try(3, fail_some, runs));
    }
}

static void halves_round_trip(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float wide = sl_f16_to_f32((uint16_t)bits);
        if (isnan(wide)) continue;
        assert_int_equal(sl_f32_to_f16(wide), bits);
    }
    assert_int_equal(sl_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(sl_f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(sl_f32_to_bf16(1.00390625f), 0x3f80); /* a tie goes to even */
    int32_t whole;
    double real = 3e9;
    sl_convert(SL_F64, &real, SL_I32, &whole, 1);
    assert_int_equal(whole, INT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_builds_a_chain),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(ends_of_strings_are_told),
        cmocka_unit_test(files_are_whole_or_absent),
        cmocka_unit_test(hashes_take_data_in_pieces),
        cmocka_unit_test(json_getters_name_the_key),
        cmocka_unit_test(blocks_are_philox),
        cmocka_unit_test(random_numbers_are_philox),
        cmocka_unit_test(normals_have_their_moments),
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(the_first_failure_in_order_is_told),
        cmocka_unit_test(halves_round_trip),
        cmocka_unit_test(links_to_files_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
