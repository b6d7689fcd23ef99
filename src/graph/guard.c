/* Checks of test and guard modes. */
#include "graph/plan_internal.h"

#include "base/memory.h"
#include "base/threads.h"

#include <stdatomic.h>

enum { GUARD_CHUNK = 65536 };

typedef struct scan {
    const sl_operand *operand;
    atomic_llong bad; /* lowest element that is not finite */
} scan;

/* Whether element `at` has an exponent of ones: it is infinite or not a number. */
#define NOT_FINITE(bits, mask) (((bits) & (mask)) == (mask))

/* First such element among `count` words from `at` on, or -1; a pass without branches comes first. */
#define FIRST_BAD(name, type, mask)                                                                          \
    static int64_t name(const type *words, int64_t at, int64_t count) {                                      \
        unsigned any = 0;                                                                                    \
        for (int64_t i = 0; i < count; i++) any |= NOT_FINITE(words[at + i], mask);                          \
        for (int64_t i = 0; any && i < count; i++)                                                           \
            if (NOT_FINITE(words[at + i], mask)) return at + i;                                              \
        return -1;                                                                                           \
    }
FIRST_BAD(first_bad_f32, uint32_t, 0x7f800000u)
FIRST_BAD(first_bad_bf16, uint16_t, 0x7f80u)
FIRST_BAD(first_bad_f16, uint16_t, 0x7c00u)
FIRST_BAD(first_bad_f64, uint64_t, 0x7ff0000000000000u)

static int64_t first_bad(const sl_operand *operand, int64_t at, int64_t count) {
    switch (operand->dtype) {
    case SL_F32:
        return first_bad_f32(operand->data, at, count);
    case SL_BF16:
        return first_bad_bf16(operand->data, at, count);
    case SL_F16:
        return first_bad_f16(operand->data, at, count);
    case SL_F64:
        return first_bad_f64(operand->data, at, count);
    default:
        return -1;
    }
}

static void scan_chunk(void *context, int64_t task, int worker) {
    scan *s = context;
    int64_t at = task * GUARD_CHUNK, count = sl_operand_count(s->operand) - at;
    (void)worker;
    long long found = first_bad(s->operand, at, count < GUARD_CHUNK ? count : GUARD_CHUNK);
    long long lowest = atomic_load(&s->bad);
    while (found >= 0 && found < lowest && !atomic_compare_exchange_weak(&s->bad, &lowest, found)) {
    }
}

/* The operand's bytes where the CPU can read them: a copy (*out_copy, to be freed) of what a device holds. */
static sl_status readable(const sl_plan *plan, sl_operand *operand, void **out_copy) {
    size_t bytes = sl_plan_operand_bytes(operand);
    *out_copy = NULL;
    if (!plan->device) return SL_OK;
    SL_TRY(sl_alloc(out_copy, bytes, 1));
    SL_TRY(plan->device->module->download(plan->device->context, *out_copy, operand->data, bytes));
    operand->data = *out_copy;
    return SL_OK;
}

static sl_status guard_operand(const sl_plan *plan, sl_operand operand, int64_t *out_bad) {
    void *copy;
    scan s = {.operand = &operand, .bad = INT64_MAX};
    sl_status status = readable(plan, &operand, &copy);
    if (status == SL_OK)
        sl_parallel_for((sl_operand_count(&operand) + GUARD_CHUNK - 1) / GUARD_CHUNK, scan_chunk, &s);
    sl_free(copy);
    *out_bad = s.bad;
    return status;
}

sl_status sl_plan_guard(const sl_plan *plan, const plan_node *p) {
    const char *scope = plan->graph->nodes[p->node].scope;
    for (int i = 0; i < p->call.out_count; i++) {
        if (!sl_call_wants(&p->call, i)) continue;
        int64_t bad;
        SL_TRY(guard_operand(plan, p->call.out[i], &bad));
        if (bad != INT64_MAX)
            return sl_fail(SL_NUMERIC,
                           "%s in '%s' made a result that is not finite (result %d, element %lld)",
                           sl_op_name(p->call.op), scope[0] ? scope : "top level", i, (long long)bad);
    }
    return SL_OK;
}

/* Memory that nothing may rely on turns into NaN: blocks before their first use, and after their last. */
sl_status sl_plan_poison(const sl_plan *plan, int32_t at, bool before) {
    for (int32_t i = 0; i < plan->block_count; i++) {
        const layout_block *block = &plan->blocks[i];
        if ((before ? block->first : block->last) == at)
            SL_TRY(sl_plan_fill(plan, plan->workspace + block->offset, 0xff, block->bytes));
    }
    return SL_OK;
}
