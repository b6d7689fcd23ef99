/* Where the features of a scene are in its image, and whether they can be seen. */
#include "xray/sim/scene.h"

#include <math.h>
#include <stdlib.h>

#define GREY_STEPS (5.0 / 255)
enum { AROUND = 96 };

typedef struct looker {
    const sl_scene *scene;
    const float *mean_counts, *log_map;
    sl_feature *out;
    int count;
} looker;

/* Value at the pixel that holds (row, column); NaN outside. */
static double at(const looker *l, const float *image, double row, double column) {
    int32_t n = l->scene->size_px;
    if (!(row >= 0 && column >= 0 && row < n && column < n)) return NAN;
    return (double)image[(int64_t)row * n + (int64_t)column];
}

/* One place to look: a point on the feature and two beside it. */
typedef struct triple {
    double row[3], column[3];
    bool known;
} triple;

static int by_rise(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Rise of the middle over its sides in the strongest quarter of the places, and over its noise when `pixels`
 * like them are taken together. Returns the index of the strongest place, or -1 with nothing in the frame. */
static int judge(const looker *l, const triple *places, int count, double pixels, sl_feature *feature) {
    double rise[AROUND], sum_rise = 0, sum_signal = 0, sum_mean = 0, best = -1e9;
    int inside = 0, strongest = -1;
    for (int k = 0; k < count; k++) {
        if (!places[k].known) continue;
        double e[3], mu[3];
        for (int s = 0; s < 3; s++) {
            e[s] = at(l, l->log_map, places[k].row[s], places[k].column[s]);
            mu[s] = at(l, l->mean_counts, places[k].row[s], places[k].column[s]);
        }
        if (isnan(e[0]) || (isnan(e[1]) && isnan(e[2]))) continue;
        double side = isnan(e[1]) ? e[2] : isnan(e[2]) ? e[1] : (e[1] + e[2]) / 2;
        double side_mean = isnan(mu[1]) ? mu[2] : isnan(mu[2]) ? mu[1] : (mu[1] + mu[2]) / 2;
        rise[inside++] = e[0] - side;
        if (e[0] - side > best)
            best = e[0] - side, strongest = k, sum_signal = mu[0] - side_mean, sum_mean = mu[0];
    }
    if (inside == 0) return -1;
    qsort(rise, (size_t)inside, sizeof *rise, by_rise);
    int quarter = (inside + 3) / 4;
    for (int k = 0; k < quarter; k++) sum_rise += rise[k] / quarter;
    feature->contrast = sum_rise;
    feature->z = sum_signal * sqrt(pixels * quarter / count) / sqrt(fmax(sum_mean, 1e-3));
    feature->visible = sum_rise >= GREY_STEPS && feature->z >= 3 && inside >= 3;
    return strongest;
}

static sl_feature *add(looker *l, sl_feature_kind kind) {
    if (l->count >= SL_SIM_FEATURES_MAX) return NULL;
    sl_feature *feature = &l->out[l->count++];
    *feature = (sl_feature){.kind = kind};
    return feature;
}

/* Where the scattering vector of length q at angle chi to the surface normal, inside the film, leaves a mark.
 */
static bool hit_inside(const sl_scene *scene, double q, double chi, int side, double *row, double *column) {
    double k0 = scene->projection.k0_per_ang, parallel = q * sin(chi), kappa_in = (double)scene->qz_inside[0];
    double kappa_out = q * cos(chi) - kappa_in;
    if (kappa_out < 0) return false;
    double delta = scene->film_thickness_ang > 0 ? scene->film.delta : scene->substrate.delta;
    double sine = sqrt(kappa_out * kappa_out / (k0 * k0) + 2 * delta);
    if (sine >= 1) return false;
    double cosine = sqrt(1 - sine * sine), ci = scene->grazing.cos_incidence, ratio = parallel / k0;
    double cos_azimuth = (cosine * cosine + ci * ci - ratio * ratio) / (2 * cosine * ci);
    if (fabs(cos_azimuth) > 1) return false;
    double x, y, z;
    sl_grazing_direction(&scene->grazing, asin(sine), side * acos(cos_azimuth), &x, &y, &z);
    return sl_projection_hit(&scene->projection, x, y, z, row, column);
}

static bool hit(const sl_scene *scene, double q, int k, double *row, double *column) {
    if (!scene->is_grazing)
        return sl_projection_hit_q(&scene->projection, q, k * 2 * M_PI / AROUND, row, column);
    return hit_inside(scene, q, (k / 2 + 0.5) * M_PI / AROUND, k % 2 ? 1 : -1, row, column);
}

static void look_at_ring(looker *l, double q, double fwhm, bool textured) {
    const sl_scene *scene = l->scene;
    triple places[AROUND];
    double radius = 0, aside = fmax(1.3 * fwhm, 0);
    int known = 0;
    for (int k = 0; k < AROUND; k++) {
        triple *p = &places[k];
        p->known = q > aside && hit(scene, q, k, &p->row[0], &p->column[0]) &&
                   hit(scene, q - aside, k, &p->row[1], &p->column[1]) &&
                   hit(scene, q + aside, k, &p->row[2], &p->column[2]);
        if (!p->known) continue;
        radius += hypot(p->row[0] - scene->beam_row_px, p->column[0] - scene->beam_column_px);
        known++;
    }
    if (known == 0) return;
    radius /= known;
    double width = fwhm / sl_projection_q_step(&scene->projection, q);
    bool broad = fwhm > 0.3 * q;
    sl_feature *feature = add(l, broad ? SL_FEATURE_HALO : textured ? SL_FEATURE_ARC : SL_FEATURE_RING);
    if (!feature) return;
    int strongest = judge(l, places, AROUND, width * 2 * M_PI * radius, feature);
    feature->q_per_ang = q;
    feature->radius_px = radius;
    feature->width_px = width;
    if (strongest < 0) return;
    feature->row_px = places[strongest].row[0];
    feature->column_px = places[strongest].column[0];
    feature->chi_rad =
        atan2(feature->row_px - scene->beam_row_px, feature->column_px - scene->beam_column_px);
}

static void look_at_rod(looker *l, double q, double fwhm) {
    const sl_scene *scene = l->scene;
    triple places[AROUND];
    int known = 0;
    for (int k = 0; k < AROUND; k++) {
        double sine = scene->sin_exit_max * (k / 2 + 1) / (AROUND / 2 + 1), cosine = sqrt(1 - sine * sine), x,
               y, z;
        places[k].known = true;
        for (int s = 0; s < 3; s++) {
            double ratio = (q + (s == 0   ? 0
                                 : s == 1 ? -1.2
                                          : 1.2) *
                                    fwhm) /
                           (scene->projection.k0_per_ang * cosine);
            if (ratio < 0 || ratio >= 1) places[k].known = false;
            sl_grazing_direction(&scene->grazing, asin(sine),
                                 (k % 2 ? 1 : -1) * asin(fmin(fmax(ratio, 0), 1)), &x, &y, &z);
            places[k].known &=
                sl_projection_hit(&scene->projection, x, y, z, &places[k].row[s], &places[k].column[s]);
        }
        known += places[k].known;
    }
    sl_feature *feature = known ? add(l, SL_FEATURE_ROD) : NULL;
    if (!feature) return;
    double width =
        fwhm / (scene->projection.k0_per_ang * scene->geometry.pixel_m / scene->geometry.distance_m);
    int strongest = judge(l, places, AROUND, width * scene->size_px, feature);
    feature->q_per_ang = q;
    feature->width_px = width;
    if (strongest >= 0)
        feature->row_px = places[strongest].row[0], feature->column_px = places[strongest].column[0];
}

static void look_at_spot(looker *l, const scene_spot *spot) {
    triple places[4];
    double aside = 3 * fmax(spot->radial_px, spot->across_px);
    for (int k = 0; k < 4; k++) {
        double x = k == 0 ? 1 : k == 1 ? 0 : 0.7071, y = k == 0 ? 0 : k == 1 ? 1 : k == 2 ? 0.7071 : -0.7071;
        places[k] = (triple){{spot->row_px, spot->row_px - aside * y, spot->row_px + aside * y},
                             {spot->column_px, spot->column_px - aside * x, spot->column_px + aside * x},
                             true};
    }
    sl_feature *feature = add(l, SL_FEATURE_SPOT);
    if (!feature) return;
    judge(l, places, 4, 6 * spot->radial_px * spot->across_px, feature);
    feature->row_px = spot->row_px;
    feature->column_px = spot->column_px;
    feature->width_px = 2.3548 * spot->across_px;
    feature->q_per_ang = spot->q_per_ang;
}

/* A level at exit angle `sine`, compared with `sine_low` and `sine_high` along the whole width. */
static void look_at_level(looker *l, sl_feature_kind kind, double sine, double sine_low, double sine_high) {
    const sl_scene *scene = l->scene;
    triple places[AROUND];
    for (int k = 0; k < AROUND; k++) {
        double reach = 0.9 * scene->q_parallel_max_per_ang / scene->projection.k0_per_ang, x, y, z;
        double azimuth = reach * (2.0 * (k + 0.5) / AROUND - 1), sines[3] = {sine, sine_low, sine_high};
        places[k].known = true;
        for (int s = 0; s < 3; s++) {
            sl_grazing_direction(&scene->grazing, asin(sines[s]), asin(fmax(fmin(azimuth, 0.95), -0.95)), &x,
                                 &y, &z);
            places[k].known &=
                sl_projection_hit(&scene->projection, x, y, z, &places[k].row[s], &places[k].column[s]);
        }
    }
    sl_feature *feature = add(l, kind);
    if (!feature) return;
    judge(l, places, AROUND, 3.0 * scene->size_px, feature);
    double x, y, z;
    sl_grazing_direction(&scene->grazing, asin(sine), 0, &x, &y, &z);
    sl_projection_hit(&scene->projection, x, y, z, &feature->row_px, &feature->column_px);
}

static void look_at_specular(looker *l) {
    const sl_scene *scene = l->scene;
    double x, y, z, row, column;
    sl_grazing_direction(&scene->grazing, scene->grazing.incidence_rad, 0, &x, &y, &z);
    if (!sl_projection_hit(&scene->projection, x, y, z, &row, &column)) return;
    double aside = 4 * scene->specular_sigma_px[0];
    triple places[3];
    for (int k = 0; k < 3; k++)
        places[k] = (triple){{row, row, row}, {column, column - aside, column + aside}, true};
    sl_feature *feature = add(l, SL_FEATURE_SPECULAR);
    if (!feature) return;
    judge(l, places, 3, 20, feature);
    feature->row_px = row;
    feature->column_px = column;
}

static void look_at_streaks(looker *l) {
    const sl_scene *scene = l->scene;
    for (int k = 0; k < scene->streak_count; k++) {
        const scene_streak *streak = &scene->streak[k];
        triple places[AROUND];
        double c = cos(streak->angle_rad), s = sin(streak->angle_rad), aside = 3.5 * streak->width_px;
        for (int i = 0; i < AROUND; i++) {
            double along = (0.05 + 0.45 * (i / 2) / (AROUND / 2)) * scene->size_px * (i % 2 ? 1 : -1);
            double row = scene->beam_row_px + along * s, column = scene->beam_column_px + along * c;
            places[i] = (triple){{row, row + aside * c, row - aside * c},
                                 {column, column - aside * s, column + aside * s},
                                 true};
        }
        sl_feature *feature = add(l, SL_FEATURE_STREAK);
        if (!feature) return;
        judge(l, places, AROUND, streak->width_px * scene->size_px * 0.3, feature);
        feature->row_px = scene->beam_row_px;
        feature->column_px = scene->beam_column_px;
        feature->chi_rad = streak->angle_rad;
        feature->width_px = 2.3548 * streak->width_px;
    }
}

int scene_find_features(const sl_scene *scene, const float *mean_counts, const float *log_map,
                        sl_feature *out) {
    looker l = {scene, mean_counts, log_map, out, 0};
    if (scene->is_grazing) {
        double pixel = scene->geometry.pixel_m / scene->geometry.distance_m;
        sl_refraction top = scene->film_thickness_ang > 0 ? scene->film : scene->substrate;
        double critical = sl_critical_angle_rad(top);
        look_at_level(&l, SL_FEATURE_HORIZON, 2.5 * pixel, -3 * pixel, -3 * pixel);
        look_at_level(&l, SL_FEATURE_YONEDA, critical, fmax(0, critical - 5 * pixel),
                      critical + fmax(8 * pixel, 0.6 * critical));
        look_at_specular(&l);
        if (scene->peak_q_per_ang > 0) look_at_rod(&l, scene->peak_q_per_ang, scene->peak_fwhm_per_ang);
        for (int k = 0; k < scene->rod_count; k++)
            look_at_rod(&l, scene->rod[k].q_per_ang, scene->rod[k].fwhm_per_ang);
    }
    look_at_streaks(&l);
    for (int k = 0; k < scene->halo_count; k++)
        look_at_ring(&l, scene->halo[k].q_per_ang,
                     fmax(scene->halo[k].fwhm_per_ang, 0.31 * scene->halo[k].q_per_ang), false);
    for (int k = 0; k < scene->ring_count; k++) {
        const scene_ring *ring = &scene->ring[k];
        bool textured =
            (ring->axis_table && ring->isotropic < 0.4) || (ring->azimuth_table && !scene->spotty);
        look_at_ring(&l, ring->q_per_ang, ring->fwhm_per_ang, textured);
    }
    for (int k = 0; k < scene->spot_count; k++) look_at_spot(&l, &scene->spot[k]);
    return l.count;
}
