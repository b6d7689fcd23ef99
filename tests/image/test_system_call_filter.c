/* What a process may still do behind the filter; each answer is taken in a child of its own. */
#include "test.h"

#include "image/system_call_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NO_FILTER = 77 };

static bool refused(long result) {
    return result == -1 && errno == EPERM;
}

static bool files_are_out_of_reach(void) {
    return refused(open("/etc/hostname", O_RDONLY)) && refused(pipe((int[2]){0})) &&
           refused(unlink("/nonexistent")) && refused(fork());
}

static bool others_get_no_signal(void) {
    return refused(kill(getppid(), 0));
}

static bool memory_holds_no_code(void) {
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool good = code == MAP_FAILED && errno == EPERM;
    void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return good && data != MAP_FAILED && refused(mprotect(data, 4096, PROT_READ | PROT_EXEC)) &&
           mprotect(data, 4096, PROT_READ) == 0;
}

static bool work_goes_on(void) {
    struct timespec now;
    char *block = malloc(1 << 22);
    bool good = block && clock_gettime(CLOCK_MONOTONIC, &now) == 0;
    free(block);
    return good;
}

static int ask(bool (*holds)(void)) {
    pid_t child = fork();
    if (child == 0) _exit(sl_filter_system_calls() ? (holds() ? 0 : 1) : NO_FILTER);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void the_filter_holds(void **state) {
    (void)state;
    bool (*const claims[])(void) = {files_are_out_of_reach, others_get_no_signal, memory_holds_no_code,
                                    work_goes_on};
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        int answer = ask(claims[i]);
        if (answer == NO_FILTER) skip_because("this system has no system call filter");
        if (answer != 0) fail_msg("claim %zu: exit %d", i, answer);
    }
}

static bool abort_itself(void) {
    abort();
}

static void abort_ends_the_process(void **state) {
    (void)state;
    int answer = ask(abort_itself);
    if (answer == NO_FILTER) skip_because("this system has no system call filter");
    assert_int_equal(answer, 128 + SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_holds),
        cmocka_unit_test(abort_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
