/* Text encoders: last hidden state, pooled, and two hidden states. */
#include "loop/golden/net.h"

#include "model/clip.h"

#include <stdio.h>

static sl_status encode(sl_golden *g, sl_golden_net *net, const sl_model *model) {
    const sl_clip_config *config = model->config;
    const char *before_last =
        sl_arena_printf(g->arena, "text_model.encoder.layers.%d", (int)config->num_hidden_layers - 2);
    const char *const probes[] = {"text_model.embeddings", before_last, NULL};
    sl_tensor ids;
    SL_TRY(sl_golden_net_begin(g, net, model->params));
    net->nn.probes = probes;
    sl_value input = sl_golden_net_input(g, net, "input_ids");
    sl_value all = sl_clip_build(&net->nn, config, input, 0);
    int64_t count = sl_value_dim(net->graph, input, 0), length = sl_value_dim(net->graph, input, 1);
    sl_value rows = sl_input(net->graph, "rows", SL_I32, SL_SHAPE(count));
    sl_output(net->graph, "all", all);
    sl_output(net->graph, "pooled", sl_clip_pool_build(&net->nn, all, rows));
    SL_TRY(sl_golden_net_ready(net));
    SL_TRY(sl_golden_net_feed(g, net, "input_ids"));
    SL_TRY(sl_golden_load(g, "input_ids", SL_I32, &ids));
    int32_t *places;
    sl_status status = sl_alloc(&places, (size_t)count, sizeof *places);
    if (!status) {
        sl_clip_pool_rows(config, ids.data, count, length, places);
        status = sl_plan_upload(net->plan, rows, places, (size_t)count * sizeof *places);
        sl_free(places);
    }
    sl_tensor_free(&ids);
    SL_TRY(status);
    SL_TRY(sl_plan_run(net->plan));
    SL_TRY(sl_golden_net_compare(g, net, "all", "last_hidden_state"));
    SL_TRY(sl_golden_net_compare(g, net, "pooled", "pooler_output"));
    SL_TRY(sl_golden_net_compare(g, net, "probe.text_model.embeddings", "hidden_0"));
    return config->num_hidden_layers < 2
               ? SL_OK
               : sl_golden_net_compare(g, net, sl_arena_printf(g->arena, "probe.%s", before_last),
                                       "hidden_m2");
}

static sl_status one_encoder(sl_golden *g, const char *folder) {
    sl_model *model;
    sl_golden_net net = {0};
    SL_TRY(sl_model_load(sl_golden_path(g, folder), &model));
    sl_status status = encode(g, &net, model);
    sl_golden_net_free(&net);
    sl_model_free(model);
    return status;
}

sl_status sl_golden_clip(sl_golden *g) {
    static const struct {
        const char *name, *folder;
    } encoders[] = {{"clip_a", "pipe/text_encoder"}, {"clip_b", "clip_b"}};
    for (int i = 0; i < 2; i++) {
        SL_TRY(sl_golden_open(g, encoders[i].name));
        sl_golden_begin(g, encoders[i].name);
        sl_golden_end(g, one_encoder(g, encoders[i].folder));
    }
    return SL_OK;
}
