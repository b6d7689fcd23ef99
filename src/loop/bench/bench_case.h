/* The inside of a bench: what a case sets up. */
#ifndef SL_LOOP_BENCH_CASE_H
#define SL_LOOP_BENCH_CASE_H

#include "loop/bench/bench.h"
#include "model/model.h"
#include "nn/lora.h"
#include "train/residence.h"

enum { SL_BENCH_INPUTS_MAX = 6 };

struct sl_bench {
    const struct sl_bench_case *kind;
    sl_dtype dtype;
    sl_model *model;
    sl_lora *lora;
    sl_graph *graph;
    sl_plan *plan;
    sl_nn nn;
    bool trains;
    sl_slot_set slots; /* of a training step */
    sl_residence *residence;
    sl_optimizer optimizer;
    int64_t step;
    sl_plan_options plan_options;
};

typedef struct sl_bench_case {
    const char *name, *about;
    const char *config; /* JSON of the model; or a preset of the classifiers; or "base", the base model's
                           denoiser, "base-beam" with its layers about the beam, as it is shipped */
    int64_t side, batch;
    bool train, lora;
    int plan_runs; /* steps of a sampling with new prompts, which one run of the bench is; 0: one graph run */
    sl_status (*build)(
        sl_bench *bench); /* fills the graph; ends in an output, or in a loss where it trains */
} sl_bench_case;

extern const sl_bench_case sl_bench_cases[]; /* ends with {0} */

/* Model and graph of bench->kind in bench->dtype; no weights, no plan. For what only looks at shapes. */
sl_status sl_bench_build(sl_bench *bench);

#endif
