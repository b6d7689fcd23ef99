#include "xray/instrument/poni.h"

void sl_poni_write(const sl_geometry *g, int32_t height_px, int32_t width_px, sl_text *out) {
    sl_text_printf(out,
                   "# scatterloop " SL_VERSION ": geometry of a simulated image\n"
                   "poni_version: 2.1\n"
                   "Detector: Detector\n"
                   "Detector_config: {\"pixel1\": %.17g, \"pixel2\": %.17g, \"max_shape\": [%d, %d], "
                   "\"orientation\": 3}\n",
                   g->pixel_m, g->pixel_m, height_px, width_px);
    sl_text_printf(out, "Distance: %.17g\nPoni1: %.17g\nPoni2: %.17g\n", g->distance_m, g->poni1_m,
                   g->poni2_m);
    sl_text_printf(out, "Rot1: %.17g\nRot2: %.17g\nRot3: %.17g\nWavelength: %.17g\n", g->rotation_rad[0],
                   g->rotation_rad[1], g->rotation_rad[2], g->wavelength_ang * 1e-10);
}
