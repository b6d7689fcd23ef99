#include "diffusion/pipeline.h"

#include "base/limits.h"
#include "diffusion/autoencoder.h"
#include "diffusion/programs.h"

#include <math.h>
#include <string.h>

enum { TEXTS_KEPT = 64, DEFAULT_STEPS = 30, DEFAULT_BATCH = 4 };

typedef struct kept_text {
    char *text;
    float *embedding; /* [L, E] */
    bool cut;
} kept_text;

struct sl_pipeline {
    const sl_bundle *bundle;
    sl_programs *programs;
    int64_t length, width; /* of a text's embedding */
    int64_t decoded_tile_px;
    kept_text texts[TEXTS_KEPT];
    int next_text; /* the one to be replaced */
};

sl_status sl_pipeline_new(const sl_bundle *bundle, const sl_pipeline_options *options, sl_pipeline **out) {
    static const sl_pipeline_options plain = {.dtype = SL_F32};
    sl_pipeline *pipeline;
    SL_TRY(sl_alloc(&pipeline, 1, sizeof *pipeline));
    pipeline->bundle = bundle;
    pipeline->length = sl_bundle_clip(bundle)->max_position_embeddings;
    pipeline->width = sl_bundle_clip(bundle)->hidden_size;
    sl_status status = sl_programs_new(bundle, options ? options : &plain, &pipeline->programs);
    if (status == SL_OK)
        *out = pipeline;
    else
        sl_pipeline_free(pipeline);
    return status;
}

static void forget_texts(sl_pipeline *pipeline) {
    for (int i = 0; i < TEXTS_KEPT; i++) {
        free(pipeline->texts[i].text);
        sl_free(pipeline->texts[i].embedding);
        pipeline->texts[i] = (kept_text){0};
    }
}

void sl_pipeline_free(sl_pipeline *pipeline) {
    if (!pipeline) return;
    forget_texts(pipeline);
    sl_programs_free(pipeline->programs);
    sl_free(pipeline);
}

void sl_pipeline_weights_changed(sl_pipeline *pipeline) {
    forget_texts(pipeline);
    sl_programs_weights_changed(pipeline->programs);
}

sl_shape sl_pipeline_text_shape(const sl_pipeline *pipeline) {
    return SL_SHAPE(pipeline->length, pipeline->width);
}

/* ---- text ---- */

static sl_status compute_text(sl_pipeline *pipeline, const char *text, float *out, bool *cut) {
    int length = (int)pipeline->length, needed;
    int32_t *ids;
    SL_TRY(sl_alloc(&ids, (size_t)length, sizeof *ids));
    sl_program *program = NULL;
    sl_status status = sl_tokenizer_encode(pipeline->bundle->tokenizer, text, length, ids, &needed);
    if (status == SL_OK) status = sl_programs_get(pipeline->programs, SL_PART_TEXT, 1, length, 0, &program);
    if (status == SL_OK) status = sl_program_set(program, "ids", ids, (size_t)length * sizeof *ids);
    if (status == SL_OK) status = sl_program_run(program);
    if (status == SL_OK)
        status = sl_program_get(program, "embeddings", out, (size_t)(length * pipeline->width) * sizeof *out);
    if (status == SL_OK) *cut = needed > length;
    sl_free(ids);
    return status;
}

static sl_status text_embedding(sl_pipeline *pipeline, const char *text, const kept_text **out) {
    for (int i = 0; i < TEXTS_KEPT; i++) {
        if (!pipeline->texts[i].text || strcmp(pipeline->texts[i].text, text) != 0) continue;
        *out = &pipeline->texts[i];
        return SL_OK;
    }
    kept_text *slot = &pipeline->texts[pipeline->next_text];
    free(slot->text);
    sl_free(slot->embedding);
    *slot = (kept_text){0};
    SL_TRY(sl_alloc(&slot->embedding, (size_t)(pipeline->length * pipeline->width), sizeof *slot->embedding));
    SL_TRY(compute_text(pipeline, text, slot->embedding, &slot->cut));
    slot->text = strdup(text);
    if (!slot->text) return sl_fail(SL_MEMORY, "no memory for a prompt");
    pipeline->next_text = (pipeline->next_text + 1) % TEXTS_KEPT;
    *out = slot;
    return SL_OK;
}

sl_status sl_pipeline_encode_text(sl_pipeline *pipeline, const char *text, float *out, bool *out_cut) {
    const kept_text *kept;
    SL_TRY(text_embedding(pipeline, text, &kept));
    memcpy(out, kept->embedding, (size_t)(pipeline->length * pipeline->width) * sizeof *out);
    if (out_cut) *out_cut = kept->cut;
    return SL_OK;
}

/* ---- denoiser ---- */

bool sl_pipeline_takes_beam(const sl_pipeline *pipeline) {
    return sl_bundle_unet(pipeline->bundle)->beam_channels > 0;
}

/* input and out [batch, h, w, C], embeddings [batch, L, E], beam [batch, h, w, SL_BEAM_CHANNELS] where the
 * denoiser takes it */
static sl_status denoise(sl_pipeline *pipeline, int64_t batch, int64_t height, int64_t width,
                         const float *input, double timestep, const float *embeddings, const float *beam,
                         float *out) {
    int64_t channels = sl_bundle_unet(pipeline->bundle)->in_channels;
    size_t bytes = (size_t)(batch * height * width * channels) * sizeof *input;
    float times[SL_LIMIT_BATCH];
    sl_program *program;
    for (int64_t i = 0; i < batch; i++) times[i] = (float)timestep;
    SL_TRY(sl_programs_get(pipeline->programs, SL_PART_DENOISE, batch, height, width, &program));
    SL_TRY(sl_program_set(program, "sample", input, bytes));
    SL_TRY(sl_program_set(program, "timestep", times, (size_t)batch * sizeof *times));
    SL_TRY(sl_program_set(program, "context", embeddings,
                          (size_t)(batch * pipeline->length * pipeline->width) * sizeof *embeddings));
    if (sl_pipeline_takes_beam(pipeline))
        SL_TRY(sl_program_set(program, "beam", beam,
                              (size_t)(batch * height * width * SL_BEAM_CHANNELS) * sizeof *beam));
    SL_TRY(sl_program_run(program));
    return sl_program_get(program, "prediction", out, bytes);
}

sl_status sl_pipeline_denoise(sl_pipeline *pipeline, const sl_tensor *sample, double timestep,
                              const float *embeddings, float *out) {
    int64_t channels = sl_bundle_unet(pipeline->bundle)->in_channels;
    sl_shape_text text;
    if (sample->shape.rank != 4 || sample->dtype != SL_F32 || sample->shape.dim[3] != channels ||
        sample->shape.dim[0] > SL_LIMIT_BATCH)
        return sl_fail(SL_INVALID, "sample %s, expected [N, h, w, %lld] of F32",
                       sl_shape_format(&sample->shape, &text), (long long)channels);
    int64_t count = sample->shape.dim[0] * sample->shape.dim[1] * sample->shape.dim[2];
    float *beam = NULL;
    if (sl_pipeline_takes_beam(pipeline))
        SL_TRY(sl_alloc(&beam, (size_t)count, SL_BEAM_CHANNELS * sizeof *beam)); /* zeros: not known */
    sl_status status = denoise(pipeline, sample->shape.dim[0], sample->shape.dim[1], sample->shape.dim[2],
                               sample->data, timestep, embeddings, beam, out);
    sl_free(beam);
    return status;
}

/* ---- sampling ---- */

typedef struct run {
    sl_pipeline *pipeline;
    const sl_generation *generation;
    const sl_sampler_settings *settings;
    int64_t height, width, channels; /* of the latents */
    int64_t batch;
    int steps, calls;
    bool guided, wants_noise;
    double initial_scale;
    float *latents;    /* [count, h, w, C] */
    float *input;      /* [batch or 2 batch, h, w, C] */
    float *output;     /* the same */
    float *step_noise; /* [batch, h, w, C] */
    float *drawn;      /* [batch, C, h, w]: the order in which noise is drawn */
    float *embeddings; /* [batch or 2 batch, L, E] */
    float *beam;       /* [batch or 2 batch, h, w, SL_BEAM_CHANNELS]; NULL where the denoiser takes none */
    int cut_prompts;
} run;

static int64_t image_values(const run *r) {
    return r->height * r->width * r->channels;
}

/* Standard deviation with n-1, as torch.std. */
static double deviation(const float *x, int64_t count) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i];
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/* free = free + guidance (bound - free), then pulled towards the spread of `bound` by the rescale. */
static void guide(const sl_generation *generation, float *free_output, const float *bound, int64_t count) {
    float guidance = (float)generation->guidance;
    for (int64_t i = 0; i < count; i++) free_output[i] += guidance * (bound[i] - free_output[i]);
    double rescale = generation->guidance_rescale;
    if (!(rescale > 0)) return;
    double factor = rescale * deviation(bound, count) / deviation(free_output, count) + (1.0 - rescale);
    for (int64_t i = 0; i < count; i++) free_output[i] = (float)(factor * (double)free_output[i]);
}

/* Embeddings of images first..first+count-1: without guidance the prompts', else the negatives' and then the
 * prompts'. */
static sl_status gather_embeddings(run *r, int64_t first, int64_t count) {
    const sl_generation *g = r->generation;
    size_t each = (size_t)(r->pipeline->length * r->pipeline->width);
    for (int64_t i = 0; i < count; i++) {
        int64_t prompt = (first + i) % g->prompt_count;
        const kept_text *kept;
        if (r->guided) {
            SL_TRY(text_embedding(r->pipeline, g->negatives ? g->negatives[prompt] : "", &kept));
            memcpy(r->embeddings + (size_t)i * each, kept->embedding, each * sizeof *r->embeddings);
        }
        SL_TRY(text_embedding(r->pipeline, g->prompts[prompt], &kept));
        memcpy(r->embeddings + (size_t)(r->guided ? count + i : i) * each, kept->embedding,
               each * sizeof *r->embeddings);
        r->cut_prompts += kept->cut && first + i < g->prompt_count;
    }
    return SL_OK;
}

/* Both passes of guidance know the beam: it is the prompt that they differ by. */
static void map_beams(run *r, int64_t first, int64_t count) {
    const sl_direct_beam nobody_knows = {0}, *beams = r->generation->beams;
    int64_t each = r->height * r->width * SL_BEAM_CHANNELS;
    double place_px = (double)sl_bundle_reduction(r->pipeline->bundle);
    if (!r->beam) return;
    for (int64_t i = 0; i < count; i++)
        sl_beam_map(beams ? &beams[first + i] : &nobody_knows, r->height, r->width, place_px,
                    r->beam + i * each);
    if (r->guided) memcpy(r->beam + count * each, r->beam, (size_t)(count * each) * sizeof *r->beam);
}

/* The next noise of `count` images into out [count, h, w, C]. */
static void draw(const run *r, sl_noise *noise, int64_t count, float *out) {
    int64_t pixels = r->height * r->width, each = image_values(r);
    sl_noise_draw(noise, r->drawn);
    for (int64_t n = 0; n < count; n++)
        for (int64_t c = 0; c < r->channels; c++)
            for (int64_t i = 0; i < pixels; i++)
                out[n * each + i * r->channels + c] = r->drawn[n * each + c * pixels + i];
}

static sl_status one_call(run *r, sl_sampling *sampling, sl_noise *noise, int call, int64_t first,
                          int64_t count) {
    const sl_generation *g = r->generation;
    int64_t each = image_values(r), values = count * each;
    float *x = r->latents + first * each;
    sl_sampling_input(sampling, call, x, r->input);
    if (r->guided) memcpy(r->input + values, r->input, (size_t)values * sizeof *r->input);
    SL_TRY(denoise(r->pipeline, r->guided ? 2 * count : count, r->height, r->width, r->input,
                   sl_sampling_timestep(sampling, call), r->embeddings, r->beam, r->output));
    for (int64_t i = 0; r->guided && i < count; i++)
        guide(g, r->output + i * each, r->output + values + i * each, each);
    if (r->wants_noise) draw(r, noise, count, r->step_noise);
    sl_sampling_step(sampling, call, r->output, r->wants_noise ? r->step_noise : NULL, x);
    if (g->on_step) {
        sl_tensor view = {SL_F32, SL_SHAPE(count, r->height, r->width, r->channels), x};
        g->on_step(g->context, call, first, &view);
    }
    return SL_OK;
}

static sl_status all_calls(run *r, sl_noise *noise, int64_t first, int64_t count) {
    const sl_progress *progress = r->generation->progress;
    int64_t values = count * image_values(r), batches = (r->generation->count + r->batch - 1) / r->batch;
    float *x = r->latents + first * image_values(r);
    draw(r, noise, count, x);
    for (int64_t i = 0; i < values; i++) x[i] = (float)((double)x[i] * r->initial_scale);
    sl_sampling *sampling;
    SL_TRY(sl_sampling_new(r->settings, r->steps, (size_t)values, &sampling));
    sl_status status = SL_OK;
    for (int call = 0; call < r->calls && status == SL_OK; call++) {
        status = sl_progress_check(progress);
        if (status == SL_OK) status = one_call(r, sampling, noise, call, first, count);
        sl_progress_tell(progress, "generating", "step", first / r->batch * r->calls + call + 1,
                         batches * r->calls, NULL);
    }
    sl_sampling_free(sampling);
    return status;
}

static sl_status one_batch(run *r, int64_t first, int64_t count) {
    const sl_generation *g = r->generation;
    SL_TRY(gather_embeddings(r, first, count));
    map_beams(r, first, count);
    sl_noise *noise;
    SL_TRY(sl_noise_new(g->noise, g->seed, g->first_image + (uint32_t)first, (int)count,
                        (size_t)image_values(r), &noise));
    sl_status status = all_calls(r, noise, first, count);
    sl_noise_free(noise);
    return status;
}

static sl_status check_request(const sl_generation *g) {
    if (g->count < 1 || g->prompt_count < 1 || !g->prompts)
        return sl_fail(SL_INVALID, "%lld images of %lld prompts, expected at least one of each",
                       (long long)g->count, (long long)g->prompt_count);
    if (g->batch < 0 || g->batch > SL_LIMIT_BATCH / 2)
        return sl_fail(SL_LIMIT, "a batch of %lld images, the limit is %d", (long long)g->batch,
                       SL_LIMIT_BATCH / 2);
    if (g->height < 0 || g->width < 0 || g->height > SL_LIMIT_IMAGE_SIDE_PX ||
        g->width > SL_LIMIT_IMAGE_SIDE_PX)
        return sl_fail(SL_LIMIT, "an image of %lld x %lld pixels, the limit is %d a side",
                       (long long)g->height, (long long)g->width, SL_LIMIT_IMAGE_SIDE_PX);
    return SL_OK;
}

/* Sizes, sampler facts and buffers. */
static sl_status prepare(run *r) {
    const sl_generation *g = r->generation;
    const sl_bundle *bundle = r->pipeline->bundle;
    int64_t reduction = sl_bundle_reduction(bundle), side = sl_bundle_unet(bundle)->sample_size;
    if (g->height % reduction || g->width % reduction)
        return sl_fail(SL_INVALID, "an image of %lld x %lld pixels, expected multiples of %lld",
                       (long long)g->height, (long long)g->width, (long long)reduction);
    r->height = g->height ? g->height / reduction : side;
    r->width = g->width ? g->width / reduction : side;
    r->channels = sl_bundle_unet(bundle)->in_channels;
    /* As many batches as the wish needs, all of nearly one size. One shared generator draws for all images at
     * once. */
    int64_t wish = g->noise == SL_NOISE_TORCH_SHARED ? g->count : g->batch ? g->batch : DEFAULT_BATCH;
    int64_t batches = (g->count + wish - 1) / wish;
    r->batch = (g->count + batches - 1) / batches;
    r->steps = g->steps ? g->steps : DEFAULT_STEPS;
    r->guided = g->guidance > 1.0;
    r->settings = g->sampler ? g->sampler : &bundle->sampler;
    sl_sampling *sampling;
    SL_TRY(sl_sampling_new(r->settings, r->steps, 1, &sampling));
    r->calls = sl_sampling_calls(sampling);
    r->wants_noise = sl_sampling_wants_noise(sampling);
    r->initial_scale = sl_sampling_initial_scale(sampling);
    sl_sampling_free(sampling);
    size_t each = (size_t)image_values(r), rows = (size_t)r->batch * (r->guided ? 2 : 1);
    SL_TRY(sl_alloc(&r->latents, (size_t)g->count, each * sizeof *r->latents));
    SL_TRY(sl_alloc(&r->input, rows, each * sizeof *r->input));
    SL_TRY(sl_alloc(&r->output, rows, each * sizeof *r->output));
    SL_TRY(sl_alloc(&r->step_noise, (size_t)r->batch, each * sizeof *r->step_noise));
    SL_TRY(sl_alloc(&r->drawn, (size_t)r->batch, each * sizeof *r->drawn));
    if (sl_pipeline_takes_beam(r->pipeline))
        SL_TRY(sl_alloc(&r->beam, rows, (size_t)(r->height * r->width) * SL_BEAM_CHANNELS * sizeof *r->beam));
    return sl_alloc(&r->embeddings, rows,
                    (size_t)(r->pipeline->length * r->pipeline->width) * sizeof *r->embeddings);
}

static void release(run *r) {
    sl_free(r->latents);
    sl_free(r->input);
    sl_free(r->output);
    sl_free(r->step_noise);
    sl_free(r->drawn);
    sl_free(r->embeddings);
    sl_free(r->beam);
}

sl_status sl_pipeline_generate(sl_pipeline *pipeline, const sl_generation *generation, sl_generated *out) {
    SL_TRY(check_request(generation));
    run r = {.pipeline = pipeline, .generation = generation};
    sl_generated made = {0};
    sl_status status;
    SL_GUARD(status, prepare(&r), done);
    for (int64_t first = 0; first < generation->count; first += r.batch) {
        int64_t left = generation->count - first;
        SL_GUARD(status, one_batch(&r, first, left < r.batch ? left : r.batch), done);
    }
    made.latents = (sl_tensor){SL_F32, SL_SHAPE(generation->count, r.height, r.width, r.channels), r.latents};
    made.cut_prompts = r.cut_prompts;
    if (!generation->latents_only)
        SL_GUARD(status, sl_pipeline_decode(pipeline, &made.latents, &made.images), done);
    made.tile_px = generation->latents_only ? 0 : pipeline->decoded_tile_px;
    r.latents = NULL; /* now the caller's */
    *out = made;
done:
    release(&r);
    return sl_context(status, "generating");
}

void sl_generated_free(sl_generated *generated) {
    sl_tensor_free(&generated->latents);
    sl_tensor_free(&generated->images);
}

/* ---- autoencoder ---- */

sl_status sl_pipeline_decode(sl_pipeline *pipeline, const sl_tensor *latents, sl_tensor *out) {
    return sl_context(
        sl_autoencoder_decode(pipeline->bundle, pipeline->programs, latents, out, &pipeline->decoded_tile_px),
        "decoding");
}

sl_status sl_pipeline_encode(sl_pipeline *pipeline, const sl_tensor *images, const float *noise,
                             sl_tensor *out) {
    return sl_context(sl_autoencoder_encode(pipeline->bundle, pipeline->programs, images, noise, out),
                      "encoding");
}
