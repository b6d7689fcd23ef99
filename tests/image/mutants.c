/* Mutated image files through the reader: clear errors only, no crash of this process, no hang, no leak.
 *
 *     mutants [--in-process] [--count N] [--seed S] FOLDER-OR-FILE...
 *
 * A crash or an endless loop of a library ends its child: it is counted and named, and is no fault of the
 * reader; an error without a message, a limit that does not hold, or anything left behind in this process is.
 *
 * Every file found is a seed of the format its content has; N mutants (default 100) are made per format, as
 * many from each seed. The same seed number gives the same mutants. --in-process decodes without the child:
 * for sanitizers, and for our own decoders only, since the libraries behind the others are not proof against
 * hostile files. */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "image/format/format.h"
#include "image/frame.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { SEED_COUNT_MAX = 256, WALL_S = 60 };

typedef struct seed {
    const char *name;
    char *data;
    size_t bytes;
    int format;
} seed;

typedef struct tally {
    int mutants, read, refused, crashed, late, silent;
    double longest_s, total_s;
} tally;

typedef struct bench {
    sl_arena *arena;
    seed seeds[SEED_COUNT_MAX];
    int seed_count, count;
    uint64_t number;
    bool in_process;
} bench;

static sl_status add_seed(void *context, const char *path) {
    bench *b = context;
    seed *s = &b->seeds[b->seed_count];
    if (b->seed_count == SEED_COUNT_MAX) return SL_OK;
    SL_TRY(sl_file_read(path, 64 << 20, &s->data, &s->bytes));
    sl_source source = {(const uint8_t *)s->data, s->bytes};
    const sl_format *format = NULL;
    s->name = sl_arena_strdup(b->arena, path);
    s->format = -1;
    if (sl_format_find(&source, &format) == SL_OK)
        for (int i = 0; i < sl_format_count(); i++)
            if (sl_format_at(i) == format) s->format = i;
    if (sl_gzip_sniff(&source)) s->format = sl_format_count();
    if (s->format < 0) {
        sl_free(s->data); /* text beside the images */
        return SL_OK;
    }
    b->seed_count++;
    return SL_OK;
}

/* A place: more often than not in the first 4 KiB, where headers are. */
static size_t place(sl_random *random, size_t bytes) {
    size_t head = bytes < 4096 ? bytes : 4096;
    size_t range = sl_random_below(random, 10) < 7 ? head : bytes;
    return (size_t)(sl_random_uniform(random) * (double)range);
}

static void change_bytes(sl_random *random, uint8_t *data, size_t bytes) {
    static const uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, ' ', '-', '9', '}', '\n'};
    for (uint32_t i = 1 + sl_random_below(random, 8); i > 0; i--) {
        size_t at = place(random, bytes);
        switch (sl_random_below(random, 3)) {
        case 0:
            data[at] ^= (uint8_t)(1U << sl_random_below(random, 8));
            break;
        case 1:
            data[at] = extremes[sl_random_below(random, sizeof extremes)];
            break;
        default:
            data[at] = (uint8_t)sl_random_u32(random);
        }
    }
}

/* Digits are what sizes are made of in text headers. */
static void change_digits(sl_random *random, uint8_t *data, size_t bytes) {
    for (int tries = 0, changed = 0; tries < 2000 && changed < 4; tries++) {
        size_t at = place(random, bytes);
        if (data[at] < '0' || data[at] > '9') continue;
        data[at] = (uint8_t)("0123456789-. "[sl_random_below(random, 13)]);
        changed++;
    }
}

static void change_number(sl_random *random, uint8_t *data, size_t bytes) {
    size_t width = (size_t)1 << sl_random_below(random, 4), at = place(random, bytes);
    if (bytes < 8 || at > bytes - width) return;
    memset(data + at, sl_random_below(random, 2) ? 0xff : 0, width);
    if (sl_random_below(random, 2))
        data[at + sl_random_below(random, (uint32_t)width)] = (uint8_t)sl_random_u32(random);
}

static size_t move_piece(sl_random *random, uint8_t *data, size_t bytes) {
    size_t from = place(random, bytes), to = place(random, bytes), length = 1 + sl_random_below(random, 64);
    size_t farthest = from > to ? from : to;
    if (length > bytes - farthest) length = bytes - farthest;
    switch (sl_random_below(random, 3)) {
    case 0: /* written over another place */
        memmove(data + to, data + from, length);
        return bytes;
    case 1: /* taken out */
        memmove(data + from, data + from + length, bytes - from - length);
        return bytes - length;
    default: /* cut off */
        return from;
    }
}

/* A mutant in place; returns its size. */
static size_t mutate(sl_random *random, uint8_t *data, size_t bytes) {
    for (uint32_t i = 1 + sl_random_below(random, 3); i > 0 && bytes > 0; i--) {
        switch (sl_random_below(random, 8)) {
        case 0:
        case 1:
        case 2:
            change_bytes(random, data, bytes);
            break;
        case 3:
        case 4:
            change_digits(random, data, bytes);
            break;
        case 5:
        case 6:
            change_number(random, data, bytes);
            break;
        default:
            bytes = move_piece(random, data, bytes);
        }
    }
    return bytes;
}

static sl_status heap_room(void *context, size_t bytes, void **out) {
    if (bytes > (256 << 20)) return sl_fail(SL_LIMIT, "%zu bytes", bytes);
    SL_TRY(sl_alloc(out, bytes, 1));
    *(void **)context = *out;
    return SL_OK;
}

static sl_status decode_here(const uint8_t *data, size_t bytes) {
    sl_source source = {data, bytes};
    sl_frame_header header = {.metadata = json_object()};
    const sl_format *format = NULL;
    void *pixels = NULL;
    sl_status status = sl_decode(&source, NULL, heap_room, &pixels, &format, &header);
    sl_free(pixels);
    json_decref(header.metadata);
    return status;
}

static sl_status decode_apart(const uint8_t *data, size_t bytes) {
    sl_frame frame;
    sl_frame_statistics statistics;
    sl_decode_limits limits = {.wall_s = WALL_S};
    SL_TRY(sl_frame_read_bytes(data, bytes, "mutant", NULL, &limits, &frame));
    sl_status status = sl_frame_measure(&frame, &statistics);
    sl_frame_free(&frame);
    return status;
}

static void try_one(const bench *b, const seed *s, int64_t number, tally *t) {
    sl_random random = sl_random_stream(b->number + (uint64_t)number, SL_STREAM_TEST, (uint32_t)s->format);
    uint8_t *data = malloc(s->bytes);
    if (!data) abort();
    memcpy(data, s->data, s->bytes);
    size_t bytes = mutate(&random, data, s->bytes);
    uint8_t *exact = realloc(data, bytes ? bytes : 1); /* so that a sanitizer sees any step beyond the end */
    sl_error_clear();
    double start_s = sl_clock_s();
    sl_status status = b->in_process ? decode_here(exact, bytes) : decode_apart(exact, bytes);
    double took_s = sl_clock_s() - start_s;
    t->mutants++;
    t->total_s += took_s;
    if (took_s > t->longest_s) t->longest_s = took_s;
    bool crashed = status && strstr(sl_error_message(), "made its decoder");
    t->read += status == SL_OK;
    t->refused += status && !crashed && status != SL_TIMEOUT;
    t->crashed += crashed;
    t->late += status == SL_TIMEOUT;
    t->silent += status && !sl_error_message()[0];
    if (crashed || status == SL_TIMEOUT)
        printf("  %s, mutant %lld: %s\n", s->name, (long long)number, sl_error_message());
    free(exact);
}

static int open_descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static tally run_format(const bench *b, int format) {
    tally t = {0};
    int64_t number = 0;
    bool any = false;
    for (int i = 0; i < b->seed_count; i++) any |= b->seeds[i].format == format;
    while (any && t.mutants < b->count)
        for (int i = 0; i < b->seed_count && t.mutants < b->count; i++)
            if (b->seeds[i].format == format) try_one(b, &b->seeds[i], number++, &t);
    return t;
}

static sl_status read_arguments(bench *b, int count, char *const words[]) {
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--in-process") == 0) {
            b->in_process = true;
        } else if (strcmp(words[i], "--count") == 0 && i + 1 < count) {
            b->count = atoi(words[++i]);
        } else if (strcmp(words[i], "--seed") == 0 && i + 1 < count) {
            b->number = (uint64_t)strtoull(words[++i], NULL, 10);
        } else if (sl_path_is_folder(words[i])) {
            SL_TRY(sl_folder_walk(words[i], add_seed, b));
        } else {
            SL_TRY(add_seed(b, words[i]));
        }
    }
    return b->seed_count ? SL_OK : sl_fail(SL_NOT_FOUND, "no image files among the arguments");
}

static int report(const bench *b) {
    int bad = 0;
    size_t heap_before = 0;
    int descriptors_before = open_descriptors();
    printf("%-6s %8s %8s %8s %8s %8s %10s %10s\n", "format", "mutants", "read", "refused", "crashed",
           "stopped", "mean ms", "longest ms");
    for (int format = 0; format <= sl_format_count(); format++) {
        const char *name = format < sl_format_count() ? sl_format_at(format)->name : "gzip";
        tally t = run_format(b, format);
        if (!t.mutants) continue;
        printf("%-6s %8d %8d %8d %8d %8d %10.1f %10.1f\n", name, t.mutants, t.read, t.refused, t.crashed,
               t.late, t.total_s / t.mutants * 1e3, t.longest_s * 1e3);
        bad += t.silent + (t.longest_s > WALL_S + 5);
        if (!heap_before) heap_before = mallinfo2().uordblks;
    }
    size_t heap_after = mallinfo2().uordblks;
    int descriptors_after = open_descriptors();
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    printf("heap in use: %+lld bytes, descriptors: %+d, children left: %s\n",
           (long long)heap_after - (long long)heap_before, descriptors_after - descriptors_before,
           children ? "yes" : "none");
    /* free blocks in the allocator's caches count as in use: up to a quarter of a MiB */
    bool leak = heap_after > heap_before + (512 << 10) || descriptors_after != descriptors_before || children;
    return bad || (leak && !b->in_process);
}

int main(int argc, char **argv) {
    static bench b = {.count = 100, .number = 1};
    sl_status status = sl_arena_new(&b.arena);
    if (!status) status = read_arguments(&b, argc, argv);
    if (status) {
        fprintf(stderr, "%s\n", sl_error_message());
        return 2;
    }
    int result = report(&b);
    for (int i = 0; i < b.seed_count; i++) sl_free(b.seeds[i].data);
    sl_arena_free(b.arena);
    return result;
}
