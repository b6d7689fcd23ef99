/* The round shadow of a pipe or window before the detector. */
#ifndef SL_XRAY_PHYSICAL_APERTURE_H
#define SL_XRAY_PHYSICAL_APERTURE_H

#include "xray/physical/internal.h"

/* A copy of the view's image with all that a round aperture shades masked as SL_MASK_INVALID; *found says
 * whether there is one. An aperture is a circle that is not the beam's: one about the beam breaks no
 * symmetry. *out is new where found (sl_image_free). */
sl_status physical_aperture_mask(const physical_view *view, sl_image *out, bool *found);

#endif
