/* Planning and running a graph.
 *
 *     sl_plan_new(graph, &options, &plan)      kernels chosen, memory laid out; nothing large reserved yet
 *     sl_plan_memory_of(plan)                  what it will take, to be shown or refused
 *     sl_plan_bind(plan, parameter, pointer)   for every parameter (and gradient) before the first run
 *                                              (sl_plan_bind_source: values that are nowhere in memory)
 *     sl_plan_reserve(plan)                    one workspace; frozen weights are packed at the first run
 *     loop: sl_plan_upload(...), sl_plan_run(plan), sl_plan_download(...)
 *     sl_plan_free(plan)
 *
 * A plan runs on what sl_device_current says when it is made (backend/device.h). What is bound stays the
 * caller's and in the caller's memory: on a device, frozen parameters are brought there when they are new;
 * what changes on the host (bound inputs, trained parameters, gradients) before each run; what a run changes
 * (gradients, running statistics) is fetched after it.
 *
 * All activations lie in one 64-byte-aligned workspace, planned by lifetime. A run allocates nothing and
 * gives the same bits for any number of threads. A plan is used by one thread at a time. */
#ifndef SL_GRAPH_PLAN_H
#define SL_GRAPH_PLAN_H

#include "graph/graph.h"

typedef struct sl_plan sl_plan;

typedef struct sl_plan_options {
    bool force_isa; /* use `isa` (a mask, 0: references alone) in place of what the CPU has */
    unsigned isa;
    bool strict;    /* SL_UNSUPPORTED when an operation has no fast kernel */
    bool nan_guard; /* look at every result; SL_NUMERIC names the first bad operation */
    bool profile;   /* time every operation */
    bool poison;    /* tests: fill memory with NaN before it is used and after it is dead */
} sl_plan_options;

/* options may be NULL: all off. The graph must outlive the plan and may not be changed any more. */
sl_status sl_plan_new(sl_graph *graph, const sl_plan_options *options, sl_plan **out);
void sl_plan_free(sl_plan *plan); /* NULL is fine */

typedef struct sl_plan_memory {
    size_t parameters;  /* bound from outside; what is only packed counts on the CPU where memory is bound */
    size_t gradients;   /* bound from outside */
    size_t inputs;      /* inputs and constants */
    size_t packed;      /* frozen weights in the kernels' layout */
    size_t workspace;   /* activations and scratch, by lifetime; without sharing it would be `unshared` */
    size_t activations; /* of it, the most that are alive at one time */
    size_t unshared;
    size_t workers; /* scratch of the threads */
} sl_plan_memory;
sl_plan_memory sl_plan_memory_of(const sl_plan *plan);
/* "weights 1.72 GB, activations 0.31, workspace 0.27", and gradients where there are any, with the
 * optimiser's moments, which no plan knows of: 128 bytes hold it. */
void sl_plan_memory_text(const sl_plan_memory *memory, size_t moments, char *out, size_t bytes);
size_t
sl_plan_bytes(const sl_plan *plan); /* inputs + packed + workspace + workers: what sl_plan_reserve takes */

/* Storage of a parameter or an input: its dtype and shape, dense, owned by the caller, alive until the plan
 * is freed or bound anew. Binding a frozen parameter marks its packed form stale. */
sl_status sl_plan_bind(sl_plan *plan, sl_value value, void *data);
/* Whether a parameter is only read to be packed: on the CPU its values need no memory of their own. False for
 * every parameter on a device, which keeps them in another memory anyway. */
bool sl_plan_only_packs(const sl_plan *plan, sl_value parameter);
/* Values of such a parameter, in place of memory that holds them: read() writes them (the parameter's dtype
 * and shape, dense) to `target` each time that they are packed. SL_INVALID for another parameter. */
typedef struct sl_plan_source {
    sl_status (*read)(void *context, void *target);
    void *context; /* the caller's, alive until the plan is freed or the parameter bound anew */
} sl_plan_source;
sl_status sl_plan_bind_source(sl_plan *plan, sl_value parameter, sl_plan_source source);
/* Where the gradient of a trainable parameter is added to (F32, the parameter's shape). The caller zeroes it.
 */
sl_status sl_plan_bind_gradient(sl_plan *plan, sl_value parameter, void *data);
/* Frozen parameters have new bytes in the same place: pack them again at the next run. */
void sl_plan_weights_changed(sl_plan *plan);

/* SL_MEMORY, with the plan's figures, before anything is taken where a device has no room for it. */
sl_status sl_plan_reserve(sl_plan *plan);

/* Copy into an input, out of an input or output; `bytes` must be its exact size. After sl_plan_reserve. */
sl_status sl_plan_upload(sl_plan *plan, sl_value input, const void *data, size_t bytes);
sl_status sl_plan_download(sl_plan *plan, sl_value value, void *data, size_t bytes);

/* On a device the work may go on when this returns: downloads and sl_plan_wait wait for it. */
sl_status sl_plan_run(sl_plan *plan);
/* No further than to the operation that makes `value`, an output: of a graph with a backward pass, the loss
 * alone. UPDATEs before it are done (running statistics). On a device such a run is not recorded. */
sl_status sl_plan_run_to(sl_plan *plan, sl_value value);
sl_status sl_plan_wait(const sl_plan *plan);

/* What each operation is, and took in the runs since the last reset (zeros without the profile option). */
typedef struct sl_node_profile {
    const char *scope, *op, *kernel; /* kernel "reference" for a fall-back */
    sl_shape shape;                  /* of the result */
    double seconds, flops;           /* of all runs; of one run, by direct arithmetic */
    double done_flops;               /* what the kernel really does of them, transforms not counted */
    int64_t runs;
} sl_node_profile;
int sl_plan_node_count(const sl_plan *plan);
sl_node_profile sl_plan_node(const sl_plan *plan, int index);
void sl_plan_profile_reset(sl_plan *plan);
double sl_plan_flops(const sl_plan *plan);         /* of one run after an upload into what is held */
double sl_plan_settled_flops(const sl_plan *plan); /* of these, what other runs find computed (sl_hold) */
/* Operations that run on the plain reference. */
int sl_plan_fallbacks(const sl_plan *plan);

#endif
