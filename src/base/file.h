/* Files: whole reads under a limit, atomic writes, folders, maps.
 *
 * Nothing is ever half-written: sl_file_write_atomic and sl_file_writer put the bytes in a temporary file
 * beside the target, fsync it, rename it over the target and fsync the folder. Where the file system can, the
 * temporary has no name until it is whole, so that a killed process leaves nothing behind. */
#ifndef SL_BASE_FILE_H
#define SL_BASE_FILE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* All bytes of a regular file, NUL-terminated for convenience (not counted). SL_LIMIT above limit_bytes.
 * *out belongs to the caller (sl_free). */
sl_status sl_file_read(const char *path, int64_t limit_bytes, char **out, size_t *out_bytes);

sl_status sl_file_write_atomic(const char *path, const void *data, size_t bytes);
sl_status sl_file_copy(const char *from, const char *to,
                       int64_t limit_bytes); /* limit and writing as above */

/* The same in pieces: open, write to `stream`, then commit or abandon. */
typedef struct sl_file_writer {
    FILE *stream;
    char *path, *temporary_path;
    bool named; /* whether the temporary is in the folder already */
} sl_file_writer;
sl_status sl_file_writer_open(sl_file_writer *writer, const char *path);
sl_status sl_file_writer_commit(sl_file_writer *writer);
void sl_file_writer_abandon(sl_file_writer *writer); /* removes the temporary; fine after commit */

/* A read-only map of a whole file; `bytes` may be 0, then `data` is NULL. */
typedef struct sl_file_map {
    const unsigned char *data;
    size_t bytes;
} sl_file_map;
sl_status sl_file_map_open(sl_file_map *map, const char *path);
void sl_file_map_close(sl_file_map *map);
/* These bytes of the map are not needed soon: they stop counting as memory of the process, and come from the
 * file again when they are read. */
void sl_file_map_forget(const sl_file_map *map, const void *data, size_t bytes);

bool sl_file_exists(const char *path);
bool sl_path_is_folder(const char *path);
sl_status sl_folder_make(const char *path); /* with parents; fine if it exists */

/* Calls visit(context, path) for every regular file below `folder`, in byte order of the paths; stops at the
 * first failure and returns it. Hidden files and folders are left out. Links to files are followed, links to
 * folders are not: they may lead in circles. */
typedef sl_status (*sl_file_visit)(void *context, const char *path);
sl_status sl_folder_walk(const char *folder, sl_file_visit visit, void *context);

/* "folder/name" in the arena. */
char *sl_path_join(sl_arena *arena, const char *folder, const char *name);
const char *sl_path_base(const char *path); /* part after the last '/' */

#endif
