/* Binding, reserving, addresses. */
#include "graph/plan_internal.h"

#include "base/memory.h"
#include "base/threads.h"

sl_status sl_plan_check_value(const sl_plan *plan, sl_value value) {
    if (value.id > 0 && value.id < plan->graph->value_count) return SL_OK;
    return sl_fail(SL_INVALID, "value %d is not of this graph", value.id);
}

/* ---- binding ---- */

sl_status sl_plan_bind(sl_plan *plan, sl_value value, void *data) {
    SL_TRY(sl_plan_check_value(plan, value));
    value_kind kind = plan->graph->values[value.id].kind;
    if (kind != VALUE_PARAMETER && kind != VALUE_INPUT)
        return sl_fail(SL_INVALID, "only parameters and inputs are bound");
    if (kind == VALUE_INPUT && plan->graph->values[value.id].is_state)
        return sl_fail(SL_INVALID, "'%s' is written by the graph: it is not bound",
                       plan->graph->values[value.id].name);
    if (plan->graph->values[value.id].held)
        return sl_fail(SL_INVALID, "'%s' is held: it is uploaded, not bound",
                       plan->graph->values[value.id].name);
    plan->values[value.id].bound = data;
    plan->values[value.id].source = (sl_plan_source){0};
    plan->resolved = false;
    if (kind == VALUE_PARAMETER) sl_plan_forget_parameters(plan);
    return SL_OK;
}

bool sl_plan_only_packs(const sl_plan *plan, sl_value parameter) {
    return !plan->device && sl_plan_check_value(plan, parameter) == SL_OK &&
           plan->values[parameter.id].passing;
}

sl_status sl_plan_bind_source(sl_plan *plan, sl_value parameter, sl_plan_source source) {
    SL_TRY(sl_plan_check_value(plan, parameter));
    if (!sl_plan_only_packs(plan, parameter))
        return sl_fail(SL_INVALID, "'%s' is read as it is: it needs memory",
                       plan->graph->values[parameter.id].name ? plan->graph->values[parameter.id].name
                                                              : "a result");
    plan->values[parameter.id].bound = NULL;
    plan->values[parameter.id].source = source;
    plan->resolved = false;
    sl_plan_forget_parameters(plan);
    return SL_OK;
}

sl_status sl_plan_bind_gradient(sl_plan *plan, sl_value parameter, void *data) {
    SL_TRY(sl_plan_check_value(plan, parameter));
    plan->values[parameter.id].gradient = data;
    plan->resolved = false;
    return SL_OK;
}

void sl_plan_forget_parameters(sl_plan *plan) {
    plan->packed_ready = plan->settled_ready = false;
}

void sl_plan_weights_changed(sl_plan *plan) {
    sl_plan_forget_parameters(plan);
}

/* ---- reserving ---- */

static sl_status reserve_block(const sl_plan *plan, char **block, size_t bytes, const char *what) {
    const sl_device *device = plan->device;
    if (*block || bytes == 0) return SL_OK;
    void *memory = NULL;
    sl_status status =
        device ? device->module->allocate(device->context, bytes, &memory) : sl_alloc(&memory, bytes, 1);
    *block = memory;
    return sl_context(status, "reserving %s", what);
}

static void release_block(const sl_plan *plan, char **block) {
    if (plan->device)
        plan->device->module->release(plan->device->context, *block);
    else
        sl_free(*block);
    *block = NULL;
}

static sl_status copy_constants(sl_plan *plan) {
    for (int32_t id = 1; id < plan->graph->value_count; id++) {
        const graph_value *value = &plan->graph->values[id];
        if (value->kind == VALUE_CONSTANT)
            SL_TRY(sl_plan_copy_in(plan, plan->own + plan->values[id].offset, value->operand.data,
                                   sl_plan_operand_bytes(&value->operand)));
    }
    return SL_OK;
}

sl_status sl_plan_reserve_workers(sl_plan *plan) {
    int workers = sl_threads_count();
    if (plan->worker_stride == 0 || (plan->worker_scratch && workers <= plan->workers)) return SL_OK;
    release_block(plan, &plan->worker_scratch);
    plan->workers = workers;
    plan->resolved = false;
    return reserve_block(plan, &plan->worker_scratch, plan->worker_stride * (size_t)workers,
                         "the threads' scratch memory");
}

/* Parameters and gradients that are read or written get their place on the device. New mirrors come before
 * the old ones go, so that what stays bound keeps its place. */
static sl_status acquire_mirrors(sl_plan *plan) {
    for (int32_t id = 1; plan->device && id < plan->graph->value_count; id++) {
        plan_value *value = &plan->values[id];
        const sl_operand *operand = &plan->graph->values[id].operand;
        sl_mirror *was = value->mirror, *gradient_was = value->gradient_mirror;
        if (value->home != HOME_BOUND || value->passing) continue;
        if (value->bound) {
            SL_TRY(sl_mirror_acquire(plan->device, value->bound, sl_plan_operand_bytes(operand),
                                     &value->mirror));
            sl_mirror_release(was);
        }
        if (value->gradient) {
            SL_TRY(sl_mirror_acquire(plan->device, value->gradient, sl_plan_gradient_bytes(operand),
                                     &value->gradient_mirror));
            sl_mirror_release(gradient_was);
        }
    }
    return SL_OK;
}

static sl_status reserve(sl_plan *plan) {
    bool first = !plan->own;
    if (first) SL_TRY(sl_plan_check_room(plan));
    SL_TRY(reserve_block(plan, &plan->own, plan->own_bytes, "inputs and constants"));
    SL_TRY(reserve_block(plan, &plan->packed, plan->packed_bytes, "packed weights"));
    SL_TRY(reserve_block(plan, &plan->workspace, plan->workspace_bytes, "the workspace"));
    SL_TRY(sl_plan_reserve_workers(plan));
    if (first) SL_TRY(acquire_mirrors(plan));
    if (first && plan->own) SL_TRY(copy_constants(plan));
    plan->settled_ready = false;
    if (plan->options.poison && plan->workspace)
        SL_TRY(sl_plan_fill(plan, plan->workspace, 0xff, plan->workspace_bytes));
    return SL_OK;
}

sl_status sl_plan_reserve(sl_plan *plan) {
    sl_device_lock(plan->device);
    sl_status status = reserve(plan);
    sl_device_unlock(plan->device);
    return status;
}

static void drop_mirrors(sl_plan *plan) {
    for (int32_t id = 0; plan->device && plan->values && id < plan->graph->value_count; id++) {
        sl_mirror_release(plan->values[id].mirror);
        sl_mirror_release(plan->values[id].gradient_mirror);
        plan->values[id].mirror = plan->values[id].gradient_mirror = NULL;
    }
}

void sl_plan_release(sl_plan *plan) {
    const sl_device *device = plan->device;
    sl_device_lock(device);
    sl_plan_forget_recording(plan);
    drop_mirrors(plan);
    release_block(plan, &plan->own);
    release_block(plan, &plan->packed);
    release_block(plan, &plan->workspace);
    release_block(plan, &plan->worker_scratch);
    sl_device_unlock(device);
}

/* ---- addresses ---- */

sl_status sl_plan_address(const sl_plan *plan, int32_t id, void **out) {
    const plan_value *value = &plan->values[plan->values[id].root];
    switch (value->home) {
    case HOME_WORKSPACE:
        *out = plan->workspace + plan->blocks[value->block].offset;
        return SL_OK;
    case HOME_OWN:
        *out = value->bound && !plan->device ? value->bound : plan->own + value->offset;
        return SL_OK;
    case HOME_BOUND:
        if (!value->bound && !value->source.read)
            return sl_fail(SL_INVALID, "parameter '%s' is not bound", plan->graph->values[value->root].name);
        *out = !plan->device ? value->bound : value->passing ? NULL : sl_mirror_address(value->mirror);
        return SL_OK;
    default:
        return sl_fail(SL_INVALID, "a value without memory");
    }
}

static sl_status resolve_target(const sl_plan *plan, const graph_node *node, void **out) {
    const plan_value *target = &plan->values[node->target];
    if (plan->graph->values[node->target].kind == VALUE_INPUT)
        return sl_plan_address(plan, node->target, out);
    void *host = node->target_is_gradient ? target->gradient : target->bound;
    if (!host)
        return sl_fail(SL_INVALID, "the %s of '%s' is not bound",
                       node->target_is_gradient ? "gradient" : "storage",
                       plan->graph->values[node->target].name);
    const sl_mirror *mirror = node->target_is_gradient ? target->gradient_mirror : target->mirror;
    *out = plan->device ? sl_mirror_address(mirror) : host;
    return SL_OK;
}

static sl_status resolve_node(sl_plan *plan, plan_node *p) {
    const graph_node *node = &plan->graph->nodes[p->node];
    sl_call *call = &p->call;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i)) SL_TRY(sl_plan_address(plan, node->in[i], &call->in[i].data));
    if (node->target) SL_TRY(resolve_target(plan, node, &call->out[0].data));
    for (int i = 0; !node->target && i < call->out_count; i++)
        if (sl_call_wants(call, i)) SL_TRY(sl_plan_address(plan, node->out[i], &call->out[i].data));
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
    sl_plan_forget_recording(plan);
    SL_TRY(acquire_mirrors(plan));
    for (int32_t i = 0; i < plan->node_count; i++) SL_TRY(resolve_node(plan, &plan->nodes[i]));
    plan->resolved = true;
    return SL_OK;
}
