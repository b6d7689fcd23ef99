/* A fake runtime in place of the CUDA libraries: functions that write down that they were called and behave
 * as the real ones promise. Copies of a stream are done when something waits for it, and not before. */
#ifndef SL_TESTS_CUDA_FAKE_RUNTIME_H
#define SL_TESTS_CUDA_FAKE_RUNTIME_H

#include "backend/cuda/api.h"

#include <stdbool.h>

typedef struct fake_runtime {
    int device_count, driver;
    cudaError_t count_error;
    const char *fails; /* the name of a function that fails, or NULL */
    int fails_error;   /* with this */
    int fails_after;   /* after so many calls that succeed */
    int fail_at;       /* the number of the call, counted over all, that fails; 0: none */
    int calls;         /* all so far */
    int alive;         /* things made and not destroyed */
    char log[1 << 16]; /* "cudaMalloc 100\n..." */
    bool capturing;
} fake_runtime;

extern fake_runtime fake;

/* Puts the fake runtime in the table's place, all as new: one device, a driver for CUDA 13.0. */
void fake_runtime_use(void);
void fake_runtime_forget_log(void);

#endif
