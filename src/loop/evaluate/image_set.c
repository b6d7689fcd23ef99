#include "loop/evaluate/image_set.h"

#include "base/file.h"
#include "base/random/random.h"
#include "loop/import/companion.h"
#include "loop/recorded.h"
#include "loop/import/import_names.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct lister {
    sl_image_set *set;
    const sl_image_set_settings *settings;
    sl_arena *arena;
    sl_import_names names;
    const char *root;
    bool listed; /* files come from a folder, nobody named them */
    int64_t capacity;
} lister;

static sl_set_image *add_image(lister *in) {
    sl_image_set *set = in->set;
    if (set->count == in->capacity) {
        in->capacity = in->capacity ? 2 * in->capacity : 64;
        sl_set_image *grown = SL_NEW(in->arena, sl_set_image, in->capacity);
        if (set->count) memcpy(grown, set->image, (size_t)set->count * sizeof *grown);
        set->image = grown;
    }
    return &set->image[set->count++];
}

static void add_error(sl_image_set *set, const char *name, const char *message) {
    json_array_append_new(
        set->errors, json_pack("{s:o, s:o}", "file", sl_json_text(name), "message", sl_json_text(message)));
}

static const char *technique_of(const char *caption) {
    static const char *const techniques[] = {"GISAXS", "GIWAXS", "SAXS", "WAXS"};
    for (size_t i = 0; caption && i < sizeof techniques / sizeof *techniques; i++)
        if (strncmp(caption, techniques[i], strlen(techniques[i])) == 0) return techniques[i];
    return NULL;
}

static bool is_too_small(sl_image_set *set, const char *name, int64_t height_px, int64_t width_px) {
    if (height_px >= SL_SET_SIDE_LEAST || width_px >= SL_SET_SIDE_LEAST) return false;
    char message[96];
    snprintf(message, sizeof message, "%lld x %lld pixels, expected a side of at least %d",
             (long long)height_px, (long long)width_px, SL_SET_SIDE_LEAST);
    add_error(set, name, message);
    return true;
}

/* --- files --- */

static sl_status visit(void *context, const char *path) {
    lister *in = context;
    sl_frame frame = {0};
    if (strcmp(sl_path_base(path), "metadata.jsonl") == 0) return SL_OK;
    SL_TRY(sl_import_names_look(&in->names, in->root, path));
    sl_status status = sl_frame_read_header(path, NULL, NULL, &frame);
    if (status == SL_MEMORY || status == SL_CANCELLED) return status;
    if (status == SL_UNSUPPORTED && !frame.format && in->listed) {
        in->set->others++;
        return SL_OK;
    }
    if (status) {
        add_error(in->set, path, sl_error_message());
        return SL_OK;
    }
    const sl_frame_header *h = &frame.header;
    if (in->listed && sl_is_companion(path, json_object_get(h->metadata, "provenance"))) {
        in->set->companions++;
    } else if (!sl_is_utf8(path)) {
        add_error(in->set, path, "the name is not UTF-8: rename it");
    } else if (!is_too_small(in->set, path, h->height_px, h->width_px)) {
        bool known = isfinite(h->geometry.beam_x_px) && isfinite(h->geometry.beam_y_px);
        *add_image(in) = (sl_set_image){
            .name = sl_arena_strdup(in->arena, path),
            .path = sl_arena_strdup(in->arena, path),
            .group = sl_arena_strdup(in->arena, sl_import_names_group(&in->names, path)),
            .technique = technique_of(sl_import_names_caption(&in->names, in->root, path)),
            .side_px = h->height_px > h->width_px ? h->height_px : h->width_px,
            .beam = {known, h->geometry.beam_y_px, h->geometry.beam_x_px, false},
        };
    }
    sl_frame_free(&frame);
    return SL_OK;
}

static sl_status list_files(lister *in, const char *path) {
    char *plain = sl_arena_strdup(in->arena, path);
    for (size_t n = strlen(plain); n > 1 && plain[n - 1] == '/'; n--) plain[n - 1] = '\0';
    const char *slash = strrchr(plain, '/');
    bool folder = sl_path_is_folder(plain);
    in->listed = folder;
    in->root = folder ? plain : slash ? sl_arena_strndup(in->arena, plain, (size_t)(slash - plain)) : ".";
    sl_status status = sl_import_names_open(&in->settings->names, &in->names);
    if (!status) status = folder ? sl_folder_walk(plain, visit, in) : visit(in, plain);
    sl_import_names_close(&in->names);
    return status;
}

/* --- simulated ones --- */

static sl_status list_simulated(lister *in, const char *counts) {
    char *end;
    long long count = strtoll(counts, &end, 10), seed = 0;
    if (*end == ':') seed = strtoll(end + 1, &end, 10);
    if (*end || count < 1 || count > 1000000 || seed < 0)
        return sl_fail(SL_INVALID, "'simulated:%s': expected simulated:N or simulated:N:SEED", counts);
    in->set->simulated = true;
    in->set->simulation_seed = (uint64_t)seed;
    in->set->simulation_px = in->settings->simulation_px;
    for (long long k = 0; k < count; k++) {
        char *name = sl_arena_printf(in->arena, "simulated:%lld:%lld", seed, k);
        *add_image(in) =
            (sl_set_image){.name = name, .group = name, .number = k, .side_px = in->settings->simulation_px};
    }
    return SL_OK;
}

/* --- a workspace --- */

static sl_status parse_id(const char *key, const char *value, sl_id *out) {
    char *end;
    *out = strtoll(value, &end, 10);
    if (*end || *out < 1) return sl_fail(SL_INVALID, "'%s:%s': expected a number from 1", key, value);
    return SL_OK;
}

static sl_status parse_term(const char *key, const char *value, sl_image_filter *filter) {
    sl_origin origin;
    sl_split split;
    sl_label label;
    if (!value) {
        SL_TRY(sl_context(sl_origin_parse(key, &origin), "no folder, file or set of images is called '%s'",
                          key));
        filter->origin = (int)origin;
    } else if (strcmp(key, "origin") == 0) {
        SL_TRY(sl_origin_parse(value, &origin));
        filter->origin = (int)origin;
    } else if (strcmp(key, "split") == 0) {
        SL_TRY(sl_split_parse(value, &split));
        filter->split = (int)split;
    } else if (strcmp(key, "label") == 0) {
        SL_TRY(sl_label_parse(value, &label));
        filter->label = (int)label;
    } else if (strcmp(key, "run") == 0) {
        SL_TRY(parse_id(key, value, &filter->run));
    } else if (strcmp(key, "round") == 0) {
        SL_TRY(parse_id(key, value, &filter->round));
    } else if (strcmp(key, "group") == 0) {
        filter->group_key = value;
    } else {
        return sl_fail(SL_INVALID, "'%s:%s': expected origin, split, label, run, round or group", key, value);
    }
    return SL_OK;
}

static sl_status parse_filter(sl_arena *arena, const char *words, sl_image_filter *out) {
    *out = SL_IMAGE_FILTER_ALL;
    char *rest = sl_arena_strdup(arena, words);
    while (rest) {
        char *term = rest, *comma = strchr(rest, ',');
        rest = comma ? comma + 1 : NULL;
        if (comma) *comma = '\0';
        char *colon = strchr(term, ':');
        if (colon) *colon = '\0';
        SL_TRY(parse_term(term, colon ? colon + 1 : NULL, out));
    }
    return SL_OK;
}

static sl_beam_place recorded_beam(const sl_workspace *workspace, sl_id id) {
    json_t *provenance;
    (void)sl_recorded_provenance(workspace->store, id, &provenance); /* not to be read: not known */
    sl_beam_place place = sl_recorded_beam(provenance);
    json_decref(provenance);
    return place;
}

static void add_record(lister *in, const sl_image_record *record) {
    char *name = sl_arena_printf(in->arena, "image %lld", (long long)record->id);
    if (is_too_small(in->set, name, record->height_px, record->width_px)) return;
    *add_image(in) = (sl_set_image){
        .name = name,
        .group = record->group_key ? sl_arena_strdup(in->arena, record->group_key) : name,
        .technique = technique_of(record->caption),
        .object = sl_arena_strdup(in->arena, record->object_hash),
        .number = record->id,
        .side_px = record->height_px > record->width_px ? record->height_px : record->width_px,
        .beam = recorded_beam(in->set->workspace, record->id),
    };
}

static sl_status add_page(void *context, const sl_image_page *page) {
    for (int i = 0; i < page->count; i++) add_record(context, &page->record[i]);
    return SL_OK;
}

static sl_status list_workspace(lister *in, const char *words) {
    sl_image_filter filter;
    SL_TRY(parse_filter(in->arena, words, &filter));
    if (!in->set->workspace)
        return sl_fail(SL_NOT_FOUND, "'%s' names images of a workspace, and there is none here", words);
    return sl_store_image_pages(in->set->workspace->store, &filter, add_page, in);
}

/* --- all --- */

/* `most` of the images, drawn at random, in their order. */
static sl_status thin_out(sl_image_set *set, int64_t most, uint64_t seed) {
    if (set->count <= most) return SL_OK;
    uint32_t *order;
    unsigned char *chosen = NULL;
    SL_TRY(sl_alloc(&order, (size_t)set->count, sizeof *order));
    sl_status status = sl_alloc(&chosen, (size_t)set->count, 1);
    if (!status) {
        sl_random random = sl_random_stream(seed, SL_STREAM_SHUFFLE, 0);
        int64_t kept = 0;
        sl_random_permutation(&random, order, (uint32_t)set->count);
        for (int64_t i = 0; i < most; i++) chosen[order[i]] = 1;
        for (int64_t i = 0; i < set->count; i++)
            if (chosen[i]) set->image[kept++] = set->image[i];
        set->count = kept;
    }
    sl_free(order);
    sl_free(chosen);
    return status;
}

static sl_status list_any(lister *in, const char *words) {
    static const char made[] = "simulated:";
    if (strncmp(words, made, sizeof made - 1) == 0) return list_simulated(in, words + sizeof made - 1);
    if (sl_path_is_folder(words) || sl_file_exists(words)) return list_files(in, words);
    if (strchr(words, '/')) return sl_fail(SL_NOT_FOUND, "no file or folder '%s'", words);
    return list_workspace(in, words);
}

sl_status sl_image_set_open(const char *words, const sl_workspace *workspace,
                            const sl_image_set_settings *settings, sl_arena *arena, sl_image_set *out) {
    *out = (sl_image_set){.words = words, .workspace = workspace, .errors = json_array()};
    lister in = {.set = out, .settings = settings, .arena = arena};
    sl_status status = list_any(&in, words);
    const char *first = json_string_value(json_object_get(json_array_get(out->errors, 0), "message"));
    if (!status && out->count == 0)
        status = sl_fail(SL_INVALID, "no image in '%s'; %zu that cannot be used%s%s", words,
                         json_array_size(out->errors), first ? ", the first: " : "", first ? first : "");
    out->found = out->count;
    if (!status) status = thin_out(out, settings->most, settings->seed);
    if (status) sl_image_set_close(out);
    return status;
}

void sl_image_set_close(sl_image_set *set) {
    json_decref(set->errors);
    *set = (sl_image_set){0};
}

static sl_status load_file(const sl_set_image *each, sl_image *out) {
    sl_frame frame;
    SL_TRY(sl_frame_read(each->path, NULL, NULL, &frame));
    sl_status status = sl_frame_to_image(&frame, out);
    sl_frame_free(&frame);
    return status;
}

static sl_status load_simulated(const sl_image_set *set, sl_set_image *each, sl_image *out) {
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_sim_sample sample = {0};
    options.size_px = set->simulation_px;
    options.measure = true;
    sl_status status = sl_sim_sample_make(set->simulation_seed, (uint32_t)each->number, &options, &sample);
    if (!status) status = sl_image_copy(&sample.measured, out);
    if (!status) {
        each->technique = technique_of(sample.caption);
        each->beam = (sl_beam_place){true, sample.beam_row_px, sample.beam_column_px, false};
    }
    sl_sim_sample_free(&sample);
    return status;
}

sl_status sl_image_set_load(const sl_image_set *set, int64_t index, sl_image *out) {
    sl_set_image *each = &set->image[index];
    if (each->path) return load_file(each, out);
    if (set->simulated) return load_simulated(set, each, out);
    return sl_workspace_get_image(set->workspace, each->object, out);
}
