/* Copies between the caller's memory and the plan's. */
#include "graph/plan_internal.h"

#include <string.h>

size_t sl_plan_operand_bytes(const sl_operand *operand) {
    return (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
}

sl_status sl_plan_copy_in(const sl_plan *plan, void *to, const void *from, size_t bytes) {
    if (plan->device) return plan->device->module->upload(plan->device->context, to, from, bytes);
    memcpy(to, from, bytes);
    return SL_OK;
}

static sl_status copy_out(const sl_plan *plan, void *to, const void *from, size_t bytes) {
    if (plan->device) return plan->device->module->download(plan->device->context, to, from, bytes);
    memcpy(to, from, bytes);
    return SL_OK;
}

sl_status sl_plan_fill(const sl_plan *plan, void *to, int byte, size_t bytes) {
    if (plan->device) return plan->device->module->fill(plan->device->context, to, byte, bytes);
    memset(to, byte, bytes);
    return SL_OK;
}

static sl_status copy_target(sl_plan *plan, sl_value value, size_t bytes, void **out) {
    SL_TRY(sl_plan_check_value(plan, value));
    const graph_value *source = &plan->graph->values[value.id];
    size_t expected = sl_plan_operand_bytes(&source->operand);
    if (bytes != expected)
        return sl_fail(SL_MISMATCH, "%zu bytes for '%s', expected %zu", bytes,
                       source->name ? source->name : "a result", expected);
    if (!plan->workspace && !plan->own) return sl_fail(SL_INVALID, "the plan is not reserved");
    return sl_plan_address(plan, value.id, out);
}

sl_status sl_plan_upload(sl_plan *plan, sl_value input, const void *data, size_t bytes) {
    void *target;
    SL_TRY(copy_target(plan, input, bytes, &target));
    if (plan->graph->values[input.id].kind != VALUE_INPUT)
        return sl_fail(SL_INVALID, "upload into what is no input");
    if (plan->graph->values[input.id].held) plan->settled_ready = false;
    if (plan->device && plan->values[input.id].bound) { /* it goes to the device before each run */
        memcpy(plan->values[input.id].bound, data, bytes);
        return SL_OK;
    }
    sl_device_lock(plan->device);
    sl_status status = sl_plan_copy_in(plan, target, data, bytes);
    sl_device_unlock(plan->device);
    return status;
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
    sl_device_lock(plan->device);
    sl_status status = copy_out(plan, data, source, bytes);
    sl_device_unlock(plan->device);
    return status;
}

/* ---- what is bound, before and after a run on a device ---- */

static bool changes_on_host(const graph_value *value) {
    return value->trainable || value->is_state;
}

static bool moves(const sl_mirror *mirror) {
    return mirror && !sl_mirror_held(mirror);
}

static sl_status push_value(const sl_plan *plan, int32_t id) {
    const graph_value *source = &plan->graph->values[id];
    const plan_value *value = &plan->values[id];
    if (source->kind == VALUE_INPUT && value->bound)
        return sl_plan_copy_in(plan, plan->own + value->offset, value->bound,
                               sl_plan_operand_bytes(&source->operand));
    if (moves(value->mirror) && (changes_on_host(source) || !plan->packed_ready))
        SL_TRY(sl_mirror_push(value->mirror));
    return moves(value->gradient_mirror) ? sl_mirror_push(value->gradient_mirror) : SL_OK;
}

sl_status sl_plan_push_bound(const sl_plan *plan) {
    for (int32_t id = 1; plan->device && id < plan->graph->value_count; id++)
        SL_TRY(sl_context(push_value(plan, id), "bringing '%s' to the device",
                          plan->graph->values[id].name ? plan->graph->values[id].name : "a value"));
    return SL_OK;
}

sl_status sl_plan_pull_bound(const sl_plan *plan) {
    for (int32_t id = 1; plan->device && id < plan->graph->value_count; id++) {
        const plan_value *value = &plan->values[id];
        if (moves(value->mirror) && plan->graph->values[id].is_state) SL_TRY(sl_mirror_pull(value->mirror));
        if (moves(value->gradient_mirror)) SL_TRY(sl_mirror_pull(value->gradient_mirror));
    }
    return SL_OK;
}
