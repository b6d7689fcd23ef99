#include "loop/generate/generate.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random/random.h"
#include "base/threads.h"
#include "diffusion/pipeline.h"
#include "image/frame.h"
#include "loop/engine.h"
#include "loop/image_folder.h"
#include "loop/job.h"
#include "loop/generate/measure_decoded.h"
#include "loop/generate/sketch_standing.h"
#include "loop/generate/usual_sketch.h"
#include "loop/model_folder.h"
#include "loop/origin.h"
#include "loop/picture.h"
#include "loop/shard.h"
#include "loop/shipped.h"
#include "model/lora_file.h"
#include "weights/safetensors.h"
#include "xray/instrument/usual_beam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sl_option sl_generate_options[] = {
    SL_OPTION_INT(sl_generate_settings, count, "count", 'n', "1", 1, 1000000, "images", "how many images"),
    SL_OPTION_INT(sl_generate_settings, seed, "seed", 's', "0", 0, 9007199254740992.0, "N",
                  "image k of a run depends on the seed and k alone"),
    SL_OPTION_PATH(sl_generate_settings, model, "model", 'm', NULL, "DIR",
                   "diffusers folder (default: the shipped base)"),
    SL_OPTION_PATH(sl_generate_settings, lora, "lora", 0, NULL, "FILE",
                   "low-rank adapter, merged into the denoiser"),
    SL_OPTION_REAL(sl_generate_settings, lora_scale, "lora-scale", 0, "1", -4, 4, "", "its strength"),
    SL_OPTION_TEXT(sl_generate_settings, negative, "negative", 0, NULL, "PROMPT",
                   "what the images should not be"),
    SL_OPTION_INT(sl_generate_settings, steps, "steps", 0, "30", 1, 1000, "steps", "denoising steps"),
    SL_GENERATE_GUIDANCE(sl_generate_settings),
    SL_OPTION_REAL(
        sl_generate_settings, level_guidance, "level-guidance", 0, "-1", -1, 50, "",
        "guidance for how bright an image is, the mean of the latents' first channel; 0: as for the "
        "rest; -1: the model folder's own, 0 where it names none"),
    SL_OPTION_REAL(
        sl_generate_settings, guidance_from, "guidance-from", 0, "-1", -1, 1, "",
        "guide only steps from this share of the noise schedule's timesteps on, which go from 1 "
        "(noise) to 0 (image); others cost half; -1: the model folder's own, 0 where it names none"),
    SL_OPTION_REAL(sl_generate_settings, guidance_to, "guidance-to", 0, "-1", -1, 1, "",
                   "and only steps below this share; -1: the model folder's own, 1 where it names none"),
    SL_OPTION_INT(sl_generate_settings, sketch_guided, "sketch-guided", 0, "-1", -1, 1, "",
                  "1: guidance leads to the marks of --sketch as to the prompt; 0: to the prompt alone; -1: "
                  "as the model folder says, to the prompt alone where it does not"),
    SL_OPTION_REAL(sl_generate_settings, guidance_rescale, "guidance-rescale", 0, "0", 0, 1, "",
                   "brings the guided prediction back to its usual spread"),
    SL_OPTION_TEXT(
        sl_generate_settings, sampler, "sampler", 0, NULL, "NAME",
        "pndm, ddim, euler, euler_karras, euler_a, dpmpp_2m or dpmpp_2m_karras (default: the model's)"),
    SL_GENERATE_ETA(sl_generate_settings),
    SL_OPTION_REAL(
        sl_generate_settings, brightness_deviation, "brightness-deviation", 0, "-1", -1, 100, "",
        "how much the latents' level varies among images of one prompt, which DDIM's steps with "
        "eta then leave so; 0: what steps make of it; -1: the model folder's own, 0 where it names "
        "none"),
    SL_OPTION_CHOICE(
        sl_generate_settings, rng, "rng", 0, "counter", "counter|torch|torch-cuda",
        "noise: ours, or that of a torch generator seeded seed + k, on the CPU or on a CUDA device"),
    SL_OPTION_CHOICE(sl_generate_settings, dtype, "dtype", 0, "fp32", SL_ENGINE_DTYPES,
                     "arithmetic; fp16 on devices alone"),
    SL_OPTION_INT(
        sl_generate_settings, vae_tile_px, "vae-tile", 0, "0", 0, 8192, "px",
        "decode in overlapping tiles of that side: less memory, not quite the same image; 0: whole where "
        "there is room"),
    SL_OPTION_INT(sl_generate_settings, size_px, "size", 0, "0", 0, 4096, "px",
                  "side of the square image; 0: what the model was trained at"),
    SL_OPTION_INT(sl_generate_settings, batch, "batch", 'b', "4", 1, 256, "images",
                  "images computed together; changes speed and memory, not the noise"),
    SL_OPTION_TEXT(sl_generate_settings, shard, "shard", 0, NULL, "I/N",
                   "only part I (from 0) of N, each into a folder of its own; all parts make the run"),
    SL_OPTION_TEXT(sl_generate_settings, beam, "beam", 0, "auto", "PLACE",
                   "where the direct beam is, for models that take it: ROW,COLUMN in px, none to leave it to "
                   "the model, or auto: drawn as instruments have it, where the prompt says"),
    SL_OPTION_TEXT(
        sl_generate_settings, sketch, "sketch", 0, "auto", "MARKS",
        "where rings, arcs and spots are, for models that take it: a JSON file of marks "
        "(docs/sketch.md), none to leave it to the model, or auto: as simulated images have them of "
        "which the prompt is true; with an adapter, which has learnt places of its own, none"),
    SL_OPTION_TEXT(sl_generate_settings, detector, "detector", 0, NULL, "NAME",
                   "measure with this detector (pilatus-1m, eiger2-4m, ..., none; default: from the prompt)"),
    SL_OPTION_REAL(sl_generate_settings, exposure, "exposure", 0, "1", 1e-6, 1e6, "",
                   "multiplies the expected counts"),
    SL_OPTION_TEXT(
        sl_generate_settings, beamstop, "beamstop", 0, NULL, "SHAPE",
        "none, disc, bar or racetrack, as in disc:radius=12,arm=270 (default: from the prompt; one that "
        "says neither \"with\" nor \"without a beamstop\" has one as often as is usual)"),
    SL_OPTION_PATH(sl_generate_settings, mask, "mask", 0, NULL, "FILE",
                   "image of the same size; pixels that are not 0 are masked"),
    SL_OPTION_FLAG(sl_generate_settings, noise_free, "noise-free", 0,
                   "write the expectation itself: no detector, no noise"),
    SL_OPTION_CHOICE(sl_generate_settings, format, "format", 'f', "tiff", sl_write_choices,
                     "file format of the counts"),
    SL_OPTION_PATH(sl_generate_settings, out, "out", 'o', NULL, "DIR",
                   "also write files here, one run a folder: counts, and a 16-bit PNG for the eye"),
    SL_OPTION_PATH(sl_generate_settings, save_latents, "save-latents", 0, NULL, "FILE",
                   "final latents (safetensors, key latents)"),
    {0}};

/* The option --rng, by the place of its words. */
static const struct noise_name {
    sl_noise_kind kind;
    const char *name;
} noises[] = {{SL_NOISE_COUNTER, "counter"}, {SL_NOISE_TORCH, "torch"}, {SL_NOISE_TORCH_CUDA, "torch-cuda"}};

/* What images first..first+count-1 are made from, each [count]. */
typedef struct batch {
    int64_t first, count;
    const char **prompts, **negatives;
    sl_direct_beam *beams;
    sl_sketch *sketches;
} batch;

/* All that one run works with. */
typedef struct run {
    const sl_generate_settings *settings;
    const char *const *prompts;
    int prompt_count;
    const sl_workspace *workspace;
    sl_arena *arena;
    sl_bundle *bundle;
    sl_pipeline *pipeline;
    sl_sampler_settings sampler;
    sl_sampling_way way;
    sl_image mask;
    sl_direct_beam beam; /* given; not known: `draws_beam` tells which */
    bool draws_beam;
    sl_sketch sketch; /* the same */
    bool draws_sketch;
    json_t *common; /* provenance that all images share */
    char sampler_name[SL_SAMPLER_NAME_BYTES];
    sl_id run, round;
    int64_t first, end; /* indices of this shard */
    batch batch;
    float *latents; /* of the whole shard where they are to be saved */
    sl_shape latent_shape;
    FILE *metadata;
    sl_generate_result *result;
    sl_image *kept; /* where the one image goes that is wanted in memory; NULL: none is */
    json_t **kept_provenance;
} run;

/* {name, sha256} of a file. */
static sl_status describe_file(const char *path, json_t *out, const char *key) {
    char hash[SL_SHA256_HEX];
    SL_TRY(sl_sha256_file_hex(path, hash));
    json_object_set_new(out, key, json_pack("{s:s, s:s}", "file", sl_path_base(path), "sha256", hash));
    return SL_OK;
}

/* The weights that decide the picture stand for the model. */
static sl_status describe_model(run *r, const char *folder) {
    static const char *const parts[] = {"unet", "vae", "text_encoder"};
    json_t *model = json_pack("{s:s}", "name", sl_path_base(folder));
    json_object_set_new(r->common, "model", model);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        SL_TRY(sl_model_folder_hash(folder, parts[i], model));
    return SL_OK;
}

static double asked_or(double asked, double own) {
    return asked >= 0 ? asked : own;
}

/* How to sample, by the model's folder where nothing is asked for. */
static sl_status choose_sampling(run *r) {
    const sl_generate_settings *s = r->settings;
    r->way.guidance = sl_bundle_guidance(r->bundle, s->guidance);
    r->way.level_guidance = asked_or(s->level_guidance, r->bundle->way.level_guidance);
    r->way.guidance_from = asked_or(s->guidance_from, r->bundle->way.guidance_from);
    r->way.guidance_to = asked_or(s->guidance_to, r->bundle->way.guidance_to);
    r->way.sketch_guided = asked_or((double)s->sketch_guided, r->bundle->way.sketch_guided) > 0;
    r->way.brightness_deviation = asked_or(s->brightness_deviation, r->bundle->way.brightness_deviation);
    SL_TRY(sl_bundle_sampler(r->bundle, s->sampler, s->eta, &r->sampler));
    sl_sampler_settings_name(&r->sampler, r->sampler_name);
    if (r->way.guidance <= 1 || r->way.guidance_from < r->way.guidance_to) return SL_OK;
    return sl_fail(SL_INVALID, "guidance from %g%s to %g%s of the noise schedule: nothing lies between",
                   r->way.guidance_from, s->guidance_from < 0 ? " (the model's)" : "", r->way.guidance_to,
                   s->guidance_to < 0 ? " (the model's)" : "");
}

static sl_status load_model(run *r) {
    const sl_generate_settings *s = r->settings;
    const char *folder = s->model;
    if (!folder) SL_TRY(sl_shipped_model(r->arena, "base", &folder));
    SL_TRY(sl_bundle_load(folder, &r->bundle));
    SL_TRY(describe_model(r, folder));
    if (s->lora) {
        sl_lora *lora;
        SL_TRY(sl_lora_load(s->lora, r->bundle->unet->params, &lora));
        sl_status status = sl_lora_merge(lora, r->bundle->unet->params, s->lora_scale);
        sl_lora_free(lora);
        SL_TRY(status);
        const char *file = sl_path_is_folder(s->lora)
                               ? sl_path_join(r->arena, s->lora, "pytorch_lora_weights.safetensors")
                               : s->lora;
        SL_TRY(describe_file(file, r->common, "lora"));
        json_object_set_new(r->common, "lora_scale", json_real(s->lora_scale));
    }
    SL_TRY(choose_sampling(r));
    sl_pipeline_options options = {.vae_tile_px = s->vae_tile_px};
    SL_TRY(sl_engine_dtype(s->dtype, &options.dtype));
    return sl_pipeline_new(r->bundle, &options, &r->pipeline);
}

/* The option --beam. */
static sl_status read_beam(run *r) {
    const char *text = r->settings->beam ? r->settings->beam : "auto";
    double row, column;
    char rest;
    r->draws_beam = strcmp(text, "auto") == 0;
    if (r->draws_beam || strcmp(text, "none") == 0) return SL_OK;
    if (sscanf(text, "%lf,%lf%c", &row, &column, &rest) != 2 || !(fabs(row) < 1e5) || !(fabs(column) < 1e5))
        return sl_fail(SL_INVALID, "--beam '%s': expected auto, none, or ROW,COLUMN in pixels", text);
    if (!sl_pipeline_takes_beam(r->pipeline))
        return sl_fail(SL_UNSUPPORTED, "--beam '%s': this model cannot be told where the beam is", text);
    r->beam = (sl_direct_beam){true, row, column};
    return SL_OK;
}

/* Of the images that are made. */
static int32_t side_px(const run *r) {
    return (int32_t)(r->settings->size_px ? r->settings->size_px : sl_bundle_side_px(r->bundle));
}

static sl_direct_beam beam_of(const run *r, const char *prompt, int64_t index) {
    if (!r->draws_beam || !sl_pipeline_takes_beam(r->pipeline)) return r->beam;
    sl_random random = sl_random_stream((uint64_t)r->settings->seed, SL_STREAM_BEAM, (uint32_t)index);
    double row, column;
    if (!sl_usual_beam_of_caption(prompt, &random, &row, &column)) return (sl_direct_beam){0};
    return (sl_direct_beam){true, row * side_px(r), column * side_px(r)};
}

static double reach_px(const run *r) {
    return sl_sketch_reach_px((double)sl_bundle_reduction(r->bundle));
}

/* The option --sketch: a list of marks, or a file with one. */
static sl_status read_sketch(run *r) {
    const char *text = r->settings->sketch ? r->settings->sketch : "auto";
    const bool is_list = text[0] == '[';
    json_t *json;
    const bool is_auto = strcmp(text, "auto") == 0;
    r->draws_sketch = is_auto && !r->settings->lora && sl_pipeline_takes_sketch(r->pipeline);
    if (is_auto || strcmp(text, "none") == 0) return SL_OK;
    if (!sl_pipeline_takes_sketch(r->pipeline))
        return sl_fail(SL_UNSUPPORTED, "--sketch: this model cannot be told where rings, arcs and spots are");
    SL_TRY(is_list ? sl_json_parse(text, strlen(text), "--sketch", &json) : sl_json_read(text, &json));
    sl_status status = sl_sketch_read(json, &r->sketch);
    json_decref(json);
    double reach = reach_px(r);
    if (!status && sl_sketch_keep_within(&r->sketch, reach) > 0)
        status = sl_fail(SL_INVALID,
                         "a ring or arc farther than %g px from the beam, of which this model cannot be told",
                         reach);
    return sl_context(status, "--sketch '%s'", is_list ? "[...]" : text);
}

/* What is where in image i of the batch, whose beam is known. */
static sl_status sketch_one(void *context, int64_t i, int worker) {
    run *r = context;
    const batch *b = &r->batch;
    (void)worker;
    b->sketches[i] = r->sketch;
    if (r->sketch.known && !b->beams[i].known)
        return sl_fail(SL_INVALID,
                       "image %lld: --sketch needs to know where the beam is: give --beam ROW,COLUMN",
                       (long long)(b->first + i));
    if (!r->draws_sketch) return SL_OK;
    sl_random random =
        sl_random_stream((uint64_t)r->settings->seed, SL_STREAM_SKETCH, (uint32_t)(b->first + i));
    SL_TRY(sl_usual_sketch_draw(b->prompts[i], &b->beams[i], side_px(r), sl_random_u64(&random),
                                &b->sketches[i]));
    sl_sketch_keep_within(&b->sketches[i], reach_px(r));
    return SL_OK;
}

/* What was asked of the measurement beyond what prompt and seed decide. */
static sl_status describe_measurement(run *r) {
    const sl_generate_settings *s = r->settings;
    json_t *asked = json_object();
    if (s->beam && strcmp(s->beam, "auto") != 0) json_object_set_new(asked, "beam", json_string(s->beam));
    if (s->sketch && strcmp(s->sketch, "auto") != 0)
        json_object_set_new(asked, "sketch",
                            json_string(s->sketch[0] == '[' ? "given" : sl_path_base(s->sketch)));
    if (s->detector) json_object_set_new(asked, "detector", json_string(s->detector));
    if (s->beamstop) json_object_set_new(asked, "beamstop", json_string(s->beamstop));
    if (s->exposure != 1) json_object_set_new(asked, "exposure", json_real(s->exposure));
    if (s->noise_free) json_object_set_new(asked, "noise_free", json_true());
    sl_status status = s->mask ? describe_file(s->mask, asked, "mask") : SL_OK;
    if (json_object_size(asked)) json_object_set(r->common, "asked", asked);
    json_decref(asked);
    return status;
}

static sl_status describe_run(run *r) {
    const sl_generate_settings *s = r->settings;
    char seed[24], engine[320];
    SL_TRY(sl_engine_text(engine, sizeof engine));
    snprintf(seed, sizeof seed, "%lld", (long long)s->seed);
    json_object_set_new(r->common, "scatterloop", json_string(SL_VERSION));
    json_object_set_new(r->common, "origin", json_string("generated"));
    json_object_set_new(r->common, "space",
                        json_string(r->bundle->space == SL_SPACE_EXPECTATION ? "expectation" : "observed"));
    json_object_set_new(r->common, "seed", json_string(seed));
    json_object_set_new(r->common, "rng", json_string(noises[s->rng].name));
    json_object_set_new(r->common, "sampler", json_string(r->sampler_name));
    if (sl_sampler_takes_eta(r->sampler.sampler))
        json_object_set_new(r->common, "eta", json_real(r->sampler.eta));
    if (sl_sampler_widens(&r->sampler) && r->way.brightness_deviation > 0)
        json_object_set_new(r->common, "brightness_deviation", json_real(r->way.brightness_deviation));
    const sl_deblocking *deblocking = &r->bundle->deblocking;
    if (deblocking->step > 0) json_object_set_new(r->common, "deblock", json_real(deblocking->step));
    if (deblocking->detail > 0)
        json_object_set_new(r->common, "deblock_detail", json_real(deblocking->detail));
    json_object_set_new(r->common, "steps", json_integer(s->steps));
    json_object_set_new(r->common, "guidance", json_real(r->way.guidance));
    if (r->way.guidance > 1 && r->way.level_guidance > 0)
        json_object_set_new(r->common, "level_guidance", json_real(r->way.level_guidance));
    if (r->way.guidance > 1 && (r->way.guidance_from > 0 || r->way.guidance_to < 1)) {
        json_object_set_new(r->common, "guidance_from", json_real(r->way.guidance_from));
        json_object_set_new(r->common, "guidance_to", json_real(r->way.guidance_to));
    }
    if (r->way.guidance > 1 && r->way.sketch_guided && sl_pipeline_takes_sketch(r->pipeline))
        json_object_set_new(r->common, "sketch_guided", json_true());
    if (s->guidance_rescale > 0)
        json_object_set_new(r->common, "guidance_rescale", json_real(s->guidance_rescale));
    json_object_set_new(r->common, "dtype", json_string(sl_engine_dtype_name(s->dtype)));
    json_object_set_new(r->common, "engine", json_string(engine));
    if (s->negative) json_object_set_new(r->common, "negative", json_string(s->negative));
    return describe_measurement(r);
}

static sl_status read_mask(run *r) {
    sl_frame frame;
    if (!r->settings->mask) return SL_OK;
    SL_TRY(sl_frame_read(r->settings->mask, NULL, NULL, &frame));
    sl_status status = sl_frame_to_image(&frame, &r->mask);
    sl_frame_free(&frame);
    SL_TRY(status);
    size_t count = (size_t)r->mask.height_px * (size_t)r->mask.width_px;
    for (size_t i = 0; i < count; i++)
        r->mask.mask[i] = r->mask.mask[i] || r->mask.value[i] != 0 ? SL_MASK_INVALID : 0;
    return SL_OK;
}

static sl_status write_files(run *r, const sl_image *image, int64_t index, const char *prompt,
                             const json_t *provenance) {
    const char *folder = r->settings->out;
    const sl_write_info info = {.provenance = provenance, .title = prompt, .synthetic = true};
    sl_write_format format = (sl_write_format)r->settings->format;
    char *counts =
        sl_arena_printf(r->arena, "%s/image_%06lld.%s", folder, (long long)index, sl_write_suffix(format));
    char *display = sl_arena_printf(r->arena, "%s/image_%06lld.png", folder, (long long)index);
    SL_TRY(sl_image_write(counts, format, image, &info));
    SL_TRY(sl_picture_write_png(display, image, &info));
    char group[SL_ORIGIN_GROUP_BYTES];
    sl_origin_group(SL_ORIGIN_GENERATED, r->settings->seed, index, group);
    json_t *row =
        json_pack("{s:s, s:s, s:s}", "file_name", sl_path_base(counts), "text", prompt, "group", group);
    char *line = sl_json_canonical(row);
    json_decref(row);
    if (!line) return sl_fail(SL_MEMORY, "out of memory");
    fprintf(r->metadata, "%s\n", line);
    free(line);
    return SL_OK;
}

/* The mean counts that were measured are kept beside the image: other exposures can be made of them, and they
 * show what noise hides. */
static sl_status record_expectation(run *r, const sl_image *expectation, json_t *provenance) {
    sl_image_record record = {.group_key = ""};
    SL_TRY(sl_workspace_put_image(r->workspace, expectation, r->arena, &record));
    return json_object_set_new(provenance, "expectation", json_string(record.object_hash))
               ? sl_fail(SL_MEMORY, "out of memory")
               : SL_OK;
}

static sl_status record_image(run *r, const sl_image *image, int64_t index, const char *prompt,
                              const json_t *provenance) {
    char *text = sl_json_canonical(provenance);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    char group[SL_ORIGIN_GROUP_BYTES];
    sl_origin_group(SL_ORIGIN_GENERATED, r->settings->seed, index, group);
    sl_image_record record = {
        .origin = SL_ORIGIN_GENERATED,
        .group_key = group,
        .caption = prompt,
        .run = r->run,
        .round = r->round,
        .run_index = index,
        .seed = (uint64_t)r->settings->seed,
        .steps = r->settings->steps,
        .guidance = r->way.guidance,
        .scheduler = r->sampler_name,
        .dtype = "F32",
        .provenance = text,
    };
    int added = 0;
    sl_status status = sl_workspace_put_image(r->workspace, image, r->arena, &record);
    /* not unique by content: a round has its own images, whatever others look the same */
    if (!status) status = sl_store_images_add(r->workspace->store, &record, 1, false, &added);
    free(text);
    r->result->added += added;
    return status;
}

/* Which of its marks stand. */
static sl_status record_sketch(run *r, const sl_sketch *sketch, const sl_direct_beam *beam,
                               const sl_image *expectation, json_t *provenance) {
    json_t *marks, *mark;
    size_t i;
    SL_TRY(sl_sketch_record(sketch, beam, expectation, &marks));
    json_array_foreach(marks, i, mark) {
        const json_t *stands = json_object_get(mark, "stands");
        r->result->marks += stands != NULL;
        r->result->marks_standing += json_is_true(stands);
    }
    json_object_set_new(provenance, "sketch", marks);
    return SL_OK;
}

/* Takes the image. */
static sl_status keep_in_memory(run *r, sl_image *image, const json_t *provenance) {
    *r->kept = *image;
    *image = (sl_image){0};
    *r->kept_provenance = json_deep_copy(provenance);
    return *r->kept_provenance ? SL_OK : sl_fail(SL_MEMORY, "out of memory");
}

/* The image at `place` of the batch. */
static sl_status finish_image(run *r, const float *decoded, int32_t height, int32_t width, int channels,
                              int64_t place) {
    const sl_generate_settings *s = r->settings;
    const sl_direct_beam *beam = &r->batch.beams[place];
    const sl_sketch *sketch = &r->batch.sketches[place];
    const char *prompt = r->batch.prompts[place];
    int64_t index = r->batch.first + place;
    const sl_decoded_settings chain = {s->detector, s->beamstop,   r->mask.value ? &r->mask : NULL,
                                       s->exposure, s->noise_free, *beam};
    json_t *provenance = json_deep_copy(r->common);
    sl_image image, expectation = {0};
    json_object_set_new(provenance, "prompt", json_string(prompt));
    json_object_set_new(provenance, "index", json_integer(index));
    if (chain.beam.known)
        json_object_set_new(
            provenance, "beam",
            json_pack("{s:f, s:f}", "row_px", chain.beam.row_px, "column_px", chain.beam.column_px));
    sl_status status =
        sl_measure_decoded(r->bundle, decoded, height, width, channels, prompt, &chain, (uint64_t)s->seed,
                           (uint32_t)index, provenance, &image, &expectation);
    if (!status) {
        const sl_image *counts = expectation.value ? &expectation : &image;
        if (sketch->known) status = record_sketch(r, sketch, &chain.beam, counts, provenance);
        if (!status && r->workspace && expectation.value && !s->noise_free)
            status = record_expectation(r, &expectation, provenance);
        if (!status && s->out) status = write_files(r, &image, index, prompt, provenance);
        if (!status && r->workspace) status = record_image(r, &image, index, prompt, provenance);
        if (!status && r->kept) status = keep_in_memory(r, &image, provenance);
        sl_image_free(&image);
        sl_image_free(&expectation);
    }
    json_decref(provenance);
    r->result->images += status == SL_OK;
    return sl_context(status, "image %lld", (long long)index);
}

static sl_status keep_latents(run *r, const sl_tensor *latents, int64_t first) {
    if (!r->settings->save_latents) return SL_OK;
    int64_t each = latents->shape.dim[1] * latents->shape.dim[2] * latents->shape.dim[3];
    if (!r->latents) {
        SL_TRY(sl_alloc(&r->latents, (size_t)((r->end - r->first) * each), sizeof(float)));
        r->latent_shape = latents->shape;
    }
    /* kept as [n, C, h, w], the order in which others hold latents */
    int64_t pixels = latents->shape.dim[1] * latents->shape.dim[2], channels = latents->shape.dim[3];
    const float *from = latents->data;
    float *to = r->latents + (first - r->first) * each;
    for (int64_t n = 0; n < latents->shape.dim[0]; n++)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t c = 0; c < channels; c++)
                to[n * each + c * pixels + p] = from[n * each + p * channels + c];
    return SL_OK;
}

static sl_status write_latents(run *r) {
    if (!r->latents) return SL_OK;
    sl_shape s = r->latent_shape;
    sl_safetensors_entry entry = {.name = "latents",
                                  .dtype = SL_F32,
                                  .source = SL_F32,
                                  .shape = SL_SHAPE(r->end - r->first, s.dim[3], s.dim[1], s.dim[2]),
                                  .data = r->latents};
    return sl_safetensors_write(r->settings->save_latents, &entry, 1, NULL, 0);
}

static void batch_new(run *r) {
    int64_t most = r->settings->batch;
    r->batch.prompts = SL_NEW(r->arena, const char *, most);
    r->batch.negatives = SL_NEW(r->arena, const char *, most);
    r->batch.beams = SL_NEW(r->arena, sl_direct_beam, most);
    r->batch.sketches = SL_NEW(r->arena, sl_sketch, most);
}

/* What images first..first+count-1 are made from. */
static sl_status batch_fill(run *r, int64_t first, int64_t count) {
    batch *b = &r->batch;
    b->first = first, b->count = count;
    for (int64_t i = 0; i < count; i++) {
        b->prompts[i] = r->prompts[(first + i) % r->prompt_count];
        b->negatives[i] = r->settings->negative ? r->settings->negative : "";
        b->beams[i] = beam_of(r, b->prompts[i], first + i);
    }
    return sl_parallel_try(count, sketch_one, r);
}

/* Denoise, decode, measure, keep. */
static sl_status make_batch(run *r, const sl_progress *progress) {
    const sl_generate_settings *s = r->settings;
    const batch *b = &r->batch;
    sl_progress quiet = {.cancel = progress ? progress->cancel : NULL};
    sl_generation generation = {
        .count = b->count,
        .prompts = b->prompts,
        .negatives = b->negatives,
        .prompt_count = b->count,
        .beams = b->beams,
        .sketches = b->sketches,
        .height = s->size_px,
        .width = s->size_px,
        .steps = (int)s->steps,
        .way = r->way,
        .guidance_rescale = s->guidance_rescale,
        .sampler = &r->sampler,
        .noise = noises[s->rng].kind,
        .seed = (uint64_t)s->seed,
        .first_image = (uint32_t)b->first,
        .batch = b->count,
        .progress = &quiet,
    };
    sl_generated made;
    SL_TRY(sl_pipeline_generate(r->pipeline, &generation, &made));
    r->result->cut_prompts += made.cut_prompts;
    if (made.tile_px) json_object_set_new(r->common, "vae_tile_px", json_integer((json_int_t)made.tile_px));
    sl_status status = keep_latents(r, &made.latents, b->first);
    const sl_shape *shape = &made.images.shape;
    int64_t each = shape->dim[1] * shape->dim[2] * shape->dim[3];
    for (int64_t i = 0; i < b->count && !status; i++)
        status = finish_image(r, (const float *)made.images.data + i * each, (int32_t)shape->dim[1],
                              (int32_t)shape->dim[2], (int)shape->dim[3], i);
    sl_generated_free(&made);
    return status;
}

static sl_status make_all(run *r, const sl_progress *progress) {
    int64_t total = r->end - r->first;
    batch_new(r);
    for (int64_t at = r->first; at < r->end; at += r->settings->batch) {
        int64_t count = r->end - at < r->settings->batch ? r->end - at : r->settings->batch;
        SL_TRY(sl_progress_check(progress));
        SL_TRY(batch_fill(r, at, count));
        SL_TRY(make_batch(r, progress));
        sl_progress_tell(progress, "generating", "image", at + count - r->first, total, NULL);
    }
    return write_latents(r);
}

static sl_status generate_into(run *r, const sl_progress *progress) {
    sl_file_writer metadata = {0};
    SL_TRY(load_model(r));
    SL_TRY(read_beam(r));
    SL_TRY(read_sketch(r));
    SL_TRY(read_mask(r));
    SL_TRY(describe_run(r));
    if (r->settings->out) {
        SL_TRY(sl_folder_make(r->settings->out));
        SL_TRY(sl_file_writer_open(&metadata, sl_path_join(r->arena, r->settings->out, "metadata.jsonl")));
        r->metadata = metadata.stream;
    }
    sl_status status = make_all(r, progress);
    if (!r->metadata) return status;
    if (!status) return sl_file_writer_commit(&metadata);
    sl_file_writer_abandon(&metadata);
    return status;
}

static sl_status run_as_job(run *r, const sl_progress *progress) {
    sl_job job;
    json_t *config = sl_options_to_json(sl_generate_options, r->settings);
    sl_status status =
        sl_job_begin(r->workspace, "generate", config, (uint64_t)r->settings->seed, r->round, progress, &job);
    json_decref(config);
    SL_TRY(status);
    r->run = r->result->run = job.run;
    status = generate_into(r, &job.progress);
    const sl_generate_result *made = r->result;
    json_t *result =
        json_pack("{s:I, s:I}", "images", (json_int_t)made->images, "added", (json_int_t)made->added);
    sl_generate_result_marks(made, result);
    return sl_job_end(&job, status, result);
}

static sl_status run_all(run *r, const sl_progress *progress) {
    SL_TRY(sl_arena_new(&r->arena));
    r->common = json_object();
    sl_status status = r->workspace ? run_as_job(r, progress) : generate_into(r, progress);
    sl_pipeline_free(r->pipeline);
    sl_bundle_free(r->bundle);
    if (r->mask.value) sl_image_free(&r->mask);
    sl_free(r->latents);
    json_decref(r->common);
    sl_arena_free(r->arena);
    return status;
}

sl_status sl_generate(const sl_generate_settings *settings, const char *const *prompts, int prompt_count,
                      const sl_workspace *workspace, sl_id round, const sl_progress *progress,
                      sl_generate_result *out) {
    *out = (sl_generate_result){0};
    if (!workspace && !settings->out)
        return sl_fail(
            SL_INVALID,
            "nowhere to put the images: work in a workspace ('scatterloop init') or give --out DIR");
    run r = {.settings = settings,
             .prompts = prompts,
             .prompt_count = prompt_count,
             .workspace = workspace,
             .round = round,
             .result = out};
    SL_TRY(sl_shard_range(settings->shard, settings->count, &r.first, &r.end));
    if (settings->out)
        SL_TRY(sl_image_folder_check(
            settings->out, &(sl_image_run){.first = r.first,
                                           .end = r.end,
                                           .suffix = sl_write_suffix((sl_write_format)settings->format)}));
    return run_all(&r, progress);
}

sl_status sl_generate_one(const sl_generate_settings *settings, const char *prompt, int64_t index,
                          const sl_progress *progress, sl_image *out, json_t **provenance) {
    sl_generate_result result = {0};
    run r = {.settings = settings,
             .prompts = &prompt,
             .prompt_count = 1,
             .first = index,
             .end = index + 1,
             .result = &result,
             .kept = out,
             .kept_provenance = provenance};
    return run_all(&r, progress);
}

void sl_generate_result_marks(const sl_generate_result *made, json_t *out) {
    if (!made->marks) return;
    json_object_set_new(out, "marks", json_integer((json_int_t)made->marks));
    json_object_set_new(out, "marks_standing", json_integer((json_int_t)made->marks_standing));
}

sl_status sl_generate_preview(const sl_generate_settings *settings, int prompt_count, sl_text *out) {
    int64_t first, end;
    SL_TRY(sl_shard_range(settings->shard, settings->count, &first, &end));
    sl_text_printf(out, "%lld images (index %lld to %lld) of %d prompts, %lld steps each%s\n",
                   (long long)(end - first), (long long)first, (long long)(end - 1), prompt_count,
                   (long long)settings->steps,
                   settings->guidance > 1   ? ", with guidance (two passes a guided step)"
                   : settings->guidance < 0 ? ", with the model's guidance"
                                            : "");
    if (settings->out)
        sl_text_printf(out, "files: %s/image_%06lld.%s and .png ... , metadata.jsonl\n", settings->out,
                       (long long)first, sl_write_suffix((sl_write_format)settings->format));
    return sl_text_status(out);
}
