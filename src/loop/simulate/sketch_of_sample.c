#include "loop/simulate/sketch_of_sample.h"

static bool kind_of(sl_feature_kind kind, sl_sketch_kind *out) {
    if (kind == SL_FEATURE_RING)
        *out = SL_SKETCH_RING;
    else if (kind == SL_FEATURE_ARC)
        *out = SL_SKETCH_ARC;
    else if (kind == SL_FEATURE_SPOT)
        *out = SL_SKETCH_SPOT;
    else
        return false;
    return true;
}

_Static_assert((int)SL_SIM_FEATURES_MAX <= (int)SL_SKETCH_MARKS_MAX, "features of an image fit a sketch");

void sl_sketch_of_sample(const sl_sim_sample *sample, sl_sketch *out) {
    *out = (sl_sketch){.known = true};
    for (int i = 0; i < sample->feature_count; i++) {
        const sl_feature *f = &sample->feature[i];
        sl_sketch_mark mark = {.row_px = (float)f->row_px,
                               .column_px = (float)f->column_px,
                               .radius_px = (float)f->radius_px,
                               .width_px = (float)f->width_px,
                               .height = (float)f->contrast};
        if (f->visible && kind_of(f->kind, &mark.kind)) sl_sketch_add(out, &mark);
    }
}
