#include "graph/internal.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Make room for one more element in an array that lives in the graph's arena. */
static void *grown(sl_graph *graph, void *array, int32_t count, int32_t *room, size_t size) {
    if (count < *room) return array;
    int32_t larger = *room ? 2 * *room : 64;
    void *moved = sl_arena_alloc(graph->arena, (size_t)larger, size);
    if (count) memcpy(moved, array, (size_t)count * size);
    *room = larger;
    return moved;
}

#define GROW(graph, array, count, room)                                                                      \
    ((graph)->array = grown((graph), (graph)->array, (graph)->count, &(graph)->room, sizeof *(graph)->array))

static sl_value emit(sl_emitter *emitter, sl_op op, const sl_attrs *attrs, const sl_value *in, int in_count,
                     sl_value *outs) {
    return sl_graph_emit((sl_graph *)emitter, op, attrs, in, in_count, outs);
}

static const sl_operand *describe(sl_emitter *emitter, sl_value value) {
    return &sl_graph_value((sl_graph *)emitter, value.id)->operand;
}

sl_status sl_graph_new(sl_graph **out) {
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_graph *graph = SL_NEW(arena, sl_graph, 1);
    graph->arena = arena;
    graph->emitter = (sl_emitter){emit, describe};
    graph->scope = "";
    GROW(graph, values, value_count, value_room);
    graph->value_count = 1;
    *out = graph;
    return SL_OK;
}

void sl_graph_free(sl_graph *graph) {
    if (graph) sl_arena_free(graph->arena); /* the graph itself lives in it */
}

sl_status sl_graph_status(const sl_graph *graph) {
    return graph->status == SL_OK ? SL_OK : sl_fail(graph->status, "%s", graph->message);
}

void sl_graph_fail(sl_graph *graph, sl_status code, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (graph->status != SL_OK) return;
    graph->status = code == SL_OK ? SL_INTERNAL : code;
    graph->message = graph->scope[0] ? sl_arena_printf(graph->arena, "in '%s': %s", graph->scope, text)
                                     : sl_arena_strdup(graph->arena, text);
}

/* ---- scopes ---- */

void sl_graph_push(sl_graph *graph, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    GROW(graph, scope_stack, scope_depth, scope_room);
    graph->scope_stack[graph->scope_depth++] = graph->scope;
    graph->scope = graph->scope[0] && text[0] ? sl_arena_printf(graph->arena, "%s.%s", graph->scope, text)
                   : text[0]                  ? sl_arena_strdup(graph->arena, text)
                                              : graph->scope;
}

void sl_graph_pop(sl_graph *graph) {
    if (graph->scope_depth == 0) {
        sl_graph_fail(graph, SL_INTERNAL, "a scope is closed that was never opened");
        return;
    }
    graph->scope = graph->scope_stack[--graph->scope_depth];
}

const char *sl_graph_scope(const sl_graph *graph) {
    return graph->scope;
}

/* ---- values ---- */

sl_shape sl_value_shape(const sl_graph *graph, sl_value value) {
    return sl_graph_value(graph, value.id)->operand.shape;
}

int64_t sl_value_dim(const sl_graph *graph, sl_value value, int axis) {
    const sl_shape *shape = &sl_graph_value(graph, value.id)->operand.shape;
    if (axis < 0) axis += shape->rank;
    return axis >= 0 && axis < shape->rank ? shape->dim[axis] : 0;
}

sl_dtype sl_value_dtype(const sl_graph *graph, sl_value value) {
    return sl_graph_value(graph, value.id)->operand.dtype;
}

static sl_value add_value(sl_graph *graph, graph_value value) {
    GROW(graph, values, value_count, value_room);
    graph->values[graph->value_count] = value;
    return (sl_value){graph->value_count++};
}

sl_value sl_graph_find(const sl_graph *graph, const char *name) {
    for (int32_t i = 1; i < graph->value_count; i++)
        if (graph->values[i].name && strcmp(graph->values[i].name, name) == 0) return (sl_value){i};
    for (int32_t i = 0; i < graph->output_count; i++)
        if (strcmp(graph->outputs[i].name, name) == 0) return (sl_value){graph->outputs[i].value};
    return SL_NONE;
}

/* A value from outside, with its shape checked; SL_NONE after an error. */
static sl_value add_external(sl_graph *graph, value_kind kind, const char *name, sl_dtype dtype,
                             const sl_shape *shape) {
    int64_t count;
    if (graph->status != SL_OK) return SL_NONE;
    if (sl_shape_check(shape, (int64_t)1 << 40, &count) != SL_OK || count == 0) {
        sl_shape_text text;
        sl_graph_fail(graph, SL_LIMIT, "'%s' has shape %s", name ? name : "constant",
                      sl_shape_format(shape, &text));
        return SL_NONE;
    }
    return add_value(graph, (graph_value){.kind = kind,
                                          .operand = {.dtype = dtype, .shape = *shape},
                                          .name = name ? sl_arena_strdup(graph->arena, name) : NULL,
                                          .node = -1});
}

sl_value sl_input(sl_graph *graph, const char *name, sl_dtype dtype, sl_shape shape) {
    if (sl_graph_find(graph, name).id) {
        sl_graph_fail(graph, SL_EXISTS, "a second input named '%s'", name);
        return SL_NONE;
    }
    return add_external(graph, VALUE_INPUT, name, dtype, &shape);
}

static sl_value parameter_again(sl_graph *graph, int32_t id, sl_dtype dtype, const sl_shape *shape,
                                bool trainable) {
    graph_value *value = &graph->values[id];
    sl_shape_text first, second;
    if (value->kind != VALUE_PARAMETER || value->operand.dtype != dtype ||
        !sl_shape_equal(&value->operand.shape, shape)) {
        sl_graph_fail(graph, SL_MISMATCH, "'%s' is %s %s here and was %s %s before", value->name,
                      sl_dtype_name(dtype), sl_shape_format(shape, &second),
                      sl_dtype_name(value->operand.dtype), sl_shape_format(&value->operand.shape, &first));
        return SL_NONE;
    }
    value->trainable |= trainable;
    return (sl_value){id};
}

sl_value sl_parameter(sl_graph *graph, const char *name, sl_dtype dtype, sl_shape shape, bool trainable) {
    char full[1024];
    snprintf(full, sizeof full, "%s%s%s", graph->scope, graph->scope[0] && name[0] ? "." : "", name);
    sl_value value = sl_graph_find(graph, full);
    if (value.id) return parameter_again(graph, value.id, dtype, &shape, trainable);
    value = add_external(graph, VALUE_PARAMETER, full, dtype, &shape);
    if (!value.id) return value;
    graph->values[value.id].trainable = trainable;
    GROW(graph, parameters, parameter_count, parameter_room);
    graph->parameters[graph->parameter_count++] = value.id;
    return value;
}

void sl_graph_parameter_is_half(sl_graph *graph, sl_value parameter) {
    if (graph->status == SL_OK && parameter.id) graph->values[parameter.id].is_half = true;
}

sl_value sl_constant(sl_graph *graph, sl_dtype dtype, sl_shape shape, const void *data) {
    sl_value value = add_external(graph, VALUE_CONSTANT, NULL, dtype, &shape);
    if (!value.id) return value;
    size_t count = (size_t)sl_shape_count(&shape), size = sl_dtype_bytes(dtype);
    void *copy = sl_arena_alloc(graph->arena, count, size);
    memcpy(copy, data, count * size);
    graph->values[value.id].operand.data = copy;
    return value;
}

int sl_graph_parameter_count(const sl_graph *graph) {
    return graph->parameter_count;
}

sl_parameter_info sl_graph_parameter(const sl_graph *graph, int index) {
    int32_t id = graph->parameters[index];
    const graph_value *value = &graph->values[id];
    return (sl_parameter_info){value->name,          (sl_value){id},   value->operand.dtype,
                               value->operand.shape, value->trainable, value->is_state};
}

void sl_output(sl_graph *graph, const char *name, sl_value value) {
    if (graph->status != SL_OK) return;
    if (!value.id) {
        sl_graph_fail(graph, SL_INVALID, "output '%s' is no value", name);
        return;
    }
    if (sl_graph_find(graph, name).id) {
        sl_graph_fail(graph, SL_EXISTS, "a second value named '%s'", name);
        return;
    }
    GROW(graph, outputs, output_count, output_room);
    graph->outputs[graph->output_count++] = (graph_output){sl_arena_strdup(graph->arena, name), value.id};
}

/* ---- nodes ---- */

static sl_operand operand_of(sl_graph *graph, int32_t id) {
    if (id == 0) return (sl_operand){.flags = SL_OPERAND_ABSENT};
    sl_operand operand = graph->values[id].operand;
    operand.data = NULL;
    return operand;
}

/* Results that are their input. */
static bool is_identity(const sl_call *call) {
    switch (call->op) {
    case SL_OP_CAST:
        return call->out[0].dtype == call->in[0].dtype;
    case SL_OP_RESHAPE:
        return sl_shape_equal(&call->out[0].shape, &call->in[0].shape);
    case SL_OP_SCALE:
        return call->attrs->alpha == 1 && call->attrs->beta == 0;
    case SL_OP_CONCAT:
        return call->in_count == 1;
    default:
        return false;
    }
}

static graph_node *add_node(sl_graph *graph, const sl_call *call, const int32_t *in) {
    GROW(graph, nodes, node_count, node_room);
    graph_node *node = &graph->nodes[graph->node_count];
    *node = (graph_node){.op = call->op,
                         .attrs = *call->attrs,
                         .in_count = call->in_count,
                         .out_count = call->out_count,
                         .scope = graph->scope,
                         .segment = graph->segment};
    memcpy(node->in, in, (size_t)call->in_count * sizeof *in);
    for (int i = 0; i < call->out_count; i++)
        node->out[i] = add_value(graph, (graph_value){.operand = call->out[i], .node = graph->node_count}).id;
    graph->node_count++;
    return node;
}

sl_value sl_graph_emit(sl_graph *graph, sl_op op, const sl_attrs *attrs, const sl_value *in, int in_count,
                       sl_value *outs) {
    int32_t ids[SL_INPUTS_MAX] = {0};
    sl_call call = {.op = op, .attrs = attrs, .in_count = in_count};
    if (outs) memset(outs, 0, SL_OUTPUTS_MAX * sizeof *outs);
    if (graph->status != SL_OK) return SL_NONE;
    if (in_count > SL_INPUTS_MAX) {
        sl_graph_fail(graph, SL_LIMIT, "%s: %d inputs, at most %d", sl_op_name(op), in_count, SL_INPUTS_MAX);
        return SL_NONE;
    }
    for (int i = 0; i < in_count; i++) {
        ids[i] = graph->backward ? sl_graph_recomputed(graph, in[i].id) : in[i].id;
        call.in[i] = operand_of(graph, ids[i]);
    }
    sl_status status = sl_op_infer(&call);
    if (status != SL_OK) {
        sl_graph_fail(graph, status, "%s", sl_error_message());
        return SL_NONE;
    }
    if (is_identity(&call)) {
        if (outs) outs[0] = (sl_value){ids[0]};
        return (sl_value){ids[0]};
    }
    const graph_node *node = add_node(graph, &call, ids);
    for (int i = 0; outs && i < node->out_count; i++) outs[i] = (sl_value){node->out[i]};
    return (sl_value){node->out[0]};
}

void sl_graph_emit_update(sl_graph *graph, sl_value value, sl_value target, bool target_is_gradient,
                          double alpha, double beta) {
    sl_dtype dtype = sl_value_dtype(graph, target);
    sl_attrs attrs = {
        .alpha = alpha, .beta = beta, .dtype = target_is_gradient ? sl_dtype_wide(dtype) : dtype};
    if (!sl_graph_emit(graph, SL_OP_UPDATE, &attrs, &value, 1, NULL).id) return;
    graph_node *node = &graph->nodes[graph->node_count - 1];
    sl_shape target_shape = sl_value_shape(graph, target);
    if (!sl_shape_equal(&graph->values[node->out[0]].operand.shape, &target_shape)) {
        sl_graph_fail(graph, SL_INTERNAL, "update of '%s' with another shape", graph->values[target.id].name);
        return;
    }
    node->target = target.id;
    node->target_is_gradient = target_is_gradient;
    if (!target_is_gradient) graph->values[target.id].is_state = true;
}
