#include "loop/generate/generate.h"
#include "loop/verify/again.h"

#include <stdlib.h>
#include <string.h>

/* A word of the record as a value of the option's choices. */
static sl_status choice(const json_t *p, const char *key, const char *option, int *out) {
    const char *word, *at;
    SL_TRY(sl_json_string(p, key, &word));
    int k = 0;
    for (at = sl_option_find(sl_generate_options, option)->choices; at; k++) {
        size_t length = strcspn(at, "|");
        if (strlen(word) == length && strncmp(word, at, length) == 0) {
            *out = k;
            return SL_OK;
        }
        at = at[length] ? at + length + 1 : NULL;
    }
    return sl_fail(SL_UNSUPPORTED, "its record says %s '%s', which this program does not know", key, word);
}

static sl_status read_measurement(const json_t *p, sl_generate_settings *out) {
    const json_t *asked = json_object_get(p, "asked"), *mask = json_object_get(asked, "mask");
    const char *mask_name;
    SL_TRY(sl_json_string_or(asked, "detector", NULL, &out->detector));
    SL_TRY(sl_json_string_or(asked, "beamstop", NULL, &out->beamstop));
    SL_TRY(sl_json_real_or(asked, "exposure", 1, &out->exposure));
    SL_TRY(sl_json_bool_or(asked, "noise_free", false, &out->noise_free));
    if (!mask) return SL_OK;
    SL_TRY(sl_json_string(mask, "file", &mask_name));
    return sl_fail(SL_UNSUPPORTED, "it was masked by '%s', which its record names and does not hold",
                   mask_name);
}

static sl_status read_settings(const json_t *p, sl_arena *arena, sl_generate_settings *out, int64_t *index) {
    const char *text;
    SL_TRY(sl_options_default(sl_generate_options, arena, out));
    SL_TRY(sl_json_string(p, "seed", &text));
    out->seed = strtoll(text, NULL, 10);
    SL_TRY(sl_json_int(p, "index", 0, UINT32_MAX, index));
    SL_TRY(sl_json_int(p, "steps", 1, 1000, &out->steps));
    SL_TRY(sl_json_real(p, "guidance", &out->guidance));
    SL_TRY(sl_json_real_or(p, "guidance_rescale", 0, &out->guidance_rescale));
    SL_TRY(sl_json_real_or(p, "lora_scale", 1, &out->lora_scale));
    SL_TRY(sl_json_string_or(p, "negative", NULL, &out->negative));
    SL_TRY(sl_json_string(p, "sampler", &out->sampler));
    SL_TRY(choice(p, "rng", "rng", &out->rng));
    SL_TRY(choice(p, "dtype", "dtype", &out->dtype));
    return read_measurement(p, out);
}

/* The weights decide what is made: other ones cannot make it again. */
static sl_status check_weights(const json_t *recorded, const json_t *made) {
    static const char *const keys[] = {"model", "lora"};
    for (int k = 0; k < 2; k++) {
        const json_t *was = json_object_get(recorded, keys[k]), *is = json_object_get(made, keys[k]);
        const char *part;
        json_t *hash;
        if (!was) continue;
        json_object_foreach((json_t *)was, part, hash) {
            if (strcmp(part, "name") == 0 || strcmp(part, "file") == 0) continue;
            const char *found = json_string_value(json_object_get(is, part));
            if (found && json_string_value(hash) && strcmp(found, json_string_value(hash)) == 0) continue;
            return sl_fail(SL_MISMATCH, "made with other weights: %s %s was %.12s, here it is %.12s", keys[k],
                           part, json_string_value(hash) ? json_string_value(hash) : "unknown",
                           found ? found : "unknown");
        }
    }
    return SL_OK;
}

static const char *text_of(const json_t *p, const char *key, sl_arena *arena) {
    const char *text = json_string_value(json_object_get(p, key));
    return text ? sl_arena_strdup(arena, text) : NULL;
}

sl_status sl_generated_again(const json_t *provenance, int32_t size_px, const char *model, const char *lora,
                             const sl_progress *progress, sl_arena *arena, const sl_again_sink *sink,
                             sl_verify_result *out) {
    sl_generate_settings settings;
    sl_image made;
    json_t *record = NULL;
    int64_t index;
    const char *prompt;
    bool same;
    SL_TRY(read_settings(provenance, arena, &settings, &index));
    SL_TRY(sl_json_string(provenance, "prompt", &prompt));
    if (json_object_get(provenance, "lora") && !lora)
        return sl_fail(SL_INVALID, "it was made with an adapter: name the file with --lora");
    settings.model = model;
    settings.lora = json_object_get(provenance, "lora") ? lora : NULL;
    settings.size_px = size_px;
    SL_TRY(sl_generate_one(&settings, prompt, index, progress, &made, &record));
    out->recorded = text_of(provenance, "engine", arena);
    out->engine = text_of(record, "engine", arena);
    sl_status status = check_weights(provenance, record);
    if (!status) status = sink->take(sink->context, &made, &same);
    sl_image_free(&made);
    json_decref(record);
    return status;
}
