#include "loop/train/lora_folder.h"

#include "base/file.h"
#include "base/hash.h"
#include "image/captions.h"
#include "image/write/write.h"
#include "loop/origin.h"

#include <string.h>

static sl_status look_at_record(sl_arena *arena, const sl_caption *row, sl_lora_file *out) {
    json_t *provenance = NULL;
    sl_status status = sl_image_provenance_read(row->path, &provenance);
    if (status && status != SL_NOT_FOUND) return status;
    sl_origin origin;
    const json_t *record = sl_origin_record(provenance);
    bool simulated = sl_origin_of_made(record, &origin) && origin == SL_ORIGIN_SIMULATED;
    out->faulty = simulated && json_array_size(json_object_get(record, "artefacts")) > 0;
    json_decref(provenance);
    if (simulated)
        out->group = sl_arena_strdup(arena, row->path);
    else
        out->group = row->group ? sl_arena_strdup(arena, row->group) : sl_group_of_path(arena, row->path);
    return SL_OK;
}

static sl_status read_row(sl_arena *arena, const sl_caption *row, sl_lora_file *out) {
    char hash[SL_SHA256_HEX];
    SL_TRY(sl_sha256_file_hex(row->path, hash));
    SL_TRY(look_at_record(arena, row, out));
    out->path = sl_arena_strdup(arena, row->path);
    out->caption = row->text ? sl_arena_strdup(arena, row->text) : NULL;
    out->hash = sl_arena_strdup(arena, hash);
    return SL_OK;
}

sl_status sl_lora_folder_read(sl_arena *arena, const char *folder, sl_lora_file **out, int64_t *out_count) {
    sl_captions *captions;
    SL_TRY(sl_captions_read(sl_path_join(arena, folder, "metadata.jsonl"), &captions));
    int count = sl_captions_count(captions);
    sl_lora_file *files = SL_NEW(arena, sl_lora_file, count + 1);
    sl_status status = SL_OK;
    for (int i = 0; i < count && !status; i++)
        status = read_row(arena, sl_captions_at(captions, i), &files[i]);
    sl_captions_free(captions);
    SL_TRY(status);
    *out = files;
    *out_count = count;
    return SL_OK;
}
