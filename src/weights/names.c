#include "weights/names.h"

#include "base/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { CAPTURES = 9, NAME_LIMIT = 512 };

typedef struct capture {
    const char *text;
    int bytes;
} capture;

static bool match(const char *pattern, const char *name, capture *captures, int used) {
    for (; *pattern != '*' && *pattern != '#'; pattern++, name++) {
        if (*pattern != *name) return false;
        if (!*pattern) return true;
    }
    if (used == CAPTURES) return false;
    bool digits = *pattern == '#';
    for (int length = digits; length <= (int)strlen(name); length++) {
        if (digits && !isdigit((unsigned char)name[length - 1])) return false;
        captures[used] = (capture){name, length};
        if (match(pattern + 1, name + length, captures, used + 1)) return true;
    }
    return false;
}

static char *substitute(const char *name, const capture *captures, sl_arena *arena) {
    char out[2 * NAME_LIMIT];
    size_t at = 0;
    for (const char *c = name; *c && at < sizeof out - NAME_LIMIT - 1; c++) {
        if (*c == '$' && c[1] >= '1' && c[1] <= '9') {
            const capture *piece = &captures[*++c - '1'];
            if (piece->bytes > 0) memcpy(out + at, piece->text, (size_t)piece->bytes);
            at += (size_t)piece->bytes;
        } else {
            out[at++] = *c;
        }
    }
    return sl_arena_strndup(arena, out, at);
}

const sl_name_rule *sl_name_rules_apply(const sl_name_rules *rules, sl_arena *arena, const char *name,
                                        char **out_name) {
    size_t count = strlen(name) < NAME_LIMIT ? rules->count : 0; /* no real name is that long */
    for (size_t i = 0; i < count; i++) {
        const sl_name_rule *rule = &rules->rules[i];
        capture captures[CAPTURES] = {0};
        if (!match(rule->pattern, name, captures, 0)) continue;
        *out_name = rule->name ? substitute(rule->name, captures, arena) : NULL;
        return rule;
    }
    *out_name = sl_arena_strdup(arena, name);
    return NULL;
}

#define RULES(table)                                                                                         \
    { table, sizeof table / sizeof table[0] }
#define LEAVE_OUT(pattern)                                                                                   \
    { pattern, NULL, 0, 0 }
#define RENAME(pattern, name)                                                                                \
    { pattern, name, 0, 0 }
#define STACK(pattern, name, part)                                                                           \
    { pattern, name, part, 3 }

static const sl_name_rule clip_text[] = {
    LEAVE_OUT("*embeddings.position_ids"),
    RENAME("text_model.*", "text_model.$1"),
    RENAME("embeddings.*", "text_model.embeddings.$1"),
    RENAME("encoder.*", "text_model.encoder.$1"),
    RENAME("final_layer_norm.*", "text_model.final_layer_norm.$1"),
};
const sl_name_rules sl_names_clip_text = RULES(clip_text);

const sl_name_rules sl_names_unet = {NULL, 0};

static const sl_name_rule vae[] = {
    RENAME("*.attentions.#.query.*", "$1.attentions.$2.to_q.$3"),
    RENAME("*.attentions.#.key.*", "$1.attentions.$2.to_k.$3"),
    RENAME("*.attentions.#.value.*", "$1.attentions.$2.to_v.$3"),
    RENAME("*.attentions.#.proj_attn.*", "$1.attentions.$2.to_out.0.$3"),
};
const sl_name_rules sl_names_vae = RULES(vae);

static const sl_name_rule resnet[] = {
    LEAVE_OUT("*.num_batches_tracked"),
};
const sl_name_rules sl_names_resnet = RULES(resnet);

#define BLOCK "encoder.layers.encoder_layer_"
static const sl_name_rule vit[] = {
    /* torchvision before 0.13 */
    RENAME(BLOCK "#.mlp.linear_1.*", BLOCK "$1.mlp.0.$2"),
    RENAME(BLOCK "#.mlp.linear_2.*", BLOCK "$1.mlp.3.$2"),
    /* timm */
    RENAME("cls_token", "class_token"),
    RENAME("pos_embed", "encoder.pos_embedding"),
    RENAME("patch_embed.proj.*", "conv_proj.$1"),
    RENAME("blocks.#.norm1.*", BLOCK "$1.ln_1.$2"),
    RENAME("blocks.#.norm2.*", BLOCK "$1.ln_2.$2"),
    RENAME("blocks.#.attn.qkv.*", BLOCK "$1.self_attention.in_proj_$2"),
    RENAME("blocks.#.attn.proj.*", BLOCK "$1.self_attention.out_proj.$2"),
    RENAME("blocks.#.mlp.fc1.*", BLOCK "$1.mlp.0.$2"),
    RENAME("blocks.#.mlp.fc2.*", BLOCK "$1.mlp.3.$2"),
    RENAME("norm.*", "encoder.ln.$1"),
    RENAME("fc_norm.*", "encoder.ln.$1"), /* the same place: after pooling, where tokens are averaged */
    RENAME("head.*", "heads.head.$1"),
    /* transformers, with and without "vit." */
    LEAVE_OUT("*pooler.dense.*"),
    RENAME("*embeddings.cls_token", "class_token"),
    RENAME("*embeddings.position_embeddings", "encoder.pos_embedding"),
    RENAME("*embeddings.patch_embeddings.projection.*", "conv_proj.$2"),
    STACK("*encoder.layer.#.attention.attention.query.*", BLOCK "$2.self_attention.in_proj_$3", 0),
    STACK("*encoder.layer.#.attention.attention.key.*", BLOCK "$2.self_attention.in_proj_$3", 1),
    STACK("*encoder.layer.#.attention.attention.value.*", BLOCK "$2.self_attention.in_proj_$3", 2),
    RENAME("*encoder.layer.#.attention.output.dense.*", BLOCK "$2.self_attention.out_proj.$3"),
    RENAME("*encoder.layer.#.layernorm_before.*", BLOCK "$2.ln_1.$3"),
    RENAME("*encoder.layer.#.layernorm_after.*", BLOCK "$2.ln_2.$3"),
    RENAME("*encoder.layer.#.intermediate.dense.*", BLOCK "$2.mlp.0.$3"),
    RENAME("*encoder.layer.#.output.dense.*", BLOCK "$2.mlp.3.$3"),
    STACK("*layers.#.attention.q_proj.*", BLOCK "$2.self_attention.in_proj_$3", 0),
    STACK("*layers.#.attention.k_proj.*", BLOCK "$2.self_attention.in_proj_$3", 1),
    STACK("*layers.#.attention.v_proj.*", BLOCK "$2.self_attention.in_proj_$3", 2),
    RENAME("*layers.#.attention.o_proj.*", BLOCK "$2.self_attention.out_proj.$3"),
    RENAME("*layers.#.layernorm_before.*", BLOCK "$2.ln_1.$3"),
    RENAME("*layers.#.layernorm_after.*", BLOCK "$2.ln_2.$3"),
    RENAME("*layers.#.mlp.fc1.*", BLOCK "$2.mlp.0.$3"),
    RENAME("*layers.#.mlp.fc2.*", BLOCK "$2.mlp.3.$3"),
    RENAME("vit.layernorm.*", "encoder.ln.$1"),
    RENAME("layernorm.*", "encoder.ln.$1"),
    RENAME("classifier.*", "heads.head.$1"),
};
const sl_name_rules sl_names_vit = RULES(vit);
