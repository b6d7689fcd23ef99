/* The clean images of a technique that limits come from. */
#ifndef TOOLS_CLEAN_CLASS_H
#define TOOLS_CLEAN_CLASS_H

#include "xray/simulate.h"

#include <math.h>

/* The default mix: technique and share of each class, in their order. */
static const struct {
    sl_technique technique;
    double share;
} clean_mix[] = {
#define SL_SIM_CLASS(name, id, technique, share) {SL_TECHNIQUE_##technique, share},
#include "xray/sim_class.def"
#undef SL_SIM_CLASS
};
enum { CLEAN_CLASSES = sizeof clean_mix / sizeof clean_mix[0] };

/* Class of the technique's image `index`: they take turns by their shares in the default mix. The UNKNOWN
 * technique's are of any class. */
static inline sl_sim_class clean_class(sl_technique technique, uint32_t index) {
    double total = 0, below = 0, turn = fmod(index * 0.6180339887498949, 1);
    for (int c = 0; c < CLEAN_CLASSES; c++)
        total += clean_mix[c].technique == technique ? clean_mix[c].share : 0;
    for (int c = 0; c < CLEAN_CLASSES; c++) {
        if (clean_mix[c].technique != technique) continue;
        below += clean_mix[c].share / total;
        if (turn < below) return (sl_sim_class)c;
    }
    return SL_SIM_CLASS_ANY;
}

#endif
