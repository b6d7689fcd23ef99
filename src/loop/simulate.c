#include "loop/simulate.h"

#include "base/file.h"
#include "base/random/random.h"
#include "base/threads.h"
#include "image/write/write.h"
#include "loop/image_folder.h"
#include "loop/job.h"
#include "loop/origin.h"
#include "loop/shard.h"
#include "loop/simulate/output.h"
#include "loop/simulate/parameter_file.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char class_help[] = "what is seen: any (by a mix)"
#define SL_SIM_CLASS(name, id, technique, share) ", " id
#include "xray/sim_class.def"
#undef SL_SIM_CLASS
    ;

static const char instrument_help[] =
    "what it is measured with: any (what the class is usually measured with, widely drawn) or"
#define SL_INSTRUMENT(id, words, ...) "\n" id ": " words
#include "xray/instrument/instruments.def"
#undef SL_INSTRUMENT
    "\n";

const sl_option sl_simulate_options[] = {
    SL_OPTION_INT(sl_simulate_settings, count, "count", 'n', "16", 1, 4294967295.0, "images",
                  "how many images"),
    SL_OPTION_INT(sl_simulate_settings, seed, "seed", 's', "0", 0, 9007199254740992.0, "N",
                  "image k depends on the seed and k alone"),
    SL_OPTION_INT(sl_simulate_settings, size_px, "size", 0, "512", 32, 4096, "px",
                  "side of the square image"),
    SL_OPTION_TEXT(sl_simulate_settings, class_id, "class", 'c', "any", "NAME", class_help),
    SL_OPTION_TEXT(sl_simulate_settings, instrument, "instrument", 0, "any", "NAME", instrument_help),
    SL_OPTION_PATH(
        sl_simulate_settings, parameters, "parameters", 'p', NULL, "FILE",
        "values or ranges in place of what is drawn, in YAML: 'energy_kev: [8, 12]', 'form: sphere', "
        "also below the name of a class; a sidecar file of an image does as well. "
        "docs/truth-format.md lists the names, and so does the message about a wrong one"),
    SL_OPTION_CHOICE(sl_simulate_settings, domain, "domain", 0, "base", "base|held-out",
                     "instruments and samples: those the base model learns from, or others"),
    SL_OPTION_REAL(sl_simulate_settings, unreal, "unreal", 0, "0", 0, 1, "SHARE",
                   "share of images that get faults, named in the sidecar file"),
    SL_OPTION_TEXT(sl_simulate_settings, shard, "shard", 0, NULL, "I/N",
                   "only part I (from 0) of N, each into a folder of its own; all parts make the run"),
    SL_OPTION_CHOICE(
        sl_simulate_settings, format, "format", 'f', "tiff", sl_simulate_formats,
        "format of the counts; hdf5: NeXus, with the truth inside and a .poni file; webdataset: tar "
        "archives of TIFF, PNG and truth"),
    SL_OPTION_INT(sl_simulate_settings, per_archive, "per-archive", 0, "1000", 1, 1000000, "images",
                  "webdataset: images of an archive"),
    SL_OPTION_FLAG(sl_simulate_settings, poni, "poni", 0, "also write the geometry as pyFAI reads it"),
    SL_OPTION_FLAG(sl_simulate_settings, expectation, "expectation", 0,
                   "also write the noise-free mean counts that were measured"),
    SL_OPTION_PATH(
        sl_simulate_settings, out, "out", 'o', NULL, "DIR",
        "also write files here, one run a folder: counts, a 16-bit PNG for the eye, and the truth as JSON"),
    {0}};

enum { BATCH = 32 };

typedef struct run {
    const sl_simulate_settings *settings;
    const sl_workspace *workspace;
    sl_sim_options options;
    sl_sim_overrides overrides;
    int64_t first, end;
    sl_id run;
    FILE *metadata; /* NULL: none, or in archives, whose members are told by their own truth */
    sl_simulate_output output;
    sl_simulate_result *result;
    /* of the batch at work */
    int64_t batch_first;
    sl_sim_sample sample[BATCH];
    sl_simulated_files files[BATCH];
    sl_status status[BATCH];
    char message[BATCH][256];
} run;

/* Whether image `index` gets faults: a number of its own, so that shards agree. */
static bool is_unreal(const sl_simulate_settings *s, int64_t index) {
    sl_random random = sl_random_stream((uint64_t)s->seed, SL_STREAM_SIMULATE, (uint32_t)index);
    random.counter = UINT64_C(3) << 56;
    return sl_random_chance(&random, s->unreal);
}

static void make_one(void *context, int64_t task, int worker) {
    (void)worker;
    run *r = context;
    int64_t index = r->batch_first + task;
    sl_sim_sample *sample = &r->sample[task];
    sl_status status =
        is_unreal(r->settings, index)
            ? sl_sim_unreal_make((uint64_t)r->settings->seed, (uint32_t)index, &r->options, sample)
            : sl_sim_sample_make((uint64_t)r->settings->seed, (uint32_t)index, &r->options, sample);
    if (!status && r->settings->out) status = sl_simulated_files_make(r->settings, sample, &r->files[task]);
    /* archives are written by rising index, later */
    if (!status && r->settings->out && r->metadata) {
        status = sl_simulate_output_add(&r->output, index, &r->files[task]);
        sl_simulated_files_free(&r->files[task]);
    }
    r->status[task] = status;
    /* messages belong to threads: keep it for the caller's */
    if (status) snprintf(r->message[task], sizeof r->message[task], "%s", sl_error_message());
}

static sl_status record_image(run *r, const sl_sim_sample *sample) {
    json_t *truth = sl_sim_sample_truth(sample);
    if (truth) json_object_del(truth, "masks"); /* the pixels' own mask says the same */
    char *text = truth ? sl_json_canonical(truth) : NULL;
    json_decref(truth);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    sl_arena *arena;
    sl_status status = sl_arena_new(&arena);
    if (status) {
        free(text);
        return status;
    }
    char group[SL_ORIGIN_GROUP_BYTES];
    sl_origin_group(SL_ORIGIN_SIMULATED, r->settings->seed, sample->index, group);
    bool real = sample->artefact_count == 0;
    const sl_truth known = {.real = real,
                            .artefact = real ? NULL : sl_artefact_id(sample->artefact[0].kind),
                            .strength = real ? 0 : sample->artefact[0].severity};
    sl_image_record record = {
        .origin = SL_ORIGIN_SIMULATED,
        .group_key = group,
        .caption = sample->caption,
        .run = r->run,
        .run_index = sample->index,
        .seed = sample->seed,
        .dtype = "F32",
        .provenance = text,
        .truth = &known,
    };
    int added = 0;
    SL_GUARD(status, sl_workspace_put_image(r->workspace, &sample->measured, arena, &record), done);
    SL_GUARD(status, sl_store_images_add(r->workspace->store, &record, 1, false, &added), done);
    r->result->added += added;
done:
    free(text);
    sl_arena_free(arena);
    return status;
}

static sl_status add_metadata(run *r, const sl_sim_sample *sample) {
    char name[64], group[SL_ORIGIN_GROUP_BYTES];
    snprintf(name, sizeof name, "image_%06lld.%s", (long long)sample->index,
             sl_simulated_suffix(r->settings));
    sl_origin_group(SL_ORIGIN_SIMULATED, r->settings->seed, sample->index, group);
    json_t *row = json_pack("{s:s, s:s, s:s}", "file_name", name, "text", sample->caption, "group", group);
    char *line = row ? sl_json_canonical(row) : NULL;
    json_decref(row);
    if (!line) return sl_fail(SL_MEMORY, "out of memory");
    fprintf(r->metadata, "%s\n", line);
    free(line);
    return SL_OK;
}

static sl_status keep_batch(run *r, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        if (r->status[k]) return sl_fail(r->status[k], "%s", r->message[k]);
        if (r->metadata) SL_TRY(add_metadata(r, &r->sample[k]));
        if (r->settings->out && !r->metadata)
            SL_TRY(sl_simulate_output_add(&r->output, r->batch_first + k, &r->files[k]));
        sl_simulated_files_free(&r->files[k]);
        if (r->workspace) SL_TRY(record_image(r, &r->sample[k]));
        r->result->images++;
        r->result->unreal += r->sample[k].artefact_count > 0;
    }
    return SL_OK;
}

static sl_status make_all(run *r, const sl_progress *progress) {
    for (int64_t at = r->first; at < r->end; at += BATCH) {
        int64_t count = r->end - at < BATCH ? r->end - at : BATCH;
        SL_TRY(sl_progress_check(progress));
        r->batch_first = at;
        sl_parallel_for(count, make_one, r);
        SL_TRY(keep_batch(r, count));
        sl_progress_tell(progress, "simulating", "image", at + count - r->first, r->end - r->first, NULL);
    }
    return SL_OK;
}

static sl_status make_archives(run *r, const sl_progress *progress) {
    sl_status status = make_all(r, progress);
    if (!status) return sl_simulate_output_end(&r->output);
    sl_simulate_output_abandon(&r->output);
    return status;
}

static sl_status simulate_into(run *r, const sl_progress *progress) {
    const char *out = r->settings->out;
    if (!out) return make_all(r, progress);
    sl_arena *arena;
    sl_file_writer metadata;
    SL_TRY(sl_folder_make(out));
    r->output.settings = r->settings;
    if (sl_simulate_is_archive(r->settings)) return make_archives(r, progress);
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_file_writer_open(&metadata, sl_path_join(arena, out, "metadata.jsonl"));
    sl_arena_free(arena);
    SL_TRY(status);
    r->metadata = metadata.stream;
    status = make_all(r, progress);
    if (!status) return sl_file_writer_commit(&metadata);
    sl_file_writer_abandon(&metadata);
    return status;
}

static sl_status run_as_job(run *r, const sl_progress *progress) {
    sl_job job;
    json_t *config = sl_options_to_json(sl_simulate_options, r->settings);
    json_t *given = sl_sim_overrides_json(r->options.overrides);
    if (given) json_object_set_new(config, "given", given);
    sl_status status =
        sl_job_begin(r->workspace, "simulate", config, (uint64_t)r->settings->seed, 0, progress, &job);
    json_decref(config);
    SL_TRY(status);
    r->run = r->result->run = job.run;
    status = simulate_into(r, &job.progress);
    json_t *result = json_pack("{s:I, s:I, s:I}", "images", (json_int_t)r->result->images, "added",
                               (json_int_t)r->result->added, "unreal", (json_int_t)r->result->unreal);
    return sl_job_end(&job, status, result);
}

static sl_status read_overrides(run *r) {
    const sl_simulate_settings *s = r->settings;
    const sl_instrument *instrument = NULL;
    if (s->instrument) SL_TRY(sl_instrument_find(s->instrument, &instrument));
    SL_TRY(sl_sim_overrides_instrument(&r->overrides, instrument));
    if (s->parameters) SL_TRY(sl_parameter_file_read(s->parameters, &r->options.class_id, &r->overrides));
    if (instrument || s->parameters) r->options.overrides = &r->overrides;
    return SL_OK;
}

static sl_status prepare(const sl_simulate_settings *settings, run *r) {
    r->settings = settings;
    r->options = (sl_sim_options){.size_px = (int32_t)settings->size_px,
                                  .domain = settings->domain ? SL_SIM_DOMAIN_HELD_OUT : SL_SIM_DOMAIN_BASE,
                                  .measure = true};
    SL_TRY(sl_sim_class_find(settings->class_id ? settings->class_id : "any", &r->options.class_id));
    SL_TRY(read_overrides(r));
    SL_TRY(sl_sim_options_check(&r->options));
    return sl_shard_range(settings->shard, settings->count, &r->first, &r->end);
}

static sl_status check_folder(const run *r) {
    const sl_simulate_settings *s = r->settings;
    const char *suffix = sl_simulated_suffix(s);
    if (!s->out) return SL_OK;
    return sl_image_folder_check(
        s->out, &(sl_image_run){.first = r->first,
                                .end = r->end,
                                .suffix = suffix,
                                .expectations = s->expectation,
                                .ponis = s->poni || strcmp(suffix, sl_write_suffix(SL_WRITE_HDF5)) == 0,
                                .archives = sl_simulate_is_archive(s)});
}

sl_status sl_simulate(const sl_simulate_settings *settings, const sl_workspace *workspace,
                      const sl_progress *progress, sl_simulate_result *out) {
    *out = (sl_simulate_result){0};
    if (!workspace && !settings->out)
        return sl_fail(
            SL_INVALID,
            "nowhere to put the images: work in a workspace ('scatterloop init') or give --out DIR");
    run *r;
    SL_TRY(sl_alloc(&r, 1, sizeof *r));
    r->workspace = workspace;
    r->result = out;
    sl_status status = prepare(settings, r);
    if (!status) status = check_folder(r);
    if (!status) status = workspace ? run_as_job(r, progress) : simulate_into(r, progress);
    for (int k = 0; k < BATCH; k++) {
        sl_sim_sample_free(&r->sample[k]);
        sl_simulated_files_free(&r->files[k]);
    }
    sl_sim_overrides_free(&r->overrides);
    sl_free(r);
    return status;
}

sl_status sl_simulate_preview(const sl_simulate_settings *settings, sl_text *out) {
    run *r;
    SL_TRY(sl_alloc(&r, 1, sizeof *r));
    sl_status status = prepare(settings, r);
    if (!status) {
        double bytes =
            (double)settings->size_px * (double)settings->size_px * 7 * (double)(r->end - r->first);
        sl_text_printf(out, "%lld images (index %lld to %lld) of %lld px, about %.0f MB on disk\n",
                       (long long)(r->end - r->first), (long long)r->first, (long long)(r->end - 1),
                       (long long)settings->size_px, bytes / 1e6);
    }
    sl_sim_overrides_free(&r->overrides);
    sl_free(r);
    SL_TRY(status);
    return sl_text_status(out);
}
