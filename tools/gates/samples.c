/* Samples of a model, kept in a workspace of their own. */
#include "gates.h"

#include "base/file.h"
#include "diffusion/bundle.h"
#include "loop/generate/generate.h"
#include "loop/recorded.h"
#include "nn/nn.h"
#include "xray/instrument/usual_measurement.h"
#include "xray/log_map.h"

#include <math.h>
#include <string.h>

typedef struct kept {
    const char *measured, *expectation; /* objects */
    sl_beam_place beam;                 /* as the record has it */
    sl_sketch *sketch;
} kept;

struct sample_set {
    sl_arena *arena;
    sl_workspace *workspace;
    const image_rows *captions;
    kept *item;
    int64_t count;
};

static sl_status keep_told(sample_set *s, const sl_image_record *record, const char *expectation,
                           const json_t *provenance) {
    kept *item = &s->item[record->run_index];
    const json_t *marks = json_object_get(provenance, "sketch");
    *item = (kept){sl_arena_strdup(s->arena, record->object_hash), sl_arena_strdup(s->arena, expectation),
                   sl_recorded_beam(provenance), SL_NEW(s->arena, sl_sketch, 1)};
    return marks ? sl_sketch_read(marks, item->sketch) : SL_OK;
}

static sl_status keep_record(sample_set *s, const sl_image_record *record) {
    json_t *provenance;
    if (record->run_index >= s->count) return SL_OK;
    const char *caption = s->captions->row[record->run_index].caption;
    if (!record->caption || strcmp(record->caption, caption) != 0)
        return sl_fail(SL_MISMATCH, "image %lld was made from '%s', expected '%s'", (long long)record->id,
                       record->caption ? record->caption : "", caption);
    SL_TRY(sl_recorded_provenance(s->workspace->store, record->id, &provenance));
    const char *expectation = json_string_value(json_object_get(provenance, "expectation"));
    const json_t *laws = json_object_get(provenance, "measurement_laws");
    sl_status status = SL_OK;
    if (!expectation)
        status =
            sl_fail(SL_UNSUPPORTED, "image %lld has no expectation: the gates are for models that make one",
                    (long long)record->id);
    else if (json_integer_value(laws) != SL_USUAL_MEASUREMENT_VERSION)
        status = sl_fail(SL_MISMATCH,
                         "image %lld was measured by other laws than this program's: move the "
                         "folder away",
                         (long long)record->id);
    else
        status = keep_told(s, record, expectation, provenance);
    json_decref(provenance);
    return status;
}

static sl_status keep_page(void *context, const sl_image_page *page) {
    for (int i = 0; i < page->count; i++) SL_TRY(keep_record(context, &page->record[i]));
    return SL_OK;
}

static sl_status find_kept(sample_set *s) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.origin = SL_ORIGIN_GENERATED;
    return sl_store_image_pages(s->workspace->store, &filter, keep_page, s);
}

static bool part_is_there(const sample_set *s, int64_t part) {
    for (int64_t k = part * PART; k < (part + 1) * PART; k++)
        if (!s->item[k].measured) return false;
    return true;
}

static sl_status generate_settings(const gates *g, const sample_set *s, const char *model,
                                   sl_generate_settings *out) {
    SL_TRY(sl_options_default(sl_generate_options, s->arena, out));
    out->model = model;
    out->count = s->count;
    out->seed = 1;
    out->batch = PART;
    out->steps = g->settings.steps;
    out->guidance = g->settings.guidance;
    out->eta = g->settings.eta;
    return SL_OK;
}

/* How far apart expectations may be that one program makes on different machines: mean difference of their
 * log maps. */
static const double same_program = 1e-3;

static sl_status compare_expectations(const sl_image *was, const sl_image *is, double *out) {
    double level, sum = 0;
    float *maps;
    if (was->height_px != is->height_px || was->width_px != is->width_px) return *out = 1, SL_OK;
    size_t count = (size_t)is->height_px * (size_t)is->width_px;
    SL_TRY(sl_log_map_level(is->value, count, &level));
    SL_TRY(sl_alloc(&maps, 2 * count, sizeof *maps));
    sl_log_map_encode(was->value, count, level, maps);
    sl_log_map_encode(is->value, count, level, maps + count);
    for (size_t i = 0; i < count; i++) sum += fabs((double)maps[i] - (double)maps[count + i]);
    sl_free(maps);
    *out = sum / (double)count;
    return SL_OK;
}

/* Samples are kept under the model's hash, and another program may make others of it: the first one is made
 * again, and its expectation compared, since a rounding draws other counts. */
static sl_status check_same_program(const gates *g, const sample_set *s, const char *model) {
    sl_generate_settings settings;
    sl_image kept_one, made;
    json_t *record;
    double difference = 0;
    if (!s->item[0].measured) return SL_OK;
    SL_TRY(generate_settings(g, s, model, &settings));
    settings.noise_free = true;
    SL_TRY(sl_workspace_get_image(s->workspace, s->item[0].expectation, &kept_one));
    sl_status status = sl_generate_one(&settings, s->captions->row[0].caption, 0, NULL, &made, &record);
    if (!status) {
        status = compare_expectations(&kept_one, &made, &difference);
        sl_image_free(&made);
        json_decref(record);
    }
    sl_image_free(&kept_one);
    if (status || difference <= same_program) return status;
    return sl_fail(SL_MISMATCH,
                   "the samples that were kept are not what this program makes (the first differs by %.2g of "
                   "the log map): move the folder away",
                   difference);
}

/* Through the use-case itself, so that samples are what anybody gets who gives it these prompts. */
static sl_status make_missing(const gates *g, sample_set *s, const char *model) {
    const char **prompts = SL_NEW(s->arena, const char *, s->count);
    sl_generate_settings settings;
    sl_generate_result made;
    SL_TRY(generate_settings(g, s, model, &settings));
    for (int64_t k = 0; k < s->count; k++) prompts[k] = s->captions->row[k].caption;
    for (int64_t part = 0; part < s->count / PART; part++) {
        if (!part_is_there(s, part)) {
            settings.shard =
                sl_arena_printf(s->arena, "%lld/%lld", (long long)part, (long long)s->count / PART);
            SL_TRY(sl_generate(&settings, prompts, (int)s->count, s->workspace, 0, NULL, &made));
        }
        SL_TRY(sl_progress_check(g->progress));
        sl_progress_tell(g->progress, "sampling", "image", (part + 1) * PART, s->count, NULL);
    }
    return SL_OK;
}

sl_status samples_open(const gates *g, const char *model, const char *folder, const image_rows *captions,
                       int64_t count, sample_set **out) {
    sample_set *s;
    sl_status status;
    SL_TRY(sl_alloc(&s, 1, sizeof *s));
    s->count = count;
    s->captions = captions;
    SL_GUARD(status, sl_arena_new(&s->arena), done);
    if (!sl_file_exists(sl_path_join(s->arena, folder, "scatterloop.db")))
        SL_GUARD(status, sl_workspace_init(folder, 1), done);
    SL_GUARD(status, sl_workspace_open(folder, &s->workspace), done);
    s->item = SL_NEW(s->arena, kept, count);
    SL_GUARD(status, find_kept(s), done);
    SL_GUARD(status, check_same_program(g, s, model), done);
    SL_GUARD(status, make_missing(g, s, model), done);
    SL_GUARD(status, find_kept(s), done);
done:
    if (status)
        samples_close(s);
    else
        *out = s;
    return sl_context(status, "samples in '%s'", folder);
}

void samples_close(sample_set *s) {
    if (!s) return;
    sl_workspace_close(s->workspace);
    sl_arena_free(s->arena);
    sl_free(s);
}

sl_status samples_load(const sample_set *s, int64_t index, sl_image *measured, sl_image *expectation) {
    SL_TRY(sl_workspace_get_image(s->workspace, s->item[index].measured, measured));
    sl_status status = sl_workspace_get_image(s->workspace, s->item[index].expectation, expectation);
    if (status) sl_image_free(measured);
    return status;
}

const sl_sketch *samples_sketch(const sample_set *s, int64_t index, sl_beam_place *beam) {
    *beam = s->item[index].beam;
    return s->item[index].sketch;
}

sl_status samples_write_untrained(const char *model, const char *folder) {
    sl_bundle *bundle;
    SL_TRY(sl_bundle_load(model, &bundle));
    sl_status status = sl_params_initialise(bundle->unet->params, 1);
    if (!status) status = sl_params_initialise(bundle->text_encoder->params, 2);
    if (!status) status = sl_bundle_save(bundle, folder, SL_F16);
    sl_bundle_free(bundle);
    return status;
}
