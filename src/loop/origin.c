#include "loop/origin.h"

#include <stdio.h>

void sl_origin_group(sl_origin origin, int64_t seed, int64_t index, char out[SL_ORIGIN_GROUP_BYTES]) {
    snprintf(out, SL_ORIGIN_GROUP_BYTES, "%s:%lld:%lld", sl_origin_name(origin), (long long)seed,
             (long long)index);
}

bool sl_origin_of_made(const json_t *provenance, sl_origin *out) {
    const char *word = json_string_value(json_object_get(provenance, "origin"));
    if (word) return sl_origin_parse(word, out) == SL_OK && *out != SL_ORIGIN_EXPERIMENTAL;
    /* the simulator's truth, which a workspace keeps as the record, names the program */
    *out = SL_ORIGIN_SIMULATED;
    return json_object_get(provenance, "simulator") || json_object_get(provenance, "generator");
}

const json_t *sl_origin_record(const json_t *provenance) {
    while (json_object_get(provenance, SL_IMPORTED_AS))
        provenance = json_object_get(json_object_get(provenance, "metadata"), "provenance");
    return provenance;
}
