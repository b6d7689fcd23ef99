/* A fault of the words: the caption of another image. */
#include "xray/artefact/internal.h"

#include "xray/caption/words.h"

#include <stdio.h>

static bool is_wide(sl_technique technique) {
    return technique == SL_TECHNIQUE_WAXS || technique == SL_TECHNIQUE_GIWAXS;
}

/* How much two techniques differ: 0 not, 1 in the angle, 2 in grazing incidence or transmission. */
static int difference(sl_technique a, sl_technique b) {
    if (sl_technique_is_grazing(a) != sl_technique_is_grazing(b)) return 2;
    return is_wide(a) != is_wide(b);
}

/* Whether the caption names a thing that is not to be seen, or puts the beam where it is not. */
static bool contradicts(const char *caption, const sl_sim_sample *s) {
    static const sl_sim_attribute seen[SL_CAPTION_WORD_COUNT] = {
#define SL_CAPTION_WORD(name, text, attribute) [SL_CAPTION_##name] = SL_SIM_ATTRIBUTE_##attribute,
#include "xray/caption/word.def"
#undef SL_CAPTION_WORD
    };
    const sl_caption_place place = sl_caption_place_of(caption);
    for (int w = SL_CAPTION_WIDE + 1; w < SL_CAPTION_WORD_COUNT; w++)
        if (sl_caption_says(caption, (sl_caption_word)w) && !(s->attribute[seen[w]] > 0)) return true;
    return sl_caption_place_said(&place) &&
           !sl_caption_place_fits(&place, s->beam_row_px / s->size_px, s->beam_column_px / s->size_px,
                                  SL_CAPTION_PLACE_SLACK);
}

/* Up to severity 0.33 the caption of an image of the same technique, up to 0.67 of one with the other angles,
 * beyond of one measured in another geometry. Within a technique it has to name what is not there: most
 * captions fit most images. */
void fault_swap_caption(fault *f) {
    sl_sim_sample *s = f->sample, other = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    int wanted = f->severity <= 0.33 ? 0 : f->severity <= 0.67 ? 1 : 2;
    options.size_px = 64;
    for (uint32_t k = 1; k < 64; k++) {
        if (sl_sim_sample_make(s->seed ^ UINT64_C(0x5bd1e995), s->index + 977 * k, &options, &other)) break;
        bool empty = s->class_id == SL_SIM_EMPTY || other.class_id == SL_SIM_EMPTY;
        if (difference(s->technique, other.technique) != wanted) continue;
        if (wanted == 0 && (empty || !contradicts(other.caption, s))) continue;
        snprintf(s->caption, sizeof s->caption, "%s", other.caption);
        break;
    }
    sl_sim_sample_free(&other);
}
