/* Frozen weights on their way into the kernels' layout, and whether a device has room for a plan. */
#include "graph/plan_internal.h"

size_t sl_plan_gradient_bytes(const sl_operand *parameter) {
    return (size_t)sl_operand_count(parameter) * sl_dtype_bytes(sl_dtype_wide(parameter->dtype));
}

/* ---- packing ---- */

/* A weight that is kept in no other form lies in the workspace while it is packed; where something is trained
 * on a device, its place there is the newer one. Work of a device is in order: the next weight waits for
 * this. */
static sl_status bring(const sl_plan *plan, const plan_node *p, void **out) {
    int32_t root = plan->values[plan->graph->nodes[p->node].in[1]].root;
    const plan_value *value = &plan->values[root];
    if (!plan->device) {
        *out = value->bound ? value->bound : plan->workspace;
        if (value->bound) return SL_OK;
        return sl_context(value->source.read(value->source.context, plan->workspace), "reading '%s'",
                          plan->graph->values[root].name);
    }
    const sl_mirror *mirror = sl_mirror_find(plan->device, value->bound);
    *out = mirror && sl_mirror_held(mirror) ? sl_mirror_address(mirror) : plan->workspace;
    if (*out != plan->workspace) return SL_OK;
    return sl_context(sl_plan_copy_in(plan, plan->workspace, value->bound,
                                      sl_plan_operand_bytes(&plan->graph->values[root].operand)),
                      "bringing '%s' to the device", plan->graph->values[root].name);
}

sl_status sl_plan_pack_frozen(sl_plan *plan) {
    if (plan->packed_ready) return SL_OK;
    for (int32_t i = 0; i < plan->node_count; i++) {
        const plan_node *p = &plan->nodes[i];
        sl_call call = p->call;
        if (!p->packs_first) continue;
        if (plan->values[plan->values[plan->graph->nodes[p->node].in[1]].root].passing)
            SL_TRY(bring(plan, p, &call.in[1].data));
        SL_TRY(p->kernel->code->pack(&call));
    }
    plan->packed_ready = true;
    return SL_OK;
}

/* ---- room ---- */

static size_t missing(const sl_plan *plan, const void *host, size_t bytes) {
    return host && sl_mirror_find(plan->device, host) ? 0 : bytes;
}

/* Parameters and gradients that no plan has brought yet. */
static size_t bytes_to_bring(const sl_plan *plan) {
    size_t bytes = 0;
    for (int32_t i = 0; i < plan->graph->parameter_count; i++) {
        int32_t id = plan->graph->parameters[i];
        const plan_value *value = &plan->values[id];
        const sl_operand *operand = &plan->graph->values[id].operand;
        if (value->passing) continue;
        bytes += missing(plan, value->bound, sl_plan_operand_bytes(operand));
        if (value->gradient) bytes += missing(plan, value->gradient, sl_plan_gradient_bytes(operand));
    }
    return bytes;
}

sl_status sl_plan_check_room(const sl_plan *plan) {
    sl_device_info info;
    char figures[160];
    if (!plan->device) return SL_OK;
    SL_TRY(plan->device->module->describe(plan->device->index, &info));
    size_t needed = sl_plan_bytes(plan) + bytes_to_bring(plan);
    if (needed <= info.free_bytes) return SL_OK;
    sl_plan_memory memory = sl_plan_memory_of(plan);
    sl_plan_memory_text(&memory, 0, figures, sizeof figures);
    return sl_fail(SL_MEMORY,
                   "the device %s has %.2f GB, %.2f GB of it free; this work takes %.2f GB more: %s",
                   info.name, 1e-9 * (double)info.total_bytes, 1e-9 * (double)info.free_bytes,
                   1e-9 * (double)needed, figures);
}
