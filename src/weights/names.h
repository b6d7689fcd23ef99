/* Name rules: how the tensor names of other programs become ours.
 *
 * Our names are those of the public checkpoints (diffusers for UNet and VAE, transformers 4 for the CLIP text
 * encoder, torchvision for classifiers). A dialect is a table of rules, tried in order; the first whose
 * pattern matches the whole name decides, and a name that none matches stays as it is. */
#ifndef SL_WEIGHTS_NAMES_H
#define SL_WEIGHTS_NAMES_H

#include "base/memory.h"

typedef struct sl_name_rule {
    const char *pattern; /* '*' stands for any text (also none), '#' for a run of digits */
    const char *name; /* $1..$9 stand for what the pattern's '*' and '#' matched; NULL: tensor not wanted */
    int part,
        parts; /* parts > 1: the tensor is part `part` of `parts` of `name`, stacked along dimension 0 */
} sl_name_rule;

typedef struct sl_name_rules {
    const sl_name_rule *rules;
    size_t count;
} sl_name_rules;

/* The rule that decides on `name`, or NULL when the name stays. *out_name (in the arena) is the new name, or
 * NULL where the rule leaves the tensor out. */
const sl_name_rule *sl_name_rules_apply(const sl_name_rules *rules, sl_arena *arena, const char *name,
                                        char **out_name);

extern const sl_name_rules sl_names_clip_text; /* with and without "text_model." */
extern const sl_name_rules sl_names_unet;
extern const sl_name_rules sl_names_vae;    /* query/key/value/proj_attn of diffusers before 0.16 */
extern const sl_name_rules sl_names_resnet; /* torchvision and timm agree; batch counters are left out */
extern const sl_name_rules sl_names_vit;    /* torchvision, old torchvision, timm, transformers 4 and 5 */

#endif
