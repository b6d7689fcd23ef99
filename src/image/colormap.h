/* Colour maps for looking at intensities. */
#ifndef SL_IMAGE_COLORMAP_H
#define SL_IMAGE_COLORMAP_H

#include <stdint.h>

/* SL_COLORMAP(NAME, "name") */
#define SL_COLORMAP_TABLE                                                                                    \
    SL_COLORMAP(GRAY, "gray")                                                                                \
    SL_COLORMAP(VIRIDIS, "viridis")                                                                          \
    SL_COLORMAP(INFERNO, "inferno")                                                                          \
    SL_COLORMAP(MAGMA, "magma")                                                                              \
    SL_COLORMAP(JET, "jet")                                                                                  \
    SL_COLORMAP(HOT, "hot")

typedef enum sl_colormap {
#define SL_COLORMAP(name, text) SL_COLORMAP_##name,
    SL_COLORMAP_TABLE
#undef SL_COLORMAP
        SL_COLORMAP_COUNT
} sl_colormap;

extern const char sl_colormap_choices[]; /* "gray|viridis|inferno|magma|jet|hot" */
const char *sl_colormap_name(sl_colormap map);

/* Red, green, blue at 256 places. */
void sl_colormap_table(sl_colormap map, uint8_t out[256][3]);

#endif
