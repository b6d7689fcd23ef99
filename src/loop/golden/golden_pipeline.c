/* Whole pipelines: from a prompt to the latents of every step and the image. */
#include "loop/golden/net.h"

#include "diffusion/pipeline.h"
#include "model/lora_file.h"

#include <math.h>
#include <string.h>

/* What the names of the folder's cases say beyond their recorded settings. */
static const struct {
    const char *name, *sampler; /* NULL: the folder's own */
    double rescale, lora_scale; /* 0: none */
} known[] = {
    {"pndm", NULL, 0, 0},
    {"pndm_nocfg", NULL, 0, 0},
    {"pndm_x2", NULL, 0, 0},
    {"pndm_rescale", NULL, 0.7, 0},
    {"ddim", "ddim", 0, 0},
    {"euler_a", "euler_a", 0, 0},
    {"dpmpp_2m_karras", "dpmpp_2m_karras", 0, 0},
    {"ddim_lora", "ddim", 0, 1},
    {"ddim_lora_0p5", "ddim", 0, 0.5},
};

/* Latents after each call, in the fixtures' layout. */
typedef struct record {
    float *latents;
    size_t each, calls; /* values of one call; calls that fit */
} record;

static void on_step(void *context, int call, int64_t first, const sl_tensor *latents) {
    record *r = context;
    (void)first; /* one batch */
    if ((size_t)call < r->calls && (size_t)sl_shape_count(&latents->shape) == r->each)
        sl_golden_to_nchw(&latents->shape, latents->data, r->latents + (size_t)call * r->each);
}

static sl_status compare_images(sl_golden *g, const char *name, const sl_tensor *images) {
    size_t count = (size_t)sl_shape_count(&images->shape);
    const char *rounded = sl_arena_printf(g->arena, "%s.u8", name);
    float *x;
    uint8_t *bytes = NULL;
    SL_TRY(sl_alloc(&x, count, sizeof *x));
    sl_status status = sl_alloc(&bytes, count, 1);
    if (!status) {
        sl_golden_to_nchw(&images->shape, images->data, x);
        for (size_t i = 0; i < count; i++) {
            x[i] = fminf(fmaxf(x[i] / 2 + 0.5f, 0), 1);
            bytes[i] = (uint8_t)nearbyintf(x[i] * 255);
        }
        status = sl_golden_floats(g, sl_arena_printf(g->arena, "%s.image", name), x, count);
    }
    if (g->settings->dtype != SL_F32)
        sl_golden_touch(g, rounded); /* is no further off than the image, and has no tolerance of its own */
    else if (!status)
        status = sl_golden_bytes(g, rounded, bytes, count);
    sl_free(x);
    sl_free(bytes);
    return status;
}

static sl_status generate(sl_golden *g, const char *name, sl_pipeline *pipeline, sl_generation *generation) {
    const char *key = sl_arena_printf(g->arena, "%s.latents", name);
    const sl_stored_tensor *stored = sl_safetensors_find(g->file, key);
    if (!stored || stored->shape.rank != 5 || stored->shape.dim[0] < 1)
        return sl_fail(SL_FORMAT, "'%s' is not a stack of latents", key);
    size_t total = (size_t)sl_shape_count(&stored->shape), calls = (size_t)stored->shape.dim[0];
    record r = {NULL, total / calls, calls};
    sl_generated generated = {0};
    SL_TRY(sl_alloc(&r.latents, total, sizeof(float)));
    generation->on_step = on_step;
    generation->context = &r;
    sl_status status = sl_pipeline_generate(pipeline, generation, &generated);
    if (!status) status = sl_golden_floats(g, key, r.latents, total);
    if (!status) status = compare_images(g, name, &generated.images);
    sl_generated_free(&generated);
    sl_free(r.latents);
    return status;
}

static sl_status read_generation(const json_t *facts, sl_generation *out, const char **prompt,
                                 const char **negative) {
    int64_t seed, steps;
    SL_TRY(sl_json_string(facts, "prompt", prompt));
    SL_TRY(sl_json_string_or(facts, "negative", "", negative));
    SL_TRY(sl_json_int(facts, "n", 1, 64, &out->count));
    SL_TRY(sl_json_int(facts, "px", 8, 4096, &out->height));
    SL_TRY(sl_json_int(facts, "seed", 0, INT64_MAX, &seed));
    SL_TRY(sl_json_int(facts, "steps", 1, SL_LIMIT_SAMPLING_STEPS, &steps));
    SL_TRY(sl_json_real(facts, "guidance", &out->way.guidance));
    out->width = out->height;
    out->seed = (uint64_t)seed;
    out->steps = (int)steps;
    return SL_OK;
}

static sl_status run_case(sl_golden *g, const sl_bundle *bundle, size_t index, const json_t *facts) {
    const char *prompt, *negative;
    sl_generation generation = {
        .prompts = &prompt,
        .negatives = &negative,
        .prompt_count = 1,
        .noise = SL_NOISE_TORCH_SHARED,
        .guidance_rescale = known[index].rescale,
    };
    sl_sampler_settings sampler;
    SL_TRY(read_generation(facts, &generation, &prompt, &negative));
    SL_TRY(sl_sampler_settings_use(sl_golden_path(g, "pipe/scheduler"), known[index].sampler, &sampler));
    generation.sampler = &sampler;
    sl_lora *lora = NULL;
    sl_pipeline *pipeline = NULL;
    if (known[index].lora_scale > 0) {
        SL_TRY(sl_lora_load(sl_golden_path(g, "lora/pytorch_lora_weights.safetensors"), bundle->unet->params,
                            &lora));
        lora->scale = known[index].lora_scale;
    }
    const sl_lora *const loras[] = {lora};
    const sl_pipeline_options options = {
        .dtype = g->settings->dtype, .loras = loras, .lora_count = lora != NULL};
    sl_status status = sl_pipeline_new(bundle, &options, &pipeline);
    if (!status) status = generate(g, known[index].name, pipeline, &generation);
    sl_pipeline_free(pipeline);
    sl_lora_free(lora);
    return status;
}

sl_status sl_golden_pipeline(sl_golden *g) {
    sl_bundle *bundle;
    SL_TRY(sl_golden_open(g, "pipeline"));
    SL_TRY(sl_bundle_load(sl_golden_path(g, "pipe"), &bundle));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const json_t *facts = sl_golden_case(g, "pipeline", known[i].name);
        if (!facts) continue;
        sl_golden_begin(g, known[i].name);
        sl_golden_end(g, run_case(g, bundle, i, facts));
    }
    sl_bundle_free(bundle);
    return SL_OK;
}
