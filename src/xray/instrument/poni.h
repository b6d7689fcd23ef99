/* Geometry as text for pyFAI. */
#ifndef SL_XRAY_INSTRUMENT_PONI_H
#define SL_XRAY_INSTRUMENT_PONI_H

#include "base/text.h"
#include "xray/instrument/geometry.h"

/* Adds a .poni file (version 2.1) of an image of this geometry. */
void sl_poni_write(const sl_geometry *geometry, int32_t height_px, int32_t width_px, sl_text *out);

#endif
