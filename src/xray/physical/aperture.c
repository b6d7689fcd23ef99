/* An aperture is seen as a steep fall to a dark border, at places that lie on one circle. */
#include "xray/physical/aperture.h"

#include <math.h>

enum { RAYS = 96, LEAST_RAYS = 12, BAND = 5, REACH = 512, LEAST_COUNTS = 15 };

static const double least_fall = 0.9; /* ln of counts inside over counts outside */

/* Counts and pixels along one ray from the image's middle, by distance in units; a ray is three pixels wide.
 */
typedef struct ray {
    double counts[REACH], pixels[REACH];
    int length;
} ray;

static void fill_ray(const physical_view *view, double angle, ray *out) {
    const sl_image *image = view->image;
    double step = view->unit_px, c = cos(angle), s = sin(angle);
    out->length = 0;
    for (int r = 0; r < REACH; r++) {
        double row = image->height_px * 0.5 + r * step * s, column = image->width_px * 0.5 + r * step * c;
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

/* A place on each ray, in units from the image's middle; 0 where none was found. */
typedef struct falls {
    double radius[RAYS], cosine[RAYS], sine[RAYS];
    int length[RAYS];
} falls;

static void find_falls(const physical_view *view, falls *out) {
    for (int n = 0; n < RAYS; n++) {
        ray r;
        double angle = (n + 0.5) * 2 * M_PI / RAYS;
        fill_ray(view, angle, &r);
        out->cosine[n] = cos(angle), out->sine[n] = sin(angle);
        out->radius[n] = fall_of(&r), out->length[n] = r.length;
    }
}

static bool circle_through(const falls *f, const int on[3], circle *out) {
    double x[3], y[3];
    for (int k = 0; k < 3; k++)
        x[k] = f->radius[on[k]] * f->cosine[on[k]], y[k] = f->radius[on[k]] * f->sine[on[k]];
    double bx = x[1] - x[0], by = y[1] - y[0], cx = x[2] - x[0], cy = y[2] - y[0],
           d = 2 * (bx * cy - by * cx), b = bx * bx + by * by, c = cx * cx + cy * cy;
    if (fabs(d) < 100) return false;
    double column = (cy * b - by * c) / d, row = (bx * c - cx * b) / d;
    *out = (circle){row + y[0], column + x[0], hypot(row, column)};
    return out->radius > 80 && out->radius < 220 && hypot(out->row, out->column) < 40;
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
        on += f->radius[n] > 0 && fabs(f->radius[n] - at) < 1.6;
    }
    return on;
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
    return most >= LEAST_RAYS && 2 * most >= wanted;
}

sl_status physical_aperture_mask(const physical_view *view, sl_image *out, bool *found) {
    const sl_image *image = view->image;
    falls f;
    circle c = {0, 0, 0};
    find_falls(view, &f);
    *found = find_circle(&f, &c);
    if (!*found) return SL_OK;
    c.row = c.row * view->unit_px + image->height_px * 0.5;
    c.column = c.column * view->unit_px + image->width_px * 0.5;
    *found = hypot(c.row - view->row_px, c.column - view->column_px) > 8 * view->unit_px;
    if (!*found) return SL_OK;
    SL_TRY(sl_image_copy(image, out));
    for (int32_t i = 0; i < out->height_px; i++)
        for (int32_t j = 0; j < out->width_px; j++)
            if (hypot(i + 0.5 - c.row, j + 0.5 - c.column) > (c.radius - 3) * view->unit_px)
                out->mask[(int64_t)i * out->width_px + j] |= SL_MASK_INVALID;
    return SL_OK;
}
