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

int sl_beam_channels_for(const sl_unet_config *config) {
    if (config->beam_sketch) return SL_BEAM_CHANNELS_SKETCH;
    if (config->beam_rays || config->beam_cuts) return SL_BEAM_CHANNELS_LINES;
    return config->beam_profiles ? SL_BEAM_CHANNELS_SPLIT : SL_BEAM_CHANNELS;
}

/* The middle of part i of a place whose middle is at at_px */
static double part_px(double at_px, int i, double place_px) {
    return at_px + ((i + 0.5) / SL_UNET_SPLIT - 0.5) * place_px;
}

static float nearer(double distance_px) {
    double distance = distance_px / unit_px;
    return distance < 0 ? 0 : (float)fmax(most - distance, 0);
}

static void parts_of_place(double across_px, double down_px, double place_px, float out[SL_UNET_SPLITS]) {
    for (int i = 0; i < SL_UNET_SPLIT; i++)
        for (int j = 0; j < SL_UNET_SPLIT; j++)
            *out++ = nearer(hypot(part_px(across_px, j, place_px), part_px(down_px, i, place_px)));
}

static void lines_of_place(double across_px, double down_px, double place_px, float out[SL_UNET_LINES]) {
    for (int j = 0; j < SL_UNET_SPLIT; j++) *out++ = nearer(fabs(part_px(across_px, j, place_px)));
    for (int i = 0; i < SL_UNET_SPLIT; i++)
        *out++ = nearer(SL_UNET_BEAM_BELOW * unit_px - part_px(down_px, i, place_px));
    double azimuth = atan2(down_px, across_px) / M_PI;
    if (azimuth < 0) azimuth += 1;
    *out = (float)(2 - azimuth);
}

void sl_beam_map(const sl_direct_beam *beam, const sl_sketch *sketch, int64_t height, int64_t width,
                 double place_px, int64_t channels, float *out) {
    static const sl_sketch unknown = {0};
    assert(channels == SL_BEAM_CHANNELS || channels == SL_BEAM_CHANNELS_SPLIT ||
           channels == SL_BEAM_CHANNELS_LINES || channels == SL_BEAM_CHANNELS_SKETCH);
    if (!beam->known) {
        memset(out, 0, (size_t)(height * width * channels) * sizeof *out);
        return;
    }
    if (channels == SL_BEAM_CHANNELS_SKETCH)
        sl_sketch_map(sketch ? sketch : &unknown, beam->row_px, beam->column_px, height, width, place_px,
                      channels, out + SL_BEAM_CHANNELS_LINES);
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++, out += channels) {
            double across_px = ((double)j + 0.5) * place_px - beam->column_px,
                   down_px = ((double)i + 0.5) * place_px - beam->row_px;
            one_place(across_px, down_px, place_px, out);
            if (channels >= SL_BEAM_CHANNELS_SPLIT)
                parts_of_place(across_px, down_px, place_px, out + SL_BEAM_CHANNELS);
            if (channels >= SL_BEAM_CHANNELS_LINES)
                lines_of_place(across_px, down_px, place_px, out + SL_BEAM_CHANNELS_SPLIT);
        }
}
