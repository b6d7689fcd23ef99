/* What the files of src/graph share. */
#ifndef SL_GRAPH_INTERNAL_H
#define SL_GRAPH_INTERNAL_H

#include "graph/graph.h"

typedef enum value_kind { VALUE_NODE, VALUE_INPUT, VALUE_PARAMETER, VALUE_CONSTANT } value_kind;

typedef struct graph_value {
    value_kind kind;
    sl_operand operand; /* dtype and shape; data for constants */
    const char *name;   /* of inputs and parameters; NULL for others */
    int32_t node;       /* that makes it, for VALUE_NODE */
    bool trainable, is_state, is_half, wants_gradient;
    bool held;          /* an input: sl_hold */
    bool kept;          /* leaves its recompute segment */
    int32_t gradient;   /* value id, 0: none */
    int32_t recomputed; /* its copy in the backward pass, 0: none */
} graph_value;

typedef struct graph_node {
    sl_op op;
    sl_attrs attrs;
    int in_count, out_count;
    int32_t in[SL_INPUTS_MAX], out[SL_OUTPUTS_MAX]; /* value ids */
    const char *scope;
    int32_t segment; /* recompute segment, 0: none */
    /* SL_OP_UPDATE writes the storage of a parameter or an input, or of a parameter's gradient */
    int32_t target;
    bool target_is_gradient;
} graph_node;

typedef struct graph_output {
    const char *name;
    int32_t value;
} graph_output;

struct sl_graph {
    sl_emitter emitter; /* first: gradients see the graph as this */
    sl_arena *arena;
    sl_status status;
    const char *message;
    graph_node *nodes;
    graph_value *values; /* [0] is "no value" */
    graph_output *outputs;
    int32_t *parameters;
    int32_t node_count, value_count, output_count, parameter_count;
    int32_t node_room, value_room, output_room, parameter_room;
    const char *scope;
    const char **scope_stack;
    int32_t scope_depth, scope_room;
    int32_t segment, segment_count, segment_depth;
    bool backward; /* gradients are being emitted: inputs go through sl_graph_recomputed */
    bool has_backward;
};

/* Add one node; the one place where nodes are made. */
sl_value sl_graph_emit(sl_graph *graph, sl_op op, const sl_attrs *attrs, const sl_value *in, int in_count,
                       sl_value *outs);
/* Add storage_of(target) = alpha*target + beta*value. */
void sl_graph_emit_update(sl_graph *graph, sl_value value, sl_value target, bool target_is_gradient,
                          double alpha, double beta);
/* While gradients are emitted: the value to read in the backward pass in place of `value`. */
int32_t sl_graph_recomputed(sl_graph *graph, int32_t value);

static inline graph_value *sl_graph_value(const sl_graph *graph, int32_t id) {
    return &graph->values[id > 0 && id < graph->value_count ? id : 0];
}

#endif
