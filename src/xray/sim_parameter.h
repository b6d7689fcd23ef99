/* The named parameters of the simulator, and values or ranges given for them in place of what it would draw.
 *
 * A given range is drawn with random numbers of its own, and the usual draw is made all the same: giving one
 * parameter changes no other, and with nothing given every image is as without. */
#ifndef SL_XRAY_SIM_PARAMETER_H
#define SL_XRAY_SIM_PARAMETER_H

#include "base/hash.h"
#include "base/status.h"
#include "xray/instrument/instrument.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum sl_sim_class {
#define SL_SIM_CLASS(name, id, technique, share) SL_SIM_##name,
#include "xray/sim_class.def"
#undef SL_SIM_CLASS
    SL_SIM_CLASS_COUNT,
    SL_SIM_CLASS_ANY = -1 /* drawn by the default mix */
} sl_sim_class;

typedef enum sl_sim_parameter {
#define SL_SIM_PARAMETER(name, ...) SL_PARAMETER_##name,
#include "xray/sim_parameter.def"
#undef SL_SIM_PARAMETER
    SL_SIM_PARAMETER_COUNT
} sl_sim_parameter;

typedef enum sl_sim_parameter_kind {
    SL_SIM_PARAMETER_IS_REAL,   /* a range is drawn evenly */
    SL_SIM_PARAMETER_IS_SCALE,  /* evenly in the logarithm */
    SL_SIM_PARAMETER_IS_WHOLE,  /* an integer */
    SL_SIM_PARAMETER_IS_FLAG,   /* false or true */
    SL_SIM_PARAMETER_IS_WORD,   /* one of sl_sim_parameter_word */
    SL_SIM_PARAMETER_IS_RESULT, /* follows from others; cannot be given */
} sl_sim_parameter_kind;

typedef struct sl_sim_parameter_facts {
    const char *name; /* as parameter files and sidecars have it */
    sl_sim_parameter_kind kind;
    double low, high; /* of what is possible, inclusive */
    const char *unit; /* "" where there is none */
    uint32_t classes; /* bit 1 << sl_sim_class of those that draw it */
    const char *words;
} sl_sim_parameter_facts;

const sl_sim_parameter_facts *sl_sim_parameter_info(sl_sim_parameter parameter);
/* SL_NOT_FOUND lists what the class has (SL_SIM_CLASS_ANY: what there is). */
sl_status sl_sim_parameter_find(const char *name, sl_sim_class class_id, sl_sim_parameter *out);
/* The index-th word that a parameter can be; NULL beyond the last. */
const char *sl_sim_parameter_word(sl_sim_parameter parameter, int index);

enum { SL_OVERRIDE_WORDS = 32 };

typedef struct sl_sim_override {
    bool given;
    double low, high;                /* numbers: drawn between them, both included where they are equal */
    int word_count;                  /* words and flags: one of these is drawn */
    uint8_t word[SL_OVERRIDE_WORDS]; /* indices for sl_sim_parameter_word */
} sl_sim_override;

/* Zeroed: nothing is given. Free with sl_sim_overrides_free. */
typedef struct sl_sim_overrides {
    const sl_instrument *instrument;   /* NULL: any */
    json_t *parameters;                /* what sl_sim_overrides_set was given; NULL: nothing */
    char source_sha256[SL_SHA256_HEX]; /* of the file they came from; "": none */
    sl_sim_override of[SL_SIM_CLASS_COUNT][SL_SIM_PARAMETER_COUNT];
} sl_sim_overrides;

/* Classes are those the instrument can measure, and its ranges are given to every one of them. */
sl_status sl_sim_overrides_instrument(sl_sim_overrides *overrides, const sl_instrument *instrument);

/* Gives values in place of earlier ones: one number, or two that are a range; any number of words. Text as
 * people write it. For SL_SIM_CLASS_ANY every class that draws the parameter takes it. SL_INVALID and
 * SL_LIMIT name the value and what is possible. */
sl_status sl_sim_overrides_set(sl_sim_overrides *overrides, sl_sim_class class_id, sl_sim_parameter parameter,
                               const char *const value[], int count);

/* {"instrument", "parameters", "parameters_sha256"}, as far as they are given: what goes into sidecars and
 * provenance. New reference; NULL where nothing is given. */
json_t *sl_sim_overrides_json(const sl_sim_overrides *overrides);
void sl_sim_overrides_free(sl_sim_overrides *overrides);

#endif
