/* What the tests share. A test sets applicable, value and saw; the caller calibrates. */
#ifndef SL_XRAY_PHYSICAL_INTERNAL_H
#define SL_XRAY_PHYSICAL_INTERNAL_H

#include "xray/physical_test.h"

/* Both tests of rings share one measurement. */
sl_status physical_rings(const sl_physical_input *input, sl_physical_result *centre,
                         sl_physical_result *shape);
sl_status physical_mirror(const sl_physical_input *input, sl_physical_result *out);
sl_status physical_beamstop(const sl_physical_input *input, sl_physical_result *out);
sl_status physical_gaps(const sl_physical_input *input, sl_physical_result *out);
sl_status physical_noise(const sl_physical_input *input, sl_physical_result *variance,
                         sl_physical_result *correlation, sl_physical_result *grid);

#endif
