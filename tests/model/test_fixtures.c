/* Forward passes and gradients against PyTorch. */
#include "fixture.h"

#include "model/clip.h"
#include "model/resnet.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vit.h"
#include "nn/lora.h"
#include "weights/checkpoint.h"

#include <math.h>
#include <string.h>

static const double tolerance = 2e-5;

/* ---- text encoder ---- */

static void clip_case(const char *folder, const char *case_file) {
    sl_model *model;
    assert_ok(sl_model_load(fixture_path(folder), &model));
    sl_safetensors *file = fixture_open(case_file);
    const sl_clip_config *config = model->config;
    sl_tensor ids = fixture_tensor(file, "input_ids");
    int64_t count = ids.shape.dim[0], length = ids.shape.dim[1];
    char before_last[64];
    snprintf(before_last, sizeof before_last, "text_model.encoder.layers.%d",
             (int)config->num_hidden_layers - 2);
    const char *const probes[] = {"text_model.embeddings", before_last, NULL};

    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.probes = probes;
    sl_value input = sl_input(p.graph, "ids", SL_I32, ids.shape);
    sl_value rows = sl_input(p.graph, "rows", SL_I32, SL_SHAPE(count));
    sl_value embeddings = sl_clip_build(&p.nn, config, input, 0);
    sl_output(p.graph, "embeddings", embeddings);
    sl_output(p.graph, "pooled", sl_clip_pool_build(&p.nn, embeddings, rows));
    assert_ok(sl_program_finish(&p, NULL));
    int32_t at[16];
    sl_clip_pool_rows(config, ids.data, count, length, at);
    assert_ok(sl_program_set(&p, "ids", ids.data, sl_tensor_bytes(&ids)));
    assert_ok(sl_program_set(&p, "rows", at, (size_t)count * sizeof *at));
    assert_ok(sl_program_run(&p));
    assert_output_near(&p, "embeddings", file, "last_hidden_state", tolerance);
    assert_output_near(&p, "pooled", file, "pooler_output", tolerance);
    assert_output_near(&p, "probe.text_model.embeddings", file, "hidden_0", tolerance);
    char name[96];
    snprintf(name, sizeof name, "probe.%s", before_last);
    assert_output_near(&p, name, file, "hidden_m2", tolerance);
    sl_program_end(&p);
    sl_tensor_free(&ids);
    sl_safetensors_close(file);
    sl_model_free(model);
}

static void clip_matches(void **state) {
    (void)state;
    clip_case("pipe/text_encoder", "cases/clip_a.safetensors");
    clip_case("clip_b", "cases/clip_b.safetensors");
}

/* ---- denoiser ---- */

static const char *const unet_probes[] = {"conv_in",
                                          "time_embedding",
                                          "down_blocks.0",
                                          "down_blocks.1",
                                          "down_blocks.2",
                                          "mid_block",
                                          "up_blocks.0",
                                          "up_blocks.1",
                                          "up_blocks.2",
                                          "down_blocks.0.resnets.0",
                                          "down_blocks.0.attentions.0",
                                          "conv_norm_out",
                                          NULL};

static sl_shape stored_shape(const sl_safetensors *file, const char *name) {
    const sl_stored_tensor *tensor = sl_safetensors_find(file, name);
    if (!tensor) fail_msg("no tensor '%s' in the fixture", name);
    return tensor->shape;
}

static sl_shape nhwc_shape(sl_shape s) {
    return SL_SHAPE(s.dim[0], s.dim[2], s.dim[3], s.dim[1]);
}

static void set_timestep(sl_program *p, const sl_safetensors *file, const char *name) {
    sl_tensor stored;
    assert_ok(sl_safetensors_load(file, name, SL_F32, &stored));
    assert_ok(sl_program_set(p, "timestep", stored.data, sl_tensor_bytes(&stored)));
    sl_tensor_free(&stored);
}

/* Inputs "sample", "timestep", "context"; the prediction is returned. */
static sl_value unet_graph(sl_program *p, const sl_model *model, sl_shape sample, sl_shape context) {
    sl_value x = sl_input(p->graph, "sample", SL_F32, sample);
    sl_value t = sl_input(p->graph, "timestep", SL_F32, SL_SHAPE(sample.dim[0]));
    sl_value c = sl_input(p->graph, "context", SL_F32, context);
    return sl_unet_build(&p->nn, model->config, x, t, c, SL_NONE);
}

static void unet_forward_case(const sl_model *model, const sl_safetensors *file, int number) {
    char sample[32], context[32], timestep[32], out[32], stored[96], output[96];
    snprintf(sample, sizeof sample, "%d.sample", number);
    snprintf(context, sizeof context, "%d.ctx", number);
    snprintf(timestep, sizeof timestep, "%d.timestep", number);
    snprintf(out, sizeof out, "%d.out", number);
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    if (number == 0) p.nn.probes = unet_probes;
    sl_value y = unet_graph(&p, model, nhwc_shape(stored_shape(file, sample)), stored_shape(file, context));
    sl_output(p.graph, "out", y);
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "sample", file, sample);
    set_from_fixture(&p, "context", file, context);
    set_timestep(&p, file, timestep);
    assert_ok(sl_program_run(&p));
    for (const char *const *probe = unet_probes; number == 0 && *probe; probe++) {
        snprintf(stored, sizeof stored, "0.probe.%s", *probe);
        snprintf(output, sizeof output, "probe.%s", *probe);
        if (sl_safetensors_find(file, stored)) assert_output_near(&p, output, file, stored, tolerance);
    }
    assert_output_near(&p, "out", file, out, tolerance);
    sl_program_end(&p);
}

static void unet_forward(const char *folder, const char *case_file) {
    sl_model *model;
    assert_ok(sl_model_load(fixture_path(folder), &model));
    sl_safetensors *file = fixture_open(case_file);
    for (int number = 0; number < 3; number++) unet_forward_case(model, file, number);
    sl_safetensors_close(file);
    sl_model_free(model);
}

static void unet_matches(void **state) {
    (void)state;
    unet_forward("pipe/unet", "cases/unet_a_fwd.safetensors");
    unet_forward("unet_b", "cases/unet_b_fwd.safetensors");
}

/* In bfloat16 each operation rounds to 8 bits: percents, not parts in 10^5. */
static void unet_runs_in_bf16(void **state) {
    (void)state;
    sl_model *model;
    assert_ok(sl_model_load(fixture_path("pipe/unet"), &model));
    sl_safetensors *file = fixture_open("cases/unet_a_fwd.safetensors");
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.dtype = SL_BF16;
    sl_output(p.graph, "out",
              unet_graph(&p, model, nhwc_shape(stored_shape(file, "0.sample")), stored_shape(file, "0.ctx")));
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "sample", file, "0.sample");
    set_from_fixture(&p, "context", file, "0.ctx");
    set_timestep(&p, file, "0.timestep");
    assert_ok(sl_program_run(&p));
    assert_output_near(&p, "out", file, "0.out", 3e-2);
    sl_program_end(&p);
    sl_safetensors_close(file);
    sl_model_free(model);
}

/* Every stored gradient "grad.<name>" against the store's. */
static int compare_gradients(const sl_params *params, const sl_safetensors *file, const char *prefix,
                             double allowed) {
    int compared = 0;
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const char *name = sl_safetensors_at(file, i)->name;
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        const sl_param *param = sl_params_find(params, name + strlen(prefix));
        if (!param) fail_msg("no parameter for '%s'", name);
        sl_tensor want = fixture_tensor(file, name);
        double error = relative_error(param->gradient.data, want.data, sl_shape_count(&want.shape));
        if (!(error <= allowed)) fail_msg("%s: relative error %.3g, allowed %.3g", name, error, allowed);
        sl_tensor_free(&want);
        compared++;
    }
    return compared;
}

/* Loss of the training case, with gradients; `recompute` must not change a bit. */
static float unet_loss(const sl_model *model, const sl_safetensors *file, bool recompute,
                       const sl_lora *const *loras, int lora_count) {
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.training = true;
    p.nn.recompute = recompute;
    p.nn.loras = loras;
    p.nn.lora_count = lora_count;
    sl_shape shape = nhwc_shape(stored_shape(file, "xt"));
    sl_value y = unet_graph(&p, model, shape, stored_shape(file, "ctx"));
    sl_value loss = sl_mse(p.graph, y, sl_input(p.graph, "target", SL_F32, shape), SL_NONE);
    sl_output(p.graph, "loss", loss);
    sl_graph_backward(p.graph, loss);
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "sample", file, "xt");
    set_from_fixture(&p, "target", file, "eps");
    set_from_fixture(&p, "context", file, "ctx");
    set_timestep(&p, file, "timestep");
    assert_ok(sl_program_run(&p));
    float value;
    assert_ok(sl_program_get(&p, "loss", &value, sizeof value));
    sl_program_end(&p);
    return value;
}

static void unet_gradients(const char *folder, const char *case_file, double expected_loss) {
    sl_model *model;
    assert_ok(sl_model_load(fixture_path(folder), &model));
    sl_safetensors *file = fixture_open(case_file);
    assert_ok(sl_params_allocate_gradients(model->params));
    float loss = unet_loss(model, file, false, NULL, 0);
    assert_true(fabs((double)loss - expected_loss) < 1e-5);
    assert_true(compare_gradients(model->params, file, "grad.", 1e-4) > 100);

    sl_param *first = sl_params_find(model->params, "conv_in.weight");
    size_t bytes = sl_tensor_bytes(&first->gradient);
    void *kept = malloc(bytes);
    memcpy(kept, first->gradient.data, bytes);
    sl_params_zero_gradients(model->params);
    assert_true(unet_loss(model, file, true, NULL, 0) == loss);
    assert_memory_equal(kept, first->gradient.data, bytes);
    free(kept);
    sl_safetensors_close(file);
    sl_model_free(model);
}

static void unet_gradients_match(void **state) {
    (void)state;
    unet_gradients("pipe/unet", "cases/unet_a_train.safetensors", 1.1370359659194946);
    unet_gradients("unet_b", "cases/unet_b_train.safetensors", 1.0944759845733643);
}

/* ---- autoencoder ---- */

static void vae_case(const sl_model *model, const sl_safetensors *file, int number) {
    const sl_vae_config *config = model->config;
    char image[16], noise[16], z[16], name[32];
    snprintf(image, sizeof image, "%d.image", number);
    snprintf(noise, sizeof noise, "%d.noise", number);
    snprintf(z, sizeof z, "%d.z", number);
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    sl_value x = sl_input(p.graph, "image", SL_F32, nhwc_shape(stored_shape(file, image)));
    sl_value n = sl_input(p.graph, "noise", SL_F32, nhwc_shape(stored_shape(file, noise)));
    sl_value latent = sl_input(p.graph, "z", SL_F32, nhwc_shape(stored_shape(file, z)));
    sl_vae_moments moments = sl_vae_encode_build(&p.nn, config, x);
    sl_output(p.graph, "mean", moments.mean);
    sl_output(p.graph, "logvar", moments.logvar);
    sl_value drawn = sl_vae_sample_build(&p.nn, moments, n);
    sl_output(p.graph, "sample_scaled", sl_scale(p.graph, drawn, config->scaling_factor, 0.0));
    sl_output(p.graph, "decoded", sl_vae_decode_build(&p.nn, config, latent));
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "image", file, image);
    set_from_fixture(&p, "noise", file, noise);
    set_from_fixture(&p, "z", file, z);
    assert_ok(sl_program_run(&p));
    static const char *const outputs[] = {"mean", "logvar", "sample_scaled", "decoded"};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%d.%s", number, outputs[i]);
        assert_output_near(&p, outputs[i], file, name, tolerance);
    }
    sl_program_end(&p);
}

/* mean of 0.5 (mean^2 + exp(logvar) - 1 - logvar), summed over an image's latents */
static sl_value kl(sl_graph *g, sl_vae_moments m, double count) {
    sl_value terms = sl_sub(g, sl_add(g, sl_square(g, m.mean), sl_exp(g, m.logvar)), m.logvar);
    return sl_scale(g, sl_sum(g, sl_scale(g, terms, 1.0, -1.0), SL_ALL_AXES), 0.5 / count, 0.0);
}

static void vae_gradients(const sl_model *model, const sl_safetensors *file) {
    const sl_vae_config *config = model->config;
    assert_ok(sl_params_allocate_gradients(model->params));
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.training = true;
    sl_shape shape = nhwc_shape(stored_shape(file, "train.image"));
    sl_value x = sl_input(p.graph, "image", SL_F32, shape);
    sl_value n = sl_input(p.graph, "noise", SL_F32, nhwc_shape(stored_shape(file, "train.noise")));
    sl_vae_moments moments = sl_vae_encode_build(&p.nn, config, x);
    sl_value made = sl_vae_decode_build(&p.nn, config, sl_vae_sample_build(&p.nn, moments, n));
    sl_output(p.graph, "rec", made);
    sl_value divergence = kl(p.graph, moments, 1.0);
    sl_value loss =
        sl_add(p.graph, sl_mse(p.graph, made, x, SL_NONE), sl_scale(p.graph, divergence, 1e-6, 0.0));
    sl_output(p.graph, "loss", loss);
    sl_graph_backward(p.graph, loss);
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "image", file, "train.image");
    set_from_fixture(&p, "noise", file, "train.noise");
    assert_ok(sl_program_run(&p));
    float value;
    assert_ok(sl_program_get(&p, "loss", &value, sizeof value));
    assert_true(fabs((double)value - 0.47496241331100464) < 1e-5);
    assert_output_near(&p, "rec", file, "train.rec", tolerance);
    assert_int_equal(compare_gradients(model->params, file, "train.grad.", 1e-4), 3);
    sl_program_end(&p);
}

static void vae_matches(void **state) {
    (void)state;
    sl_model *model;
    assert_ok(sl_model_load(fixture_path("pipe/vae"), &model));
    sl_safetensors *file = fixture_open("cases/vae.safetensors");
    for (int number = 0; number < 2; number++) vae_case(model, file, number);
    vae_gradients(model, file);
    sl_safetensors_close(file);
    sl_model_free(model);
}

/* ---- classifiers ---- */

typedef sl_value (*build_classifier)(sl_nn *nn, const void *config, sl_value image);

static sl_value build_resnet(sl_nn *nn, const void *config, sl_value image) {
    return sl_resnet_build(nn, config, image, NULL);
}

static sl_value build_vit(sl_nn *nn, const void *config, sl_value image) {
    return sl_vit_build(nn, config, image, NULL);
}

static void classifier_gradients(const sl_model *model, build_classifier build, const sl_safetensors *file,
                                 const char *name) {
    char image[64], labels[64], prefix[64];
    snprintf(image, sizeof image, "%s.x", name);
    snprintf(labels, sizeof labels, "%s.y", name);
    snprintf(prefix, sizeof prefix, "%s.grad.", name);
    assert_ok(sl_params_allocate_gradients(model->params));
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    p.nn.training = true;
    sl_shape shape = nhwc_shape(stored_shape(file, image));
    sl_value y = sl_input(p.graph, "y", SL_I32, SL_SHAPE(shape.dim[0]));
    sl_value logits = build(&p.nn, model->config, sl_input(p.graph, "x", SL_F32, shape));
    sl_graph_backward(p.graph, sl_cross_entropy(p.graph, logits, y, SL_NONE));
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "x", file, image);
    set_from_fixture(&p, "y", file, labels);
    assert_ok(sl_program_run(&p));
    /* names in the fixture are the other library's; compare those that are also ours */
    int compared = 0;
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const char *stored = sl_safetensors_at(file, i)->name;
        if (strncmp(stored, prefix, strlen(prefix)) != 0) continue;
        sl_arena *arena;
        assert_ok(sl_arena_new(&arena));
        char *ours;
        sl_name_rules_apply(model->kind->names, arena, stored + strlen(prefix), &ours);
        const sl_param *param = sl_params_find(model->params, ours);
        sl_tensor want = fixture_tensor(file, stored);
        if (!param) fail_msg("no parameter '%s' for '%s'", ours, stored);
        double error = relative_error(param->gradient.data, want.data, sl_shape_count(&want.shape));
        if (!(error <= 2e-4)) fail_msg("%s: relative error %.3g", stored, error);
        sl_tensor_free(&want);
        sl_arena_free(arena);
        compared++;
    }
    assert_true(compared > 10);
    sl_program_end(&p);
}

static void classifier_case(sl_model *model, build_classifier build, const char *weights, const char *name) {
    char image[64], logits[64];
    snprintf(image, sizeof image, "%s.x", name);
    snprintf(logits, sizeof logits, "%s.logits", name);
    sl_safetensors *file = fixture_open("cases/cls_tiny.safetensors");
    assert_ok(sl_model_load_weights(model, weights));
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    sl_value x = sl_input(p.graph, "x", SL_F32, nhwc_shape(stored_shape(file, image)));
    sl_output(p.graph, "logits", build(&p.nn, model->config, x));
    assert_ok(sl_program_finish(&p, NULL));
    set_from_fixture(&p, "x", file, image);
    assert_ok(sl_program_run(&p));
    assert_output_near(&p, "logits", file, logits, tolerance);
    sl_program_end(&p);
    classifier_gradients(model, build, file, name);
    sl_safetensors_close(file);
    sl_model_free(model);
}

static void vit_case(const char *name, const char *weights, int64_t heads, int64_t height, int64_t width) {
    char path[1024];
    snprintf(path, sizeof path, "%s", fixture_path(weights));
    sl_checkpoint *checkpoint;
    sl_vit_config config;
    sl_model *model;
    assert_ok(sl_checkpoint_open(path, &sl_names_vit, &checkpoint));
    assert_ok(sl_vit_infer(checkpoint, heads, height, width, &config));
    sl_checkpoint_close(checkpoint);
    assert_ok(sl_model_new(&sl_vit_kind, &config, &model));
    classifier_case(model, build_vit, path, name);
}

static void vits_match(void **state) {
    (void)state;
    vit_case("tv_vit", "cls/tv_vit.safetensors", 2, 0, 0);
    vit_case("timm_vit", "cls/timm_vit.safetensors", 4, 0, 0);
    vit_case("timm_vit_avg", "cls/timm_vit_avg.safetensors", 3, 24, 40);
}

static void resnet_matches(void **state) {
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s", fixture_path("cls/timm_resnet.safetensors"));
    sl_checkpoint *checkpoint;
    sl_resnet_config config;
    sl_model *model;
    assert_ok(sl_checkpoint_open(path, &sl_names_resnet, &checkpoint));
    assert_ok(sl_resnet_infer(checkpoint, &config));
    sl_checkpoint_close(checkpoint);
    assert_int_equal(config.channels.value[3], 24);
    assert_ok(sl_model_new(&sl_resnet_kind, &config, &model));
    classifier_case(model, build_resnet, path, "timm_resnet");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(clip_matches),         cmocka_unit_test(unet_matches),
    cmocka_unit_test(unet_gradients_match), cmocka_unit_test(unet_runs_in_bf16),
    cmocka_unit_test(vae_matches),          cmocka_unit_test(vits_match),
    cmocka_unit_test(resnet_matches),
};
TEST_MAIN(tests)
