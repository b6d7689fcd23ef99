#include "loop/export/export.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/threads.h"
#include "image/write/write.h"
#include "loop/export/writer.h"
#include "loop/job.h"
#include "loop/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS sl_export_settings
const sl_option sl_export_options[] = {
    SL_OPTION_CHOICE(SETTINGS, layout, "layout", 'l', "imagefolder",
                     "imagefolder|classes|webdataset|label-studio",
                     "for whom: Hugging Face datasets, torchvision, WebDataset, Label Studio"),
    SL_OPTION_CHOICE(
        SETTINGS, pixels, "pixels", 'f', "auto", "auto|tiff|hdf5|npy|png",
        "format of the images; auto: tiff (counts) for imagefolder and webdataset, png (16-bit picture) for "
        "the others; hdf5: NeXus"),
    SL_IMAGE_CHOICE_OPTIONS(SETTINGS, images),
    SL_OPTION_FLAG(
        SETTINGS, machine, "machine", 0,
        "where nobody else gave a label, the machine's last verdict is one (marked as the machine's)"),
    SL_OPTION_INT(SETTINGS, per_archive, "per-archive", 0, "1000", 1, 1000000, "images",
                  "webdataset: images of an archive"),
    SL_OPTION_TEXT(SETTINGS, image_url, "image-url", 0, "/data/local-files/?d=", "URL",
                   "label-studio: what stands before images/image_NNNNNN.png"),
    SL_OPTION_FLAG(SETTINGS, anonymous, "anonymous", 0, "leave out the names of reviewers"),
    {0}};

enum { BATCH = 32, KEY_BYTES = 96 };

/* One line of what the set's hash is taken of. */
typedef struct key {
    char text[KEY_BYTES];
} key;

typedef struct exporter {
    const sl_workspace *workspace;
    const sl_export_settings *settings;
    const sl_progress *progress;
    sl_export_writer writer;
    sl_export_result *result;
    sl_text decisions;
    key *keys;
    int64_t key_count, key_capacity, looked_at;
    sl_export_item item[BATCH];
} exporter;

static const sl_export_layout *layout_of(const sl_export_settings *settings) {
    static const sl_export_layout *const layouts[] = {&sl_export_imagefolder, &sl_export_classes,
                                                      &sl_export_webdataset, &sl_export_label_studio};
    return layouts[settings->layout];
}

static bool is_wanted(const exporter *e, const sl_export_row *row) {
    bool said = row->label_source != NULL;
    int wanted = sl_image_choice_label(&e->settings->images);
    if (e->writer.layout->labelled_only && !sl_export_row_is_labelled(row)) return false;
    if (wanted == SL_ANY) return true;
    return wanted == SL_UNLABELLED ? !said : said && (int)row->label == wanted;
}

/* The label is left to is_wanted: the store knows that of reviewers alone. */
static sl_image_filter filter_of(const sl_export_settings *s) {
    sl_image_filter filter = sl_image_choice_filter(&s->images);
    filter.label = SL_ANY;
    filter.limit = 1000;
    return filter;
}

/* --- one image --- */

static sl_status encode(const exporter *e, sl_export_item *item) {
    static const char *const formats[] = {"auto", "tiff", "hdf5", "npy", "png"};
    static const char *const suffixes[] = {"tif", "h5", "npy", "png"};
    const char *format = formats[e->settings->pixels];
    if (e->settings->pixels == 0) format = e->writer.layout->pixels;
    const sl_export_row *row = &item->row;
    const sl_write_info info = {.provenance = row->provenance,
                                .geometry = &row->geometry,
                                .title = row->record.caption,
                                .synthetic = row->record.origin != SL_ORIGIN_EXPERIMENTAL};
    sl_image image;
    SL_TRY(sl_workspace_get_image(e->workspace, row->record.object_hash, &image));
    int k = 0;
    while (strcmp(formats[k + 1], format) != 0) k++;
    item->suffix = suffixes[k];
    sl_status status = k == SL_WRITE_COUNT
                           ? sl_picture_encode_png(&image, &info, &item->data, &item->bytes)
                           : sl_image_encode((sl_write_format)k, &image, &info, &item->data, &item->bytes);
    sl_image_free(&image);
    return status;
}

static sl_status encode_task(void *context, int64_t task, int worker) {
    exporter *e = context;
    sl_export_item *item = &e->item[task];
    (void)worker;
    return sl_context(encode(e, item), "image %lld", (long long)item->row.record.id);
}

static sl_status add_key(exporter *e, const sl_export_row *row) {
    if (e->key_count == e->key_capacity) {
        int64_t capacity = e->key_capacity ? 2 * e->key_capacity : 1024;
        key *grown = realloc(e->keys, (size_t)capacity * sizeof *grown);
        if (!grown) return sl_fail(SL_MEMORY, "out of memory for %lld images", (long long)capacity);
        e->keys = grown;
        e->key_capacity = capacity;
    }
    snprintf(e->keys[e->key_count++].text, KEY_BYTES, "%s %s %s\n", row->record.content_hash,
             row->label_source ? sl_label_name(row->label) : "-", sl_split_name(row->record.split));
    return SL_OK;
}

static sl_status count(exporter *e, const sl_export_row *row) {
    sl_export_result *r = e->result;
    r->images++;
    r->split[row->record.split]++;
    r->origin[row->record.origin]++;
    r->real += row->label == SL_LABEL_REAL;
    r->unreal += row->label == SL_LABEL_UNREAL;
    r->unlabelled += !sl_export_row_is_labelled(row);
    return add_key(e, row);
}

static sl_status write_item(exporter *e, const sl_export_item *item) {
    SL_TRY(e->writer.layout->add(&e->writer, item));
    SL_TRY(sl_export_decisions(&e->writer, &item->row.record, &e->decisions, &e->result->decisions));
    return count(e, &item->row);
}

static void free_items(exporter *e, int n) {
    for (int i = 0; i < n; i++) {
        sl_export_row_free(&e->item[i].row);
        sl_free(e->item[i].data);
        e->item[i] = (sl_export_item){0};
    }
}

/* --- all images --- */

static sl_status export_batch(exporter *e, const sl_image_record *records, int n, sl_arena *arena) {
    int wanted = 0;
    sl_status status = SL_OK;
    for (int i = 0; i < n && !status; i++) {
        status =
            sl_export_row_get(e->workspace, &records[i], e->settings->machine, arena, &e->item[wanted].row);
        if (status) break;
        if (is_wanted(e, &e->item[wanted].row))
            wanted++;
        else
            sl_export_row_free(&e->item[wanted].row);
    }
    if (!status) status = sl_parallel_try(wanted, encode_task, e);
    for (int i = 0; i < wanted && !status; i++) status = write_item(e, &e->item[i]);
    free_items(e, wanted);
    return status;
}

static sl_status export_page(void *context, const sl_image_page *page) {
    exporter *e = context;
    SL_TRY(sl_progress_check(e->progress));
    SL_TRY(export_batch(e, page->record, page->count, page->arena));
    e->looked_at += page->count;
    sl_progress_tell(e->progress, "exporting", "image", e->looked_at, page->total, NULL);
    return SL_OK;
}

static sl_status export_all(exporter *e) {
    sl_image_filter filter = filter_of(e->settings);
    filter.limit = BATCH;
    SL_TRY(sl_store_image_pages(e->workspace->store, &filter, export_page, e));
    if (e->result->images) return SL_OK;
    return sl_fail(
        SL_NOT_FOUND,
        "no image of the workspace is what was asked for (%lld looked at); 'scatterloop list' shows "
        "what there is",
        (long long)e->looked_at);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const key *)a)->text, ((const key *)b)->text);
}

static void hash_keys(exporter *e) {
    sl_sha256_state state;
    uint8_t digest[SL_SHA256_BYTES];
    qsort(e->keys, (size_t)e->key_count, sizeof *e->keys, compare_keys);
    sl_sha256_begin(&state);
    for (int64_t i = 0; i < e->key_count; i++)
        sl_sha256_add(&state, e->keys[i].text, strlen(e->keys[i].text));
    sl_sha256_end(&state, digest);
    sl_hex(digest, sizeof digest, e->result->hash);
}

static sl_status finish(exporter *e) {
    sl_export_writer *w = &e->writer;
    if (w->layout->end) SL_TRY(w->layout->end(w));
    hash_keys(e);
    SL_TRY(sl_text_status(&e->decisions));
    SL_TRY(sl_export_put(w, "decisions.csv", e->decisions.data, e->decisions.length));
    SL_TRY(sl_export_card(w, e->result));
    SL_TRY(sl_text_status(&w->sums));
    /* its own line comes behind what is written: the list does not hold itself, and names all for a discard
     */
    SL_TRY(sl_export_put(w, "SHA256SUMS", w->sums.data, w->sums.length));
    e->result->bytes = w->bytes;
    return SL_OK;
}

static sl_status write_folder(exporter *e) {
    sl_export_writer *w = &e->writer;
    SL_TRY(sl_folder_make(w->root));
    SL_TRY(sl_store_reviewers(w->workspace->store, w->arena, &w->reviewers, &w->reviewer_count));
    sl_export_decisions_heading(&e->decisions);
    sl_status status = export_all(e);
    if (!status) status = finish(e);
    if (!status && rename(w->root, e->settings->out) != 0)
        status = sl_fail(SL_IO, "cannot rename '%s' to '%s': %s", w->root, e->settings->out, strerror(errno));
    if (status) sl_export_discard(w);
    return status;
}

static sl_status run_as_job(exporter *e, const sl_progress *progress) {
    sl_job job;
    json_t *config = sl_options_to_json(sl_export_options, e->settings);
    json_object_set_new(config, "out", json_string(e->settings->out));
    sl_status status =
        sl_job_begin(e->workspace, "export", config, 0, e->settings->images.round, progress, &job);
    json_decref(config);
    SL_TRY(status);
    e->result->run = job.run;
    e->progress = &job.progress;
    status = write_folder(e);
    json_t *result = json_pack("{s:I, s:I, s:s}", "images", (json_int_t)e->result->images, "decisions",
                               (json_int_t)e->result->decisions, "set_sha256", e->result->hash);
    return sl_job_end(&job, status, result);
}

static sl_status check_folder(const char *out, const char *partial) {
    if (!out[0]) return sl_fail(SL_INVALID, "no folder named to export to");
    if (sl_file_exists(out) || sl_path_is_folder(out))
        return sl_fail(SL_EXISTS, "'%s' is there already; name a new folder", out);
    if (sl_path_is_folder(partial))
        return sl_fail(SL_EXISTS, "'%s' is left of an export that was interrupted; remove it and run again",
                       partial);
    return SL_OK;
}

/* The folder, and where it is written first: beside it, whatever slashes end its name. */
static sl_status name_folders(const char *given, char out[SL_LIMIT_PATH_BYTES],
                              char partial[SL_LIMIT_PATH_BYTES]) {
    size_t length = given ? strlen(given) : 0;
    while (length > 1 && given[length - 1] == '/') length--;
    snprintf(out, SL_LIMIT_PATH_BYTES, "%.*s", (int)length, given ? given : "");
    if (snprintf(partial, SL_LIMIT_PATH_BYTES, "%s.partial", out) >= SL_LIMIT_PATH_BYTES ||
        length >= SL_LIMIT_PATH_BYTES)
        return sl_fail(SL_LIMIT, "path too long: '%s'", given);
    return SL_OK;
}

sl_status sl_export(const sl_workspace *workspace, const sl_export_settings *settings,
                    const sl_progress *progress, sl_export_result *result) {
    char out[SL_LIMIT_PATH_BYTES], partial[SL_LIMIT_PATH_BYTES];
    sl_export_settings named = *settings;
    *result = (sl_export_result){0};
    SL_TRY(name_folders(settings->out, out, partial));
    SL_TRY(check_folder(out, partial));
    named.out = out;
    exporter *e;
    SL_TRY(sl_alloc(&e, 1, sizeof *e));
    e->workspace = workspace;
    e->settings = &named;
    e->result = result;
    e->writer = (sl_export_writer){
        .workspace = workspace, .settings = &named, .layout = layout_of(&named), .root = partial};
    sl_status status = sl_arena_new(&e->writer.arena);
    if (!status) status = run_as_job(e, progress);
    sl_arena_free(e->writer.arena);
    sl_text_free(&e->decisions);
    sl_text_free(&e->writer.sums);
    free(e->keys);
    sl_free(e);
    return status;
}

sl_status sl_export_preview(const sl_workspace *workspace, const sl_export_settings *settings, sl_text *out) {
    sl_image_filter filter = filter_of(settings);
    int64_t total;
    SL_TRY(sl_store_image_count(workspace->store, &filter, &total));
    sl_text_printf(out, "layout %s, up to %lld images%s\n", layout_of(settings)->name, (long long)total,
                   settings->images.label ? ", of which those with the label" : "");
    return sl_text_status(out);
}
