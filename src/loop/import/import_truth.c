#include "loop/import/import_truth.h"

#include "loop/origin.h"

const sl_truth *sl_import_truth_of(const json_t *provenance, sl_arena *arena) {
    const json_t *list = json_object_get(sl_origin_record(provenance), "artefacts"),
                 *first = json_array_get(list, 0);
    if (!json_is_array(list)) return NULL;
    sl_truth *truth = SL_NEW(arena, sl_truth, 1);
    const char *kind = json_string_value(json_object_get(first, "type"));
    *truth = (sl_truth){.real = !first,
                        .artefact = first ? sl_arena_strdup(arena, kind ? kind : "unknown") : NULL,
                        .strength = json_number_value(json_object_get(first, "severity"))};
    return truth;
}
