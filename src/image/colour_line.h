/* Whether the colours of a picture are those of one grey value each: how far they lie off one colour map. */
#ifndef SL_IMAGE_COLOUR_LINE_H
#define SL_IMAGE_COLOUR_LINE_H

#include "base/json.h"
#include "base/status.h"
#include "image/colormap.h"

#include <stdint.h>

typedef enum sl_colour_state {
    SL_COLOUR_NONE, /* no colour picture */
    SL_COLOUR_JUDGED,
    SL_COLOUR_ROUGH,  /* too few colours, or places where it is known what they should be */
    SL_COLOUR_NO_MAP, /* colours of no map that is known here */
    SL_COLOUR_STATE_COUNT
} sl_colour_state;

typedef struct sl_colour_line {
    sl_colour_state state;
    sl_colormap map;                  /* the one it follows best; grey among them */
    double off_levels;                /* distance from it, of 255: the third largest of 32 x 32 cells */
    int32_t top, left, bottom, right; /* where those are: rows top..bottom-1, columns left..right-1 */
} sl_colour_line;

/* rgb[height_px, width_px, 3]. Where pixels among unlike neighbours lie on a map, each is held against it.
 * Else against what it has when it shares its colour with its neighbours, by 2 x 2 as JPEG does or by 3 x 3
 * as resampling does, and keeps its luminance, which gives each one's place on the map; not where that leads
 * beyond what a channel holds. A cell counts by its mean beyond twice the standard error, or by its lower
 * quarter where that is less. A map is taken as it is here within 8 levels: publishers differ by as much. Two
 * single colours off it (gaps, frames) are set aside, with what lies beside them. SL_MEMORY. */
sl_status sl_colour_line_measure(const uint8_t *rgb, int32_t height_px, int32_t width_px,
                                 sl_colour_line *out);

/* As the readers of colour files leave it in a frame's metadata, under "colour", and back; anything else
 * reads as no colour picture. */
json_t *sl_colour_line_to_json(const sl_colour_line *line);
sl_colour_line sl_colour_line_from_json(const json_t *object);

#endif
