/* The instrument of a scene: detector and the part of it that is shown, energy, distance, beam, beamstop,
 * count level. */
#include "xray/instrument/usual_background.h"
#include "xray/instrument/usual_beam.h"
#include "xray/instrument/usual_beamstop.h"
#include "xray/instrument/usual_measurement.h"
#include "xray/sim/scene.h"

#include <math.h>

#define DEGREE (M_PI / 180)

static const sl_detector *draw_detector(sl_scene *scene) {
    static const char *const held_out[] = {"jungfrau-4m", "eiger-9m", "eiger-500k", "rayonix-sx165",
                                           "maxipix-2x2"};
    const sl_detector *drawn = NULL;
    int index = 0;
    if (scene->domain != SL_SIM_DOMAIN_HELD_OUT)
        drawn = sl_usual_detector(&scene->random);
    else if (sl_detector_find(held_out[scene_below(scene, 5)], &drawn))
        drawn = sl_detector_at(0);
    while (sl_detector_at(index) != drawn) index++;
    return sl_detector_at(scene_word_unnoted(scene, SL_PARAMETER_DETECTOR, index));
}

static void draw_energy(sl_scene *scene, double pixel_m) {
    bool lab = scene_chance(scene, 0.2) && !scene->is_grazing;
    double side_m = pixel_m * scene->size_px;
    double energy = 8.048, distance;
    switch (scene->technique) {
    case SL_TECHNIQUE_WAXS: {
        if (!lab) energy = scene_chance(scene, 0.35) ? scene_range(scene, 20, 70) : scene_range(scene, 9, 18);
        energy = scene_number_unnoted(scene, SL_PARAMETER_ENERGY_KEV, energy);
        /* how far out the half side reaches, in q: from a few tenths to what a powder's lines need */
        bool fibre = scene->class_id == SL_SIM_WAXS_TEXTURED;
        double q = fibre         ? scene_log_range(scene, 1.5, 2.8)
                   : energy > 20 ? scene_log_range(scene, 2.6, 9)
                                 : scene_log_range(scene, 2.2, 5),
               s = fmin(q * 12.39842 / energy / (4 * M_PI), 0.42);
        distance = side_m / 2 / tan(2 * asin(s));
        break;
    }
    case SL_TECHNIQUE_GIWAXS:
        energy = scene_range(scene, 9, 14);
        distance = side_m / tan(scene_range(scene, 20, 36) * DEGREE);
        break;
    case SL_TECHNIQUE_GISAXS:
        energy = scene_range(scene, 8, 14);
        distance = side_m / tan(scene_range(scene, 1.3, 4) * DEGREE);
        break;
    default:
        if (!lab) energy = scene_range(scene, 8, 18);
        distance = lab ? scene_log_range(scene, 0.3, 2) : scene_log_range(scene, 1, 9);
    }
    scene->energy_kev = scene_number(scene, SL_PARAMETER_ENERGY_KEV, energy);
    double polarisation = lab ? 0 : scene_range(scene, 0.9, 0.99);
    scene->geometry =
        (sl_geometry){.distance_m = scene_number(scene, SL_PARAMETER_DISTANCE_M, distance),
                      .pixel_m = pixel_m,
                      .wavelength_ang = sl_wavelength_of_energy_ang(scene->energy_kev),
                      .polarisation = scene_number_unnoted(scene, SL_PARAMETER_POLARISATION, polarisation)};
}

static void draw_beam(sl_scene *scene) {
    double s = scene->size_px, row, column;
    sl_usual_beam_draw(scene->technique, &scene->random, &row, &column);
    scene->beam_row_px = scene_number_unnoted(scene, SL_PARAMETER_BEAM_ROW, row) * s;
    scene->beam_column_px = scene_number_unnoted(scene, SL_PARAMETER_BEAM_COLUMN, column) * s;
}

static void draw_rotation(sl_scene *scene) {
    sl_geometry *g = &scene->geometry;
    bool tilted = scene->technique == SL_TECHNIQUE_WAXS && scene_chance(scene, 0.15);
    double spread = tilted ? 9 * DEGREE : (scene->is_grazing ? 0.05 : 0.25) * DEGREE;
    g->rotation_rad[0] =
        tilted ? scene_range(scene, -spread, spread) : spread * sl_random_normal(&scene->random);
    g->rotation_rad[1] =
        tilted ? scene_range(scene, -spread, spread) : spread * sl_random_normal(&scene->random);
    /* put the beam where it was drawn: PONI such that the ray along it meets that pixel */
    sl_projection p = sl_projection_of(g);
    g->poni1_m = scene->beam_row_px * g->pixel_m - p.matrix[2][0] / p.matrix[2][2] * g->distance_m;
    g->poni2_m = scene->beam_column_px * g->pixel_m - p.matrix[2][1] / p.matrix[2][2] * g->distance_m;
    scene->projection = sl_projection_of(g);
}

static void find_reach(sl_scene *scene) {
    double s = scene->size_px;
    for (int corner = 0; corner < 4; corner++) {
        double row = corner & 1 ? s : 0, column = corner & 2 ? s : 0;
        sl_pixel pixel = sl_projection_pixel(&scene->projection, row, column);
        scene->q_max_per_ang = fmax(scene->q_max_per_ang, pixel.q_per_ang * 1.01);
        scene->radius_max_px =
            fmax(scene->radius_max_px, hypot(row - scene->beam_row_px, column - scene->beam_column_px));
    }
}

static sl_beamstop draw_beamstop(sl_scene *scene) {
    double s = scene->size_px, row = scene->beam_row_px, column = scene->beam_column_px;
    bool present = sl_usual_beamstop_is_there(row / s, column / s, &scene->random);
    sl_beamstop stop = sl_usual_beamstop(s, row, column, scene->is_grazing, &scene->random);
    if (!present) stop.shape = SL_BEAMSTOP_NONE;
    return stop;
}

/* The direct beam, seen through a stop that is not quite opaque; so narrow that none of it passes beside. */
static void draw_direct_beam(sl_scene *scene, const sl_beamstop *stop) {
    double height = scene_log_range(scene, 0.02, 2), unit = scene->size_px / 256.0;
    double narrow = fmin(stop->half_width_px, stop->half_height_px) / 7;
    height = scene_number(scene, SL_PARAMETER_DIRECT_BEAM, height);
    if (stop->shape == SL_BEAMSTOP_NONE || !(stop->transmission > 0)) return;
    scene->direct_height = height * scene->level_counts / stop->transmission;
    scene->direct_sigma_px = fmin(fmax(narrow, 0.4), 0.8 * unit);
}

/* Silicon of usual thickness, or a thin scintillator. */
static void draw_sensor(sl_scene *scene, const sl_detector *detector) {
    static const double thickness_m[] = {320e-6, 450e-6, 450e-6, 1000e-6};
    double thickness = thickness_m[scene_below(scene, 4)], ratio = 10 / scene->energy_kev;
    /* 74/cm of silicon at 10 keV, falling with the cube of the energy */
    double depth = detector->kind == SL_DETECTOR_HYBRID ? 7400 * thickness * ratio * ratio * ratio
                                                        : 4 * ratio * ratio * ratio;
    scene->sensor_depth = scene_number(scene, SL_PARAMETER_SENSOR_DEPTH, fmin(fmax(depth, 1e-3), 50));
}

static void draw_measurement(sl_scene *scene, const sl_detector *detector, const sl_view *view,
                             sl_measurement *m) {
    *m = sl_measurement_default(detector, scene->size_px, scene->size_px);
    m->view = *view;
    m->beamstop = draw_beamstop(scene);
    sl_usual_flaws(&scene->random, m);
}

void scene_draw_instrument(sl_scene *scene, sl_measurement *measurement) {
    const sl_detector *detector = draw_detector(scene);
    sl_view view = sl_usual_view(detector, scene->size_px, &scene->random);
    draw_energy(scene, detector->pixel_m * view.scale);
    draw_beam(scene);
    draw_rotation(scene);
    find_reach(scene);
    if (scene->is_grazing) {
        bool waxs = scene->technique == SL_TECHNIQUE_GIWAXS;
        /* a small part of what the image spans, so that the horizon stays near the beam */
        double span = atan(scene->size_px * scene->geometry.pixel_m / scene->geometry.distance_m) / DEGREE;
        double incidence = scene_range(scene, 0.1, waxs ? 0.35 : fmin(0.45, 0.16 * span)) * DEGREE;
        double roll =
            (scene_chance(scene, waxs ? 0.7 : 0.9) ? 0.15 : 0.8) * sl_random_normal(&scene->random) * DEGREE;
        incidence = scene_scaled(scene, SL_PARAMETER_INCIDENCE_DEG, incidence, DEGREE);
        roll = scene_scaled(scene, SL_PARAMETER_ROLL_DEG, roll, DEGREE);
        scene->grazing = sl_grazing_of(incidence, roll);
    }
    draw_measurement(scene, detector, &view, measurement);
    draw_sensor(scene, detector);
    double level = sl_usual_level_counts(detector, &scene->random);
    scene->level_counts = scene_number(scene, SL_PARAMETER_LEVEL_COUNTS, level);
    double background = sl_usual_background(scene->technique, scene->level_counts, &scene->random);
    scene->background_counts = scene_number(scene, SL_PARAMETER_BACKGROUND_COUNTS, background);
    draw_direct_beam(scene, &measurement->beamstop);
}

static void add_streaks(sl_scene *scene) {
    bool present = scene_chance(scene, 0.22);
    if (!present && !scene_is_given(scene, SL_PARAMETER_STREAKS)) return;
    int count = (int)scene_number(scene, SL_PARAMETER_STREAKS, 1 + scene_below(scene, 2));
    double first = scene_chance(scene, 0.8) ? 0 : scene_range(scene, 0, M_PI);
    for (int k = 0; k < count; k++) {
        double height = scene_log_range(scene, 0.05, 1.5), other = height * scene_range(scene, 0.1, 1);
        double angle = first + k * M_PI / 2 + scene_range(scene, -1.5, 1.5) * DEGREE;
        double width = scene_range(scene, 1.2, 2.5), length = scene_range(scene, 0.03, 0.12);
        scene->streak[scene->streak_count++] =
            (scene_streak){.angle_rad = angle,
                           .width_px = width * fmax(1, scene->size_px / 400.0),
                           .length_px = length * scene->size_px,
                           .power = scene_range(scene, 2, 3.5),
                           .height = {height, other}};
    }
}

/* A round flight tube or window, about the beam or about the frame's middle. */
static void add_aperture(sl_scene *scene) {
    bool small_angle = scene->technique == SL_TECHNIQUE_SAXS || scene->technique == SL_TECHNIQUE_GISAXS;
    bool given = scene_is_given(scene, SL_PARAMETER_APERTURE_RADIUS_PX);
    if (!small_angle && !given) return;
    bool present = scene_chance(scene, 0.2);
    if (!present && !given) return;
    double s = scene->size_px, radius = scene_range(scene, 0.42, 0.8) * s;
    double down = scene_range(scene, -0.08, 0.08) * s, right = scene_range(scene, -0.08, 0.08) * s;
    double row = 0.5 * s, column = 0.5 * s, beam_row = scene->beam_row_px,
           beam_column = scene->beam_column_px;
    bool about_beam = scene_chance(scene, 0.6) && beam_row > 0.1 * s && beam_row < 0.9 * s &&
                      beam_column > 0.1 * s && beam_column < 0.9 * s;
    if (about_beam || scene->is_grazing) row = beam_row, column = beam_column;
    /* a sample's scattering goes up from the beam, and the window is built for it */
    if (scene->is_grazing) row -= 0.6 * radius;
    scene->aperture_radius_px = scene_number(scene, SL_PARAMETER_APERTURE_RADIUS_PX, radius);
    scene->aperture_row_px = row + down;
    scene->aperture_column_px = column + right;
    scene->aperture_pass = scene_log_range(scene, 3e-3, 0.1);
    double rim = scene_range(scene, 1.03, 1.15);
    if (scene_chance(scene, 0.35)) scene->aperture_rim_px = rim * scene->aperture_radius_px;
}

/* Part of the frame behind a holder, a slit or a tape, on the side away from the beam. */
static void add_shadow(sl_scene *scene) {
    bool present = scene_chance(scene, 0.07);
    double angle = scene_chance(scene, 0.7)
                       ? scene_below(scene, 4) * M_PI / 2 + scene_range(scene, -4, 4) * DEGREE
                       : scene_range(scene, -M_PI, M_PI);
    double loss = scene_chance(scene, 0.4) ? scene_range(scene, 0.05, 0.3) : scene_range(scene, 0.5, 0.995);
    double from = scene_range(scene, 0.2, 0.46) * scene->size_px,
           blur = scene_log_range(scene, 0.6, 6) * scene->size_px / 256;
    if (!present && !scene_is_given(scene, SL_PARAMETER_SHADOW)) return;
    double middle = 0.5 * scene->size_px, toward_beam = (scene->beam_column_px - middle) * cos(angle) +
                                                        (scene->beam_row_px - middle) * sin(angle);
    if (toward_beam > 0) angle += angle > 0 ? -M_PI : M_PI;
    scene->shadow_loss = scene_number(scene, SL_PARAMETER_SHADOW, loss);
    scene->shadow_angle_rad = scene_scaled(scene, SL_PARAMETER_SHADOW_ANGLE_DEG, angle, DEGREE);
    scene->shadow_from_px = from;
    scene->shadow_blur_px = blur;
}

/* Air, windows and slits, relative to a sample whose main feature has height 1. */
void scene_draw_parasitic(sl_scene *scene) {
    bool wide = scene->technique == SL_TECHNIQUE_WAXS || scene->technique == SL_TECHNIQUE_GIWAXS;
    double air = wide ? scene_log_range(scene, 0.01, 0.4) : scene_log_range(scene, 0.002, 0.2);
    if (scene->is_grazing)
        air *= wide && scene_chance(scene, 0.4) ? 1
                                                : 0.15; /* the stop hides the rest, unless it is far behind */
    air = scene_number(scene, SL_PARAMETER_AIR, air);
    double core_px = scene_range(scene, 2, 7) * scene->size_px / 256, power = scene_range(scene, 1.4, 3.2);
    double core = scene_log_range(scene, 0.3, 30) * (wide ? 0.3 : 1),
           reach_px = scene_range(scene, 0.15, 0.6) * scene->size_px;
    double k0 = scene->projection.k0_per_ang, pixel = scene->geometry.pixel_m / scene->geometry.distance_m;
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double q = scene->q_max_per_ang * i / (SL_SCENE_RADIAL - 1), radius = q / (k0 * pixel);
        double x = radius / core_px;
        /* pow by exp and log of one argument: the core falls as a power, air as a broad exponential */
        scene->radial[i] +=
            (float)(air * (core * exp(-0.5 * power * log1p(x * x)) + exp(-radius / reach_px)));
    }
    bool kapton = wide && scene_chance(scene, 0.12);
    if (kapton || scene_is_given(scene, SL_PARAMETER_KAPTON)) {
        double height = scene_number(scene, SL_PARAMETER_KAPTON, scene_log_range(scene, 0.004, 0.1));
        scene_add_halo(scene, scene->radial, 0.4, height, 0.05, 0.06);
    }
    add_streaks(scene);
    add_aperture(scene);
    add_shadow(scene);
}
