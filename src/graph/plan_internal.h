/* A plan as the files of src/graph see it. */
#ifndef SL_GRAPH_PLAN_INTERNAL_H
#define SL_GRAPH_PLAN_INTERNAL_H

#include "backend/kernel.h"
#include "backend/mirror.h"
#include "graph/internal.h"
#include "graph/plan.h"

/* A stretch of memory that is needed from node `first` to node `last`, both included. Offsets are given by
 * sl_layout_place. */
typedef struct layout_block {
    size_t bytes, offset;
    int32_t first, last;
} layout_block;

/* Gives each block an offset, a multiple of SL_ALIGNMENT, such that blocks alive at one time never overlap:
 * first fit, the largest first. Returns the bytes needed in all. `order` has room for `count` numbers. */
size_t sl_layout_place(layout_block *blocks, int32_t count, int32_t *order);

typedef struct plan_node {
    sl_call call;
    const sl_kernel *kernel;             /* NULL: the reference */
    int32_t node;                        /* in the graph */
    int32_t scratch_block, packed_block; /* -1: none */
    size_t scratch_bytes, packed_bytes, worker_bytes;
    bool packs_once;
    size_t packed_offset; /* in the memory of packed weights, where packs_once */
    bool packs_first;     /* of all nodes that read that place */
    double seconds, flops;
    int64_t runs;
} plan_node;

typedef enum home { HOME_NONE, HOME_WORKSPACE, HOME_OWN, HOME_BOUND } home;

/* Where a value lives. A reshaped value has the place of its root. */
typedef struct plan_value {
    int32_t root;
    home home;
    int32_t block;                       /* HOME_WORKSPACE */
    size_t offset;                       /* HOME_OWN: in the memory of inputs and constants */
    void *bound, *gradient;              /* from outside, the host's */
    sl_mirror *mirror, *gradient_mirror; /* their places on a device */
    bool used, wanted;                   /* read by a live node; an output */
    bool passing; /* a frozen parameter that is only read to be packed: on a device it has no place */
    sl_plan_source source; /* of one on the CPU; read NULL: none */
} plan_value;

struct sl_plan {
    sl_graph *graph;
    const sl_device *device; /* NULL: the CPU */
    sl_plan_options options;
    sl_arena *arena;
    plan_node *nodes;
    int32_t node_count, fallbacks;
    int32_t settled_count; /* nodes, the first ones, that depend on held inputs and what is frozen alone */
    plan_value *values;
    layout_block *blocks;
    int32_t block_count;
    size_t own_bytes, packed_bytes, workspace_bytes, unshared_bytes, worker_stride;
    size_t activation_bytes; /* most that are alive at one time */
    int workers;
    char *own, *packed, *workspace, *worker_scratch; /* NULL before sl_plan_reserve */
    bool resolved;                                   /* operands point at the memory */
    bool packed_ready;                               /* frozen weights are packed */
    bool settled_ready;                              /* the settled nodes' results are in place */
    void *recording;                                 /* the device's; NULL: none */
    int plain_runs;                                  /* since the addresses changed */
};

/* SL_MEMORY, with what the plan takes, where its device has no room for what it has not yet got. */
sl_status sl_plan_check_room(const sl_plan *plan);
size_t sl_plan_gradient_bytes(const sl_operand *parameter);

size_t sl_plan_operand_bytes(const sl_operand *operand);
sl_status sl_plan_check_value(const sl_plan *plan, sl_value value);
/* Where a value lies, in the memory of what runs the plan. */
sl_status sl_plan_address(const sl_plan *plan, int32_t id, void **out);
sl_status sl_plan_reserve_workers(sl_plan *plan);
void sl_plan_release(sl_plan *plan); /* all memory, mirrors and recordings */
void sl_plan_forget_recording(sl_plan *plan);
/* Parameters have other values: what was made of them is stale. */
void sl_plan_forget_parameters(sl_plan *plan);
/* Frozen weights into the kernels' layout, where that is stale. */
sl_status sl_plan_pack_frozen(sl_plan *plan);

/* Into the plan's memory, on whichever side that is. */
sl_status sl_plan_copy_in(const sl_plan *plan, void *to, const void *from, size_t bytes);
sl_status sl_plan_fill(const sl_plan *plan, void *to, int byte, size_t bytes);
/* On a device: bring what is bound there before a run (what may have changed), and fetch what a run writes
 * (gradients, running statistics) after it. Nothing on the CPU. */
sl_status sl_plan_push_bound(const sl_plan *plan);
sl_status sl_plan_pull_bound(const sl_plan *plan);

sl_status sl_plan_guard(const sl_plan *plan, const plan_node *p);
/* Memory that nothing may rely on turns into NaN: blocks before their first use, and after their last. */
sl_status sl_plan_poison(const sl_plan *plan, int32_t at, bool before);

/* Fill operands with addresses; SL_INVALID names what is not bound. */
sl_status sl_plan_resolve(sl_plan *plan);

#endif
