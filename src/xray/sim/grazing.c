/* Samples at grazing incidence: particles on and in films, ordered films, crystalline films. */
#include "xray/sim/scene.h"

#include "xray/scatter/dwba.h"
#include "xray/scatter/special.h"
#include "xray/scatter/structure_factor.h"

#include <math.h>

#define DEGREE (M_PI / 180)

/* q_parallel of a column `offset` pixels from the beam, near the horizon. */
static double q_of_offset(const sl_scene *scene, double offset_px) {
    return scene_q_of_radius(scene, offset_px);
}

static double least_q_fwhm(const sl_scene *scene) {
    return 2.3548 * 1.25 * scene->projection.k0_per_ang * scene->geometry.pixel_m /
           scene->geometry.distance_m;
}

static double sine_step(const sl_scene *scene) {
    return scene->sin_exit_max / (SL_SCENE_EXIT - 1);
}

/* How far the tables must reach, from the image's border. */
static void find_grazing_reach(sl_scene *scene) {
    double s = scene->size_px;
    for (int corner = 0; corner < 9; corner++) {
        sl_pixel pixel = sl_projection_pixel(&scene->projection, corner / 3 * s / 2, corner % 3 * s / 2);
        sl_grazing_ray ray = sl_grazing_ray_of(&scene->grazing, scene->projection.k0_per_ang, &pixel);
        scene->sin_exit_max = fmax(scene->sin_exit_max, fabs(ray.sin_exit) * 1.02);
        scene->q_parallel_max_per_ang = fmax(scene->q_parallel_max_per_ang, ray.q_parallel_per_ang * 1.02);
    }
}

/* Film, where there is one, and substrate; returns how many. */
static int layers_of(const sl_scene *scene, sl_layer layer[2]) {
    int count = 0;
    if (scene->film_thickness_ang > 0)
        layer[count++] = (sl_layer){scene->film, scene->film_thickness_ang, scene->roughness_ang};
    layer[count++] = (sl_layer){scene->substrate, 0, scene->roughness_ang};
    return count;
}

/* Amplitudes squared of the wave in the film (or at the substrate's surface), for the way in and out. */
static double wave_strength(const sl_scene *scene, double sin_alpha, double *kappa_real) {
    sl_layer layer[2];
    sl_wave wave[2];
    int count = layers_of(scene, layer);
    sl_parratt(scene->projection.k0_per_ang, sin_alpha, count, layer, wave);
    *kappa_real = creal(wave[0].kappa);
    double t = cabs(wave[0].down), r = cabs(wave[0].up);
    return t * t + (count > 1 ? 0.5 * fmin(r * r, 4) : 0);
}

static void fill_optics(sl_scene *scene) {
    double kappa_in, way_in = wave_strength(scene, scene->grazing.sin_incidence, &kappa_in), top = 0;
    for (int i = 0; i < SL_SCENE_EXIT; i++) {
        double kappa_out, strength = wave_strength(scene, i * sine_step(scene), &kappa_out);
        scene->transmission[i] = (float)(way_in * strength);
        scene->qz_inside[i] = (float)(kappa_in + kappa_out);
        top = fmax(top, way_in * strength);
    }
    for (int i = 0; i < SL_SCENE_EXIT; i++) scene->transmission[i] /= (float)top;
}

/* A real detector and beam see the exit angle through a slit of about a pixel: running mean over the tables.
 */
static void smooth_exit(const sl_scene *scene, float *table) {
    float copy[SL_SCENE_EXIT];
    double pixel = scene->geometry.pixel_m / scene->geometry.distance_m;
    int reach = (int)fmin(fmax(0.9 * pixel / sine_step(scene), 1), 200);
    double sum = 0;
    int count = 0;
    for (int i = 0; i < SL_SCENE_EXIT; i++) copy[i] = table[i];
    for (int i = 0; i < reach; i++) sum += (double)copy[i], count++;
    for (int i = 0; i < SL_SCENE_EXIT; i++) {
        if (i + reach < SL_SCENE_EXIT) sum += (double)copy[i + reach], count++;
        if (i - reach - 1 >= 0) sum -= (double)copy[i - reach - 1], count--;
        table[i] = (float)(sum / count);
    }
}

/* Indices of the words of "film" in sl_sim_parameter_word. */
enum { FILM_P3HT = 1, FILM_PENTACENE = 3, FILM_MAPBI3 = 6, FILMS_DRAWN = 4, FILM_ANY = -1 };

/* Returns the film, where there is one. */
static int draw_layers(sl_scene *scene, bool has_film, int film) {
    find_grazing_reach(scene);
    int substrate = scene_word(scene, SL_PARAMETER_SUBSTRATE, scene_chance(scene, 0.8) ? 0 : 1);
    scene->substrate =
        sl_refraction_of(sl_sim_parameter_word(SL_PARAMETER_SUBSTRATE, substrate), scene->energy_kev);
    if (has_film) {
        if (film == FILM_ANY) film = scene_below(scene, FILMS_DRAWN);
        film = scene_word(scene, SL_PARAMETER_FILM, film);
        scene->film = sl_refraction_of(sl_sim_parameter_word(SL_PARAMETER_FILM, film), scene->energy_kev);
        scene->film_thickness_ang =
            scene_number(scene, SL_PARAMETER_FILM_THICKNESS_ANG, scene_log_range(scene, 200, 3000));
    }
    scene->roughness_ang = scene_number(scene, SL_PARAMETER_ROUGHNESS_ANG, scene_log_range(scene, 1, 40));
    fill_optics(scene);
    smooth_exit(scene, scene->transmission);
    scene->below_horizon =
        scene_chance(scene, 0.25) ? scene_log_range(scene, 0.01, 0.2) : scene_log_range(scene, 1e-5, 1e-2);
    scene->below_horizon = scene_number(scene, SL_PARAMETER_BELOW_HORIZON, scene->below_horizon);
    scene->air_below = scene_range(scene, 0.1, 0.7);
    /* the sample's length and the beam's height: its edge rises over one pixel to some */
    scene->horizon_blur =
        scene_log_range(scene, 0.8, 5) * scene->geometry.pixel_m / scene->geometry.distance_m;
    return film;
}

/* Diffuse scattering of rough surfaces, the specular rod, the specular spot. Heights relative to the main
 * feature. */
static void draw_surface(sl_scene *scene, double diffuse_low, double diffuse_high, double rod_high) {
    double k0 = scene->projection.k0_per_ang, pixel = scene->geometry.pixel_m / scene->geometry.distance_m;
    double diffuse =
        scene_number(scene, SL_PARAMETER_DIFFUSE, scene_log_range(scene, diffuse_low, diffuse_high));
    double cut = q_of_offset(scene, scene_log_range(scene, 8, 90) * scene->size_px / 256),
           power = scene_range(scene, 0.6, 1.5);
    /* what a rough or inhomogeneous film scatters in all directions: the veil above the horizon */
    double veil = scene_log_range(scene, 0.003, 0.12),
           veil_reach = scene_range(scene, 0.2, 0.8) * scene->q_max_per_ang;
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double x = scene->q_max_per_ang * i / (SL_SCENE_RADIAL - 1) / veil_reach;
        scene->sample[i] += (float)(veil * exp(-log1p(x * x)));
    }
    double rod = scene_number(scene, SL_PARAMETER_ROD, scene_log_range(scene, 0.02 * rod_high, rod_high));
    double width = scene_range(scene, 1.25, 2.6) * fmax(1, scene->size_px / 300.0) * k0 * pixel,
           tail = scene_range(scene, 0, 0.6);
    double step = scene->q_parallel_max_per_ang / (SL_SCENE_RADIAL - 1);
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double q = i * step, x = q / cut;
        scene->diffuse_in_plane[i] = (float)(diffuse * exp(-power * log1p(x * x)));
        double u = q / width;
        scene->rod_in_plane[i] = (float)(rod * ((1 - tail) * exp(-u * u / 2) + tail / (1 + u * u)));
    }
    double critical = sl_critical_angle_rad(scene->film_thickness_ang > 0 ? scene->film : scene->substrate);
    double fall = scene_range(scene, 1.2, 3), visibility = 0;
    if (scene->film_thickness_ang > 0 && scene_chance(scene, 0.4))
        visibility = scene_range(scene, 0.05, 0.35);
    double fringe_ang = fmin(scene->film_thickness_ang, 500),
           fade = scene_range(scene, 0.1, 0.7) * scene->sin_exit_max;
    for (int i = 0; i < SL_SCENE_EXIT; i++) {
        double alpha = i * sine_step(scene), x = alpha / (critical + scene->grazing.incidence_rad);
        /* roughness and divergence leave fewer and fewer of the fringes */
        double fringe = 1 + visibility * exp(-alpha / fade) * cos(2 * k0 * alpha * fringe_ang);
        scene->rod_profile[i] =
            (float)((0.1 + (double)scene->transmission[i]) * fringe * exp(-0.5 * fall * log1p(x * x)));
    }
    smooth_exit(scene, scene->rod_profile);
    double unit = fmax(1, scene->size_px / 256.0);
    scene->specular_height = rod * scene_log_range(scene, 0.3, 8);
    scene->specular_sigma_px[0] = unit * scene_range(scene, 1.2, 2);
    scene->specular_sigma_px[1] = unit * scene_range(scene, 1.2, 2.6);
}

/* Amplitude of a sphere by table, since it is needed some hundred thousand times. */
enum { SPHERE_TABLE = 2048 };
static const double sphere_reach = 80;
static void sphere_table(float *table) {
    for (int i = 0; i < SPHERE_TABLE; i++)
        table[i] = (float)sl_sphere_amplitude(i * sphere_reach / (SPHERE_TABLE - 1));
}
static double sphere_lookup(const float *table, double x) {
    return (double)sl_table_linear(table, SPHERE_TABLE, (float)(x * ((SPHERE_TABLE - 1) / sphere_reach)));
}

typedef struct particle {
    bool sphere, buried;
    double radius_ang, height_ang, spread;
    double depth_low_ang, depth_high_ang; /* of the middles of buried ones */
} particle;

/* Adds |A|^2 of one size of islands to the grid; rows over the exit angle, columns over q_parallel. */
static void add_size(sl_scene *scene, const particle *p, const float *sphere, double radius, double weight) {
    double k0 = scene->projection.k0_per_ang, si = scene->grazing.sin_incidence,
           volume = radius * radius * (p->sphere ? radius : p->height_ang * radius / p->radius_ang);
    double middle = p->sphere ? radius : p->height_ang / 2, scale = weight * volume * volume,
           in_plane[SL_SCENE_GRID_Q], q[SL_SCENE_GRID_Q];
    for (int j = 0; j < SL_SCENE_GRID_Q; j++) {
        q[j] = scene->q_parallel_max_per_ang * j / (SL_SCENE_GRID_Q - 1);
        in_plane[j] = p->sphere ? 1 : sl_disc_amplitude(q[j] * radius);
    }
    for (int i = 0; i < SL_SCENE_GRID_EXIT; i++) {
        double sf = scene->sin_exit_max * i / (SL_SCENE_GRID_EXIT - 1);
        double complex w[2] = {1, 0};
        double plus = k0 * (sf + si), minus = k0 * (sf - si);
        sl_island_weights(k0, si, sf, middle, scene->substrate, scene->roughness_ang, w);
        double a2 = creal(w[0]) * creal(w[0]) + cimag(w[0]) * cimag(w[0]);
        double b2 = creal(w[1]) * creal(w[1]) + cimag(w[1]) * cimag(w[1]);
        double cross = 2 * (creal(w[0]) * creal(w[1]) + cimag(w[0]) * cimag(w[1]));
        double column_plus = sl_sinc(plus * p->height_ang / 2),
               column_minus = sl_sinc(minus * p->height_ang / 2);
        float *row = scene->grid + (size_t)i * SL_SCENE_GRID_Q;
        for (int j = 0; j < SL_SCENE_GRID_Q; j++) {
            double f = p->sphere ? sphere_lookup(sphere, radius * sqrt(q[j] * q[j] + plus * plus))
                                 : in_plane[j] * column_plus;
            double g = b2 <= 0     ? 0
                       : p->sphere ? sphere_lookup(sphere, radius * sqrt(q[j] * q[j] + minus * minus))
                                   : in_plane[j] * column_minus;
            row[j] += (float)(scale * (a2 * f * f + b2 * g * g + cross * f * g));
        }
    }
}

/* The waves that buried particles meet, for the exit angles of one row of the grid: a film's standing waves
 * vary within a row and over the depths. */
static sl_dwba_mean film_waves(const sl_scene *scene, const particle *p, const sl_wave *in, double row) {
    enum { ANGLES = 8, DEPTHS = 9 };
    double k0 = scene->projection.k0_per_ang;
    sl_layer stack[2];
    int layers = layers_of(scene, stack);
    sl_dwba_waves waves[ANGLES * DEPTHS];
    for (int a = 0; a < ANGLES; a++) {
        sl_wave out[2];
        double at = (row + (a + 0.5) / ANGLES - 0.5) / (SL_SCENE_GRID_EXIT - 1);
        sl_parratt(k0, at * scene->sin_exit_max, layers, stack, out);
        for (int d = 0; d < DEPTHS; d++) {
            double share = (double)d / (DEPTHS - 1);
            waves[a * DEPTHS + d] = sl_dwba_waves_in(
                in, &out[0], p->depth_low_ang + share * (p->depth_high_ang - p->depth_low_ang));
        }
    }
    sl_dwba_mean mean = sl_dwba_mean_of(ANGLES * DEPTHS, waves);
    /* real arguments are faster, and absorption within a particle is seen only in evanescent waves */
    for (int k = 0; k < 2; k++)
        if (fabs(cimag(mean.qz[k])) * p->radius_ang < 2e-3) mean.qz[k] = creal(mean.qz[k]);
    return mean;
}

/* The same for one size of particles in a film. */
static void add_buried_size(sl_scene *scene, const particle *p, const sl_dwba_mean *rows, double radius,
                            double weight) {
    const sl_dwba_particle one = {p->sphere ? SL_DWBA_SPHEROID : SL_DWBA_CYLINDER, radius,
                                  p->sphere ? 2 * radius : p->height_ang * radius / p->radius_ang, 0};
    for (int i = 0; i < SL_SCENE_GRID_EXIT; i++) {
        float *row = scene->grid + (size_t)i * SL_SCENE_GRID_Q;
        for (int j = 0; j < SL_SCENE_GRID_Q; j++) {
            double q = scene->q_parallel_max_per_ang * j / (SL_SCENE_GRID_Q - 1);
            row[j] += (float)(weight * sl_dwba_square_mean(&rows[i], &one, q));
        }
    }
}

static void fill_grid(sl_scene *scene, const particle *p) {
    enum { SIZES = 7 };
    float sphere[SPHERE_TABLE], top = 0;
    sl_dwba_mean rows[SL_SCENE_GRID_EXIT];
    sphere_table(sphere);
    scene->grid = SL_NEW(scene->arena, float, SL_SCENE_GRID_EXIT *SL_SCENE_GRID_Q);
    if (p->buried) {
        sl_layer stack[2];
        sl_wave in[2];
        sl_parratt(scene->projection.k0_per_ang, scene->grazing.sin_incidence, layers_of(scene, stack), stack,
                   in);
        for (int i = 0; i < SL_SCENE_GRID_EXIT; i++) rows[i] = film_waves(scene, p, &in[0], i);
    }
    for (int k = 0; k < SIZES; k++) {
        double t = -2.4 + 4.8 * k / (SIZES - 1);
        double radius = p->radius_ang * exp(t * p->spread), weight = exp(-t * t / 2);
        /* |A|^2 of large volumes overflows floats */
        if (p->buried)
            add_buried_size(scene, p, rows, radius, weight / pow(p->radius_ang, 6));
        else
            add_size(scene, p, sphere, radius, weight * p->radius_ang);
    }
    for (int k = 0; k < SL_SCENE_GRID_EXIT * SL_SCENE_GRID_Q; k++) top = fmaxf(top, scene->grid[k]);
    for (int k = 0; k < SL_SCENE_GRID_EXIT * SL_SCENE_GRID_Q; k++) scene->grid[k] /= top;
}

/* Indices of the words of "arrangement". */
enum { ARRANGED_RADIAL, ARRANGED_SQUARE, ARRANGED_HEXAGONAL };

/* Angle between neighbours' directions. */
static double arrangement_angle(int arrangement) {
    return arrangement == ARRANGED_SQUARE ? M_PI / 2 : M_PI / 3;
}

/* A plane's paracrystal takes an average over directions: at fewer points, by cubics between them. */
static void fill_in_plane(sl_scene *scene, int arrangement, double distance_ang, double spread,
                          double damping, double strength) {
    enum { COARSE = 256 };
    float coarse[COARSE];
    double sigma = spread * distance_ang, reach = damping * distance_ang;
    bool plane = arrangement != ARRANGED_RADIAL && distance_ang > 0;
    for (int i = 0; plane && i < COARSE; i++)
        coarse[i] =
            (float)sl_structure_plane_paracrystal(scene->q_parallel_max_per_ang * i / (COARSE - 1),
                                                  distance_ang, arrangement_angle(arrangement), sigma, reach);
    /* straight through the beam the damped lattice is one bright line, behind the stop and under the rod */
    for (int i = 0; plane && i < COARSE; i++) coarse[i] = fminf(coarse[i], 12);
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double at = (double)i / (SL_SCENE_RADIAL - 1), q = scene->q_parallel_max_per_ang * at, s = 1;
        if (plane)
            s = fmax(sl_table_cubic(coarse, COARSE, at * (COARSE - 1)), 0);
        else if (distance_ang > 0)
            s = sl_structure_radial_paracrystal(q, distance_ang, sigma, reach);
        scene->in_plane[i] = (float)(1 + strength * (s - 1));
    }
}

/* Particles all through the film, or in one layer of it. */
static void draw_depths(sl_scene *scene, particle *p) {
    double film = scene->film_thickness_ang, half = p->sphere ? p->radius_ang : p->height_ang / 2;
    double place = scene_range(scene, 0, 1);
    half = fmin(half, film / 2);
    p->depth_low_ang = half;
    p->depth_high_ang = film - half;
    if (scene_chance(scene, 0.5)) {
        double middle = half + place * (film - 2 * half), spread = 0.03 * film;
        p->depth_low_ang = fmax(middle - spread, half);
        p->depth_high_ang = fmin(middle + spread, film - half);
    }
    p->depth_low_ang = scene_number(scene, SL_PARAMETER_DEPTH_LOW_ANG, p->depth_low_ang);
    p->depth_high_ang =
        fmax(scene_number(scene, SL_PARAMETER_DEPTH_HIGH_ANG, p->depth_high_ang), p->depth_low_ang);
}

/* Shape and size; buried ones fit into the film. */
static particle draw_particle(sl_scene *scene) {
    particle p = {.buried = scene_flag(scene, SL_PARAMETER_BURIED, scene_chance(scene, 0.45))};
    p.sphere = scene_word(scene, SL_PARAMETER_PARTICLE, scene_chance(scene, 0.55)) != 0;
    draw_layers(scene, p.buried, FILM_ANY);
    double radius = 4.2 / q_of_offset(scene, scene_log_range(scene, 22, 150) * scene->size_px / 256);
    double heights = p.sphere ? 0 : scene_range(scene, 0.6, 2.5), spread = scene_log_range(scene, 0.05, 0.3);
    if (p.buried)
        radius *= fmin(1, 0.45 * scene->film_thickness_ang / (p.sphere ? radius : radius * heights / 2));
    p.radius_ang = scene_number(scene, SL_PARAMETER_RADIUS_ANG, radius);
    p.height_ang = scene_number(scene, SL_PARAMETER_HEIGHT_ANG, p.radius_ang * heights);
    p.spread = scene_number(scene, SL_PARAMETER_SIZE_SPREAD, spread);
    if (p.buried) draw_depths(scene, &p);
    return p;
}

sl_status scene_draw_particles(sl_scene *scene) {
    particle p = draw_particle(scene);
    fill_grid(scene, &p);
    bool ordered = scene_chance(scene, 0.75);
    double distance =
        ordered ? 2 * M_PI / q_of_offset(scene, scene_log_range(scene, 12, 60) * scene->size_px / 256) : 0;
    distance = scene_number(scene, SL_PARAMETER_DISTANCE_ANG, distance);
    double spread = scene_number(scene, SL_PARAMETER_DISTANCE_SPREAD, scene_log_range(scene, 0.08, 0.35));
    double damping = scene_log_range(scene, 3, 30);
    int arrangement = scene_chance(scene, 0.3) ? 1 + scene_below(scene, 2) : ARRANGED_RADIAL;
    arrangement = scene_word(scene, SL_PARAMETER_ARRANGEMENT, arrangement);
    fill_in_plane(scene, arrangement, distance, spread, damping, scene_range(scene, 0.6, 1));
    if (distance > 0) {
        double row = arrangement == ARRANGED_RADIAL ? 1 : sin(arrangement_angle(arrangement));
        scene->peak_q_per_ang = 2 * M_PI / (distance * row);
        scene->peak_fwhm_per_ang = scene->peak_q_per_ang * fmin(0.9, 12 * spread * spread + 0.12);
    }
    draw_surface(scene, 0.01, 0.4, 1);
    return SL_OK;
}

scene_rod *scene_add_rod(sl_scene *scene, double q, double fwhm, double lorentz) {
    if (scene->rod_count >= SL_SCENE_RODS || q >= scene->q_parallel_max_per_ang) return NULL;
    scene_rod *rod = &scene->rod[scene->rod_count++];
    *rod = (scene_rod){q, hypot(fwhm, least_q_fwhm(scene)), lorentz,
                       SL_NEW(scene->arena, float, SL_SCENE_EXIT), false};
    return rod;
}

/* Standing cylinders or lines: rods whose heights follow the film's thickness, averaged over a spread of it.
 */
static void fill_standing_profile(const sl_scene *scene, double height_ang, double spread, double strength,
                                  float *profile) {
    for (int i = 0; i < SL_SCENE_EXIT; i++) {
        double sum = 0;
        for (int k = -2; k <= 2; k++) {
            double f = sl_sinc((double)scene->qz_inside[i] * height_ang * (1 + 0.7 * spread * k) / 2);
            sum += f * f * (k == 0 ? 0.4 : k == 1 || k == -1 ? 0.24 : 0.06);
        }
        profile[i] = (float)(strength * (double)scene->transmission[i] * (sum + 0.01));
    }
}

static void draw_standing_rods(sl_scene *scene, double q_first) {
    bool lines = scene_chance(scene, 0.45);
    double height = scene_number(scene, SL_PARAMETER_HEIGHT_ANG, scene_log_range(scene, 100, 900)),
           spread = scene_log_range(scene, 0.03, 0.3);
    double disorder = scene_number(scene, SL_PARAMETER_DISORDER, scene_log_range(scene, 0.01, 0.09));
    double share = scene_log_range(scene, 0.01, 0.12), lorentz = scene_range(scene, 0, 0.8);
    double form = scene_range(scene, 0.2, 0.42) * 2 * M_PI / q_first;
    sl_cell cell = lines ? sl_cell_cubic(2 * M_PI / q_first, SL_LATTICE_LAMELLAR)
                         : sl_cell_hexagonal(4 * M_PI / (sqrt(3) * q_first), 1, SL_LATTICE_HEXAGONAL_2D);
    sl_reflection reflection[20];
    int count =
        sl_lattice_reflections(&cell, NULL, SL_MERGE_POWDER, scene->q_parallel_max_per_ang, 20, reflection);
    double first = 0;
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, x = q / q_first,
               f = lines ? sl_sinc(q * form / 1.4) : sl_disc_amplitude(q * form);
        double blur = 2 * M_PI * disorder * x;
        double strength =
            reflection[i].multiplicity * (f * f + 0.01) * exp(-blur * blur / 2) / (lines ? 1 : x);
        if (i == 0) first = strength;
        if (strength < 1e-3 * first) continue;
        scene_rod *rod =
            scene_add_rod(scene, q, q_first * (share + 6 * disorder * disorder * x * x), lorentz);
        if (rod) fill_standing_profile(scene, height, spread, strength / first, rod->profile);
    }
    scene->tag = lines ? "line pattern" : "hexagonal";
}

/* Sine of the exit angle whose wave has kappa inside the film. */
static double sine_of_kappa(const sl_scene *scene, double kappa) {
    double k0 = scene->projection.k0_per_ang;
    return sqrt(kappa * kappa / (k0 * k0) + 2 * scene->film.delta);
}

static void add_exit_peak(const sl_scene *scene, float *profile, double sine, double sigma, double height) {
    int first = (int)fmax(0, (sine - 4 * sigma) / sine_step(scene)),
        last = (int)fmin(SL_SCENE_EXIT - 1, (sine + 4 * sigma) / sine_step(scene));
    for (int i = first; i <= last; i++) {
        double x = (i * sine_step(scene) - sine) / sigma;
        profile[i] += (float)(height * (0.15 + (double)scene->transmission[i]) * exp(-x * x / 2));
    }
}

/* A lattice of three dimensions, a powder in the plane: each reflection twice, by the incoming and its
 * reflected wave. */
static void draw_bragg_rods(sl_scene *scene, double q_first) {
    static const sl_lattice_rule rules[] = {SL_LATTICE_BODY, SL_LATTICE_FACE, SL_LATTICE_CLOSE_PACKED,
                                            SL_LATTICE_PRIMITIVE};
    static const int axes[3][3] = {{0, 0, 1}, {1, 1, 0}, {1, 1, 1}};
    sl_lattice_rule rule =
        (sl_lattice_rule)scene_word(scene, SL_PARAMETER_LATTICE, (int)rules[scene_below(scene, 4)]);
    double a = 2 * M_PI *
               (rule == SL_LATTICE_BODY                                 ? sqrt(2)
                : rule == SL_LATTICE_FACE || rule == SL_LATTICE_DIAMOND ? sqrt(3)
                : rule == SL_LATTICE_GYROID                             ? sqrt(6)
                                                                        : 1) /
               q_first;
    bool hexagonal = rule == SL_LATTICE_CLOSE_PACKED || rule == SL_LATTICE_HEXAGONAL_2D;
    sl_cell cell = hexagonal ? sl_cell_hexagonal(a, 1.63 * a, rule) : sl_cell_cubic(a, rule);
    const int *axis = axes[hexagonal ? 0 : scene_below(scene, 3)];
    sl_reflection reflection[60];
    int count = sl_lattice_reflections(
        &cell, axis, SL_MERGE_FIBRE,
        hypot(scene->q_parallel_max_per_ang, scene->projection.k0_per_ang * scene->sin_exit_max), 60,
        reflection);
    double disorder = scene_number(scene, SL_PARAMETER_DISORDER, scene_log_range(scene, 0.01, 0.07));
    double share = scene_log_range(scene, 0.01, 0.08), lorentz = scene_range(scene, 0, 0.7);
    double pixel = scene->geometry.pixel_m / scene->geometry.distance_m, k0 = scene->projection.k0_per_ang;
    double sigma = hypot(1.25 * pixel, scene_log_range(scene, 0.005, 0.06) * q_first / k0),
           second = scene_range(scene, 0.2, 0.9);
    double form = scene_range(scene, 0.2, 0.38) * a, kappa_in = (double)scene->qz_inside[0],
           truncation = scene_log_range(scene, 0.005, 0.15);
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, across = q * sin(reflection[i].psi_rad),
               up = q * cos(reflection[i].psi_rad), x = q / q_first;
        if (across < 0.05 * q_first) continue;
        double f = sl_sphere_amplitude(q * form), blur = 2 * M_PI * disorder * x;
        double strength = reflection[i].multiplicity * (f * f + 0.01) * exp(-blur * blur / 2) /
                          fmax(across / q_first, 0.3) / 4;
        scene_rod *rod = NULL;
        for (int k = 0; k < scene->rod_count; k++)
            if (fabs(scene->rod[k].q_per_ang - across) < 1e-3 * q_first) rod = &scene->rod[k];
        if (!rod)
            rod = scene_add_rod(scene, across, q_first * (share + 6 * disorder * disorder * x * x), lorentz);
        if (!rod) continue;
        rod->has_peaks = true;
        if (up > kappa_in)
            add_exit_peak(scene, rod->profile, sine_of_kappa(scene, up - kappa_in), sigma, strength);
        add_exit_peak(scene, rod->profile, sine_of_kappa(scene, up + kappa_in), sigma, strength * second);
        for (int k = 0; k < SL_SCENE_EXIT; k++)
            rod->profile[k] += (float)(strength * truncation) * scene->transmission[k];
    }
    scene->tag = hexagonal ? "hexagonal" : "cubic";
}

/* Layers along the surface, or grains that lie any way: rings and arcs about the surface normal. */
static void draw_film_rings(sl_scene *scene, double q_first) {
    bool lamellar = scene_chance(scene, 0.6);
    double sigma = scene_log_range(scene, 2, 30) * DEGREE,
           isotropic =
               scene_chance(scene, 0.35) ? scene_range(scene, 0.5, 1) : scene_log_range(scene, 0.005, 0.2);
    sigma = scene_scaled(scene, SL_PARAMETER_TEXTURE_SIGMA_DEG, sigma, DEGREE);
    isotropic = scene_number(scene, SL_PARAMETER_ISOTROPIC, isotropic);
    double share = scene_log_range(scene, 0.015, 0.15), lorentz = scene_range(scene, 0, 0.7),
           disorder = scene_log_range(scene, 0.01, 0.08);
    double form = scene_range(scene, 0.2, 0.4) * 2 * M_PI / q_first;
    sl_cell cell = lamellar ? sl_cell_cubic(2 * M_PI / q_first, SL_LATTICE_LAMELLAR)
                            : sl_cell_hexagonal(4 * M_PI / (sqrt(3) * q_first), 1, SL_LATTICE_HEXAGONAL_2D);
    const int layer[3] = {0, 0, 1}, lying[3] = {1, 0, 0};
    sl_reflection reflection[24];
    int count = sl_lattice_reflections(&cell, lamellar ? layer : lying, SL_MERGE_FIBRE, scene->q_max_per_ang,
                                       24, reflection);
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, x = q / q_first,
               f = lamellar ? sl_sinc(q * form / 1.3) : sl_disc_amplitude(q * form);
        double blur = 2 * M_PI * disorder * x,
               height = reflection[i].multiplicity * (f * f + 0.01) * exp(-blur * blur / 2) / (x * x) / 2;
        double fwhm = scene_fwhm(scene, q, q_first * (share + 6 * disorder * disorder * x * x));
        if (height < 1e-3) continue;
        scene_set_fibre(scene, scene_add_ring(scene, q, height * fwhm, fwhm, lorentz), reflection[i].psi_rad,
                        sigma, isotropic);
    }
    scene->axis[0] = scene->axis[1] = 0;
    scene->axis[2] = 1;
    scene->tag = lamellar ? "lamellar" : "hexagonal";
}

sl_status scene_draw_film_lattice(sl_scene *scene) {
    enum { ORDER_GRATING = 3 }; /* in the order of the words of "order" */
    static void (*const orders[])(sl_scene *, double) = {draw_standing_rods, draw_bragg_rods, draw_film_rings,
                                                         scene_draw_grating};
    draw_layers(scene, true, FILM_ANY);
    double kind = scene_range(scene, 0, 1);
    int order = scene_word(scene, SL_PARAMETER_ORDER,
                           kind < 0.35   ? 0
                           : kind < 0.65 ? 1
                           : kind < 0.85 ? 2
                                         : ORDER_GRATING);
    /* gratings are coarse: many orders fit between beam and horizon */
    double first_px = order == ORDER_GRATING ? scene_log_range(scene, 5, 18) : scene_log_range(scene, 16, 60);
    double q_first = q_of_offset(scene, first_px * scene->size_px / 256);
    double spacing = scene_number(scene, SL_PARAMETER_SPACING_ANG, 2 * M_PI / q_first);
    if (scene_is_given(scene, SL_PARAMETER_SPACING_ANG)) q_first = 2 * M_PI / spacing;
    orders[order](scene, q_first);
    draw_surface(scene, 0.01, 0.3, 1.5);
    return SL_OK;
}

static void add_film_ring(sl_scene *scene, double q, double height, double fwhm, double psi, double sigma,
                          double isotropic) {
    fwhm = scene_fwhm(scene, q, fwhm);
    scene_set_fibre(scene, scene_add_ring(scene, q, height * fwhm, fwhm, 0.3), psi, sigma, isotropic);
}

/* Conjugated polymer: lamellar stacking, pi stacking, edge-on or face-on, amorphous halo. */
static void draw_polymer_film(sl_scene *scene) {
    double lamella = 2 * M_PI / scene_range(scene, 14, 26), stack = 2 * M_PI / scene_range(scene, 3.5, 3.9);
    lamella = scene_number(scene, SL_PARAMETER_LAMELLA_PER_ANG, lamella);
    stack = scene_number(scene, SL_PARAMETER_STACK_PER_ANG, stack);
    double sigma = scene_log_range(scene, 3, 22) * DEGREE, isotropic = scene_log_range(scene, 0.02, 0.4),
           edge_on = scene_range(scene, 0, 1);
    double width = scene_range(scene, 0.02, 0.07), falling = scene_range(scene, 0.12, 0.5);
    edge_on = edge_on < 0.45 ? 1 : edge_on < 0.7 ? 0 : edge_on;
    edge_on = scene_number(scene, SL_PARAMETER_EDGE_ON, edge_on);
    sigma = scene_scaled(scene, SL_PARAMETER_TEXTURE_SIGMA_DEG, sigma, DEGREE);
    for (int order = 1; order <= 3; order++) {
        double height = pow(falling, order - 1) * 1.5;
        if (edge_on > 0.05)
            add_film_ring(scene, order * lamella, edge_on * height, width * (1 + 0.3 * order), 0, sigma,
                          isotropic);
        if (edge_on < 0.95)
            add_film_ring(scene, order * lamella, (1 - edge_on) * height, width * (1 + 0.3 * order), M_PI / 2,
                          sigma, isotropic);
    }
    double pi_height = scene_log_range(scene, 0.08, 0.6);
    if (edge_on > 0.05)
        add_film_ring(scene, stack, edge_on * pi_height, 0.1, M_PI / 2, sigma * 1.3, isotropic);
    if (edge_on < 0.95)
        add_film_ring(scene, stack, (1 - edge_on) * pi_height, 0.1, 0, sigma * 1.3, isotropic);
    scene->tag = "polymer film";
}

static void draw_perovskite_film(sl_scene *scene) {
    static const char *const ids[] = {"perovskite", "cspbbr3"};
    static const int axes[2][3] = {{1, 0, 0}, {1, 1, 0}};
    const sl_material *m = scene_pick_material(scene, ids, 2);
    double sigma = scene_log_range(scene, 4, 35) * DEGREE,
           isotropic =
               scene_chance(scene, 0.4) ? scene_range(scene, 0.5, 1) : scene_log_range(scene, 0.03, 0.5);
    sigma = scene_scaled(scene, SL_PARAMETER_TEXTURE_SIGMA_DEG, sigma, DEGREE);
    isotropic = scene_number(scene, SL_PARAMETER_ISOTROPIC, isotropic);
    double width = scene_log_range(scene, 0.008, 0.04);
    sl_reflection reflection[40];
    int count = sl_lattice_reflections(&m->cell, axes[scene_below(scene, 2)], SL_MERGE_FIBRE,
                                       scene->q_max_per_ang, 40, reflection);
    double q_line = 0;
    int line = -1;
    for (int i = 0; i < count; i++) {
        if (reflection[i].q_per_ang > q_line * 1.0001) q_line = reflection[i].q_per_ang, line++;
        double height = line < SL_MATERIAL_LINES && m->intensity[line] > 0 ? m->intensity[line] / 100 : 0.05;
        add_film_ring(scene, q_line, height * reflection[i].multiplicity / 6, width, reflection[i].psi_rad,
                      sigma, isotropic);
    }
    if (scene_chance(scene, 0.35))
        add_film_ring(scene, 0.9, scene_log_range(scene, 0.03, 0.6), width, 0, sigma, 0.3);
    if (scene_chance(scene, 0.3)) { /* layered phases below the first line */
        double layer = scene_range(scene, 0.24, 0.3);
        for (int n = 1; n <= 3; n++) add_film_ring(scene, layer * n, 0.5 / n, width, 0, sigma * 0.4, 0.05);
    }
    scene->tag = "perovskite film";
}

/* Small molecules that stand on the substrate: many sharp spots. */
static void draw_molecular_film(sl_scene *scene) {
    double a = scene_range(scene, 5.5, 8.5), b = scene_range(scene, 6.5, 10), c = scene_range(scene, 12, 22);
    c = scene_number(scene, SL_PARAMETER_C_ANG, c);
    double alpha = scene_range(scene, 76, 100) * DEGREE, beta = scene_range(scene, 80, 104) * DEGREE,
           gamma = scene_range(scene, 84, 96) * DEGREE;
    sl_cell cell = {a, b, c, alpha, beta, gamma, SL_LATTICE_PRIMITIVE};
    const int up[3] = {0, 0, 1};
    double sigma = scene_log_range(scene, 0.8, 5) * DEGREE, isotropic = scene_log_range(scene, 0.005, 0.1),
           width = scene_log_range(scene, 0.008, 0.03);
    sigma = scene_scaled(scene, SL_PARAMETER_TEXTURE_SIGMA_DEG, sigma, DEGREE);
    sl_reflection reflection[52];
    int count =
        sl_lattice_reflections(&cell, up, SL_MERGE_FIBRE, fmin(scene->q_max_per_ang, 2.4), 52, reflection);
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, u = scene_range(scene, 0, 1),
               height = u * u * u * exp(-0.35 * q * q);
        bool layer = reflection[i].h == 0 && reflection[i].k == 0;
        if (layer) height = 2 * exp(-0.6 * (reflection[i].l < 0 ? -reflection[i].l : reflection[i].l));
        if (height > 0.002)
            add_film_ring(scene, q, height * sigma * (layer ? 2 : 6), width, reflection[i].psi_rad, sigma,
                          isotropic);
    }
    scene->tag = "molecular film";
}

sl_status scene_draw_film_crystals(sl_scene *scene) {
    double kind = scene_range(scene, 0, 1);
    if (kind < 0.75) scene_draw_march(scene, 0.15);
    int film = draw_layers(scene, true, kind < 0.4 ? FILM_P3HT : kind < 0.75 ? FILM_MAPBI3 : FILM_PENTACENE);
    if (film == FILM_MAPBI3)
        draw_perovskite_film(scene);
    else if (film == FILM_PENTACENE)
        draw_molecular_film(scene);
    else
        draw_polymer_film(scene);
    bool halo = scene_chance(scene, kind < 0.4 ? 0.9 : 0.5);
    if (halo || scene_is_given(scene, SL_PARAMETER_HALO_PER_ANG)) {
        double q = scene_number(scene, SL_PARAMETER_HALO_PER_ANG, scene_range(scene, 1.25, 1.6)),
               height = scene_chance(scene, 0.35) ? scene_log_range(scene, 0.3, 1.5)
                                                  : scene_log_range(scene, 0.02, 0.3),
               low = scene_range(scene, 0.4, 0.7), high = scene_range(scene, 0.5, 0.9);
        scene_add_halo(scene, scene->sample, q, height, low, high);
    }
    scene->axis[0] = scene->axis[1] = 0;
    scene->axis[2] = 1;
    draw_surface(scene, 0.003, 0.08, 1);
    return SL_OK;
}
