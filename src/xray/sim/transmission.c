/* Samples seen in transmission: particles, ordered phases, oriented matter, powders, fibres, crystals. */
#include "xray/sim/scene.h"
#include "xray/instrument/usual_background.h"
#include "xray/instrument/usual_measurement.h"

#include "xray/scatter/form_factor.h"
#include "xray/scatter/special.h"
#include "xray/scatter/structure_factor.h"
#include "xray/scatter/texture.h"

#include <math.h>
#include <stdio.h>

#define DEGREE (M_PI / 180)
enum { COARSE = 700 };

static void even_q(const sl_scene *scene, double *q) {
    for (int i = 0; i < COARSE; i++) q[i] = fmax(scene->q_max_per_ang * i / (COARSE - 1), 1e-6);
}

/* A radius in pixels, log-uniform, for an image of 256; larger images show the same picture. */
static double draw_radius_px(sl_scene *scene, double low, double high) {
    return scene_log_range(scene, low, high) * scene->size_px / 256;
}

static sl_form draw_form(sl_scene *scene) {
    static const sl_form_kind kinds[] = {SL_FORM_SPHERE,        SL_FORM_SPHERE,   SL_FORM_CORE_SHELL,
                                         SL_FORM_FUZZY_SPHERE,  SL_FORM_CYLINDER, SL_FORM_ELLIPSOID,
                                         SL_FORM_COIL,          SL_FORM_DAB,      SL_FORM_TEUBNER_STREY,
                                         SL_FORM_GUINIER_POROD, SL_FORM_BOX};
    sl_form form = {.sld = 10, .shell_sld = 4, .solvent_sld = 1};
    form.kind = (sl_form_kind)scene_word(scene, SL_PARAMETER_FORM, (int)kinds[scene_below(scene, 11)]);
    /* the first minimum of a sphere, or the knee of a decay, comes at this radius */
    double minimum = scene_q_of_radius(scene, draw_radius_px(scene, 14, 130));
    double knee = scene_q_of_radius(scene, draw_radius_px(scene, 6, 50));
    form.size_ang = 4.4934 / minimum;
    switch (form.kind) {
    case SL_FORM_CORE_SHELL:
        form.second_ang = form.size_ang * scene_range(scene, 0.1, 0.5);
        form.shell_sld = scene_range(scene, -6, 14);
        break;
    case SL_FORM_FUZZY_SPHERE:
        form.second_ang = form.size_ang * scene_range(scene, 0.05, 0.25);
        break;
    case SL_FORM_CYLINDER:
        form.second_ang = form.size_ang * scene_log_range(scene, 0.3, 12);
        break;
    case SL_FORM_ELLIPSOID:
        form.second_ang = form.size_ang * scene_log_range(scene, 0.3, 3);
        break;
    case SL_FORM_BOX:
        form.second_ang = form.size_ang * scene_log_range(scene, 0.6, 1.6);
        form.third_ang = form.size_ang * scene_log_range(scene, 0.6, 5);
        break;
    case SL_FORM_COIL:
    case SL_FORM_DAB:
        form.size_ang = 1 / knee;
        break;
    case SL_FORM_TEUBNER_STREY:
        form.size_ang = 2 * M_PI / scene_q_of_radius(scene, draw_radius_px(scene, 18, 80));
        form.second_ang = form.size_ang * scene_range(scene, 0.35, 1.6);
        break;
    case SL_FORM_GUINIER_POROD:
        form.size_ang = 1 / knee;
        form.second_ang = scene_range(scene, 1.6, 4);
        break;
    default:
        break;
    }
    double drawn_ang = form.size_ang;
    form.size_ang = scene_number(scene, SL_PARAMETER_SIZE_ANG, drawn_ang);
    if (scene_is_given(scene, SL_PARAMETER_SIZE_ANG) && form.kind != SL_FORM_GUINIER_POROD)
        form.second_ang *= form.size_ang / drawn_ang,
            form.third_ang *= form.size_ang / drawn_ang; /* the shape stays */
    form.second_ang = scene_number(scene, SL_PARAMETER_SECOND, form.second_ang);
    form.third_ang = scene_number(scene, SL_PARAMETER_THIRD_ANG, form.third_ang);
    bool averaged =
        form.kind == SL_FORM_CYLINDER || form.kind == SL_FORM_ELLIPSOID || form.kind == SL_FORM_BOX;
    form.spread = scene_number(scene, SL_PARAMETER_SPREAD, scene_log_range(scene, 0.02, 0.35));
    form.spread_kind = (sl_spread_kind)scene_below(scene, 3);
    form.spread_points = averaged ? 7 : 31;
    bool interact = scene_chance(scene, 0.35) && form.kind <= SL_FORM_BOX;
    if (interact) form.volume_fraction = scene_range(scene, 0.08, 0.45);
    form.volume_fraction = scene_number(scene, SL_PARAMETER_VOLUME_FRACTION, form.volume_fraction);
    if (interact || form.volume_fraction > 0)
        form.interaction_ang = form.size_ang * scene_range(scene, 1, 1.4) +
                               (form.kind == SL_FORM_CORE_SHELL ? form.second_ang : 0);
    return form;
}

/* log10 from the deepest minimum to the next maximum, counted over what the frame shows. */
static double oscillation(const double *intensity, int count) {
    double most = 0;
    for (int i = 2; i < count - 2; i++) {
        if (!(intensity[i] < intensity[i - 1] && intensity[i] <= intensity[i + 1])) continue;
        double top = intensity[i];
        for (int k = i + 1; k < count && intensity[k] >= top; k++) top = intensity[k];
        most = fmax(most, log10(top / fmax(intensity[i], 1e-30)));
    }
    return most;
}

/* A broad maximum by interaction of particles, or of a microemulsion. */
static void note_maximum(sl_scene *scene, const double *intensity) {
    for (int i = 3; i < COARSE - 3; i++) {
        if (!(intensity[i] > intensity[i - 1] && intensity[i] >= intensity[i + 1])) continue;
        double low = intensity[i];
        int left = i, right = i;
        for (int k = i; k > 0; k--) low = fmin(low, intensity[k]);
        double half = (intensity[i] + low) / 2;
        if (low > 0.93 * intensity[i]) continue;
        while (left > 0 && intensity[left] > half) left--;
        while (right < COARSE - 1 && intensity[right] > half) right++;
        double step = scene->q_max_per_ang / (COARSE - 1);
        scene->halo[scene->halo_count++] = (scene_halo){i * step, (right - left) * step};
        return;
    }
}

/* Averages over orientation are dear and smooth: every third or fifth point, and cubics in the logarithm
 * between. */
static sl_status form_intensity(const sl_scene *scene, const sl_form *form, const double *q,
                                double *intensity) {
    if (form->kind != SL_FORM_CYLINDER && form->kind != SL_FORM_ELLIPSOID && form->kind != SL_FORM_BOX)
        return sl_form_intensity(form, COARSE, q, intensity);
    double at[COARSE], value[COARSE];
    float table[COARSE];
    int step = form->kind == SL_FORM_BOX ? 5 : 3, few = (COARSE + step - 2) / step + 1;
    for (int i = 0; i < few; i++) at[i] = fmax(scene->q_max_per_ang * i * step / (COARSE - 1), 1e-6);
    SL_TRY(sl_form_intensity(form, few, at, value));
    for (int i = 0; i < few; i++) table[i] = (float)log(fmax(value[i], 1e-300));
    for (int i = 0; i < COARSE; i++) intensity[i] = exp(sl_table_cubic(table, few, (double)i / step));
    return SL_OK;
}

sl_status scene_draw_form(sl_scene *scene) {
    double q[COARSE], intensity[COARSE];
    even_q(scene, q);
    sl_form form = draw_form(scene);
    /* beamline resolution keeps minima from being ideally deep: a spread below 4 % is not drawn for one size
     */
    SL_TRY(form_intensity(scene, &form, q, intensity));
    double top = 0, floor_share = scene_log_range(scene, 1e-6, 3e-3);
    for (int i = 0; i < COARSE; i++) top = fmax(top, intensity[i]);
    for (int i = 0; i < COARSE; i++) intensity[i] = intensity[i] / top + floor_share;
    scene_add_table(scene, intensity, COARSE, scene_log_range(scene, 3, 300), scene->sample);
    scene->fringe_contrast = oscillation(intensity, COARSE);
    note_maximum(scene, intensity);
    return SL_OK;
}

/* An ordered phase on the scale of nanometres: which lattice, how large, how well ordered. */
typedef struct nano_lattice {
    sl_cell cell;
    double q_first, disorder, fwhm_share, lorentz, particle_ang;
    bool is_agbh;
} nano_lattice;

static nano_lattice draw_nano_lattice(sl_scene *scene, double low_px, double high_px) {
    static const sl_lattice_rule base[] = {SL_LATTICE_LAMELLAR,     SL_LATTICE_LAMELLAR,
                                           SL_LATTICE_HEXAGONAL_2D, SL_LATTICE_HEXAGONAL_2D,
                                           SL_LATTICE_BODY,         SL_LATTICE_FACE};
    static const sl_lattice_rule held_out[] = {SL_LATTICE_GYROID, SL_LATTICE_PRIMITIVE, SL_LATTICE_LAMELLAR};
    nano_lattice n = {.lorentz = scene_range(scene, 0, 0.8)};
    sl_lattice_rule rule = scene->domain == SL_SIM_DOMAIN_HELD_OUT ? held_out[scene_below(scene, 3)]
                                                                   : base[scene_below(scene, 6)];
    rule = (sl_lattice_rule)scene_word(scene, SL_PARAMETER_LATTICE, (int)rule);
    n.q_first = scene_q_of_radius(scene, draw_radius_px(scene, low_px, high_px));
    double agbh = 2 * M_PI / 58.38, agbh_px = scene_radius_of_q(scene, agbh) * 256 / scene->size_px;
    n.is_agbh = rule == SL_LATTICE_LAMELLAR && agbh_px > 9 && agbh_px < 110 && scene_chance(scene, 0.6);
    if (n.is_agbh) n.q_first = agbh;
    double spacing = scene_number(scene, SL_PARAMETER_SPACING_ANG, 2 * M_PI / n.q_first);
    if (scene_is_given(scene, SL_PARAMETER_SPACING_ANG)) {
        n.q_first = 2 * M_PI / spacing;
        n.is_agbh = rule == SL_LATTICE_LAMELLAR && fabs(spacing - 58.38) < 0.01;
    }
    /* the first allowed reflection comes at q_first */
    double root = rule == SL_LATTICE_BODY                                 ? sqrt(2)
                  : rule == SL_LATTICE_FACE || rule == SL_LATTICE_DIAMOND ? sqrt(3)
                  : rule == SL_LATTICE_GYROID                             ? sqrt(6)
                                                                          : 1;
    double a = 2 * M_PI * root / n.q_first;
    bool close = rule == SL_LATTICE_CLOSE_PACKED;
    n.cell = rule == SL_LATTICE_HEXAGONAL_2D || close
                 ? sl_cell_hexagonal(a * 2 / sqrt(3), close ? a * 2 / sqrt(3) * 1.63 : a, rule)
                 : sl_cell_cubic(a, rule);
    n.disorder = n.is_agbh ? 0.01 : scene_log_range(scene, 0.01, 0.12);
    n.disorder = scene_number(scene, SL_PARAMETER_DISORDER, n.disorder);
    n.fwhm_share = n.is_agbh ? 0.01 : scene_log_range(scene, 0.008, 0.22);
    n.particle_ang = scene_range(scene, 0.18, 0.4) * 2 * M_PI / n.q_first;
    static const char *const words[] = {"cubic",  "body-centered cubic", "face-centered cubic", "cubic",
                                        "gyroid", "hexagonal",           "hexagonal",           "lamellar"};
    scene->tag = words[rule];
    return n;
}

static double powder_intensity(sl_scene *scene, const sl_material *m, int line, const sl_reflection *r) {
    if (line < SL_MATERIAL_LINES && m->intensity[line] > 0) return m->intensity[line] / 100;
    /* orders of layers die away, lines of crystals go on */
    double fade = m->cell.rule == SL_LATTICE_LAMELLAR ? exp(-0.3 * fmax(line - 12, 0)) : 1;
    if (m->intensity[0] > 0)
        return 0.08 * fade * scene_range(scene, 0.3, 1) * exp(-0.02 * r->q_per_ang * r->q_per_ang);
    return 0.15 * sqrt(r->multiplicity) * scene_random_intensity(scene, r->q_per_ang);
}

static double nano_intensity(sl_scene *scene, const nano_lattice *n, const sl_reflection *r) {
    double x = r->q_per_ang / n->q_first;
    if (n->is_agbh) return powder_intensity(scene, sl_material_find("agbh"), (int)lround(x) - 1, r);
    double form = n->cell.rule == SL_LATTICE_LAMELLAR ? sl_sinc(r->q_per_ang * n->particle_ang / 1.3)
                                                      : sl_sphere_amplitude(r->q_per_ang * n->particle_ang);
    double blur = n->disorder * 2 * M_PI * x;
    /* 1/G^2 is the Lorentz factor of a powder per solid angle */
    return r->multiplicity * (form * form + 0.008 * exp(0.35 - 0.35 * x)) * exp(-blur * blur / 2) / (x * x);
}

/* Rings of a nanostructure with the first at height 1; returns how many. */
static int add_nano_rings(sl_scene *scene, const nano_lattice *n) {
    sl_reflection reflection[96];
    int count = sl_lattice_reflections(&n->cell, NULL, SL_MERGE_POWDER, scene->q_max_per_ang, 96, reflection);
    double first = 0;
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, x = q / n->q_first;
        /* finite size, and paracrystal broadening that grows as q^2 */
        double fwhm =
            scene_fwhm(scene, q, n->q_first * (n->fwhm_share * 0.6 + 6 * n->disorder * n->disorder * x * x));
        double height = nano_intensity(scene, n, &reflection[i]), area = height * fwhm;
        if (i == 0) first = height;
        if (area / fwhm < 1e-4 * first) continue;
        scene_add_ring(scene, q, area / first, fwhm, n->lorentz);
    }
    return scene->ring_count;
}

/* What surrounds the beam below the first ring: a decay of given height at the first ring. */
static void add_low_q(sl_scene *scene, double q_first, double height) {
    double power = scene_range(scene, 1.5, 4), knee = q_first * scene_range(scene, 0.08, 0.4);
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double q = scene->q_max_per_ang * i / (SL_SCENE_RADIAL - 1), x = q / knee;
        double at_first = 0.5 * power * log1p((q_first / knee) * (q_first / knee));
        scene->sample[i] += (float)(height * exp(at_first - 0.5 * power * log1p(x * x)));
    }
}

/* A stack of lamellae as a paracrystal, whose maxima widen and sink by themselves. The rings tell where they
 * are. */
static void add_lamellar_stack(sl_scene *scene, const nano_lattice *n, int layers, double filled) {
    double value[COARSE], repeat = 2 * M_PI / n->q_first, spread = fmax(n->disorder, 0.02);
    double at_first = sl_lamellar_paracrystal(n->q_first, filled * repeat, layers, repeat, spread, 1);
    /* below the first maximum the formula rises as 1/q^2 for an infinite stack; the beamstop's side is
     * add_low_q's */
    for (int i = 0; i < COARSE; i++) {
        double q = fmax(scene->q_max_per_ang * i / (COARSE - 1), 0.35 * n->q_first);
        value[i] = sl_lamellar_paracrystal(q, filled * repeat, layers, repeat, spread, 1) / at_first;
    }
    scene_add_table(scene, value, COARSE, 1, scene->sample);
    for (int order = 1; order <= 8; order++) {
        double q = order * n->q_first, widening = 6 * spread * spread * order * order;
        scene_add_ring(scene, q, 0, scene_fwhm(scene, q, n->q_first * (1.0 / layers + widening)), 0);
    }
}

sl_status scene_draw_lattice(sl_scene *scene) {
    nano_lattice n = draw_nano_lattice(scene, 16, 85);
    bool stacked = scene_chance(scene, 0.4) && n.cell.rule == SL_LATTICE_LAMELLAR && !n.is_agbh;
    double layers = floor(scene_log_range(scene, 4, 40)), filled = scene_range(scene, 0.25, 0.75);
    layers = scene_number(scene, SL_PARAMETER_LAYERS, stacked ? layers : 0);
    if (layers > 0 && n.cell.rule == SL_LATTICE_LAMELLAR)
        add_lamellar_stack(scene, &n, (int)layers, filled);
    else
        add_nano_rings(scene, &n);
    add_low_q(scene, n.q_first, scene_log_range(scene, 0.004, 0.4));
    return SL_OK;
}

sl_status scene_draw_empty(sl_scene *scene) {
    scene->level_counts = sl_usual_empty_level_counts(&scene->random);
    scene->background_counts = sl_usual_empty_background(scene->level_counts, &scene->random);
    return SL_OK;
}

/* Azimuth table of a uniaxial sample with its maximum at `angle`. */
static float *uniaxial_table(sl_scene *scene, double angle, double kappa, double isotropic) {
    float *table = SL_NEW(scene->arena, float, SL_SCENE_AZIMUTH);
    for (int i = 0; i < SL_SCENE_AZIMUTH; i++)
        table[i] = (float)(isotropic + (1 - isotropic) * sl_texture_uniaxial(
                                                             i * 2 * M_PI / SL_SCENE_AZIMUTH - angle, kappa));
    return table;
}

sl_status scene_draw_oriented(sl_scene *scene) {
    double angle = scene_chance(scene, 0.6)
                       ? scene_below(scene, 2) * M_PI / 2 + scene_range(scene, -5, 5) * DEGREE
                       : scene_range(scene, 0, M_PI);
    angle = scene_scaled(scene, SL_PARAMETER_ORIENTATION_DEG, angle, DEGREE);
    double kappa = scene_number(scene, SL_PARAMETER_KAPPA, scene_log_range(scene, 0.8, 60));
    double isotropic = scene_log_range(scene, 0.01, 0.3);
    nano_lattice n = draw_nano_lattice(scene, 20, 80);
    int first_new = scene->ring_count;
    if (scene_chance(scene, 0.8)) add_nano_rings(scene, &n);
    float *along = uniaxial_table(scene, angle, kappa, isotropic);
    for (int i = first_new; i < scene->ring_count; i++) scene->ring[i].azimuth_table = along;
    /* elongated diffuse scattering across the particles' long axis */
    double knee = scene_q_of_radius(scene, draw_radius_px(scene, 5, 22)), power = scene_range(scene, 2.5, 4);
    double height =
        (scene->ring_count > first_new ? scene_log_range(scene, 1, 60) : scene_log_range(scene, 10, 200));
    for (int i = 0; i < SL_SCENE_RADIAL; i++) {
        double x = scene->q_max_per_ang * i / (SL_SCENE_RADIAL - 1) / knee;
        scene->stretched[i] += (float)(height * exp(-0.5 * power * log1p(x * x)));
    }
    scene->stretch = scene_number(scene, SL_PARAMETER_STRETCH, scene_log_range(scene, 1.25, 3.2));
    scene->stretch_angle_rad = scene_chance(scene, 0.5) ? angle : angle + M_PI / 2;
    return SL_OK;
}

/* Few grains in the beam: each ring broken into spots. Mean 1 over azimuth. */
static float *grain_table(sl_scene *scene, double grains, double width_rad, double least_rad, double smooth) {
    float *table = SL_NEW(scene->arena, float, SL_SCENE_AZIMUTH);
    double step = 2 * M_PI / SL_SCENE_AZIMUTH, sum = 0;
    for (int g = 0; g < (int)grains; g++) {
        double centre = scene_range(scene, 0, SL_SCENE_AZIMUTH);
        double strength = exp(1.2 * sl_random_normal(&scene->random));
        double width = fmin(fmax(width_rad * scene_log_range(scene, 0.3, 1.2), least_rad), 0.5);
        int reach = (int)ceil(3.5 * width / step);
        for (int k = -reach; k <= reach; k++) {
            int at = (int)floor(centre) + k;
            double x = (at - centre) * step / width;
            table[(at % SL_SCENE_AZIMUTH + SL_SCENE_AZIMUTH) % SL_SCENE_AZIMUTH] +=
                (float)(strength * exp(-x * x / 2));
        }
    }
    for (int i = 0; i < SL_SCENE_AZIMUTH; i++) sum += (double)table[i];
    float scale = sum > 0 ? (float)((1 - smooth) * SL_SCENE_AZIMUTH / sum) : 0;
    for (int i = 0; i < SL_SCENE_AZIMUTH; i++) table[i] = (float)smooth + table[i] * scale;
    return table;
}

static void add_amorphous(sl_scene *scene, double probability) {
    bool present = scene_chance(scene, probability);
    if (!present && !scene_is_given(scene, SL_PARAMETER_HALO_PER_ANG)) return;
    double q = scene_number(scene, SL_PARAMETER_HALO_PER_ANG, scene_range(scene, 1.1, 2)),
           height = scene_log_range(scene, 0.03, 0.5);
    double low = scene_range(scene, 0.25, 0.5), high = scene_range(scene, 0.35, 0.9);
    scene_add_halo(scene, scene->sample, q, height, low, high);
}

/* How much of the sample is in the way out, at wide angles. */
static void draw_sample_depth(sl_scene *scene) {
    double depth = scene_log_range(scene, 0.01, 1.5);
    if (scene->technique == SL_TECHNIQUE_WAXS || scene_is_given(scene, SL_PARAMETER_SAMPLE_DEPTH))
        scene->sample_depth = scene_number(scene, SL_PARAMETER_SAMPLE_DEPTH, depth);
}

sl_status scene_draw_powder(sl_scene *scene) {
    static const char *const ids[] = {"agbh",       "lab6", "lab6", "si",   "ceo2",  "ceo2",
                                      "au",         "al",   "fe",   "nacl", "zno",   "tio2",
                                      "perovskite", "ni",   "w",    "mgo",  "cr2o3", "cspbbr3"};
    const sl_material *m = scene_pick_material(scene, ids, 18);
    sl_reflection reflection[40];
    int count = sl_lattice_reflections(&m->cell, NULL, SL_MERGE_POWDER, scene->q_max_per_ang, 40, reflection);
    double share = scene_log_range(scene, 0.002, 0.03), strain = scene_log_range(scene, 1e-4, 6e-3);
    double lorentz = scene_range(scene, 0, 0.7), height = 0;
    scene->spotty = scene_flag(scene, SL_PARAMETER_SPOTTY, scene_chance(scene, 0.22));
    double grains = scene_log_range(scene, 40, 900), width = scene_log_range(scene, 0.3, 1.2) * DEGREE,
           smooth = scene_range(scene, 0.02, 0.6);
    if (scene->spotty) lorentz = 0;
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang,
               fwhm = scene_fwhm(scene, q, fmin(hypot(share, 2 * strain * q), 0.1 * q));
        height = powder_intensity(scene, m, i, &reflection[i]);
        scene_ring *ring = scene_add_ring(scene, q, height * fwhm, fwhm, lorentz);
        if (ring && scene->spotty)
            ring->azimuth_table =
                grain_table(scene, grains * fmin(reflection[i].multiplicity / 12.0, 1.5) + 4, width,
                            fmax(0.12 * DEGREE, 0.9 / scene_radius_of_q(scene, q)), smooth);
    }
    double base = scene_chance(scene, 0.5) ? scene_log_range(scene, 0.003, 0.1)
                                           : scene_log_range(scene, 0.1, 1.2),
           slope = scene_range(scene, 0, 2.2);
    for (int i = 0; i < SL_SCENE_RADIAL; i++)
        scene->sample[i] += (float)(base * exp(-slope * i / (SL_SCENE_RADIAL - 1)));
    add_amorphous(scene, 0.25);
    draw_sample_depth(scene);
    scene->tag = m->words;
    return SL_OK;
}

/* A fibre: lines of a crystal about an axis in the plane of the detector, over an amorphous halo. */
sl_status scene_draw_fibre(sl_scene *scene) {
    static const char *const ids[] = {"polyethylene", "polypropylene", "cellulose",
                                      "perovskite",   "nylon",         "cspbbr3"};
    const sl_material *m = scene_pick_material(scene, ids, 6);
    double direction =
        scene_chance(scene, 0.7) ? scene_below(scene, 2) * M_PI / 2 : scene_range(scene, 0, M_PI);
    direction += scene_range(scene, -4, 4) * DEGREE;
    direction = scene_scaled(scene, SL_PARAMETER_AXIS_DEG, direction, DEGREE);
    double lean = scene_range(scene, -6, 6) * DEGREE;
    scene->axis[0] = sin(lean);
    scene->axis[1] = cos(lean) * cos(direction);
    scene->axis[2] = cos(lean) * sin(direction);
    double sigma = scene_log_range(scene, 2.5, 20) * DEGREE, isotropic = scene_log_range(scene, 0.01, 0.4);
    sigma = scene_scaled(scene, SL_PARAMETER_TEXTURE_SIGMA_DEG, sigma, DEGREE);
    isotropic = scene_number(scene, SL_PARAMETER_ISOTROPIC, isotropic);
    scene_draw_march(scene, 0.25);
    const int along_c[3] = {0, 0, 1};
    sl_reflection reflection[240];
    int count =
        sl_lattice_reflections(&m->cell, along_c, SL_MERGE_FIBRE, scene->q_max_per_ang, 240, reflection);
    double share = scene_log_range(scene, 0.01, 0.06), lorentz = scene_range(scene, 0, 0.6);
    for (int i = 0; i < count; i++) {
        double q = reflection[i].q_per_ang, fwhm = scene_fwhm(scene, q, share * (1 + 0.2 * q));
        double drawn = scene_range(scene, 0, 1);
        /* few strong lines among many weak ones, falling with q */
        double height = 0.6 * drawn * drawn * drawn * sqrt(reflection[i].multiplicity) * exp(-0.45 * q * q);
        if (height < 0.004) continue;
        scene_set_fibre(scene, scene_add_ring(scene, q, height * fwhm, fwhm, lorentz), reflection[i].psi_rad,
                        sigma, isotropic);
    }
    add_amorphous(scene, 0.8);
    draw_sample_depth(scene);
    scene->tag = m->words;
    return SL_OK;
}

/* A random rotation, from a uniform quaternion (Shoemake). */
static void random_rotation(sl_scene *scene, double m[3][3]) {
    double u = scene_range(scene, 0, 1), a = scene_range(scene, 0, 2 * M_PI),
           b = scene_range(scene, 0, 2 * M_PI);
    double x = sqrt(1 - u) * sin(a), y = sqrt(1 - u) * cos(a), z = sqrt(u) * sin(b), w = sqrt(u) * cos(b);
    double r[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
                      {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
                      {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) m[i][j] = r[i][j];
}

static void add_spot(sl_scene *scene, const double g[3], double mosaic, double size_per_ang,
                     double strength) {
    double k0 = scene->projection.k0_per_ang, kf[3] = {k0 + g[0], g[1], g[2]};
    double length = sqrt(kf[0] * kf[0] + kf[1] * kf[1] + kf[2] * kf[2]),
           q = sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]);
    /* excitation error: how far the lattice point is from the Ewald sphere */
    double error = length - k0, width = hypot(mosaic * q, size_per_ang), row, column;
    double height = strength * exp(-error * error / (2 * width * width));
    if (height < 1e-3 || scene->spot_count >= SL_SCENE_SPOTS) return;
    if (!sl_projection_hit(&scene->projection, kf[0], kf[1], kf[2], &row, &column)) return;
    if (row < 0 || column < 0 || row > scene->size_px || column > scene->size_px) return;
    double unit = scene->size_px / 256.0, per_px = sl_projection_q_step(&scene->projection, q);
    scene->spot[scene->spot_count++] = (scene_spot){.row_px = row,
                                                    .column_px = column,
                                                    .radial_px = hypot(1.25 * unit, size_per_ang / per_px),
                                                    .across_px = hypot(1.25 * unit, mosaic * q / per_px),
                                                    .height = height,
                                                    .q_per_ang = q};
}

sl_status scene_draw_crystal(sl_scene *scene) {
    /* a cell large enough for a few dozen points near the sphere */
    double a = 2 * M_PI / scene->q_max_per_ang * scene_range(scene, 5, 9);
    double b = a * scene_range(scene, 0.7, 1.4), c = a * scene_range(scene, 0.7, 1.4);
    double beta = scene_range(scene, 85, 110) * DEGREE;
    sl_lattice_rule rule = scene_chance(scene, 0.5) ? SL_LATTICE_PRIMITIVE : SL_LATTICE_BODY;
    sl_cell cell = {a, b, c, M_PI / 2, beta, M_PI / 2, rule};
    double rotation[3][3],
        mosaic = scene_log_range(scene, 0.2, 1.3) * DEGREE,
        b_factor = scene_range(scene, 0.5, 3) / (scene->q_max_per_ang * scene->q_max_per_ang);
    double size = scene->q_max_per_ang * scene_log_range(scene, 0.003, 0.01);
    mosaic = scene_scaled(scene, SL_PARAMETER_MOSAIC_DEG, mosaic, DEGREE);
    random_rotation(scene, rotation);
    sl_reflection reflection[1500];
    int count = sl_lattice_reflections(&cell, NULL, SL_MERGE_NONE, scene->q_max_per_ang, 1500, reflection);
    for (int i = 0; i < count; i++) {
        const double *v = reflection[i].vector;
        double g[3], strength = -log(1 - scene_range(scene, 0, 1)) *
                                exp(-b_factor * reflection[i].q_per_ang * reflection[i].q_per_ang);
        for (int k = 0; k < 3; k++)
            g[k] = rotation[k][0] * v[0] + rotation[k][1] * v[1] + rotation[k][2] * v[2];
        add_spot(scene, g, mosaic, size, 8 * strength);
    }
    add_amorphous(scene, 0.6);
    draw_sample_depth(scene);
    double base = scene_log_range(scene, 0.02, 0.2),
           slope = scene_range(scene, 0.3, 1.2) / scene->q_max_per_ang;
    for (int i = 0; i < SL_SCENE_RADIAL; i++)
        scene->sample[i] += (float)(base * exp(-slope * scene->q_max_per_ang * i / (SL_SCENE_RADIAL - 1)));
    scene_note(scene, SL_PARAMETER_SPOTS, scene->spot_count);
    return SL_OK;
}
