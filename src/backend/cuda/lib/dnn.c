#include "backend/cuda/lib/dnn.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DESCRIPTORS_MAX = 24, ENGINES_MAX = 64, NOTES_MAX = CUDNN_NUMERICAL_NOTE_TYPE_COUNT };

/* What a plan is made for; compared by bytes, so that unused places are zero. */
typedef struct plan_key {
    sl_op op;
    int variant;
    sl_attrs attrs;
    sl_operand operands[SL_INPUTS_MAX + SL_OUTPUTS_MAX]; /* without their addresses */
} plan_key;

struct sl_cuda_dnn {
    cudnnBackendDescriptor_t made[DESCRIPTORS_MAX]; /* in order of making */
    int count;
    cudnnBackendDescriptor_t operations, plan;
    size_t workspace_bytes;
    int users;
    sl_cuda_context *context; /* where it is shared; NULL: nowhere */
    plan_key key;
    sl_cuda_dnn *next;
};

sl_status sl_cuda_dnn_new(sl_cuda_dnn **out) {
    SL_TRY(sl_cuda_api_load_dnn()); /* done already where a device is open */
    SL_TRY(sl_alloc(out, 1, sizeof **out));
    (*out)->users = 1;
    return SL_OK;
}

static void destroy_from(sl_cuda_dnn *graph, int first) {
    while (graph->count > first) sl_cuda_api.cudnnBackendDestroyDescriptor(graph->made[--graph->count]);
}

static void unlink_shared(sl_cuda_dnn *graph) {
    sl_cuda_dnn **at = &graph->context->shared;
    while (*at != graph) at = &(*at)->next;
    *at = graph->next;
}

void sl_cuda_dnn_free(sl_cuda_dnn *graph) {
    if (!graph || --graph->users > 0) return;
    if (graph->context) unlink_shared(graph);
    destroy_from(graph, 0);
    sl_free(graph);
}

static void set_operand(sl_operand *to, const sl_operand *from) {
    to->dtype = from->dtype;
    to->flags = from->flags & SL_OPERAND_ABSENT;
    to->shape.rank = from->shape.rank;
    for (int i = 0; i < from->shape.rank; i++) to->shape.dim[i] = from->shape.dim[i];
}

static void key_of(const sl_call *call, int variant, plan_key *out) {
    memset(out, 0, sizeof *out);
    out->op = call->op;
    out->variant = variant;
    memcpy(&out->attrs, call->attrs, sizeof out->attrs);
    for (int i = 0; i < call->in_count; i++) set_operand(&out->operands[i], &call->in[i]);
    for (int i = 0; i < call->out_count; i++) set_operand(&out->operands[SL_INPUTS_MAX + i], &call->out[i]);
}

sl_cuda_dnn *sl_cuda_dnn_find(const sl_call *call, int variant) {
    const sl_cuda_context *context = sl_cuda_context_of(call);
    plan_key key;
    if (!context) return NULL;
    key_of(call, variant, &key);
    for (sl_cuda_dnn *graph = context->shared; graph; graph = graph->next) {
        if (memcmp(&graph->key, &key, sizeof key) != 0) continue;
        graph->users++;
        return graph;
    }
    return NULL;
}

void sl_cuda_dnn_share(const sl_call *call, int variant, sl_cuda_dnn *graph) {
    sl_cuda_context *context = sl_cuda_context_of(call);
    if (!context) return;
    key_of(call, variant, &graph->key);
    graph->context = context;
    graph->next = context->shared;
    context->shared = graph;
}

sl_status sl_cuda_dnn_make(sl_cuda_dnn *graph, cudnnBackendDescriptorType_t type,
                           cudnnBackendDescriptor_t *out) {
    if (graph->count == DESCRIPTORS_MAX) return sl_fail(SL_INTERNAL, "more descriptors than a graph holds");
    SL_TRY(sl_cuda_check_dnn(sl_cuda_api.cudnnBackendCreateDescriptor(type, &graph->made[graph->count]),
                             "making a descriptor"));
    *out = graph->made[graph->count++];
    return SL_OK;
}

sl_status sl_cuda_dnn_set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    return sl_cuda_check_dnn(sl_cuda_api.cudnnBackendSetAttribute(descriptor, name, type, count, values),
                             "describing an operation");
}

sl_status sl_cuda_dnn_finalize(cudnnBackendDescriptor_t descriptor, const char *what) {
    return sl_cuda_check_dnn(sl_cuda_api.cudnnBackendFinalize(descriptor), what);
}

static cudnnDataType_t type_of(sl_dtype dtype) {
    if (dtype == SL_BF16) return CUDNN_DATA_BFLOAT16;
    return dtype == SL_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

sl_status sl_cuda_dnn_tensor(sl_cuda_dnn *graph, int64_t uid, const sl_cuda_dnn_tensor_shape *shape,
                             cudnnBackendDescriptor_t *out) {
    cudnnDataType_t type = type_of(shape->dtype);
    int64_t alignment = 16;
    cudnnBackendDescriptor_t t;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_TENSOR_DESCRIPTOR, &t));
    SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid));
    SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment));
    SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, shape->dim));
    SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, shape->stride));
    if (shape->by_value)
        SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &shape->by_value));
    if (shape->is_virtual)
        SL_TRY(sl_cuda_dnn_set(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &shape->is_virtual));
    SL_TRY(sl_cuda_dnn_finalize(t, "describing a tensor"));
    *out = t;
    return SL_OK;
}

/* ---- the device that engines are asked for ---- */

/* An opened one, one that a file describes (cuDNN 9.8's device properties), or none. */
typedef struct target {
    const sl_cuda_context *context;
    cudnnBackendDescriptor_t described;
    bool exact; /* inputs may not be rounded */
} target;

enum { DESCRIPTION_MAX = 16 << 10 };

static sl_status read_description(const char *path, cudnnBackendDescriptor_t *out) {
    static char text[DESCRIPTION_MAX];
    FILE *file = fopen(path, "r");
    if (!file) return sl_fail(SL_NOT_FOUND, "no description of a device in '%s'", path);
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    SL_TRY(
        sl_cuda_check_dnn(sl_cuda_api.cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out),
                          "making a descriptor"));
    SL_TRY(sl_cuda_dnn_set(*out, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                           (int64_t)bytes + 1, text));
    return sl_context(sl_cuda_dnn_finalize(*out, "describing a device"), "%s", path);
}

/* Without a device, SL_CUDA_DESCRIBED_DEVICE names a file that describes one: plans for it are made, though
 * they cannot be run. Read once. */
static sl_status target_of(const sl_cuda_context *context, sl_dtype dtype, target *out) {
    static cudnnBackendDescriptor_t described;
    const char *path = context ? NULL : getenv("SL_CUDA_DESCRIBED_DEVICE");
    *out = (target){.context = context, .exact = dtype == SL_F32 && !(context && context->tf32)};
    if (path && !described) SL_TRY(read_description(path, &described));
    if (path) out->described = described;
    return SL_OK;
}

/* ---- engines ---- */

/* Whether an engine's results are the same at every run, and as exact as asked for. */
static sl_status check_notes(sl_cuda_dnn *graph, cudnnBackendDescriptor_t config, bool exact,
                             bool *out_good) {
    cudnnBackendNumericalNote_t notes[NOTES_MAX];
    cudnnBackendDescriptor_t engine;
    int64_t count = 0;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine));
    SL_TRY(sl_cuda_check_dnn(sl_cuda_api.cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                                                  &engine),
                             "an engine"));
    SL_TRY(sl_cuda_check_dnn(sl_cuda_api.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                                  CUDNN_TYPE_NUMERICAL_NOTE, NOTES_MAX,
                                                                  &count, notes),
                             "an engine's notes"));
    *out_good = true;
    for (int64_t i = 0; i < count && i < NOTES_MAX; i++) {
        bool rounds = notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                      notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || (exact && rounds) ||
            notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
            *out_good = false;
    }
    return SL_OK;
}

static sl_status make_plan(const target *t, sl_cuda_dnn *graph, cudnnBackendDescriptor_t config) {
    cudnnBackendDescriptor_t plan;
    int64_t bytes = 0, count;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan));
    if (t->context)
        SL_TRY(
            sl_cuda_dnn_set(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &t->context->dnn));
    else
        SL_TRY(sl_cuda_dnn_set(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                               &t->described));
    SL_TRY(sl_cuda_dnn_set(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                           &config));
    SL_TRY(sl_cuda_dnn_finalize(plan, "making a plan"));
    SL_TRY(
        sl_cuda_check_dnn(sl_cuda_api.cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                               CUDNN_TYPE_INT64, 1, &count, &bytes),
                          "a plan's workspace"));
    graph->plan = plan;
    graph->workspace_bytes = (size_t)bytes;
    return SL_OK;
}

/* An engine's own failures only mean that the next is tried. The configuration of the plan that is made stays
 * with the graph, its place in `configs` is emptied. */
static void try_configs(const target *t, sl_cuda_dnn *graph, cudnnBackendDescriptor_t *configs,
                        int64_t count) {
    for (int64_t i = 0; i < count && !graph->plan && graph->count < DESCRIPTORS_MAX; i++) {
        int mark = graph->count;
        bool good = false;
        graph->made[graph->count++] = configs[i];
        if (check_notes(graph, configs[i], t->exact, &good) == SL_OK && good) make_plan(t, graph, configs[i]);
        if (graph->plan) {
            configs[i] = NULL;
            return;
        }
        destroy_from(graph, mark + 1);
        graph->count = mark;
    }
}

static sl_status try_mode(const target *t, sl_cuda_dnn *graph, cudnnBackendHeurMode_t mode) {
    cudnnBackendDescriptor_t heuristic, configs[ENGINES_MAX] = {0};
    int64_t count = 0;
    int made = 0;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic));
    SL_TRY(sl_cuda_dnn_set(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                           &graph->operations));
    SL_TRY(sl_cuda_dnn_set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    if (t->described)
        SL_TRY(sl_cuda_dnn_set(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                               &t->described));
    SL_TRY(sl_cuda_dnn_finalize(heuristic, "asking for engines"));
    sl_status status = SL_OK;
    for (; made < ENGINES_MAX && status == SL_OK; made++)
        status = sl_cuda_check_dnn(
            sl_cuda_api.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[made]),
            "making a descriptor");
    if (status == SL_OK)
        status = sl_cuda_check_dnn(
            sl_cuda_api.cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, ENGINES_MAX, &count, configs),
            "asking for engines");
    if (status == SL_OK) try_configs(t, graph, configs, count < made ? count : made);
    for (int i = 0; i < made; i++)
        if (configs[i]) sl_cuda_api.cudnnBackendDestroyDescriptor(configs[i]);
    return status;
}

static sl_status choose(const target *t, sl_cuda_dnn *graph, int mode_count) {
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    for (int i = 0; i < mode_count && !graph->plan; i++) {
        int mark = graph->count;
        sl_status status = try_mode(t, graph, modes[i]);
        if (status != SL_OK && status != SL_UNSUPPORTED) return status;
        if (!graph->plan) destroy_from(graph, mark);
    }
    return graph->plan ? SL_OK : sl_fail(SL_UNSUPPORTED, "cuDNN has no engine that is exact enough");
}

sl_status sl_cuda_dnn_finish(const sl_cuda_context *context, sl_cuda_dnn *graph, int count,
                             const cudnnBackendDescriptor_t *operations, sl_dtype dtype) {
    target t;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &graph->operations));
    SL_TRY(sl_cuda_dnn_set(graph->operations, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                           count, operations));
    if (context)
        SL_TRY(sl_cuda_dnn_set(graph->operations, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                               &context->dnn));
    SL_TRY(sl_cuda_dnn_finalize(graph->operations, "making a graph"));
    SL_TRY(target_of(context, dtype, &t));
    return t.context || t.described ? choose(&t, graph, count == 1 ? 2 : 1) : SL_OK;
}

size_t sl_cuda_dnn_workspace(const sl_cuda_dnn *graph) {
    return graph->workspace_bytes;
}

static sl_status fill_variant(cudnnBackendDescriptor_t variant, int count, const int64_t *uids,
                              void *const *addresses, void *workspace) {
    SL_TRY(sl_cuda_dnn_set(variant, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids));
    SL_TRY(sl_cuda_dnn_set(variant, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count,
                           addresses));
    SL_TRY(sl_cuda_dnn_set(variant, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
    return sl_cuda_dnn_finalize(variant, "giving cuDNN its operands");
}

sl_status sl_cuda_dnn_run(const sl_cuda_context *context, const sl_cuda_dnn *graph, int count,
                          const int64_t *uids, void *const *addresses, void *workspace) {
    cudnnBackendDescriptor_t variant;
    if (!context || !graph->plan) return sl_fail(SL_INTERNAL, "a graph that was only described is run");
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    SL_TRY(sl_cuda_check_dnn(
        sl_cuda_api.cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &variant),
        "making a descriptor"));
    sl_status status = fill_variant(variant, count, uids, addresses, workspace);
    if (status == SL_OK)
        status = sl_cuda_check_dnn(sl_cuda_api.cudnnBackendExecute(context->dnn, graph->plan, variant),
                                   "running a plan of cuDNN");
    sl_cuda_api.cudnnBackendDestroyDescriptor(variant);
    return status;
}
