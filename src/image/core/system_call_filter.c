/* The filter as a program of the kernel's packet filter (Linux, Documentation/userspace-api/seccomp_filter).
 */
#include "image/system_call_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#ifdef MACHINE

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define REFUSE        RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW         RETURN(SECCOMP_RET_ALLOW)
/* Goes on behind the next `count` instructions unless the number at hand is `value`. */
#define UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (count))
/* args[i] is the low half of an argument, on the little-endian machines above. */
#define ALLOW_WHERE(call, i, value) UNLESS(call, 4), LOAD(args[i]), UNLESS(value, 1), ALLOW, REFUSE
#define ALLOW_WITHOUT(call, i, bit)                                                                          \
    UNLESS(call, 4), LOAD(args[i]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bit), 1, 0), ALLOW, REFUSE

bool sl_filter_system_calls(void) {
    struct sock_filter program[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#define SL_ALLOWED_CALL(name) UNLESS(SYS_##name, 1), ALLOW,
        SL_ALLOWED_CALLS
#undef SL_ALLOWED_CALL
            ALLOW_WHERE(SYS_tgkill, 0, getpid()),
        ALLOW_WITHOUT(SYS_mmap, 2, PROT_EXEC),
        ALLOW_WITHOUT(SYS_mprotect, 2, PROT_EXEC),
#ifdef SL_WITH_SANITIZER
        ALLOW_WHERE(SYS_write, 0, 2),
#endif
        REFUSE,
    };
    const struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

#else

bool sl_filter_system_calls(void) {
    return false;
}

#endif
