/* Sinusoids of a timestep (Vaswani et al. 2017; Ho et al. 2020, arXiv 2006.11239). */
#include "op/rules.h"

#include <math.h>

static sl_status infer(sl_call *call) {
    int32_t width = call->attrs->width;
    SL_TRY(sl_rule_rank(call, 0, 1, 1));
    if (width < 4 || width % 2)
        return sl_fail(SL_INVALID, "timestep_embedding: width %d, expected even", width);
    sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &SL_SHAPE(call->in[0].shape.dim[0], width));
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t width = call->attrs->width, half = width / 2, cosines = call->attrs->flip ? 0 : half;
    for (int64_t n = 0; n < call->in[0].shape.dim[0]; n++) {
        for (int64_t i = 0; i < half; i++) {
            /* Rounded to float where diffusers rounds: at t = 999 an angle in double would differ by 1e-5
             * from what every public checkpoint was trained with. */
            float exponent = (float)-log(10000) * (float)i / (float)((double)half - call->attrs->alpha);
            double angle = (double)((float)in[0][n] * (float)exp((double)exponent));
            out[0][n * width + cosines + i] = cos(angle);
            out[0][n * width + half - cosines + i] = sin(angle);
        }
    }
    return SL_OK;
}

const sl_op_desc sl_op_desc_TIMESTEP_EMBEDDING = {
    .in_min = 1, .in_max = 1, .infer = infer, .reference = reference, .source = "arXiv 2006.11239"};
