#include "image/colormap.h"

#include <math.h>

enum { POINT_COUNT = 17 };

const char sl_colormap_choices[] = "gray|viridis|inferno|magma|jet|hot";

/* Colours at equal steps of three perceptually even maps (S. van der Walt, N. Smith, E. Firing, 2015);
 * straight lines between them stay within 7 of 255 of the originals. */
static const uint32_t viridis[POINT_COUNT] = {0x440154, 0x48186a, 0x472d7b, 0x424086, 0x3b528b, 0x33638d,
                                              0x2c728e, 0x26828e, 0x21918c, 0x1fa088, 0x28ae80, 0x3fbc73,
                                              0x5ec962, 0x84d44b, 0xaddc30, 0xd8e219, 0xfde725};
static const uint32_t inferno[POINT_COUNT] = {0x000004, 0x0b0724, 0x210c4a, 0x3d0965, 0x57106e, 0x71196e,
                                              0x8a226a, 0xa32c61, 0xbc3754, 0xd24644, 0xe45a31, 0xf1731d,
                                              0xf98e09, 0xfcac11, 0xf9cb35, 0xf2ea69, 0xfcffa4};
static const uint32_t magma[POINT_COUNT] = {0x000004, 0x0a0822, 0x1d1147, 0x36106b, 0x51127c, 0x6a1c81,
                                            0x832681, 0x9c2e7f, 0xb73779, 0xd0416f, 0xe75263, 0xf56b5c,
                                            0xfc8961, 0xfea772, 0xfec488, 0xfde2a3, 0xfcfdbf};

static void between_points(const uint32_t points[POINT_COUNT], double t, double rgb[3]) {
    double place = t * (POINT_COUNT - 1);
    int i = place >= POINT_COUNT - 1 ? POINT_COUNT - 2 : (int)place;
    for (int c = 0; c < 3; c++) {
        int shift = 16 - 8 * c;
        double from = points[i] >> shift & 255, to = points[i + 1] >> shift & 255;
        rgb[c] = (from + (to - from) * (place - i)) / 255;
    }
}

/* Three trapezes, a quarter of the range apart. */
static void jet(double t, double rgb[3]) {
    for (int c = 0; c < 3; c++) rgb[c] = 1.5 - fabs(4 * t - (3 - c));
}

/* Black over red and yellow to white: red rises over the first 3/8, green over the next, blue over the last
 * quarter. */
static void hot(double t, double rgb[3]) {
    rgb[0] = t / 0.375;
    rgb[1] = (t - 0.375) / 0.375;
    rgb[2] = (t - 0.75) / 0.25;
}

static void colour(sl_colormap map, double t, double rgb[3]) {
    switch (map) {
    case SL_COLORMAP_VIRIDIS:
        between_points(viridis, t, rgb);
        break;
    case SL_COLORMAP_INFERNO:
        between_points(inferno, t, rgb);
        break;
    case SL_COLORMAP_MAGMA:
        between_points(magma, t, rgb);
        break;
    case SL_COLORMAP_JET:
        jet(t, rgb);
        break;
    case SL_COLORMAP_HOT:
        hot(t, rgb);
        break;
    default:
        rgb[0] = rgb[1] = rgb[2] = t;
    }
}

void sl_colormap_table(sl_colormap map, uint8_t out[256][3]) {
    for (int i = 0; i < 256; i++) {
        double rgb[3];
        colour(map, i / 255.0, rgb);
        for (int c = 0; c < 3; c++) out[i][c] = (uint8_t)lrint(fmin(fmax(rgb[c], 0), 1) * 255);
    }
}

const char *sl_colormap_name(sl_colormap map) {
    static const char *const names[SL_COLORMAP_COUNT] = {
#define SL_COLORMAP(name, text) text,
        SL_COLORMAP_TABLE
#undef SL_COLORMAP
    };
    return (unsigned)map < SL_COLORMAP_COUNT ? names[map] : "unknown";
}
