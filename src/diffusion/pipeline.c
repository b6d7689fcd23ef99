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

static int64_t beam_channels(const sl_pipeline *pipeline) {
    return sl_bundle_unet(pipeline->bundle)->beam_channels;
}

bool sl_pipeline_takes_beam(const sl_pipeline *pipeline) {
    return beam_channels(pipeline) > 0;
}

bool sl_pipeline_takes_sketch(const sl_pipeline *pipeline) {
    return sl_bundle_unet(pipeline->bundle)->beam_sketch;
}

static sl_status set_timestep(sl_program *program, int64_t batch, double timestep) {
    float times[SL_LIMIT_BATCH];
    for (int64_t i = 0; i < batch; i++) times[i] = (float)timestep;
    return sl_program_set(program, "timestep", times, (size_t)batch * sizeof *times);
}

/* embeddings [batch, L, E], beam [batch, pixels, beam_channels] where the denoiser takes it */
static sl_status set_conditions(const sl_pipeline *pipeline, sl_program *program, int64_t batch,
                                int64_t pixels, const float *embeddings, const float *beam) {
    SL_TRY(sl_program_set(program, "context", embeddings,
                          (size_t)(batch * pipeline->length * pipeline->width) * sizeof *embeddings));
    int64_t channels = beam_channels(pipeline);
    if (!channels) return SL_OK;
    return sl_program_set(program, "beam", beam, (size_t)(batch * pixels * channels) * sizeof *beam);
}

/* ---- sampling ---- */

typedef struct run {
    sl_pipeline *pipeline;
    const sl_generation *generation;
    const sl_sampler_settings *settings;
    int64_t height, width, channels; /* of the latents */
    int64_t batch;
    int steps, calls;
    bool guides; /* in some step */
    sl_sampler_step step;
    double initial_scale;
    double mean_variance; /* of the first channel's mean from image to image, that of the noise's being 1 */
    float *latents;       /* [count, h, w, C] */
    float *kept;          /* [slots, batch, h, w, C]: what the sampler keeps, on its way between programs */
    float *step_noise;    /* [batch, h, w, C] */
    float *drawn;         /* [batch, C, h, w]: the order in which noise is drawn */
    float *embeddings;    /* [batch or 2 batch, L, E] */
    float *beam;          /* [batch or 2 batch, h, w, beam_channels]; NULL where the denoiser takes none */
    int cut_prompts;
} run;

static int64_t image_values(const run *r) {
    return r->height * r->width * r->channels;
}

/* Embeddings of images first..first+count-1: without guidance the prompts', else the negatives' and then the
 * prompts'. */
static sl_status gather_embeddings(run *r, int64_t first, int64_t count) {
    const sl_generation *g = r->generation;
    size_t each = (size_t)(r->pipeline->length * r->pipeline->width);
    for (int64_t i = 0; i < count; i++) {
        int64_t prompt = (first + i) % g->prompt_count;
        const kept_text *kept;
        if (r->guides) {
            SL_TRY(text_embedding(r->pipeline, g->negatives ? g->negatives[prompt] : "", &kept));
            memcpy(r->embeddings + (size_t)i * each, kept->embedding, each * sizeof *r->embeddings);
        }
        SL_TRY(text_embedding(r->pipeline, g->prompts[prompt], &kept));
        memcpy(r->embeddings + (size_t)(r->guides ? count + i : i) * each, kept->embedding,
               each * sizeof *r->embeddings);
        r->cut_prompts += kept->cut && first + i < g->prompt_count;
    }
    return SL_OK;
}

/* Of images first..first+count-1; sketches may be NULL. */
static void map_beams(const run *r, int64_t first, int64_t count, const sl_sketch *sketches, float *out) {
    const sl_direct_beam nobody_knows = {0}, *beams = r->generation->beams;
    int64_t channels = beam_channels(r->pipeline), each = r->height * r->width * channels;
    double place_px = (double)sl_bundle_reduction(r->pipeline->bundle);
    for (int64_t i = 0; i < count; i++)
        sl_beam_map(beams ? &beams[first + i] : &nobody_knows, sketches ? &sketches[first + i] : NULL,
                    r->height, r->width, place_px, channels, out + i * each);
}

/* Likewise, in the order of the embeddings. Both passes of guidance know the beam: they differ by the prompt,
 * and by the sketch where that guides. */
static void gather_beams(run *r, int64_t first, int64_t count) {
    const sl_generation *g = r->generation;
    int64_t each = r->height * r->width * beam_channels(r->pipeline);
    if (!r->beam) return;
    if (r->guides) map_beams(r, first, count, g->way.sketch_guided ? NULL : g->sketches, r->beam);
    map_beams(r, first, count, g->sketches, r->beam + (r->guides ? count * each : 0));
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

/* ---- the loop: latents stay where plans run ---- */

typedef struct loop {
    sl_program *program; /* NULL before the first call */
    bool guided;         /* what that program is for */
    sl_sampling *sampling;
    sl_noise *noise;
    int64_t first, count; /* images */
    float *x;             /* their latents on the host */
    size_t bytes;
} loop;

static bool guided_at(const run *r, double timestep) {
    const sl_generation *g = r->generation;
    double share = timestep / (double)r->settings->schedule.train_steps;
    return r->guides && share >= g->way.guidance_from &&
           (g->way.guidance_to == 0 || share < g->way.guidance_to);
}

/* What stays between steps, between a program and the host. */
static sl_status move_kept(run *r, loop *l, sl_status (*move)(sl_program *, const char *, void *, size_t)) {
    SL_TRY(move(l->program, sl_sampler_step_kept[0], l->x, l->bytes));
    for (int i = 0; i < r->step.form.slots; i++)
        SL_TRY(move(l->program, sl_sampler_step_kept[1 + i], r->kept + i * r->batch * image_values(r),
                    l->bytes));
    return SL_OK;
}

static sl_status set_kept(sl_program *program, const char *name, void *data, size_t bytes) {
    return sl_program_set(program, name, data, bytes);
}

/* Goes on in the program of steps with or without guidance. */
static sl_status change_program(run *r, loop *l, bool guided) {
    const sl_generation *g = r->generation;
    const double guidance[3] = {g->way.guidance, g->guidance_rescale,
                                g->way.level_guidance > 0 ? g->way.level_guidance : g->way.guidance};
    int64_t rows = guided ? 2 * l->count : l->count, pixels = r->height * r->width;
    int64_t skipped = r->guides && !guided ? l->count : 0; /* without their prompts */
    if (l->program) SL_TRY(move_kept(r, l, sl_program_get));
    r->step.guided = l->guided = guided;
    SL_TRY(sl_programs_get_step(r->pipeline->programs, &r->step, l->count, r->height, r->width, &l->program));
    SL_TRY(move_kept(r, l, set_kept));
    if (guided) SL_TRY(sl_program_set(l->program, "guidance", guidance, sizeof guidance));
    return set_conditions(r->pipeline, l->program, rows, pixels,
                          r->embeddings + skipped * r->pipeline->length * r->pipeline->width,
                          r->beam ? r->beam + skipped * pixels * beam_channels(r->pipeline) : NULL);
}

static void begin_loop(run *r, loop *l) {
    int64_t values = l->count * image_values(r);
    draw(r, l->noise, l->count, l->x);
    for (int64_t i = 0; i < values; i++) l->x[i] = (float)((double)l->x[i] * r->initial_scale);
}

/* The mean of each image's first channel is `factor` times what it was. */
static void widen_means(const run *r, double factor, int64_t count, float *noise) {
    int64_t pixels = r->height * r->width;
    for (int64_t n = 0; n < count; n++) {
        float *first = noise + n * image_values(r);
        double sum = 0;
        for (int64_t i = 0; i < pixels; i++) sum += (double)first[i * r->channels];
        float more = (float)((factor - 1) * sum / (double)pixels);
        for (int64_t i = 0; i < pixels; i++) first[i * r->channels] += more;
    }
}

static sl_status set_noise(run *r, loop *l, int call) {
    int32_t key[6];
    if (!r->step.form.wants_noise) return SL_OK;
    if (r->step.draws_noise) {
        sl_noise_key(l->noise, key);
        return sl_program_set(l->program, "noise_key", key, sizeof key);
    }
    draw(r, l->noise, l->count, r->step_noise);
    if (r->mean_variance > 0)
        widen_means(r, sl_sampling_widening(l->sampling, call, r->mean_variance), l->count, r->step_noise);
    return sl_program_set(l->program, "noise", r->step_noise, l->bytes);
}

static sl_status one_call(run *r, loop *l, int call) {
    const sl_generation *g = r->generation;
    sl_sampling_weights weights;
    double timestep = sl_sampling_timestep(l->sampling, call);
    bool guided = guided_at(r, timestep);
    if (!l->program || l->guided != guided) SL_TRY(change_program(r, l, guided));
    sl_sampling_weigh(l->sampling, call, &weights);
    SL_TRY(sl_program_set(l->program, "weights", &weights, sizeof weights));
    SL_TRY(set_timestep(l->program, guided ? 2 * l->count : l->count, timestep));
    SL_TRY(set_noise(r, l, call));
    SL_TRY(sl_program_run(l->program));
    if (!g->on_step) return SL_OK;
    SL_TRY(sl_program_get(l->program, "latents", l->x, l->bytes));
    sl_tensor view = {SL_F32, SL_SHAPE(l->count, r->height, r->width, r->channels), l->x};
    g->on_step(g->context, call, l->first, &view);
    return SL_OK;
}

/* Who watches is told of steps that are done, and stops what has not begun. */
static sl_status all_calls(run *r, loop *l) {
    const sl_progress *progress = r->generation->progress;
    int64_t batches = (r->generation->count + r->batch - 1) / r->batch;
    begin_loop(r, l);
    for (int call = 0; call < r->calls; call++) {
        SL_TRY(sl_progress_check(progress));
        SL_TRY(one_call(r, l, call));
        if (progress) SL_TRY(sl_plan_wait(l->program->plan));
        sl_progress_tell(progress, "generating", "step", l->first / r->batch * r->calls + call + 1,
                         batches * r->calls, NULL);
    }
    return sl_program_get(l->program, "latents", l->x, l->bytes);
}

static sl_status one_batch(run *r, int64_t first, int64_t count) {
    const sl_generation *g = r->generation;
    size_t each = (size_t)image_values(r);
    loop l = {.first = first, .count = count, .x = r->latents + (size_t)first * each};
    l.bytes = (size_t)count * each * sizeof *l.x;
    sl_status status;
    SL_GUARD(status, gather_embeddings(r, first, count), done);
    gather_beams(r, first, count);
    SL_GUARD(status,
             sl_noise_new(g->noise, g->seed, g->first_image + (uint32_t)first, (int)count, each, &l.noise),
             done);
    SL_GUARD(status, sl_sampling_new(r->settings, r->steps, 0, &l.sampling), done);
    status = all_calls(r, &l);
done:
    sl_noise_free(l.noise);
    sl_sampling_free(l.sampling);
    return status;
}

static sl_status check_request(const sl_generation *g) {
    if (!(g->way.guidance_from >= 0 && g->way.guidance_from <= 1 && g->way.guidance_to >= 0 &&
          g->way.guidance_to <= 1))
        return sl_fail(SL_INVALID, "guidance from %g to %g of the noise schedule, expected 0 to 1",
                       g->way.guidance_from, g->way.guidance_to);
    if (!(g->way.level_guidance >= 0))
        return sl_fail(SL_INVALID, "a guidance of %g for levels, expected 0 or more", g->way.level_guidance);
    if (!(g->way.brightness_deviation >= 0))
        return sl_fail(SL_INVALID, "a brightness deviation of %g, expected 0 or more",
                       g->way.brightness_deviation);
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
    if (wish > SL_LIMIT_BATCH / 2)
        return sl_fail(SL_LIMIT, "%lld images with one generator are one batch, the limit is %d",
                       (long long)wish, SL_LIMIT_BATCH / 2);
    int64_t batches = (g->count + wish - 1) / wish;
    r->batch = (g->count + batches - 1) / batches;
    r->steps = g->steps ? g->steps : DEFAULT_STEPS;
    r->guides = g->way.guidance > 1.0;
    r->settings = g->sampler ? g->sampler : &bundle->sampler;
    sl_sampling *sampling;
    SL_TRY(sl_sampling_new(r->settings, r->steps, 0, &sampling));
    r->calls = sl_sampling_calls(sampling);
    r->step.form = sl_sampling_form_of(r->settings);
    double deviation = sl_sampler_widens(r->settings) ? g->way.brightness_deviation : 0;
    r->mean_variance = deviation * deviation * (double)(r->height * r->width);
    r->step.draws_noise = r->step.form.wants_noise && g->noise == SL_NOISE_COUNTER && !(r->mean_variance > 0);
    r->initial_scale = sl_sampling_initial_scale(sampling);
    sl_sampling_free(sampling);
    size_t each = (size_t)image_values(r), rows = (size_t)r->batch * (r->guides ? 2 : 1);
    SL_TRY(sl_alloc(&r->latents, (size_t)g->count, each * sizeof *r->latents));
    SL_TRY(sl_alloc(&r->step_noise, (size_t)r->batch, each * sizeof *r->step_noise));
    SL_TRY(sl_alloc(&r->kept, (size_t)(r->step.form.slots * r->batch), each * sizeof *r->kept));
    SL_TRY(sl_alloc(&r->drawn, (size_t)r->batch, each * sizeof *r->drawn));
    if (sl_pipeline_takes_beam(r->pipeline))
        SL_TRY(sl_alloc(&r->beam, rows,
                        (size_t)(r->height * r->width * beam_channels(r->pipeline)) * sizeof *r->beam));
    return sl_alloc(&r->embeddings, rows,
                    (size_t)(r->pipeline->length * r->pipeline->width) * sizeof *r->embeddings);
}

static void release(run *r) {
    sl_free(r->latents);
    sl_free(r->kept);
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
