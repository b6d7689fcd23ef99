/* What parameters there are, and the words that some of them are. */
#include "xray/sim_parameter.h"

#include "base/text.h"
#include "xray/instrument/detector.h"
#include "xray/scatter/form_factor.h"
#include "xray/scatter/material.h"
#include "xray/simulate.h"

#include <string.h>

#define IN(class_name) (1u << SL_SIM_##class_name)
#define EVERY          ((1u << SL_SIM_CLASS_COUNT) - 1)
#define GRAZING        (IN(GISAXS_PARTICLES) | IN(GISAXS_LATTICE) | IN(GIWAXS))
#define NANO           (IN(SAXS_LATTICE) | IN(SAXS_ORIENTED))
#define WIDE           (IN(WAXS_POWDER) | IN(WAXS_TEXTURED) | IN(GIWAXS) | IN(SPOTS) | IN(EMPTY))
#define SMALL          (EVERY & ~(IN(WAXS_POWDER) | IN(WAXS_TEXTURED) | IN(GIWAXS)))
#define HALO           (IN(WAXS_POWDER) | IN(WAXS_TEXTURED) | IN(GIWAXS) | IN(SPOTS))

static const sl_sim_parameter_facts parameters[SL_SIM_PARAMETER_COUNT] = {
#define SL_SIM_PARAMETER(id, name, kind, low, high, unit, classes, words)                                    \
    {name, SL_SIM_PARAMETER_IS_##kind, low, high, unit, classes, words},
#include "xray/sim_parameter.def"
#undef SL_SIM_PARAMETER
};

const sl_sim_parameter_facts *sl_sim_parameter_info(sl_sim_parameter parameter) {
    return &parameters[parameter];
}

sl_status sl_sim_parameter_find(const char *name, sl_sim_class class_id, sl_sim_parameter *out) {
    uint32_t classes = class_id == SL_SIM_CLASS_ANY ? EVERY : 1u << class_id;
    sl_text known = SL_TEXT_INIT;
    for (int i = 0; i < SL_SIM_PARAMETER_COUNT; i++) {
        if (!(parameters[i].classes & classes)) continue;
        if (strcmp(parameters[i].name, name) == 0) {
            *out = (sl_sim_parameter)i;
            sl_text_free(&known);
            return SL_OK;
        }
        if (parameters[i].kind != SL_SIM_PARAMETER_IS_RESULT)
            sl_text_printf(&known, "%s%s", known.length ? ", " : "", parameters[i].name);
    }
    sl_status status =
        sl_fail(SL_NOT_FOUND, "no parameter '%s' of %s%s, expected one of %s", name,
                class_id == SL_SIM_CLASS_ANY ? "any class" : "class ",
                class_id == SL_SIM_CLASS_ANY ? "" : sl_sim_class_id(class_id), sl_text_get(&known));
    sl_text_free(&known);
    return status;
}

static const char *listed(const char *const *words, int count, int index) {
    return index >= 0 && index < count ? words[index] : NULL;
}

/* Where the index is an enumeration's value or a table's row, the draws rely on it. */
const char *sl_sim_parameter_word(sl_sim_parameter parameter, int index) {
    static const char *const films[] = {"ps", "p3ht", "acrylate", "pentacene", "fe3o4", "cdse", "mapbi3"};
    static const char *const substrates[] = {"si", "sio2"}, *const particles[] = {"cylinder", "sphere"};
    static const char *const orders[] = {"standing", "crystal", "layers", "grating"}, *const flags[] = {
                                                                                          "false", "true"};
    static const char *const arrangements[] = {"radial", "square", "hexagonal"};
    if (index < 0) return NULL;
    if (parameters[parameter].kind == SL_SIM_PARAMETER_IS_FLAG) return listed(flags, 2, index);
    switch (parameter) {
    case SL_PARAMETER_DETECTOR:
        return index < sl_detector_count() ? sl_detector_at(index)->id : NULL;
    case SL_PARAMETER_FORM:
        return index < SL_FORM_KIND_COUNT ? sl_form_kind_id((sl_form_kind)index) : NULL;
    case SL_PARAMETER_LATTICE:
        return index < SL_LATTICE_RULE_COUNT ? sl_lattice_rule_id((sl_lattice_rule)index) : NULL;
    case SL_PARAMETER_MATERIAL:
        return index < sl_material_count() ? sl_material_at(index)->id : NULL;
    case SL_PARAMETER_FILM:
        return listed(films, 7, index);
    case SL_PARAMETER_SUBSTRATE:
        return listed(substrates, 2, index);
    case SL_PARAMETER_PARTICLE:
        return listed(particles, 2, index);
    case SL_PARAMETER_ORDER:
        return listed(orders, 4, index);
    case SL_PARAMETER_ARRANGEMENT:
        return listed(arrangements, 3, index);
    default:
        return NULL;
    }
}
