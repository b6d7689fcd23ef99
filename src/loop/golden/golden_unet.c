/* UNets: forward passes with probes, gradients, optimiser steps, targets of training. */
#include "loop/golden/net.h"

#include "diffusion/noise_schedule.h"
#include "model/unet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *forward, *train, *folder;
} nets[] = {{"unet_a_fwd", "unet_a_train", "pipe/unet"}, {"unet_b_fwd", "unet_b_train", "unet_b"}};

enum { PROBES_MAX = 64, STEPS_MAX = 1000 };

/* Module paths that case `index` probes: keys "INDEX.probe.<path>". The list ends with NULL. */
static void find_probes(const sl_golden *g, int index, const char **probes) {
    const char *prefix = sl_arena_printf(g->arena, "%d.probe.", index);
    int count = 0;
    for (size_t i = 0; i < sl_safetensors_count(g->file) && count < PROBES_MAX; i++) {
        const char *name = sl_safetensors_at(g->file, i)->name;
        if (strncmp(name, prefix, strlen(prefix)) == 0) probes[count++] = name + strlen(prefix);
    }
    probes[count] = NULL;
}

static sl_status forward(sl_golden *g, sl_golden_net *net, const sl_model *model, int index) {
    const char *probes[PROBES_MAX + 1];
    const char *sample = sl_arena_printf(g->arena, "%d.sample", index);
    const char *timestep = sl_arena_printf(g->arena, "%d.timestep", index);
    const char *context = sl_arena_printf(g->arena, "%d.ctx", index);
    find_probes(g, index, probes);
    SL_TRY(sl_golden_net_begin(g, net, model->params));
    net->nn.probes = probes;
    sl_value x = sl_golden_net_input(g, net, sample), e = sl_golden_net_input(g, net, context);
    sl_value t = sl_input(net->graph, timestep, SL_F32, SL_SHAPE(sl_value_dim(net->graph, x, 0)));
    sl_output(net->graph, "out", sl_unet_build(&net->nn, model->config, x, t, e, SL_NONE));
    SL_TRY(sl_golden_net_ready(net));
    SL_TRY(sl_golden_net_feed(g, net, sample));
    SL_TRY(sl_golden_net_feed(g, net, timestep));
    SL_TRY(sl_golden_net_feed(g, net, context));
    SL_TRY(sl_plan_run(net->plan));
    SL_TRY(sl_golden_net_compare(g, net, "out", sl_arena_printf(g->arena, "%d.out", index)));
    for (int i = 0; probes[i]; i++)
        SL_TRY(sl_golden_net_compare(g, net, sl_arena_printf(g->arena, "probe.%s", probes[i]),
                                     sl_arena_printf(g->arena, "%d.probe.%s", index, probes[i])));
    return SL_OK;
}

static sl_status forward_cases(sl_golden *g, const char *name, const sl_model *model) {
    SL_TRY(sl_golden_open(g, name));
    for (int i = 0; sl_golden_has(g, sl_arena_printf(g->arena, "%d.sample", i)); i++) {
        sl_golden_net net = {0};
        sl_golden_begin(g, sl_arena_printf(g->arena, "%s.%d", name, i));
        sl_golden_end(g, forward(g, &net, model, i));
        sl_golden_net_free(&net);
    }
    return SL_OK;
}

sl_status sl_golden_denoiser(sl_golden *g, sl_golden_net *net, const sl_model *model) {
    sl_value x = sl_golden_net_input(g, net, "xt"), e = sl_golden_net_input(g, net, "ctx");
    sl_value target = sl_golden_net_input(g, net, "eps"), none = {0};
    sl_value t = sl_input(net->graph, "timestep", SL_F32, SL_SHAPE(sl_value_dim(net->graph, x, 0)));
    sl_value loss =
        sl_mse(net->graph, sl_unet_build(&net->nn, model->config, x, t, e, SL_NONE), target, none);
    sl_output(net->graph, "loss", loss);
    sl_graph_backward(net->graph, loss);
    SL_TRY(sl_golden_net_ready(net));
    static const char *const keys[] = {"xt", "ctx", "eps", "timestep"};
    for (int i = 0; i < 4; i++) SL_TRY(sl_golden_net_feed(g, net, keys[i]));
    return SL_OK;
}

static sl_status gradients(sl_golden *g, const char *name, sl_golden_net *net, const sl_model *model) {
    const json_t *facts = sl_golden_case(g, name, NULL);
    double loss, norm = 0;
    SL_TRY(sl_plan_run(net->plan));
    SL_TRY(sl_golden_net_scalar(net, "loss", &loss));
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/%s/loss", name), json_object_get(facts, "loss"),
                             &loss, 1));
    for (int i = 0; i < sl_params_count(model->params); i++) {
        const sl_tensor *gradient = &sl_params_at(model->params, i)->gradient;
        for (int64_t k = 0; gradient->data && k < sl_shape_count(&gradient->shape); k++) {
            double value = (double)((const float *)gradient->data)[k];
            norm += value * value;
        }
    }
    norm = sqrt(norm);
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/%s/grad_global_norm", name),
                             json_object_get(facts, "grad_global_norm"), &norm, 1));
    return sl_golden_compare_gradients(g, model->params, "grad.", json_object_get(facts, "grad_norms"),
                                       sl_arena_printf(g->arena, "/%s/grad_norms", name), NULL);
}

sl_status sl_golden_optimise(sl_golden *g, const char *name, sl_golden_net *net, sl_params *params) {
    const json_t *facts = sl_golden_case(g, name, NULL), *losses = json_object_get(facts, "losses");
    double found[STEPS_MAX], norms[STEPS_MAX];
    sl_golden_training training = {.steps = (int)json_array_size(losses), .losses = found, .norms = norms};
    json_t *adamw;
    if (training.steps < 1 || training.steps > STEPS_MAX)
        return sl_fail(SL_FORMAT, "%d losses of optimiser steps", training.steps);
    SL_TRY(sl_json_object(facts, "adamw", &adamw));
    SL_TRY(sl_json_real(adamw, "lr", &training.rate));
    SL_TRY(sl_json_real_or(adamw, "clip_norm", 0, &training.clip));
    SL_TRY(sl_golden_train(net, params, &training));
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/%s/losses", name), losses, found,
                             (size_t)training.steps));
    if (training.clip > 0)
        SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/%s/clip_norms", name),
                                 json_object_get(facts, "clip_norms"), norms, (size_t)training.steps));
    return SL_OK;
}

/* xt, the velocity and the loss weights of the same draw. */
static sl_status targets(sl_golden *g) {
    const sl_noise_schedule_settings settings = {SL_BETAS_SCALED_LINEAR, 1000, 0.00085, 0.012, false};
    sl_noise_schedule schedule;
    sl_tensor x0 = {0}, eps = {0}, t = {0}, xt = {0}, velocity = {0};
    float snr[64], weight[64];
    sl_status status;
    SL_TRY(sl_noise_schedule_new(&settings, &schedule));
    SL_GUARD(status, sl_golden_load(g, "x0", SL_F32, &x0), out);
    SL_GUARD(status, sl_golden_load(g, "eps", SL_F32, &eps), out);
    SL_GUARD(status, sl_golden_load(g, "timestep", SL_I64, &t), out);
    SL_GUARD(status, sl_tensor_new(SL_F32, &x0.shape, &xt), out);
    SL_GUARD(status, sl_tensor_new(SL_F32, &x0.shape, &velocity), out);
    size_t images = (size_t)sl_shape_count(&t.shape), count = (size_t)sl_shape_count(&x0.shape),
           each = count / images;
    if (images > 64) images = 64;
    for (size_t n = 0; n < images; n++) {
        int step = (int)((const int64_t *)t.data)[n];
        const float *image = (const float *)x0.data + n * each, *noise = (const float *)eps.data + n * each;
        sl_noise_schedule_add_noise(&schedule, step, image, noise, (float *)xt.data + n * each, each);
        sl_noise_schedule_velocity(&schedule, step, image, noise, (float *)velocity.data + n * each, each);
        snr[n] = sl_noise_schedule_snr(&schedule, step);
        weight[n] = fminf(snr[n], 5) / snr[n];
    }
    SL_GUARD(status, sl_golden_floats(g, "xt", xt.data, count), out);
    SL_GUARD(status, sl_golden_floats(g, "v_target", velocity.data, count), out);
    SL_GUARD(status, sl_golden_floats(g, "snr", snr, images), out);
    status = sl_golden_floats(g, "min_snr5_eps", weight, images);
out:
    sl_noise_schedule_free(&schedule);
    sl_tensor_free(&x0);
    sl_tensor_free(&eps);
    sl_tensor_free(&t);
    sl_tensor_free(&xt);
    sl_tensor_free(&velocity);
    return status;
}

static sl_status train_cases(sl_golden *g, const char *name, sl_model *model) {
    sl_golden_net net;
    SL_TRY(sl_golden_open(g, name));
    sl_golden_begin(g, sl_arena_printf(g->arena, "%s.targets", name));
    g->dtype = SL_F32; /* no network's */
    sl_golden_end(g, targets(g));
    sl_golden_begin(g, sl_arena_printf(g->arena, "%s.gradients", name));
    sl_status status = sl_golden_net_begin(g, &net, model->params);
    net.nn.training = true;
    if (!status) status = sl_golden_denoiser(g, &net, model);
    if (!status) status = gradients(g, name, &net, model);
    sl_golden_end(g, status);
    sl_golden_begin(g, sl_arena_printf(g->arena, "%s.adamw", name));
    if (!status) status = sl_golden_optimise(g, name, &net, model->params);
    if (!status) status = sl_golden_compare_values(g, model->params, "after10.", NULL);
    sl_golden_end(g, status);
    sl_golden_net_free(&net);
    return SL_OK;
}

sl_status sl_golden_unet(sl_golden *g) {
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        sl_model *model;
        SL_TRY(sl_model_load(sl_golden_path(g, nets[i].folder), &model));
        sl_status status = forward_cases(g, nets[i].forward, model);
        if (!status) status = train_cases(g, nets[i].train, model);
        sl_model_free(model);
        SL_TRY(status);
    }
    return SL_OK;
}
