#include "diffusion/programs.h"

#include "backend/device.h"
#include "base/log.h"

/* A program holds the weights in its kernels' layout: of a large model only one is kept. */
enum { SLOTS = 4, LEAST_TILE = 4 };
static const size_t large_bytes = (size_t)512 << 20;

typedef struct kept {
    sl_program program;
    int64_t batch, height, width;
    sl_sampler_step step; /* SL_PART_STEP */
    uint64_t used;        /* 0: empty */
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
    int64_t reduction = sl_bundle_reduction(bundle), tile_px = options->vae_tile_px;
    if (tile_px && (tile_px % reduction || tile_px / reduction < LEAST_TILE))
        return sl_fail(SL_INVALID,
                       "tiles of %lld px for the autoencoder, expected a multiple of %lld from %lld on",
                       (long long)tile_px, (long long)reduction, (long long)(LEAST_TILE * reduction));
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

const sl_pipeline_options *sl_programs_options(const sl_programs *programs) {
    return &programs->options;
}

/* The programs of a part, but for that of `stays`; NULL: all. */
static void drop_except(sl_programs *programs, int part, const kept *stays) {
    for (int i = 0; i < SLOTS; i++) {
        kept *slot = &programs->slots[part][i];
        if (slot == stays) continue;
        sl_program_end(&slot->program);
        *slot = (kept){0};
    }
}

static void drop(sl_programs *programs, int part) {
    drop_except(programs, part, NULL);
}

void sl_programs_drop_others(sl_programs *programs, sl_part kept_part) {
    for (int part = 0; part < SL_PARTS; part++)
        if (part != (int)kept_part) drop(programs, part);
}

static const sl_model *model_of(const sl_bundle *bundle, sl_part part) {
    if (part == SL_PART_TEXT) return bundle->text_encoder;
    return part == SL_PART_STEP ? bundle->unet : bundle->vae;
}

static sl_value build_denoiser(const sl_programs *programs, sl_nn *nn, sl_value sample) {
    const sl_bundle *bundle = programs->bundle;
    const sl_unet_config *unet = sl_bundle_unet(bundle);
    const sl_clip_config *clip = sl_bundle_clip(bundle);
    sl_graph *g = nn->graph;
    int64_t batch = sl_value_dim(g, sample, 0);
    nn->loras = programs->options.loras;
    nn->lora_count = programs->options.lora_count;
    sl_value timestep = sl_input(g, "timestep", SL_F32, SL_SHAPE(batch));
    sl_value context =
        sl_input(g, "context", SL_F32, SL_SHAPE(batch, clip->max_position_embeddings, clip->hidden_size));
    sl_value beam = SL_NONE;
    if (unet->beam_channels)
        beam = sl_input(
            g, "beam", SL_F32,
            SL_SHAPE(batch, sl_value_dim(g, sample, 1), sl_value_dim(g, sample, 2), unet->beam_channels));
    sl_hold(g, context);
    if (sl_value_is(beam)) sl_hold(g, beam);
    return sl_unet_build(nn, unet, sample, timestep, context, beam);
}

static void build_step(const sl_programs *programs, sl_nn *nn, const sl_sampler_step *step, sl_shape shape) {
    sl_step_values values;
    sl_value input = sl_sampler_step_begin(nn->graph, step, shape, &values);
    sl_sampler_step_end(nn->graph, step, &values, build_denoiser(programs, nn, input));
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
    sl_shape latents = SL_SHAPE(slot->batch, slot->height, slot->width, sl_bundle_unet(bundle)->in_channels);
    switch (part) {
    case SL_PART_TEXT:
        sl_output(program->graph, "embeddings",
                  sl_clip_build(nn, sl_bundle_clip(bundle),
                                sl_input(program->graph, "ids", SL_I32, SL_SHAPE(slot->batch, slot->height)),
                                programs->options.clip_skip));
        break;
    case SL_PART_STEP:
        build_step(programs, nn, &slot->step, latents);
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

/* What a part takes of a device's memory. */
static void tell(sl_part part, const sl_program *program) {
    static const char *const names[SL_PARTS] = {"text encoder", "denoiser", "decoder", "encoder"};
    const sl_device *device;
    char figures[160];
    if (sl_device_current(&device) != SL_OK || !device) return;
    sl_plan_memory memory = sl_plan_memory_of(program->plan);
    sl_plan_memory_text(&memory, 0, figures, sizeof figures);
    sl_info("%s on the device: %s", names[part], figures);
}

static sl_status compile_into(sl_programs *programs, sl_part part, kept *slot) {
    sl_status status = compile(programs, part, slot);
    if (status == SL_OK)
        tell(part, &slot->program);
    else
        sl_program_end(&slot->program);
    return status;
}

static sl_status make_room_and_compile(sl_programs *programs, sl_part part, kept *slot) {
    sl_status status = compile_into(programs, part, slot);
    if (status == SL_MEMORY && part != SL_PART_TEXT) {
        drop(programs, SL_PART_TEXT); /* its embeddings are kept */
        status = compile_into(programs, part, slot);
    }
    if (status == SL_MEMORY) {
        drop_except(programs, (int)part, slot);
        status = compile_into(programs, part, slot);
    }
    if (status == SL_MEMORY && part != SL_PART_DECODE && part != SL_PART_ENCODE) {
        sl_programs_drop_others(programs, part);
        status = compile_into(programs, part, slot);
    }
    return status;
}

static sl_status get(sl_programs *programs, sl_part part, const kept *wanted, sl_program **out) {
    kept *slots = programs->slots[part], *oldest = slots;
    int64_t values = sl_params_values(model_of(programs->bundle, part)->params, false);
    int count = (size_t)values * sizeof(float) > large_bytes ? 1 : SLOTS;
    for (int i = 0; i < count; i++) {
        kept *s = &slots[i];
        if (s->used && s->batch == wanted->batch && s->height == wanted->height &&
            s->width == wanted->width && sl_sampler_step_equal(&s->step, &wanted->step)) {
            s->used = ++programs->clock;
            *out = &s->program;
            return SL_OK;
        }
        if (s->used < oldest->used) oldest = s;
    }
    sl_program_end(&oldest->program);
    *oldest = *wanted;
    SL_TRY(make_room_and_compile(programs, part, oldest));
    oldest->used = ++programs->clock;
    *out = &oldest->program;
    return SL_OK;
}

sl_status sl_programs_get(sl_programs *programs, sl_part part, int64_t batch, int64_t height, int64_t width,
                          sl_program **out) {
    return get(programs, part, &(kept){.batch = batch, .height = height, .width = width}, out);
}

sl_status sl_programs_get_step(sl_programs *programs, const sl_sampler_step *step, int64_t batch,
                               int64_t height, int64_t width, sl_program **out) {
    kept wanted = {.batch = batch, .height = height, .width = width, .step = *step};
    return get(programs, SL_PART_STEP, &wanted, out);
}
