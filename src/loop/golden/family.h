/* What the families of golden cases work with.
 *
 * A family opens its case file, loads inputs, computes, and compares; every tensor it touches is marked, and
 * what is left unmarked at its end is reported as not covered. Comparisons outside sl_golden_begin ..
 * sl_golden_end are errors. */
#ifndef SL_LOOP_GOLDEN_FAMILY_H
#define SL_LOOP_GOLDEN_FAMILY_H

#include "loop/golden/golden.h"
#include "weights/safetensors.h"

#include <stdbool.h>

typedef struct sl_golden {
    const sl_golden_settings *settings;
    sl_golden_totals *totals;
    sl_arena *arena;
    json_t *cases, *tolerances,
        *variant;   /* cases.json; "measured" of tolerances.json and variant.json may be NULL */
    json_t *opened; /* names of the case files that were opened */
    const char *family, *file_name; /* "unet_a_fwd": part of the tolerances' keys */
    sl_safetensors *file;
    sl_safetensors *inputs; /* another case file to load from, or NULL */
    unsigned char *touched; /* one a tensor of `file` */
    sl_golden_line line;    /* of the open case */
    double worst_ratio;
    sl_dtype dtype; /* of what the open case compares: settings->dtype unless it says otherwise */
    /* In 16 bits a rounding may switch a unit on or off that lies near 0, and gradients before it by all that
     * it contributes: those of ReLUs behind batch norms. Their norms alone are compared then, and loosely. */
    bool has_switches;
} sl_golden;

/* Opens cases/NAME.safetensors; closes the one before, listing what was not touched. */
sl_status sl_golden_open(sl_golden *g, const char *name);

/* An expected tensor or input of the open file as float32 values; it lives as long as the run (arena of the
 * caller's own: sl_tensor_free). Marks it. */
sl_status sl_golden_load(sl_golden *g, const char *key, sl_dtype dtype, sl_tensor *out);
bool sl_golden_has(const sl_golden *g, const char *key);

/* Until called with NULL: sl_golden_load and sl_golden_has look into another case file, without marks. */
sl_status sl_golden_inputs_from(sl_golden *g, const char *name);
/* Where sl_golden_load looks now. */
const sl_safetensors *sl_golden_source(const sl_golden *g);

/* Marks a tensor that needs no comparison of its own. */
void sl_golden_touch(sl_golden *g, const char *key);

/* One case: begin, compare any number of values, end with the status of the computation. A failure is a miss
 * with its message, not the end of the run. */
void sl_golden_begin(sl_golden *g, const char *name);
void sl_golden_end(sl_golden *g, sl_status status);

/* Compare with the tensor `key` of the open file; counts must agree. */
sl_status sl_golden_floats(sl_golden *g, const char *key, const float *found, size_t count);
sl_status sl_golden_doubles(sl_golden *g, const char *key, const double *found, size_t count);
sl_status sl_golden_integers(sl_golden *g, const char *key, const int64_t *found,
                             size_t count); /* exactly equal */
sl_status sl_golden_bytes(sl_golden *g, const char *key, const uint8_t *found, size_t count); /* within 1 */

/* Compare with numbers of cases.json; `path` is "/family/member/...", as in tolerances.json. */
sl_status sl_golden_numbers(sl_golden *g, const char *path, const json_t *expected, const double *found,
                            size_t count);

/* A member of cases.json, borrowed; NULL where absent. */
json_t *sl_golden_case(const sl_golden *g, const char *family, const char *name);

/* Says that something of the folder is not computed here. */
void sl_golden_not_covered(sl_golden *g, const char *name, int values);

/* Path of a file of the folder, in the arena. */
const char *sl_golden_path(const sl_golden *g, const char *name);

/* The families. SL_OK when all cases were tried; a failure means that a family could not begin. */
#define GOLDEN_FAMILY(name, networks) sl_status sl_golden_##name(sl_golden *g);
#include "loop/golden/families.def"
#undef GOLDEN_FAMILY

#endif
