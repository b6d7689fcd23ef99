/* The CUDA module's functions against a fake runtime in place of the CUDA libraries: order of calls, and what
 * happens when one fails. */
#include "fake_runtime.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/module_status.h"
#include "backend/device.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Here the module's code shares sl_fail with the program. */
static const sl_device_host *given;

void sl_cuda_status_use(const sl_device_host *host) {
    given = host;
}

static char note[256];

void sl_cuda_note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
}

const sl_device_module_table *sl_device_module(const sl_device_host *host);

static const sl_device_module_table *module;

static int begin(void **state) {
    static const sl_device_host host = {.abi = SL_DEVICE_ABI};
    (void)state;
    fake_runtime_use();
    sl_error_clear();
    module = sl_device_module(&host);
    return module && given == &host ? 0 : -1;
}

static void expect_message(const char *part) {
    if (!strstr(sl_error_message(), part)) fail_msg("message '%s' has no '%s'", sl_error_message(), part);
}

/* `lines` occur in the log, in this order. */
static void expect_order(const char *const *lines) {
    const char *at = fake.log;
    for (; *lines; lines++) {
        const char *found = strstr(at, *lines);
        if (!found) fail_msg("no '%s' after its predecessors in:\n%s", *lines, fake.log);
        at = found + strlen(*lines);
    }
}

static int occurrences(const char *word) {
    int count = 0;
    for (const char *at = fake.log; (at = strstr(at, word)); at += strlen(word)) count++;
    return count;
}

static void *opened(void) {
    void *device = NULL;
    assert_int_equal(module->open(0, &device), SL_OK);
    fake_runtime_forget_log();
    return device;
}

static void closed(void *device) {
    module->close(device);
    assert_int_equal(fake.alive, 0);
}

static void test_another_abi_is_refused(void **state) {
    (void)state;
    assert_null(sl_device_module(&(sl_device_host){.abi = SL_DEVICE_ABI + 1}));
    assert_null(sl_device_module(NULL));
    assert_int_equal(module->abi, SL_DEVICE_ABI);
    assert_string_equal(module->name, "cuda");
}

static void test_reasons_for_no_device(void **state) {
    static const struct {
        cudaError_t error;
        int driver;
        sl_status status;
        const char *message;
    } cases[] = {
        {cudaErrorInsufficientDriver, 0, SL_NOT_FOUND, "no NVIDIA driver here (libcuda.so.1)"},
        {cudaErrorInsufficientDriver, 12040, SL_UNSUPPORTED,
         "too old: it knows CUDA 12.4, the module needs 13.0"},
        {cudaErrorNoDevice, 13000, SL_NOT_FOUND, "but no device"},
        {cudaSuccess, 13000, SL_NOT_FOUND, "but no device"},
        {cudaErrorUnknown, 13000, SL_IO, "asking for devices: failure on purpose"},
    };
    (void)state;
    fake.device_count = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int count = -1;
        void *device = NULL;
        fake.count_error = cases[i].error, fake.driver = cases[i].driver;
        sl_error_clear();
        assert_int_equal(module->count(&count), SL_OK);
        assert_int_equal(count, 0);
        expect_message(cases[i].message);
        sl_error_clear();
        assert_int_equal(module->open(0, &device), cases[i].status);
        expect_message(cases[i].message);
        assert_null(device);
    }
    assert_int_equal(fake.alive, 0);
}

static void test_description(void **state) {
    (void)state;
    sl_device_info info;
    assert_int_equal(module->describe(0, &info), SL_OK);
    assert_string_equal(info.name, "Fake 0");
    assert_string_equal(info.detail, "compute capability 8.6, driver 13.0");
    assert_int_equal(info.total_bytes, (size_t)1000 << 20);
    assert_int_equal(info.free_bytes, (size_t)100 << 20);
    assert_int_equal(info.capabilities, SL_CUDA_BF16 | SL_CUDA_BLAS | SL_CUDA_DNN);
    assert_int_equal(module->describe(1, &info), SL_NOT_FOUND);
    expect_message("no CUDA device 1: there is 1");
}

static void test_open_and_close(void **state) {
    (void)state;
    void *device = NULL;
    assert_int_equal(module->open(0, &device), SL_OK);
    expect_order((const char *const[]){"cudaStreamCreateWithFlags 1", "cudaHostAlloc 16777216 0",
                                       "cudaHostAlloc 4 2", "cublasLtCreate", "cudnnCreate",
                                       "cudnnSetStream 1", NULL});
    fake_runtime_forget_log();
    module->close(device);
    expect_order((const char *const[]){"cudaStreamSynchronize", "cudnnDestroy", "cublasLtDestroy",
                                       "cudaEventDestroy", "cudaFreeHost", "cudaStreamDestroy", NULL});
    assert_int_equal(fake.alive, 0);
    module->close(NULL);
}

/* Where no library is found the device opens all the same, and says so. */
static void test_without_libraries(void **state) {
    (void)state;
    void *device = NULL;
    sl_device_info info;
    assert_int_equal(setenv("SL_CUDA_OWN", "1", 1), 0);
    assert_int_equal(module->describe(0, &info), SL_OK);
    assert_string_equal(info.detail, "compute capability 8.6, driver 13.0, without cuBLASLt, without cuDNN");
    assert_int_equal(info.capabilities, SL_CUDA_BF16);
    fake_runtime_forget_log();
    note[0] = 0;
    assert_int_equal(module->open(0, &device), SL_OK);
    assert_null(strstr(fake.log, "cublas"));
    assert_null(strstr(fake.log, "cudnn"));
    assert_non_null(strstr(note, "libcublasLt.so.13"));
    assert_non_null(strstr(note, "libcudnn.so.9"));
    closed(device);
    assert_int_equal(unsetenv("SL_CUDA_OWN"), 0);
    assert_int_equal(module->open(0, &device), SL_OK);
    assert_non_null(strstr(fake.log, "cudnnCreate"));
    closed(device);
}

/* Whichever call fails, open says so and gives everything back. */
static void test_open_that_fails(void **state) {
    (void)state;
    void *device = NULL;
    assert_int_equal(module->open(0, &device), SL_OK);
    int calls = fake.calls;
    closed(device);
    assert_true(calls > 10);
    for (int i = 1; i <= calls; i++) {
        device = NULL;
        fake_runtime_use();
        fake.fail_at = i;
        assert_int_not_equal(module->open(0, &device), SL_OK);
        expect_message("opening CUDA device 0: ");
        assert_null(device);
        assert_int_equal(fake.alive, 0);
    }
}

static void test_memory(void **state) {
    (void)state;
    void *device = opened(), *memory = NULL;
    assert_int_equal(module->allocate(device, 1000, &memory), SL_OK);
    assert_non_null(memory);
    module->release(device, NULL);
    assert_int_equal(occurrences("cudaFree"), 0);
    module->release(device, memory);
    expect_order((const char *const[]){"cudaMalloc 1000", "cudaStreamSynchronize", "cudaFree", NULL});
    assert_int_equal(module->allocate(device, 0, &memory), SL_OK);
    assert_non_null(memory);
    module->release(device, memory);
    closed(device);
}

static void test_memory_that_is_not_there(void **state) {
    (void)state;
    void *device = opened(), *memory = NULL;
    fake.fails = "cudaMalloc", fake.fails_error = cudaErrorMemoryAllocation;
    assert_int_equal(module->allocate(device, (size_t)300 << 20, &memory), SL_MEMORY);
    expect_message("no room for 300.0 MiB: 100.0 of its 1000.0 MiB are free");
    assert_null(memory);
    fake.fails_error = cudaErrorIllegalAddress;
    assert_int_equal(module->allocate(device, 1, &memory), SL_IO);
    expect_message("CUDA error 700");
    fake.fails = NULL;
    closed(device);
}

static void fill_with_pattern(unsigned char *bytes, size_t count, unsigned seed) {
    for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)((i * 2654435761u + seed) >> 13);
}

/* Sizes around those of the staging slots; the source is overwritten as soon as upload returns, while the
 * fake runtime has not copied yet. */
static void test_uploads(void **state) {
    static const size_t sizes[] = {1,
                                   63,
                                   SL_CUDA_STAGING_BYTES - 1,
                                   SL_CUDA_STAGING_BYTES,
                                   SL_CUDA_STAGING_BYTES + 3,
                                   9 * (size_t)SL_CUDA_STAGING_BYTES + 17};
    (void)state;
    void *device = opened();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t bytes = sizes[i];
        unsigned char *from = malloc(bytes), *to = malloc(bytes), *back = malloc(bytes),
                      *kept = malloc(bytes);
        fill_with_pattern(from, bytes, (unsigned)i);
        memcpy(kept, from, bytes);
        memset(to, 0, bytes);
        assert_int_equal(module->upload(device, to, from, bytes), SL_OK);
        memset(from, 0xff, bytes);
        assert_int_equal(module->download(device, back, to, bytes), SL_OK);
        assert_memory_equal(back, kept, bytes);
        free(from), free(to), free(back), free(kept);
    }
    assert_int_equal(module->upload(device, NULL, NULL, 0), SL_OK);
    closed(device);
}

static void test_upload_waits_for_its_slot_alone(void **state) {
    (void)state;
    void *device = opened();
    size_t bytes = SL_CUDA_STAGING_BYTES;
    char *from = calloc(1, bytes), *to = calloc(1, bytes);
    for (int i = 0; i < SL_CUDA_STAGING_SLOTS; i++)
        assert_int_equal(module->upload(device, to, from, bytes), SL_OK);
    assert_int_equal(occurrences("cudaEventSynchronize"), 0);
    assert_int_equal(module->upload(device, to, from, 1), SL_OK);
    assert_int_equal(occurrences("cudaEventSynchronize"), 1);
    assert_int_equal(occurrences("cudaStreamSynchronize"), 0);
    assert_int_equal(module->synchronize(device), SL_OK);
    free(from), free(to);
    closed(device);
}

static void test_copy_and_fill(void **state) {
    (void)state;
    void *device = opened();
    char a[9], b[9], back[9];
    assert_int_equal(module->fill(device, a, 7, sizeof a), SL_OK);
    assert_int_equal(module->copy(device, b, a, sizeof a), SL_OK);
    assert_int_equal(occurrences("Synchronize"), 0);
    assert_int_equal(module->download(device, back, b, sizeof b), SL_OK);
    for (size_t i = 0; i < sizeof back; i++) assert_int_equal(back[i], 7);
    expect_order(
        (const char *const[]){"cudaMemsetAsync 7 9", "cudaMemcpyAsync 9 3", "cudaMemcpyAsync 9 2", NULL});
    fake.fails = "cudaMemsetAsync", fake.fails_error = cudaErrorInvalidValue;
    assert_int_equal(module->fill(device, a, 7, sizeof a), SL_IO);
    expect_message("fill: failure on purpose");
    closed(device);
}

/* Earlier work that failed shows where something waits; a kernel's bad value is said once. */
static void test_failures_of_earlier_work(void **state) {
    (void)state;
    sl_cuda_context *device = opened();
    char byte = 0, back;
    fake.fails = "cudaStreamSynchronize", fake.fails_error = cudaErrorIllegalAddress;
    assert_int_equal(module->download(device, &back, &byte, 1), SL_IO);
    expect_message("work on the device: failure on purpose");
    fake.fails = NULL;
    *device->failure_device = 1 + SL_OP_EMBEDDING;
    assert_int_equal(module->download(device, &back, &byte, 1), SL_INVALID);
    expect_message("embedding on the device");
    assert_int_equal(module->synchronize(device), SL_OK);
    closed(device);
}

static void test_recording(void **state) {
    (void)state;
    void *device = opened(), *recording = NULL;
    char bytes[4] = {0};
    assert_int_equal(module->record_end(device, &recording), SL_INVALID);
    assert_int_equal(module->record_begin(device), SL_OK);
    assert_int_equal(module->record_begin(device), SL_INVALID);
    assert_int_equal(module->upload(device, bytes, bytes, 4), SL_INVALID);
    expect_message("upload while work is being recorded");
    assert_int_equal(module->download(device, bytes, bytes, 4), SL_INVALID);
    assert_int_equal(module->synchronize(device), SL_INVALID);
    assert_int_equal(module->fill(device, bytes, 0, 4), SL_OK);
    assert_int_equal(module->record_end(device, &recording), SL_OK);
    assert_non_null(recording);
    for (int i = 0; i < 3; i++) assert_int_equal(module->launch(device, recording), SL_OK);
    assert_int_equal(occurrences("cudaGraphInstantiate"), 1);
    assert_int_equal(occurrences("cudaGraphLaunch 1"), 3);
    module->recording_free(device, recording);
    module->recording_free(device, NULL);
    expect_order((const char *const[]){"cudaStreamBeginCapture", "cudaMemsetAsync", "cudaStreamEndCapture",
                                       "cudaGraphInstantiate 1 0", "cudaGraphDestroy", "cudaGraphLaunch",
                                       "cudaStreamSynchronize", "cudaGraphExecDestroy", NULL});
    closed(device);
}

static void test_recording_broken_off(void **state) {
    static const struct {
        const char *function;
        int error;
    } cases[] = {{"cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated},
                 {"cudaGraphInstantiate", cudaErrorMemoryAllocation}};
    (void)state;
    void *device = opened();
    for (int i = 0; i < 2; i++) {
        void *recording = NULL;
        fake.fails = cases[i].function, fake.fails_error = cases[i].error;
        assert_int_equal(module->record_begin(device), SL_OK);
        assert_int_equal(module->record_end(device, &recording), i ? SL_MEMORY : SL_IO);
        expect_message(i ? "making a recording" : "ending a recording: capture was broken off");
        assert_null(recording);
        assert_false(fake.capturing);
        fake.fails = NULL; /* and the device is as before */
        assert_int_equal(module->record_begin(device), SL_OK);
        assert_int_equal(module->record_end(device, &recording), SL_OK);
        module->recording_free(device, recording);
    }
    fake.fails = "cudaStreamBeginCapture";
    assert_int_not_equal(module->record_begin(device), SL_OK);
    char byte = 0;
    assert_int_equal(module->upload(device, &byte, &byte, 1), SL_OK);
    assert_int_equal(module->synchronize(device), SL_OK);
    closed(device);
}

static void test_time_marks(void **state) {
    (void)state;
    void *device = opened();
    double seconds = -1;
    assert_int_equal(module->mark_s(device, &seconds), SL_OK);
    assert_true(seconds == 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(module->mark_s(device, &seconds), SL_OK);
        assert_true(seconds == 0.25);
    }
    assert_int_equal(occurrences("cudaEventElapsedTime 1"), 3);
    closed(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_another_abi_is_refused, begin),
        cmocka_unit_test_setup(test_reasons_for_no_device, begin),
        cmocka_unit_test_setup(test_description, begin),
        cmocka_unit_test_setup(test_open_and_close, begin),
        cmocka_unit_test_setup(test_without_libraries, begin),
        cmocka_unit_test_setup(test_open_that_fails, begin),
        cmocka_unit_test_setup(test_memory, begin),
        cmocka_unit_test_setup(test_memory_that_is_not_there, begin),
        cmocka_unit_test_setup(test_uploads, begin),
        cmocka_unit_test_setup(test_upload_waits_for_its_slot_alone, begin),
        cmocka_unit_test_setup(test_copy_and_fill, begin),
        cmocka_unit_test_setup(test_failures_of_earlier_work, begin),
        cmocka_unit_test_setup(test_recording, begin),
        cmocka_unit_test_setup(test_recording_broken_off, begin),
        cmocka_unit_test_setup(test_time_marks, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
