/* The decoder process. Each file is decoded in a forked child that can do nothing but compute and write into
 * one shared map: it is limited in memory and time, has no descriptors to use, and a system call filter
 * refuses all but memory, clock and exit. What it leaves in the map is checked like any other input. */
#include "image/frame.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "image/format/format.h"
#include "image/hdf5_lock.h"
#include "image/system_call_filter.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 1024, METADATA_BYTES = 2 << 20 };
static const double wall_default_s = 60;
/* Processor time: far more than any image takes, since damaged files can make a library turn in circles. */
enum { CPU_BASE_S = 10, CPU_BYTES_PER_S = 32 << 20 };
static const int64_t memory_default_bytes = (int64_t)2 << 30;
static const size_t pixels_limit_bytes = (size_t)SL_LIMIT_IMAGE_PX * (8 + 1); /* with a mask */

/* What parent and child share. Pages are only there once written, so the room for the largest image costs
 * nothing. */
typedef struct shared {
    atomic_int done;    /* set last by the child */
    int32_t unfiltered; /* 1: this system has no system call filter */
    int32_t status;
    char message[MESSAGE_BYTES];
    int32_t format;
    sl_frame_header header; /* its `metadata` pointer means nothing here */
    size_t metadata_bytes;
    char metadata[METADATA_BYTES];
    size_t pixel_bytes;
    _Alignas(4096) uint8_t pixels[];
} shared;

static const size_t shared_bytes = sizeof(shared) + pixels_limit_bytes;

/* ---- in the child ---- */

/* `hard` stands one above `soft`, so that a soft limit with a signal of its own (SIGXCPU) is met first. */
static void limit(__rlimit_resource_t resource, rlim_t soft) {
    struct rlimit limits;
    if (getrlimit(resource, &limits) != 0) return;
    rlim_t hard = soft + 1;
    if (limits.rlim_max != RLIM_INFINITY && hard > limits.rlim_max) hard = limits.rlim_max;
    if (soft > hard) soft = hard;
    limits = (struct rlimit){soft, hard};
    setrlimit(resource, &limits);
}

/* The size of the address space now, since limits count it whole. */
__attribute__((unused)) static size_t address_space_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lu", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static rlim_t cpu_limit_s(const sl_source *source) {
    return CPU_BASE_S + source->bytes / CPU_BYTES_PER_S;
}

static bool confine(const sl_source *source, const sl_decode_limits *limits) {
    static const int quiet[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    (void)limits;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++) signal(quiet[i], SIG_IGN);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) signal(fatal[i], SIG_DFL);
    limit(RLIMIT_CORE, 0);
#ifndef SL_WITH_SANITIZER
    limit(RLIMIT_AS, address_space_bytes() + (rlim_t)limits->memory_bytes);
#endif
    limit(RLIMIT_CPU, cpu_limit_s(source));
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, 0);
    return sl_filter_system_calls();
}

static sl_status room_in_map(void *context, size_t bytes, void **out) {
    shared *map = context;
    if (bytes > pixels_limit_bytes)
        return sl_fail(SL_LIMIT, "%zu MiB of pixels, at most %zu MiB are read", bytes >> 20,
                       pixels_limit_bytes >> 20);
    map->pixel_bytes = bytes;
    *out = map->pixels;
    return SL_OK;
}

static void leave_metadata(shared *map, const json_t *metadata) {
    map->metadata_bytes = json_dumpb(metadata, map->metadata, sizeof map->metadata, JSON_COMPACT);
    if (map->metadata_bytes <= sizeof map->metadata) return;
    map->metadata_bytes = 0; /* too long: better none than half */
}

static int format_index(const sl_format *format) {
    for (int i = 0; i < sl_format_count(); i++)
        if (sl_format_at(i) == format) return i;
    return -1;
}

static void run_child(const sl_source *source, const sl_frame_request *request, bool with_pixels,
                      shared *map) {
    const sl_format *format = NULL;
    sl_frame_header header = {.metadata = json_object()};
    sl_status status = sl_decode(source, request, with_pixels ? room_in_map : NULL, map, &format, &header);
    map->status = (int32_t)status;
    if (status) snprintf(map->message, sizeof map->message, "%s", sl_error_message());
    if (!status) leave_metadata(map, header.metadata);
    map->format = format_index(format);
    map->header = header;
    atomic_store(&map->done, 1);
}

/* ---- in the parent ---- */

/* Waits for the child's end, kills it after wall_s. */
static int wait_for(pid_t child, double wall_s, bool *out_late) {
    double until_s = sl_clock_s() + wall_s;
    int fd = (int)syscall(SYS_pidfd_open, child, 0), wait_status = 0;
    *out_late = false;
    for (;;) {
        pid_t got = waitpid(child, &wait_status, WNOHANG);
        if (got == child || (got < 0 && errno != EINTR)) break;
        double left_s = until_s - sl_clock_s();
        if (left_s <= 0) {
            *out_late = true;
            kill(child, SIGKILL);
            while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
            }
            break;
        }
        struct pollfd end = {fd, POLLIN, 0};
        if (fd >= 0) {
            poll(&end, 1, left_s > 1000 ? 1000000 : (int)ceil(left_s * 1e3));
        } else { /* kernels before 5.3 */
            nanosleep(&(struct timespec){0, 2000000}, NULL);
        }
    }
    if (fd >= 0) close(fd);
    return wait_status;
}

/* A verdict on the child before anything in the map is believed. */
static sl_status judge(const shared *map, const sl_source *source, int wait_status, bool late,
                       double wall_s) {
    if (late) return sl_fail(SL_TIMEOUT, "decoding took more than %g s and was stopped", wall_s);
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXCPU)
        return sl_fail(SL_TIMEOUT, "decoding took more than %d s of processor time and was stopped",
                       (int)cpu_limit_s(source));
    if (WIFSIGNALED(wait_status))
        return sl_fail(SL_FORMAT, "the file made its decoder crash (%s): it is damaged or hostile",
                       strsignal(WTERMSIG(wait_status)));
    if (!atomic_load(&map->done))
        return sl_fail(SL_FORMAT, "the file made its decoder stop (exit code %d): it is damaged or hostile",
                       WEXITSTATUS(wait_status));
    if (map->status < 0 || map->status >= SL_STATUS_COUNT)
        return sl_fail(SL_FORMAT, "the decoder answered nonsense");
    if (map->status) {
        char message[MESSAGE_BYTES];
        memcpy(message, map->message, sizeof message);
        message[sizeof message - 1] = '\0';
        return sl_fail((sl_status)map->status, "%s", message);
    }
    return SL_OK;
}

static bool plausible(const sl_frame_header *header, const shared *map, bool with_pixels) {
    if ((unsigned)header->dtype >= SL_DTYPE_COUNT || !sl_format_at(map->format)) return false;
    if (sl_format_check_size(header->height_px, header->width_px)) return false;
    if (header->dataset[sizeof header->dataset - 1] || map->metadata_bytes > sizeof map->metadata)
        return false;
    size_t bytes = sl_format_pixel_bytes(header);
    return !with_pixels || (bytes == map->pixel_bytes && bytes <= pixels_limit_bytes);
}

static sl_status take_pixels(const shared *map, sl_frame *frame) {
    size_t count = (size_t)frame->header.height_px * (size_t)frame->header.width_px;
    size_t bytes = count * sl_dtype_bytes(frame->header.dtype);
    SL_TRY(sl_alloc(&frame->data, bytes, 1));
    memcpy(frame->data, map->pixels, bytes);
    if (!frame->header.has_mask) return SL_OK;
    SL_TRY(sl_alloc(&frame->mask, count, 1));
    memcpy(frame->mask, map->pixels + bytes, count);
    return SL_OK;
}

static char *source_name(const char *name, const sl_frame_header *header) {
    sl_text text = SL_TEXT_INIT;
    sl_text_add(&text, name);
    if (header->dataset[0] || header->frames > 1) sl_text_printf(&text, "::%s", header->dataset);
    if (header->frames > 1) sl_text_printf(&text, "[%lld]", (long long)header->frame);
    return text.failed ? NULL : text.data;
}

static sl_status take_result(const shared *map, bool with_pixels, const char *name, sl_frame *out) {
    sl_frame frame = {.header = map->header};
    frame.header.metadata = NULL;
    if (!plausible(&frame.header, map, with_pixels))
        return sl_fail(SL_FORMAT, "the decoder answered nonsense");
    frame.format = sl_format_at(map->format)->name;
    sl_status status = SL_OK;
    if (map->metadata_bytes) {
        status = sl_json_parse(map->metadata, map->metadata_bytes, "metadata", &frame.header.metadata);
    } else {
        frame.header.metadata = json_object();
    }
    if (!status && with_pixels) status = take_pixels(map, &frame);
    if (!status && !(frame.source = source_name(name, &frame.header)))
        status = sl_fail(SL_MEMORY, "out of memory");
    if (status) {
        sl_frame_free(&frame);
        return status;
    }
    *out = frame;
    return SL_OK;
}

static sl_status decode_in_child(const sl_source *source, const sl_frame_request *request, bool with_pixels,
                                 const sl_decode_limits *limits, shared *map, const char *name,
                                 sl_frame *out) {
    memset(map, 0, offsetof(shared, metadata));
    sl_hdf5_lock(); /* a child forked while another thread writes HDF5 would find the library locked for ever
                     */
    pid_t child = fork();
    if (child == 0) {
        map->unfiltered = !confine(source, limits);
        run_child(source, request, with_pixels, map);
        _exit(0);
    }
    sl_hdf5_unlock();
    if (child < 0) return sl_fail_errno("cannot start a decoder process");
    bool late;
    int wait_status = wait_for(child, limits->wall_s, &late);
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (map->unfiltered && !atomic_flag_test_and_set(&told))
        sl_warn("this system has no system call filter: image files are decoded with limits on memory and "
                "time only");
    SL_TRY(judge(map, source, wait_status, late, limits->wall_s));
    return take_result(map, with_pixels, name, out);
}

static const char *format_name(int index) {
    const sl_format *format = sl_format_at(index);
    return format ? format->name : NULL;
}

/* Time for the first try. The address sanitizer's allocator, unlike the C library's, is not made for fork: a
 * lock that another thread held stays locked in the child, which then sleeps for ever. There the time is
 * short at first and doubles up to `wall_s`. */
static double first_wall_s(double wall_s) {
#ifdef SL_WITH_SANITIZER
    return wall_s / 8;
#else
    return wall_s;
#endif
}

static sl_status read_source(const sl_source *source, const char *name, const sl_frame_request *request,
                             bool with_pixels, const sl_decode_limits *limits, sl_frame *out) {
    sl_decode_limits used = limits ? *limits : (sl_decode_limits){0};
    if (used.wall_s <= 0) used.wall_s = wall_default_s;
    if (used.memory_bytes <= 0) used.memory_bytes = memory_default_bytes;
    if ((int64_t)source->bytes > SL_LIMIT_FILE_BYTES)
        return sl_fail(SL_LIMIT, "'%s' has %zu bytes, at most %lld are read", name, source->bytes,
                       (long long)SL_LIMIT_FILE_BYTES);
    shared *map =
        mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return sl_fail_errno("cannot map room for the image '%s'", name);
    sl_status status = SL_TIMEOUT;
    for (double wall_s = first_wall_s(used.wall_s); status == SL_TIMEOUT && wall_s <= used.wall_s;
         wall_s *= 2) {
        const sl_decode_limits now = {.memory_bytes = used.memory_bytes, .wall_s = wall_s};
        status = decode_in_child(source, request, with_pixels, &now, map, name, out);
    }
    if (status == SL_UNSUPPORTED) out->format = format_name(map->format);
    munmap(map, shared_bytes);
    return sl_context(status, "reading image '%s'", name);
}

static sl_status read_path(const char *path, const sl_frame_request *request, bool with_pixels,
                           const sl_decode_limits *limits, sl_frame *out) {
    sl_file_map map;
    SL_TRY(sl_context(sl_file_map_open(&map, path), "reading image '%s'", path));
    sl_source source = {map.data, map.bytes};
    sl_status status = read_source(&source, path, request, with_pixels, limits, out);
    sl_file_map_close(&map);
    return status;
}

sl_status sl_frame_read(const char *path, const sl_frame_request *request, const sl_decode_limits *limits,
                        sl_frame *out) {
    return read_path(path, request, true, limits, out);
}

sl_status sl_frame_read_header(const char *path, const sl_frame_request *request,
                               const sl_decode_limits *limits, sl_frame *out) {
    return read_path(path, request, false, limits, out);
}

sl_status sl_frame_read_bytes(const void *data, size_t bytes, const char *name,
                              const sl_frame_request *request, const sl_decode_limits *limits,
                              sl_frame *out) {
    sl_source source = {data, bytes};
    return read_source(&source, name, request, true, limits, out);
}
