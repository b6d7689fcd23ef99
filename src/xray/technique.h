/* The four ways of measuring that this program knows. */
#ifndef SL_XRAY_TECHNIQUE_H
#define SL_XRAY_TECHNIQUE_H

#include <stdbool.h>

typedef enum sl_technique {
    SL_TECHNIQUE_SAXS,
    SL_TECHNIQUE_WAXS,
    SL_TECHNIQUE_GISAXS,
    SL_TECHNIQUE_GIWAXS,
    SL_TECHNIQUE_UNKNOWN
} sl_technique;

const char *sl_technique_name(sl_technique technique); /* "SAXS"; "unknown" */

/* The technique that a caption begins with or names ("GISAXS data showing peaks"); UNKNOWN without one. NULL
 * is an empty caption. */
sl_technique sl_technique_of_caption(const char *caption);

/* Whether a caption says that there is nothing but background, which has laws of its own. */
bool sl_technique_shows_nothing(const char *caption);

/* Whether the beam meets the sample's surface at a grazing angle, so that there is a horizon. */
static inline bool sl_technique_is_grazing(sl_technique technique) {
    return technique == SL_TECHNIQUE_GISAXS || technique == SL_TECHNIQUE_GIWAXS;
}

#endif
