/* Heap memory with checked sizes, and arenas: memory that ends together.
 *
 * Prefer an arena (per graph, request or job) to single allocations; use sl_alloc for large arrays that must
 * go earlier. All blocks are 64-byte aligned, so that vector kernels may assume it, and zeroed. */
#ifndef SL_BASE_MEMORY_H
#define SL_BASE_MEMORY_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { SL_ALIGNMENT = 64 };

/* count*size zeroed bytes in *out, owned by the caller (sl_free). SL_MEMORY names the size asked for. */
sl_status sl_alloc(void *out, size_t count, size_t size);
void sl_free(void *block); /* NULL is fine */

/* a*b into *out; SL_LIMIT where it does not fit. */
sl_status sl_size_mul(size_t a, size_t b, size_t *out);

typedef struct sl_arena sl_arena;

sl_status sl_arena_new(sl_arena **out);
void sl_arena_free(sl_arena *arena); /* frees everything in it; NULL is fine */

/* Zeroed memory that lives as long as the arena. Out of memory ends the process with a message: arenas hold
 * small bookkeeping only; anything sized by outside data goes through sl_alloc. */
void *sl_arena_alloc(sl_arena *arena, size_t count, size_t size);
char *sl_arena_strdup(sl_arena *arena, const char *text);
char *sl_arena_strndup(sl_arena *arena, const char *text, size_t bytes);
char *sl_arena_printf(sl_arena *arena, const char *format, ...) SL_PRINTF(2, 3);

#define SL_NEW(arena, type, count) ((type *)sl_arena_alloc((arena), (size_t)(count), sizeof(type)))

#endif
