/* An aperture is seen as a fall that lasts, at places that lie on one circle. At grazing incidence only a
 * steep fall to a dark border counts, for horizons and streaks fall too; in transmission any sharp step from
 * one level to another, however faint: windows let light pass beside them. */
#include "xray/physical/level/aperture.h"
#include "xray/physical/least_squares.h"

#include <math.h>

enum { RAYS = 96, LEAST_RAYS = 12, BAND = 5, REACH = 512, LEAST_COUNTS = 15 };
/* Bins of a level, those between it and its edge, and the fewest. */
enum { BAND_BINS = 12, SPARED = 2, LEAST_BINS = 5 };

static const double least_fall = 0.9;  /* ln of counts inside over counts outside */
static const double least_step = 0.05; /* the same, of a step that lasts */
static const double ring_share =
    0.4; /* of the rays: a step that more of them have at one radius is a ring's */

/* Counts and pixels along one ray, by distance in units; a ray is three pixels wide. */
typedef struct ray {
    double counts[REACH], pixels[REACH];
    double band[REACH], band_counts[REACH]; /* level and counts of the band that begins here */
    int length;
} ray;

static void fill_ray(const physical_view *view, const double from[2], double angle, ray *out) {
    const sl_image *image = view->image;
    double step = view->unit_px, c = cos(angle), s = sin(angle);
    out->length = 0;
    for (int r = 0; r < REACH; r++) {
        double row = from[0] + r * step * s, column = from[1] + r * step * c;
        if (row < 0 || column < 0 || row >= image->height_px || column >= image->width_px) return;
        out->counts[r] = out->pixels[r] = 0;
        out->length = r + 1;
        for (int aside = -1; aside <= 1; aside++) {
            int32_t i = (int32_t)(row + aside * step * c), j = (int32_t)(column - aside * step * s);
            if (i < 0 || j < 0 || i >= image->height_px || j >= image->width_px) continue;
            int64_t k = (int64_t)i * image->width_px + j;
            if (!image->mask[k]) out->counts[r] += (double)image->value[k], out->pixels[r]++;
        }
    }
}

static double mean_of(const ray *r, int first, int end, double *counts) {
    double pixels = 0;
    *counts = 0;
    for (int k = first; k < end; k++) *counts += r->counts[k], pixels += r->pixels[k];
    return pixels >= end - first ? (*counts + 0.5) / pixels : NAN;
}

/* Where the ray falls most steeply to what stays dark; 0 where it does not. */
static double fall_of(const ray *r) {
    double best = least_fall, at = 0;
    for (int k = 40; k + BAND + 1 < r->length; k++) {
        double near, far, all, inside = mean_of(r, k - BAND, k, &near),
                               outside = mean_of(r, k + 1, k + 1 + BAND, &far),
                               beyond = mean_of(r, k + 1, r->length, &all);
        double fall = log(inside / outside);
        if (!(near >= LEAST_COUNTS && fall > best && beyond < 0.5 * inside)) continue;
        if (fall < 4 * sqrt(1 / near + 1 / (far + 0.5))) continue;
        best = fall, at = k + 0.5;
    }
    return at;
}

typedef struct circle {
    double row, column, radius;
} circle;

/* A place on each ray, in units from where the rays begin; 0 where none was found. */
typedef struct falls {
    double from[2];   /* row and column in image pixels */
    double tolerance; /* of a place */
    double radius[RAYS], cosine[RAYS], sine[RAYS];
    int length[RAYS];
} falls;

static void fill_rays(const physical_view *view, falls *out, ray *rays) {
    for (int n = 0; n < RAYS; n++) {
        double angle = (n + 0.5) * 2 * M_PI / RAYS;
        fill_ray(view, out->from, angle, &rays[n]);
        out->cosine[n] = cos(angle), out->sine[n] = sin(angle);
        out->length[n] = rays[n].length;
    }
}

/* ---- steps that last ---- */

/* A band's level is the median of ln counts a pixel, so that a narrow ridge is not taken for a level; NaN
 * with few bins.
 */
static void fill_bands(ray *r) {
    double level[REACH];
    for (int k = 0; k < r->length; k++)
        level[k] = r->pixels[k] > 0 ? log((r->counts[k] + 0.5) / r->pixels[k]) : NAN;
    for (int first = 0; first < REACH; first++) {
        double seen[BAND_BINS];
        int count = 0;
        r->band_counts[first] = 0;
        for (int k = first; k < first + BAND_BINS && k < r->length; k++)
            if (!isnan(level[k])) seen[count++] = level[k], r->band_counts[first] += r->counts[k];
        r->band[first] = count >= LEAST_BINS ? physical_median(seen, count) : NAN;
    }
}

static double band_at(const ray *r, int first, double *counts) {
    bool inside = first >= 0 && first < REACH;
    *counts = inside ? r->band_counts[first] : 0;
    return inside ? r->band[first] : NAN;
}

/* A level at bin k, from one side (-1: before it, 1: beyond it) without the `spared` nearest bins, by the
 * line through the levels of two bands where both are there. */
static double level_at(const ray *r, int k, int side, int spared, double *counts) {
    double further;
    int near = side < 0 ? k - spared - BAND_BINS : k + spared, far = near + side * BAND_BINS;
    double level = band_at(r, near, counts), next = band_at(r, far, &further);
    double reach = (spared + 0.5 * BAND_BINS) / BAND_BINS;
    return isnan(next) ? level : level + reach * (level - next);
}

static double mean_level(const ray *r, int first, int end) {
    double counts = 0, pixels = 0;
    for (int k = first; k < end; k++)
        if (k >= 0 && k < r->length) counts += r->counts[k], pixels += r->pixels[k];
    return pixels > 0 ? log((counts + 0.5) / pixels) : NAN;
}

/* Whether a masked pixel lies on or beside the ray at bin k: what a gap hides is not known to be sharp. */
static bool is_hidden(const ray *r, int k) {
    for (int at = k - 1; at <= k + 1; at++)
        if (r->pixels[at] < 3) return true;
    return false;
}

/* How clear a step down at bin k is, in its error; 0 where it is no sharp fall from one level to another. */
static double step_at(const ray *r, int k) {
    if (is_hidden(r, k)) return 0;
    double near, far, inside = level_at(r, k, -1, SPARED, &near), outside = level_at(r, k, 1, SPARED, &far),
                      step = inside - outside;
    double fall = mean_level(r, k - SPARED - 1, k) - mean_level(r, k + 1, k + SPARED + 2);
    if (!(step > least_step && fall > 0.5 * step) || near < LEAST_COUNTS) return 0;
    double error = 2.5 * sqrt(1 / (near + 1) + 1 / (far + 1)); /* of medians, carried on by lines */
    return step / error;
}

/* The steps of all rays by bin; 0 where there is none. Of neighbours the clearest is kept. */
typedef struct step_map {
    float clear[RAYS][REACH];
} step_map;

static void fill_steps(ray *rays, step_map *out) {
    for (int n = 0; n < RAYS; n++) {
        float *clear = out->clear[n];
        fill_bands(&rays[n]);
        for (int k = 0; k < REACH; k++)
            clear[k] = k >= 30 && k + SPARED + LEAST_BINS < rays[n].length ? (float)step_at(&rays[n], k) : 0;
        for (int k = 30; k + BAND < REACH; k++)
            for (int other = k - BAND; other <= k + BAND; other++)
                if (clear[other] > clear[k]) clear[k] = 0;
    }
}

/* Rays with a step within a bin of k: what many share is a ring about the beam. */
static int rays_sharing(const step_map *map, int k) {
    int count = 0;
    for (int n = 0; n < RAYS; n++) {
        bool any = false;
        for (int at = k - 1; at <= k + 1; at++) any |= at >= 0 && at < REACH && map->clear[n][at] > 0;
        count += any;
    }
    return count;
}

static void choose_steps(const step_map *map, falls *out) {
    bool ring[REACH];
    for (int k = 0; k < REACH; k++) ring[k] = rays_sharing(map, k) > ring_share * RAYS;
    for (int n = 0; n < RAYS; n++) {
        float best = 3;
        out->radius[n] = 0;
        for (int k = 0; k < REACH; k++)
            if (!ring[k] && map->clear[n][k] > best) best = map->clear[n][k], out->radius[n] = k + 0.5;
    }
}

typedef struct work {
    ray rays[RAYS];
    step_map steps;
} work;

static void find_places(const physical_view *view, bool faint, work *w, falls *out) {
    fill_rays(view, out, w->rays);
    if (faint) {
        fill_steps(w->rays, &w->steps);
        choose_steps(&w->steps, out);
    } else {
        for (int n = 0; n < RAYS; n++) out->radius[n] = fall_of(&w->rays[n]);
    }
}

/* ---- the circle ---- */

static bool circle_through(const falls *f, const int on[3], circle *out) {
    double x[3], y[3];
    for (int k = 0; k < 3; k++)
        x[k] = f->radius[on[k]] * f->cosine[on[k]], y[k] = f->radius[on[k]] * f->sine[on[k]];
    double bx = x[1] - x[0], by = y[1] - y[0], cx = x[2] - x[0], cy = y[2] - y[0],
           d = 2 * (bx * cy - by * cx), b = bx * bx + by * by, c = cx * cx + cy * cy;
    if (fabs(d) < 100) return false;
    double column = (cy * b - by * c) / d, row = (bx * c - cx * b) / d;
    *out = (circle){row + y[0], column + x[0], hypot(row, column)};
    return out->radius > 70 && out->radius < 260 && hypot(out->row, out->column) < 0.9 * out->radius;
}

/* Rays whose fall is on the circle; *expected: those on which it is well within the image. */
static int rays_on(const falls *f, const circle *c, int *expected) {
    int on = 0;
    *expected = 0;
    for (int n = 0; n < RAYS; n++) {
        double along = c->column * f->cosine[n] + c->row * f->sine[n],
               across = c->column * f->sine[n] - c->row * f->cosine[n];
        double at = along + sqrt(fmax(0, c->radius * c->radius - across * across));
        *expected += at + 2 * BAND < f->length[n];
        on += f->radius[n] > 0 && fabs(f->radius[n] - at) < f->tolerance;
    }
    return on;
}

static double distance_from(const falls *f, int n, const circle *c) {
    return hypot(f->radius[n] * f->sine[n] - c->row, f->radius[n] * f->cosine[n] - c->column) - c->radius;
}

/* Gauss-Newton steps of the circle through the places near it, by their distances from it. */
static void settle(const falls *f, circle *c) {
    for (int round = 0; round < 5; round++) {
        normal_equations equations = {.n = 3};
        double change[3];
        for (int n = 0; n < RAYS; n++) {
            double off = distance_from(f, n, c), row = f->radius[n] * f->sine[n] - c->row,
                   column = f->radius[n] * f->cosine[n] - c->column, reach = hypot(row, column);
            if (f->radius[n] > 0 && fabs(off) < f->tolerance)
                normal_equations_add(&equations, (double[]){row / reach, column / reach, 1}, off, 1);
        }
        if (!normal_equations_solve(&equations, 0, change, NULL)) return;
        c->row += change[0], c->column += change[1], c->radius += change[2];
    }
}

/* The circle through three falls that most others lie on (Fischler and Bolles, Commun. ACM 24 (1981) 381, but
 * every triple of a third of the rays is tried); false unless LEAST_RAYS and half of those that should. */
static bool find_circle(const falls *f, circle *best) {
    int most = 0, wanted = 0;
    for (int a = 0; a < RAYS; a += 3)
        for (int b = a + 3; b < RAYS && f->radius[a] > 0; b += 3)
            for (int c = b + 3; c < RAYS && f->radius[b] > 0; c += 3) {
                circle tried;
                int expected;
                if (f->radius[c] <= 0 || !circle_through(f, (int[]){a, b, c}, &tried)) continue;
                int on = rays_on(f, &tried, &expected);
                if (on > most) most = on, wanted = expected, *best = tried;
            }
    if (most < LEAST_RAYS || 2 * most < wanted) return false;
    settle(f, best);
    return true;
}

/* How far the level `deep` bands within the edge at bin k stands above what lies beyond the edge, carried on
 * as a power of the radius; NaN where it cannot be told. */
static double height_within(const ray *r, int k, int deep) {
    double ignored;
    int beyond = k + SPARED, further = beyond + BAND_BINS, within = k - SPARED - (deep + 1) * BAND_BINS;
    double level = band_at(r, beyond, &ignored), next = band_at(r, further, &ignored), half = 0.5 * BAND_BINS;
    if (within < BAND_BINS) return NAN;
    double slope = (next - level) / log((further + half) / (beyond + half));
    return band_at(r, within, &ignored) - level - slope * log((within + half) / (beyond + half));
}

/* Whether most rays on the circle rise before they fall: a ring's flank, of a ring out of place or of one on
 * a tilted detector. A window's edge has no crest: light beside it is less than within. */
static bool is_crest(const ray *rays, const falls *f, const circle *c) {
    int crests = 0, count = 0;
    for (int n = 0; n < RAYS; n++) {
        if (f->radius[n] <= 0 || fabs(distance_from(f, n, c)) > f->tolerance) continue;
        int k = (int)f->radius[n];
        double near, far, top = -INFINITY, inside = level_at(&rays[n], k, -1, BAND, &near),
                          outside = level_at(&rays[n], k, 1, SPARED, &far);
        for (int at = k - BAND; at < k; at++) top = fmax(top, mean_level(&rays[n], at, at + 2));
        if (isnan(inside) || isnan(outside)) continue;
        double error = 2.5 * sqrt(1 / (near + 1)), rise = top - inside;
        count++, crests += rise > fmax(0.5 * (inside - outside), 3 * error);
    }
    return 10 * crests > 7 * count;
}

/* A window's edge parts two levels; the flank of a ring that is out of place does not: further in it is as
 * low as beyond. Medians over the rays on the circle. */
static bool parts_levels(const ray *rays, const falls *f, const circle *c) {
    double height[3];
    for (int deep = 0; deep < 3; deep++) {
        double seen[RAYS];
        int count = 0;
        for (int n = 0; n < RAYS; n++) {
            if (f->radius[n] <= 0 || fabs(distance_from(f, n, c)) > f->tolerance) continue;
            double found = height_within(&rays[n], (int)f->radius[n], deep);
            if (!isnan(found)) seen[count++] = found;
        }
        if (count < LEAST_RAYS / 2) return false;
        height[deep] = physical_median(seen, count);
    }
    return height[0] > 0 && height[1] > 0.5 * height[0] && height[2] > 0.5 * height[0];
}

/* Rays begin at the beam, which is within every window, or else at the image's middle. */
static bool begin_at_beam(const physical_view *view, falls *out) {
    double margin = 10 * view->unit_px;
    bool inside = view->row_px > margin && view->column_px > margin &&
                  view->row_px < view->image->height_px - margin &&
                  view->column_px < view->image->width_px - margin;
    bool at_beam = inside && !view->is_grazing;
    out->from[0] = at_beam ? view->row_px : view->image->height_px * 0.5;
    out->from[1] = at_beam ? view->column_px : view->image->width_px * 0.5;
    out->tolerance = at_beam ? 2.5 : 1.6;
    return at_beam;
}

/* The aperture's circle in image pixels; false where there is none, or it is the beam's own. */
static bool find_aperture(const physical_view *view, work *w, circle *c) {
    falls f;
    bool at_beam = begin_at_beam(view, &f);
    find_places(view, at_beam, w, &f);
    if (!find_circle(&f, c) || (at_beam && (!parts_levels(w->rays, &f, c) || is_crest(w->rays, &f, c))))
        return false;
    c->row = c->row * view->unit_px + f.from[0];
    c->column = c->column * view->unit_px + f.from[1];
    c->radius *= view->unit_px;
    return hypot(c->row - view->row_px, c->column - view->column_px) > 1.5 * view->unit_px;
}

sl_status physical_aperture_mask(const physical_view *view, sl_image *out, bool *found) {
    circle c = {0, 0, 0};
    work *w;
    SL_TRY(sl_alloc(&w, 1, sizeof *w));
    *found = find_aperture(view, w, &c);
    sl_free(w);
    if (!*found) return SL_OK;
    SL_TRY(sl_image_copy(view->image, out));
    for (int32_t i = 0; i < out->height_px; i++)
        for (int32_t j = 0; j < out->width_px; j++)
            if (hypot(i + 0.5 - c.row, j + 0.5 - c.column) > c.radius - 3 * view->unit_px)
                out->mask[(int64_t)i * out->width_px + j] |= SL_MASK_INVALID;
    return SL_OK;
}
