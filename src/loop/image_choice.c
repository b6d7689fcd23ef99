#include "loop/image_choice.h"

int sl_image_choice_label(const sl_image_choice *choice) {
    static const int labels[] = {SL_ANY, SL_LABEL_REAL, SL_LABEL_UNREAL, SL_LABEL_UNSURE, SL_UNLABELLED};
    return labels[choice->label];
}

sl_image_filter sl_image_choice_filter(const sl_image_choice *choice) {
    return (sl_image_filter){.origin = choice->origin - 1,
                             .split = choice->split - 1,
                             .label = sl_image_choice_label(choice),
                             .round = choice->round,
                             .group_key = choice->group};
}
