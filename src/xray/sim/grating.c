/* Lines on a substrate at grazing incidence, as in the metrology of line gratings. */
#include "xray/sim/scene.h"

#include "xray/scatter/special.h"

#include <math.h>

#define DEGREE (M_PI / 180)

typedef struct grating {
    double q_per_ang, azimuth_rad;              /* of the first order; between lines and beam */
    double width_ang, height_ang, waviness_ang; /* of a line; spread of its edges */
    double across_px, along_px;                 /* of a spot */
} grating;

/* The sine of the exit angle at which the Ewald sphere cuts the rod of order m (Yan and Gibaud, J. Appl.
 * Cryst. 40 (2007) 1050), with the azimuth of the ray; false where it passes the rod by or cuts it below the
 * horizon. The rod stands at q = m q1 (-sin azimuth, cos azimuth) in the plane. */
bool scene_grating_order(double k0, double sin_incidence, double q1, double azimuth_rad, int order,
                         double *sin_exit, double *exit_azimuth_rad) {
    double x = sqrt(1 - sin_incidence * sin_incidence) - order * q1 * sin(azimuth_rad) / k0,
           y = order * q1 * cos(azimuth_rad) / k0, square = 1 - x * x - y * y;
    if (square <= 0 || x <= 0) return false;
    *sin_exit = sqrt(square);
    *exit_azimuth_rad = atan2(y, x);
    return true;
}

static grating draw_lines(sl_scene *scene, double q_first) {
    double azimuth =
        scene_chance(scene, 0.4) ? scene_range(scene, -0.05, 0.05) : scene_range(scene, -2.5, 2.5);
    double period = 2 * M_PI / q_first, height = scene_log_range(scene, 100, 1500),
           unit = fmax(1, scene->size_px / 256.0);
    grating g = {.q_per_ang = q_first, .width_ang = period * scene_range(scene, 0.2, 0.7)};
    g.azimuth_rad = scene_scaled(scene, SL_PARAMETER_GRATING_AZIMUTH_DEG, azimuth * DEGREE, DEGREE);
    g.height_ang = scene_number(scene, SL_PARAMETER_HEIGHT_ANG, height);
    double disorder = scene_number(scene, SL_PARAMETER_DISORDER, scene_log_range(scene, 0.004, 0.03));
    g.waviness_ang = disorder * period;
    g.across_px = unit * scene_range(scene, 0.9, 1.5);
    g.along_px = g.across_px * scene_range(scene, 1, 2.2);
    return g;
}

/* A line is a box: its profile across, its height in the standing wave, less what wavy edges take. Lines that
 * are not all as high, with slanted sides, keep half of the fringes over the height. */
static double strength(const sl_scene *scene, const grating *g, int order, double sin_exit) {
    float at = (float)(sin_exit / scene->sin_exit_max * (SL_SCENE_EXIT - 1));
    double wave = (double)sl_table_linear(scene->transmission, SL_SCENE_EXIT, at),
           half = (double)sl_table_linear(scene->qz_inside, SL_SCENE_EXIT, at) * g->height_ang / 2;
    double q = order * g->q_per_ang, across = sl_sinc(q * g->width_ang / 2), blur = q * g->waviness_ang,
           up = sl_sinc(half);
    return (across * across + 0.01) * (up * up + 1 / (1 + half * half)) / 2 * wave * exp(-blur * blur);
}

static void add_order(sl_scene *scene, const grating *g, int order, double height) {
    double sin_exit, azimuth, x, y, z, row, column, s = scene->size_px;
    if (!scene_grating_order(scene->projection.k0_per_ang, scene->grazing.sin_incidence, g->q_per_ang,
                             g->azimuth_rad, order, &sin_exit, &azimuth))
        return;
    sl_grazing_direction(&scene->grazing, asin(sin_exit), azimuth, &x, &y, &z);
    if (!sl_projection_hit(&scene->projection, x, y, z, &row, &column)) return;
    if (row < 0 || column < 0 || row > s || column > s || scene->spot_count >= SL_SCENE_SPOTS) return;
    double value = height * strength(scene, g, order, sin_exit);
    if (value < 1e-5 * height) return;
    scene->spot[scene->spot_count++] = (scene_spot){.row_px = row,
                                                    .column_px = column,
                                                    .radial_px = g->along_px,
                                                    .across_px = g->across_px,
                                                    .height = value,
                                                    .q_per_ang = fabs(order * g->q_per_ang)};
}

/* Edges that are wavy, each line in its own way, leave a little of every rod outside the sphere. */
static void add_diffuse_rods(sl_scene *scene, const grating *g, double height) {
    for (int order = 1; order <= SL_SCENE_RODS; order++) {
        scene_rod *rod = scene_add_rod(scene, order * g->q_per_ang, 0, 0.5);
        for (int i = 0; rod && i < SL_SCENE_EXIT; i++)
            rod->profile[i] =
                (float)(height * strength(scene, g, order, i * scene->sin_exit_max / (SL_SCENE_EXIT - 1)));
    }
}

void scene_draw_grating(sl_scene *scene, double q_first) {
    enum { ORDERS = 40 };
    grating g = draw_lines(scene, q_first);
    double height = scene_log_range(scene, 40, 800), diffuse = scene_log_range(scene, 2e-4, 0.01);
    for (int order = -ORDERS; order <= ORDERS; order++)
        if (order != 0) add_order(scene, &g, order, height);
    add_diffuse_rods(scene, &g, height * diffuse);
    scene->tag = "grating";
}
