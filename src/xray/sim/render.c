/* From a scene to mean counts: one pass over the pixels, tables for everything that depends on one quantity
 * or two.
 */
#include "xray/sim/scene.h"

#include "xray/scatter/absorption.h"
#include "xray/quantile.h"
#include "xray/scatter/reflectivity.h"
#include "xray/scatter/special.h"
#include "xray/spot.h"

#include <math.h>
#include <string.h>

enum { BINS = 1024, ACTIVE_MAX = 40, FLUX = 512 };

/* Which of some peaks along an axis matter in each bin of it. */
typedef struct peak_index {
    double bins_per_unit;
    uint8_t count[BINS];
    uint8_t item[BINS][ACTIVE_MAX];
} peak_index;

static void index_span(peak_index *index, int item, double low, double high) {
    int first = (int)fmax(0, low * index->bins_per_unit),
        last = (int)fmin(BINS - 1, high * index->bins_per_unit);
    for (int b = first; b <= last; b++)
        if (index->count[b] < ACTIVE_MAX) index->item[b][index->count[b]++] = (uint8_t)item;
}

/* A rod's pseudo-Voigt over q_parallel as a table, from its middle outwards. */
enum { ACROSS = 512 };

/* Rings that share one distribution over azimuth: their sum over q. */
typedef struct azimuth_group {
    const float *azimuth; /* SL_SCENE_AZIMUTH */
    double low, high;     /* q beyond which the sum is 0 */
    float *radial;        /* SL_SCENE_RADIAL */
} azimuth_group;

typedef struct renderer {
    const sl_scene *scene;
    sl_arena *arena;
    peak_index groups, rods;
    float radial_scale, parallel_scale, exit_scale; /* table steps per unit */
    float horizon_scale, past_yoneda;               /* sine of an exit angle beyond the Yoneda band */
    double stretch_cos, stretch_sin;
    float isotropic[SL_SCENE_RADIAL]; /* sample and rings without texture, over q */
    int group_count;
    azimuth_group group[SL_SCENE_RINGS];
    float *across[SL_SCENE_RODS]; /* ACROSS */
    float across_scale[SL_SCENE_RODS];
    /* step: points of the axis tables a column */
    int texture_rows, texture_columns, texture_stride, texture_step;
    float texture_scale, axis_scale;
    float *texture; /* [texture_rows, texture_stride] rings about the axis, over q and angle; NULL: none */
    bool has_sample_depth;
    float absorption[SL_SCENE_RADIAL];      /* of the sample, over q, 1 forwards */
    float flux[FLUX], flux_low, flux_scale; /* solid angle and sensor, over the solid angle */
    double streak_cos[3], streak_sin[3];
} renderer;

static double ring_reach(double fwhm, double lorentz) {
    return fwhm * (lorentz > 0.02 ? 9 : 2.2);
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

/* Adds the ring to the map over q and the angle to the axis, row by row: far cheaper than ring by ring for
 * every pixel, and as exact as the tables are. */
static void add_axis_ring(renderer *r, const scene_ring *ring) {
    float over_axis[SL_SCENE_AXIS + 4] = {0};
    double step = r->scene->q_max_per_ang / (r->texture_rows - 1),
           reach = ring_reach(ring->fwhm_per_ang, ring->lorentz);
    int first = (int)fmax(0, ceil((ring->q_per_ang - reach) / step)),
        last = (int)fmin(r->texture_rows - 1, floor((ring->q_per_ang + reach) / step));
    for (int k = 0; k < r->texture_columns; k++) over_axis[k] = ring->axis_table[k * r->texture_step];
    for (int i = first; i <= last; i++) {
        float value =
            (float)ring->area * peak_value(i * step - ring->q_per_ang, ring->fwhm_per_ang, ring->lorentz);
        float *restrict row = r->texture + (size_t)i * (size_t)r->texture_stride;
        /* four at a time: one vector of every machine */
        for (int k = 0; k < r->texture_stride; k += 4)
            for (int t = 0; t < 4; t++) row[k + t] += value * over_axis[k + t];
    }
}

/* Narrow textures need every point of their tables, broad ones a third: the map should fit into a cache. */
static void prepare_texture(renderer *r) {
    const sl_scene *scene = r->scene;
    bool any = false, narrow = scene->march > 0 && scene->march < 0.4;
    for (int i = 0; i < scene->ring_count; i++) {
        any |= scene->ring[i].axis_table != NULL;
        narrow |= scene->ring[i].axis_table && !(scene->march > 0) && scene->ring[i].sigma_rad < 0.043;
    }
    r->texture_step = narrow ? 1 : 3;
    r->texture_columns = (SL_SCENE_AXIS - 1) / r->texture_step + 1;
    r->texture_stride = (r->texture_columns + 3) / 4 * 4;
    /* a few rows a pixel along the radius */
    r->texture_rows = (int)fmin(fmax(3.0 * scene->size_px, 512), 4096);
    r->texture_scale = (float)((r->texture_rows - 1) / scene->q_max_per_ang);
    r->axis_scale = (float)((r->texture_columns - 1) / (M_PI / 2));
    if (any) r->texture = SL_NEW(r->arena, float, (size_t)r->texture_rows *(size_t)r->texture_stride);
}

static void add_azimuth_ring(renderer *r, const scene_ring *ring) {
    int g = 0;
    while (g < r->group_count && r->group[g].azimuth != ring->azimuth_table) g++;
    azimuth_group *group = &r->group[g];
    double reach = ring_reach(ring->fwhm_per_ang, ring->lorentz), step = 1 / (double)r->radial_scale;
    double low = ring->q_per_ang - reach, high = ring->q_per_ang + reach;
    if (g == r->group_count) {
        r->group_count++;
        *group = (azimuth_group){ring->azimuth_table, low, high, SL_NEW(r->arena, float, SL_SCENE_RADIAL)};
    }
    group->low = fmin(group->low, low);
    group->high = fmax(group->high, high);
    for (int i = (int)fmax(0, ceil(low / step)); i < SL_SCENE_RADIAL && i * step <= high; i++)
        group->radial[i] +=
            (float)ring->area * peak_value(i * step - ring->q_per_ang, ring->fwhm_per_ang, ring->lorentz);
}

static void prepare_rings(renderer *r) {
    const sl_scene *scene = r->scene;
    prepare_texture(r);
    for (int i = 0; i < scene->ring_count; i++) {
        const scene_ring *ring = &scene->ring[i];
        if (ring->axis_table)
            add_axis_ring(r, ring);
        else if (ring->azimuth_table)
            add_azimuth_ring(r, ring);
        else
            scene_add_peak(scene, r->isotropic, ring->q_per_ang, ring->area, ring->fwhm_per_ang,
                           ring->lorentz);
    }
    r->groups.bins_per_unit = BINS / scene->q_max_per_ang;
    for (int g = 0; g < r->group_count; g++) index_span(&r->groups, g, r->group[g].low, r->group[g].high);
}

static void prepare_rods(renderer *r) {
    const sl_scene *scene = r->scene;
    r->rods.bins_per_unit = BINS / scene->q_parallel_max_per_ang;
    for (int i = 0; i < scene->rod_count; i++) {
        const scene_rod *rod = &scene->rod[i];
        double reach = 2 * ring_reach(rod->fwhm_per_ang, rod->lorentz);
        r->across[i] = SL_NEW(r->arena, float, ACROSS);
        r->across_scale[i] = (float)((ACROSS - 1) / reach);
        /* height 1 at its middle: the profile carries the strength */
        for (int k = 0; k < ACROSS; k++)
            r->across[i][k] = peak_value(reach * k / (ACROSS - 1), rod->fwhm_per_ang, rod->lorentz) *
                              (float)rod->fwhm_per_ang;
        index_span(&r->rods, i, rod->q_per_ang - reach, rod->q_per_ang + reach);
    }
}

/* What the slant of the rays does: less solid angle, a thicker sensor, a longer way out of the sample. */
static void prepare_losses(renderer *r) {
    const sl_scene *scene = r->scene;
    double s = scene->size_px, low = 1;
    for (int corner = 0; corner < 4; corner++)
        low = fmin(
            low, sl_projection_pixel(&scene->projection, corner & 1 ? s : 0, corner & 2 ? s : 0).solid_angle);
    r->flux_low = (float)low;
    r->flux_scale = (float)((FLUX - 1) / fmax(1 - low, 1e-6));
    for (int i = 0; i < FLUX; i++) {
        double solid = fmin(low + i / (double)r->flux_scale, 1);
        r->flux[i] =
            (float)(solid *
                    (scene->sensor_depth > 0 ? sl_sensor_efficiency(scene->sensor_depth, cbrt(solid)) : 1));
    }
    r->has_sample_depth = scene->sample_depth > 0;
    for (int i = 0; r->has_sample_depth && i < SL_SCENE_RADIAL; i++) {
        double half = i / (double)r->radial_scale / (2 * scene->projection.k0_per_ang);
        r->absorption[i] = (float)(sl_slab_transmission(scene->sample_depth, 1 - 2 * half * half) /
                                   exp(-scene->sample_depth));
    }
}

static sl_status prepare(const sl_scene *scene, renderer *r) {
    r->scene = scene;
    SL_TRY(sl_arena_new(&r->arena));
    r->stretch_cos = cos(scene->stretch_angle_rad);
    r->stretch_sin = sin(scene->stretch_angle_rad);
    r->radial_scale = (float)((SL_SCENE_RADIAL - 1) / scene->q_max_per_ang);
    memcpy(r->isotropic, scene->sample, sizeof r->isotropic);
    for (int k = 0; k < scene->streak_count; k++) {
        r->streak_cos[k] = cos(scene->streak[k].angle_rad);
        r->streak_sin[k] = sin(scene->streak[k].angle_rad);
    }
    prepare_rings(r);
    prepare_losses(r);
    if (!scene->is_grazing) return SL_OK;
    r->parallel_scale = (float)((SL_SCENE_RADIAL - 1) / scene->q_parallel_max_per_ang);
    r->exit_scale = (float)((SL_SCENE_EXIT - 1) / scene->sin_exit_max);
    r->past_yoneda =
        (float)(1.6 * sl_critical_angle_rad(scene->film_thickness_ang > 0 ? scene->film : scene->substrate));
    r->horizon_scale = (float)(1 / fmax(scene->horizon_blur, 1e-9));
    prepare_rods(r);
    return SL_OK;
}

/* Value of table[rows, columns], whose rows are `stride` apart, between its points; positions beyond it are
 * held to its border. */
static inline float bilinear(const float *table, int rows, int columns, int stride, float row, float column) {
    int i = (int)row, j = (int)column;
    if (i > rows - 2) i = rows - 2;
    if (j > columns - 2) j = columns - 2;
    float u = column - (float)j, v = row - (float)i;
    const float *a = table + (size_t)i * (size_t)stride + j, *b = a + stride;
    float low = a[0] + u * (a[1] - a[0]), high = b[0] + u * (b[1] - b[0]);
    return low + v * (high - low);
}

/* Rings about the axis, with which the scattering vector makes an angle of cosine cos_axis. */
static inline float axis_rings(const renderer *r, float q, float cos_axis) {
    float cosine = fabsf(cos_axis) < 1 ? fabsf(cos_axis) : 1;
    return bilinear(r->texture, r->texture_rows, r->texture_columns, r->texture_stride, q * r->texture_scale,
                    sl_acos_near(cosine) * r->axis_scale);
}

static float azimuth_rings(const renderer *r, float q, const sl_pixel *pixel) {
    int bin = (int)((double)q * r->groups.bins_per_unit), n = bin < BINS ? r->groups.count[bin] : 0;
    if (n == 0) return 0;
    float turn = sl_turns_near((float)-pixel->z, (float)pixel->y) * SL_SCENE_AZIMUTH, sum = 0;
    int low = turn < SL_SCENE_AZIMUTH ? (int)turn : 0, high = low + 1 < SL_SCENE_AZIMUTH ? low + 1 : 0;
    float t = turn < SL_SCENE_AZIMUTH ? turn - (float)low : 0;
    for (int k = 0; k < n; k++) {
        const azimuth_group *group = &r->group[r->groups.item[bin][k]];
        float over_azimuth = group->azimuth[low] + t * (group->azimuth[high] - group->azimuth[low]);
        sum += over_azimuth * sl_table_linear(group->radial, SL_SCENE_RADIAL, q * r->radial_scale);
    }
    return sum;
}

static inline float transmission_signal(const renderer *r, const sl_pixel *pixel) {
    const sl_scene *scene = r->scene;
    double k0 = scene->projection.k0_per_ang;
    float q = (float)pixel->q_per_ang;
    float sum = sl_table_linear(r->isotropic, SL_SCENE_RADIAL, q * r->radial_scale);
    if (scene->stretch > 1) {
        double c = r->stretch_cos, s = r->stretch_sin;
        double along = k0 * (pixel->y * c - pixel->z * s) / scene->stretch,
               across = k0 * (pixel->z * c + pixel->y * s) * scene->stretch;
        sum += sl_table_linear(scene->stretched, SL_SCENE_RADIAL,
                               (float)sqrt(along * along + across * across) * r->radial_scale);
    }
    if (r->texture && q > 0) {
        double cos_axis =
            k0 * ((pixel->x - 1) * scene->axis[0] + pixel->y * scene->axis[1] + pixel->z * scene->axis[2]);
        sum += axis_rings(r, q, (float)cos_axis / q);
    }
    if (r->group_count > 0) sum += azimuth_rings(r, q, pixel);
    if (r->has_sample_depth) sum *= sl_table_linear(r->absorption, SL_SCENE_RADIAL, q * r->radial_scale);
    return sum;
}

/* *open: share of the air's scattering that passes the sample. */
static inline float grazing_signal(const renderer *r, const sl_pixel *pixel, float *open) {
    const sl_scene *scene = r->scene;
    sl_grazing_ray ray = sl_grazing_ray_of(&scene->grazing, scene->projection.k0_per_ang, pixel);
    float exit = (float)fabs(ray.sin_exit), parallel = (float)ray.q_parallel_per_ang;
    /* what leaves through the sample's end has met no surface: nothing of the Yoneda band */
    if (ray.sin_exit < 0) exit = sqrtf(exit * exit + r->past_yoneda * r->past_yoneda);
    float exit_at = exit * r->exit_scale, parallel_at = parallel * r->parallel_scale;
    float wave = sl_table_linear(scene->transmission, SL_SCENE_EXIT, exit_at);
    float sum = wave * sl_table_linear(scene->diffuse_in_plane, SL_SCENE_RADIAL, parallel_at) +
                sl_table_linear(scene->rod_in_plane, SL_SCENE_RADIAL,
                                (float)fabs(ray.qy_per_ang) * r->parallel_scale) *
                    sl_table_linear(scene->rod_profile, SL_SCENE_EXIT, exit_at);
    if (scene->grid)
        sum += bilinear(scene->grid, SL_SCENE_GRID_EXIT, SL_SCENE_GRID_Q, SL_SCENE_GRID_Q,
                        exit_at * ((float)(SL_SCENE_GRID_EXIT - 1) / (SL_SCENE_EXIT - 1)),
                        parallel_at * ((float)(SL_SCENE_GRID_Q - 1) / (SL_SCENE_RADIAL - 1))) *
               sl_table_linear(scene->in_plane, SL_SCENE_RADIAL, parallel_at);
    int bin = (int)((double)parallel * r->rods.bins_per_unit);
    for (int k = 0; bin < BINS && k < r->rods.count[bin]; k++) {
        int item = r->rods.item[bin][k];
        const scene_rod *rod = &scene->rod[item];
        float aside = fabsf(parallel - (float)rod->q_per_ang) * r->across_scale[item];
        sum += sl_table_linear(r->across[item], ACROSS, aside) *
               sl_table_linear(rod->profile, SL_SCENE_EXIT, exit_at);
    }
    float qz = sl_table_linear(scene->qz_inside, SL_SCENE_EXIT, exit_at),
          q = sqrtf(parallel * parallel + qz * qz);
    float inside = sl_table_linear(r->isotropic, SL_SCENE_RADIAL, q * r->radial_scale);
    if (r->texture && q < (float)scene->q_max_per_ang) inside += axis_rings(r, q, q > 0 ? qz / q : 1);
    sum += wave * inside;
    /* the sample hides what comes from before it, and lets a little of its own through */
    float above = (float)ray.sin_exit * r->horizon_scale + 0.5f;
    above = above > 1 ? 1 : above < 0 ? 0 : above;
    *open = above + (1 - above) * (float)scene->air_below;
    return sum * (above + (1 - above) * (float)scene->below_horizon);
}

static inline float parasitic_signal(const renderer *r, const sl_pixel *pixel, double row, double column) {
    const sl_scene *scene = r->scene;
    float sum = sl_table_linear(scene->radial, SL_SCENE_RADIAL, (float)pixel->q_per_ang * r->radial_scale);
    for (int k = 0; k < scene->streak_count; k++) {
        const scene_streak *streak = &scene->streak[k];
        double x = column - scene->beam_column_px, y = row - scene->beam_row_px;
        double c = r->streak_cos[k], s = r->streak_sin[k], along = x * c + y * s,
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
    const double *sigma = scene->specular_sigma_px;
    sl_spot spot = {row, column, sigma[1], sigma[0], 5 * fmax(sigma[0], sigma[1]), scene->specular_height};
    sl_spot_add(&spot, image, scene->size_px);
}

/* 1 well inside an edge, 0 well outside it. */
static double open_to(double outside_px, double blur_px) {
    double x = outside_px / blur_px;
    return x > 4 ? 0 : x < -4 ? 1 : 0.5 * erfc(x);
}

/* What a round flight tube lets through, and the rim of the next one behind it. */
static float aperture(const sl_scene *scene, double row, double column) {
    double y = row - scene->aperture_row_px, x = column - scene->aperture_column_px,
           radius = sqrt(y * y + x * x);
    double open = open_to(radius - scene->aperture_radius_px, 1);
    double rim = scene->aperture_rim_px > 0 ? open_to(radius - scene->aperture_rim_px, 1) : 1;
    return (float)(scene->aperture_pass * (0.3 + 0.7 * rim) * (1 - open) + open);
}

/* What passes by something with a straight edge that stands in the way: a holder, a slit, a tape. */
static float shadow(const sl_scene *scene, double row, double column) {
    double middle = 0.5 * scene->size_px;
    double beyond = (column - middle) * cos(scene->shadow_angle_rad) +
                    (row - middle) * sin(scene->shadow_angle_rad) - scene->shadow_from_px;
    return (float)(1 - scene->shadow_loss * (1 - open_to(beyond, scene->shadow_blur_px)));
}

static void add_direct_beam(const sl_scene *scene, float *image) {
    double sigma = scene->direct_sigma_px;
    sl_spot spot = {scene->beam_row_px, scene->beam_column_px, sigma, sigma, 6 * sigma, scene->direct_height};
    if (scene->direct_height > 0) sl_spot_add(&spot, image, scene->size_px);
}

/* One row of intensities, to what the features have put there. */
static void render_row(const renderer *r, int32_t i, sl_pixel *pixels, float *out) {
    const sl_scene *scene = r->scene;
    int32_t n = scene->size_px;
    sl_projection_row(&scene->projection, i + 0.5, n, pixels);
    for (int32_t j = 0; j < n; j++) {
        const sl_pixel *pixel = &pixels[j];
        float open = 1, signal = out[j];
        signal += scene->is_grazing ? grazing_signal(r, pixel, &open) : transmission_signal(r, pixel);
        signal += open * parasitic_signal(r, pixel, i + 0.5, j + 0.5);
        float solid = (float)pixel->solid_angle;
        out[j] = signal * (float)pixel->polarisation *
                 sl_table_linear(r->flux, FLUX, (solid - r->flux_low) * r->flux_scale);
    }
    if (scene->aperture_radius_px > 0)
        for (int32_t j = 0; j < n; j++) out[j] *= aperture(scene, i + 0.5, j + 0.5);
    if (scene->shadow_loss > 0)
        for (int32_t j = 0; j < n; j++) out[j] *= shadow(scene, i + 0.5, j + 0.5);
}

static sl_status scale_to_level(const sl_scene *scene, float *mean_counts) {
    int64_t pixels = (int64_t)scene->size_px * scene->size_px;
    double top;
    SL_TRY(sl_quantile(mean_counts, (size_t)pixels, 0.999, &top));
    float scale = top > 0 ? (float)(scene->level_counts / top) : 0;
    for (int64_t k = 0; k < pixels; k++)
        mean_counts[k] = mean_counts[k] * scale + (float)scene->background_counts;
    return SL_OK;
}

sl_status scene_render(sl_scene *scene, float *mean_counts) {
    renderer *r;
    SL_TRY(sl_alloc(&r, 1, sizeof *r));
    int32_t n = scene->size_px;
    sl_pixel *pixels = NULL;
    sl_status status;
    SL_GUARD(status, sl_alloc(&pixels, (size_t)n, sizeof *pixels), done);
    SL_GUARD(status, prepare(scene, r), done);
    memset(mean_counts, 0, (size_t)n * (size_t)n * sizeof *mean_counts);
    add_spots(scene, mean_counts);
    if (scene->is_grazing) add_specular(scene, mean_counts);
    for (int32_t i = 0; i < n; i++) render_row(r, i, pixels, mean_counts + (int64_t)i * n);
    SL_GUARD(status, scale_to_level(scene, mean_counts), done);
    add_direct_beam(scene, mean_counts);
done:
    if (r->arena) sl_arena_free(r->arena);
    sl_free(pixels);
    sl_free(r);
    return status;
}
