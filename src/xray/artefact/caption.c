/* A fault of the words: the caption of another image. */
#include "xray/artefact/internal.h"

#include <stdio.h>

static bool is_wide(sl_technique technique) {
    return technique == SL_TECHNIQUE_WAXS || technique == SL_TECHNIQUE_GIWAXS;
}

/* How much two techniques differ: 0 not, 1 in the angle, 2 in grazing incidence or transmission. */
static int difference(sl_technique a, sl_technique b) {
    if (sl_technique_is_grazing(a) != sl_technique_is_grazing(b)) return 2;
    return is_wide(a) != is_wide(b);
}

/* Up to severity 0.33 the caption of an image of the same technique, up to 0.67 of one with the other angles,
 * beyond of one measured in another geometry. */
void fault_swap_caption(fault *f) {
    sl_sim_sample *s = f->sample, other = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    int wanted = f->severity <= 0.33 ? 0 : f->severity <= 0.67 ? 1 : 2;
    options.size_px = 64;
    for (uint32_t k = 1; k < 64; k++) {
        if (sl_sim_sample_make(s->seed ^ UINT64_C(0x5bd1e995), s->index + 977 * k, &options, &other)) break;
        bool empty = s->class_id == SL_SIM_EMPTY || other.class_id == SL_SIM_EMPTY;
        if (difference(s->technique, other.technique) != wanted || (wanted == 0 && empty)) continue;
        snprintf(s->caption, sizeof s->caption, "%s", other.caption);
        break;
    }
    sl_sim_sample_free(&other);
}
