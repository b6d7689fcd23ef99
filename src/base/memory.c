#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sl_status sl_size_mul(size_t a, size_t b, size_t *out) {
    if (__builtin_mul_overflow(a, b, out)) return sl_fail(SL_LIMIT, "size %zu x %zu does not fit", a, b);
    return SL_OK;
}

static void *aligned_zeroed(size_t bytes) {
    size_t rounded = (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
    if (rounded < bytes) return NULL;
    if (rounded == 0) rounded = SL_ALIGNMENT;
    void *block = aligned_alloc(SL_ALIGNMENT, rounded);
    if (block) memset(block, 0, rounded);
    return block;
}

sl_status sl_alloc(void *out, size_t count, size_t size) {
    size_t bytes;
    SL_TRY(sl_size_mul(count, size, &bytes));
    void *block = aligned_zeroed(bytes);
    if (!block) return sl_fail(SL_MEMORY, "out of memory: asked for %.1f MiB", (double)bytes / 1048576.0);
    memcpy(out, &block, sizeof block);
    return SL_OK;
}

void sl_free(void *block) {
    free(block);
}

/* An arena is a list of chunks; small requests share a chunk, large ones get their own. */
enum { CHUNK_BYTES = 64 * 1024 };

typedef struct chunk {
    struct chunk *next;
    size_t used, capacity;
    unsigned char *data;
} chunk;

struct sl_arena {
    chunk *first;
};

sl_status sl_arena_new(sl_arena **out) {
    return sl_alloc(out, 1, sizeof(sl_arena));
}

void sl_arena_free(sl_arena *arena) {
    if (!arena) return;
    for (chunk *c = arena->first; c;) {
        chunk *next = c->next;
        free(c->data);
        free(c);
        c = next;
    }
    sl_free(arena);
}

static void die_out_of_memory(size_t bytes) {
    fprintf(stderr, "scatterloop: out of memory (%zu bytes)\n", bytes);
    abort();
}

static chunk *add_chunk(sl_arena *arena, size_t capacity) {
    chunk *c = calloc(1, sizeof *c);
    unsigned char *data = aligned_zeroed(capacity);
    if (!c || !data) die_out_of_memory(capacity);
    *c = (chunk){arena->first, 0, capacity, data};
    arena->first = c;
    return c;
}

void *sl_arena_alloc(sl_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) die_out_of_memory(SIZE_MAX);
    size_t rounded = (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
    chunk *c = arena->first;
    if (!c || c->capacity - c->used < rounded)
        c = add_chunk(arena, rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES);
    void *block = c->data + c->used;
    c->used += rounded;
    return block;
}

char *sl_arena_strndup(sl_arena *arena, const char *text, size_t bytes) {
    char *copy = sl_arena_alloc(arena, bytes + 1, 1);
    memcpy(copy, text, bytes);
    return copy;
}

char *sl_arena_strdup(sl_arena *arena, const char *text) {
    return sl_arena_strndup(arena, text, strlen(text));
}

char *sl_arena_printf(sl_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = sl_arena_alloc(arena, bytes < 0 ? 1 : (size_t)bytes + 1, 1);
    if (bytes > 0) vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    return text;
}
