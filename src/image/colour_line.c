#include "image/colour_line.h"

#include "base/memory.h"
#include "base/sort.h"

#include <math.h>
#include <string.h>

enum { PLACES = 256, SAMPLES = 16384, FEW = 2048, SMOOTH_LEVELS = 12 };
/* Pixels, and colours, with less of which nothing is said. */
enum { SAMPLES_LEAST = 400, COLOURS_LEAST = 16 };
enum { CELLS = 32, CELL_SAMPLES = 64, CELLS_LEAST = 20, THIRD = 3 };
static const double map_tolerance = 8;

typedef struct picture {
    const uint8_t *rgb;
    int32_t height, width;
} picture;

/* A pixel that is looked at. */
typedef struct sample {
    int32_t row, column;
    double colour[3];
    double off; /* distance from the map */
    int place;  /* nearest one */
    double weight;
    bool is_rough; /* its neighbours differ */
} sample;

typedef double line[PLACES][3];

static bool is_smooth(const picture *p, int32_t row, int32_t column) {
    const uint8_t *here = &p->rgb[3 * ((int64_t)row * p->width + column)];
    const int64_t steps[4] = {-3, 3, -3 * (int64_t)p->width, 3 * (int64_t)p->width};
    for (int k = 0; k < 4; k++)
        for (int c = 0; c < 3; c++)
            if (abs(here[c] - here[steps[k] + c]) > SMOOTH_LEVELS) return false;
    return true;
}

/* Pixels, or smooth ones, evenly taken where there are more than SAMPLES. */
static int take_samples(const picture *p, bool smooth_only, sample *out, int64_t *step_out) {
    int64_t seen = 0, step = 1;
    int count = 0;
    for (int pass = 0; pass < 2; pass++) {
        step = seen / SAMPLES + 1, seen = 0;
        for (int32_t i = 1; i < p->height - 1; i++)
            for (int32_t j = 1; j < p->width - 1; j++) {
                const uint8_t *at = &p->rgb[3 * ((int64_t)i * p->width + j)];
                bool rough = !is_smooth(p, i, j);
                if (smooth_only && rough) continue;
                if (pass == 1 && seen % step == 0)
                    out[count++] = (sample){i, j, {at[0], at[1], at[2]}, 0, 0, 1, rough};
                seen++;
            }
    }
    *step_out = step;
    return count;
}

static void project(line map, sample *s) {
    double least = INFINITY;
    for (int p = 0; p < PLACES; p++) {
        double r = s->colour[0] - map[p][0], g = s->colour[1] - map[p][1], b = s->colour[2] - map[p][2];
        double square = r * r + g * g + b * b;
        if (square < least) least = square, s->place = p;
    }
    s->off = sqrt(least);
}

static void table_of(sl_colormap map, line out) {
    uint8_t table[PLACES][3];
    sl_colormap_table(map, table);
    for (int p = 0; p < PLACES; p++)
        for (int c = 0; c < 3; c++) out[p][c] = table[p][c];
}

static double code_of(const sample *s) {
    return s->colour[0] * 65536 + s->colour[1] * 256 + s->colour[2];
}

/* Every colour once, with the root of its number as weight: gaps, or a background without counts, would
 * outvote all others, and so would a patch of many colours if each weighed the same. */
static int distinct_of(const sample *s, int count, double *scratch, sample *out) {
    int n = 0;
    for (int k = 0; k < count; k++) scratch[k] = code_of(&s[k]);
    sl_sort_doubles(scratch, (size_t)count);
    for (int k = 0, run = 1; k < count; k++, run++) {
        int code = (int)scratch[k];
        if (k + 1 < count && scratch[k] == scratch[k + 1]) continue;
        out[n++] = (sample){.colour = {code >> 16, code >> 8 & 255, code & 255}, .weight = sqrt(run)};
        run = 0;
    }
    return n;
}

/* Distance that this share of the samples exceeds. */
static double exceeded_by(const sample *s, int count, double share, double *scratch) {
    for (int k = 0; k < count; k++) scratch[k] = s[k].off;
    sl_sort_doubles(scratch, (size_t)count);
    return scratch[(int)((1 - share) * (count - 1))];
}

/* Whether nothing was mixed: half of the pixels among unlike neighbours lie on the map. */
static bool is_exact(const sample *s, int count, double *scratch) {
    int rough = 0;
    for (int k = 0; k < count; k++)
        if (s[k].is_rough) scratch[rough++] = s[k].off;
    sl_sort_doubles(scratch, (size_t)rough);
    return rough >= SAMPLES_LEAST && scratch[rough / 2] <= 2;
}

/* The map that the colours lie nearest to, far ones counted as fairly near: they may be of no map at all. */
static sl_colormap choose_map(sample *colours, int count) {
    sl_colormap out = SL_COLORMAP_GRAY;
    int stride = count / FEW + 1;
    double least = INFINITY;
    line map;
    for (int m = 0; m < SL_COLORMAP_COUNT; m++) {
        double off = 0;
        table_of((sl_colormap)m, map);
        for (int k = 0; k < count; k += stride)
            project(map, &colours[k]), off += colours[k].weight * fmin(colours[k].off, 4 * map_tolerance);
        if (off < least) least = off, out = (sl_colormap)m;
    }
    return out;
}

/* Moves the map to the samples' mean colours, within the tolerance. */
static void adapt(const sample *s, int count, line map) {
    enum { REACH = 4 };
    double sum[PLACES][3] = {{0}}, pixels[PLACES] = {0};
    for (int k = 0; k < count; k++) {
        if (s[k].off > 2 * map_tolerance) continue;
        pixels[s[k].place]++;
        for (int c = 0; c < 3; c++) sum[s[k].place][c] += s[k].colour[c] - map[s[k].place][c];
    }
    for (int p = 0; p < PLACES; p++)
        for (int c = 0; c < 3; c++) {
            double shift = 0, n = 0;
            for (int q = p - REACH; q <= p + REACH; q++)
                if (q >= 0 && q < PLACES) shift += sum[q][c], n += pixels[q];
            if (n > 0) map[p][c] += fmax(-map_tolerance, fmin(map_tolerance, shift / n));
        }
}

/* Whether a pixel within reach has this colour, or what JPEG makes of it: what lies beside a gap is mixed
 * with it. */
static bool is_beside(const picture *p, const sample *s, int code) {
    enum { REACH = 2, WITHIN = 4 };
    const int colour[3] = {code >> 16, code >> 8 & 255, code & 255};
    for (int32_t i = s->row - REACH; i <= s->row + REACH; i++)
        for (int32_t j = s->column - REACH; j <= s->column + REACH; j++) {
            if (i < 0 || j < 0 || i >= p->height || j >= p->width) continue;
            const uint8_t *at = &p->rgb[3 * ((int64_t)i * p->width + j)];
            if (abs(at[0] - colour[0]) <= WITHIN && abs(at[1] - colour[1]) <= WITHIN &&
                abs(at[2] - colour[2]) <= WITHIN)
                return true;
        }
    return false;
}

/* Sets aside one colour that an eighth and more of the samples off the map have; false: there is none. */
static bool set_aside(const picture *p, sample *s, int *count, double *scratch) {
    int off = 0, most = 0, kept = 0;
    double found = -1;
    for (int k = 0; k < *count; k++)
        if (s[k].off > map_tolerance) scratch[off++] = code_of(&s[k]);
    sl_sort_doubles(scratch, (size_t)off);
    for (int k = 0, run = 0; k < off; k++) {
        run = k > 0 && scratch[k] == scratch[k - 1] ? run + 1 : 1;
        if (run > most) most = run, found = scratch[k];
    }
    if (most == 0 || 8 * most < off) return false;
    for (int k = 0; k < *count; k++)
        if (!is_beside(p, &s[k], (int)found)) s[kept++] = s[k];
    *count = kept;
    return true;
}

typedef struct cell {
    int count;
    double off[CELL_SAMPLES];
} cell;

static cell *cell_of(cell *cells, const picture *p, const sample *s) {
    int i = (int)((int64_t)s->row * CELLS / p->height), j = (int)((int64_t)s->column * CELLS / p->width);
    return &cells[i * CELLS + j];
}

static double median_of(cell *c) {
    sl_sort_doubles(c->off, (size_t)c->count);
    return c->off[c->count / 2];
}

/* The THIRDth largest median of cells with `least` samples, most of their pixels: a line of odd pixels
 * leaves medians alone, a patch does not. */
static void judge_cells(const picture *p, const sample *s, int count, int least, cell *cells, double *scratch,
                        sl_colour_line *out) {
    int judged = 0;
    memset(cells, 0, CELLS * CELLS * sizeof *cells);
    for (int k = 0; k < count; k++) {
        cell *c = cell_of(cells, p, &s[k]);
        if (c->count < CELL_SAMPLES) c->off[c->count++] = s[k].off;
    }
    for (int k = 0; k < CELLS * CELLS; k++)
        if (cells[k].count >= least) scratch[judged++] = median_of(&cells[k]);
    if (judged < CELLS_LEAST) return;
    sl_sort_doubles(scratch, (size_t)judged);
    out->state = SL_COLOUR_JUDGED;
    out->off_levels = scratch[judged - THIRD];
    out->top = out->left = INT32_MAX;
    for (int k = 0; k < CELLS * CELLS; k++) {
        if (cells[k].count < least || median_of(&cells[k]) < out->off_levels) continue;
        int32_t top = (int32_t)((int64_t)(k / CELLS) * p->height / CELLS),
                left = (int32_t)((int64_t)(k % CELLS) * p->width / CELLS);
        out->top = top < out->top ? top : out->top;
        out->left = left < out->left ? left : out->left;
        out->bottom = (int32_t)fmax(out->bottom, top + (double)p->height / CELLS);
        out->right = (int32_t)fmax(out->right, left + (double)p->width / CELLS);
    }
}

typedef struct room {
    sample samples[SAMPLES], colours[SAMPLES];
    cell cells[CELLS * CELLS];
    double scratch[SAMPLES];
} room;

/* All pixels, where nothing was mixed; or smooth ones, of which a quarter has to lie near the map. */
static void judge(const picture *p, bool smooth_only, room *r, sl_colour_line *out) {
    line map;
    sample *s = r->samples;
    int64_t step;
    int count = take_samples(p, smooth_only, s, &step);
    *out = (sl_colour_line){.state = SL_COLOUR_ROUGH};
    int distinct = count > 0 ? distinct_of(s, count, r->scratch, r->colours) : 0;
    if (distinct < COLOURS_LEAST) return;
    out->map = choose_map(r->colours, distinct);
    table_of(out->map, map);
    for (int k = 0; k < count; k++) project(map, &s[k]);
    for (int n = 0; n < 2 && set_aside(p, s, &count, r->scratch); n++) {
    }
    if (count < SAMPLES_LEAST) return;
    out->state = SL_COLOUR_NO_MAP;
    if (smooth_only ? exceeded_by(s, count, 0.75, r->scratch) > map_tolerance
                    : !is_exact(s, count, r->scratch))
        return;
    out->state = SL_COLOUR_ROUGH;
    adapt(s, count, map);
    for (int k = 0; k < count; k++) project(map, &s[k]);
    judge_cells(p, s, count, (int)fmax(4, 0.7 * p->height * p->width / (CELLS * CELLS) / (double)step),
                r->cells, r->scratch, out);
}

sl_status sl_colour_line_measure(const uint8_t *rgb, int32_t height_px, int32_t width_px,
                                 sl_colour_line *out) {
    const picture p = {rgb, height_px, width_px};
    room *r;
    SL_TRY(sl_alloc(&r, 1, sizeof *r));
    judge(&p, false, r, out);
    if (out->state != SL_COLOUR_JUDGED) judge(&p, true, r, out);
    sl_free(r);
    return SL_OK;
}

json_t *sl_colour_line_to_json(const sl_colour_line *l) {
    return json_pack("{s:i, s:s, s:f, s:[i,i,i,i]}", "state", (int)l->state, "map", sl_colormap_name(l->map),
                     "off_levels", l->off_levels, "box_px", l->top, l->left, l->bottom, l->right);
}

sl_colour_line sl_colour_line_from_json(const json_t *object) {
    sl_colour_line out = {.state = SL_COLOUR_NONE};
    const json_t *box = json_object_get(object, "box_px");
    const char *map = json_string_value(json_object_get(object, "map"));
    json_int_t state = json_integer_value(json_object_get(object, "state"));
    if (state <= SL_COLOUR_NONE || state >= SL_COLOUR_STATE_COUNT) return out;
    out.state = (sl_colour_state)state;
    for (int m = 0; map && m < SL_COLORMAP_COUNT; m++)
        if (strcmp(map, sl_colormap_name((sl_colormap)m)) == 0) out.map = (sl_colormap)m;
    out.off_levels = json_number_value(json_object_get(object, "off_levels"));
    int32_t *const sides[4] = {&out.top, &out.left, &out.bottom, &out.right};
    for (size_t k = 0; k < 4; k++) *sides[k] = (int32_t)json_integer_value(json_array_get(box, k));
    return out;
}
