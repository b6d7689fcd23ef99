/* Low-rank adapters: gradients against PyTorch (peft), files of diffusers, merging. */
#include "fixture.h"
#include "scratch_folder.h"

#include "model/lora_file.h"
#include "model/unet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "init.<path>.lora_A.weight" of the fixture to "<path>.lora.down.weight" of the store */
static sl_param *adapter_param(const sl_lora *lora, const char *stored, const char *prefix) {
    char name[256];
    const char *path = stored + strlen(prefix), *end = strstr(path, ".lora_");
    bool down = end[6] == 'A';
    snprintf(name, sizeof name, "%.*s.lora.%s.weight", (int)(end - path), path, down ? "down" : "up");
    return sl_params_find(lora->params, name);
}

static sl_value unet_output(sl_program *p, const sl_model *model, const sl_safetensors *file,
                            sl_value *target) {
    const int64_t *x = sl_safetensors_find(file, "xt")->shape.dim;
    sl_shape shape = SL_SHAPE(x[0], x[2], x[3], x[1]);
    sl_value sample = sl_input(p->graph, "sample", SL_F32, shape);
    sl_value timestep = sl_input(p->graph, "timestep", SL_F32, SL_SHAPE(x[0]));
    sl_value context = sl_input(p->graph, "context", SL_F32, sl_safetensors_find(file, "ctx")->shape);
    if (target) *target = sl_input(p->graph, "target", SL_F32, shape);
    return sl_unet_build(&p->nn, model->config, sample, timestep, context, SL_NONE);
}

static void set_inputs(sl_program *p, const sl_safetensors *file) {
    sl_tensor timestep;
    set_from_fixture(p, "sample", file, "xt");
    set_from_fixture(p, "context", file, "ctx");
    assert_ok(sl_safetensors_load(file, "timestep", SL_F32, &timestep));
    assert_ok(sl_program_set(p, "timestep", timestep.data, sl_tensor_bytes(&timestep)));
    sl_tensor_free(&timestep);
}

static void freeze(sl_params *params) {
    assert_ok(sl_params_train_only(params, (const char *const[]){NULL}));
}

/* An adapter on the model with the fixture's first values; *p is built, ready to run, and gives "loss". */
static void training_program(sl_program *p, const sl_model *model, const sl_lora *lora,
                             const sl_lora *const *list, const sl_safetensors *inputs,
                             const sl_safetensors *first) {
    assert_ok(sl_program_begin(p, model->params));
    p->nn.training = true;
    p->nn.loras = list;
    p->nn.lora_count = 1;
    sl_value target, y = unet_output(p, model, inputs, &target);
    sl_value loss = sl_mse(p->graph, y, target, SL_NONE);
    sl_output(p->graph, "loss", loss);
    sl_graph_backward(p->graph, loss);
    assert_ok(sl_graph_status(p->graph));
    assert_ok(sl_params_allocate(lora->params));
    assert_ok(sl_params_allocate_gradients(lora->params));
    for (size_t i = 0; i < sl_safetensors_count(first); i++) {
        const sl_stored_tensor *stored = sl_safetensors_at(first, i);
        if (strncmp(stored->name, "init.", 5) != 0) continue;
        sl_param *param = adapter_param(lora, stored->name, "init.");
        if (!param) fail_msg("no adapter for '%s'", stored->name);
        sl_stored_tensor_read(stored, 0, (size_t)sl_shape_count(&stored->shape), SL_F32, param->value.data);
    }
    assert_ok(sl_program_finish(p, NULL));
    set_inputs(p, inputs);
    set_from_fixture(p, "target", inputs, "eps");
}

static void gradient_case(const char *folder, const char *inputs_file, const char *case_file,
                          double expected) {
    sl_model *model;
    sl_lora *lora;
    sl_program p;
    assert_ok(sl_model_load(fixture_path(folder), &model));
    sl_safetensors *inputs = fixture_open(inputs_file), *file = fixture_open(case_file);
    freeze(model->params);
    assert_ok(sl_lora_new(sl_lora_attention_targets, 4, 8.0, &lora));
    const sl_lora *const list[] = {lora};
    training_program(&p, model, lora, list, inputs, file);
    assert_ok(sl_program_run(&p));
    float loss;
    assert_ok(sl_program_get(&p, "loss", &loss, sizeof loss));
    assert_true(fabs((double)loss - expected) < 1e-5);
    int compared = 0;
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const char *name = sl_safetensors_at(file, i)->name;
        if (strncmp(name, "grad.", 5) != 0) continue;
        const sl_param *param = adapter_param(lora, name, "grad.");
        sl_tensor want = fixture_tensor(file, name);
        double error = relative_error(param->gradient.data, want.data, sl_shape_count(&want.shape));
        if (!(error <= 1e-4)) fail_msg("%s: relative error %.3g", name, error);
        sl_tensor_free(&want);
        compared++;
    }
    assert_int_equal(compared, sl_params_count(lora->params));
    sl_program_end(&p);
    sl_lora_free(lora);
    sl_safetensors_close(file);
    sl_safetensors_close(inputs);
    sl_model_free(model);
}

static void gradients_match(void **state) {
    (void)state;
    gradient_case("pipe/unet", "cases/unet_a_train.safetensors", "cases/lora_a_train.safetensors",
                  1.1139713525772095);
    gradient_case("unet_b", "cases/unet_b_train.safetensors", "cases/lora_b_train.safetensors",
                  1.0986318588256836);
}

static sl_tensor prediction(const sl_model *model, const sl_lora *const *loras, int count,
                            const sl_safetensors *file) {
    sl_program p;
    sl_tensor out;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.loras = loras;
    p.nn.lora_count = count;
    sl_output(p.graph, "out", unet_output(&p, model, file, NULL));
    for (int i = 0; i < count; i++) assert_ok(sl_params_allocate(loras[i]->params));
    assert_ok(sl_program_finish(&p, NULL));
    set_inputs(&p, file);
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get_tensor(&p, "out", &out));
    sl_program_end(&p);
    return out;
}

static void new_adapters_change_nothing(void **state) {
    (void)state;
    sl_model *model;
    sl_lora *lora;
    assert_ok(sl_model_load(fixture_path("unet_b"), &model));
    sl_safetensors *file = fixture_open("cases/unet_b_train.safetensors");
    assert_ok(sl_lora_new((const char *const[]){"to_q", "ff.net.2", "conv1", "proj_in", NULL}, 3, 0, &lora));
    const sl_lora *const list[] = {lora};
    sl_tensor plain = prediction(model, NULL, 0, file);
    assert_ok(sl_lora_declare(lora, model));
    assert_ok(sl_params_initialise(lora->params, 7));
    const sl_param *down = sl_params_find(lora->params, "down_blocks.1.resnets.0.conv1.lora.down.weight");
    assert_non_null(down);
    assert_int_equal(down->value.shape.rank, 4);
    sl_tensor adapted = prediction(model, list, 1, file);
    assert_memory_equal(adapted.data, plain.data, sl_tensor_bytes(&plain));

    /* with something in `up` it does, and merging gives the same */
    for (int i = 0; i < sl_params_count(lora->params); i++) {
        sl_param *param = sl_params_at(lora->params, i);
        param->init = sl_init_normal(0.05);
        assert_ok(sl_param_initialise(param, 8));
    }
    sl_tensor live = prediction(model, list, 1, file);
    assert_true(relative_error(live.data, plain.data, sl_shape_count(&plain.shape)) > 1e-3);
    assert_ok(sl_lora_merge(lora, model->params, 1.0));
    sl_tensor merged = prediction(model, NULL, 0, file);
    assert_true(relative_error(merged.data, live.data, sl_shape_count(&plain.shape)) < 2e-5);
    sl_tensor_free(&plain);
    sl_tensor_free(&adapted);
    sl_tensor_free(&live);
    sl_tensor_free(&merged);
    sl_lora_free(lora);
    sl_safetensors_close(file);
    sl_model_free(model);
}

static void files_come_back(void **state) {
    (void)state;
    char folder[SCRATCH_FOLDER_BYTES], path[128];
    assert_true(scratch_folder_make(folder));
    snprintf(path, sizeof path, "%s/pytorch_lora_weights.safetensors", folder);
    sl_model *a, *b;
    sl_lora *lora, *again;
    assert_ok(sl_model_load_config(fixture_path("pipe/unet"), &a));
    assert_ok(sl_model_load_config(fixture_path("unet_b"), &b));
    assert_ok(sl_lora_load(fixture_path("lora"), a->params, &lora));
    assert_int_equal(lora->rank, 4);
    assert_true(lora->alpha == 4.0); /* the file says none */
    lora->alpha = 8.0;
    assert_ok(sl_lora_save(lora, path));
    assert_ok(sl_lora_load(folder, a->params, &again));
    assert_true(again->alpha == 8.0);
    assert_int_equal(sl_params_count(again->params), 64);
    for (int i = 0; i < 64; i++) {
        const sl_param *x = sl_params_at(lora->params, i), *y = sl_params_find(again->params, x->name);
        assert_non_null(y);
        assert_memory_equal(x->value.data, y->value.data, sl_tensor_bytes(&x->value));
    }
    /* the other model has other layers: all its misfits are listed */
    sl_lora *wrong;
    assert_status(sl_lora_load(path, b->params, &wrong), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "wrong shape"));
    sl_lora_free(lora);
    sl_lora_free(again);
    sl_model_free(a);
    sl_model_free(b);
    assert_true(scratch_folder_remove(folder));
}

/* The paper's adapter on Stable Diffusion 1.5: 128 layers, 797,184 numbers. */
static void paper_size(void **state) {
    (void)state;
    char folder[1024];
    const char *path = fixture_path("variant.json");
    snprintf(folder, sizeof folder, "%.*s/../reference/sd15/unet", (int)(strrchr(path, '/') - path), path);
    sl_model *model;
    sl_lora *lora;
    assert_ok(sl_model_load_config(folder, &model));
    assert_ok(sl_lora_new(sl_lora_attention_targets, 4, 0, &lora));
    assert_ok(sl_lora_declare(lora, model));
    assert_int_equal(sl_params_count(lora->params), 256);
    assert_int_equal(sl_params_values(lora->params, true), 797184);
    sl_lora_free(lora);
    sl_model_free(model);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradients_match),
    cmocka_unit_test(new_adapters_change_nothing),
    cmocka_unit_test(files_come_back),
    cmocka_unit_test(paper_size),
};
TEST_MAIN(tests)
