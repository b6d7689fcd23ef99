/* The autoencoder: encoding, sampling, decoding, and gradients of its training loss. */
#include "loop/golden/net.h"

#include "model/vae.h"

static sl_status run_case(sl_golden *g, sl_golden_net *net, const sl_model *model, int index) {
    const sl_vae_config *config = model->config;
    static const char *const inputs[] = {"image", "noise", "z"}, *const outputs[] = {"mean", "logvar",
                                                                                     "sample_scaled",
                                                                                     "decoded"};
    const char *keys[3];
    sl_value in[3];
    SL_TRY(sl_golden_net_begin(g, net, model->params));
    for (int i = 0; i < 3; i++) {
        keys[i] = sl_arena_printf(g->arena, "%d.%s", index, inputs[i]);
        in[i] = sl_golden_net_input(g, net, keys[i]);
    }
    sl_vae_moments moments = sl_vae_encode_build(&net->nn, config, in[0]);
    sl_value sample = sl_vae_sample_build(&net->nn, moments, in[1]);
    sl_output(net->graph, "mean", moments.mean);
    sl_output(net->graph, "logvar", moments.logvar);
    sl_output(net->graph, "sample_scaled", sl_scale(net->graph, sample, config->scaling_factor, 0));
    sl_output(net->graph, "decoded", sl_vae_decode_build(&net->nn, config, in[2]));
    SL_TRY(sl_golden_net_ready(net));
    for (int i = 0; i < 3; i++) SL_TRY(sl_golden_net_feed(g, net, keys[i]));
    SL_TRY(sl_plan_run(net->plan));
    for (int i = 0; i < 4; i++)
        SL_TRY(
            sl_golden_net_compare(g, net, outputs[i], sl_arena_printf(g->arena, "%d.%s", index, outputs[i])));
    return SL_OK;
}

/* Mean over images of 0.5 sum(mean^2 + variance - 1 - log variance). */
static sl_value divergence(sl_graph *graph, sl_vae_moments moments) {
    sl_value sum = sl_add(graph, sl_square(graph, moments.mean), sl_exp(graph, moments.logvar));
    sum = sl_sub(graph, sl_scale(graph, sum, 1, -1), moments.logvar);
    double images = (double)sl_value_dim(graph, moments.mean, 0);
    return sl_scale(graph, sl_sum(graph, sum, SL_ALL_AXES), 0.5 / images, 0);
}

static sl_status train(sl_golden *g, sl_golden_net *net, const sl_model *model) {
    const sl_vae_config *config = model->config;
    const json_t *facts = sl_golden_case(g, "vae", NULL);
    SL_TRY(sl_golden_net_begin(g, net, model->params));
    net->nn.training = true;
    sl_graph *graph = net->graph;
    sl_value image = sl_golden_net_input(g, net, "train.image"),
             noise = sl_golden_net_input(g, net, "train.noise");
    sl_vae_moments moments = sl_vae_encode_build(&net->nn, config, image);
    sl_value rec = sl_vae_decode_build(&net->nn, config, sl_vae_sample_build(&net->nn, moments, noise));
    sl_value kl = divergence(graph, moments);
    sl_value loss = sl_add(graph, sl_mse(graph, rec, image, SL_NONE), sl_scale(graph, kl, 1e-6, 0));
    sl_output(graph, "rec", rec);
    sl_output(graph, "kl", kl);
    sl_output(graph, "loss", loss);
    sl_graph_backward(graph, loss);
    SL_TRY(sl_golden_net_ready(net));
    SL_TRY(sl_golden_net_feed(g, net, "train.image"));
    SL_TRY(sl_golden_net_feed(g, net, "train.noise"));
    SL_TRY(sl_plan_run(net->plan));
    SL_TRY(sl_golden_net_compare(g, net, "rec", "train.rec"));
    double found[2];
    SL_TRY(sl_golden_net_scalar(net, "loss", &found[0]));
    SL_TRY(sl_golden_net_scalar(net, "kl", &found[1]));
    SL_TRY(sl_golden_numbers(g, "/vae/train.loss", json_object_get(facts, "train.loss"), &found[0], 1));
    SL_TRY(sl_golden_numbers(g, "/vae/train.kl", json_object_get(facts, "train.kl"), &found[1], 1));
    return sl_golden_compare_gradients(g, model->params, "train.grad.",
                                       json_object_get(facts, "train.grad_norms"), "/vae/train.grad_norms",
                                       NULL);
}

static sl_status all_cases(sl_golden *g, const sl_model *model) {
    SL_TRY(sl_golden_open(g, "vae"));
    for (int i = 0; sl_golden_has(g, sl_arena_printf(g->arena, "%d.image", i)); i++) {
        sl_golden_net net = {0};
        sl_golden_begin(g, sl_arena_printf(g->arena, "vae.%d", i));
        sl_golden_end(g, run_case(g, &net, model, i));
        sl_golden_net_free(&net);
    }
    sl_golden_net net = {0};
    sl_golden_begin(g, "vae.train");
    sl_golden_end(g, train(g, &net, model));
    sl_golden_net_free(&net);
    return SL_OK;
}

sl_status sl_golden_vae(sl_golden *g) {
    sl_model *model;
    SL_TRY(sl_model_load(sl_golden_path(g, "pipe/vae"), &model));
    sl_status status = all_cases(g, model);
    sl_model_free(model);
    return status;
}
