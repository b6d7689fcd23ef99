#include "diffusion/beam_map.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const double unit_px = 128, most = SL_UNET_BEAM_FARTHEST;

static double bounded(double x) {
    return fmin(fmax(x, -most), most);
}

/* Cosine and sine over `x_px` in waves from `longest_px` down, each half as long as the one before. */
static float *waves(double x_px, double longest_px, int count, float *out) {
    for (int k = 0; k < count; k++) {
        double phase = 2 * M_PI * x_px / longest_px * (double)(1 << k);
        *out++ = (float)cos(phase);
        *out++ = (float)sin(phase);
    }
    return out;
}

static void one_place(double across_px, double down_px, double place_px, float out[SL_BEAM_CHANNELS]) {
    double distance = hypot(across_px, down_px);
    /* the azimuth of a place that the beam is in says nothing */
    double c = across_px / (distance + 0.5 * place_px), s = down_px / (distance + 0.5 * place_px);
    float *at = out;
    *at++ = 1;
    *at++ = (float)bounded(across_px / unit_px);
    *at++ = (float)bounded(down_px / unit_px);
    *at++ = (float)bounded(distance / unit_px);
    *at++ = (float)c;
    *at++ = (float)s;
    *at++ = (float)(c * c - s * s);
    *at++ = (float)(2 * c * s);
    at = waves(distance, 128, 4, at);
    at = waves(across_px, 64, 3, at);
    waves(down_px, 64, 3, at);
}

static void parts_of_place(double across_px, double down_px, double place_px, float out[SL_UNET_SPLITS]) {
    for (int i = 0; i < SL_UNET_SPLIT; i++)
        for (int j = 0; j < SL_UNET_SPLIT; j++) {
            double down = down_px + ((i + 0.5) / SL_UNET_SPLIT - 0.5) * place_px,
                   across = across_px + ((j + 0.5) / SL_UNET_SPLIT - 0.5) * place_px;
            *out++ = (float)fmax(most - hypot(across, down) / unit_px, 0);
        }
}

void sl_beam_map(const sl_direct_beam *beam, int64_t height, int64_t width, double place_px, int64_t channels,
                 float *out) {
    assert(channels == SL_BEAM_CHANNELS || channels == SL_BEAM_CHANNELS_SPLIT);
    if (!beam->known) {
        memset(out, 0, (size_t)(height * width * channels) * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++, out += channels) {
            double across_px = ((double)j + 0.5) * place_px - beam->column_px,
                   down_px = ((double)i + 0.5) * place_px - beam->row_px;
            one_place(across_px, down_px, place_px, out);
            if (channels == SL_BEAM_CHANNELS_SPLIT)
                parts_of_place(across_px, down_px, place_px, out + SL_BEAM_CHANNELS);
        }
}
