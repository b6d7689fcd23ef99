/* The decoder process gives up its system calls. One of two files implements it: system_call_filter.c by
 * libseccomp, or core/system_call_filter.c in a core-only build. */
#ifndef SL_IMAGE_SYSTEM_CALL_FILTER_H
#define SL_IMAGE_SYSTEM_CALL_FILTER_H

#include <stdbool.h>

/* A sanitizer writes its findings and reserves address space beyond any limit. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SL_WITH_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SL_WITH_SANITIZER 1
#endif

/* SL_ALLOWED_CALL(name): what the process may call without condition. Besides: tgkill of itself, as abort()
 * does, and mmap and mprotect of what is no code. Everything else answers "not permitted", so that a library
 * meets an error it knows instead of dying. */
#define SL_ALLOWED_CALLS                                                                                     \
    SL_ALLOWED_CALL(exit)                                                                                    \
    SL_ALLOWED_CALL(exit_group)                                                                              \
    SL_ALLOWED_CALL(munmap)                                                                                  \
    SL_ALLOWED_CALL(mremap)                                                                                  \
    SL_ALLOWED_CALL(madvise)                                                                                 \
    SL_ALLOWED_CALL(brk)                                                                                     \
    SL_ALLOWED_CALL(futex)                                                                                   \
    SL_ALLOWED_CALL(clock_gettime)                                                                           \
    SL_ALLOWED_CALL(rt_sigreturn)                                                                            \
    SL_ALLOWED_CALL(rt_sigprocmask)                                                                          \
    SL_ALLOWED_CALL(getpid)                                                                                  \
    SL_ALLOWED_CALL(gettid)                                                                                  \
    SL_ALLOWED_CALL(sched_yield)                                                                             \
    SL_ALLOWED_CALL(getrandom)                                                                               \
    SL_ALLOWED_CALL(sigaltstack)                                                                             \
    SL_ALLOWED_CALL(gettimeofday)

/* For the rest of this process. False where the system has no such filter. */
bool sl_filter_system_calls(void);

#endif
