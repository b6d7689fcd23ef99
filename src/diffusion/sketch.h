/* Where rings, arcs and spots of an image are: what a denoiser can be told beside its caption.
 *
 * A caption says "hexagonal"; which circles that means is a matter of tenths of a per cent, and a small
 * denoiser does not work it out. A sketch says it to a pixel: marks drawn by the laws of the simulator, or by
 * the user. What is not marked (how bright, how wide a halo, where an arc is strongest) is left to the
 * denoiser. Conditioning on drawn structure: Zhang, Rao, Agrawala, arXiv 2302.05543. */
#ifndef SL_DIFFUSION_SKETCH_H
#define SL_DIFFUSION_SKETCH_H

#include "base/status.h"
#include "model/unet.h"

#include <jansson.h>
#include <stdbool.h>

typedef enum sl_sketch_kind {
    SL_SKETCH_RING, /* about the beam */
    SL_SKETCH_ARC,  /* about the beam, not all around */
    SL_SKETCH_SPOT,
    SL_SKETCH_KIND_COUNT
} sl_sketch_kind;

/* Pixels from the outer corner of the image's first one, as the beam's. */
typedef struct sl_sketch_mark {
    sl_sketch_kind kind;
    float row_px, column_px; /* of a spot */
    float radius_px;         /* of a ring or arc */
    float width_px;          /* full width at half maximum */
    float height;            /* rise over its neighbourhood in the log map's units, above 0 and up to 1 */
} sl_sketch_mark;

enum { SL_SKETCH_MARKS_MAX = 96 };

/* No place, radius or width is larger. */
#define SL_SKETCH_FARTHEST_PX 1e5

/* As wide and as high as half the rings of simulated images are. */
#define SL_SKETCH_WIDTH_PX 4
#define SL_SKETCH_HEIGHT   0.1

typedef struct sl_sketch {
    bool known; /* false: nothing is said; true without marks: there are none */
    int count;
    sl_sketch_mark mark[SL_SKETCH_MARKS_MAX];
} sl_sketch;

/* Whether there is room for the mark and its numbers make sense; it is added then, with its numbers to
 * 1/1024. */
bool sl_sketch_add(sl_sketch *sketch, const sl_sketch_mark *mark);

/* As records have it: [{"kind": "ring", "radius_px", "width_px", "height"}, {"kind": "spot", "row_px",
 * "column_px", ...}]. New reference. */
json_t *sl_sketch_json(const sl_sketch *sketch);
/* From such a list, which need not say how wide and high marks are. SL_FORMAT and SL_LIMIT name the mark and
 * what is wrong with it; *out is then as it was. */
sl_status sl_sketch_read(const json_t *json, sl_sketch *out);

/* How far about the beam rings and arcs can be told of, as radial profiles go, where a place is place_px
 * wide; spots anywhere. */
double sl_sketch_reach_px(double place_px);
/* Takes out the rings and arcs beyond; returns how many. */
int sl_sketch_keep_within(sl_sketch *sketch, double reach_px);

/* out[height, width, stride], of which the first SL_UNET_SKETCH of each place are written: 1 where the sketch
 * is known, then for each kind what it shows on the place's parts, row by row: the square root of the height
 * on a mark, falling off as its width says (a Gaussian; under 1.5 px it is drawn as wide as that); 0
 * elsewhere. All 0 where sketch or beam are not known. A place is place_px pixels wide. */
void sl_sketch_map(const sl_sketch *sketch, double beam_row_px, double beam_column_px, int64_t height,
                   int64_t width, double place_px, int64_t stride, float *out);

/* Whether a mark, or its flank down to a tenth of the highest peak there is, comes through a place, whose
 * SL_UNET_SKETCH channels these are. */
bool sl_sketch_marks_place(const float *place);

#endif
