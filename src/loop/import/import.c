#include "loop/import/import.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/threads.h"
#include "image/frame.h"
#include "image/intensity_map.h"
#include "loop/import/companion.h"
#include "loop/import/import_labels.h"
#include "loop/import/import_names.h"
#include "loop/import/import_origin.h"
#include "loop/import/import_truth.h"
#include "loop/import/look_alikes.h"
#include "loop/job.h"
#include "loop/origin.h"

#include <stdlib.h>
#include <string.h>

#define SETTINGS sl_import_settings
const sl_option sl_import_options[] = {
    SL_OPTION_TEXT(SETTINGS, caption, "caption", 'c', NULL, "TEXT",
                   "caption of images that no metadata.jsonl speaks of"),
    SL_OPTION_FLAG(SETTINGS, folder_captions, "folder-captions", 0,
                   "take the name of its folder as an image's caption where nothing else gives one"),
    SL_OPTION_TEXT(SETTINGS, group, "group", 'g', NULL, "NAME",
                   "put all images into one group (sample or scan)"),
    SL_OPTION_LIST(SETTINGS, groups, "groups", 0, "FILE",
                   "table with columns 'file' and 'group' (tabs or commas) that names the groups"),
    SL_OPTION_CHOICE(
        SETTINGS, group_by, "group-by", 0, "series", "series|folder|file",
        "what makes a group otherwise: names in a folder of one name that differ in their last number, the "
        "folder, each file. Folders go by their absolute path, links followed: it is one group however it is "
        "named"),
    SL_OPTION_CHOICE(
        SETTINGS, origin, "origin", 0, "auto", "auto|experimental|simulated|generated",
        "where the images come from; auto: as column 'origin' of metadata.jsonl or the file itself "
        "says, else experimental. What they say otherwise is an error"),
    SL_OPTION_TEXT(
        SETTINGS, labels_by, "labels-by", 0, NULL, "REVIEWER",
        "take labels from the column 'label' of metadata.jsonl, or from folders named real and fake, as "
        "decisions of this reviewer; what differs from this reviewer's label supersedes it"),
    SL_OPTION_FLAG(SETTINGS, all_frames, "all-frames", 0, "take every frame of a stack, not only the first"),
    {0}};

/* An image to be read, and what became of it. */
typedef struct item {
    const char *root, *path; /* as given by the user; the file */
    sl_frame_request request;
    bool listed; /* found in a folder, not named by the user: may be no image at all */
    sl_arena *arena;
    sl_image_record record;
    bool unknown;   /* no format of ours */
    bool companion; /* of another image, see companion.h: passed over */
    json_t *row;    /* what metadata.jsonl says, a copy; NULL: nothing */
    bool has_label;
    sl_label label;
    sl_status status;
    const char *message;
} item;

typedef struct importer {
    const sl_workspace *workspace;
    const sl_import_settings *settings;
    sl_import_names names;
    sl_arena *arena;
    item *items;
    int count, capacity;
    const char *root; /* of the walk under way */
    json_t *result, *duplicates, *errors, *skipped, *companions;
    int64_t added, known, origins[SL_ORIGIN_COUNT];
    json_t *groups; /* a set */
    sl_id reviewer; /* who gave the labels; 0: none are wanted */
    int64_t labels[SL_LABEL_COUNT];
    json_t *labelled; /* image number -> the label that this import gives */
} importer;

static void add_item(importer *in, const char *path, const sl_frame_request *request, bool listed) {
    if (in->count == in->capacity) {
        int capacity = in->capacity ? 2 * in->capacity : 64;
        item *grown = SL_NEW(in->arena, item, capacity);
        if (in->count) memcpy(grown, in->items, (size_t)in->count * sizeof *grown);
        in->items = grown;
        in->capacity = capacity;
    }
    in->items[in->count++] = (item){
        .root = in->root, .path = sl_arena_strdup(in->arena, path), .request = *request, .listed = listed};
}

static void add_error(importer *in, const char *file, sl_status status, const char *message) {
    json_array_append_new(in->errors, json_pack("{s:o, s:s, s:o}", "file", sl_json_text(file), "error",
                                                sl_status_name(status), "message", sl_json_text(message)));
}

/* All frames of a stack, or the one asked for. */
static void add_frames(importer *in, const char *path, sl_frame_request request, bool listed) {
    sl_frame frame;
    if (!in->settings->all_frames || sl_frame_read_header(path, &request, NULL, &frame) != SL_OK) {
        add_item(in, path, &request, listed);
        return;
    }
    if (frame.header.frames > 1 && frame.header.dataset[0])
        request.dataset = sl_arena_strdup(in->arena, frame.header.dataset);
    for (request.frame = 0; request.frame < frame.header.frames; request.frame++)
        add_item(in, path, &request, listed);
    sl_frame_free(&frame);
}

static sl_status visit(void *context, const char *path) {
    importer *in = context;
    const char *base = sl_path_base(path);
    if (strcmp(base, "metadata.jsonl") == 0) return SL_OK;
    SL_TRY(sl_import_names_look(&in->names, in->root, path));
    add_frames(in, path, (sl_frame_request){0}, true);
    return SL_OK;
}

static sl_status collect_one(importer *in, const char *given) {
    char *plain = sl_arena_strdup(in->arena, given);
    size_t length = strlen(plain);
    while (length > 1 && plain[length - 1] == '/') plain[--length] = '\0';
    in->root = plain;
    if (sl_path_is_folder(plain)) return sl_folder_walk(plain, visit, in);
    const char *path;
    sl_frame_request request;
    sl_status status = sl_frame_locate(in->arena, plain, &path, &request);
    if (!status && !sl_file_exists(path)) status = sl_fail(SL_NOT_FOUND, "no file or folder '%s'", path);
    if (status) {
        add_error(in, plain, status, sl_error_message());
        return SL_OK;
    }
    const char *slash = strrchr(path, '/');
    in->root = slash ? sl_arena_strndup(in->arena, path, (size_t)(slash - path)) : ".";
    SL_TRY(sl_import_names_look(&in->names, in->root, path));
    add_frames(in, path, request, false);
    return SL_OK;
}

/* Rows of a metadata.jsonl whose file is missing. */
static void list_missing(importer *in) {
    for (int i = 0; i < in->names.count; i++) {
        const sl_captions *captions = in->names.table[i].captions;
        for (int k = 0; captions && k < sl_captions_count(captions); k++) {
            const sl_caption *row = sl_captions_at(captions, k);
            if (sl_file_exists(row->path)) continue;
            char message[64];
            snprintf(message, sizeof message, "named in line %d of metadata.jsonl, but not there", row->line);
            add_error(in, row->path, SL_NOT_FOUND, message);
        }
    }
}

/* How counts become the models' numbers and back, fixed for this image once and for all. */
static sl_status intensity_map(const sl_image *image, json_t **out) {
    sl_intensity_map map;
    SL_TRY(sl_intensity_fit(&sl_intensity_default, image, &map));
    *out = sl_intensity_to_json(&map);
    return SL_OK;
}

static json_t *geometry_to_json(const sl_frame_geometry *geometry) {
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "wavelength_m", sl_json_number(geometry->wavelength_m),
        "distance_m", sl_json_number(geometry->distance_m), "pixel_x_m", sl_json_number(geometry->pixel_x_m),
        "pixel_y_m", sl_json_number(geometry->pixel_y_m), "beam_x_px", sl_json_number(geometry->beam_x_px),
        "beam_y_px", sl_json_number(geometry->beam_y_px), "exposure_s", sl_json_number(geometry->exposure_s));
}

static sl_status describe(item *each, const sl_frame *frame, const sl_image *image) {
    json_t *map;
    SL_TRY(intensity_map(image, &map));
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:O?, s:o, s:s, s:s}", "source", frame->source, "format",
        frame->format, "dtype", sl_dtype_name(frame->header.dtype), "dataset", frame->header.dataset, "frame",
        (json_int_t)frame->header.frame, "geometry", geometry_to_json(&frame->header.geometry), "metadata",
        frame->header.metadata, "intensity_map", map, "imported_by", "scatterloop " SL_VERSION,
        SL_IMPORTED_AS, sl_origin_name(each->record.origin));
    if (object && each->row) json_object_set(object, "row", each->row);
    char *text = object ? sl_json_canonical(object) : NULL;
    json_decref(object);
    if (!text) return sl_fail(SL_MEMORY, "out of memory describing '%s'", each->path);
    each->record.provenance = sl_arena_strdup(each->arena, text);
    free(text);
    return SL_OK;
}

static sl_status keep_frame(importer *in, item *each, const sl_frame *frame) {
    sl_image image;
    const json_t *provenance = json_object_get(frame->header.metadata, "provenance");
    each->companion = each->listed && sl_is_companion(each->path, provenance);
    if (each->companion) return SL_OK;
    if (!sl_is_utf8(each->path))
        return sl_fail(SL_INVALID, "the name '%s' is not UTF-8, and a record holds nothing else: rename it",
                       each->path);
    SL_TRY(
        sl_context(sl_import_origin_find(in->settings->origin, each->row, provenance, &each->record.origin),
                   "'%s'", each->path));
    if (each->record.origin == SL_ORIGIN_SIMULATED)
        each->record.truth = sl_import_truth_of(provenance, each->arena);
    SL_TRY(sl_frame_to_image(frame, &image));
    each->record.source = sl_arena_strdup(each->arena, frame->source);
    each->record.dtype = sl_dtype_name(frame->header.dtype);
    sl_status status = sl_workspace_put_image(in->workspace, &image, each->arena, &each->record);
    if (!status) status = describe(each, frame, &image);
    sl_image_free(&image);
    return status;
}

/* Decodes one image and writes its pixels; the record is added later, in order. */
static sl_status read_item(importer *in, item *each) {
    sl_frame frame = {0};
    SL_TRY(sl_arena_new(&each->arena));
    if (in->reviewer)
        SL_TRY(sl_context(
            sl_import_label_find(each->row, each->root, each->path, &each->has_label, &each->label), "'%s'",
            each->path));
    sl_status status = sl_frame_read(each->path, &each->request, NULL, &frame);
    each->unknown = status == SL_UNSUPPORTED && !frame.format;
    SL_TRY(status);
    status = keep_frame(in, each, &frame);
    sl_frame_free(&frame);
    return status;
}

typedef struct batch {
    importer *in;
    item *first;
} batch;

static void read_task(void *context, int64_t task, int worker) {
    (void)worker;
    const batch *work = context;
    item *each = &work->first[task];
    each->status = read_item(work->in, each);
    if (each->status)
        each->message = each->arena ? sl_arena_strdup(each->arena, sl_error_message()) : "out of memory";
}

static sl_status note_duplicate(importer *in, const item *each) {
    sl_image_record same;
    SL_TRY(sl_store_image_get(in->workspace->store, each->record.id, each->arena, &same));
    in->origins[same.origin]++;
    if (same.origin != each->record.origin)
        add_error(in, each->path, SL_MISMATCH,
                  sl_arena_printf(each->arena,
                                  "image %lld of the workspace, with the same pixels, is called %s, and this "
                                  "one is %s: import it into a new workspace",
                                  (long long)same.id, sl_origin_name(same.origin),
                                  sl_origin_name(each->record.origin)));
    if (same.source && strcmp(same.source, each->record.source) == 0) {
        in->known++;
        return SL_OK;
    }
    json_array_append_new(in->duplicates,
                          json_pack("{s:s, s:s, s:I}", "file", each->record.source, "same_as",
                                    same.source ? same.source : "", "image", (json_int_t)same.id));
    return SL_OK;
}

/* The first word counts where copies of one image say different things: an import again changes nothing. */
static sl_status add_label(importer *in, const item *each) {
    const char *key = sl_arena_printf(each->arena, "%lld", (long long)each->record.id);
    const char *given = json_string_value(json_object_get(in->labelled, key));
    const char *name = sl_label_name(each->label);
    sl_label counting;
    if (given && strcmp(given, name) != 0)
        add_error(in, each->path, SL_MISMATCH,
                  sl_arena_printf(each->arena, "label '%s', but a copy of the image is called '%s' here",
                                  name, given));
    if (given) return SL_OK;
    json_object_set_new(in->labelled, key, json_string(name));
    SL_TRY(sl_import_label_add(in->workspace->store, &each->record, in->reviewer, each->label, each->arena,
                               &counting));
    in->labels[counting]++;
    return SL_OK;
}

static sl_status add_record(importer *in, item *each) {
    if (each->unknown && each->listed) {
        json_array_append_new(in->skipped, sl_json_text(each->path));
        return SL_OK;
    }
    if (each->status == SL_FULL || each->status == SL_MEMORY)
        return sl_fail(each->status, "%s", each->message);
    if (each->status) {
        add_error(in, each->path, each->status, each->message);
        return SL_OK;
    }
    if (each->companion) {
        json_array_append_new(in->companions, sl_json_text(each->path));
        return SL_OK;
    }
    int added;
    SL_TRY(sl_store_images_add(in->workspace->store, &each->record, 1, true, &added));
    json_object_set_new(in->groups, each->record.group_key, json_true());
    in->added += added;
    if (added) in->origins[each->record.origin]++;
    if (each->has_label) SL_TRY(add_label(in, each));
    return added ? SL_OK : note_duplicate(in, each);
}

/* Captions, groups and rows come from shared tables: looked up before the parallel part. */
static void name_items(importer *in, int first, int count) {
    for (int i = first; i < first + count; i++) {
        item *each = &in->items[i];
        each->record.caption = sl_import_names_caption(&in->names, each->root, each->path);
        each->record.group_key = sl_import_names_group(&in->names, each->path);
        const sl_caption *row = sl_import_names_row(&in->names, each->path);
        each->row = row ? json_deep_copy(row->columns) : NULL;
    }
}

static sl_status import_all(importer *in, const sl_progress *progress) {
    enum { BATCH = 8 };
    sl_status status = SL_OK;
    for (int first = 0; first < in->count && !status; first += BATCH) {
        int count = in->count - first < BATCH ? in->count - first : BATCH;
        SL_TRY(sl_progress_check(progress));
        name_items(in, first, count);
        batch work = {in, in->items + first};
        sl_parallel_for(count, read_task, &work);
        for (int i = first; i < first + count; i++) {
            if (!status) status = add_record(in, &in->items[i]);
            sl_arena_free(in->items[i].arena);
            json_decref(in->items[i].row);
        }
        sl_progress_tell(progress, "importing", "image", first + count, in->count, NULL);
    }
    return status;
}

/* The splits of the origins that were imported, since images of others say nothing about these; of all where
 * none was. */
static sl_status count_splits(const importer *in, json_t *splits) {
    bool any = false;
    for (int origin = 0; origin < SL_ORIGIN_COUNT; origin++) any |= in->origins[origin] > 0;
    for (int split = 0; split < SL_SPLIT_COUNT; split++) {
        int64_t sum = 0;
        for (int origin = 0; origin < SL_ORIGIN_COUNT; origin++) {
            sl_image_filter filter = SL_IMAGE_FILTER_ALL;
            int64_t count;
            if (any && !in->origins[origin]) continue;
            filter.split = split;
            filter.origin = origin;
            SL_TRY(sl_store_image_count(in->workspace->store, &filter, &count));
            sum += count;
        }
        json_object_set_new(splits, sl_split_name((sl_split)split), json_integer(sum));
    }
    return SL_OK;
}

static sl_status list_look_alikes(const importer *in, json_t *list) {
    for (int origin = 0; origin < SL_ORIGIN_COUNT; origin++) {
        json_t *alike;
        if (!in->origins[origin]) continue;
        SL_TRY(sl_look_alikes(in->workspace, (sl_origin)origin, &alike));
        json_array_extend(list, alike);
        json_decref(alike);
    }
    return SL_OK;
}

static sl_status fill_result(importer *in) {
    json_t *splits = json_object(), *origins = json_object();
    size_t passed_over = json_array_size(in->skipped) + json_array_size(in->companions);
    json_object_set_new(in->result, "found", json_integer((json_int_t)((size_t)in->count - passed_over)));
    json_object_set_new(in->result, "added", json_integer(in->added));
    json_object_set_new(in->result, "known", json_integer(in->known));
    json_object_set_new(in->result, "groups", json_integer((json_int_t)json_object_size(in->groups)));
    json_object_set_new(in->result, "origins", origins);
    for (int origin = 0; origin < SL_ORIGIN_COUNT; origin++)
        json_object_set_new(origins, sl_origin_name((sl_origin)origin), json_integer(in->origins[origin]));
    json_object_set_new(in->result, "splits", splits);
    SL_TRY(count_splits(in, splits));
    if (in->reviewer) {
        json_t *labels = json_object();
        json_object_set_new(in->result, "labels", labels);
        for (int label = 0; label < SL_LABEL_WITHDRAWN; label++)
            json_object_set_new(labels, sl_label_name((sl_label)label), json_integer(in->labels[label]));
    }
    const json_t *first = json_array_get(in->errors, 0);
    if (first && in->added == 0 && in->known == 0 && json_array_size(in->duplicates) == 0) {
        sl_status code = SL_FORMAT;
        for (int i = 1; i < SL_STATUS_COUNT; i++)
            if (strcmp(sl_status_name((sl_status)i), json_string_value(json_object_get(first, "error"))) == 0)
                code = (sl_status)i;
        return sl_fail(code, "nothing imported, %zu errors; the first: %s", json_array_size(in->errors),
                       json_string_value(json_object_get(first, "message")));
    }
    return SL_OK;
}

static sl_status run_import(importer *in, const sl_list *paths, const sl_progress *progress) {
    for (int i = 0; i < paths->count; i++) SL_TRY(collect_one(in, paths->item[i]));
    list_missing(in);
    SL_TRY(import_all(in, progress));
    json_t *alike = json_array();
    json_object_set_new(in->result, "look_alikes", alike);
    SL_TRY(list_look_alikes(in, alike));
    return fill_result(in);
}

sl_status sl_import(const sl_workspace *workspace, const sl_list *paths, const sl_import_settings *settings,
                    const sl_progress *progress, json_t **out) {
    importer in = {.workspace = workspace,
                   .settings = settings,
                   .result = json_object(),
                   .groups = json_object(),
                   .labelled = json_object()};
    sl_job job;
    json_t *config = sl_options_to_json(sl_import_options, settings), *list = json_array();
    for (int i = 0; i < paths->count; i++) json_array_append_new(list, sl_json_text(paths->item[i]));
    json_object_set_new(config, "paths", list);
    sl_status status = sl_job_begin(workspace, "import", config, 0, 0, progress, &job);
    json_decref(config);
    if (status) {
        json_decref(in.result);
        json_decref(in.groups);
        json_decref(in.labelled);
        return status;
    }
    json_object_set_new(in.result, "duplicates", in.duplicates = json_array());
    json_object_set_new(in.result, "errors", in.errors = json_array());
    json_object_set_new(in.result, "skipped", in.skipped = json_array());
    json_object_set_new(in.result, "companions", in.companions = json_array());
    status = sl_arena_new(&in.arena);
    if (!status) status = sl_import_names_open(settings, &in.names);
    if (!status && settings->labels_by)
        status = sl_store_reviewer(workspace->store, settings->labels_by, false, &in.reviewer);
    if (!status) status = run_import(&in, paths, &job.progress);
    sl_import_names_close(&in.names);
    sl_arena_free(in.arena);
    json_decref(in.groups);
    json_decref(in.labelled);
    status = sl_job_end(&job, status, status ? NULL : json_incref(in.result));
    if (status) {
        json_decref(in.result);
        return status;
    }
    *out = in.result;
    return SL_OK;
}
