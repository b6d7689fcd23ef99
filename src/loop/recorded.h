/* What an image's provenance says of how it was taken: what was generated or simulated here and what was
 * imported record it in their own ways. */
#ifndef SL_LOOP_RECORDED_H
#define SL_LOOP_RECORDED_H

#include "base/json.h"
#include "image/frame.h"
#include "store/store.h"
#include "xray/image_features.h"

/* The record of an image, a new reference; NULL where it is empty. SL_NOT_FOUND where the image has none,
 * SL_FORMAT where it is no JSON. */
sl_status sl_recorded_provenance(sl_store *store, sl_id image, json_t **out);

/* Where the direct beam is: as it was drawn, else as the imported file has it; not known where neither says.
 * provenance: the object, or NULL. */
sl_beam_place sl_recorded_beam(const json_t *provenance);

/* The same, else where `generate` found the middle of a picture that was drawn without a beam's place. */
sl_beam_place sl_recorded_centre(const json_t *provenance);

/* Wavelength, distance and pixels as an imported file or the simulator has them, with the beam of
 * sl_recorded_beam; NAN where neither says. */
sl_frame_geometry sl_recorded_geometry(const json_t *provenance);

/* How far the detector leans from standing square to the beam, rad; 0 where nothing is said. */
double sl_recorded_tilt(const json_t *provenance);

/* Grey levels for the eye rather than counts, by the format of a file and its pixels: PNG, JPEG, or 8 bits.
 * format, dtype: as sl_frame names them, or NULL where nothing is known. */
bool sl_recorded_is_picture(const char *format, const char *dtype);

#endif
