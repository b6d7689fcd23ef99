/* Running a plan: node by node, or as the device's recording of that. */
#include "graph/plan_internal.h"

#include "base/clock.h"
#include "base/threads.h"

static sl_status run_call(plan_node *p) {
    if (!p->kernel) return sl_op_reference(&p->call);
    if (p->packed_bytes && !p->packs_once) SL_TRY(p->kernel->code->pack(&p->call));
    return p->kernel->code->run(&p->call);
}

/* Seconds on a clock that runs on once the work so far is done. */
static sl_status lap(const sl_plan *plan, double *in_out_start, double *out_s) {
    if (plan->device) return plan->device->module->mark_s(plan->device->context, out_s);
    double now = sl_clock_s();
    *out_s = now - *in_out_start;
    *in_out_start = now;
    return SL_OK;
}

static sl_status run_profiled(const sl_plan *plan, plan_node *p) {
    double start = 0, seconds;
    if (!plan->options.profile) return run_call(p);
    SL_TRY(lap(plan, &start, &seconds));
    SL_TRY(run_call(p));
    SL_TRY(lap(plan, &start, &seconds));
    p->seconds += seconds;
    p->runs++;
    return SL_OK;
}

static sl_status run_node(sl_plan *plan, int32_t index) {
    plan_node *p = &plan->nodes[index];
    const char *scope = plan->graph->nodes[p->node].scope;
    if (plan->options.poison) SL_TRY(sl_plan_poison(plan, index, true));
    sl_status status = run_profiled(plan, p);
    if (status != SL_OK)
        return sl_context(status, "%s in '%s'", sl_op_name(p->call.op), scope[0] ? scope : "top level");
    if (plan->options.nan_guard) SL_TRY(sl_plan_guard(plan, p));
    return plan->options.poison ? sl_plan_poison(plan, index, false) : SL_OK;
}

/* Nodes first..end-1 */
static sl_status run_nodes(sl_plan *plan, int32_t first, int32_t end) {
    for (int32_t i = first; i < end; i++) SL_TRY(run_node(plan, i));
    return SL_OK;
}

static sl_status settle(sl_plan *plan) {
    if (plan->settled_ready) return SL_OK;
    SL_TRY(run_nodes(plan, 0, plan->settled_count));
    plan->settled_ready = true;
    return SL_OK;
}

/* ---- recordings ---- */

void sl_plan_forget_recording(sl_plan *plan) {
    if (plan->recording) plan->device->module->recording_free(plan->device->context, plan->recording);
    plan->recording = NULL;
    plan->plain_runs = 0;
}

static bool can_record(const sl_plan *plan) {
    const sl_plan_options *o = &plan->options;
    return plan->device && plan->device->module->record_begin && !o->profile && !o->nan_guard && !o->poison;
}

/* The first run is a plain one, in which libraries settle; the second is recorded, then launched as all after
 * it. */
static sl_status run_recorded(sl_plan *plan) {
    const sl_device_module_table *module = plan->device->module;
    void *context = plan->device->context;
    if (!plan->recording && plan->plain_runs == 0) {
        plan->plain_runs++;
        return run_nodes(plan, plan->settled_count, plan->node_count);
    }
    if (!plan->recording) {
        SL_TRY(module->record_begin(context));
        sl_status status = run_nodes(plan, plan->settled_count, plan->node_count);
        sl_status ended = module->record_end(context, &plan->recording);
        if (status == SL_OK) status = ended;
        if (status != SL_OK) sl_plan_forget_recording(plan);
        SL_TRY(status);
    }
    return module->launch(context, plan->recording);
}

/* The first `count` nodes. */
static sl_status run(sl_plan *plan, int32_t count) {
    SL_TRY(sl_plan_resolve(plan));
    SL_TRY(sl_plan_push_bound(plan));
    SL_TRY(sl_plan_pack_frozen(plan));
    SL_TRY(settle(plan));
    bool recorded = count == plan->node_count && can_record(plan);
    SL_TRY(recorded ? run_recorded(plan) : run_nodes(plan, plan->settled_count, count));
    return sl_plan_pull_bound(plan);
}

static sl_status run_reserved(sl_plan *plan, int32_t count) {
    if (!plan->workspace && plan->workspace_bytes) return sl_fail(SL_INVALID, "the plan is not reserved");
    SL_TRY(sl_plan_reserve_workers(plan));
    sl_device_lock(plan->device);
    sl_status status = run(plan, count);
    sl_device_unlock(plan->device);
    return status;
}

sl_status sl_plan_run(sl_plan *plan) {
    return run_reserved(plan, plan->node_count);
}

sl_status sl_plan_run_to(sl_plan *plan, sl_value value) {
    SL_TRY(sl_plan_check_value(plan, value));
    int32_t root = plan->values[value.id].root, count = 0;
    for (int32_t i = 0; i < plan->node_count; i++) {
        const graph_node *node = &plan->graph->nodes[plan->nodes[i].node];
        for (int k = 0; k < node->out_count; k++)
            if (node->out[k] && plan->values[node->out[k]].root == root) count = i + 1;
    }
    if (!count) return sl_fail(SL_INVALID, "no operation of the plan makes this value");
    return run_reserved(plan, count);
}

sl_status sl_plan_wait(const sl_plan *plan) {
    if (!plan->device) return SL_OK;
    sl_device_lock(plan->device);
    sl_status status = plan->device->module->synchronize(plan->device->context);
    sl_device_unlock(plan->device);
    return status;
}
