#include "xray/technique.h"

#include <string.h>

static const char *const names[] = {
    [SL_TECHNIQUE_SAXS] = "SAXS",     [SL_TECHNIQUE_WAXS] = "WAXS",       [SL_TECHNIQUE_GISAXS] = "GISAXS",
    [SL_TECHNIQUE_GIWAXS] = "GIWAXS", [SL_TECHNIQUE_UNKNOWN] = "unknown",
};

const char *sl_technique_name(sl_technique technique) {
    return names[technique <= SL_TECHNIQUE_UNKNOWN ? technique : SL_TECHNIQUE_UNKNOWN];
}

sl_technique sl_technique_of_caption(const char *caption) {
    /* the longer names hold the shorter ones */
    static const sl_technique order[] = {SL_TECHNIQUE_GISAXS, SL_TECHNIQUE_GIWAXS, SL_TECHNIQUE_SAXS,
                                         SL_TECHNIQUE_WAXS};
    for (size_t k = 0; caption && k < sizeof order / sizeof order[0]; k++)
        if (strcasestr(caption, names[order[k]])) return order[k];
    return SL_TECHNIQUE_UNKNOWN;
}

bool sl_technique_shows_nothing(const char *caption) {
    return caption && strcasestr(caption, "background only") != NULL;
}
