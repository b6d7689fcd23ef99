#include "image/colour_line.h"

#include "base/memory.h"
#include "base/numeric/sort.h"

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
    double off;     /* distance from the map */
    int place;      /* nearest one */
    double rest[3]; /* from its colour there */
    double weight;
    bool is_rough;  /* its neighbours differ */
    bool is_unsure; /* mixed beyond what a channel holds, it or one that it shares its colour with */
} sample;

typedef double line[PLACES][3];

static double luminance_of(const double colour[3]) {
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
}

static bool is_smooth(const picture *p, int32_t row, int32_t column) {
    const uint8_t *here = &p->rgb[3 * ((int64_t)row * p->width + column)];
    const int64_t steps[4] = {-3, 3, -3 * (int64_t)p->width, 3 * (int64_t)p->width};
    for (int k = 0; k < 4; k++)
        for (int c = 0; c < 3; c++)
            if (abs(here[c] - here[steps[k] + c]) > SMOOTH_LEVELS) return false;
    return true;
}

/* Evenly taken where there are more than SAMPLES. */
static int take_samples(const picture *p, sample *out, int64_t *step_out) {
    int64_t seen = 0, step = 1;
    int count = 0;
    for (int pass = 0; pass < 2; pass++) {
        step = seen / SAMPLES + 1, seen = 0;
        for (int32_t i = 1; i < p->height - 1; i++)
            for (int32_t j = 1; j < p->width - 1; j++) {
                const uint8_t *at = &p->rgb[3 * ((int64_t)i * p->width + j)];
                if (pass == 1 && seen % step == 0)
                    out[count++] = (sample){.row = i,
                                            .column = j,
                                            .colour = {at[0], at[1], at[2]},
                                            .weight = 1,
                                            .is_rough = !is_smooth(p, i, j)};
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
    for (int c = 0; c < 3; c++) s->rest[c] = s->colour[c] - map[s->place][c];
    s->off = sqrt(least);
}

/* A map's places by luminance, which halved colours keep pixel by pixel. */
typedef struct luminances {
    double of[PLACES];
    int sorted[PLACES],
        first[PLACES + 1]; /* first: place in `sorted` of the first with this luminance and more */
} luminances;

static void sort_luminances(line map, luminances *out) {
    int n = 0;
    for (int p = 0; p < PLACES; p++) {
        int k = p;
        out->of[p] = luminance_of(map[p]);
        for (; k > 0 && out->of[out->sorted[k - 1]] > out->of[p]; k--) out->sorted[k] = out->sorted[k - 1];
        out->sorted[k] = p;
    }
    for (int y = 0; y <= PLACES; y++) {
        while (n < PLACES && out->of[out->sorted[n]] < y) n++;
        out->first[y] = n;
    }
}

/* How pixels share their colours: by 2 x 2 in one of four positions, not at all, by 3 x 3. */
enum { MIX_NONE = 4, MIX_BLUR, MIXES };

/* How colours are held against a map: each by itself, or mixed among neighbours. */
typedef struct way {
    bool mixed;
    int mix;
    line map;
    luminances luminance;
} way;

/* The place of a pixel's luminance; of several, the one with the nearest colour. */
static int place_by_luminance(const way *w, const double colour[3]) {
    enum { WITHIN = 6 };
    const luminances *l = &w->luminance;
    double y = luminance_of(colour), least = INFINITY;
    int from = l->first[(int)fmax(0, y - WITHIN)], to = l->first[(int)fmin(PLACES, y + WITHIN + 1)], best = 0;
    if (from == to) from -= from > 0, to += to < PLACES;
    for (int k = from; k < to; k++) {
        int p = l->sorted[k];
        double square = 16 * (y - l->of[p]) * (y - l->of[p]);
        for (int c = 0; c < 3; c++) square += (colour[c] - w->map[p][c]) * (colour[c] - w->map[p][c]);
        if (square < least) least = square, best = p;
    }
    return best;
}

typedef struct block {
    int32_t top, left, side;
} block;

static block shared_with(const sample *s, int mix) {
    if (mix == MIX_NONE) return (block){s->row, s->column, 1};
    if (mix == MIX_BLUR) return (block){s->row - 1, s->column - 1, 3};
    return (block){s->row - (s->row + mix / 2) % 2, s->column - (s->column + mix % 2) % 2, 2};
}

/* Mean colour on the map of the pixels that share theirs, by each one's luminance; the luminances' range. */
static void mean_colour(const picture *p, const way *w, block q, double mean[3], double range[2]) {
    int n = 0;
    range[0] = INFINITY, range[1] = -INFINITY, mean[0] = mean[1] = mean[2] = 0;
    for (int32_t i = q.top; i < q.top + q.side; i++)
        for (int32_t j = q.left; j < q.left + q.side; j++) {
            if (i < 0 || j < 0 || i >= p->height || j >= p->width) continue;
            const uint8_t *at = &p->rgb[3 * ((int64_t)i * p->width + j)];
            const double colour[3] = {at[0], at[1], at[2]}, y = luminance_of(colour);
            int place = place_by_luminance(w, colour);
            range[0] = fmin(range[0], y), range[1] = fmax(range[1], y), n++;
            for (int c = 0; c < 3; c++) mean[c] += w->map[place][c];
        }
    for (int c = 0; c < 3; c++) mean[c] /= n;
}

/* The sample's distance from the colour that it has where it shares its own with its neighbours but keeps its
 * luminance. */
static void project_mixed(const picture *p, const way *w, sample *s) {
    enum { BEYOND = 6 };
    double mean[3], range[2], square = 0;
    mean_colour(p, w, shared_with(s, w->mix), mean, range);
    double y = luminance_of(mean), lighter = luminance_of(s->colour) - y;
    s->place = place_by_luminance(w, s->colour), s->is_unsure = false;
    for (int c = 0; c < 3; c++) {
        s->is_unsure |= mean[c] + range[0] - y < -BEYOND || mean[c] + range[1] - y > 255 + BEYOND;
        s->rest[c] = s->colour[c] - fmax(0, fmin(255, mean[c] + lighter));
        square += s->rest[c] * s->rest[c];
    }
    s->off = sqrt(square);
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

/* A sample of every colour, with the root of its number as weight: gaps, or a background without counts,
 * would outvote all others, and so would a patch of many colours if each weighed the same. */
static int distinct_of(const sample *s, int count, double *scratch, sample *out) {
    int n = 0;
    for (int k = 0; k < count; k++) scratch[k] = code_of(&s[k]) * SAMPLES + k;
    sl_sort_doubles(scratch, (size_t)count);
    for (int k = 0, run = 1; k < count; k++, run++) {
        if (k + 1 < count && floor(scratch[k] / SAMPLES) == floor(scratch[k + 1] / SAMPLES)) continue;
        out[n] = s[(int)fmod(scratch[k], SAMPLES)];
        out[n++].weight = sqrt(run);
        run = 0;
    }
    return n;
}

/* Whether nothing was mixed: half of the pixels among unlike neighbours lie on the map. */
static bool is_exact(const sample *s, int count, double *scratch) {
    int rough = 0;
    for (int k = 0; k < count; k++)
        if (s[k].is_rough) scratch[rough++] = s[k].off;
    sl_sort_doubles(scratch, (size_t)rough);
    return rough >= SAMPLES_LEAST && scratch[rough / 2] <= 2;
}

static void project_all(const picture *p, way *w, sample *s, int count) {
    for (int k = 0; k < count; k++) {
        if (w->mixed)
            project_mixed(p, w, &s[k]);
        else
            project(w->map, &s[k]);
    }
}

/* The map, and how they are mixed, that the colours lie nearest to, far ones counted as fairly near: they may
 * be of no map at all. */
static sl_colormap choose_map(const picture *p, sample *colours, int count, way *w) {
    int mixes = w->mixed ? MIXES : 1, few = 0, stride = count / (w->mixed ? FEW / 4 : FEW) + 1;
    sl_colormap out = SL_COLORMAP_GRAY;
    way best = *w;
    double least = INFINITY;
    for (int k = 0; k < count; k += stride) colours[few++] = colours[k];
    for (int m = 0; m < SL_COLORMAP_COUNT * mixes; m++) {
        double off = 0;
        w->mix = m % mixes;
        table_of((sl_colormap)(m / mixes), w->map);
        sort_luminances(w->map, &w->luminance);
        project_all(p, w, colours, few);
        for (int k = 0; k < few; k++) off += colours[k].weight * fmin(colours[k].off, 4 * map_tolerance);
        if (off < least) least = off, best = *w, out = (sl_colormap)(m / mixes);
    }
    *w = best;
    return out;
}

/* Moves the map to the mean colours of smooth samples, within the tolerance. */
static void adapt(const sample *s, int count, line map) {
    enum { REACH = 4 };
    double sum[PLACES][3] = {{0}}, pixels[PLACES] = {0};
    for (int k = 0; k < count; k++) {
        if (s[k].is_rough || s[k].off > 2 * map_tolerance) continue;
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

/* Whether the pixel has this colour, or what JPEG makes of it. */
static bool is_like(const picture *p, int32_t row, int32_t column, const int colour[3]) {
    enum { WITHIN = 4 };
    if (row < 0 || column < 0 || row >= p->height || column >= p->width) return false;
    const uint8_t *at = &p->rgb[3 * ((int64_t)row * p->width + column)];
    return abs(at[0] - colour[0]) <= WITHIN && abs(at[1] - colour[1]) <= WITHIN &&
           abs(at[2] - colour[2]) <= WITHIN;
}

/* Whether a pixel within reach has this colour. */
static bool is_beside(const picture *p, const sample *s, const int colour[3]) {
    enum { REACH = 2 };
    for (int i = -REACH; i <= REACH; i++)
        for (int j = -REACH; j <= REACH; j++)
            if (is_like(p, s->row + i, s->column + j, colour)) return true;
    return false;
}

/* Whether this colour is the map's darkest with something added: then what lies beside it is off the map and
 * comes back to it when that is taken off. Beside a gap or a frame lies the map, what is mixed, or letters.
 */
static bool is_tint(const picture *p, const sample *s, int count, line map, const int colour[3]) {
    enum { LEAST = 8 };
    int beside = 0, back = 0;
    for (int k = 0; k < count; k++) {
        if (is_like(p, s[k].row, s[k].column, colour) || !is_beside(p, &s[k], colour)) continue;
        sample moved = s[k];
        for (int c = 0; c < 3; c++) moved.colour[c] += map[0][c] - colour[c];
        project(map, &moved);
        beside++, back += s[k].off > map_tolerance && moved.off <= 3 * map_tolerance;
    }
    return back >= LEAST && 2 * back > beside;
}

/* Sets aside one colour that an eighth and more of the samples off the map have (of smooth ones, where
 * colours are mixed), with what lies beside it, for that is mixed with it; false: there is none. */
static bool set_aside(const picture *p, way *w, sample *s, int *count, double *scratch) {
    int off = 0, most = 0, kept = 0;
    double found = -1;
    for (int k = 0; k < *count; k++)
        if (s[k].off > map_tolerance && !(w->mixed && s[k].is_rough)) scratch[off++] = code_of(&s[k]);
    sl_sort_doubles(scratch, (size_t)off);
    for (int k = 0, run = 0; k < off; k++) {
        run = k > 0 && scratch[k] == scratch[k - 1] ? run + 1 : 1;
        if (run > most) most = run, found = scratch[k];
    }
    if (most == 0 || 8 * most < off) return false;
    const int code = (int)found, colour[3] = {code >> 16, code >> 8 & 255, code & 255};
    if (is_tint(p, s, *count, w->map, colour)) return false;
    for (int k = 0; k < *count; k++)
        if (!is_beside(p, &s[k], colour)) s[kept++] = s[k];
    *count = kept;
    return true;
}

typedef struct cell {
    int count;
    double rest[CELL_SAMPLES][3], off;
} cell;

static cell *cell_of(cell *cells, const picture *p, const sample *s) {
    int i = (int)((int64_t)s->row * CELLS / p->height), j = (int)((int64_t)s->column * CELLS / p->width);
    return &cells[i * CELLS + j];
}

/* How far the cell's mean lies off the map beyond twice its standard error, or its lower quarter of pixels
 * towards where the mean does: a line of odd pixels, or two, leaves the latter alone. */
static double off_of(const cell *c) {
    double mean[3] = {0}, along[CELL_SAMPLES], length = 0, square = 0;
    for (int k = 0; k < c->count; k++)
        for (int q = 0; q < 3; q++)
            mean[q] += c->rest[k][q] / c->count, square += c->rest[k][q] * c->rest[k][q] / c->count;
    for (int q = 0; q < 3; q++) length += mean[q] * mean[q];
    double error = sqrt(fmax(0, square - length) / c->count);
    length = sqrt(length);
    for (int k = 0; k < c->count && length > 0; k++)
        along[k] = (c->rest[k][0] * mean[0] + c->rest[k][1] * mean[1] + c->rest[k][2] * mean[2]) / length;
    if (length == 0) return 0;
    sl_sort_doubles(along, (size_t)c->count);
    return fmax(0, fmin(length - 2 * error, along[c->count / 4]));
}

/* Cells with `least` samples, most of their pixels: `off` of each, else NaN. Returns how many are judged. */
static int fill_cells(const picture *p, const sample *s, int count, int least, cell *cells, double *off) {
    int judged = 0;
    memset(cells, 0, CELLS * CELLS * sizeof *cells);
    for (int k = 0; k < count; k++) {
        cell *c = cell_of(cells, p, &s[k]);
        if (s[k].is_unsure) continue;
        if (c->count < CELL_SAMPLES) memcpy(c->rest[c->count++], s[k].rest, sizeof s[k].rest);
    }
    for (int k = 0; k < CELLS * CELLS; k++) {
        cells[k].off = cells[k].count >= least ? off_of(&cells[k]) : (double)NAN;
        if (cells[k].count >= least) off[judged++] = cells[k].off;
    }
    sl_sort_doubles(off, (size_t)judged);
    return judged;
}

/* The THIRDth largest of the cells, and where those are. */
static void judge_cells(const picture *p, const cell *cells, double off_levels, sl_colour_line *out) {
    out->state = SL_COLOUR_JUDGED;
    out->off_levels = off_levels;
    out->top = out->left = INT32_MAX;
    for (int k = 0; k < CELLS * CELLS; k++) {
        if (!(cells[k].off >= off_levels)) continue;
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

/* Pixels by themselves, which have to lie on the map; or mixed ones. A quarter of the cells has to lie near
 * the map. */
static void judge(const picture *p, bool mixed, room *r, sl_colour_line *out) {
    way w = {.mixed = mixed};
    sample *s = r->samples;
    int64_t step;
    int count = take_samples(p, s, &step);
    *out = (sl_colour_line){.state = SL_COLOUR_ROUGH};
    int distinct = count > 0 ? distinct_of(s, count, r->scratch, r->colours) : 0;
    if (distinct < COLOURS_LEAST) return;
    out->map = choose_map(p, r->colours, distinct, &w);
    project_all(p, &w, s, count);
    for (int n = 0; n < 2 && set_aside(p, &w, s, &count, r->scratch); n++) {
    }
    if (count < SAMPLES_LEAST) return;
    out->state = SL_COLOUR_NO_MAP;
    if (!mixed && !is_exact(s, count, r->scratch)) return;
    out->state = SL_COLOUR_ROUGH;
    adapt(s, count, w.map);
    sort_luminances(w.map, &w.luminance);
    project_all(p, &w, s, count);
    int least = (int)fmax(4, 0.5 * p->height * p->width / (CELLS * CELLS) / (double)step),
        judged = fill_cells(p, s, count, least, r->cells, r->scratch);
    if (judged < CELLS_LEAST) return;
    out->state = SL_COLOUR_NO_MAP;
    if (r->scratch[judged / 4] > map_tolerance) return;
    judge_cells(p, r->cells, r->scratch[judged - THIRD], out);
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
