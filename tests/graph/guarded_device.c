#include "guarded_device.h"

#include "test.h"

#include "base/memory.h"
#include "op/op.h"

#include <string.h>
#include <sys/mman.h>

enum { BLOCKS = 4096, CALLS = 4096 };

guarded_device_counts guarded_device;
size_t guarded_device_total_bytes = (size_t)1 << 30;
int guarded_device_failing_op = -1;

typedef struct block {
    void *memory;
    size_t bytes;
} block;

typedef struct recording {
    const sl_kernel_code *code[CALLS];
    sl_call call[CALLS];
    int count;
} recording;

static block blocks[BLOCKS];
static recording *tape; /* while calls are recorded */
static int a_context;

/* All memory is one stretch, so that it is opened and closed by one call. Nothing is used twice. */
enum { STRETCH = 1 << 30 };
static char *stretch;
static size_t stretch_used;

static void protect(int protection) {
    if (stretch_used) assert_int_equal(mprotect(stretch, stretch_used, protection), 0);
}

static void open_memory(void) {
    protect(PROT_READ | PROT_WRITE);
}

static void close_memory(void) {
    protect(PROT_NONE);
}

/* ---- memory ---- */

static sl_status allocate(void *device, size_t bytes, void **out) {
    assert_ptr_equal(device, &a_context);
    size_t rounded = (bytes + 255) / 256 * 256;
    if (guarded_device.live_bytes + rounded > guarded_device_total_bytes)
        return sl_fail(SL_MEMORY, "no room for %zu bytes", bytes);
    int i = 0;
    while (i < BLOCKS && blocks[i].memory) i++;
    assert_true(i < BLOCKS);
    if (!stretch) {
        stretch = mmap(NULL, STRETCH, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_true((void *)stretch != MAP_FAILED);
    }
    assert_true(stretch_used + rounded <= STRETCH);
    void *memory = stretch + stretch_used;
    stretch_used += rounded;
    open_memory();
    memset(memory, 0xff, rounded);
    blocks[i] = (block){memory, rounded};
    close_memory();
    guarded_device.allocations++;
    guarded_device.live++;
    guarded_device.live_bytes += rounded;
    if (guarded_device.live_bytes > guarded_device.peak_bytes)
        guarded_device.peak_bytes = guarded_device.live_bytes;
    *out = memory;
    return SL_OK;
}

/* Those that lie in the block as a whole. */
static void give_back_pages(char *memory, size_t bytes) {
    const uintptr_t page = 4096;
    uintptr_t first = ((uintptr_t)memory + page - 1) / page * page,
              end = ((uintptr_t)memory + bytes) / page * page;
    if (first < end) assert_int_equal(madvise((void *)first, end - first, MADV_DONTNEED), 0);
}

static void release(void *device, void *memory) {
    assert_ptr_equal(device, &a_context);
    for (int i = 0; memory && i < BLOCKS; i++) {
        if (blocks[i].memory != memory) continue;
        open_memory();
        give_back_pages(memory, blocks[i].bytes);
        close_memory();
        guarded_device.live--;
        guarded_device.live_bytes -= blocks[i].bytes;
        blocks[i] = (block){0};
        return;
    }
    assert_null(memory);
}

static sl_status move(void *to, const void *from, size_t bytes) {
    assert_null(tape); /* no copy while work is recorded */
    open_memory();
    memmove(to, from, bytes);
    close_memory();
    return SL_OK;
}

static sl_status upload(void *device, void *to, const void *from, size_t bytes) {
    (void)device;
    guarded_device.uploads++;
    return move(to, from, bytes);
}

static sl_status download(void *device, void *to, const void *from, size_t bytes) {
    (void)device;
    guarded_device.downloads++;
    return move(to, from, bytes);
}

static sl_status copy(void *device, void *to, const void *from, size_t bytes) {
    (void)device;
    return move(to, from, bytes);
}

static sl_status fill(void *device, void *to, int byte, size_t bytes) {
    (void)device;
    open_memory();
    memset(to, byte, bytes);
    close_memory();
    return SL_OK;
}

static sl_status synchronize(void *device) {
    (void)device;
    return SL_OK;
}

/* ---- kernels ---- */

static sl_status run_now(const sl_call *call, const sl_kernel_code *code);
static sl_status run(const sl_call *call);
static sl_status run_packed(const sl_call *call);

static size_t weight_bytes(const sl_call *call) {
    return (size_t)sl_operand_count(&call->in[1]) * sl_dtype_bytes(call->in[1].dtype);
}

static sl_status pack(const sl_call *call) {
    if (tape) {
        assert_true(tape->count < CALLS);
        tape->code[tape->count] = NULL; /* pack, not run */
        tape->call[tape->count++] = *call;
        return SL_OK;
    }
    return move(call->packed, call->in[1].data, weight_bytes(call));
}

static const sl_kernel_code code_plain = {.scratch = sl_op_reference_scratch, .run = run};
/* Takes its weight from `packed` alone. */
static const sl_kernel_code code_packed = {.scratch = sl_op_reference_scratch,
                                           .packed = weight_bytes,
                                           .pack = pack,
                                           .form = "copied",
                                           .run = run_packed};

static sl_status run_now(const sl_call *call, const sl_kernel_code *code) {
    sl_call own = *call;
    assert_ptr_equal(call->device, &a_context);
    if (code == &code_packed) own.in[1].data = call->packed;
    open_memory();
    sl_status status = sl_op_reference(&own);
    close_memory();
    guarded_device.runs++;
    return status;
}

static sl_status run_or_record(const sl_call *call, const sl_kernel_code *code) {
    if (!tape) return run_now(call, code);
    assert_true(tape->count < CALLS);
    tape->code[tape->count] = code;
    tape->call[tape->count++] = *call;
    return SL_OK;
}

static sl_status run(const sl_call *call) {
    return run_or_record(call, &code_plain);
}

static sl_status run_packed(const sl_call *call) {
    return run_or_record(call, &code_packed);
}

static sl_status record_begin(void *device) {
    (void)device;
    assert_null(tape);
    guarded_device.records++;
    return sl_alloc(&tape, 1, sizeof *tape);
}

static sl_status record_end(void *device, void **out) {
    (void)device;
    *out = tape;
    tape = NULL;
    return SL_OK;
}

static sl_status launch(void *device, void *recorded) {
    const recording *r = recorded;
    (void)device;
    guarded_device.launches++;
    for (int i = 0; i < r->count; i++)
        SL_TRY(r->code[i] ? run_now(&r->call[i], r->code[i]) : pack(&r->call[i]));
    return SL_OK;
}

static void recording_free(void *device, void *recorded) {
    (void)device;
    sl_free(recorded);
}

static sl_status mark_s(void *device, double *out_s) {
    (void)device;
    *out_s = 0.5;
    return SL_OK;
}

/* ---- the table ---- */

enum { ALL_DTYPES = SL_TAKES_ALL | SL_TAKES_F64 };

static sl_kernel rows[SL_OP_COUNT];

static sl_status count(int *out) {
    *out = 1;
    return SL_OK;
}

static sl_status describe(int index, sl_device_info *out) {
    assert_int_equal(index, 0);
    *out = (sl_device_info){.name = "guarded",
                            .total_bytes = guarded_device_total_bytes,
                            .free_bytes = guarded_device_total_bytes - guarded_device.live_bytes};
    return SL_OK;
}

static sl_status open_device(int index, void **out) {
    assert_int_equal(index, 0);
    *out = &a_context;
    return SL_OK;
}

static void close_device(void *device) {
    assert_ptr_equal(device, &a_context);
}

static const sl_device_module_table table = {.abi = SL_DEVICE_ABI,
                                             .name = "guarded",
                                             .kernels = rows,
                                             .kernel_count = SL_OP_COUNT,
                                             .count = count,
                                             .describe = describe,
                                             .open = open_device,
                                             .close = close_device,
                                             .allocate = allocate,
                                             .release = release,
                                             .upload = upload,
                                             .download = download,
                                             .copy = copy,
                                             .fill = fill,
                                             .synchronize = synchronize,
                                             .record_begin = record_begin,
                                             .record_end = record_end,
                                             .launch = launch,
                                             .recording_free = recording_free,
                                             .mark_s = mark_s};

void guarded_device_use(void) {
    stretch_used = 0;
    guarded_device = (guarded_device_counts){0};
    for (int op = 0; op < SL_OP_COUNT; op++) {
        bool packs = op == SL_OP_LINEAR || op == SL_OP_CONV2D || op == SL_OP_LINEAR_BWD_DATA ||
                     op == SL_OP_CONV2D_BWD_DATA;
        rows[op] = (sl_kernel){.op = op == guarded_device_failing_op ? SL_OP_COUNT : (sl_op)op,
                               .name = "guarded",
                               .dtypes = ALL_DTYPES,
                               .code = packs ? &code_packed : &code_plain};
    }
    assert_ok(sl_device_use_table(&table));
}

void guarded_device_end(void) {
    assert_int_equal(guarded_device.live, 0);
    assert_ok(sl_device_use_table(NULL));
}
