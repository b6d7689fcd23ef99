#include "weights/checkpoint.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct sl_checkpoint {
    sl_arena *arena; /* names */
    const char *path;
    sl_safetensors **files;
    const char **file_paths;
    size_t file_count;
    sl_weight *weights;
    size_t count;
};

static sl_status find_in_folder(sl_arena *arena, const char *folder, const char **out) {
    static const char *const stems[] = {"diffusion_pytorch_model", "model", "diffusion_pytorch_model.fp16",
                                        "model.fp16"};
    static const char *const suffixes[] = {".safetensors", ".safetensors.index.json"};
    for (size_t i = 0; i < sizeof stems / sizeof stems[0]; i++) {
        for (size_t j = 0; j < sizeof suffixes / sizeof suffixes[0]; j++) {
            char *path = sl_path_join(arena, folder, sl_arena_printf(arena, "%s%s", stems[i], suffixes[j]));
            if (!sl_file_exists(path)) continue;
            *out = path;
            return SL_OK;
        }
    }
    return sl_fail(
        SL_NOT_FOUND,
        "'%s' has no diffusion_pytorch_model.safetensors and no model.safetensors (nor .fp16 forms or index)",
        folder);
}

static sl_status open_file(sl_checkpoint *checkpoint, const char *path) {
    SL_TRY(sl_safetensors_open(path, &checkpoint->files[checkpoint->file_count]));
    checkpoint->file_paths[checkpoint->file_count++] = sl_arena_strdup(checkpoint->arena, path);
    return SL_OK;
}

static sl_status reserve_files(sl_checkpoint *checkpoint, size_t count) {
    SL_TRY(sl_alloc(&checkpoint->files, count, sizeof *checkpoint->files));
    return sl_alloc(&checkpoint->file_paths, count, sizeof *checkpoint->file_paths);
}

/* The shard that holds `name`, opened on first use; a shard is a plain file name beside the index. */
static sl_status open_shard(sl_checkpoint *checkpoint, const char *folder, const char *shard,
                            const char *name) {
    if (!sl_ends_with(shard, ".safetensors") || strchr(shard, '/'))
        return sl_fail(SL_FORMAT, "shard '%.200s' of '%.200s' is not the plain name of a safetensors file",
                       shard, name);
    size_t i = 0;
    while (i < checkpoint->file_count && strcmp(sl_path_base(checkpoint->file_paths[i]), shard) != 0) i++;
    if (i == checkpoint->file_count)
        SL_TRY(open_file(checkpoint, sl_path_join(checkpoint->arena, folder, shard)));
    if (!sl_safetensors_find(checkpoint->files[i], name))
        return sl_fail(SL_FORMAT, "the index puts '%.200s' into '%.200s', which does not hold it", name,
                       shard);
    return SL_OK;
}

static sl_status open_shards(sl_checkpoint *checkpoint, const char *index_path, const json_t *index) {
    json_t *map, *shard;
    const char *name;
    SL_TRY(sl_json_object(index, "weight_map", &map));
    SL_TRY(reserve_files(checkpoint, json_object_size(map)));
    size_t folder_bytes = (size_t)(sl_path_base(index_path) - index_path);
    const char *folder = folder_bytes ? sl_arena_strndup(checkpoint->arena, index_path, folder_bytes) : ".";
    json_object_foreach(map, name, shard) {
        if (!json_is_string(shard)) return sl_fail(SL_FORMAT, "the shard of '%.200s' is not a string", name);
        SL_TRY(open_shard(checkpoint, folder, json_string_value(shard), name));
    }
    return SL_OK;
}

static sl_status open_files(sl_checkpoint *checkpoint) {
    const char *path = checkpoint->path;
    if (sl_path_is_folder(path)) SL_TRY(find_in_folder(checkpoint->arena, path, &path));
    if (!sl_ends_with(path, ".index.json")) {
        SL_TRY(reserve_files(checkpoint, 1));
        return open_file(checkpoint, path);
    }
    json_t *index;
    SL_TRY(sl_json_read(path, &index));
    sl_status status = open_shards(checkpoint, path, index);
    json_decref(index);
    return sl_context(status, "reading '%s'", path);
}

/* One stored tensor under its new name; parts of one weight are merged later. */
typedef struct piece {
    const char *name;
    int part, parts;
    const sl_stored_tensor *stored;
} piece;

static int by_name_then_part(const void *a, const void *b) {
    const piece *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->part - y->part;
}

static size_t rename_all(sl_checkpoint *checkpoint, const sl_name_rules *rules, piece *pieces) {
    static const sl_name_rules none = {NULL, 0};
    size_t count = 0;
    for (size_t f = 0; f < checkpoint->file_count; f++) {
        for (size_t i = 0; i < sl_safetensors_count(checkpoint->files[f]); i++) {
            const sl_stored_tensor *stored = sl_safetensors_at(checkpoint->files[f], i);
            char *name;
            const sl_name_rule *rule =
                sl_name_rules_apply(rules ? rules : &none, checkpoint->arena, stored->name, &name);
            if (!name) continue;
            bool split = rule && rule->parts > 1;
            pieces[count++] = (piece){name, split ? rule->part : 0, split ? rule->parts : 1, stored};
        }
    }
    qsort(pieces, count, sizeof *pieces, by_name_then_part);
    return count;
}

static sl_status add_part(sl_weight *weight, const sl_stored_tensor *stored) {
    if (weight->part_count == 0) {
        weight->dtype = stored->dtype;
        weight->shape = stored->shape;
    } else {
        sl_shape_text text;
        sl_shape rest = weight->shape;
        if (rest.rank > 0 && stored->shape.rank > 0) rest.dim[0] = stored->shape.dim[0];
        if (rest.rank == 0 || !sl_shape_equal(&rest, &stored->shape))
            return sl_fail(SL_FORMAT, "'%.200s' of shape %s does not stack with the other parts of '%.200s'",
                           stored->name, sl_shape_format(&stored->shape, &text), weight->name);
        weight->shape.dim[0] += stored->shape.dim[0];
    }
    weight->parts[weight->part_count++] = stored;
    return SL_OK;
}

/* pieces[i..] of one name into a weight; returns how many through *used. */
static sl_status merge(const piece *pieces, size_t count, sl_weight *weight, size_t *used) {
    const piece *first = pieces;
    *weight = (sl_weight){.name = first->name};
    size_t i = 0;
    for (; i < count && strcmp(pieces[i].name, first->name) == 0; i++) {
        if (pieces[i].parts != first->parts || pieces[i].part != (int)i)
            return sl_fail(SL_FORMAT,
                           "'%.200s' has no place in '%.200s': another tensor has it, or a part is missing",
                           pieces[i].stored->name, first->name);
        SL_TRY(add_part(weight, pieces[i].stored));
    }
    if (i != (size_t)first->parts)
        return sl_fail(SL_FORMAT, "'%.200s' is made of %d tensors, %zu found", first->name, first->parts, i);
    *used = i;
    return SL_OK;
}

static sl_status name_weights(sl_checkpoint *checkpoint, const sl_name_rules *rules) {
    size_t total = 0;
    for (size_t f = 0; f < checkpoint->file_count; f++) total += sl_safetensors_count(checkpoint->files[f]);
    piece *pieces;
    SL_TRY(sl_alloc(&checkpoint->weights, total, sizeof *checkpoint->weights));
    SL_TRY(sl_alloc(&pieces, total, sizeof *pieces));
    size_t count = rename_all(checkpoint, rules, pieces), used = 0;
    sl_status status = SL_OK;
    for (size_t i = 0; i < count && !status; i += used)
        status = merge(pieces + i, count - i, &checkpoint->weights[checkpoint->count++], &used);
    sl_free(pieces);
    return sl_context(status, "reading '%s'", checkpoint->path);
}

sl_status sl_checkpoint_open(const char *path, const sl_name_rules *rules, sl_checkpoint **out) {
    sl_checkpoint *checkpoint;
    SL_TRY(sl_alloc(&checkpoint, 1, sizeof *checkpoint));
    sl_status status = sl_arena_new(&checkpoint->arena);
    if (!status) {
        checkpoint->path = sl_arena_strdup(checkpoint->arena, path);
        status = open_files(checkpoint);
    }
    if (!status) status = name_weights(checkpoint, rules);
    if (status) {
        sl_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return SL_OK;
}

void sl_checkpoint_close(sl_checkpoint *checkpoint) {
    if (!checkpoint) return;
    for (size_t i = 0; i < checkpoint->file_count; i++) sl_safetensors_close(checkpoint->files[i]);
    sl_free(checkpoint->files);
    sl_free(checkpoint->file_paths);
    sl_free(checkpoint->weights);
    sl_arena_free(checkpoint->arena);
    sl_free(checkpoint);
}

size_t sl_checkpoint_count(const sl_checkpoint *checkpoint) {
    return checkpoint->count;
}

static int by_weight_name(const void *a, const void *b) {
    return strcmp(((const sl_weight *)a)->name, ((const sl_weight *)b)->name);
}

const sl_weight *sl_checkpoint_find(const sl_checkpoint *checkpoint, const char *name) {
    sl_weight key = {.name = name};
    if (checkpoint->count == 0) return NULL;
    return bsearch(&key, checkpoint->weights, checkpoint->count, sizeof key, by_weight_name);
}

size_t sl_checkpoint_file_count(const sl_checkpoint *checkpoint) {
    return checkpoint->file_count;
}

const char *sl_checkpoint_file(const sl_checkpoint *checkpoint, size_t index) {
    return checkpoint->file_paths[index];
}

static bool shapes_fit(const sl_shape *a, const sl_shape *b) {
    int common = a->rank < b->rank ? a->rank : b->rank;
    for (int i = 0; i < common; i++)
        if (a->dim[i] != b->dim[i]) return false;
    for (int i = common; i < a->rank; i++)
        if (a->dim[i] != 1) return false;
    for (int i = common; i < b->rank; i++)
        if (b->dim[i] != 1) return false;
    return true;
}

static int by_wanted_name(const void *a, const void *b) {
    return strcmp((*(const sl_weight_want *const *)a)->name, (*(const sl_weight_want *const *)b)->name);
}

/* Walks both sorted lists at once and writes one line for each difference. Returns their number. */
static size_t list_differences(const sl_checkpoint *checkpoint, const sl_weight_want *const *wanted,
                               size_t count, sl_text *lines) {
    size_t differences = 0;
    for (size_t w = 0, h = 0; w < count || h < checkpoint->count;) {
        const sl_weight *have = h < checkpoint->count ? &checkpoint->weights[h] : NULL;
        int order = w == count ? 1 : !have ? -1 : strcmp(wanted[w]->name, have->name);
        sl_shape_text found, expected;
        if (order < 0) {
            sl_text_printf(lines, "missing: %s %s\n", wanted[w]->name,
                           sl_shape_format(&wanted[w]->shape, &expected));
        } else if (order > 0) {
            sl_text_printf(lines, "extra: %s %s\n", have->name, sl_shape_format(&have->shape, &found));
        } else if (!shapes_fit(&wanted[w]->shape, &have->shape)) {
            sl_text_printf(lines, "wrong shape: %s is %s, expected %s\n", have->name,
                           sl_shape_format(&have->shape, &found),
                           sl_shape_format(&wanted[w]->shape, &expected));
        } else {
            differences--;
        }
        differences++;
        w += order <= 0;
        h += order >= 0;
    }
    return differences;
}

sl_status sl_checkpoint_check(const sl_checkpoint *checkpoint, const char *what, const sl_weight_want *wanted,
                              size_t count, sl_text *report) {
    const sl_weight_want **sorted;
    SL_TRY(sl_alloc(&sorted, count + 1, sizeof *sorted));
    for (size_t i = 0; i < count; i++) sorted[i] = &wanted[i];
    qsort(sorted, count, sizeof *sorted, by_wanted_name);
    sl_text lines = SL_TEXT_INIT;
    size_t differences = list_differences(checkpoint, sorted, count, &lines);
    sl_free(sorted);
    sl_status status = sl_text_status(&lines);
    if (!status && differences > 0) {
        if (report) sl_text_add(report, sl_text_get(&lines));
        status = sl_fail(SL_MISMATCH, "'%s' does not fit %s in %zu of %zu tensors:\n%s", checkpoint->path,
                         what, differences, count, sl_text_get(&lines));
    }
    sl_text_free(&lines);
    return status;
}

sl_status sl_checkpoint_read(const sl_checkpoint *checkpoint, const char *name, const sl_shape *shape,
                             sl_dtype dtype, void *target) {
    const sl_weight *weight = sl_checkpoint_find(checkpoint, name);
    sl_shape_text found, expected;
    if (!weight) return sl_fail(SL_NOT_FOUND, "'%s' has no tensor '%s'", checkpoint->path, name);
    if (!shapes_fit(&weight->shape, shape))
        return sl_fail(SL_MISMATCH, "'%s': tensor '%s' has shape %s, expected %s", checkpoint->path, name,
                       sl_shape_format(&weight->shape, &found), sl_shape_format(shape, &expected));
    char *at = target;
    for (int i = 0; i < weight->part_count; i++) {
        size_t count = (size_t)sl_shape_count(&weight->parts[i]->shape);
        sl_stored_tensor_read(weight->parts[i], 0, count, dtype, at);
        for (size_t f = 0; f < checkpoint->file_count; f++)
            sl_safetensors_forget(checkpoint->files[f], weight->parts[i]);
        at += count * sl_dtype_bytes(dtype);
    }
    return SL_OK;
}
