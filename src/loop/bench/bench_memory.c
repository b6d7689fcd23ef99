#include "loop/bench/bench_memory.h"

#include "loop/bench/bench_case.h"
#include "model/clip.h"
#include "model/vae.h"

#include <string.h>

#define CLIP                                                                                                 \
    "{\"architectures\":[\"CLIPTextModel\"],\"vocab_size\":49408,\"hidden_size\":768,"                       \
    "\"intermediate_size\":3072,\"num_hidden_layers\":12,\"num_attention_heads\":12,"                        \
    "\"max_position_embeddings\":77}"

static const sl_bench_case *case_named(const char *name) {
    const sl_bench_case *c = sl_bench_cases;
    while (c->name && strcmp(c->name, name) != 0) c++;
    return c;
}

static sl_status build_text(sl_bench *b) {
    sl_value ids = sl_input(b->graph, "ids", SL_I32, SL_SHAPE(1, b->kind->side));
    sl_output(b->graph, "out", sl_clip_build(&b->nn, b->model->config, ids, 0));
    return sl_graph_status(b->graph);
}

static sl_status build_encoder(sl_bench *b) {
    sl_value image = sl_input(b->graph, "image", SL_F32, SL_SHAPE(1, b->kind->side, b->kind->side, 3));
    sl_output(b->graph, "out", sl_vae_encode_build(&b->nn, b->model->config, image).mean);
    return sl_graph_status(b->graph);
}

static sl_status build_adapter(sl_bench *b) {
    b->nn.recompute = true;
    return case_named("unet-sd15-512-b2")->build(b);
}

/* ---- parts ---- */

enum { TEXT, DENOISER, DECODER, TILE, ADAPTER, ENCODER, PARTS };

static void list_parts(sl_bench_case parts[PARTS]) {
    const sl_bench_case *unet = case_named("unet-sd15-512-b2"), *vae = case_named("vae-decode-512");
    parts[TEXT] =
        (sl_bench_case){.name = "text encoder", .config = CLIP, .side = 77, .batch = 1, .build = build_text};
    parts[DENOISER] = *unet;
    parts[DENOISER].name = "denoiser, guided";
    parts[DECODER] = parts[TILE] = parts[ENCODER] = *vae;
    parts[DECODER].name = "decoder, whole";
    parts[TILE].name = "decoder, 256 px tiles";
    parts[TILE].side /= 2;
    parts[ENCODER].name = "encoder, whole";
    parts[ENCODER].side = 512;
    parts[ENCODER].build = build_encoder;
    parts[ADAPTER] = *unet;
    parts[ADAPTER].name = "adapter's training";
    parts[ADAPTER].batch = 1;
    parts[ADAPTER].train = parts[ADAPTER].lora = true;
    parts[ADAPTER].build = build_adapter;
}

static sl_status weigh(const sl_bench_case *part, sl_dtype dtype, sl_text *text, size_t *out_bytes) {
    sl_bench *b;
    char figures[160];
    SL_TRY(sl_alloc(&b, 1, sizeof *b));
    b->kind = part;
    b->dtype = dtype;
    sl_status status = sl_bench_build(b);
    if (status == SL_OK) status = sl_plan_new(b->graph, NULL, &b->plan);
    if (status == SL_OK) {
        sl_plan_memory m = sl_plan_memory_of(b->plan);
        size_t moments = 2 * m.gradients;
        *out_bytes = sl_plan_bytes(b->plan) + m.parameters + m.gradients + moments;
        sl_plan_memory_text(&m, moments, figures, sizeof figures);
        sl_text_printf(text, "%-22s %s\n", part->name, figures);
    }
    sl_bench_close(b);
    return sl_context(status, "%s", part->name);
}

sl_status sl_bench_memory_plan(sl_dtype dtype, size_t spare, sl_text *text, sl_bench_memory *out) {
    sl_bench_case parts[PARTS];
    size_t bytes[PARTS];
    list_parts(parts);
    for (int i = 0; i < PARTS; i++) {
        SL_TRY(weigh(&parts[i], dtype, text, &bytes[i]));
        bytes[i] += spare;
    }
    size_t training = bytes[ADAPTER] > bytes[ENCODER] ? bytes[ADAPTER] : bytes[ENCODER];
    out->generation_gb = 1e-9 * (double)(bytes[TEXT] + bytes[DENOISER] + bytes[TILE]);
    out->training_gb = 1e-9 * (double)training;
    sl_text_printf(
        text, "Stable Diffusion 1.5 at 512 px in %s: generates in %.2f GB, trains an adapter in %.2f GB\n",
        sl_dtype_name(dtype), out->generation_gb, out->training_gb);
    return sl_text_status(text);
}
