#include "train/state.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/threads.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "scatterloop-training-state-1";

sl_train_state sl_train_state_begin(void) {
    return (sl_train_state){.best_holdout = HUGE_VAL};
}

/* ---- what is in the file ---- */

typedef struct entry_list {
    sl_arena *arena;
    sl_safetensors_entry *entry;
    size_t count;
} entry_list;

static void list_add(entry_list *list, const char *kind, const sl_slot *slot, const float *data) {
    if (!data) return;
    list->entry[list->count++] =
        (sl_safetensors_entry){.name = sl_arena_printf(list->arena, "%s/%s", kind, slot->name),
                               .dtype = SL_F32,
                               .source = SL_F32,
                               .shape = slot->shape,
                               .data = data};
}

static sl_status list_new(const sl_slot_set *set, entry_list *out) {
    SL_TRY(sl_arena_new(&out->arena));
    out->entry = SL_NEW(out->arena, sl_safetensors_entry, 4 * set->count + 1);
    out->count = 0;
    for (int i = 0; i < set->count; i++) {
        const sl_slot *slot = &set->slot[i];
        list_add(out, "weight", slot, slot->value);
        list_add(out, "moment1", slot, slot->moment1);
        list_add(out, "moment2", slot, slot->moment2);
        list_add(out, "average", slot, slot->average);
    }
    return SL_OK;
}

/* ---- checksum: SHA-256 of the hashes of all arrays, in list order, and of the scalars ---- */

typedef struct hash_work {
    const void *const *data;
    const size_t *bytes;
    uint8_t (*hash)[SL_SHA256_BYTES];
} hash_work;

static void hash_one(void *context, int64_t task, int worker) {
    (void)worker;
    hash_work *work = context;
    sl_sha256(work->data[task], work->bytes[task], work->hash[task]);
}

static void checksum(sl_arena *arena, const void *const *data, const size_t *bytes, size_t count,
                     const char *scalars, const char *settings, char out[SL_SHA256_HEX]) {
    uint8_t(*hash)[SL_SHA256_BYTES] = sl_arena_alloc(arena, count + 2, SL_SHA256_BYTES);
    hash_work work = {data, bytes, hash};
    sl_parallel_for((int64_t)count, hash_one, &work);
    sl_sha256(scalars, strlen(scalars), hash[count]);
    sl_sha256(settings, strlen(settings), hash[count + 1]);
    sl_sha256_hex(hash, (count + 2) * SL_SHA256_BYTES, out);
}

/* ---- scalars ---- */

static sl_status scalars_text(const sl_train_state *state, char **out) {
    json_t *json =
        json_pack("{s:I, s:f, s:f, s:f, s:I, s:I}", "step", (json_int_t)state->step, "elapsed_s",
                  state->elapsed_s, "loss_mean", state->loss_mean, "loss_deviation", state->loss_deviation,
                  "best_step", (json_int_t)state->best_step, "stale", (json_int_t)state->stale);
    if (json && isfinite(state->best_holdout))
        json_object_set_new(json, "best_holdout", json_real(state->best_holdout));
    if (json && state->loss_scale > 0) {
        json_object_set_new(json, "loss_scale", json_real(state->loss_scale));
        json_object_set_new(json, "unchanged", json_integer((json_int_t)state->unchanged));
    }
    *out = json ? sl_json_canonical(json) : NULL;
    json_decref(json);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "no memory for the scalars of a training state");
}

static sl_status scalars_parse(const char *text, const char *path, sl_train_state *out) {
    json_t *json;
    SL_TRY(sl_json_parse(text, strlen(text), path, &json));
    sl_status status;
    SL_GUARD(status, sl_json_int(json, "step", 0, INT64_MAX, &out->step), done);
    SL_GUARD(status, sl_json_real(json, "elapsed_s", &out->elapsed_s), done);
    SL_GUARD(status, sl_json_real(json, "loss_mean", &out->loss_mean), done);
    SL_GUARD(status, sl_json_real(json, "loss_deviation", &out->loss_deviation), done);
    SL_GUARD(status, sl_json_int(json, "best_step", 0, INT64_MAX, &out->best_step), done);
    SL_GUARD(status, sl_json_int(json, "stale", 0, INT64_MAX, &out->stale), done);
    SL_GUARD(status, sl_json_real_or(json, "best_holdout", HUGE_VAL, &out->best_holdout), done);
    SL_GUARD(status, sl_json_real_or(json, "loss_scale", 0, &out->loss_scale), done);
    if (out->loss_scale > 0)
        SL_GUARD(status, sl_json_int(json, "unchanged", 0, INT64_MAX, &out->unchanged), done);
done:
    json_decref(json);
    return status;
}

/* ---- save ---- */

sl_status sl_train_state_save(const char *path, const sl_slot_set *set, const sl_train_state *state,
                              const json_t *settings) {
    entry_list list;
    SL_TRY(list_new(set, &list));
    const void **data = SL_NEW(list.arena, const void *, list.count + 1);
    size_t *bytes = SL_NEW(list.arena, size_t, list.count + 1);
    for (size_t i = 0; i < list.count; i++) {
        data[i] = list.entry[i].data;
        bytes[i] = (size_t)sl_shape_count(&list.entry[i].shape) * sizeof(float);
    }
    char *scalars = NULL, *wanted = sl_json_canonical(settings), sum[SL_SHA256_HEX];
    sl_status status = wanted ? SL_OK : sl_fail(SL_MEMORY, "no memory for the settings of a training state");
    if (status != SL_OK) goto done;
    SL_GUARD(status, scalars_text(state, &scalars), done);
    checksum(list.arena, data, bytes, list.count, scalars, wanted, sum);
    sl_safetensors_note notes[] = {
        {"format", format_name}, {"state", scalars}, {"settings", wanted}, {"checksum", sum}};
    status = sl_safetensors_write(path, list.entry, list.count, notes, 4);
done:
    free(scalars);
    free(wanted);
    sl_arena_free(list.arena);
    return status;
}

/* ---- load ---- */

/* Of a key that only one side has, the other says nothing. */
static sl_status compare_setting(const char *path, const char *key, const json_t *old, const json_t *now) {
    if (old && now && json_equal(old, now)) return SL_OK;
    char *old_text = old ? json_dumps(old, JSON_ENCODE_ANY) : NULL,
         *now_text = now ? json_dumps(now, JSON_ENCODE_ANY) : NULL;
    sl_status status =
        sl_fail(SL_MISMATCH, "the training in '%s' began with %s = %s, and is now asked for %s", path, key,
                old_text ? old_text : "nothing", now_text ? now_text : "nothing");
    free(old_text);
    free(now_text);
    return status;
}

static sl_status compare_settings(const char *path, const char *found_text, const json_t *wanted) {
    json_t *found, *value;
    const char *key;
    SL_TRY(sl_json_parse(found_text, strlen(found_text), path, &found));
    sl_status status = SL_OK;
    json_object_foreach((json_t *)wanted, key, value)
        SL_GUARD(status, compare_setting(path, key, json_object_get(found, key), value), done);
    json_object_foreach(found, key, value)
        SL_GUARD(status, compare_setting(path, key, value, json_object_get(wanted, key)), done);
done:
    json_decref(found);
    return status;
}

static sl_status match_tensors(const sl_safetensors *file, const char *path, const entry_list *list,
                               const sl_stored_tensor **stored) {
    if (sl_safetensors_count(file) != list->count)
        return sl_fail(SL_MISMATCH, "'%s' holds %zu tensors, this training has %zu", path,
                       sl_safetensors_count(file), list->count);
    for (size_t i = 0; i < list->count; i++) {
        const sl_safetensors_entry *entry = &list->entry[i];
        stored[i] = sl_safetensors_find(file, entry->name);
        if (!stored[i]) return sl_fail(SL_MISMATCH, "'%s' has no tensor '%s'", path, entry->name);
        if (stored[i]->dtype == SL_F32 && sl_shape_equal(&stored[i]->shape, &entry->shape)) continue;
        sl_shape_text found, wanted;
        return sl_fail(SL_MISMATCH, "'%s': tensor '%s' is %s %s, expected F32 %s", path, entry->name,
                       sl_dtype_name(stored[i]->dtype), sl_shape_format(&stored[i]->shape, &found),
                       sl_shape_format(&entry->shape, &wanted));
    }
    return SL_OK;
}

static sl_status check_sum(const char *path, const entry_list *list, const sl_stored_tensor *const *stored,
                           const char *scalars, const char *settings, const char *expected) {
    const void **data = SL_NEW(list->arena, const void *, list->count + 1);
    size_t *bytes = SL_NEW(list->arena, size_t, list->count + 1);
    for (size_t i = 0; i < list->count; i++) data[i] = stored[i]->data, bytes[i] = stored[i]->bytes;
    char actual[SL_SHA256_HEX];
    checksum(list->arena, data, bytes, list->count, scalars, settings, actual);
    if (strcmp(actual, expected) == 0) return SL_OK;
    return sl_fail(SL_FORMAT, "'%s' is damaged: its checksum is %.12s, expected %.12s", path, actual,
                   expected);
}

/* The order of the hashes is that of the list, so the sum can be formed where the names match. Where they do
 * not, settings that differ say more than the tensors that follow from them. */
static sl_status read_state(const sl_safetensors *file, const char *path, const entry_list *list,
                            const json_t *settings, sl_train_state *out) {
    const char *format = sl_safetensors_metadata(file, "format"),
               *scalars = sl_safetensors_metadata(file, "state"),
               *found = sl_safetensors_metadata(file, "settings"),
               *sum = sl_safetensors_metadata(file, "checksum");
    if (!format || strcmp(format, format_name) != 0 || !scalars || !found || !sum)
        return sl_fail(SL_FORMAT, "'%s' is no training state of this program", path);
    const sl_stored_tensor **stored = SL_NEW(list->arena, const sl_stored_tensor *, list->count + 1);
    sl_status matched = match_tensors(file, path, list, stored);
    if (matched == SL_OK) SL_TRY(check_sum(path, list, stored, scalars, found, sum));
    SL_TRY(compare_settings(path, found, settings));
    SL_TRY(matched);
    SL_TRY(scalars_parse(scalars, path, out));
    for (size_t i = 0; i < list->count; i++)
        memcpy((void *)list->entry[i].data, stored[i]->data, stored[i]->bytes);
    return SL_OK;
}

sl_status sl_train_state_load(const char *path, sl_slot_set *set, const json_t *settings,
                              sl_train_state *out) {
    sl_safetensors *file;
    SL_TRY(sl_safetensors_open(path, &file));
    entry_list list;
    sl_status status = list_new(set, &list);
    if (status == SL_OK) {
        status = read_state(file, path, &list, settings, out);
        sl_arena_free(list.arena);
    }
    sl_safetensors_close(file);
    return status;
}

/* ---- a folder of states ---- */

typedef struct state_files {
    sl_arena *arena;
    char **path; /* oldest first: the step is zero-padded */
    int count, capacity;
} state_files;

/* The step in a state's file name; -1: it is none. */
static int64_t step_of(const char *path) {
    const char *name = sl_path_base(path);
    long long step;
    int end = 0;
    if (sscanf(name, "state-%lld.safetensors%n", &step, &end) != 1 || end == 0 || name[end]) return -1;
    return step;
}

static sl_status visit_file(void *context, const char *path) {
    state_files *files = context;
    if (step_of(path) < 0) return SL_OK;
    if (files->count == files->capacity) {
        int capacity = files->capacity ? 2 * files->capacity : 16;
        char **grown = SL_NEW(files->arena, char *, capacity);
        if (files->count) memcpy(grown, files->path, (size_t)files->count * sizeof *grown);
        files->path = grown;
        files->capacity = capacity;
    }
    files->path[files->count++] = sl_arena_strdup(files->arena, path);
    return SL_OK;
}

static sl_status list_states(const char *folder, state_files *out) {
    *out = (state_files){0};
    SL_TRY(sl_arena_new(&out->arena));
    if (!sl_path_is_folder(folder)) return SL_OK;
    sl_status status = sl_folder_walk(folder, visit_file, out);
    if (status != SL_OK) sl_arena_free(out->arena);
    return status;
}

sl_status sl_train_state_keep(const char *folder, const sl_slot_set *set, const sl_train_state *state,
                              const json_t *settings, int keep) {
    SL_TRY(sl_folder_make(folder));
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/state-%010lld.safetensors", folder, (long long)state->step);
    SL_TRY(sl_train_state_save(path, set, state, settings));
    state_files files;
    SL_TRY(list_states(folder, &files));
    int count = files.count;
    while (count > 0 && step_of(files.path[count - 1]) > state->step) remove(files.path[--count]);
    for (int i = 0; i < count - (keep > 1 ? keep : 1); i++) remove(files.path[i]);
    sl_arena_free(files.arena);
    return SL_OK;
}

/* A state that does not match where one before it does is damaged in its header: the states of a folder are
 * of one training. Where none does, the newest says what differs. */
sl_status sl_train_state_resume(const char *folder, sl_slot_set *set, const json_t *settings,
                                sl_train_state *out) {
    state_files files;
    SL_TRY(list_states(folder, &files));
    sl_status status = sl_fail(SL_NOT_FOUND, "no training state in '%s'", folder);
    int differs = -1;
    for (int i = files.count - 1; i >= 0; i--) {
        status = sl_train_state_load(files.path[i], set, settings, out);
        if (status == SL_OK) break;
        if (status == SL_MISMATCH && differs < 0) differs = i;
        sl_warn("left out a training state: %s", sl_error_message());
    }
    if (status != SL_OK && differs >= 0)
        status = sl_train_state_load(files.path[differs], set, settings, out);
    sl_arena_free(files.arena);
    return status;
}

/* ---- weights alone ---- */

sl_status sl_slot_set_save(const char *path, const sl_slot_set *set, bool averages) {
    sl_safetensors_entry *entry;
    SL_TRY(sl_alloc(&entry, (size_t)set->count + 1, sizeof *entry));
    for (int i = 0; i < set->count; i++) {
        const sl_slot *slot = &set->slot[i];
        entry[i] = (sl_safetensors_entry){.name = slot->name,
                                          .dtype = SL_F32,
                                          .source = SL_F32,
                                          .shape = slot->shape,
                                          .data = averages && slot->average ? slot->average : slot->value};
    }
    sl_safetensors_note note = {"format", "pt"};
    sl_status status = sl_safetensors_write(path, entry, (size_t)set->count, &note, 1);
    sl_free(entry);
    return status;
}

sl_status sl_slot_set_load(const char *path, sl_slot_set *set) {
    sl_safetensors *file;
    SL_TRY(sl_safetensors_open(path, &file));
    sl_status status = SL_OK;
    for (int i = 0; i < set->count && status == SL_OK; i++) {
        sl_slot *slot = &set->slot[i];
        const sl_stored_tensor *stored = sl_safetensors_find(file, slot->name);
        if (!stored || !sl_shape_equal(&stored->shape, &slot->shape))
            status = sl_fail(SL_MISMATCH, "'%s' has no tensor '%s' of the right shape", path, slot->name);
        else
            sl_stored_tensor_read(stored, 0, (size_t)slot->count, SL_F32, slot->value);
    }
    sl_safetensors_close(file);
    return status;
}
