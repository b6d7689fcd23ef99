#include "base/file.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static sl_status open_regular(const char *path, int *out_fd, int64_t *out_bytes) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return sl_fail_errno("cannot open '%s'", path);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        sl_status status = sl_fail_errno("cannot stat '%s'", path);
        close(fd);
        return status;
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return sl_fail(SL_INVALID, "'%s' is not a regular file", path);
    }
    *out_fd = fd;
    *out_bytes = info.st_size;
    return SL_OK;
}

static sl_status read_fully(int fd, const char *path, char *data, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        ssize_t got = read(fd, data + at, bytes - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return sl_fail_errno("cannot read '%s' at byte %zu", path, at);
        if (got == 0)
            return sl_fail(SL_IO, "'%s' shrank while it was read (%zu of %zu bytes)", path, at, bytes);
        at += (size_t)got;
    }
    return SL_OK;
}

sl_status sl_file_read(const char *path, int64_t limit_bytes, char **out, size_t *out_bytes) {
    int fd;
    int64_t size;
    SL_TRY(open_regular(path, &fd, &size));
    sl_status status = SL_OK;
    char *data = NULL;
    if (size > limit_bytes)
        status = sl_fail(SL_LIMIT, "'%s' has %lld bytes, at most %lld are read", path, (long long)size,
                         (long long)limit_bytes);
    if (!status) status = sl_alloc(&data, (size_t)size + 1, 1);
    if (!status) status = read_fully(fd, path, data, (size_t)size);
    close(fd);
    if (status) {
        sl_free(data);
        return status;
    }
    *out = data;
    if (out_bytes) *out_bytes = (size_t)size;
    return SL_OK;
}

static sl_status sync_folder_of(const char *path) {
    char folder[SL_LIMIT_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0;
    if (length >= (int)sizeof folder) return SL_OK;
    snprintf(folder, sizeof folder, "%.*s", slash && length == 0 ? 1 : length, slash ? path : "");
    int fd = open(folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return sl_fail_errno("cannot open folder of '%s'", path);
    int failed = fsync(fd) != 0 && errno != EINVAL;
    sl_status status = failed ? sl_fail_errno("cannot sync folder of '%s'", path) : SL_OK;
    close(fd);
    return status;
}

/* A file without a name, which vanishes with the process; -1 where the file system has none. */
static int open_unnamed(const char *path) {
    char folder[SL_LIMIT_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 2; /* with the slash, so that "/" stays itself */
    if (length >= sizeof folder || access("/proc/self/fd", X_OK) != 0) return -1;
    memcpy(folder, slash ? path : "./", length);
    folder[length] = '\0';
    return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

static int open_named(char *temporary_path) {
    int fd = mkostemp(temporary_path, O_CLOEXEC);
    if (fd < 0) return -1;
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) == 0) return fd;
    close(fd);
    unlink(temporary_path);
    return -1;
}

static void writer_end(sl_file_writer *writer) {
    free(writer->path);
    free(writer->temporary_path);
    *writer = (sl_file_writer){0};
}

sl_status sl_file_writer_open(sl_file_writer *writer, const char *path) {
    *writer = (sl_file_writer){0};
    writer->path = strdup(path);
    size_t bytes = strlen(path) + 16;
    writer->temporary_path = malloc(bytes);
    if (!writer->path || !writer->temporary_path) {
        writer_end(writer);
        return sl_fail(SL_MEMORY, "out of memory writing '%s'", path);
    }
    snprintf(writer->temporary_path, bytes, "%s.tmp-XXXXXX", path);
    int fd = open_unnamed(path);
    writer->named = fd < 0;
    if (writer->named) fd = open_named(writer->temporary_path);
    if (fd >= 0) writer->stream = fdopen(fd, "wb");
    if (writer->stream) return SL_OK;
    sl_status status = sl_fail_errno("cannot write '%s'", path);
    if (fd >= 0) close(fd);
    if (fd >= 0 && writer->named) unlink(writer->temporary_path);
    writer_end(writer);
    return status;
}

/* Gives the unnamed file the temporary name: a link cannot replace what is there, a rename can. */
static sl_status name_file(sl_file_writer *writer) {
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fileno(writer->stream));
    char *end = writer->temporary_path + strlen(writer->temporary_path) - 6;
    for (unsigned i = 0; i < 1000000; i++) {
        snprintf(end, 7, "%06u", ((unsigned)getpid() + i) % 1000000);
        if (linkat(AT_FDCWD, source, AT_FDCWD, writer->temporary_path, AT_SYMLINK_FOLLOW) == 0) {
            writer->named = true;
            return SL_OK;
        }
        if (errno != EEXIST) break;
    }
    return sl_fail_errno("cannot name '%s'", writer->temporary_path);
}

sl_status sl_file_writer_commit(sl_file_writer *writer) {
    int failed = fflush(writer->stream) != 0 || ferror(writer->stream) || fsync(fileno(writer->stream)) != 0;
    sl_status status = failed ? sl_fail_errno("cannot write '%s'", writer->path) : SL_OK;
    if (!status && !writer->named) status = name_file(writer);
    if (fclose(writer->stream) != 0 && !status) status = sl_fail_errno("cannot write '%s'", writer->path);
    writer->stream = NULL;
    if (!status && rename(writer->temporary_path, writer->path) != 0)
        status = sl_fail_errno("cannot rename to '%s'", writer->path);
    if (status && writer->named) unlink(writer->temporary_path);
    if (!status) status = sync_folder_of(writer->path);
    writer_end(writer);
    return status;
}

void sl_file_writer_abandon(sl_file_writer *writer) {
    if (writer->stream) {
        fclose(writer->stream);
        if (writer->named) unlink(writer->temporary_path);
    }
    writer_end(writer);
}

sl_status sl_file_write_atomic(const char *path, const void *data, size_t bytes) {
    sl_file_writer writer;
    SL_TRY(sl_file_writer_open(&writer, path));
    if (bytes && fwrite(data, 1, bytes, writer.stream) != bytes) {
        sl_status status = sl_fail_errno("cannot write '%s'", path);
        sl_file_writer_abandon(&writer);
        return status;
    }
    return sl_file_writer_commit(&writer);
}

sl_status sl_file_copy(const char *from, const char *to, int64_t limit_bytes) {
    char *data;
    size_t bytes;
    SL_TRY(sl_file_read(from, limit_bytes, &data, &bytes));
    sl_status status = sl_file_write_atomic(to, data, bytes);
    sl_free(data);
    return status;
}

sl_status sl_file_map_open(sl_file_map *map, const char *path) {
    int fd;
    int64_t size;
    SL_TRY(open_regular(path, &fd, &size));
    *map = (sl_file_map){NULL, (size_t)size};
    sl_status status = SL_OK;
    if (size > 0) {
        void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            status = sl_fail_errno("cannot map '%s'", path);
            map->bytes = 0;
        } else {
            map->data = data;
        }
    }
    close(fd);
    return status;
}

void sl_file_map_close(sl_file_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->bytes);
    *map = (sl_file_map){0};
}

void sl_file_map_forget(const sl_file_map *map, const void *data, size_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)map->data, from = (uintptr_t)data;
    if (!map->data || from < start || from + bytes > start + map->bytes) return;
    from -= (from - start) % page; /* a neighbour's bytes on the same page come again as well */
    madvise((void *)from, (uintptr_t)data + bytes - from, MADV_DONTNEED);
}

bool sl_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool sl_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

sl_status sl_folder_make(const char *path) {
    char part[SL_LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) return sl_fail(SL_INVALID, "folder name has %zu bytes", length);
    memcpy(part, path, length + 1);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return sl_fail_errno("cannot make folder '%s'", part);
        *at = kept;
        if (kept == '\0') break;
    }
    if (!sl_path_is_folder(path)) return sl_fail(SL_EXISTS, "'%s' exists and is not a folder", path);
    return SL_OK;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int byte_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

sl_status sl_folder_walk(const char *folder, sl_file_visit visit, void *context) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, visible, byte_order);
    if (count < 0) return sl_fail_errno("cannot read folder '%s'", folder);
    sl_status status = SL_OK;
    for (int i = 0; i < count; i++) {
        char path[SL_LIMIT_PATH_BYTES];
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        struct stat info;
        if (!status && length >= (int)sizeof path)
            status = sl_fail(SL_LIMIT, "path too long below '%s'", folder);
        if (!status && lstat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode)) status = sl_folder_walk(path, visit, context);
            if (S_ISREG(info.st_mode) ||
                (S_ISLNK(info.st_mode) && stat(path, &info) == 0 && S_ISREG(info.st_mode)))
                status = visit(context, path);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

char *sl_path_join(sl_arena *arena, const char *folder, const char *name) {
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    return sl_arena_printf(arena, "%s%s%s", folder, slash, name);
}

const char *sl_path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
