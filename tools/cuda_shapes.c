/* Hands every convolution, linear layer, matrix product and attention of our models to the CUDA module, which
 * makes and checks its libraries' descriptors: no device is needed, nothing is run.
 *
 *   cuda-shapes LIBRARY [DEVICE.json]   counts per model and type; exit code 1 where a call is refused
 *
 * With the description of a device, engines of cuDNN are chosen and plans made for it too; what Stable
 * Diffusion 1.5 takes there at 512 px is told, and more than small cards have is a failure. */
#include "backend/cuda/cuda.h"
#include "backend/device.h"
#include "base/file.h"
#include "base/json.h"
#include "graph/plan_internal.h"
#include "loop/bench/bench_case.h"
#include "loop/bench/bench_memory.h"
#include "model/clip.h"
#include "model/resnet.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- models that no bench measures ---- */

#define VAE(side_blocks, channels)                                                                           \
    "{\"_class_name\":\"AutoencoderKL\",\"in_channels\":" channels ",\"out_channels\":" channels             \
    ",\"latent_channels\":4,\"layers_per_block\":2," side_blocks                                             \
    "\"block_out_channels\":[128,256,512,512],\"scaling_factor\":0.18215}"
#define BLOCKS4                                                                                              \
    "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\","            \
    "\"DownEncoderBlock2D\"],\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","                 \
    "\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"],"

#define CLIP                                                                                                 \
    "{\"architectures\":[\"CLIPTextModel\"],\"vocab_size\":49408,\"hidden_size\":768,"                       \
    "\"intermediate_size\":3072,\"num_hidden_layers\":12,\"num_attention_heads\":12,"                        \
    "\"max_position_embeddings\":77}"

/* Forward and backward through the encoder, its downsampling padded on two sides alone. */
static sl_status build_vae_encode(sl_bench *b) {
    sl_value image =
        sl_input(b->graph, "image", SL_F32, SL_SHAPE(b->kind->batch, b->kind->side, b->kind->side, 3));
    sl_vae_moments moments = sl_vae_encode_build(&b->nn, b->model->config, image);
    sl_value target = sl_input(b->graph, "target", SL_F32, sl_value_shape(b->graph, moments.mean));
    sl_value loss = sl_mse(b->graph, moments.mean, target, SL_NONE);
    sl_output(b->graph, "out", loss);
    sl_graph_backward(b->graph, loss);
    return sl_graph_status(b->graph);
}

static sl_status build_clip(sl_bench *b) {
    sl_value ids = sl_input(b->graph, "ids", SL_I32, SL_SHAPE(b->kind->batch, b->kind->side));
    sl_value out = sl_clip_build(&b->nn, b->model->config, ids, 0);
    sl_value target = sl_input(b->graph, "target", SL_F32, sl_value_shape(b->graph, out));
    sl_value loss = sl_mse(b->graph, out, target, SL_NONE);
    sl_output(b->graph, "out", loss);
    sl_graph_backward(b->graph, loss);
    return sl_graph_status(b->graph);
}

static sl_status build_vit(sl_bench *b) {
    sl_value image =
        sl_input(b->graph, "image", SL_F32, SL_SHAPE(b->kind->batch, b->kind->side, b->kind->side, 3));
    sl_value labels = sl_input(b->graph, "labels", SL_I32, SL_SHAPE(b->kind->batch));
    sl_value logits = sl_vit_build(&b->nn, b->model->config, image, NULL);
    sl_value loss = sl_cross_entropy(b->graph, logits, labels, SL_NONE);
    sl_output(b->graph, "out", loss);
    sl_graph_backward(b->graph, loss);
    return sl_graph_status(b->graph);
}

static const sl_bench_case more_cases[] = {
    {"vae-encode-512-train", "", VAE(BLOCKS4, "3"), 512, 1, true, false, 0, build_vae_encode},
    {"clip-text-train", "", CLIP, 77, 2, true, false, 0, build_clip},
    {"vit-b16-train-b16", "", "vit_b_16", 224, 16, true, false, 0, build_vit},
    {0},
};

/* ---- the module ---- */

static sl_status open_module(const char *path, const sl_device_module_table **out) {
    sl_device_module_function function;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, SL_DEVICE_MODULE_SYMBOL) : NULL;
    if (!symbol) return sl_fail(SL_NOT_FOUND, "%s: %s", path, dlerror());
    memcpy(&function, &symbol, sizeof function);
    *out = function(&sl_device_program);
    return *out ? SL_OK : sl_fail(SL_MISMATCH, "%s: of another build", path);
}

/* ---- counting ---- */

static const sl_op looked_at[] = {
    SL_OP_CONV2D, SL_OP_CONV2D_BWD_DATA, SL_OP_CONV2D_BWD_WEIGHT,
    SL_OP_LINEAR, SL_OP_LINEAR_BWD_DATA, SL_OP_LINEAR_BWD_WEIGHT,
    SL_OP_MATMUL, SL_OP_ATTENTION,       SL_OP_ATTENTION_BWD,
};
enum { LOOKED_AT = sizeof looked_at / sizeof looked_at[0] };

typedef struct tally {
    const sl_device_module_table *module;
    unsigned capabilities;
    int made[LOOKED_AT + 1], refused; /* the last: all other operations, by the module's own kernels */
} tally;

static int place_of(sl_op op) {
    for (int i = 0; i < LOOKED_AT; i++)
        if (looked_at[i] == op) return i;
    return LOOKED_AT;
}

static void show_refusal(const sl_bench *b, const sl_call *call, const char *reason) {
    sl_shape_text text;
    printf("REFUSED %s: %s in %s", b->kind->name, sl_op_name(call->op), sl_dtype_name(b->dtype));
    for (int i = 0; i < call->in_count; i++) printf(" %s", sl_shape_format(&call->in[i].shape, &text));
    printf(" -> %s: %s\n", sl_shape_format(&call->out[0].shape, &text), reason);
}

static bool same_operand(const sl_operand *a, const sl_operand *b) {
    return a->dtype == b->dtype && a->flags == b->flags && sl_shape_equal(&a->shape, &b->shape);
}

static bool same_call(const sl_call *a, const sl_call *b) {
    if (a->op != b->op || memcmp(a->attrs, b->attrs, sizeof *a->attrs) != 0) return false;
    for (int i = 0; i < a->in_count; i++)
        if (!same_operand(&a->in[i], &b->in[i])) return false;
    return a->in_count == b->in_count && same_operand(&a->out[0], &b->out[0]);
}

static void look_at(const sl_bench *b, const sl_call *planned, tally *t) {
    const sl_device_module_table *m = t->module;
    sl_call call = *planned;
    call.state = NULL;
    const sl_kernel *kernel = sl_kernel_find_in(m->kernels, m->kernel_count, &call, t->capabilities);
    sl_status status = kernel ? SL_OK : SL_UNSUPPORTED;
    if (kernel && kernel->code->prepare) status = kernel->code->prepare(&call, &call.state);
    if (status != SL_OK) {
        show_refusal(b, &call, kernel ? sl_error_message() : "no kernel accepts it");
        t->refused++;
        return;
    }
    if (kernel->code->scratch) (void)kernel->code->scratch(&call);
    if (kernel->code->packed) (void)kernel->code->packed(&call);
    if (kernel->code->release) kernel->code->release(call.state);
    t->made[place_of(call.op)]++;
}

/* Each distinct call of a graph once. */
static void look_at_all(const sl_bench *b, tally *t) {
    for (int32_t i = 0; i < b->plan->node_count; i++) {
        const sl_call *call = &b->plan->nodes[i].call;
        bool seen = false;
        for (int32_t j = 0; j < i && !seen; j++) seen = same_call(call, &b->plan->nodes[j].call);
        if (!seen) look_at(b, call, t);
    }
}

static sl_status look_at_case(const sl_bench_case *c, sl_dtype dtype, tally *total) {
    sl_bench *b;
    tally t = {.module = total->module, .capabilities = total->capabilities};
    SL_TRY(sl_alloc(&b, 1, sizeof *b));
    b->kind = c;
    b->dtype = dtype;
    sl_status status = sl_bench_build(b);
    if (status == SL_OK) status = sl_plan_new(b->graph, NULL, &b->plan);
    if (status == SL_OK) {
        look_at_all(b, &t);
        printf("%-24s %-5s", c->name, sl_dtype_name(dtype));
        for (int i = 0; i <= LOOKED_AT; i++) printf(" %5d", t.made[i]);
        printf("\n");
    }
    for (int i = 0; i <= LOOKED_AT; i++) total->made[i] += t.made[i];
    total->refused += t.refused;
    sl_bench_close(b);
    return sl_context(status, "%s", c->name);
}

static sl_status look_at_cases(const sl_bench_case *cases, tally *total) {
    for (const sl_bench_case *c = cases; c->name; c++) {
        SL_TRY(look_at_case(c, SL_F32, total));
        SL_TRY(look_at_case(c, SL_F16, total));
        if (total->capabilities & SL_CUDA_BF16) SL_TRY(look_at_case(c, SL_BF16, total));
    }
    return SL_OK;
}

/* ---- memory ---- */

static sl_device_module_table described; /* the module's kernels on a device that is only described */
static unsigned described_capabilities;

static sl_status one_device(int *out) {
    *out = 1;
    return SL_OK;
}

static sl_status describe_it(int index, sl_device_info *out) {
    (void)index;
    *out = (sl_device_info){.name = "described", .capabilities = described_capabilities};
    return SL_OK;
}

static sl_status open_it(int index, void **out) {
    (void)index;
    *out = NULL;
    return SL_OK;
}

static void close_it(void *device) {
    (void)device;
}

/* cuBLASLt tells of its workspace only with a device: a product may take so much. */
static const size_t product_bytes = (size_t)32 << 20;

static sl_status weigh(sl_dtype dtype, bool *out_fits) {
    static const double generation_gb = 3, training_gb = 6;
    sl_text text = SL_TEXT_INIT;
    sl_bench_memory memory;
    sl_status status = sl_bench_memory_plan(dtype, product_bytes, &text, &memory);
    printf("%s", sl_text_get(&text));
    sl_text_free(&text);
    SL_TRY(status);
    *out_fits = *out_fits && memory.generation_gb <= generation_gb && memory.training_gb <= training_gb;
    return SL_OK;
}

static sl_status weigh_models(const tally *total, bool *out_fit) {
    *out_fit = true;
    described = *total->module;
    described.count = one_device, described.describe = describe_it;
    described.open = open_it, described.close = close_it;
    described_capabilities = total->capabilities;
    SL_TRY(sl_device_use_table(&described));
    SL_TRY(weigh(SL_F16, out_fit));
    if (total->capabilities & SL_CUDA_BF16) SL_TRY(weigh(SL_BF16, out_fit));
    return sl_device_use_table(NULL);
}

/* The module reads the description too, by the name in the environment. */
static sl_status read_device(const char *path, unsigned *out_capabilities) {
    json_t *device;
    *out_capabilities = ~0u;
    if (!path) return SL_OK;
    SL_TRY(sl_json_read(path, &device));
    int64_t version = json_integer_value(json_object_get(device, "deviceVer"));
    *out_capabilities = SL_CUDA_BLAS | SL_CUDA_DNN;
    *out_capabilities |= (version >= 800 ? SL_CUDA_BF16 : 0u) | (version >= 900 ? SL_CUDA_HOPPER : 0u);
    printf("for %s, compute capability %lld.%lld\n", json_string_value(json_object_get(device, "deviceName")),
           (long long)version / 100, (long long)version % 100 / 10);
    json_decref(device);
    return setenv("SL_CUDA_DESCRIBED_DEVICE", path, 1) == 0 ? SL_OK : sl_fail_errno("environment");
}

int main(int count, char **arguments) {
    tally total = {0};
    int sum = 0;
    bool fit = true;
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: cuda-shapes LIBRARY [DEVICE.json]\n");
        return 2;
    }
    sl_status status = read_device(count == 3 ? arguments[2] : NULL, &total.capabilities);
    if (status == SL_OK) status = open_module(arguments[1], &total.module);
    printf("distinct calls: conv2d and its gradients of data and weights, linear likewise, matmul, attention "
           "and its gradient, all others\n");
    if (status == SL_OK) status = look_at_cases(sl_bench_cases, &total);
    if (status == SL_OK) status = look_at_cases(more_cases, &total);
    if (status == SL_OK && count == 3) status = weigh_models(&total, &fit);
    if (status != SL_OK) {
        fprintf(stderr, "%s\n", sl_error_message());
        return 1;
    }
    for (int i = 0; i <= LOOKED_AT; i++) sum += total.made[i];
    printf("%d calls described, %d refused\n", sum, total.refused);
    return total.refused || sum == 0 || !fit ? 1 : 0;
}
