/* Binding, reserving, running. */
#include "graph/plan_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"

#include <stdatomic.h>
#include <string.h>

static size_t operand_bytes(const sl_operand *operand) {
    return (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
}

static sl_status check_value(const sl_plan *plan, sl_value value) {
    if (value.id > 0 && value.id < plan->graph->value_count) return SL_OK;
    return sl_fail(SL_INVALID, "value %d is not of this graph", value.id);
}

sl_status sl_plan_bind(sl_plan *plan, sl_value value, void *data) {
    SL_TRY(check_value(plan, value));
    value_kind kind = plan->graph->values[value.id].kind;
    if (kind != VALUE_PARAMETER && kind != VALUE_INPUT)
        return sl_fail(SL_INVALID, "only parameters and inputs are bound");
    plan->values[value.id].bound = data;
    plan->resolved = false;
    if (kind == VALUE_PARAMETER) plan->packed_ready = false;
    return SL_OK;
}

sl_status sl_plan_bind_gradient(sl_plan *plan, sl_value parameter, void *data) {
    SL_TRY(check_value(plan, parameter));
    plan->values[parameter.id].gradient = data;
    plan->resolved = false;
    return SL_OK;
}

void sl_plan_weights_changed(sl_plan *plan) {
    plan->packed_ready = false;
}

static void copy_constants(sl_plan *plan) {
    for (int32_t id = 1; id < plan->graph->value_count; id++) {
        const graph_value *value = &plan->graph->values[id];
        if (value->kind == VALUE_CONSTANT)
            memcpy(plan->own + plan->values[id].offset, value->operand.data, operand_bytes(&value->operand));
    }
}

static sl_status reserve_block(char **block, size_t bytes, const char *what) {
    if (*block || bytes == 0) return SL_OK;
    return sl_context(sl_alloc(block, bytes, 1), "reserving %s", what);
}

static sl_status reserve_workers(sl_plan *plan) {
    int workers = sl_threads_count();
    if (plan->worker_stride == 0 || (plan->worker_scratch && workers <= plan->workers)) return SL_OK;
    sl_free(plan->worker_scratch);
    plan->worker_scratch = NULL;
    plan->workers = workers;
    plan->resolved = false;
    return reserve_block(&plan->worker_scratch, plan->worker_stride * (size_t)workers,
                         "the threads' scratch memory");
}

sl_status sl_plan_reserve(sl_plan *plan) {
    bool first = !plan->own;
    SL_TRY(reserve_block(&plan->own, plan->own_bytes, "inputs and constants"));
    SL_TRY(reserve_block(&plan->packed, plan->packed_bytes, "packed weights"));
    SL_TRY(reserve_block(&plan->workspace, plan->workspace_bytes, "the workspace"));
    SL_TRY(reserve_workers(plan));
    if (first && plan->own) copy_constants(plan);
    if (plan->options.poison && plan->workspace) memset(plan->workspace, 0xff, plan->workspace_bytes);
    return SL_OK;
}

/* ---- addresses ---- */

static sl_status address_of(const sl_plan *plan, int32_t id, void **out) {
    const plan_value *value = &plan->values[plan->values[id].root];
    switch (value->home) {
    case HOME_WORKSPACE:
        *out = plan->workspace + plan->blocks[value->block].offset;
        return SL_OK;
    case HOME_OWN:
        *out = value->bound ? value->bound : plan->own + value->offset;
        return SL_OK;
    case HOME_BOUND:
        if (!value->bound)
            return sl_fail(SL_INVALID, "parameter '%s' is not bound", plan->graph->values[value->root].name);
        *out = value->bound;
        return SL_OK;
    default:
        return sl_fail(SL_INVALID, "a value without memory");
    }
}

static sl_status resolve_target(const sl_plan *plan, const graph_node *node, void **out) {
    const plan_value *target = &plan->values[node->target];
    *out = node->target_is_gradient ? target->gradient : target->bound;
    if (*out) return SL_OK;
    return sl_fail(SL_INVALID, "the %s of '%s' is not bound",
                   node->target_is_gradient ? "gradient" : "storage", plan->graph->values[node->target].name);
}

static sl_status resolve_node(sl_plan *plan, plan_node *p) {
    const graph_node *node = &plan->graph->nodes[p->node];
    sl_call *call = &p->call;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i)) SL_TRY(address_of(plan, node->in[i], &call->in[i].data));
    if (node->target) SL_TRY(resolve_target(plan, node, &call->out[0].data));
    for (int i = 0; !node->target && i < call->out_count; i++)
        if (sl_call_wants(call, i)) SL_TRY(address_of(plan, node->out[i], &call->out[i].data));
    if (p->scratch_block >= 0) call->scratch = plan->workspace + plan->blocks[p->scratch_block].offset;
    if (p->packs_once)
        call->packed = plan->packed + p->packed_offset;
    else if (p->packed_block >= 0)
        call->packed = plan->workspace + plan->blocks[p->packed_block].offset;
    call->worker_scratch = plan->worker_scratch;
    call->worker_scratch_stride = plan->worker_stride;
    return SL_OK;
}

sl_status sl_plan_resolve(sl_plan *plan) {
    if (plan->resolved) return SL_OK;
    for (int32_t i = 0; i < plan->node_count; i++) SL_TRY(resolve_node(plan, &plan->nodes[i]));
    plan->resolved = true;
    return SL_OK;
}

/* ---- copies ---- */

static sl_status copy_target(sl_plan *plan, sl_value value, size_t bytes, void **out) {
    SL_TRY(check_value(plan, value));
    const graph_value *source = &plan->graph->values[value.id];
    size_t expected = operand_bytes(&source->operand);
    if (bytes != expected)
        return sl_fail(SL_MISMATCH, "%zu bytes for '%s', expected %zu", bytes,
                       source->name ? source->name : "a result", expected);
    if (!plan->workspace && !plan->own) return sl_fail(SL_INVALID, "the plan is not reserved");
    return address_of(plan, value.id, out);
}

sl_status sl_plan_upload(sl_plan *plan, sl_value input, const void *data, size_t bytes) {
    void *target;
    SL_TRY(copy_target(plan, input, bytes, &target));
    if (plan->graph->values[input.id].kind != VALUE_INPUT)
        return sl_fail(SL_INVALID, "upload into what is no input");
    memcpy(target, data, bytes);
    return SL_OK;
}

static bool lasts(const sl_plan *plan, sl_value value) {
    if (plan->graph->values[value.id].kind != VALUE_NODE) return true;
    int32_t root = plan->values[value.id].root;
    for (int32_t i = 0; i < plan->graph->output_count; i++)
        if (plan->values[plan->graph->outputs[i].value].root == root) return true;
    return false;
}

sl_status sl_plan_download(sl_plan *plan, sl_value value, void *data, size_t bytes) {
    void *source;
    SL_TRY(copy_target(plan, value, bytes, &source));
    if (!lasts(plan, value)) return sl_fail(SL_INVALID, "download of a value that is no output");
    memcpy(data, source, bytes);
    return SL_OK;
}

/* ---- checks of test and guard modes ---- */

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
FIRST_BAD(first_bad_f64, uint64_t, 0x7ff0000000000000u)

static int64_t first_bad(const sl_operand *operand, int64_t at, int64_t count) {
    switch (operand->dtype) {
    case SL_F32:
        return first_bad_f32(operand->data, at, count);
    case SL_BF16:
        return first_bad_bf16(operand->data, at, count);
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

static sl_status guard(const sl_plan *plan, const plan_node *p) {
    const char *scope = plan->graph->nodes[p->node].scope;
    for (int i = 0; i < p->call.out_count; i++) {
        if (!sl_call_wants(&p->call, i)) continue;
        scan s = {.operand = &p->call.out[i], .bad = INT64_MAX};
        sl_parallel_for((sl_operand_count(s.operand) + GUARD_CHUNK - 1) / GUARD_CHUNK, scan_chunk, &s);
        if (s.bad != INT64_MAX)
            return sl_fail(SL_NUMERIC,
                           "%s in '%s' made a result that is not finite (result %d, element %lld)",
                           sl_op_name(p->call.op), scope[0] ? scope : "top level", i, (long long)s.bad);
    }
    return SL_OK;
}

/* Memory that nothing may rely on turns into NaN: blocks before their first use, and after their last. */
static void poison(sl_plan *plan, int32_t at, bool before) {
    for (int32_t i = 0; i < plan->block_count; i++) {
        const layout_block *block = &plan->blocks[i];
        if ((before ? block->first : block->last) == at)
            memset(plan->workspace + block->offset, 0xff, block->bytes);
    }
}

/* ---- run ---- */

static sl_status run_call(plan_node *p) {
    if (!p->kernel) return sl_op_reference(&p->call);
    if (p->packed_bytes && !p->packs_once) SL_TRY(p->kernel->code->pack(&p->call));
    return p->kernel->code->run(&p->call);
}

static sl_status run_node(sl_plan *plan, int32_t index) {
    plan_node *p = &plan->nodes[index];
    const char *scope = plan->graph->nodes[p->node].scope;
    double start = plan->options.profile ? sl_clock_s() : 0;
    if (plan->options.poison) poison(plan, index, true);
    sl_status status = run_call(p);
    if (status != SL_OK)
        return sl_context(status, "%s in '%s'", sl_op_name(p->call.op), scope[0] ? scope : "top level");
    if (plan->options.profile) {
        p->seconds += sl_clock_s() - start;
        p->runs++;
    }
    if (plan->options.nan_guard) SL_TRY(guard(plan, p));
    if (plan->options.poison) poison(plan, index, false);
    return SL_OK;
}

static sl_status pack_frozen(sl_plan *plan) {
    if (plan->packed_ready) return SL_OK;
    for (int32_t i = 0; i < plan->node_count; i++) {
        const plan_node *p = &plan->nodes[i];
        if (p->packs_once) SL_TRY(p->kernel->code->pack(&p->call));
    }
    plan->packed_ready = true;
    return SL_OK;
}

sl_status sl_plan_run(sl_plan *plan) {
    if (!plan->workspace && plan->workspace_bytes) return sl_fail(SL_INVALID, "the plan is not reserved");
    SL_TRY(reserve_workers(plan));
    SL_TRY(sl_plan_resolve(plan));
    SL_TRY(pack_frozen(plan));
    for (int32_t i = 0; i < plan->node_count; i++) SL_TRY(run_node(plan, i));
    return SL_OK;
}
