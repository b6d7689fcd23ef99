/* What a simulated image is made of, between the random draws and the pixels. Internal to the simulator.
 *
 * Intensities are relative: a scene is scaled to its count level after rendering. Tables over q run evenly
 * from 0 to q_max; tables over the exit angle run evenly in its sine from 0 to sin_exit_max. */
#ifndef SL_XRAY_SIM_SCENE_H
#define SL_XRAY_SIM_SCENE_H

#include "base/random/random.h"
#include "xray/scatter/lattice.h"
#include "xray/scatter/material.h"
#include "xray/simulate.h"

enum {
    SL_SCENE_RADIAL = 4096,  /* points of tables over q */
    SL_SCENE_AXIS = 364,     /* points over the angle to the texture axis, 0 to pi/2 */
    SL_SCENE_AZIMUTH = 2880, /* points over the pixel's azimuth, 0 to 2 pi */
    SL_SCENE_EXIT = 2048,    /* points over the sine of the exit angle */
    SL_SCENE_RINGS = 128,
    SL_SCENE_SPOTS = 160,
    SL_SCENE_RODS = 24,
    SL_SCENE_GRID_Q = 96,
    SL_SCENE_GRID_EXIT = 256,
};

/* One reflection of a powder or fibre: a pseudo-Voigt over q of the given area, spread over directions. */
typedef struct scene_ring {
    double q_per_ang, area, fwhm_per_ang, lorentz;
    double isotropic;          /* fraction without texture */
    double psi_rad, sigma_rad; /* fibre texture about the scene's axis; sigma 0: none */
    float *axis_table;         /* SL_SCENE_AXIS, NULL without */
    float *azimuth_table;      /* SL_SCENE_AZIMUTH, NULL without */
} scene_ring;

/* A broad maximum over q that is part of a table. */
typedef struct scene_halo {
    double q_per_ang, fwhm_per_ang;
} scene_halo;

typedef struct scene_spot {
    double row_px, column_px, radial_px,
        across_px; /* Gaussian widths along and across the line to the beam */
    double height, q_per_ang;
} scene_spot;

/* A vertical rod at one in-plane q: a pseudo-Voigt across, a profile along the exit angle. */
typedef struct scene_rod {
    double q_per_ang, fwhm_per_ang, lorentz;
    float *profile; /* SL_SCENE_EXIT */
    bool has_peaks; /* the profile is made of Bragg peaks */
} scene_rod;

typedef struct scene_streak {
    double angle_rad, width_px, length_px, power, height[2]; /* the two arms */
} scene_streak;

typedef struct sl_scene {
    sl_random random;
    sl_sim_class class_id;
    sl_sim_domain domain;
    sl_technique technique;
    int32_t size_px;
    double energy_kev;
    sl_geometry geometry; /* of the image's pixels */
    sl_projection projection;
    double beam_row_px, beam_column_px;
    double q_max_per_ang; /* just beyond the farthest corner */
    double radius_max_px; /* the farthest corner from the beam */

    float radial[SL_SCENE_RADIAL];    /* around the beam: air, windows */
    float sample[SL_SCENE_RADIAL];    /* of the sample; at grazing incidence over q inside it */
    float stretched[SL_SCENE_RADIAL]; /* over a stretched q, where stretch > 1 */
    double stretch, stretch_angle_rad;
    int ring_count;
    scene_ring ring[SL_SCENE_RINGS];
    double axis[3]; /* texture axis in the laboratory frame */
    int spot_count;
    scene_spot spot[SL_SCENE_SPOTS];
    int streak_count;
    scene_streak streak[3];
    double aperture_radius_px, aperture_row_px, aperture_column_px, aperture_pass; /* radius 0: none */
    double aperture_rim_px; /* radius of the next aperture behind it; 0: none */
    double shadow_loss, shadow_angle_rad, shadow_from_px, shadow_blur_px; /* beyond a line; loss 0: none */
    double direct_height, direct_sigma_px; /* counts of the direct beam where a stop lets some through */
    double sensor_depth, sample_depth;     /* optical depths; sensor 0: ideal, sample 0: thin */
    double march;                          /* March-Dollase parameter of textures; 0: Gaussian spread */

    bool is_grazing;
    sl_grazing grazing;
    double sin_exit_max, q_parallel_max_per_ang;
    sl_refraction substrate, film;
    double film_thickness_ang;
    float transmission[SL_SCENE_EXIT]; /* of scattered waves, |t_f|^2, times that of the incoming */
    float qz_inside[SL_SCENE_EXIT];    /* 1/angstrom */
    float in_plane[SL_SCENE_RADIAL];   /* structure factor over q_parallel, 0 to q_parallel_max */
    float *grid; /* [SL_SCENE_GRID_EXIT, SL_SCENE_GRID_Q] scattering of one particle, or NULL */
    float diffuse_in_plane[SL_SCENE_RADIAL]; /* roughness over q_parallel */
    float rod_in_plane[SL_SCENE_RADIAL];     /* the specular rod over |q_y|, same step */
    float rod_profile[SL_SCENE_EXIT];
    int rod_count;
    scene_rod rod[SL_SCENE_RODS];
    double specular_height, specular_sigma_px[2]; /* across, along */
    double below_horizon;                         /* what passes through the sample */
    double air_below;                             /* share of the air's scattering that it lets pass */
    double horizon_blur;                          /* sine of the exit angle over which the edge rises */
    double roughness_ang;                         /* of surface and substrate */

    double level_counts, background_counts;
    double fringe_contrast; /* log10 depth of a form factor's oscillations that fall in the frame */
    double peak_q_per_ang, peak_fwhm_per_ang; /* of particles' order in the plane; 0: none */
    bool spotty;
    int halo_count;
    scene_halo halo[4];
    const char *tag;              /* what it is, for the caption: "hexagonal" */
    json_t *parameters;           /* borrowed from the sample */
    const sl_sim_override *given; /* [SL_SIM_PARAMETER_COUNT] of the class, or NULL */
    sl_arena *arena;              /* ends with the scene */
} sl_scene;

/* Draws; each adds to the scene and notes what it drew. */
void scene_draw_instrument(sl_scene *scene, sl_measurement *measurement);
void scene_draw_parasitic(sl_scene *scene);
sl_status scene_draw_form(sl_scene *scene);
sl_status scene_draw_lattice(sl_scene *scene);
sl_status scene_draw_oriented(sl_scene *scene);
sl_status scene_draw_empty(sl_scene *scene);
sl_status scene_draw_powder(sl_scene *scene);
sl_status scene_draw_fibre(sl_scene *scene);
sl_status scene_draw_crystal(sl_scene *scene);
sl_status scene_draw_particles(sl_scene *scene);
sl_status scene_draw_film_lattice(sl_scene *scene);
sl_status scene_draw_film_crystals(sl_scene *scene);

/* mean_counts[size, size], scaled to the level. */
sl_status scene_render(sl_scene *scene, float *mean_counts);
/* Features with their places and visibility in the rendered image. */
int scene_find_features(const sl_scene *scene, const float *mean_counts, const float *log_map,
                        sl_feature *out);
/* The caption and the attributes; false where nothing that the class promises can be seen. */
bool scene_describe(sl_scene *scene, sl_sim_sample *sample);

/* Helpers of the draws. */
static inline double scene_range(sl_scene *scene, double low, double high) {
    return sl_random_range(&scene->random, low, high);
}
static inline double scene_log_range(sl_scene *scene, double low, double high) {
    return sl_random_log_range(&scene->random, low, high);
}
static inline bool scene_chance(sl_scene *scene, double probability) {
    return sl_random_chance(&scene->random, probability);
}
static inline int scene_below(sl_scene *scene, int bound) {
    return (int)sl_random_below(&scene->random, (uint32_t)bound);
}
/* Every parameter with a name goes through these: what was drawn, or the value given in its place, which is
 * noted in the sidecar and returned. */
double scene_number(sl_scene *scene, sl_sim_parameter parameter, double drawn);
/* The same where the draw works in another unit: `unit` is one of the parameter's in it. */
double scene_scaled(sl_scene *scene, sl_sim_parameter parameter, double drawn, double unit);
bool scene_flag(sl_scene *scene, sl_sim_parameter parameter, bool drawn);
/* Words by their index in sl_sim_parameter_word. */
int scene_word(sl_scene *scene, sl_sim_parameter parameter, int drawn);
/* The same without a note, for what the sidecar tells elsewhere. */
double scene_number_unnoted(sl_scene *scene, sl_sim_parameter parameter, double drawn);
int scene_word_unnoted(sl_scene *scene, sl_sim_parameter parameter, int drawn);
bool scene_is_given(const sl_scene *scene, sl_sim_parameter parameter);
/* Notes a result. */
void scene_note(sl_scene *scene, sl_sim_parameter parameter, double value);

/* q at a distance from the beam, and the step of q over a pixel there. */
double scene_q_of_radius(const sl_scene *scene, double radius_px);
double scene_radius_of_q(const sl_scene *scene, double q_per_ang);
/* fwhm and the instrument's width added in quadrature. */
double scene_fwhm(const sl_scene *scene, double q_per_ang, double fwhm_per_ang);

/* Adds a function of q, given at `coarse` even points up to q_max, to a table. */
void scene_add_table(const sl_scene *scene, const double *values, int coarse, double factor, float *table);
/* Adds a peak of given area to a table. */
void scene_add_peak(const sl_scene *scene, float *table, double q_per_ang, double area, double fwhm_per_ang,
                    double lorentz);
/* Adds a peak of given height with unlike widths on its two sides. */
void scene_add_halo(sl_scene *scene, float *table, double q_per_ang, double height, double fwhm_low,
                    double fwhm_high);
scene_ring *scene_add_ring(sl_scene *scene, double q_per_ang, double area, double fwhm_per_ang,
                           double lorentz);
/* A rod at q_parallel; NULL where it lies outside or there are too many. */
scene_rod *scene_add_rod(sl_scene *scene, double q_per_ang, double fwhm_per_ang, double lorentz);
/* Lines on a substrate, of period 2 pi / q_first: a spot for each order, on the arc where the Ewald sphere
 * cuts its rod. */
void scene_draw_grating(sl_scene *scene, double q_first);
bool scene_grating_order(double k0_per_ang, double sin_incidence, double q_first_per_ang, double azimuth_rad,
                         int order, double *sin_exit, double *exit_azimuth_rad);
/* March-Dollase texture in place of a Gaussian spread, with this probability or where it is given. */
void scene_draw_march(sl_scene *scene, double probability);
void scene_set_fibre(sl_scene *scene, scene_ring *ring, double psi_rad, double sigma_rad, double isotropic);
/* A random powder intensity for a reflection, falling with q. */
double scene_random_intensity(sl_scene *scene, double q_per_ang);
/* One of the ids that the domain may use, or the material that is given; noted. */
const sl_material *scene_pick_material(sl_scene *scene, const char *const *ids, int count);

#endif
