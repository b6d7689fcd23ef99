/* For the tool that fits the technique's weights: the look and what it goes by. */
#ifndef SL_XRAY_BLIND_LOOK_H
#define SL_XRAY_BLIND_LOOK_H

#include "xray/blind/technique.h"

/* As sl_blind_look_at, but for the technique. */
sl_status blind_look_with_traits(const sl_image *image, sl_blind_look *out, double trait[BLIND_TRAITS]);

#endif
