/* Prints values of the simulator's laws for requests on standard input, one JSON object a line, one JSON
 * value a line in answer: what tools/oracles compares with other programs.
 *
 *     {"law": "form", "kind": "sphere", "size_ang": 50, "sld": 4, "solvent_sld": 1, "q_per_ang": [0.01, 0.1]}
 *
 * Exit status 1, with a message, at the first line that cannot be answered. */
#include "base/file.h"
#include "base/json.h"
#include "xray/scatter/absorption.h"
#include "xray/instrument/detector.h"
#include "xray/scatter/dwba.h"
#include "xray/scatter/form_factor.h"
#include "xray/scatter/material.h"
#include "xray/scatter/power_law.h"
#include "xray/sim/scene.h"
#include "xray/scatter/structure_factor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct numbers {
    int count;
    double *value;
} numbers;

static sl_status read_number(const json_t *at, const char *key, double *out) {
    if (!json_is_number(at)) return sl_fail(SL_INVALID, "'%s': an element is no number", key);
    *out = json_number_value(at);
    return SL_OK;
}

static sl_status read_numbers(const json_t *request, const char *key, sl_arena *arena, numbers *out) {
    json_t *array;
    SL_TRY(sl_json_array(request, key, &array));
    out->count = (int)json_array_size(array);
    out->value = SL_NEW(arena, double, out->count + 1);
    for (int i = 0; i < out->count; i++)
        SL_TRY(read_number(json_array_get(array, (size_t)i), key, &out->value[i]));
    return SL_OK;
}

/* Rows of `columns` numbers each, one after another. */
static sl_status read_rows(const json_t *request, const char *key, int columns, sl_arena *arena,
                           numbers *out) {
    json_t *array;
    SL_TRY(sl_json_array(request, key, &array));
    out->count = (int)json_array_size(array);
    out->value = SL_NEW(arena, double, out->count *columns + 1);
    for (int i = 0; i < out->count; i++) {
        const json_t *row = json_array_get(array, (size_t)i);
        if ((int)json_array_size(row) != columns)
            return sl_fail(SL_INVALID, "'%s': row %d has %d numbers, expected %d", key, i,
                           (int)json_array_size(row), columns);
        for (int k = 0; k < columns; k++)
            SL_TRY(read_number(json_array_get(row, (size_t)k), key, &out->value[i * columns + k]));
    }
    return SL_OK;
}

/* Index of the string at key among words; the first where it is absent. */
static sl_status read_word(const json_t *request, const char *key, int count, const char *const *words,
                           int *out) {
    const char *found;
    SL_TRY(sl_json_string_or(request, key, words[0], &found));
    for (*out = 0; *out < count; ++*out)
        if (strcmp(found, words[*out]) == 0) return SL_OK;
    return sl_fail(SL_NOT_FOUND, "'%s' is '%s', which there is not", key, found);
}

static json_t *list_of(int count, const double *values) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_real(values[i]));
    return list;
}

/* ---- laws over q ---- */

static sl_status read_form(const json_t *request, sl_form *form) {
    const char *kinds[SL_FORM_KIND_COUNT];
    static const char *const spreads[] = {"gaussian", "log-normal", "schulz"};
    static const char *const couplings[] = {"decoupled", "local"};
    int kind, spread, coupling;
    int64_t points;
    for (int i = 0; i < SL_FORM_KIND_COUNT; i++) kinds[i] = sl_form_kind_id((sl_form_kind)i);
    SL_TRY(read_word(request, "kind", SL_FORM_KIND_COUNT, kinds, &kind));
    SL_TRY(read_word(request, "spread_kind", 3, spreads, &spread));
    SL_TRY(read_word(request, "coupling", 2, couplings, &coupling));
    SL_TRY(sl_json_int_or(request, "spread_points", 2, 200, 80, &points));
    *form = (sl_form){.kind = (sl_form_kind)kind,
                      .spread_kind = (sl_spread_kind)spread,
                      .coupling = (sl_coupling)coupling,
                      .spread_points = (int)points};
    SL_TRY(sl_json_real(request, "size_ang", &form->size_ang));
    SL_TRY(sl_json_real_or(request, "second_ang", 0, &form->second_ang));
    SL_TRY(sl_json_real_or(request, "third_ang", 0, &form->third_ang));
    SL_TRY(sl_json_real_or(request, "sld", 0, &form->sld));
    SL_TRY(sl_json_real_or(request, "shell_sld", 0, &form->shell_sld));
    SL_TRY(sl_json_real_or(request, "solvent_sld", 0, &form->solvent_sld));
    SL_TRY(sl_json_real_or(request, "spread", 0, &form->spread));
    SL_TRY(sl_json_real_or(request, "volume_fraction", 0, &form->volume_fraction));
    return sl_json_real_or(request, "interaction_ang", 0, &form->interaction_ang);
}

static sl_status answer_form(const json_t *request, sl_arena *arena, json_t **out) {
    sl_form form;
    numbers q;
    SL_TRY(read_form(request, &form));
    SL_TRY(read_numbers(request, "q_per_ang", arena, &q));
    double *value = SL_NEW(arena, double, q.count + 1);
    SL_TRY(sl_form_intensity(&form, q.count, q.value, value));
    *out = list_of(q.count, value);
    return SL_OK;
}

/* Laws with a few numbers each: "argument" in the order of the C function. */
typedef double (*plain_law)(double q, const double *a);
static double hard_sphere(double q, const double *a) {
    return sl_structure_hard_sphere(q, a[0], a[1]);
}
static double lamellar(double q, const double *a) {
    return sl_lamellar_paracrystal(q, a[0], (int)a[1], a[2], a[3], a[4]);
}
static double simple_cubic(double q, const double *a) {
    return sl_structure_cubic_paracrystal(SL_CUBIC_SIMPLE, q, a[0], a[1]);
}
static double body_cubic(double q, const double *a) {
    return sl_structure_cubic_paracrystal(SL_CUBIC_BODY, q, a[0], a[1]);
}
static double face_cubic(double q, const double *a) {
    return sl_structure_cubic_paracrystal(SL_CUBIC_FACE, q, a[0], a[1]);
}
static double radial(double q, const double *a) {
    return sl_structure_radial_paracrystal(q, a[0], a[1], a[2]);
}
static double plane(double q, const double *a) {
    return sl_structure_plane_paracrystal(q, a[0], a[1], a[2], a[3]);
}
static double unified(double q, const double *a) {
    const sl_unified_level level[2] = {{a[0], a[1], a[2], a[3]}, {a[4], a[5], a[6], a[7]}};
    return sl_unified(q, 2, level);
}
static double broad_peak(double q, const double *a) {
    const sl_broad_peak law = {a[0], a[1], a[2], a[3], a[4], a[5]};
    return sl_broad_peak_intensity(&law, q);
}
static double power(double q, const double *a) {
    return sl_power_law(q, a[0], a[1]);
}
static double sensor(double cos_alpha, const double *a) {
    return sl_sensor_efficiency(a[0], cos_alpha);
}
static const struct {
    const char *id;
    plain_law law;
    int arguments;
} plain_laws[] = {{"hard-sphere", hard_sphere, 2},
                  {"lamellar", lamellar, 5},
                  {"simple-cubic", simple_cubic, 2},
                  {"body-cubic", body_cubic, 2},
                  {"face-cubic", face_cubic, 2},
                  {"radial", radial, 3},
                  {"plane", plane, 4},
                  {"unified", unified, 8},
                  {"broad-peak", broad_peak, 6},
                  {"power", power, 2},
                  {"sensor", sensor, 1}};

static sl_status answer_plain(const json_t *request, sl_arena *arena, json_t **out) {
    const char *kind;
    numbers argument, at;
    SL_TRY(sl_json_string(request, "kind", &kind));
    SL_TRY(read_numbers(request, "argument", arena, &argument));
    SL_TRY(read_numbers(request, "at", arena, &at));
    for (size_t i = 0; i < sizeof plain_laws / sizeof plain_laws[0]; i++) {
        if (strcmp(kind, plain_laws[i].id) != 0) continue;
        if (argument.count != plain_laws[i].arguments)
            return sl_fail(SL_INVALID, "%s: %d arguments, expected %d", kind, argument.count,
                           plain_laws[i].arguments);
        *out = json_array();
        for (int k = 0; k < at.count; k++)
            json_array_append_new(*out, json_real(plain_laws[i].law(at.value[k], argument.value)));
        return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "no law '%s'", kind);
}

/* ---- geometry and detectors ---- */

static sl_status read_geometry(const json_t *request, sl_arena *arena, sl_geometry *out) {
    json_t *geometry;
    numbers rotation;
    SL_TRY(sl_json_object(request, "geometry", &geometry));
    SL_TRY(sl_json_real(geometry, "distance_m", &out->distance_m));
    SL_TRY(sl_json_real(geometry, "poni1_m", &out->poni1_m));
    SL_TRY(sl_json_real(geometry, "poni2_m", &out->poni2_m));
    SL_TRY(sl_json_real(geometry, "pixel_m", &out->pixel_m));
    SL_TRY(sl_json_real(geometry, "wavelength_ang", &out->wavelength_ang));
    SL_TRY(sl_json_real(geometry, "polarisation", &out->polarisation));
    SL_TRY(read_numbers(geometry, "rotation_rad", arena, &rotation));
    if (rotation.count != 3)
        return sl_fail(SL_INVALID, "rotation_rad: %d angles, expected 3", rotation.count);
    memcpy(out->rotation_rad, rotation.value, sizeof out->rotation_rad);
    return SL_OK;
}

/* Of pixels [row, column]: 2theta, chi, q, solid angle, polarisation. */
static sl_status answer_pixels(const json_t *request, sl_arena *arena, json_t **out) {
    sl_geometry geometry;
    numbers pixels;
    SL_TRY(read_geometry(request, arena, &geometry));
    SL_TRY(read_rows(request, "pixels", 2, arena, &pixels));
    sl_projection projection = sl_projection_of(&geometry);
    *out = json_array();
    for (int i = 0; i < pixels.count; i++) {
        sl_pixel p =
            sl_projection_pixel(&projection, pixels.value[2 * i] + 0.5, pixels.value[2 * i + 1] + 0.5);
        json_array_append_new(*out,
                              list_of(5, (const double[]){sl_pixel_two_theta_rad(&p), sl_pixel_chi_rad(&p),
                                                          p.q_per_ang, p.solid_angle, p.polarisation}));
    }
    return SL_OK;
}

static sl_status answer_detectors(const json_t *request, sl_arena *arena, json_t **out) {
    (void)request, (void)arena;
    *out = json_array();
    for (int i = 0; i < sl_detector_count(); i++) {
        const sl_detector *d = sl_detector_at(i);
        json_array_append_new(*out, json_pack("{s:s, s:s, s:[i, i], s:f}", "id", d->id, "name", d->name,
                                              "shape", d->rows, d->columns, "pixel_m", d->pixel_m));
    }
    return SL_OK;
}

static sl_status write_bytes(const json_t *request, const void *bytes, size_t size) {
    const char *path;
    SL_TRY(sl_json_string(request, "out", &path));
    return sl_file_write_atomic(path, bytes, size);
}

/* Writes a byte a pixel to "out": 1 where the detector is dead. */
static sl_status answer_mask(const json_t *request, sl_arena *arena, json_t **out) {
    const char *name;
    const sl_detector *detector;
    uint8_t *mask;
    (void)arena;
    SL_TRY(sl_json_string(request, "detector", &name));
    SL_TRY(sl_detector_find(name, &detector));
    sl_view view = sl_view_whole(detector);
    size_t pixels = (size_t)view.height_px * (size_t)view.width_px;
    SL_TRY(sl_alloc(&mask, pixels, 1));
    int64_t dead = sl_detector_gap_mask(detector, &view, mask);
    for (size_t k = 0; k < pixels; k++) mask[k] = (mask[k] & SL_MASK_GAP) != 0;
    sl_status status = write_bytes(request, mask, pixels);
    sl_free(mask);
    *out = json_integer(dead);
    return status;
}

/* ---- surfaces ---- */

static sl_status read_layers(const json_t *request, sl_arena *arena, int *count, sl_layer **out) {
    numbers rows;
    SL_TRY(read_rows(request, "layers", 4, arena, &rows));
    if (rows.count < 1) return sl_fail(SL_INVALID, "no layers, expected a substrate at least");
    *count = rows.count;
    *out = SL_NEW(arena, sl_layer, rows.count);
    for (int i = 0; i < rows.count; i++) {
        const double *v = rows.value + 4 * i;
        (*out)[i] = (sl_layer){{v[0], v[1]}, v[2], v[3]};
    }
    return SL_OK;
}

static sl_status answer_reflectivity(const json_t *request, sl_arena *arena, json_t **out) {
    int count;
    sl_layer *layer;
    double k0;
    numbers angle;
    SL_TRY(read_layers(request, arena, &count, &layer));
    SL_TRY(sl_json_real(request, "k0", &k0));
    SL_TRY(read_numbers(request, "angle_rad", arena, &angle));
    *out = json_array();
    for (int i = 0; i < angle.count; i++) {
        double r = cabs(sl_parratt(k0, sin(angle.value[i]), count, layer, NULL));
        json_array_append_new(*out, json_real(r * r));
    }
    return SL_OK;
}

/* delta and beta of a material at "energy_kev". */
static sl_status answer_refraction(const json_t *request, sl_arena *arena, json_t **out) {
    const char *id;
    double energy;
    (void)arena;
    SL_TRY(sl_json_string(request, "material", &id));
    SL_TRY(sl_json_real(request, "energy_kev", &energy));
    sl_refraction medium = sl_refraction_of(id, energy);
    *out = list_of(2, (const double[]){medium.delta, medium.beta});
    return SL_OK;
}

/* |A|^2 for [exit angle, azimuth] in rad of a particle at `depth` in layer `where`, or above the surface at
 * -1. */
static sl_status answer_dwba(const json_t *request, sl_arena *arena, json_t **out) {
    static const char *const shapes[] = {"spheroid", "cylinder", "box"};
    int count, shape;
    int64_t where;
    sl_layer *layer;
    double k0, incidence, depth;
    sl_dwba_particle particle = {0};
    numbers rays;
    SL_TRY(read_layers(request, arena, &count, &layer));
    SL_TRY(sl_json_int(request, "where", -1, count - 1, &where));
    SL_TRY(read_word(request, "shape", 3, shapes, &shape));
    particle.shape = (sl_dwba_shape)shape;
    SL_TRY(sl_json_real(request, "radius", &particle.radius));
    SL_TRY(sl_json_real(request, "height", &particle.height));
    SL_TRY(sl_json_real_or(request, "width", 0, &particle.width));
    SL_TRY(sl_json_real(request, "k0", &k0));
    SL_TRY(sl_json_real(request, "incidence_rad", &incidence));
    SL_TRY(sl_json_real(request, "depth", &depth));
    SL_TRY(read_rows(request, "rays", 2, arena, &rays));
    sl_wave *in = SL_NEW(arena, sl_wave, count), *leaving = SL_NEW(arena, sl_wave, count);
    double complex r_in = sl_parratt(k0, sin(incidence), count, layer, in);
    *out = json_array();
    for (int i = 0; i < rays.count; i++) {
        double exit = rays.value[2 * i], azimuth = rays.value[2 * i + 1];
        double complex r_out = sl_parratt(k0, sin(exit), count, layer, leaving);
        sl_dwba_waves waves = where < 0
                                  ? sl_dwba_waves_above(k0, sin(incidence), sin(exit), r_in, r_out, -depth)
                                  : sl_dwba_waves_in(&in[where], &leaving[where], depth);
        double qx = k0 * (cos(exit) * cos(azimuth) - cos(incidence)), qy = k0 * cos(exit) * sin(azimuth);
        json_array_append_new(*out, json_real(sl_dwba_square(&waves, &particle, hypot(qx, qy))));
    }
    return SL_OK;
}

/* ---- whole images ---- */

static void find_reach(sl_scene *scene) {
    double s = scene->size_px;
    for (int corner = 0; corner < 4; corner++) {
        sl_pixel pixel = sl_projection_pixel(&scene->projection, corner & 1 ? s : 0, corner & 2 ? s : 0);
        scene->q_max_per_ang = fmax(scene->q_max_per_ang, pixel.q_per_ang * 1.01);
    }
}

static sl_status add_form(sl_scene *scene, const json_t *request) {
    enum { COARSE = 700 };
    double q[COARSE], value[COARSE];
    sl_form form;
    SL_TRY(read_form(request, &form));
    for (int i = 0; i < COARSE; i++) q[i] = fmax(scene->q_max_per_ang * i / (COARSE - 1), 1e-6);
    SL_TRY(sl_form_intensity(&form, COARSE, q, value));
    scene_add_table(scene, value, COARSE, 1, scene->sample);
    return SL_OK;
}

static sl_status add_powder(sl_scene *scene, const json_t *request) {
    const char *id;
    SL_TRY(sl_json_string(request, "material", &id));
    const sl_material *m = sl_material_find(id);
    if (!m) return sl_fail(SL_NOT_FOUND, "no material '%s'", id);
    sl_reflection reflection[40];
    int count = sl_lattice_reflections(&m->cell, NULL, SL_MERGE_POWDER, scene->q_max_per_ang, 40, reflection);
    for (int i = 0; i < count; i++) {
        double fwhm = scene_fwhm(scene, reflection[i].q_per_ang, 0);
        scene_add_ring(scene, reflection[i].q_per_ang, fwhm, fwhm, 0);
    }
    return SL_OK;
}

/* Intensities of a material's powder lines by rising q, 0 from the first unknown one on. */
static sl_status answer_lines(const json_t *request, sl_arena *arena, json_t **out) {
    const char *id;
    (void)arena;
    SL_TRY(sl_json_string(request, "material", &id));
    const sl_material *m = sl_material_find(id);
    if (!m) return sl_fail(SL_NOT_FOUND, "no material '%s'", id);
    *out = list_of(SL_MATERIAL_LINES, m->intensity);
    return SL_OK;
}

/* Writes the expectation of a scene to "out", float32, as the simulator renders it. */
static sl_status answer_image(const json_t *request, sl_arena *arena, json_t **out) {
    int64_t size;
    sl_scene *scene;
    float *image;
    SL_TRY(sl_json_int(request, "size_px", 32, 4096, &size));
    SL_TRY(sl_alloc(&scene, 1, sizeof *scene));
    SL_TRY(sl_alloc(&image, (size_t)(size * size), sizeof *image));
    scene->size_px = (int32_t)size;
    scene->level_counts = 1e4;
    scene->arena = arena;
    sl_status status = read_geometry(request, arena, &scene->geometry);
    if (!status) {
        scene->projection = sl_projection_of(&scene->geometry);
        find_reach(scene);
        status = json_object_get(request, "material") ? add_powder(scene, request) : add_form(scene, request);
    }
    if (!status) status = scene_render(scene, image);
    if (!status) status = write_bytes(request, image, (size_t)(size * size) * sizeof *image);
    sl_free(image);
    sl_free(scene);
    *out = json_true();
    return status;
}

static const struct {
    const char *id;
    sl_status (*answer)(const json_t *request, sl_arena *arena, json_t **out);
} laws[] = {{"form", answer_form},  {"plain", answer_plain},           {"pixels", answer_pixels},
            {"mask", answer_mask},  {"detectors", answer_detectors},   {"reflectivity", answer_reflectivity},
            {"dwba", answer_dwba},  {"refraction", answer_refraction}, {"lines", answer_lines},
            {"image", answer_image}};

static sl_status answer(const json_t *request, sl_arena *arena, json_t **out) {
    const char *law;
    SL_TRY(sl_json_string(request, "law", &law));
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++)
        if (strcmp(law, laws[i].id) == 0) return laws[i].answer(request, arena, out);
    return sl_fail(SL_NOT_FOUND, "no law '%s'", law);
}

static sl_status answer_line(const char *line, size_t bytes) {
    json_t *request, *out = NULL;
    sl_arena *arena;
    SL_TRY(sl_json_parse(line, bytes, "request", &request));
    SL_TRY(sl_arena_new(&arena));
    sl_status status = answer(request, arena, &out);
    if (!status) {
        json_dumpf(out, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        putchar('\n');
        fflush(stdout);
    }
    json_decref(out);
    json_decref(request);
    sl_arena_free(arena);
    return status;
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t bytes;
    int number = 0;
    while ((bytes = getline(&line, &room, stdin)) > 0) {
        number++;
        if (!answer_line(line, (size_t)bytes)) continue;
        fprintf(stderr, "request %d: %s\n", number, sl_error_message());
        free(line);
        return 1;
    }
    free(line);
    return 0;
}
