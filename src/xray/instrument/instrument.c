#include "xray/instrument/instrument.h"

#include <stddef.h>
#include <string.h>

static const sl_instrument instruments[] = {
#define HAS(technique) (1u << SL_TECHNIQUE_##technique)
#define SL_INSTRUMENT(id, words, techniques, detectors, energy_from, energy_to, distance_from, distance_to,  \
                      incidence_from, incidence_to, polarisation_from, polarisation_to)                      \
    {id,                                                                                                     \
     words,                                                                                                  \
     techniques,                                                                                             \
     detectors,                                                                                              \
     {energy_from, energy_to},                                                                               \
     {distance_from, distance_to},                                                                           \
     {incidence_from, incidence_to},                                                                         \
     {polarisation_from, polarisation_to}},
#include "xray/instrument/instruments.def"
#undef SL_INSTRUMENT
#undef HAS
};

int sl_instrument_count(void) {
    return (int)(sizeof instruments / sizeof instruments[0]);
}

const sl_instrument *sl_instrument_at(int index) {
    return index >= 0 && index < sl_instrument_count() ? &instruments[index] : NULL;
}

sl_status sl_instrument_find(const char *id, const sl_instrument **out) {
    if (strcmp(id, "any") == 0) {
        *out = NULL;
        return SL_OK;
    }
    for (int i = 0; i < sl_instrument_count(); i++)
        if (strcmp(instruments[i].id, id) == 0) {
            *out = &instruments[i];
            return SL_OK;
        }
    return sl_fail(SL_NOT_FOUND, "no instrument '%s', expected any"
#define SL_INSTRUMENT(name, ...) ", " name
#include "xray/instrument/instruments.def"
#undef SL_INSTRUMENT
                   ,
                   id);
}
