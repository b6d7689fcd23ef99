#include "loop/bench/bench_case.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/random/random.h"
#include "loop/engine.h"
#include "loop/train/base_internal.h"
#include "model/resnet.h"
#include "model/unet.h"
#include "model/vit.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

const sl_option sl_bench_options[] = {
    SL_OPTION_CHOICE(sl_bench_settings, dtype, "dtype", 0, "fp32", SL_ENGINE_DTYPES,
                     "arithmetic; fp16 on devices alone"),
    SL_OPTION_INT(sl_bench_settings, repeats, "repeats", 'r', "5", 1, 1000, "runs", "runs that are timed"),
    SL_OPTION_TEXT(sl_bench_settings, threads, "threads", 'j', NULL, "N[,N...]",
                   "threads to use, or several numbers to compare, as in 1,2 (default: one per CPU)"),
    SL_OPTION_INT(sl_bench_settings, warmup, "warmup", 0, "1", 0, 100, "runs", "runs before them"),
    SL_OPTION_FLAG(sl_bench_settings, profile, "profile", 0, "time by kernel and layer"),
    SL_OPTION_FLAG(sl_bench_settings, paced, "paced", 0,
                   "one run for each line on standard input, answered by its seconds"),
    SL_OPTION_FLAG(sl_bench_settings, memory, "memory", 0,
                   "what Stable Diffusion 1.5 at 512 px takes of memory, by plan: nothing is run"),
    SL_OPTION_FLAG(sl_bench_settings, list, "list", 'l', "list what can be measured"),
    {0}};

static const sl_bench_case *find_case(const char *name) {
    for (const sl_bench_case *c = sl_bench_cases; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

const char *sl_bench_name(int index) {
    return sl_bench_cases[index].name;
}

const char *sl_bench_about(const char *name) {
    const sl_bench_case *c = find_case(name);
    return c ? c->about : NULL;
}

double sl_bench_peak_rss_mb(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}

static sl_status make_base(const sl_bench_case *c, sl_model **out) {
    sl_arena *arena;
    sl_base_settings usual;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_options_default(sl_base_options, arena, &usual);
    sl_arena_free(arena);
    SL_TRY(status);
    sl_base_unet shape = sl_base_unet_shape(&usual, NULL);
    if (strcmp(c->config, "base-beam") != 0) shape = (sl_base_unet){.layers = shape.layers};
    shape.latent_side = c->side;
    return sl_base_unet_new(0, &shape, out);
}

static sl_status make_model(const sl_bench_case *c, sl_model **out) {
    if (strncmp(c->config, "base", 4) == 0) return make_base(c, out);
    if (c->config[0] != '{') {
        sl_resnet_config resnet;
        sl_vit_config vit;
        if (strncmp(c->config, "resnet", 6) == 0) {
            SL_TRY(sl_resnet_preset(c->config, 2, &resnet));
            return sl_model_new(&sl_resnet_kind, &resnet, out);
        }
        SL_TRY(sl_vit_preset(c->config, c->side, 2, &vit));
        return sl_model_new(&sl_vit_kind, &vit, out);
    }
    json_t *json;
    SL_TRY(sl_json_parse(c->config, strlen(c->config), "configuration", &json));
    sl_status status = sl_model_from_json(json, out);
    json_decref(json);
    return status;
}

static sl_status give_weights(sl_bench *b) {
    static const char *const all[] = {"", NULL}, *const none[] = {NULL};
    SL_TRY(sl_params_train_only(b->model->params, b->trains && !b->lora ? all : none));
    SL_TRY(sl_params_allocate_trained(b->model->params));
    if (b->trains && !b->lora) SL_TRY(sl_params_allocate_gradients(b->model->params));
    if (!b->lora) return SL_OK;
    SL_TRY(sl_params_initialise(b->lora->params, 0));
    return sl_params_allocate_gradients(b->lora->params);
}

/* A beam near the middle: where it is does not change the time, but rings need one. */
static sl_status fill_beam(sl_bench *b, sl_value value) {
    enum { PLACE_PX = 8 };
    const sl_shape shape = sl_value_shape(b->graph, value);
    const int64_t *dim = shape.dim, size = dim[1] * dim[2] * dim[3];
    const sl_direct_beam beam = {true, 0.52 * PLACE_PX * (double)dim[1], 0.49 * PLACE_PX * (double)dim[2]};
    float *data;
    SL_TRY(sl_alloc(&data, (size_t)(dim[0] * size), sizeof *data));
    for (int64_t n = 0; n < dim[0]; n++)
        sl_beam_map(&beam, NULL, dim[1], dim[2], PLACE_PX, dim[3], data + n * size);
    sl_status status = sl_plan_upload(b->plan, value, data, (size_t)(dim[0] * size) * sizeof *data);
    sl_free(data);
    return status;
}

/* Small numbers everywhere: their values do not change the time, but denormals and NaN would. */
static sl_status fill_inputs(sl_bench *b) {
    static const char *const names[] = {"sample", "timestep", "context", "target",
                                        "latent", "image",    "labels"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sl_value value = sl_graph_find(b->graph, names[i]);
        if (!sl_value_is(value)) continue;
        sl_shape shape = sl_value_shape(b->graph, value);
        size_t count = (size_t)sl_shape_count(&shape);
        float *data;
        SL_TRY(sl_alloc(&data, count, sizeof *data));
        sl_random random = sl_random_stream(0, SL_STREAM_TEST, (uint32_t)i);
        if (sl_value_dtype(b->graph, value) == SL_F32)
            sl_random_normals(&random, data, count); /* labels stay 0 */
        sl_status status = sl_plan_upload(b->plan, value, data, count * sizeof *data);
        sl_free(data);
        SL_TRY(status);
    }
    sl_value beam = sl_graph_find(b->graph, "beam");
    return sl_value_is(beam) ? fill_beam(b, beam) : SL_OK;
}

static sl_status add_slots(sl_bench *b) {
    sl_params *params = b->lora ? b->lora->params : b->model->params;
    SL_TRY(sl_slot_set_new(&b->slots));
    for (int i = 0; i < sl_params_count(params); i++) {
        sl_param *p = sl_params_at(params, i);
        if (p->gradient.data)
            SL_TRY(sl_slot_add(&b->slots, p->name, &p->value.shape, p->value.data, p->gradient.data, true));
    }
    b->optimizer = sl_optimizer_adamw();
    SL_TRY(sl_slot_set_ready(&b->slots, sl_optimizer_moments(&b->optimizer), false));
    return sl_residence_begin(&b->slots, &b->residence);
}

sl_status sl_bench_build(sl_bench *b) {
    b->trains = b->kind->train;
    SL_TRY(make_model(b->kind, &b->model));
    /* as the files of frozen models have them */
    SL_TRY(sl_params_initialise_on_demand(b->model->params, 0, SL_F16));
    if (b->kind->lora) SL_TRY(sl_lora_new(sl_lora_attention_targets, 4, 4, &b->lora));
    SL_TRY(sl_graph_new(&b->graph));
    sl_nn_open(&b->nn, b->graph, b->model->params);
    b->nn.dtype = b->dtype;
    b->nn.training = b->trains;
    const sl_lora *loras[] = {b->lora};
    b->nn.loras = loras;
    b->nn.lora_count = b->lora ? 1 : 0;
    static const char *const none[] = {NULL};
    SL_TRY(sl_params_train_only(b->model->params,
                                b->trains && !b->lora ? (const char *const[]){"", NULL} : none));
    sl_status status = b->kind->build(b);
    b->nn.loras = NULL; /* they stand here, on the stack */
    return status;
}

static sl_status set_up(sl_bench *b) {
    SL_TRY(sl_bench_build(b));
    SL_TRY(give_weights(b));
    SL_TRY(sl_plan_new(b->graph, &b->plan_options, &b->plan));
    SL_TRY(sl_nn_bind(&b->nn, b->plan));
    SL_TRY(sl_plan_reserve(b->plan));
    if (b->trains) SL_TRY(add_slots(b));
    return fill_inputs(b);
}

static sl_status unknown(const char *name) {
    sl_text list = SL_TEXT_INIT;
    for (const sl_bench_case *c = sl_bench_cases; c->name; c++) sl_text_printf(&list, " %s", c->name);
    sl_status status = sl_fail(SL_NOT_FOUND, "no bench '%s'; there are:%s", name, sl_text_get(&list));
    sl_text_free(&list);
    return status;
}

sl_status sl_bench_open(const char *name, const sl_bench_settings *settings, sl_bench **out) {
    const sl_bench_case *c = find_case(name);
    if (!c) return unknown(name);
    sl_dtype dtype;
    sl_bench *b;
    SL_TRY(sl_engine_dtype(settings->dtype, &dtype));
    SL_TRY(sl_alloc(&b, 1, sizeof *b));
    b->kind = c;
    b->dtype = dtype;
    b->plan_options.profile = settings->profile;
    sl_status status = set_up(b);
    if (status) {
        sl_bench_close(b);
        return status;
    }
    *out = b;
    return SL_OK;
}

static int runs_of(const sl_bench *b) {
    return b->kind->plan_runs ? b->kind->plan_runs : 1;
}

sl_status sl_bench_run(sl_bench *b, double *out_seconds) {
    double start = sl_clock_s();
    if (b->trains) SL_TRY(sl_residence_zero_gradients(b->residence));
    if (b->kind->plan_runs) SL_TRY(fill_inputs(b)); /* other prompts */
    for (int i = 0; i < runs_of(b); i++) SL_TRY(sl_plan_run(b->plan));
    if (b->trains) SL_TRY(sl_residence_step(b->residence, &b->optimizer, ++b->step, 1e-6, 1.0));
    SL_TRY(sl_plan_wait(b->plan));
    *out_seconds = sl_clock_s() - start;
    return SL_OK;
}

double sl_bench_gflop(const sl_bench *b) {
    double settled = sl_plan_settled_flops(b->plan), each = sl_plan_flops(b->plan) - settled;
    return (each * runs_of(b) + (b->kind->plan_runs ? settled : 0)) / 1e9;
}

void sl_bench_close(sl_bench *b) {
    if (!b) return;
    sl_plan_free(b->plan);
    sl_nn_close(&b->nn);
    sl_graph_free(b->graph);
    (void)sl_residence_end(b->residence);
    if (b->slots.arena) sl_slot_set_free(&b->slots);
    sl_lora_free(b->lora);
    sl_model_free(b->model);
    sl_free(b);
}
