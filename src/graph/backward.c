/* Reverse-mode differentiation: gradients are nodes appended to the same graph.
 *
 * Nodes are visited from the last to the first. Only values that depend on something trained carry a
 * gradient, so that nothing is computed for frozen weights and their inputs are not kept. A node of a
 * recompute segment is not read by the backward pass directly: the first time one of its values is asked for,
 * the node is copied, with those it needs, to the place in the backward pass where it is asked for. What
 * leaves a segment stays as it is. */
#include "graph/internal.h"

#include "base/memory.h"

void sl_graph_checkpoint_begin(sl_graph *graph) {
    if (graph->segment_depth++ == 0) graph->segment = ++graph->segment_count;
}

void sl_graph_checkpoint_end(sl_graph *graph) {
    if (graph->segment_depth == 0) {
        sl_graph_fail(graph, SL_INTERNAL, "a recompute segment is closed that was never opened");
        return;
    }
    if (--graph->segment_depth == 0) graph->segment = 0;
}

void sl_graph_require_gradient(sl_graph *graph, sl_value value) {
    if (value.id) sl_graph_value(graph, value.id)->wants_gradient = true;
}

sl_value sl_gradient(sl_graph *graph, sl_value value) {
    return (sl_value){sl_graph_value(graph, value.id)->gradient};
}

int32_t sl_graph_recomputed(sl_graph *graph, int32_t id) {
    graph_value *value = &graph->values[id];
    if (value->recomputed) return value->recomputed;
    if (id == 0 || value->kind != VALUE_NODE || value->kept || graph->nodes[value->node].segment == 0)
        return id;
    const graph_node node = graph->nodes[value->node];
    sl_value in[SL_INPUTS_MAX], outs[SL_OUTPUTS_MAX];
    const char *scope = graph->scope;
    for (int i = 0; i < node.in_count; i++) in[i] = (sl_value){node.in[i]};
    graph->scope = node.scope;
    sl_graph_emit(graph, node.op, &node.attrs, in, node.in_count, outs); /* which maps the inputs in turn */
    graph->scope = scope;
    for (int i = 0; i < node.out_count; i++) graph->values[node.out[i]].recomputed = outs[i].id;
    return graph->values[id].recomputed;
}

/* Values of a segment that are used outside it are kept. */
static void mark_kept(sl_graph *graph) {
    for (int32_t n = 0; n < graph->node_count; n++) {
        for (int i = 0; i < graph->nodes[n].in_count; i++) {
            graph_value *value = &graph->values[graph->nodes[n].in[i]];
            if (value->kind == VALUE_NODE && graph->nodes[value->node].segment != graph->nodes[n].segment)
                value->kept = true;
        }
    }
    for (int32_t i = 0; i < graph->output_count; i++) graph->values[graph->outputs[i].value].kept = true;
}

/* What the walk knows: arrays over the values and nodes that were there before it. */
typedef struct walk {
    int32_t nodes;
    bool *depends;      /* [values] on something trained */
    int32_t *first_use; /* [values] lowest node that reads it */
} walk;

static void find_dependent(sl_graph *graph, walk *w) {
    for (int32_t id = 1; id < graph->value_count; id++) {
        w->depends[id] = graph->values[id].trainable || graph->values[id].wants_gradient;
        w->first_use[id] = INT32_MAX;
    }
    for (int32_t n = 0; n < w->nodes; n++) {
        const graph_node *node = &graph->nodes[n];
        bool depends = false;
        for (int i = 0; i < node->in_count; i++) {
            depends |= w->depends[node->in[i]];
            if (w->first_use[node->in[i]] == INT32_MAX) w->first_use[node->in[i]] = n;
        }
        for (int i = 0; i < node->out_count; i++)
            w->depends[node->out[i]] |=
                depends && sl_dtype_is_float(graph->values[node->out[i]].operand.dtype);
    }
}

static void add_gradient(sl_graph *graph, int32_t id, sl_value gradient) {
    if (!gradient.id) return;
    int32_t before = graph->values[id].gradient;
    if (before)
        gradient = sl_graph_emit(graph, SL_OP_ADD, &(sl_attrs){0}, (sl_value[]){{before}, gradient}, 2, NULL);
    graph->values[id].gradient = gradient.id;
}

/* The gradients of a node's inputs from those of its results. */
static void differentiate(sl_graph *graph, const walk *w, int32_t n) {
    const graph_node node = graph->nodes[n]; /* a copy: the array grows */
    sl_grad_call call = {.attrs = &node.attrs, .in_count = node.in_count, .out_count = node.out_count};
    bool flows = false, needed = false;
    for (int i = 0; i < node.out_count; i++) {
        call.out[i] = (sl_value){node.out[i]};
        call.out_grad[i] = (sl_value){graph->values[node.out[i]].gradient};
        flows |= call.out_grad[i].id != 0;
    }
    for (int i = 0; i < node.in_count; i++) {
        call.in[i] = (sl_value){node.in[i]};
        call.need[i] = w->depends[node.in[i]];
        needed |= call.need[i];
    }
    if (!flows || !needed) return;
    if (!sl_op_describe(node.op)->grad || !call.out_grad[0].id) {
        sl_graph_fail(graph, SL_UNSUPPORTED, "%s has no gradient", sl_op_name(node.op));
        return;
    }
    sl_op_describe(node.op)->grad(&graph->emitter, &call);
    for (int i = 0; i < node.in_count; i++) {
        if (!call.need[i]) continue;
        if (!call.in_grad[i].id)
            sl_graph_fail(graph, SL_UNSUPPORTED, "%s has no gradient of input %d", sl_op_name(node.op), i);
        add_gradient(graph, node.in[i], call.in_grad[i]);
    }
}

/* A parameter's gradient is complete once the first node that reads it was visited: put it away at once. */
static void store_gradients(sl_graph *graph, const walk *w, int32_t n) {
    const graph_node node = graph->nodes[n];
    for (int i = 0; i < node.in_count; i++) {
        int32_t id = node.in[i];
        bool again = false;
        for (int j = 0; j < i; j++) again |= node.in[j] == id;
        const graph_value *value = &graph->values[id];
        if (again || !value->trainable || !value->gradient || w->first_use[id] != n) continue;
        sl_graph_emit_update(graph, (sl_value){value->gradient}, (sl_value){id}, true, 1, 1);
    }
}

void sl_graph_backward(sl_graph *graph, sl_value loss) {
    if (graph->status != SL_OK) return;
    sl_shape shape = sl_value_shape(graph, loss);
    if (!loss.id || sl_shape_count(&shape) != 1 || graph->has_backward) {
        sl_graph_fail(graph, SL_INVALID, "backward needs a scalar loss, once in a graph");
        return;
    }
    walk w = {.nodes = graph->node_count,
              .depends = SL_NEW(graph->arena, bool, graph->value_count),
              .first_use = SL_NEW(graph->arena, int32_t, graph->value_count)};
    find_dependent(graph, &w);
    if (!w.depends[loss.id]) {
        sl_graph_fail(graph, SL_INVALID, "the loss depends on nothing that is trained");
        return;
    }
    mark_kept(graph);
    graph->values[loss.id].kept = true;
    const char *scope = graph->scope;
    graph->has_backward = graph->backward = true;
    graph->segment = 0;
    add_gradient(graph, loss.id, sl_fill(graph, sl_value_dtype(graph, loss), shape, 1));
    for (int32_t n = w.nodes - 1; n >= 0 && graph->status == SL_OK; n--) {
        graph->scope = graph->nodes[n].scope;
        differentiate(graph, &w, n);
        store_gradients(graph, &w, n);
    }
    graph->backward = false;
    graph->scope = scope;
}
