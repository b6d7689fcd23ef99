/* From a scene to mean counts: one pass over the pixels, tables for everything that depends on one quantity.
 */
#include "xray/sim/scene.h"

#include "xray/quantile.h"
#include "xray/special.h"

#include <math.h>
#include <string.h>

enum { BINS = 1024, ACTIVE_MAX = 24 };

/* Which of some peaks along an axis matter in each bin of it. */
typedef struct peak_index {
    double bins_per_unit;
    uint8_t count[BINS];
    uint8_t item[BINS][ACTIVE_MAX];
} peak_index;

static void index_peak(peak_index *index, int item, double at, double reach) {
    int first = (int)fmax(0, (at - reach) * index->bins_per_unit),
        last = (int)fmin(BINS - 1, (at + reach) * index->bins_per_unit);
    for (int b = first; b <= last; b++)
        if (index->count[b] < ACTIVE_MAX) index->item[b][index->count[b]++] = (uint8_t)item;
}

typedef struct renderer {
    const sl_scene *scene;
    peak_index rings, rods;
    float radial_scale, parallel_scale, exit_scale; /* table steps per unit */
    double stretch_cos, stretch_sin;
    float isotropic[SL_SCENE_RADIAL]; /* sample and rings without texture, over q */
} renderer;

static double ring_reach(double fwhm, double lorentz) {
    return fwhm * (lorentz > 0.02 ? 9 : 2.2);
}

static void prepare(const sl_scene *scene, renderer *r) {
    r->scene = scene;
    r->stretch_cos = cos(scene->stretch_angle_rad);
    r->stretch_sin = sin(scene->stretch_angle_rad);
    r->radial_scale = (float)((SL_SCENE_RADIAL - 1) / scene->q_max_per_ang);
    memcpy(r->isotropic, scene->sample, sizeof r->isotropic);
    r->rings.bins_per_unit = BINS / scene->q_max_per_ang;
    for (int i = 0; i < scene->ring_count; i++) {
        const scene_ring *ring = &scene->ring[i];
        if (!ring->axis_table && !ring->azimuth_table)
            scene_add_peak(scene, r->isotropic, ring->q_per_ang, ring->area, ring->fwhm_per_ang,
                           ring->lorentz);
        else
            index_peak(&r->rings, i, ring->q_per_ang, ring_reach(ring->fwhm_per_ang, ring->lorentz));
    }
    if (!scene->is_grazing) return;
    r->parallel_scale = (float)((SL_SCENE_RADIAL - 1) / scene->q_parallel_max_per_ang);
    r->exit_scale = (float)((SL_SCENE_EXIT - 1) / scene->sin_exit_max);
    r->rods.bins_per_unit = BINS / scene->q_parallel_max_per_ang;
    for (int i = 0; i < scene->rod_count; i++)
        index_peak(&r->rods, i, scene->rod[i].q_per_ang,
                   ring_reach(scene->rod[i].fwhm_per_ang, scene->rod[i].lorentz) * 2);
}

/* A pseudo-Voigt of given area, cut smoothly at its reach so that no step shows. */
static float peak_value(double x, double fwhm, double lorentz) {
    double u = 2 * x / fwhm, u2 = u * u, value = 0;
    if (lorentz > 0.02) {
        double edge = u2 / (18.0 * 18.0);
        if (edge < 1) value = lorentz * M_2_PI / fwhm / (1 + u2) * (1 - edge) * (1 - edge);
    }
    if (u2 < 20) value += (1 - lorentz) * 0.93943727869965132 / fwhm * exp(-M_LN2 * u2);
    return (float)value;
}

/* Textured rings at scattering vector q whose direction makes `chi` with the axis; azimuth only where a table
 * needs it. */
static float textured_rings(const renderer *r, double q, double cos_axis, const sl_pixel *pixel) {
    const sl_scene *scene = r->scene;
    int bin = (int)(q * r->rings.bins_per_unit), n = bin < BINS ? r->rings.count[bin] : 0;
    if (n == 0) return 0;
    float chi_position = -1, azimuth_position = -1, sum = 0;
    for (int k = 0; k < n; k++) {
        const scene_ring *ring = &scene->ring[r->rings.item[bin][k]];
        float value = (float)ring->area * peak_value(q - ring->q_per_ang, ring->fwhm_per_ang, ring->lorentz);
        if (value <= 0) continue;
        if (ring->axis_table) {
            if (chi_position < 0)
                chi_position = (float)(acos(fmin(fabs(cos_axis), 1)) * ((SL_SCENE_AXIS - 1) / (M_PI / 2)));
            value *= sl_table_linear(ring->axis_table, SL_SCENE_AXIS, chi_position);
        }
        if (ring->azimuth_table) {
            if (azimuth_position < 0) {
                double azimuth = atan2(-pixel->z, pixel->y);
                azimuth_position =
                    (float)((azimuth < 0 ? azimuth + 2 * M_PI : azimuth) * (SL_SCENE_AZIMUTH / (2 * M_PI)));
            }
            int at = (int)azimuth_position, low = at % SL_SCENE_AZIMUTH, high = (at + 1) % SL_SCENE_AZIMUTH;
            float t = azimuth_position - (float)at;
            value *= ring->azimuth_table[low] + t * (ring->azimuth_table[high] - ring->azimuth_table[low]);
        }
        sum += value;
    }
    return sum;
}

static float transmission_signal(const renderer *r, const sl_pixel *pixel) {
    const sl_scene *scene = r->scene;
    double q = pixel->q_per_ang, k0 = scene->projection.k0_per_ang;
    float sum = sl_table_linear(r->isotropic, SL_SCENE_RADIAL, (float)q * r->radial_scale);
    if (scene->stretch > 1) {
        double c = r->stretch_cos, s = r->stretch_sin;
        double along = k0 * (pixel->y * c - pixel->z * s) / scene->stretch,
               across = k0 * (pixel->z * c + pixel->y * s) * scene->stretch;
        sum += sl_table_linear(scene->stretched, SL_SCENE_RADIAL,
                               (float)sqrt(along * along + across * across) * r->radial_scale);
    }
    if (scene->ring_count > 0) {
        double cos_axis = q > 0 ? k0 *
                                      ((pixel->x - 1) * scene->axis[0] + pixel->y * scene->axis[1] +
                                       pixel->z * scene->axis[2]) /
                                      q
                                : 0;
        sum += textured_rings(r, q, cos_axis, pixel);
    }
    return sum;
}

static float grid_value(const sl_scene *scene, float q_position, float exit_position) {
    int j = (int)q_position, i = (int)exit_position;
    if (j > SL_SCENE_GRID_Q - 2) j = SL_SCENE_GRID_Q - 2;
    if (i > SL_SCENE_GRID_EXIT - 2) i = SL_SCENE_GRID_EXIT - 2;
    float u = q_position - (float)j, v = exit_position - (float)i;
    const float *a = scene->grid + (size_t)i * SL_SCENE_GRID_Q + j, *b = a + SL_SCENE_GRID_Q;
    float low = a[0] + u * (a[1] - a[0]), high = b[0] + u * (b[1] - b[0]);
    return low + v * (high - low);
}

static float grazing_signal(const renderer *r, const sl_pixel *pixel) {
    const sl_scene *scene = r->scene;
    sl_grazing_ray ray = sl_grazing_ray_of(&scene->grazing, scene->projection.k0_per_ang, pixel);
    double exit = fabs(ray.sin_exit), parallel = ray.q_parallel_per_ang;
    float exit_at = (float)exit * r->exit_scale, parallel_at = (float)parallel * r->parallel_scale;
    float wave = sl_table_linear(scene->transmission, SL_SCENE_EXIT, exit_at);
    float sum = wave * sl_table_linear(scene->diffuse_in_plane, SL_SCENE_RADIAL, parallel_at) +
                sl_table_linear(scene->rod_in_plane, SL_SCENE_RADIAL,
                                (float)fabs(ray.qy_per_ang) * r->parallel_scale) *
                    sl_table_linear(scene->rod_profile, SL_SCENE_EXIT, exit_at);
    if (scene->grid)
        sum += grid_value(scene, parallel_at * ((float)(SL_SCENE_GRID_Q - 1) / (SL_SCENE_RADIAL - 1)),
                          exit_at * ((float)(SL_SCENE_GRID_EXIT - 1) / (SL_SCENE_EXIT - 1))) *
               sl_table_linear(scene->in_plane, SL_SCENE_RADIAL, parallel_at);
    int bin = (int)(parallel * r->rods.bins_per_unit);
    for (int k = 0; bin < BINS && k < r->rods.count[bin]; k++) {
        const scene_rod *rod = &scene->rod[r->rods.item[bin][k]];
        /* height 1 at its middle: the profile carries the strength */
        sum += peak_value(parallel - rod->q_per_ang, rod->fwhm_per_ang, rod->lorentz) *
               (float)rod->fwhm_per_ang * sl_table_linear(rod->profile, SL_SCENE_EXIT, exit_at);
    }
    double qz = (double)sl_table_linear(scene->qz_inside, SL_SCENE_EXIT, exit_at),
           q = sqrt(parallel * parallel + qz * qz);
    float inside = sl_table_linear(r->isotropic, SL_SCENE_RADIAL, (float)q * r->radial_scale);
    if (scene->ring_count > 0 && q < scene->q_max_per_ang)
        inside += textured_rings(r, q, q > 0 ? qz / q : 1, pixel);
    sum += wave * inside;
    /* the sample's edge is sharp: a few hundredths of a pixel */
    return ray.sin_exit < 0 ? sum * (float)scene->below_horizon : sum;
}

static float parasitic_signal(const renderer *r, const sl_pixel *pixel, double row, double column) {
    const sl_scene *scene = r->scene;
    float sum = sl_table_linear(scene->radial, SL_SCENE_RADIAL, (float)pixel->q_per_ang * r->radial_scale);
    for (int k = 0; k < scene->streak_count; k++) {
        const scene_streak *streak = &scene->streak[k];
        double x = column - scene->beam_column_px, y = row - scene->beam_row_px;
        double c = cos(streak->angle_rad), s = sin(streak->angle_rad), along = x * c + y * s,
               across = (y * c - x * s) / streak->width_px;
        if (fabs(across) > 5) continue;
        double reach = along / streak->length_px;
        sum += (float)(streak->height[along > 0] *
                       exp(-across * across / 2 - 0.5 * streak->power * log1p(reach * reach)));
    }
    return sum;
}

static void add_spots(const sl_scene *scene, float *image) {
    for (int k = 0; k < scene->spot_count; k++) {
        const scene_spot *spot = &scene->spot[k];
        double reach = 4 * fmax(spot->radial_px, spot->across_px),
               x = spot->column_px - scene->beam_column_px, y = spot->row_px - scene->beam_row_px;
        double length = fmax(hypot(x, y), 1e-9), c = x / length, s = y / length;
        int32_t top = (int32_t)fmax(0, spot->row_px - reach),
                bottom = (int32_t)fmin(scene->size_px - 1, spot->row_px + reach);
        int32_t left = (int32_t)fmax(0, spot->column_px - reach),
                right = (int32_t)fmin(scene->size_px - 1, spot->column_px + reach);
        for (int32_t i = top; i <= bottom; i++)
            for (int32_t j = left; j <= right; j++) {
                double dx = j + 0.5 - spot->column_px, dy = i + 0.5 - spot->row_px;
                double u = (dx * c + dy * s) / spot->radial_px, v = (dy * c - dx * s) / spot->across_px;
                image[(int64_t)i * scene->size_px + j] += (float)(spot->height * exp(-(u * u + v * v) / 2));
            }
    }
}

static void add_specular(const sl_scene *scene, float *image) {
    double x, y, z, row, column;
    sl_grazing_direction(&scene->grazing, scene->grazing.incidence_rad, 0, &x, &y, &z);
    if (!scene->is_grazing || !sl_projection_hit(&scene->projection, x, y, z, &row, &column)) return;
    double reach = 5 * fmax(scene->specular_sigma_px[0], scene->specular_sigma_px[1]);
    for (int32_t i = (int32_t)fmax(0, row - reach); i < scene->size_px && i < row + reach; i++)
        for (int32_t j = (int32_t)fmax(0, column - reach); j < scene->size_px && j < column + reach; j++) {
            double u = (j + 0.5 - column) / scene->specular_sigma_px[0],
                   v = (i + 0.5 - row) / scene->specular_sigma_px[1];
            image[(int64_t)i * scene->size_px + j] +=
                (float)(scene->specular_height * exp(-(u * u + v * v) / 2));
        }
}

/* What a round flight tube lets through. */
static float aperture(const sl_scene *scene, double row, double column) {
    if (scene->aperture_radius_px <= 0) return 1;
    double outside =
        hypot(row - scene->aperture_row_px, column - scene->aperture_column_px) - scene->aperture_radius_px;
    double open = outside > 4 ? 0 : outside < -4 ? 1 : 0.5 * erfc(outside);
    return (float)(scene->aperture_pass + (1 - scene->aperture_pass) * open);
}

sl_status scene_render(sl_scene *scene, float *mean_counts) {
    renderer *r;
    SL_TRY(sl_alloc(&r, 1, sizeof *r));
    prepare(scene, r);
    int32_t n = scene->size_px;
    memset(mean_counts, 0, (size_t)n * (size_t)n * sizeof *mean_counts);
    add_spots(scene, mean_counts);
    if (scene->is_grazing) add_specular(scene, mean_counts);
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++) {
            sl_pixel pixel = sl_projection_pixel(&scene->projection, i + 0.5, j + 0.5);
            float signal = mean_counts[(int64_t)i * n + j] + parasitic_signal(r, &pixel, i + 0.5, j + 0.5);
            signal += scene->is_grazing ? grazing_signal(r, &pixel) : transmission_signal(r, &pixel);
            signal *= (float)(pixel.solid_angle * pixel.polarisation);
            mean_counts[(int64_t)i * n + j] = signal * aperture(scene, i + 0.5, j + 0.5);
        }
    sl_free(r);
    double top;
    SL_TRY(sl_quantile(mean_counts, (size_t)n * (size_t)n, 0.999, &top));
    float scale = top > 0 ? (float)(scene->level_counts / top) : 0;
    for (int64_t k = 0; k < (int64_t)n * n; k++)
        mean_counts[k] = mean_counts[k] * scale + (float)scene->background_counts;
    return SL_OK;
}
