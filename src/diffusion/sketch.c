#include "diffusion/sketch.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

_Static_assert((int)SL_SKETCH_KIND_COUNT == (int)SL_UNET_SKETCH_KINDS, "kinds of marks are those of the map");

static const double width_least_px = 1.5;

/* Profiles about the beam in eighths of a part, as far as radial profiles go. */
enum { FINE = 8, RADII = SL_UNET_PROFILE_BINS * FINE };

static const char *const kinds[SL_SKETCH_KIND_COUNT] = {"ring", "arc", "spot"};

/* Finer than anything is drawn, and told by a few decimals without a rest. */
static float kept(float x) {
    return roundf(x * 1024) / 1024;
}

bool sl_sketch_add(sl_sketch *sketch, const sl_sketch_mark *mark) {
    bool around = mark->kind != SL_SKETCH_SPOT;
    const sl_sketch_mark m = {mark->kind,
                              around ? 0 : kept(mark->row_px),
                              around ? 0 : kept(mark->column_px),
                              around ? kept(mark->radius_px) : 0,
                              kept(mark->width_px),
                              fminf(kept(mark->height), 1)};
    if (sketch->count >= SL_SKETCH_MARKS_MAX ||
        !(fmax(fmax(fabs((double)m.row_px), fabs((double)m.column_px)),
               fmax((double)m.radius_px, (double)m.width_px)) <= SL_SKETCH_FARTHEST_PX) ||
        !isfinite(m.row_px + m.column_px + m.radius_px + m.width_px) || (around && !(m.radius_px > 0)) ||
        m.width_px < 0 || !(kept(mark->height) > 0))
        return false;
    sketch->mark[sketch->count++] = m;
    return true;
}

json_t *sl_sketch_json(const sl_sketch *sketch) {
    json_t *out = json_array();
    for (int i = 0; i < sketch->count; i++) {
        const sl_sketch_mark *m = &sketch->mark[i];
        json_t *mark = json_pack("{s:s, s:f, s:f}", "kind", kinds[m->kind], "width_px", (double)m->width_px,
                                 "height", (double)m->height);
        if (m->kind == SL_SKETCH_SPOT) {
            json_object_set_new(mark, "row_px", json_real((double)m->row_px));
            json_object_set_new(mark, "column_px", json_real((double)m->column_px));
        } else {
            json_object_set_new(mark, "radius_px", json_real((double)m->radius_px));
        }
        json_array_append_new(out, mark);
    }
    return out;
}

static sl_status read_kind(const char *text, sl_sketch_kind *out) {
    for (int i = 0; i < SL_SKETCH_KIND_COUNT; i++)
        if (strcmp(text, kinds[i]) == 0) {
            *out = (sl_sketch_kind)i;
            return SL_OK;
        }
    return sl_fail(SL_FORMAT, "'kind' is '%.40s', expected ring, arc or spot", text);
}

static sl_status read_mark(const json_t *json, sl_sketch *out) {
    sl_sketch_mark mark = {.height = 1};
    double row = 0, column = 0, radius = 0, width, height;
    const char *kind;
    SL_TRY(sl_json_string(json, "kind", &kind));
    SL_TRY(read_kind(kind, &mark.kind));
    if (mark.kind == SL_SKETCH_SPOT) {
        SL_TRY(sl_json_real(json, "row_px", &row));
        SL_TRY(sl_json_real(json, "column_px", &column));
    } else {
        SL_TRY(sl_json_real(json, "radius_px", &radius));
    }
    SL_TRY(sl_json_real_or(json, "width_px", SL_SKETCH_WIDTH_PX, &width));
    SL_TRY(sl_json_real_or(json, "height", SL_SKETCH_HEIGHT, &height));
    mark.row_px = (float)row, mark.column_px = (float)column, mark.radius_px = (float)radius;
    mark.width_px = (float)width, mark.height = (float)height;
    if (sl_sketch_add(out, &mark)) return SL_OK;
    return sl_fail(
        SL_FORMAT,
        "%s at %g, %g px, radius %g px, width %g px, height %g: expected numbers above 0 for radius "
        "and height, and none below 0 for the width",
        kind, row, column, radius, width, height);
}

sl_status sl_sketch_read(const json_t *json, sl_sketch *out) {
    sl_sketch sketch = {.known = true};
    if (!json_is_array(json)) return sl_fail(SL_FORMAT, "no list of marks");
    if (json_array_size(json) > SL_SKETCH_MARKS_MAX)
        return sl_fail(SL_LIMIT, "%zu marks, at most %d can be told", json_array_size(json),
                       SL_SKETCH_MARKS_MAX);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *mark = json_array_get(json, i);
        if (!json_is_object(mark)) return sl_fail(SL_FORMAT, "mark %zu is no object", i);
        SL_TRY(sl_context(read_mark(mark, &sketch), "mark %zu", i));
    }
    *out = sketch;
    return SL_OK;
}

double sl_sketch_reach_px(double place_px) {
    return SL_UNET_PROFILE_BINS * place_px / SL_UNET_SPLIT;
}

int sl_sketch_keep_within(sl_sketch *sketch, double reach_px) {
    int kept_marks = 0, all = sketch->count;
    for (int i = 0; i < all; i++) {
        const sl_sketch_mark mark = sketch->mark[i];
        if (mark.kind == SL_SKETCH_SPOT || (double)mark.radius_px < reach_px)
            sketch->mark[kept_marks++] = mark;
    }
    sketch->count = kept_marks;
    return all - kept_marks;
}

typedef struct bump {
    double peak, sharpness; /* peak * exp(-sharpness * x^2) */
    double reach_px;        /* beyond which nothing is left */
} bump;

static bump bump_of(const sl_sketch_mark *mark) {
    double width = fmax((double)mark->width_px, width_least_px);
    return (bump){sqrt((double)mark->height), 4 * M_LN2 / (width * width), 1.5 * width};
}

static void raise(float *to, double value) {
    if (value > (double)*to) *to = (float)value;
}

static void draw_around(const sl_sketch_mark *mark, double part_px, float profile[RADII]) {
    bump b = bump_of(mark);
    double step_px = part_px / FINE;
    double first = fmax(((double)mark->radius_px - b.reach_px) / step_px, 0);
    for (int i = first < RADII ? (int)first : RADII; i < RADII; i++) {
        double off = (i + 0.5) * step_px - (double)mark->radius_px;
        if (off > b.reach_px) break;
        raise(&profile[i], b.peak * exp(-b.sharpness * off * off));
    }
}

/* What a map is laid out by. */
typedef struct frame {
    int64_t height, width, stride;
    double part_px;
    float *out;
} frame;

/* The number for the part in (row, column) of the frame's parts. */
static float *part_at(const frame *f, sl_sketch_kind kind, int64_t row, int64_t column) {
    int64_t place = row / SL_UNET_SPLIT * f->width + column / SL_UNET_SPLIT;
    return f->out + place * f->stride + 1 + (int64_t)kind * SL_UNET_SPLITS +
           row % SL_UNET_SPLIT * SL_UNET_SPLIT + column % SL_UNET_SPLIT;
}

static void draw_spot(const frame *f, const sl_sketch_mark *mark) {
    bump b = bump_of(mark);
    double at_row = (double)mark->row_px / f->part_px - 0.5,
           at_column = (double)mark->column_px / f->part_px - 0.5, reach = b.reach_px / f->part_px;
    double top = fmax(ceil(at_row - reach), 0), left = fmax(ceil(at_column - reach), 0);
    for (double i = top; i <= at_row + reach && i < (double)(f->height * SL_UNET_SPLIT); i++)
        for (double j = left; j <= at_column + reach && j < (double)(f->width * SL_UNET_SPLIT); j++) {
            double off = hypot(i - at_row, j - at_column) * f->part_px;
            raise(part_at(f, SL_SKETCH_SPOT, (int64_t)i, (int64_t)j), b.peak * exp(-b.sharpness * off * off));
        }
}

static void spread_profiles(const frame *f, double beam_row_px, double beam_column_px,
                            float profile[2][RADII]) {
    for (int64_t i = 0; i < f->height * SL_UNET_SPLIT; i++)
        for (int64_t j = 0; j < f->width * SL_UNET_SPLIT; j++) {
            double distance_px = hypot(((double)i + 0.5) * f->part_px - beam_row_px,
                                       ((double)j + 0.5) * f->part_px - beam_column_px);
            double bin = distance_px / f->part_px * FINE;
            if (!(bin < RADII)) continue;
            *part_at(f, SL_SKETCH_RING, i, j) = profile[SL_SKETCH_RING][(int)bin];
            *part_at(f, SL_SKETCH_ARC, i, j) = profile[SL_SKETCH_ARC][(int)bin];
        }
}

void sl_sketch_map(const sl_sketch *sketch, double beam_row_px, double beam_column_px, int64_t height,
                   int64_t width, double place_px, int64_t stride, float *out) {
    const frame f = {height, width, stride, place_px / SL_UNET_SPLIT, out};
    float profile[2][RADII] = {0};
    bool around = false;
    for (int64_t p = 0; p < height * width; p++) {
        memset(out + p * stride, 0, SL_UNET_SKETCH * sizeof *out);
        out[p * stride] = sketch->known;
    }
    for (int i = 0; sketch->known && i < sketch->count; i++) {
        const sl_sketch_mark *mark = &sketch->mark[i];
        if (mark->kind == SL_SKETCH_SPOT) {
            draw_spot(&f, mark);
        } else {
            draw_around(mark, f.part_px, profile[mark->kind]);
            around = true;
        }
    }
    if (around) spread_profiles(&f, beam_row_px, beam_column_px, profile);
}

bool sl_sketch_marks_place(const float *place) {
    for (int i = 1; i < SL_UNET_SKETCH; i++)
        if (place[i] >= 0.1f) return true;
    return false;
}
