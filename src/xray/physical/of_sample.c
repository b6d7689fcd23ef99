/* From a simulated sample, of which all is known, to as much as a stratum knows. */
#include "xray/physical_test.h"
#include "xray/simulate.h"

sl_physical_input sl_physical_input_of(const sl_sim_sample *sample, sl_physical_stratum stratum,
                                       const sl_image *expectation) {
    sl_physical_input input = {
        .image = &sample->measured, .technique = sample->technique, .caption = sample->caption};
    if (stratum == SL_STRATUM_EXPECTATION) {
        input.image = expectation;
        input.is_expectation = true;
        return input;
    }
    if (stratum == SL_STRATUM_BLIND) return input;
    input.beam_known = true;
    input.beam_row_px = sample->beam_row_px;
    input.beam_column_px = sample->beam_column_px;
    if (stratum == SL_STRATUM_BEAM) return input;
    input.measurement = &sample->measurement;
    input.geometry = &sample->geometry;
    if (sample->is_grazing) input.grazing = &sample->grazing;
    return input;
}
