/* What the engine runs on, for the surfaces. */
#ifndef SL_LOOP_ENGINE_H
#define SL_LOOP_ENGINE_H

#include "base/status.h"

#include <stddef.h>

/* "cpu", "cuda", "cuda:1" or "auto"; opened by the first work that needs it. SL_INVALID for other words. */
sl_status sl_engine_use(const char *device);

/* "cpu (avx512)", "cuda:0 (NVIDIA H200, compute capability 9.0)": opens the device. Returns out. */
sl_status sl_engine_text(char *out, size_t bytes);

#endif
