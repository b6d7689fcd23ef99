/* Classifiers: tiny ones with stored weights (gradients, full and head-only training), and real architectures
 * whose weights are computed from their names. */
#include "loop/golden/net.h"

#include "loop/golden/detweights.h"
#include "model/resnet.h"
#include "model/vit.h"

#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 100, FIRST = 64 };

/* A classifier's network with the loss, for the image and label tensors `image` and `labels` (inputs by
 * name). */
typedef struct setup {
    sl_model *model;
    const char *image, *labels;
    sl_shape image_shape; /* NHWC */
    bool training, frozen_statistics;
} setup;

static sl_status build(const sl_golden *g, const setup *s, sl_golden_net *net) {
    SL_TRY(sl_golden_net_begin(g, net, s->model->params));
    net->nn.training = s->training;
    net->nn.frozen_statistics = s->frozen_statistics;
    sl_value image = sl_input(net->graph, s->image, SL_F32, s->image_shape), logits;
    sl_value labels = sl_input(net->graph, s->labels, SL_I32, SL_SHAPE(s->image_shape.dim[0]));
    logits = s->model->kind == &sl_vit_kind ? sl_vit_build(&net->nn, s->model->config, image, NULL)
                                            : sl_resnet_build(&net->nn, s->model->config, image, NULL);
    sl_value loss = sl_cross_entropy(net->graph, logits, labels, SL_NONE);
    sl_output(net->graph, "logits", logits);
    sl_output(net->graph, "loss", loss);
    if (s->training) sl_graph_backward(net->graph, loss);
    return sl_golden_net_ready(net);
}

/* ---- tiny classifiers ---- */

/* Heads cannot be told from the weights; these are the folder's networks. */
static const struct {
    const char *name, *head;
    int64_t heads; /* 0: a residual network */
} tiny[] = {{"tv_vit", "heads.", 2},
            {"timm_vit", "heads.", 4},
            {"timm_vit_avg", "heads.", 3},
            {"timm_resnet", "fc.", 0}};

static sl_status load_tiny(const char *path, int64_t heads, const sl_shape *image, sl_model **out) {
    const sl_model_kind *kind = heads ? &sl_vit_kind : &sl_resnet_kind;
    sl_checkpoint *checkpoint;
    sl_resnet_config resnet;
    sl_vit_config vit;
    SL_TRY(sl_checkpoint_open(path, kind->names, &checkpoint));
    sl_status status = heads ? sl_vit_infer(checkpoint, heads, image->dim[1], image->dim[2], &vit)
                             : sl_resnet_infer(checkpoint, &resnet);
    sl_checkpoint_close(checkpoint);
    SL_TRY(status);
    SL_TRY(sl_model_new(kind, heads ? (const void *)&vit : (const void *)&resnet, out));
    status = sl_model_load_weights(*out, path);
    if (status) {
        sl_model_free(*out);
        *out = NULL;
    }
    return status;
}

/* One mode of training, "full" or "head": first gradients, six steps, logits after them. */
static sl_status train_tiny(sl_golden *g, const char *name, const char *mode, setup *s, sl_golden_net *net,
                            sl_golden_net *after) {
    const json_t *facts = sl_golden_case(g, "cls_tiny", name);
    const json_t *expected = json_object_get(facts, sl_arena_printf(g->arena, "%s_losses", mode));
    bool full = strcmp(mode, "full") == 0;
    double losses[STEPS_MAX];
    sl_golden_training training = {.steps = (int)json_array_size(expected), .losses = losses};
    if (training.steps < 1 || training.steps > STEPS_MAX)
        return sl_fail(SL_FORMAT, "%d losses", training.steps);
    SL_TRY(sl_json_real(facts, sl_arena_printf(g->arena, "lr_%s", mode), &training.rate));
    s->training = true;
    s->frozen_statistics = !full;
    SL_TRY(build(g, s, net));
    SL_TRY(sl_golden_net_feed(g, net, s->image));
    SL_TRY(sl_golden_net_feed(g, net, s->labels));
    SL_TRY(sl_plan_run(net->plan));
    const char *norms = sl_arena_printf(g->arena, "%s_grad_norms", mode);
    bool has_switches = full && s->model->kind == &sl_resnet_kind;
    g->has_switches = has_switches;
    SL_TRY(sl_golden_compare_gradients(
        g, s->model->params, full ? sl_arena_printf(g->arena, "%s.grad.", name) : "(no tensors)",
        json_object_get(facts, norms), sl_arena_printf(g->arena, "/cls_tiny/%s/%s", name, norms),
        s->model->kind->names));
    g->has_switches = false;
    SL_TRY(sl_model_load_weights(s->model,
                                 sl_golden_path(g, sl_arena_printf(g->arena, "cls/%s.safetensors", name))));
    SL_TRY(sl_golden_train(net, s->model->params, &training));
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/cls_tiny/%s/%s_losses", name, mode), expected,
                             losses, (size_t)training.steps));
    g->has_switches = has_switches; /* the logits are where such gradients led to */
    s->training = false;
    SL_TRY(build(g, s, after));
    SL_TRY(sl_golden_net_feed(g, after, s->image));
    SL_TRY(sl_golden_net_feed(g, after, s->labels));
    SL_TRY(sl_plan_run(after->plan));
    return sl_golden_net_compare(g, after, "logits",
                                 sl_arena_printf(g->arena, "%s.%s.logits_after6", name, mode));
}

static sl_status forward_tiny(sl_golden *g, const char *name, setup *s, sl_golden_net *net) {
    SL_TRY(build(g, s, net));
    SL_TRY(sl_golden_net_feed(g, net, s->image));
    SL_TRY(sl_golden_net_feed(g, net, s->labels));
    SL_TRY(sl_plan_run(net->plan));
    return sl_golden_net_compare(g, net, "logits", sl_arena_printf(g->arena, "%s.logits", name));
}

static sl_status one_tiny(sl_golden *g, size_t index) {
    const char *name = tiny[index].name, *everything[] = {"", NULL}, *head[] = {tiny[index].head, NULL};
    const char *path = sl_golden_path(g, sl_arena_printf(g->arena, "cls/%s.safetensors", name));
    setup s = {.image = sl_arena_printf(g->arena, "%s.x", name),
               .labels = sl_arena_printf(g->arena, "%s.y", name)};
    const sl_stored_tensor *x = sl_safetensors_find(g->file, s.image);
    if (!x || x->shape.rank != 4) return sl_fail(SL_FORMAT, "no images '%s'", s.image);
    s.image_shape = SL_SHAPE(x->shape.dim[0], x->shape.dim[2], x->shape.dim[3], x->shape.dim[1]);
    SL_TRY(load_tiny(path, tiny[index].heads, &s.image_shape, &s.model));
    for (int mode = 0; mode < 3; mode++) {
        static const char *const modes[] = {"forward", "full", "head"};
        sl_golden_net net = {0}, after = {0};
        sl_golden_begin(g, sl_arena_printf(g->arena, "%s.%s", name, modes[mode]));
        sl_status status = sl_model_load_weights(s.model, path);
        if (!status) status = sl_params_train_only(s.model->params, mode == 2 ? head : everything);
        if (!status)
            status = mode == 0 ? forward_tiny(g, name, &s, &net)
                               : train_tiny(g, name, modes[mode], &s, &net, &after);
        sl_golden_end(g, status);
        sl_golden_net_free(&net);
        sl_golden_net_free(&after);
    }
    sl_model_free(s.model);
    return SL_OK;
}

/* ---- real architectures ---- */

static sl_status preset(const char *name, const json_t *shapes, int64_t px, sl_model **out) {
    const bool vit = strncmp(name, "vit_", 4) == 0;
    const json_t *head = json_object_get(shapes, vit ? "heads.head.weight" : "fc.weight");
    int64_t classes = json_integer_value(json_array_get(head, 0));
    sl_resnet_config resnet;
    sl_vit_config transformer;
    SL_TRY(vit ? sl_vit_preset(name, px, classes, &transformer) : sl_resnet_preset(name, classes, &resnet));
    return sl_model_new(vit ? &sl_vit_kind : &sl_resnet_kind,
                        vit ? (const void *)&transformer : (const void *)&resnet, out);
}

/* Every parameter must be in the manifest with its shape. */
static sl_status fill_weights(const sl_model *model, const char *salt, const json_t *shapes) {
    SL_TRY(sl_params_allocate(model->params));
    for (int i = 0; i < sl_params_count(model->params); i++) {
        sl_param *param = sl_params_at(model->params, i);
        const json_t *sizes = json_object_get(shapes, param->name);
        bool same = (int)json_array_size(sizes) == param->value.shape.rank;
        for (int k = 0; same && k < param->value.shape.rank; k++)
            same = json_integer_value(json_array_get(sizes, (size_t)k)) == param->value.shape.dim[k];
        if (!same)
            return sl_fail(SL_MISMATCH, "parameter '%s' has another shape in the manifest", param->name);
        SL_TRY(sl_detweights_fill(salt, param->name, &param->value));
    }
    return SL_OK;
}

static sl_status feed_real(sl_golden *g, const char *name, const char *salt, const setup *s,
                           sl_golden_net *net) {
    const sl_shape *shape = &s->image_shape;
    size_t count = (size_t)sl_shape_count(shape);
    sl_shape stored = SL_SHAPE(shape->dim[0], shape->dim[3], shape->dim[1], shape->dim[2]);
    float *raw, *moved = NULL;
    SL_TRY(sl_alloc(&raw, count, sizeof *raw));
    sl_status status = sl_alloc(&moved, count, sizeof *moved);
    if (!status) {
        sl_detweights_uniform(salt, sl_arena_printf(g->arena, "%s.input", name), raw, count);
        sl_golden_to_nhwc(&stored, raw, moved);
        status = sl_plan_upload(net->plan, sl_graph_find(net->graph, s->image), moved, count * sizeof *moved);
    }
    sl_free(raw);
    sl_free(moved);
    SL_TRY(status);
    return sl_golden_net_feed(g, net, s->labels);
}

/* A tensor "NAME.train.<what>.<parameter>": running statistics, a gradient, or the first values of one. */
static sl_status compare_extra(sl_golden *g, const char *name, const sl_params *params) {
    static const char *const kinds[] = {"after.", "grad.", "grad_first64."};
    for (size_t i = 0; i < sl_safetensors_count(g->file); i++) {
        const char *key = sl_safetensors_at(g->file, i)->name;
        for (int k = 0; k < 3; k++) {
            const char *prefix = sl_arena_printf(g->arena, "%s.train.%s", name, kinds[k]);
            if (strncmp(key, prefix, strlen(prefix)) != 0) continue;
            const sl_param *param = sl_params_find(params, key + strlen(prefix));
            if (!param) return sl_fail(SL_NOT_FOUND, "no parameter for '%s'", key);
            const sl_tensor *tensor = k == 0 ? &param->value : &param->gradient;
            size_t count = (size_t)sl_shape_count(&tensor->shape);
            SL_TRY(sl_golden_floats(g, key, tensor->data, k == 2 && count > FIRST ? FIRST : count));
        }
    }
    return SL_OK;
}

static sl_status run_real(sl_golden *g, const char *name, const char *salt, setup *s, sl_golden_net *net) {
    SL_TRY(build(g, s, net));
    SL_TRY(feed_real(g, name, salt, s, net));
    SL_TRY(sl_plan_run(net->plan));
    if (!s->training)
        return sl_golden_net_compare(g, net, "logits", sl_arena_printf(g->arena, "%s.logits", name));
    const json_t *facts = sl_golden_case(g, "cls_real", sl_arena_printf(g->arena, "%s.train", name));
    double loss;
    SL_TRY(sl_golden_net_compare(g, net, "logits", sl_arena_printf(g->arena, "%s.train.logits", name)));
    SL_TRY(sl_golden_net_scalar(net, "loss", &loss));
    SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "/cls_real/%s.train/loss", name),
                             json_object_get(facts, "loss"), &loss, 1));
    g->has_switches = s->model->kind == &sl_resnet_kind;
    SL_TRY(compare_extra(g, name, s->model->params));
    return sl_golden_compare_gradients(
        g, s->model->params, "(no tensors)", json_object_get(facts, "grad_norms"),
        sl_arena_printf(g->arena, "/cls_real/%s.train/grad_norms", name), NULL);
}

static sl_status one_real(sl_golden *g, const char *name, const json_t *manifest) {
    const char *salt;
    int64_t px, images;
    json_t *shapes;
    SL_TRY(sl_json_string(manifest, "salt", &salt));
    SL_TRY(sl_json_int(manifest, "px", 8, 4096, &px));
    SL_TRY(sl_json_object(manifest, "shapes", &shapes));
    SL_TRY(sl_json_int(sl_golden_case(g, "cls_real", name), "batch", 1, 1024, &images));
    setup s = {.image = "image",
               .labels = sl_arena_printf(g->arena, "%s.labels", name),
               .image_shape = SL_SHAPE(images, px, px, 3)};
    SL_TRY(preset(name, shapes, px, &s.model));
    sl_status status = fill_weights(s.model, salt, shapes);
    for (int training = 0; training < 2 && !status; training++) {
        sl_golden_net net = {0};
        s.training = training;
        sl_golden_begin(g, sl_arena_printf(g->arena, "%s.%s", name, training ? "train" : "forward"));
        sl_golden_end(g, run_real(g, name, salt, &s, &net));
        sl_golden_net_free(&net);
        status = sl_progress_check(g->settings->progress);
    }
    sl_model_free(s.model);
    return status;
}

sl_status sl_golden_classifier(sl_golden *g) {
    static const char *const real[] = {"resnet18", "resnet50", "vit_b_16"};
    SL_TRY(sl_golden_open(g, "cls_tiny"));
    for (size_t i = 0; i < sizeof tiny / sizeof tiny[0]; i++)
        if (sl_golden_case(g, "cls_tiny", tiny[i].name)) SL_TRY(one_tiny(g, i));
    SL_TRY(sl_golden_open(g, "cls_real"));
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++) {
        json_t *manifest;
        if (!sl_golden_case(g, "cls_real", real[i])) continue;
        SL_TRY(sl_json_read(sl_golden_path(g, sl_arena_printf(g->arena, "cls/%s.manifest.json", real[i])),
                            &manifest));
        sl_status status = one_real(g, real[i], manifest);
        json_decref(manifest);
        SL_TRY(status);
    }
    return SL_OK;
}
