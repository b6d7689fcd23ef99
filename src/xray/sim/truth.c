/* The sidecar: everything known of a simulated image. */
#include "xray/simulate.h"

#include "base/json.h"
#include "xray/sim/scene.h"

#include <stdio.h>

static const char *feature_words(sl_feature_kind kind) {
    static const char *const words[SL_FEATURE_KIND_COUNT] = {"ring",   "arc",      "halo",    "spot",  "rod",
                                                             "yoneda", "specular", "horizon", "streak"};
    return kind < SL_FEATURE_KIND_COUNT ? words[kind] : "?";
}

static json_t *features(const sl_sim_sample *s) {
    json_t *list = json_array();
    for (int k = 0; k < s->feature_count; k++) {
        const sl_feature *f = &s->feature[k];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "type",
                            feature_words(f->kind), "q_per_ang", sl_json_number(f->q_per_ang), "chi_rad",
                            sl_json_number(f->chi_rad), "row_px", sl_json_number(f->row_px), "column_px",
                            sl_json_number(f->column_px), "radius_px", sl_json_number(f->radius_px),
                            "width_px", sl_json_number(f->width_px), "contrast", sl_json_number(f->contrast),
                            "z", sl_json_number(f->z), "visible", (int)f->visible));
    }
    return list;
}

/* Run lengths over the rows: how many pixels without the bit, then with it, and so on. NULL where no pixel
 * has it. */
static json_t *runs_of(const sl_image *image, uint8_t bit) {
    json_t *list = json_array();
    int64_t pixels = (int64_t)image->height_px * image->width_px, run = 0;
    bool inside = false, any = false;
    for (int64_t k = 0; k < pixels; k++) {
        bool has = (image->mask[k] & bit) != 0;
        any |= has;
        if (has != inside) {
            json_array_append_new(list, json_integer(run));
            run = 0;
            inside = has;
        }
        run++;
    }
    json_array_append_new(list, json_integer(run));
    if (any) return list;
    json_decref(list);
    return NULL;
}

static json_t *masks(const sl_image *image) {
    static const struct {
        uint8_t bit;
        const char *name;
    } bits[] = {{SL_MASK_GAP, "gap"}, {SL_MASK_BEAMSTOP, "beamstop"}, {SL_MASK_ARM, "arm"},
                {SL_MASK_HOT, "hot"}, {SL_MASK_DEAD, "dead"},         {SL_MASK_SATURATED, "saturated"}};
    json_t *object = json_object();
    for (size_t k = 0; image->mask && k < sizeof bits / sizeof bits[0]; k++) {
        json_t *runs = runs_of(image, bits[k].bit);
        if (runs) json_object_set_new(object, bits[k].name, runs);
    }
    return object;
}

static json_t *beamstop(const sl_beamstop *b) {
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:f, s:f, s:f}", "shape",
                     sl_beamstop_shape_id(b->shape), "row_px", b->row_px, "column_px", b->column_px,
                     "half_height_px", b->half_height_px, "half_width_px", b->half_width_px, "arm_angle_rad",
                     b->has_arm ? b->arm_angle_rad : -1.0, "arm_width_px", b->has_arm ? b->arm_width_px : 0.0,
                     "arm_through", (int)(b->has_arm && b->arm_through), "holder_from_px",
                     b->holder_width_px > 0 ? b->holder_from_px : 0.0, "holder_width_px", b->holder_width_px,
                     "transmission", b->transmission);
}

static json_t *measurement(const sl_measurement *m) {
    json_t *object =
        json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "detector",
                  m->detector ? m->detector->id : "none", "exposure", m->exposure, "view_row0", m->view.row0,
                  "view_column0", m->view.column0, "view_scale", m->view.scale, "point_spread_px",
                  m->point_spread_px, "flat_pixel", m->flat_pixel, "flat_module", m->flat_module, "edge_gain",
                  m->edge_gain, "offset", m->offset, "read_noise", m->read_noise);
    if (object && m->beamstop.shape != SL_BEAMSTOP_NONE)
        json_object_set_new(object, "beamstop", beamstop(&m->beamstop));
    const sl_dead_chip *c = &m->dead_chip;
    if (object && c->rows > 0)
        json_object_set_new(object, "dead_chip",
                            json_pack("[i,i,i,i]", c->row, c->column, c->rows, c->columns));
    return object;
}

static json_t *artefacts(const sl_sim_sample *s) {
    json_t *list = json_array();
    for (int k = 0; k < s->artefact_count; k++) {
        const sl_artefact *a = &s->artefact[k];
        json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:[i,i,i,i], s:I}", "type",
                                              sl_artefact_id(a->kind), "words", sl_artefact_words(a->kind),
                                              "severity", a->severity, "box_px", a->top, a->left, a->bottom,
                                              a->right, "changed_px", (json_int_t)a->changed_px));
    }
    return list;
}

json_t *sl_sim_sample_truth(const sl_sim_sample *s) {
    const sl_geometry *g = &s->geometry;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed); /* 64 bits do not fit a JSON number */
    json_t *attributes = json_object();
    for (int k = 0; k < SL_SIM_ATTRIBUTE_COUNT; k++)
        json_object_set_new(attributes, sl_sim_attribute_id((sl_sim_attribute)k),
                            sl_json_number((double)s->attribute[k]));
    json_t *truth =
        json_pack("{s:s, s:i, s:s, s:I, s:s, s:s, s:i, s:f, s:o}", "generator", "scatterloop simulate",
                  "version", SL_SIM_VERSION, "seed", seed, "index", (json_int_t)s->index, "class",
                  sl_sim_class_id(s->class_id), "caption", s->caption, "size_px", s->size_px, "level_counts",
                  s->level_counts, "attributes", attributes);
    if (!truth) return NULL;
    json_object_set_new(truth, "geometry",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "distance_m",
                                  g->distance_m, "poni1_m", g->poni1_m, "poni2_m", g->poni2_m, "rot1_rad",
                                  g->rotation_rad[0], "rot2_rad", g->rotation_rad[1], "rot3_rad",
                                  g->rotation_rad[2], "pixel_m", g->pixel_m, "wavelength_ang",
                                  g->wavelength_ang, "polarisation", g->polarisation));
    json_object_set_new(truth, "beam",
                        json_pack("{s:f, s:f}", "row_px", s->beam_row_px, "column_px", s->beam_column_px));
    if (s->is_grazing)
        json_object_set_new(truth, "grazing",
                            json_pack("{s:f, s:f}", "incidence_rad", s->grazing.incidence_rad, "roll_rad",
                                      s->grazing.roll_rad));
    json_object_set(truth, "parameters", s->parameters);
    json_t *given = sl_sim_overrides_json(s->overrides);
    if (given) json_object_set_new(truth, "given", given);
    json_object_set_new(truth, "measurement", measurement(&s->measurement));
    json_object_set_new(truth, "features", features(s));
    json_object_set_new(truth, "masks", masks(&s->measured));
    json_object_set_new(truth, "artefacts", artefacts(s));
    return truth;
}
