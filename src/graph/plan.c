/* From graph to plan: dead nodes dropped, kernels chosen, lifetimes found, memory laid out. */
#include "graph/plan_internal.h"

#include "base/memory.h"
#include "base/threads.h"

#include <stdio.h>
#include <string.h>

static size_t aligned(size_t bytes) {
    return (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
}

/* ---- liveness ---- */

/* Marks values that outputs and updates need, from the last node to the first. */
static void mark_live(sl_plan *plan, bool *live_node) {
    const sl_graph *graph = plan->graph;
    for (int32_t i = 0; i < graph->output_count; i++) {
        plan->values[graph->outputs[i].value].used = true;
        plan->values[graph->outputs[i].value].wanted = true;
    }
    for (int32_t n = graph->node_count - 1; n >= 0; n--) {
        const graph_node *node = &graph->nodes[n];
        bool live = node->target != 0;
        for (int i = 0; i < node->out_count; i++) live |= plan->values[node->out[i]].used;
        live_node[n] = live;
        for (int i = 0; live && i < node->in_count; i++) plan->values[node->in[i]].used = true;
    }
    plan->values[0].used = false;
}

static void find_roots(sl_plan *plan) {
    const sl_graph *graph = plan->graph;
    for (int32_t id = 0; id < graph->value_count; id++) plan->values[id].root = id;
    for (int32_t n = 0; n < graph->node_count; n++) {
        const graph_node *node = &graph->nodes[n];
        if (node->op == SL_OP_RESHAPE) plan->values[node->out[0]].root = plan->values[node->in[0]].root;
    }
}

/* ---- what is computed once ---- */

static bool is_settled_source(const graph_value *value) {
    switch (value->kind) {
    case VALUE_CONSTANT:
        return true;
    case VALUE_PARAMETER:
        return !value->trainable && !value->is_state;
    default:
        return value->held;
    }
}

/* Marks nodes whose inputs are all settled; none where no input is held. */
static void find_settled(const sl_plan *plan, const bool *live, bool *settled_node) {
    const sl_graph *graph = plan->graph;
    bool *settled = SL_NEW(plan->arena, bool, graph->value_count), any = false;
    for (int32_t id = 1; id < graph->value_count; id++) {
        settled[id] = is_settled_source(&graph->values[id]);
        any |= graph->values[id].held;
    }
    for (int32_t n = 0; any && n < graph->node_count; n++) {
        const graph_node *node = &graph->nodes[n];
        bool all = live[n] && !node->target;
        for (int i = 0; i < node->in_count; i++) all &= !node->in[i] || settled[node->in[i]];
        settled_node[n] = all;
        for (int i = 0; i < node->out_count; i++) settled[node->out[i]] = all;
    }
}

/* ---- calls and kernels ---- */

static unsigned flags_of(const sl_plan *plan, int32_t id) {
    const graph_value *root = &plan->graph->values[plan->values[id].root];
    if (root->kind == VALUE_CONSTANT) return SL_OPERAND_FROZEN;
    if (root->kind != VALUE_PARAMETER) return 0;
    if (root->trainable || root->is_state) return SL_OPERAND_WEIGHT;
    return SL_OPERAND_WEIGHT | SL_OPERAND_FROZEN | (root->is_half ? SL_OPERAND_HALF : 0u);
}

static void make_call(const sl_plan *plan, const graph_node *node, sl_call *call) {
    const sl_graph *graph = plan->graph;
    *call = (sl_call){.op = node->op,
                      .attrs = &node->attrs,
                      .in_count = node->in_count,
                      .out_count = node->out_count,
                      .device = plan->device ? plan->device->context : NULL};
    for (int i = 0; i < node->in_count; i++) {
        call->in[i] = graph->values[node->in[i]].operand;
        call->in[i].data = NULL;
        call->in[i].flags = node->in[i] ? flags_of(plan, node->in[i]) : SL_OPERAND_ABSENT;
    }
    for (int i = 0; i < node->out_count; i++) {
        call->out[i] = graph->values[node->out[i]].operand;
        bool wanted = node->target || i == 0 || plan->values[node->out[i]].used;
        call->out[i].flags = wanted ? 0 : SL_OPERAND_ABSENT;
    }
}

static const char *scope_or_top(const graph_node *node) {
    return node->scope[0] ? node->scope : "top level";
}

static const sl_kernel *best_kernel(const sl_plan *plan, const sl_call *call) {
    if (plan->device) return sl_device_kernel(plan->device, call);
    return sl_kernel_find(call, plan->options.force_isa ? plan->options.isa & sl_isa_available()
                                                        : sl_isa_available());
}

static sl_status choose_kernel(sl_plan *plan, plan_node *p) {
    const graph_node *node = &plan->graph->nodes[p->node];
    sl_call *call = &p->call;
    p->flops = sl_op_flops(call);
    p->kernel = best_kernel(plan, call);
    if (!p->kernel && plan->device)
        return sl_fail(SL_UNSUPPORTED, "device '%s' has no kernel for %s of %s in '%s'",
                       plan->device->module->name, sl_op_name(node->op), sl_dtype_name(call->out[0].dtype),
                       scope_or_top(node));
    if (!p->kernel) {
        plan->fallbacks++;
        p->scratch_bytes = sl_op_reference_scratch(call);
        if (plan->options.strict)
            return sl_fail(SL_UNSUPPORTED, "no fast kernel for %s in '%s'", sl_op_name(node->op),
                           scope_or_top(node));
        return SL_OK;
    }
    const sl_kernel_code *code = p->kernel->code;
    if (code->prepare)
        SL_TRY(sl_context(code->prepare(call, &call->state), "preparing %s for %s in '%s'", p->kernel->name,
                          sl_op_name(node->op), scope_or_top(node)));
    p->scratch_bytes = code->scratch ? code->scratch(call) : 0;
    p->worker_bytes = code->worker_scratch && !plan->device ? code->worker_scratch(call) : 0;
    p->packed_bytes = code->packed ? code->packed(call) : 0;
    p->packs_once = p->packed_bytes && call->in_count > 1 && call->in[1].flags & SL_OPERAND_FROZEN;
    return SL_OK;
}

/* The same kernel, shapes and attributes (recomputed nodes), or kernels that say so. */
static bool packs_alike(const sl_plan *plan, const plan_node *a, const plan_node *b) {
    const graph_node *left = &plan->graph->nodes[a->node], *right = &plan->graph->nodes[b->node];
    const char *form = a->kernel->code->form;
    if (a->call.in[0].dtype != b->call.in[0].dtype) return false;
    if (form && form == b->kernel->code->form) return true;
    return a->kernel == b->kernel && sl_shape_equal(&a->call.in[0].shape, &b->call.in[0].shape) &&
           memcmp(&left->attrs, &right->attrs, sizeof left->attrs) == 0;
}

static bool shares_packed(const sl_plan *plan, const plan_node *a, const plan_node *b) {
    const graph_node *left = &plan->graph->nodes[a->node], *right = &plan->graph->nodes[b->node];
    return b->packs_once && a->packed_bytes == b->packed_bytes &&
           plan->values[left->in[1]].root == plan->values[right->in[1]].root &&
           sl_shape_equal(&a->call.in[1].shape, &b->call.in[1].shape) && packs_alike(plan, a, b);
}

static void place_packed(sl_plan *plan, int32_t index) {
    plan_node *p = &plan->nodes[index];
    for (int32_t i = 0; i < index; i++) {
        if (!shares_packed(plan, p, &plan->nodes[i])) continue;
        p->packed_offset = plan->nodes[i].packed_offset;
        return;
    }
    p->packs_first = true;
    p->packed_offset = plan->packed_bytes;
    plan->packed_bytes += aligned(p->packed_bytes);
}

static sl_status add_node(sl_plan *plan, int32_t n) {
    plan_node *p = &plan->nodes[plan->node_count++];
    *p = (plan_node){.node = n, .scratch_block = -1, .packed_block = -1};
    make_call(plan, &plan->graph->nodes[n], &p->call);
    SL_TRY(choose_kernel(plan, p));
    if (p->packs_once) place_packed(plan, plan->node_count - 1);
    if (aligned(p->worker_bytes) > plan->worker_stride) plan->worker_stride = aligned(p->worker_bytes);
    return SL_OK;
}

/* Settled nodes come first: they need nothing of the others. */
static sl_status add_nodes(sl_plan *plan, const bool *live) {
    const sl_graph *graph = plan->graph;
    bool *settled = SL_NEW(plan->arena, bool, graph->node_count + 1);
    find_settled(plan, live, settled);
    for (int first = 1; first >= 0; first--) {
        for (int32_t n = 0; n < graph->node_count; n++)
            if (live[n] && settled[n] == (first == 1) && graph->nodes[n].op != SL_OP_RESHAPE)
                SL_TRY(add_node(plan, n));
        if (first) plan->settled_count = plan->node_count;
    }
    return SL_OK;
}

/* Frozen parameters of which only the packed form is needed. */
static void find_passing(const sl_plan *plan) {
    for (int32_t p = 0; p < plan->node_count; p++) {
        const plan_node *entry = &plan->nodes[p];
        if (entry->packs_once)
            plan->values[plan->values[plan->graph->nodes[entry->node].in[1]].root].passing = true;
    }
    for (int32_t p = 0; p < plan->node_count; p++) {
        const plan_node *entry = &plan->nodes[p];
        const graph_node *node = &plan->graph->nodes[entry->node];
        for (int i = 0; i < node->in_count; i++)
            if (i != 1 || !entry->packs_once) plan->values[plan->values[node->in[i]].root].passing = false;
    }
    for (int32_t id = 0; id < plan->graph->value_count; id++) {
        plan_value *value = &plan->values[id];
        bool parameter = plan->graph->values[id].kind == VALUE_PARAMETER;
        if (value->wanted) plan->values[value->root].passing = false;
        if (!parameter) value->passing = false;
    }
}

/* ---- homes and lifetimes ---- */

static void find_homes(sl_plan *plan) {
    const sl_graph *graph = plan->graph;
    for (int32_t id = 1; id < graph->value_count; id++) {
        plan_value *value = &plan->values[id];
        const graph_value *source = &graph->values[id];
        if (source->kind == VALUE_PARAMETER)
            value->home = HOME_BOUND;
        else if (source->kind != VALUE_NODE) {
            value->home = HOME_OWN;
            value->offset = plan->own_bytes;
            plan->own_bytes += aligned(sl_plan_operand_bytes(&source->operand));
        }
    }
}

static int32_t add_block(sl_plan *plan, size_t bytes, int32_t first, int32_t last) {
    plan->blocks[plan->block_count] = (layout_block){.bytes = bytes, .first = first, .last = last};
    plan->unshared_bytes += aligned(bytes);
    return plan->block_count++;
}

/* Last plan node that reads each root; node_count for outputs and for what later runs read of settled nodes.
 */
static void find_last_use(const sl_plan *plan, int32_t *last) {
    for (int32_t p = 0; p < plan->node_count; p++) {
        const graph_node *node = &plan->graph->nodes[plan->nodes[p].node];
        for (int i = 0; i < node->out_count; i++) last[plan->values[node->out[i]].root] = p;
        for (int i = 0; i < node->in_count; i++) last[plan->values[node->in[i]].root] = p;
    }
    for (int32_t i = 0; i < plan->graph->output_count; i++)
        last[plan->values[plan->graph->outputs[i].value].root] = plan->node_count;
    for (int32_t p = 0; p < plan->settled_count; p++) {
        const graph_node *node = &plan->graph->nodes[plan->nodes[p].node];
        for (int i = 0; i < node->out_count; i++) {
            int32_t root = plan->values[node->out[i]].root;
            if (last[root] >= plan->settled_count) last[root] = plan->node_count;
        }
    }
}

/* The input whose memory a node's first result may take over, or -1. */
static int in_place_input(const sl_plan *plan, int32_t p, const int32_t *last) {
    const sl_call *call = &plan->nodes[p].call;
    const graph_node *node = &plan->graph->nodes[plan->nodes[p].node];
    unsigned allowed = sl_op_describe(node->op)->in_place;
    for (int i = 0; i < node->in_count; i++) {
        const plan_value *root = &plan->values[plan->values[node->in[i]].root];
        if (!(allowed >> i & 1) || root->home != HOME_WORKSPACE || last[root->root] != p) continue;
        if (call->in[i].dtype != call->out[0].dtype ||
            !sl_shape_equal(&call->in[i].shape, &call->out[0].shape))
            continue;
        bool clash = false; /* the same memory read in another shape */
        for (int j = 0; j < node->in_count; j++)
            clash |= plan->values[node->in[j]].root == root->root && node->in[j] != node->in[i];
        /* others in the block: an earlier holder whose memory was taken over is dead by now */
        if (!clash && plan->blocks[root->block].last == p) return i;
    }
    return -1;
}

static void assign_blocks(sl_plan *plan, const int32_t *last) {
    for (int32_t p = 0; p < plan->node_count; p++) {
        plan_node *entry = &plan->nodes[p];
        const graph_node *node = &plan->graph->nodes[entry->node];
        int shared = node->target ? -1 : in_place_input(plan, p, last);
        for (int i = 0; !node->target && i < node->out_count; i++) {
            if (entry->call.out[i].flags & SL_OPERAND_ABSENT) continue;
            plan_value *value = &plan->values[node->out[i]];
            value->home = HOME_WORKSPACE;
            if (i == 0 && shared >= 0) {
                value->block = plan->values[plan->values[node->in[shared]].root].block;
                plan->blocks[value->block].last = last[node->out[i]];
            } else {
                value->block =
                    add_block(plan, sl_plan_operand_bytes(&entry->call.out[i]), p, last[node->out[i]]);
            }
        }
        if (entry->scratch_bytes) entry->scratch_block = add_block(plan, entry->scratch_bytes, p, p);
        if (entry->packed_bytes && !entry->packs_once)
            entry->packed_block = add_block(plan, entry->packed_bytes, p, p);
    }
}

/* The most that values take at one time, without anybody's scratch memory. */
static size_t activations(const sl_plan *plan) {
    int64_t *change = SL_NEW(plan->arena, int64_t, plan->node_count + 2), alive = 0, most = 0;
    for (int32_t b = 0; b < plan->block_count; b++) {
        change[plan->blocks[b].first] += (int64_t)plan->blocks[b].bytes;
        change[plan->blocks[b].last + 1] -= (int64_t)plan->blocks[b].bytes;
    }
    for (int32_t p = 0; p < plan->node_count; p++) {
        const plan_node *entry = &plan->nodes[p];
        int64_t scratch = 0;
        if (entry->scratch_block >= 0) scratch += (int64_t)plan->blocks[entry->scratch_block].bytes;
        if (entry->packed_block >= 0) scratch += (int64_t)plan->blocks[entry->packed_block].bytes;
        alive += change[p];
        if (alive - scratch > most) most = alive - scratch;
    }
    return (size_t)most;
}

/* Weights pass through the workspace before anything else lies there. */
static size_t passing_bytes(const sl_plan *plan) {
    size_t most = 0;
    for (int32_t id = 1; id < plan->graph->value_count; id++) {
        size_t bytes = sl_plan_operand_bytes(&plan->graph->values[id].operand);
        if (plan->values[id].passing && bytes > most) most = bytes;
    }
    return most;
}

static sl_status build(sl_plan *plan) {
    sl_graph *graph = plan->graph;
    bool *live = SL_NEW(plan->arena, bool, graph->node_count + 1);
    int32_t *last = SL_NEW(plan->arena, int32_t, graph->value_count);
    plan->nodes = SL_NEW(plan->arena, plan_node, graph->node_count + 1);
    plan->values = SL_NEW(plan->arena, plan_value, graph->value_count);
    plan->blocks = SL_NEW(plan->arena, layout_block, graph->node_count * (SL_OUTPUTS_MAX + 2) + 1);
    mark_live(plan, live);
    find_roots(plan);
    SL_TRY(add_nodes(plan, live));
    if (plan->node_count == 0) return sl_fail(SL_INVALID, "the graph has no output and no gradient");
    find_passing(plan);
    find_homes(plan);
    find_last_use(plan, last);
    assign_blocks(plan, last);
    plan->workspace_bytes =
        sl_layout_place(plan->blocks, plan->block_count, SL_NEW(plan->arena, int32_t, plan->block_count + 1));
    plan->activation_bytes = activations(plan);
    if (passing_bytes(plan) > plan->workspace_bytes) plan->workspace_bytes = passing_bytes(plan);
    plan->workers = sl_threads_count();
    return SL_OK;
}

sl_status sl_plan_new(sl_graph *graph, const sl_plan_options *options, sl_plan **out) {
    sl_arena *arena;
    SL_TRY(sl_graph_status(graph));
    SL_TRY(sl_arena_new(&arena));
    sl_plan *plan = SL_NEW(arena, sl_plan, 1);
    plan->arena = arena;
    plan->graph = graph;
    if (options) plan->options = *options;
    sl_status status = sl_device_current(&plan->device);
    if (status == SL_OK) status = build(plan);
    if (status != SL_OK) {
        sl_plan_free(plan);
        return status;
    }
    *out = plan;
    return SL_OK;
}

void sl_plan_free(sl_plan *plan) {
    if (!plan) return;
    for (int32_t i = 0; i < plan->node_count; i++) {
        const plan_node *p = &plan->nodes[i];
        if (p->kernel && p->kernel->code->release && p->call.state) p->kernel->code->release(p->call.state);
    }
    sl_plan_release(plan);
    sl_arena_free(plan->arena);
}

/* ---- reports ---- */

sl_plan_memory sl_plan_memory_of(const sl_plan *plan) {
    sl_plan_memory memory = {.inputs = plan->own_bytes,
                             .packed = plan->packed_bytes,
                             .workspace = plan->workspace_bytes,
                             .activations = plan->activation_bytes,
                             .unshared = plan->unshared_bytes,
                             .workers = plan->worker_stride * (size_t)plan->workers};
    for (int32_t i = 0; i < plan->graph->parameter_count; i++) {
        const sl_operand *operand = &plan->graph->values[plan->graph->parameters[i]].operand;
        const plan_value *value = &plan->values[plan->graph->parameters[i]];
        if (!value->passing || (!plan->device && value->bound))
            memory.parameters += sl_plan_operand_bytes(operand);
    }
    for (int32_t i = 0; i < plan->node_count; i++) {
        const graph_node *node = &plan->graph->nodes[plan->nodes[i].node];
        if (node->target_is_gradient) memory.gradients += sl_plan_operand_bytes(&plan->nodes[i].call.out[0]);
    }
    return memory;
}

void sl_plan_memory_text(const sl_plan_memory *m, size_t moments, char *out, size_t bytes) {
    const double gb = 1e-9;
    size_t weights = m->parameters + m->packed;
    size_t scratch = m->workspace > m->activations ? m->workspace - m->activations : 0;
    int length =
        snprintf(out, bytes, "weights %.2f GB, activations %.2f, workspace %.2f", gb * (double)weights,
                 gb * (double)(m->activations + m->inputs), gb * (double)(scratch + m->workers));
    if (m->gradients && length > 0 && (size_t)length < bytes)
        snprintf(out + length, bytes - (size_t)length, ", gradients %.2f, moments %.2f",
                 gb * (double)m->gradients, gb * (double)moments);
}

size_t sl_plan_bytes(const sl_plan *plan) {
    sl_plan_memory memory = sl_plan_memory_of(plan);
    return memory.inputs + memory.packed + memory.workspace + memory.workers;
}

int sl_plan_node_count(const sl_plan *plan) {
    return plan->node_count;
}

sl_node_profile sl_plan_node(const sl_plan *plan, int index) {
    const plan_node *p = &plan->nodes[index];
    double share = p->kernel && p->kernel->code->arithmetic > 0 ? p->kernel->code->arithmetic : 1;
    return (sl_node_profile){.scope = plan->graph->nodes[p->node].scope,
                             .op = sl_op_name(p->call.op),
                             .kernel = p->kernel ? p->kernel->name : "reference",
                             .shape = p->call.out[0].shape,
                             .seconds = p->seconds,
                             .flops = p->flops,
                             .done_flops = p->flops * share,
                             .runs = p->runs};
}

void sl_plan_profile_reset(sl_plan *plan) {
    for (int32_t i = 0; i < plan->node_count; i++) {
        plan->nodes[i].seconds = 0;
        plan->nodes[i].runs = 0;
    }
}

static double flops_of(const sl_plan *plan, int32_t nodes) {
    double flops = 0;
    for (int32_t i = 0; i < nodes; i++) flops += plan->nodes[i].flops;
    return flops;
}

double sl_plan_flops(const sl_plan *plan) {
    return flops_of(plan, plan->node_count);
}

double sl_plan_settled_flops(const sl_plan *plan) {
    return flops_of(plan, plan->settled_count);
}

int sl_plan_fallbacks(const sl_plan *plan) {
    return plan->fallbacks;
}
