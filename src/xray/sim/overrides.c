/* Values given for parameters: reading, checking, and saying again what was given. */
#include "xray/sim_parameter.h"

#include "base/text.h"
#include "xray/instrument/detector.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sl_status not_a_word(sl_sim_parameter parameter, const char *text) {
    sl_text known = SL_TEXT_INIT;
    const char *word;
    for (int i = 0; (word = sl_sim_parameter_word(parameter, i)); i++)
        sl_text_printf(&known, "%s%s", i ? ", " : "", word);
    sl_status status = sl_fail(SL_INVALID, "'%s' is '%s', expected one of %s",
                               sl_sim_parameter_info(parameter)->name, text, sl_text_get(&known));
    sl_text_free(&known);
    return status;
}

/* Flags come as words from people and as 0.0 or 1.0 from sidecars. */
static sl_status read_word(sl_sim_parameter parameter, const char *text, uint8_t *out) {
    char *end;
    double number = strtod(text, &end);
    bool flag = sl_sim_parameter_info(parameter)->kind == SL_SIM_PARAMETER_IS_FLAG;
    if (flag && end != text && *end == '\0' && (number == 0 || number == 1)) {
        *out = number > 0;
        return SL_OK;
    }
    const char *word;
    for (int i = 0; (word = sl_sim_parameter_word(parameter, i)); i++)
        if (strcmp(word, text) == 0) {
            *out = (uint8_t)i;
            return SL_OK;
        }
    return not_a_word(parameter, text);
}

static sl_status read_words(sl_sim_parameter parameter, const char *const value[], int count,
                            sl_sim_override *out) {
    if (count > SL_OVERRIDE_WORDS)
        return sl_fail(SL_LIMIT, "'%s' has %d values, at most %d are taken",
                       sl_sim_parameter_info(parameter)->name, count, SL_OVERRIDE_WORDS);
    for (int i = 0; i < count; i++) SL_TRY(read_word(parameter, value[i], &out->word[i]));
    out->word_count = count;
    return SL_OK;
}

static sl_status read_number(const sl_sim_parameter_facts *info, const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end != '\0')
        return sl_fail(SL_INVALID, "'%s' is '%s', expected a number", info->name, text);
    if (!(*out >= info->low && *out <= info->high))
        return sl_fail(SL_INVALID, "'%s' is %s, expected %.10g to %.10g%s%s", info->name, text, info->low,
                       info->high, info->unit[0] ? " " : "", info->unit);
    if (info->kind == SL_SIM_PARAMETER_IS_WHOLE && *out != floor(*out))
        return sl_fail(SL_INVALID, "'%s' is %s, expected an integer", info->name, text);
    return SL_OK;
}

static sl_status read_range(const sl_sim_parameter_facts *info, const char *const value[], int count,
                            sl_sim_override *out) {
    if (count > 2)
        return sl_fail(SL_INVALID, "'%s' has %d values, expected one, or two for a range", info->name, count);
    SL_TRY(read_number(info, value[0], &out->low));
    SL_TRY(read_number(info, value[count - 1], &out->high));
    if (out->low > out->high)
        return sl_fail(SL_INVALID, "'%s' goes from %s down to %s, expected the lower end first", info->name,
                       value[0], value[1]);
    return SL_OK;
}

static json_t *recorded(sl_sim_parameter_kind kind, const char *value) {
    if (kind == SL_SIM_PARAMETER_IS_WORD) return json_string(value);
    if (kind != SL_SIM_PARAMETER_IS_FLAG) return json_real(strtod(value, NULL));
    return json_boolean(strcmp(value, "true") == 0 || strtod(value, NULL) == 1);
}

/* As it was written: [class {] name: value or [values]. */
static sl_status record(sl_sim_overrides *o, sl_sim_class class_id, const sl_sim_parameter_facts *info,
                        const char *const value[], int count) {
    if (!o->parameters) o->parameters = json_object();
    json_t *into = o->parameters, *list = json_array();
    if (into && class_id != SL_SIM_CLASS_ANY) {
        into = json_object_get(o->parameters, sl_sim_class_id(class_id));
        if (!into) {
            json_object_set_new(o->parameters, sl_sim_class_id(class_id), json_object());
            into = json_object_get(o->parameters, sl_sim_class_id(class_id));
        }
    }
    for (int i = 0; i < count; i++) json_array_append_new(list, recorded(info->kind, value[i]));
    int failed = count == 1 ? json_object_set(into, info->name, json_array_get(list, 0))
                            : json_object_set(into, info->name, list);
    json_decref(list);
    return failed ? sl_fail(SL_MEMORY, "out of memory recording '%s'", info->name) : SL_OK;
}

sl_status sl_sim_overrides_set(sl_sim_overrides *overrides, sl_sim_class class_id, sl_sim_parameter parameter,
                               const char *const value[], int count) {
    const sl_sim_parameter_facts *info = sl_sim_parameter_info(parameter);
    sl_sim_override given = {.given = true};
    if (count < 1) return sl_fail(SL_INVALID, "'%s' has no value", info->name);
    if (info->kind == SL_SIM_PARAMETER_IS_RESULT)
        return sl_fail(SL_INVALID, "'%s' follows from other parameters and cannot be set", info->name);
    bool words = info->kind == SL_SIM_PARAMETER_IS_WORD || info->kind == SL_SIM_PARAMETER_IS_FLAG;
    SL_TRY(words ? read_words(parameter, value, count, &given) : read_range(info, value, count, &given));
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++)
        if ((class_id == SL_SIM_CLASS_ANY || c == (int)class_id) && info->classes >> c & 1)
            overrides->of[c][parameter] = given;
    return record(overrides, class_id, info, value, count);
}

static void give_range(sl_sim_overrides *o, sl_sim_parameter parameter, sl_range range) {
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++)
        if (sl_sim_parameter_info(parameter)->classes >> c & 1)
            o->of[c][parameter] = (sl_sim_override){.given = true, .low = range.low, .high = range.high};
}

static sl_status give_detectors(sl_sim_overrides *o, const char *ids) {
    sl_sim_override given = {.given = true};
    while (*ids) {
        char id[32];
        int length = (int)strcspn(ids, " ");
        snprintf(id, sizeof id, "%.*s", length, ids);
        SL_TRY(read_word(SL_PARAMETER_DETECTOR, id, &given.word[given.word_count++]));
        ids += length + (int)strspn(ids + length, " ");
    }
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++) o->of[c][SL_PARAMETER_DETECTOR] = given;
    return SL_OK;
}

sl_status sl_sim_overrides_instrument(sl_sim_overrides *overrides, const sl_instrument *instrument) {
    overrides->instrument = instrument;
    if (!instrument) return SL_OK;
    give_range(overrides, SL_PARAMETER_ENERGY_KEV, instrument->energy_kev);
    give_range(overrides, SL_PARAMETER_DISTANCE_M, instrument->distance_m);
    give_range(overrides, SL_PARAMETER_POLARISATION, instrument->polarisation);
    if (instrument->incidence_deg.high > 0)
        give_range(overrides, SL_PARAMETER_INCIDENCE_DEG, instrument->incidence_deg);
    return give_detectors(overrides, instrument->detectors);
}

json_t *sl_sim_overrides_json(const sl_sim_overrides *overrides) {
    if (!overrides || (!overrides->instrument && !overrides->parameters)) return NULL;
    json_t *object = json_object();
    if (overrides->instrument)
        json_object_set_new(object, "instrument", json_string(overrides->instrument->id));
    /* a copy: sidecars are written by several threads */
    if (overrides->parameters)
        json_object_set_new(object, "parameters", json_deep_copy(overrides->parameters));
    if (overrides->source_sha256[0])
        json_object_set_new(object, "parameters_sha256", json_string(overrides->source_sha256));
    return object;
}

void sl_sim_overrides_free(sl_sim_overrides *overrides) {
    json_decref(overrides->parameters);
    *overrides = (sl_sim_overrides){0};
}
