#include "loop/train/lora.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "loop/classify/labels.h"
#include "loop/engine.h"
#include "loop/job.h"
#include "loop/model_folder.h"
#include "loop/shipped.h"
#include "loop/train/lora_data.h"
#include "loop/train/lora_folder.h"
#include "model/lora_file.h"
#include "train/feed.h"
#include "train/learner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT(field, name, fallback, low, high, unit, help)                                                    \
    SL_OPTION_INT(sl_lora_settings, field, name, 0, fallback, low, high, unit, help)
#define REAL(field, name, fallback, low, high, unit, help)                                                   \
    SL_OPTION_REAL(sl_lora_settings, field, name, 0, fallback, low, high, unit, help)

const sl_option sl_lora_options[] = {
    SL_OPTION_CHOICE(sl_lora_settings, preset, "preset", 0, "default", "default|paper",
                     "paper: 512 px, batch 32, 100 epochs, constant rate, as in arXiv 2408.12720"),
    SL_OPTION_PATH(sl_lora_settings, model, "model", 'm', NULL, "DIR",
                   "model folder in diffusers' layout (default: the shipped base model)"),
    SL_OPTION_PATH(sl_lora_settings, images, "images", 0, NULL, "DIR",
                   "learn from the images that metadata.jsonl of this folder names, without a workspace"),
    SL_OPTION_PATH(sl_lora_settings, out, "out", 'o', NULL, "DIR",
                   "with --images: where the adapter and the states of its training go"),
    SL_OPTION_CHOICE(sl_lora_settings, origin, "origin", 0, "experimental", "experimental|simulated|all",
                     "which images of the workspace to learn from"),
    SL_OPTION_TEXT(sl_lora_settings, caption, "caption", 0, NULL, "TEXT", "caption of images that have none"),
    INT(size_px, "size", "0", 0, 2048, "px", "side of the images; 0: what the model was trained at"),
    INT(vae_tile_px, "vae-tile", "0", 0, 8192, "px",
        "encode the images in overlapping tiles of that side; 0: whole where there is room"),
    INT(rank, "rank", "4", 1, 1024, NULL, "rank of the adapter"),
    REAL(alpha, "alpha", "0", 0, 1e6, NULL, "its scale times rank; 0: the rank, so that the scale is 1"),
    INT(batch, "batch", "4", 1, 1024, "images", "images in a micro-batch"),
    INT(accumulate, "accumulate", "1", 1, 4096, NULL, "micro-batches in an update"),
    INT(epochs, "epochs", "100", 1, 1e6, "epochs", "passes over the images"),
    INT(steps, "steps", "0", 0, 1e9, "steps", "updates, in place of epochs"),
    REAL(rate, "rate", "0.0001", 0, 1, NULL, "highest learning rate"),
    SL_OPTION_CHOICE(sl_lora_settings, schedule, "schedule", 0, "cosine", "constant|linear|cosine",
                     "how the rate goes on after warm-up"),
    INT(warmup, "warmup", "0", 0, 1e9, "steps", "steps over which the rate rises"),
    REAL(weight_decay, "weight-decay", "0.01", 0, 10, NULL, "of AdamW"),
    REAL(min_snr, "min-snr", "0", 0, 100, NULL,
         "gamma of the loss weights by signal-to-noise ratio; 0: none"),
    REAL(noise_offset, "noise-offset", "0", 0, 1, NULL, "common shift of each channel's noise"),
    REAL(caption_dropout, "caption-dropout", "0", 0, 1, NULL, "share of samples trained without caption"),
    SL_OPTION_FLAG(sl_lora_settings, flip, "flip", 0, "also learn from mirror images (left and right)"),
    REAL(holdout, "holdout", "0.1", 0, 0.9, NULL,
         "share of the images, by group, held out to choose weights"),
    INT(holdout_draws, "holdout-draws", "4", 1, 1000, NULL,
        "(noise, timestep) pairs for each held-out image"),
    INT(patience, "patience", "0", 0, 1e6, NULL,
        "stop after so many hold-out losses without a new best; 0: never"),
    REAL(minutes, "minutes", "0", 0, 1e6, "MIN", "stop with a saved state after so long; 0: no limit"),
    SL_OPTION_CHOICE(sl_lora_settings, dtype, "dtype", 0, "fp32", SL_ENGINE_DTYPES,
                     "number format of activations; fp16 on devices alone, with a scaled loss"),
    SL_OPTION_FLAG(sl_lora_settings, recompute, "recompute", 0,
                   "compute blocks again in the backward pass: less memory, a third more time"),
    INT(seed, "seed", "42", 0, 4294967295.0, NULL, "of first values, noise and order"),
    {0}};

const sl_preset sl_lora_presets[] = {
    {"paper", "size", "512"},   {"paper", "batch", "8"},     {"paper", "accumulate", "4"},
    {"paper", "epochs", "100"}, {"paper", "rate", "0.0001"}, {"paper", "schedule", "constant"},
    {"paper", "holdout", "0"},  {"paper", "flip", "true"},   {0}};

enum { ORIGIN_ALL = 2 };

typedef struct tuning {
    const sl_lora_settings *settings;
    const sl_workspace *workspace;
    const sl_progress *progress;
    sl_arena *arena;
    sl_bundle *bundle;
    const char *base;       /* folder of the model */
    const char *folder;     /* of the run's states */
    sl_lora_item *items[2]; /* to train on, held out */
    int64_t count[2];
    sl_lora_data data[2];
    sl_lora *lora;
    int32_t size_px;
    json_t *result, *recorded; /* recorded: what names the run's folder */
} tuning;

/* ---- images ---- */

static sl_image_filter filter_of(const sl_lora_settings *s) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.split = SL_SPLIT_TRAIN;
    if (s->origin != ORIGIN_ALL) filter.origin = s->origin ? SL_ORIGIN_SIMULATED : SL_ORIGIN_EXPERIMENTAL;
    return filter;
}

static sl_lora_item item_of(const tuning *t, const char *caption, const char *hash) {
    if (!caption || !caption[0]) caption = t->settings->caption;
    bool sided = caption && (strstr(caption, "left") || strstr(caption, "right"));
    return (sl_lora_item){.object_hash = hash, .caption = caption, .mirror = !sided};
}

/* All that may be learnt from, with the group of each. */
typedef struct choice {
    const tuning *tuning;
    sl_lora_item *item;
    const char **group;
    int64_t count;
} choice;

static void make_room(const tuning *t, int64_t count, choice *out) {
    *out =
        (choice){t, SL_NEW(t->arena, sl_lora_item, count + 1), SL_NEW(t->arena, const char *, count + 1), 0};
}

static char *keep(const tuning *t, const char *text) {
    return text ? sl_arena_strdup(t->arena, text) : NULL;
}

/* No model learns from a model (--origin all), nor from what is known to be impossible, or may well be. */
static sl_status may_teach(const tuning *t, const sl_image_record *r, sl_arena *arena, bool *out) {
    sl_image_label said;
    *out = r->origin != SL_ORIGIN_GENERATED;
    if (!*out) return SL_OK;
    SL_TRY(sl_image_label_get(t->workspace, r, arena, &said));
    bool unknown = r->origin == SL_ORIGIN_SIMULATED && said.source == SL_LABEL_BY_NOBODY;
    *out = said.label != SL_LABEL_UNREAL && !unknown;
    return SL_OK;
}

static sl_status choose_page(void *context, const sl_image_page *page) {
    choice *out = context;
    const tuning *t = out->tuning;
    if (page->first == 0) make_room(t, page->total, out);
    for (int i = 0; i < page->count; i++) {
        const sl_image_record *r = &page->record[i];
        bool teaches;
        SL_TRY(may_teach(t, r, page->arena, &teaches));
        if (!teaches) continue;
        out->group[out->count] = r->group_key ? keep(t, r->group_key) : "";
        out->item[out->count] = item_of(t, keep(t, r->caption), keep(t, r->object_hash));
        out->item[out->count++].image = r->id;
    }
    return SL_OK;
}

static sl_status choose_from_workspace(const tuning *t, choice *out) {
    sl_image_filter filter = filter_of(t->settings);
    *out = (choice){.tuning = t};
    SL_TRY(sl_store_image_pages(t->workspace->store, &filter, choose_page, out));
    if (out->count) return SL_OK;
    return sl_fail(SL_NOT_FOUND,
                   "no image of the training split to learn from: import some, or choose another --origin");
}

static sl_status choose_from_folder(const tuning *t, choice *out) {
    sl_lora_file *files;
    int64_t all;
    SL_TRY(sl_lora_folder_read(t->arena, t->settings->images, &files, &all));
    make_room(t, all, out);
    for (const sl_lora_file *file = files; file < files + all; file++) {
        if (file->faulty) continue;
        out->group[out->count] = file->group;
        out->item[out->count] = item_of(t, file->caption, file->hash);
        out->item[out->count++].path = file->path;
    }
    return out->count ? SL_OK
                      : sl_fail(SL_NOT_FOUND, "'%s' names no image to learn from", t->settings->images);
}

static sl_status choose_images(tuning *t) {
    choice all;
    SL_TRY(t->settings->images ? choose_from_folder(t, &all) : choose_from_workspace(t, &all));
    sl_feed_split *split = SL_NEW(t->arena, sl_feed_split, all.count);
    SL_TRY(sl_feed_split_by_group(all.group, all.count, t->settings->holdout, 0, (uint64_t)t->settings->seed,
                                  split));
    for (int part = 0; part < 2; part++) {
        t->items[part] = SL_NEW(t->arena, sl_lora_item, all.count);
        for (int64_t i = 0; i < all.count; i++)
            if ((split[i] != SL_FEED_TRAIN) == (part == 1)) t->items[part][t->count[part]++] = all.item[i];
    }
    if (t->settings->holdout > 0 && !t->count[1])
        sl_warn("all images are of one group: none can be held out, the last weights will be kept");
    return SL_OK;
}

/* ---- model ---- */

static sl_status find_model(tuning *t) {
    t->base = t->settings->model;
    return t->base ? SL_OK : sl_shipped_model(t->arena, "base", &t->base);
}

/* A base in expectation space has an encoder of its own for measured frames, with noise and gaps. */
static const char measured_encoder[] = "vae_measured";

static bool has_measured_encoder(const tuning *t) {
    return sl_path_is_folder(sl_path_join(t->arena, t->base, measured_encoder));
}

static sl_status load_model(tuning *t) {
    SL_TRY(sl_bundle_load(t->base, &t->bundle));
    if (has_measured_encoder(t))
        SL_TRY(sl_model_load_weights(t->bundle->vae, sl_path_join(t->arena, t->base, measured_encoder)));
    int64_t reduction = sl_bundle_reduction(t->bundle), size = t->settings->size_px;
    if (!size) size = sl_bundle_side_px(t->bundle);
    if (size % reduction)
        return sl_fail(SL_INVALID, "images of %lld px, expected a multiple of %lld", (long long)size,
                       (long long)reduction);
    t->size_px = (int32_t)size;
    return SL_OK;
}

static sl_status compute_data(tuning *t) {
    sl_pipeline *pipeline;
    sl_pipeline_options options = {.dtype = SL_F32, .vae_tile_px = t->settings->vae_tile_px};
    SL_TRY(sl_pipeline_new(t->bundle, &options, &pipeline));
    sl_status status = SL_OK;
    for (int part = 0; part < 2 && status == SL_OK; part++)
        if (t->count[part])
            status = sl_lora_data_compute(t->workspace, pipeline, t->bundle, t->items[part], t->count[part],
                                          t->size_px, t->settings->flip && part == 0,
                                          (uint64_t)t->settings->seed, t->progress, &t->data[part]);
    if (status == SL_OK && t->data[0].cut)
        json_object_set_new(t->result, "captions_cut", json_integer((json_int_t)t->data[0].cut));
    sl_pipeline_free(pipeline);
    return status;
}

/* ---- training ---- */

static int64_t steps_of(const tuning *t) {
    const sl_lora_settings *s = t->settings;
    int64_t samples = s->batch * s->accumulate;
    return s->steps ? s->steps : (s->epochs * t->count[0] + samples - 1) / samples;
}

static sl_train_options options_of(const tuning *t, const json_t *recorded) {
    const sl_lora_settings *s = t->settings;
    sl_train_options options = {
        .optimizer = sl_optimizer_adamw(),
        .schedule = {(sl_schedule_kind)s->schedule, s->rate, 0, s->warmup, steps_of(t)},
        .clip_norm = 1,
        .accumulate = (int)s->accumulate,
        .steps = steps_of(t),
        .limit_s = s->minutes * 60,
        .patience = s->patience,
        .save_every_s = 120,
        .log_every = 5,
        .folder = t->folder,
        .settings = recorded};
    options.optimizer.weight_decay = s->weight_decay;
    options.holdout_every = options.steps / 20 > 1 ? options.steps / 20 : 1;
    return options;
}

static sl_status train_on(tuning *t, const sl_noise_schedule *schedule, const json_t *recorded,
                          sl_train_outcome *out) {
    const sl_lora_settings *s = t->settings;
    int64_t side = t->size_px / sl_bundle_reduction(t->bundle);
    sl_dtype dtype;
    SL_TRY(sl_engine_dtype(s->dtype, &dtype));
    sl_denoiser_recipe recipe = {
        .batch = (int)s->batch,
        .height = side,
        .width = side,
        .length = (int)(t->data[0].text_size / sl_bundle_unet(t->bundle)->cross_attention_dim),
        .noising = {.schedule = schedule,
                    .prediction = t->bundle->sampler.prediction,
                    .min_snr_gamma = s->min_snr,
                    .noise_offset = s->noise_offset,
                    .seed = (uint64_t)s->seed},
        .caption_dropout = s->caption_dropout,
        .holdout_draws = (int)s->holdout_draws,
        .dtype = dtype,
        .recompute = s->recompute};
    sl_denoiser_models models = {.unet = t->bundle->unet, .lora = t->lora, .lora_is_new = true};
    sl_denoiser_data data = sl_lora_data_source(&t->data[0]), held = sl_lora_data_source(&t->data[1]);
    sl_train_options options = options_of(t, recorded);
    SL_TRY(
        sl_train_denoiser(&models, &recipe, &data, t->count[1] ? &held : NULL, &options, t->progress, out));
    char best[SL_LIMIT_PATH_BYTES];
    snprintf(best, sizeof best, "%s/best.safetensors", t->folder);
    return t->count[1] ? sl_params_read(t->lora->params, best, "unet.") : SL_OK;
}

/* The weights, wherever they lie, so that another model in the same place begins anew. */
static sl_status name_base(const tuning *t, json_t *out) {
    static const char *const parts[] = {"unet", "vae", "text_encoder"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        SL_TRY(sl_model_folder_hash(t->base, parts[i], out));
    return has_measured_encoder(t) ? sl_model_folder_hash(t->base, measured_encoder, out) : SL_OK;
}

static void name_images(const tuning *t, char out[SL_SHA256_HEX]) {
    sl_text all = SL_TEXT_INIT;
    for (int part = 0; part < 2; part++)
        for (int64_t i = 0; i < t->count[part]; i++)
            sl_text_printf(&all, "%d %s %s\n", part, t->items[part][i].object_hash,
                           t->items[part][i].caption ? t->items[part][i].caption : "");
    sl_sha256_hex(sl_text_get(&all), all.length, out);
    sl_text_free(&all);
}

/* What a resumed run must share: all settings but those that say when to stop, the images, the model. */
static sl_status recorded_settings(const tuning *t, json_t **out) {
    static const char *const free_keys[] = {"minutes", "epochs", "steps", "patience", "model", "out"};
    char images[SL_SHA256_HEX];
    json_t *recorded = sl_options_to_json(sl_lora_options, t->settings), *base = json_object();
    if (!recorded || json_object_set_new(recorded, "base", base))
        return sl_fail(SL_MEMORY, "no memory for the settings");
    *out = recorded;
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++) json_object_del(recorded, free_keys[i]);
    name_images(t, images);
    json_object_set_new(recorded, "images", json_string(images));
    return name_base(t, base);
}

static sl_status train(tuning *t) {
    sl_noise_schedule schedule;
    sl_train_outcome outcome;
    SL_TRY(sl_lora_new(sl_lora_attention_targets, t->settings->rank, t->settings->alpha, &t->lora));
    SL_TRY(sl_noise_schedule_new(&t->bundle->sampler.schedule, &schedule));
    sl_status status = train_on(t, &schedule, t->recorded, &outcome);
    sl_noise_schedule_free(&schedule);
    if (status != SL_OK) return status;
    json_object_set_new(t->result, "steps", json_integer((json_int_t)outcome.state.step));
    json_object_set_new(t->result, "images", json_integer((json_int_t)t->count[0]));
    json_object_set_new(t->result, "held_out", json_integer((json_int_t)t->count[1]));
    json_object_set_new(t->result, "loss", json_real(outcome.loss));
    json_object_set_new(t->result, "samples_per_s", json_real(outcome.samples_per_s));
    if (isfinite(outcome.holdout_first))
        json_object_set_new(t->result, "holdout_first", json_real(outcome.holdout_first));
    if (isfinite(outcome.state.best_holdout)) {
        json_object_set_new(t->result, "holdout_best", json_real(outcome.state.best_holdout));
        json_object_set_new(t->result, "best_step", json_integer((json_int_t)outcome.state.best_step));
    }
    json_object_set_new(t->result, "trained_numbers",
                        json_integer((json_int_t)sl_params_values(t->lora->params, true)));
    return SL_OK;
}

/* ---- the record ---- */

/* Without a workspace the file is all there is. */
static sl_status save_in_folder(tuning *t) {
    const char *path = sl_path_join(t->arena, t->settings->out, "pytorch_lora_weights.safetensors");
    SL_TRY(sl_lora_save(t->lora, path));
    json_object_set_new(t->result, "path", json_string(path));
    return SL_OK;
}

static sl_status record(tuning *t, sl_id run, sl_id round, sl_id *out_model) {
    const char *relative = sl_arena_printf(t->arena, "models/lora-%lld", (long long)run);
    const char *folder = sl_workspace_path(t->workspace, t->arena, relative);
    char hash[SL_SHA256_HEX], path[SL_LIMIT_PATH_BYTES];
    SL_TRY(sl_folder_make(folder));
    snprintf(path, sizeof path, "%s/pytorch_lora_weights.safetensors", folder);
    SL_TRY(sl_lora_save(t->lora, path));
    SL_TRY(sl_sha256_file_hex(path, hash));
    json_t *config = sl_options_to_json(sl_lora_options, t->settings);
    json_object_set_new(config, "base", json_string(t->base));
    char *config_text = sl_json_canonical(config), *metrics = sl_json_canonical(t->result);
    json_decref(config);
    sl_model_record model = {.hash = hash,
                             .kind = "lora",
                             .name = sl_arena_printf(t->arena, "rank %lld, run %lld",
                                                     (long long)t->settings->rank, (long long)run),
                             .path = relative,
                             .config = config_text,
                             .metrics = metrics,
                             .run = run,
                             .round = round};
    sl_status status = sl_store_model_add(t->workspace->store, &model);
    free(config_text);
    free(metrics);
    json_object_set_new(t->result, "path", json_string(path));
    if (status == SL_OK) *out_model = model.id;
    return status;
}

/* States lie in a folder named by the settings, so that the same words go on with the same run. */
static sl_status name_folder(tuning *t) {
    SL_TRY(recorded_settings(t, &t->recorded));
    char *text = sl_json_canonical(t->recorded), hash[SL_SHA256_HEX];
    if (!text) return sl_fail(SL_MEMORY, "no memory for the settings");
    sl_sha256_hex(text, strlen(text), hash);
    free(text);
    t->folder = sl_arena_printf(t->arena, "%s/lora-%.12s",
                                t->settings->images ? t->settings->out : t->workspace->runs, hash);
    return SL_OK;
}

static sl_status work(tuning *t, sl_id run, sl_id round, sl_id *out_model) {
    SL_TRY(choose_images(t));
    SL_TRY(find_model(t));
    SL_TRY(load_model(t));
    SL_TRY(name_folder(t));
    SL_TRY(compute_data(t));
    SL_TRY(train(t));
    return t->settings->images ? save_in_folder(t) : record(t, run, round, out_model);
}

static sl_status check_places(const sl_lora_settings *settings) {
    if (settings->images && !settings->out)
        return sl_fail(SL_INVALID, "--images needs --out DIR for the adapter");
    if (settings->out && !settings->images)
        return sl_fail(SL_INVALID, "--out goes with --images; a workspace keeps its adapters itself");
    return SL_OK;
}

/* As a job of the workspace, or as it is from a folder. `t` is emptied; its result stays with the caller. */
static sl_status work_to_end(tuning *t, sl_id run, sl_id round, json_t *result, sl_id *out_model) {
    sl_status status = sl_arena_new(&t->arena);
    if (status == SL_OK && t->settings->images) status = sl_folder_make(t->settings->out);
    if (status == SL_OK) status = work(t, run, round, out_model);
    if (status == SL_OK && result) json_object_update(result, t->result);
    if (t->folder && !t->settings->images)
        json_object_set_new(t->result, "history",
                            json_sprintf("runs/%s/history.jsonl", sl_path_base(t->folder)));
    for (int part = 0; part < 2; part++) sl_lora_data_free(&t->data[part]);
    sl_lora_free(t->lora);
    json_decref(t->recorded);
    sl_bundle_free(t->bundle);
    sl_arena_free(t->arena);
    return status;
}

sl_status sl_train_lora(const sl_lora_settings *settings, const sl_workspace *workspace, sl_id round,
                        const sl_progress *progress, json_t *result, sl_id *out_model) {
    sl_job job;
    SL_TRY(check_places(settings));
    tuning t = {.settings = settings, .workspace = workspace, .progress = progress};
    if (settings->images) {
        t.result = json_object();
        *out_model = 0;
        sl_status status = work_to_end(&t, 0, round, result, out_model);
        json_decref(t.result);
        return status;
    }
    json_t *config = sl_options_to_json(sl_lora_options, settings);
    sl_status status =
        sl_job_begin(workspace, "train lora", config, (uint64_t)settings->seed, round, progress, &job);
    json_decref(config);
    SL_TRY(status);
    t.progress = &job.progress;
    t.result = json_object();
    status = work_to_end(&t, job.run, round, result, out_model);
    return sl_job_end(&job, status, t.result);
}

sl_status sl_train_lora_preview(const sl_lora_settings *settings, const sl_workspace *workspace,
                                sl_text *out) {
    tuning t = {.settings = settings, .workspace = workspace};
    SL_TRY(check_places(settings));
    SL_TRY(sl_arena_new(&t.arena));
    sl_status status;
    SL_GUARD(status, choose_images(&t), done);
    SL_GUARD(status, find_model(&t), done);
    sl_text_printf(out, "%lld images to learn from, %lld held out\n%lld updates of %lld images\nmodel %s\n",
                   (long long)t.count[0], (long long)t.count[1], (long long)steps_of(&t),
                   (long long)(settings->batch * settings->accumulate), t.base);
    status = sl_text_status(out);
done:
    sl_arena_free(t.arena);
    return status;
}
