/* Low-rank adapters of a denoiser: gradients and optimiser steps, with the recorded alpha. */
#include "loop/golden/net.h"

#include "nn/lora.h"

#include <string.h>

/* The names of peft. */
static const sl_name_rule renames[] = {{"*.lora_A.weight", "$1.lora.down.weight", 0, 0},
                                       {"*.lora_B.weight", "$1.lora.up.weight", 0, 0}};
static const sl_name_rules peft_names = {renames, 2};

/* The adapter with the recorded first values ("init.<peft name>"). */
static sl_status read_adapter(sl_golden *g, const json_t *facts, sl_lora **out) {
    static const char prefix[] = "init.";
    int64_t rank;
    double alpha;
    SL_TRY(sl_json_int(facts, "r", 1, 4096, &rank));
    SL_TRY(sl_json_real(facts, "lora_alpha", &alpha));
    SL_TRY(sl_lora_new(NULL, rank, alpha, out));
    for (size_t i = 0; i < sl_safetensors_count(g->file); i++) {
        const sl_stored_tensor *stored = sl_safetensors_at(g->file, i);
        char *name;
        sl_param *param;
        if (strncmp(stored->name, prefix, sizeof prefix - 1) != 0) continue;
        sl_name_rules_apply(&peft_names, g->arena, stored->name + sizeof prefix - 1, &name);
        SL_TRY(sl_params_declare((*out)->params, name, &stored->shape, SL_INIT_RULE_ZEROS, false, &param));
        SL_TRY(sl_params_allocate((*out)->params));
        sl_stored_tensor_read(stored, 0, (size_t)sl_shape_count(&stored->shape), SL_F32, param->value.data);
        sl_golden_touch(g, stored->name);
    }
    return SL_OK;
}

static sl_status train(sl_golden *g, const char *name, sl_golden_net *net, const sl_model *model,
                       sl_lora **lora) {
    static const char *const nothing[] = {NULL};
    const json_t *facts = sl_golden_case(g, name, NULL);
    double loss;
    /* The inputs are those of the denoiser's own training case, which must be open for them. */
    SL_TRY(sl_params_train_only(model->params, nothing));
    SL_TRY(read_adapter(g, facts, lora));
    SL_TRY(sl_golden_net_begin(g, net, model->params));
    const sl_lora *const loras[] = {*lora};
    net->nn.training = true;
    net->nn.loras = loras;
    net->nn.lora_count = 1;
    SL_TRY(sl_golden_inputs_from(g, sl_arena_printf(g->arena, "unet_%c_train", name[5])));
    sl_status status = sl_golden_denoiser(g, net, model);
    SL_TRY(sl_golden_inputs_from(g, NULL));
    net->nn.loras = NULL; /* the list ends with this call */
    net->nn.lora_count = 0;
    SL_TRY(status);
    SL_TRY(sl_plan_run(net->plan));
    SL_TRY(sl_golden_net_scalar(net, "loss", &loss));
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/%s/loss", name), json_object_get(facts, "loss"),
                             &loss, 1));
    SL_TRY(sl_golden_compare_gradients(g, (*lora)->params, "grad.", NULL, "", &peft_names));
    SL_TRY(sl_golden_optimise(g, name, net, (*lora)->params));
    return sl_golden_compare_values(g, (*lora)->params, "after10.", &peft_names);
}

sl_status sl_golden_lora(sl_golden *g) {
    static const struct {
        const char *name, *folder;
    } cases[] = {{"lora_a_train", "pipe/unet"}, {"lora_b_train", "unet_b"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sl_model *model;
        sl_lora *lora = NULL;
        sl_golden_net net = {0};
        SL_TRY(sl_model_load(sl_golden_path(g, cases[i].folder), &model));
        sl_status status = sl_golden_open(g, cases[i].name);
        if (!status) {
            sl_golden_begin(g, cases[i].name);
            sl_golden_end(g, train(g, cases[i].name, &net, model, &lora));
        }
        sl_golden_net_free(&net);
        sl_lora_free(lora);
        sl_model_free(model);
        SL_TRY(status);
    }
    return SL_OK;
}
