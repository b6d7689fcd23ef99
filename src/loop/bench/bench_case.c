#include "loop/bench/bench_case.h"

#include "model/resnet.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vit.h"

#define SD15_UNET                                                                                            \
    "{\"_class_name\":\"UNet2DConditionModel\",\"sample_size\":64,\"in_channels\":4,\"out_channels\":4,"     \
    "\"layers_per_block\":2,\"block_out_channels\":[320,640,1280,1280],\"down_block_types\":["               \
    "\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"           \
    "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\","                       \
    "\"CrossAttnUpBlock2D\"],"                                                                               \
    "\"cross_attention_dim\":768,\"attention_head_dim\":8}"

#define SD15_VAE                                                                                             \
    "{\"_class_name\":\"AutoencoderKL\",\"in_channels\":3,\"out_channels\":3,\"latent_channels\":4,"         \
    "\"layers_per_block\":2,\"block_out_channels\":[128,256,512,512],\"down_block_types\":["                 \
    "\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],"          \
    "\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","                    \
    "\"UpDecoderBlock2D\"],"                                                                                 \
    "\"scaling_factor\":0.18215}"

enum { TEXT_TOKENS = 77 };

static sl_value unet_output(sl_bench *b) {
    const sl_bench_case *c = b->kind;
    const sl_unet_config *config = b->model->config;
    int64_t side = c->side;
    sl_value sample =
        sl_input(b->graph, "sample", SL_F32, SL_SHAPE(c->batch, side, side, config->in_channels));
    sl_value timestep = sl_input(b->graph, "timestep", SL_F32, SL_SHAPE(c->batch));
    sl_value context =
        sl_input(b->graph, "context", SL_F32, SL_SHAPE(c->batch, TEXT_TOKENS, config->cross_attention_dim));
    sl_value beam = SL_NONE;
    if (config->beam_channels)
        beam = sl_input(b->graph, "beam", SL_F32, SL_SHAPE(c->batch, side, side, config->beam_channels));
    if (!c->train) { /* as where images are generated: diffusion/programs.c */
        sl_hold(b->graph, context);
        if (sl_value_is(beam)) sl_hold(b->graph, beam);
    }
    return sl_unet_build(&b->nn, config, sample, timestep, context, beam);
}

static sl_status build_unet(sl_bench *b) {
    sl_value y = unet_output(b);
    if (b->kind->train) {
        sl_value target = sl_input(b->graph, "target", SL_F32, sl_value_shape(b->graph, y));
        y = sl_mse(b->graph, y, target, SL_NONE);
    }
    sl_output(b->graph, "out", y);
    if (b->kind->train) sl_graph_backward(b->graph, y);
    return sl_graph_status(b->graph);
}

static sl_status build_vae_decode(sl_bench *b) {
    const sl_vae_config *config = b->model->config;
    sl_value z = sl_input(b->graph, "latent", SL_F32,
                          SL_SHAPE(1, b->kind->side, b->kind->side, config->latent_channels));
    sl_output(b->graph, "out", sl_vae_decode_build(&b->nn, config, z));
    return sl_graph_status(b->graph);
}

static sl_status finish_classifier(sl_bench *b, sl_value logits) {
    if (b->kind->train) {
        sl_value labels = sl_input(b->graph, "labels", SL_I32, SL_SHAPE(b->kind->batch));
        logits = sl_cross_entropy(b->graph, logits, labels, SL_NONE);
    }
    sl_output(b->graph, "out", logits);
    if (b->kind->train) sl_graph_backward(b->graph, logits);
    return sl_graph_status(b->graph);
}

static sl_value photo(sl_bench *b) {
    return sl_input(b->graph, "image", SL_F32, SL_SHAPE(b->kind->batch, b->kind->side, b->kind->side, 3));
}

static sl_status build_resnet(sl_bench *b) {
    return finish_classifier(b, sl_resnet_build(&b->nn, b->model->config, photo(b), NULL));
}

static sl_status build_vit(sl_bench *b) {
    return finish_classifier(b, sl_vit_build(&b->nn, b->model->config, photo(b), NULL));
}

const sl_bench_case sl_bench_cases[] = {
    {"unet-sd15-512-b2", "denoiser of SD 1.5, one step at 512 px with guidance", SD15_UNET, 64, 2, false,
     false, 0, build_unet},
    {"unet-sd15-256-b1", "the same at 256 px, one image", SD15_UNET, 32, 1, false, false, 0, build_unet},
    {"vae-decode-512", "decoder of SD 1.5, one image", SD15_VAE, 64, 1, false, false, 0, build_vae_decode},
    {"lora-step-sd15-256-b1", "one step of low-rank fine-tuning, SD 1.5, 256 px", SD15_UNET, 32, 1, true,
     true, 0, build_unet},
    {"lora-step-sd15-512-b1", "the same at 512 px", SD15_UNET, 64, 1, true, true, 0, build_unet},
    {"base-generate-30steps", "30 guided denoising steps of the base model, one image of 256 px", "base", 32,
     2, false, false, 30, build_unet},
    {"base-train-b16", "one step of training the base model's denoiser", "base", 32, 16, true, false, 0,
     build_unet},
    {"base-beam-30steps", "the 30 steps with the layers about the beam, as the model is shipped", "base-beam",
     32, 2, false, false, 30, build_unet},
    {"base-beam-train-b16", "the training step with them", "base-beam", 32, 16, true, false, 0, build_unet},
    {"resnet50-fwd-b16", "ResNet-50, 224 px", "resnet50", 224, 16, false, false, 0, build_resnet},
    {"resnet50-train-b16", "ResNet-50, one training step", "resnet50", 224, 16, true, false, 0, build_resnet},
    {"vit-b16-fwd-b16", "ViT-B/16, 224 px", "vit_b_16", 224, 16, false, false, 0, build_vit},
    {"vit-b16-train-b16", "ViT-B/16, one training step", "vit_b_16", 224, 16, true, false, 0, build_vit},
    {0},
};
