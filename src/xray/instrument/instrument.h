/* Instruments by name: ranges of energy, distance and angles that go together, with the detectors there. */
#ifndef SL_XRAY_INSTRUMENT_INSTRUMENT_H
#define SL_XRAY_INSTRUMENT_INSTRUMENT_H

#include "xray/technique.h"

#include "base/status.h"

#include <stdint.h>

typedef struct sl_range {
    double low, high;
} sl_range;

typedef struct sl_instrument {
    const char *id, *words;
    uint32_t techniques;   /* bit 1 << sl_technique */
    const char *detectors; /* ids of xray/instrument/detector.h, parted by spaces */
    sl_range energy_kev, distance_m;
    sl_range incidence_deg; /* 0, 0: not for grazing incidence */
    sl_range polarisation;
} sl_instrument;

int sl_instrument_count(void);
const sl_instrument *sl_instrument_at(int index); /* static; NULL outside 0..count-1 */
/* By id. SL_NOT_FOUND lists what there is; "any" gives NULL: whatever the class is usually measured with. */
sl_status sl_instrument_find(const char *id, const sl_instrument **out);

#endif
