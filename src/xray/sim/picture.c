/* A measured sample as a colour picture. */
#include "xray/simulate.h"

#include "image/colormap.h"
#include "xray/log_map.h"

#include <math.h>

static void paint(const sl_sim_sample *s, sl_colormap map, const uint8_t *masked, uint8_t *rgb) {
    uint8_t table[256][3];
    double top = log1p(s->level_counts / SL_LOG_MAP_COUNTS);
    sl_colormap_table(map, table);
    for (int64_t k = 0; k < (int64_t)s->size_px * s->size_px; k++) {
        double e = log1p((double)s->measured.value[k] / SL_LOG_MAP_COUNTS) / top;
        const uint8_t *colour =
            s->measured.mask[k] & SL_MASK_NO_VALUE ? masked : table[lrint(255 * fmin(e, 1))];
        for (int c = 0; c < 3; c++) rgb[3 * k + c] = colour[c];
    }
}

/* Keeps each pixel's luminance, and the colour differences of 2 x 2 pixels together (ITU-T T.871). */
static void halve_colours(int32_t size, uint8_t *rgb) {
    for (int32_t i = 0; i + 1 < size; i += 2)
        for (int32_t j = 0; j + 1 < size; j += 2) {
            uint8_t *at[4];
            double y[4], blue = 0, red = 0;
            for (int k = 0; k < 4; k++) {
                at[k] = &rgb[3 * ((int64_t)(i + k / 2) * size + j + k % 2)];
                y[k] = 0.299 * at[k][0] + 0.587 * at[k][1] + 0.114 * at[k][2];
                blue += (at[k][2] - y[k]) / 1.772 / 4, red += (at[k][0] - y[k]) / 1.402 / 4;
            }
            blue = rint(blue), red = rint(red);
            for (int k = 0; k < 4; k++) {
                const double colour[3] = {y[k] + 1.402 * red, y[k] - 0.344136 * blue - 0.714136 * red,
                                          y[k] + 1.772 * blue};
                for (int c = 0; c < 3; c++) at[k][c] = (uint8_t)lrint(fmin(fmax(colour[c], 0), 255));
            }
        }
}

void sl_sim_picture(const sl_sim_sample *sample, uint8_t *rgb) {
    static const uint8_t masked[3] = {0, 128, 255};
    sl_random random = sl_random_stream(sample->seed, SL_STREAM_SIMULATE, sample->index);
    /* far beyond the numbers of the image and of its faults */
    random.counter = UINT64_C(3) << 56;
    sl_colormap map = (sl_colormap)sl_random_below(&random, SL_COLORMAP_COUNT);
    uint8_t level = masked[sl_random_below(&random, 3)];
    paint(sample, map, (const uint8_t[3]){level, level, level}, rgb);
    if (sl_random_chance(&random, 0.5)) halve_colours(sample->size_px, rgb);
}
