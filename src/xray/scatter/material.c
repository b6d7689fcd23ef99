#include "xray/scatter/material.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define DEGREE (M_PI / 180)

static const sl_material materials[] = {
#define SL_MATERIAL(id, words, rule, a, b, c, alpha, beta, gamma, held_out, ...)                             \
    {id,                                                                                                     \
     words,                                                                                                  \
     {a, b, c, (alpha)*DEGREE, (beta)*DEGREE, (gamma)*DEGREE, SL_LATTICE_##rule},                            \
     held_out,                                                                                               \
     __VA_ARGS__},
#include "xray/scatter/materials.def"
#undef SL_MATERIAL
};

int sl_material_count(void) {
    return (int)(sizeof materials / sizeof materials[0]);
}

const sl_material *sl_material_at(int index) {
    return index >= 0 && index < sl_material_count() ? &materials[index] : NULL;
}

const sl_material *sl_material_find(const char *id) {
    for (int i = 0; i < sl_material_count(); i++)
        if (strcmp(materials[i].id, id) == 0) return &materials[i];
    return NULL;
}

sl_refraction sl_refraction_of(const char *id, double energy_kev) {
    static const struct {
        const char *id;
        sl_refraction at_10_kev;
    } known[] = {
#define SL_REFRACTION(id, delta, beta) {id, {delta, beta}},
#include "xray/scatter/refractions.def"
#undef SL_REFRACTION
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].id, id) == 0)
            return (sl_refraction){known[i].at_10_kev.delta * pow(energy_kev / 10, -2),
                                   known[i].at_10_kev.beta * pow(energy_kev / 10, -3.8)};
    return (sl_refraction){0, 0};
}
