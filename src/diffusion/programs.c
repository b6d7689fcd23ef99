#include "diffusion/programs.h"

/* A program holds the weights in its kernels' layout: of a large model only one is kept. */
enum { SLOTS = 4 };
static const size_t large_bytes = (size_t)512 << 20;

typedef struct kept {
    sl_program program;
    int64_t batch, height, width;
    uint64_t used; /* 0: empty */
} kept;

struct sl_programs {
    const sl_bundle *bundle;
    sl_pipeline_options options;
    kept slots[SL_PARTS][SLOTS];
    uint64_t clock;
};

sl_status sl_programs_new(const sl_bundle *bundle, const sl_pipeline_options *options, sl_programs **out) {
    if (options->dtype != SL_F32 && options->dtype != SL_BF16 && options->dtype != SL_F16)
        return sl_fail(SL_INVALID, "computing in %s, expected F32, BF16 or F16",
                       sl_dtype_name(options->dtype));
    sl_programs *programs;
    SL_TRY(sl_alloc(&programs, 1, sizeof *programs));
    programs->bundle = bundle;
    programs->options = *options;
    *out = programs;
    return SL_OK;
}

void sl_programs_free(sl_programs *programs) {
    if (!programs) return;
    for (int part = 0; part < SL_PARTS; part++)
        for (int i = 0; i < SLOTS; i++) sl_program_end(&programs->slots[part][i].program);
    sl_free(programs);
}

void sl_programs_weights_changed(sl_programs *programs) {
    for (int part = 0; part < SL_PARTS; part++)
        for (int i = 0; i < SLOTS; i++)
            if (programs->slots[part][i].used) sl_plan_weights_changed(programs->slots[part][i].program.plan);
}

static const sl_model *model_of(const sl_bundle *bundle, sl_part part) {
    return part == SL_PART_TEXT ? bundle->text_encoder : part == SL_PART_DENOISE ? bundle->unet : bundle->vae;
}

static void build_denoiser(const sl_programs *programs, sl_nn *nn, int64_t batch, int64_t height,
                           int64_t width) {
    const sl_bundle *bundle = programs->bundle;
    const sl_unet_config *unet = sl_bundle_unet(bundle);
    const sl_clip_config *clip = sl_bundle_clip(bundle);
    sl_graph *g = nn->graph;
    nn->loras = programs->options.loras;
    nn->lora_count = programs->options.lora_count;
    sl_value sample = sl_input(g, "sample", SL_F32, SL_SHAPE(batch, height, width, unet->in_channels));
    sl_value timestep = sl_input(g, "timestep", SL_F32, SL_SHAPE(batch));
    sl_value context =
        sl_input(g, "context", SL_F32, SL_SHAPE(batch, clip->max_position_embeddings, clip->hidden_size));
    sl_output(g, "prediction", sl_unet_build(nn, unet, sample, timestep, context));
}

static void build_decoder(const sl_bundle *bundle, sl_nn *nn, int64_t batch, int64_t height, int64_t width) {
    const sl_vae_config *vae = sl_bundle_vae(bundle);
    sl_value latent =
        sl_input(nn->graph, "latent", SL_F32, SL_SHAPE(batch, height, width, vae->latent_channels));
    sl_value image = sl_vae_decode_build(nn, vae, latent);
    if (bundle->space_to_depth > 1) image = sl_depth_to_space(nn->graph, image, (int)bundle->space_to_depth);
    sl_output(nn->graph, "image", image);
}

static void build_encoder(const sl_bundle *bundle, sl_nn *nn, int64_t batch, int64_t height, int64_t width) {
    const sl_vae_config *vae = sl_bundle_vae(bundle);
    int64_t block = bundle->space_to_depth;
    sl_value image = sl_input(nn->graph, "image", SL_F32,
                              SL_SHAPE(batch, height, width, vae->in_channels / (block * block)));
    if (block > 1) image = sl_space_to_depth(nn->graph, image, (int)block);
    sl_vae_moments moments = sl_vae_encode_build(nn, vae, image);
    sl_output(nn->graph, "mean", moments.mean);
    sl_output(nn->graph, "logvar", moments.logvar);
}

static sl_status compile(sl_programs *programs, sl_part part, kept *slot) {
    const sl_bundle *bundle = programs->bundle;
    sl_program *program = &slot->program;
    SL_TRY(sl_program_begin(program, model_of(bundle, part)->params));
    sl_nn *nn = &program->nn;
    nn->dtype = programs->options.dtype;
    switch (part) {
    case SL_PART_TEXT:
        sl_output(program->graph, "embeddings",
                  sl_clip_build(nn, sl_bundle_clip(bundle),
                                sl_input(program->graph, "ids", SL_I32, SL_SHAPE(slot->batch, slot->height)),
                                programs->options.clip_skip));
        break;
    case SL_PART_DENOISE:
        build_denoiser(programs, nn, slot->batch, slot->height, slot->width);
        break;
    case SL_PART_DECODE:
        build_decoder(bundle, nn, slot->batch, slot->height, slot->width);
        break;
    default:
        build_encoder(bundle, nn, slot->batch, slot->height, slot->width);
        break;
    }
    return sl_program_finish(program, &programs->options.plan);
}

sl_status sl_programs_get(sl_programs *programs, sl_part part, int64_t batch, int64_t height, int64_t width,
                          sl_program **out) {
    kept *slots = programs->slots[part], *oldest = slots;
    int count = sl_params_bytes(model_of(programs->bundle, part)->params) > large_bytes ? 1 : SLOTS;
    for (int i = 0; i < count; i++) {
        kept *s = &slots[i];
        if (s->used && s->batch == batch && s->height == height && s->width == width) {
            s->used = ++programs->clock;
            *out = &s->program;
            return SL_OK;
        }
        if (s->used < oldest->used) oldest = s;
    }
    sl_program_end(&oldest->program);
    *oldest = (kept){.batch = batch, .height = height, .width = width};
    sl_status status = compile(programs, part, oldest);
    if (status != SL_OK) {
        sl_program_end(&oldest->program);
        return status;
    }
    oldest->used = ++programs->clock;
    *out = &oldest->program;
    return SL_OK;
}
