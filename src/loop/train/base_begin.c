/* A denoiser begins with an earlier one's weights, and may be deeper: blocks that the earlier one lacks begin
 * as the identity (Chen, Goodfellow, Shlens 2016, "Net2Net", arXiv 1511.05641), so that both compute the
 * same.
 *
 * On the way down, blocks follow those that were there: what they pass on sideways is what the last of these
 * does. On the way up the first block takes that, those which take its copies are the new ones, and the rest
 * meets what it met before. */
#include "loop/train/base_internal.h"

#include "model/unet.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 256 };

/* Residual blocks of a level on the way down */
static int layers_of(const sl_params *params) {
    char name[NAME_BYTES];
    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "down_blocks.0.resnets.%d.conv1.weight", i);
        if (!sl_params_find(params, name)) return i;
    }
}

/* A name such as up_blocks.2.attentions.1.proj_out.weight in its parts; what is laid out about the beam
 * follows the residual block of its index */
typedef struct place {
    bool up;
    int level, index;
    char kind[16];
    const char *rest;
} place;

static bool is_in_level(const char *name, place *out) {
    char way[8];
    int read = 0;
    if (sscanf(name, "%4[a-z]_blocks.%d.%15[a-z].%d%n", way, &out->level, out->kind, &out->index, &read) != 4)
        return false;
    out->up = strcmp(way, "up") == 0;
    out->rest = name + read;
    return (out->up || strcmp(way, "down") == 0) &&
           (strcmp(out->kind, "resnets") == 0 || strcmp(out->kind, "attentions") == 0 ||
            sl_unet_is_about_beam(name));
}

/* The block of the earlier denoiser that a block of the new one continues; -1: none. */
static int earlier_index(const place *at, int had, int has) {
    if (!at->up) return at->index < had ? at->index : -1;
    if (at->index == 0) return 0;
    return at->index > has - had ? at->index - (has - had) : -1;
}

/* A new block adds nothing to what passes it; where it takes something from the side, it lets that be. */
static void make_identity(const char *rest, sl_param *param) {
    float *values = param->value.data;
    size_t count = (size_t)sl_shape_count(&param->value.shape);
    bool shortcut = strncmp(rest, ".conv_shortcut.", 15) == 0;
    if (!shortcut && strncmp(rest, ".conv2.", 7) != 0 && strncmp(rest, ".proj_out.", 10) != 0) return;
    memset(values, 0, count * sizeof *values);
    if (!shortcut || param->value.shape.rank < 2) return;
    int64_t in = param->value.shape.dim[1];
    for (int64_t i = 0; i < param->value.shape.dim[0]; i++) values[i * in + i] = 1;
}

static sl_status take(const sl_params *from, const char *name, const char *folder, sl_param *param) {
    const sl_param *had = sl_params_find(from, name);
    sl_shape_text a, b;
    /* what is laid out about the beam begins with zeros at its end and so changes nothing; so must what joins
     * it later */
    if (!had && sl_unet_is_about_beam(name)) {
        if (strstr(name, ".attentions.") && strstr(name, ".proj_out."))
            memset(param->value.data, 0, (size_t)sl_shape_count(&param->value.shape) * sizeof(float));
        return SL_OK;
    }
    if (!had) return sl_fail(SL_MISMATCH, "'%s' has no '%s'", folder, name);
    if (!sl_shape_equal(&had->value.shape, &param->value.shape))
        return sl_fail(SL_MISMATCH, "'%s': '%s' is %s, expected %s", folder, name,
                       sl_shape_format(&had->value.shape, &a), sl_shape_format(&param->value.shape, &b));
    memcpy(param->value.data, had->value.data, (size_t)sl_shape_count(&param->value.shape) * sizeof(float));
    return SL_OK;
}

sl_status sl_base_begin(const sl_params *from, const char *folder, sl_params *to) {
    int had = layers_of(from), has = layers_of(to);
    if (has < had)
        return sl_fail(SL_MISMATCH, "'%s' has %d residual blocks a level, more than the %d wanted", folder,
                       had, has);
    for (int i = 0; i < sl_params_count(to); i++) {
        sl_param *param = sl_params_at(to, i);
        char name[NAME_BYTES];
        place at;
        snprintf(name, sizeof name, "%s", param->name);
        if (is_in_level(param->name, &at)) {
            int index = earlier_index(&at, had, has);
            if (index < 0) {
                make_identity(at.rest, param);
                continue;
            }
            snprintf(name, sizeof name, "%s_blocks.%d.%s.%d%s", at.up ? "up" : "down", at.level, at.kind,
                     index, at.rest);
        }
        SL_TRY(take(from, name, folder, param));
    }
    return SL_OK;
}
