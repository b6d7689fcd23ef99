#include "weights/checkpoint.h"

static void rename_all(const sl_name_rules *rules, sl_arena *arena, const char *name) {
    char *out;
    sl_name_rules_apply(rules, arena, name, &out);
}

/* The header, then every tensor's values as floats, and its name through all dialects. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    sl_safetensors *file;
    sl_arena *arena;
    if (sl_safetensors_parse(data, bytes, "fuzz", &file) != SL_OK) return 0;
    if (sl_arena_new(&arena) != SL_OK) return 0;
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const sl_stored_tensor *stored = sl_safetensors_at(file, i);
        sl_tensor tensor;
        if (sl_safetensors_load(file, stored->name, SL_F32, &tensor) == SL_OK) sl_tensor_free(&tensor);
        rename_all(&sl_names_clip_text, arena, stored->name);
        rename_all(&sl_names_vae, arena, stored->name);
        rename_all(&sl_names_vit, arena, stored->name);
    }
    sl_safetensors_metadata(file, "format");
    sl_safetensors_close(file);
    sl_arena_free(arena);
    return 0;
}
