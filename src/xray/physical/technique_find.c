/* The technique where nobody says it. */
#include "xray/blind.h"
#include "xray/physical_test.h"

double sl_physical_technique_find(sl_physical_input *input) {
    sl_blind_look look;
    if (input->technique != SL_TECHNIQUE_UNKNOWN || input->is_display || input->is_expectation) return 0;
    if (sl_blind_look_at(input->image, &look) || look.technique == SL_TECHNIQUE_UNKNOWN) return 0;
    input->technique = look.technique;
    return look.probability[look.technique];
}
