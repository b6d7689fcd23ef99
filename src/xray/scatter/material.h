/* Materials: crystal cells with their powder intensities, and refraction of X-rays. */
#ifndef SL_XRAY_SCATTER_MATERIAL_H
#define SL_XRAY_SCATTER_MATERIAL_H

#include "xray/scatter/lattice.h"
#include "xray/scatter/reflectivity.h"

#include <stdbool.h>

enum { SL_MATERIAL_LINES = 16 };

typedef struct sl_material {
    const char *id, *words;
    sl_cell cell;
    bool held_out;                       /* not used for the base model's data */
    double intensity[SL_MATERIAL_LINES]; /* of the powder lines by rising q; all 0: not known */
} sl_material;

int sl_material_count(void);
const sl_material *sl_material_at(int index);        /* NULL outside */
const sl_material *sl_material_find(const char *id); /* NULL when there is none */

/* Index of refraction at an energy, from its value at 10 keV: delta as E^-2, beta as E^-3.8, away from edges.
 * id must be in refractions.def; an unknown one gives vacuum. */
sl_refraction sl_refraction_of(const char *id, double energy_kev);

#endif
