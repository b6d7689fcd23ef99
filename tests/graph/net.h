/* A small network with a branch, attention, concatenation and a residual, for tests of the graph. */
#ifndef SL_TESTS_GRAPH_NET_H
#define SL_TESTS_GRAPH_NET_H

#include "graph/plan.h"

typedef struct net_options {
    sl_dtype dtype; /* of parameters and inputs */
    bool bf16;      /* activations in BF16 */
    bool lora;      /* only the attention's q is trained */
    bool recompute;
    sl_plan_options plan;
} net_options;

typedef struct net {
    sl_graph *graph;
    sl_plan *plan;
    sl_value x, target, t, loss, y;
    void **parameters, **gradients; /* in order of the graph's parameters; gradients NULL for frozen ones */
    sl_dtype dtype;
    bool bf16;
} net;

/* Built, planned, bound and reserved, with repeatable parameters and inputs; gradients are zero. */
void net_new(net *n, const net_options *options);
void net_free(net *n);
double net_run(net *n);                      /* returns the loss */
int net_count(const net *n, const char *op); /* operations of this name in the plan */

#endif
