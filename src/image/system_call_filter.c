#include "image/system_call_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static bool allow_where(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition) {
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition) == 0;
}

bool sl_filter_system_calls(void) {
    static const int allowed[] = {
#define SL_ALLOWED_CALL(name) SCMP_SYS(name),
        SL_ALLOWED_CALLS
#undef SL_ALLOWED_CALL
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return false;
    bool good = true;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        good &= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    good &= allow_where(filter, SCMP_SYS(tgkill),
                        (struct scmp_arg_cmp){0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0});
    struct scmp_arg_cmp no_code = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
    good &= allow_where(filter, SCMP_SYS(mmap), no_code);
    good &= allow_where(filter, SCMP_SYS(mprotect), no_code);
#ifdef SL_WITH_SANITIZER
    good &= allow_where(filter, SCMP_SYS(write), (struct scmp_arg_cmp){0, SCMP_CMP_EQ, 2, 0});
#endif
    good = good && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}
