/* What the engine runs on, for the surfaces. */
#ifndef SL_LOOP_ENGINE_H
#define SL_LOOP_ENGINE_H

#include "base/status.h"
#include "tensor/tensor.h"

#include <stddef.h>

/* "cpu", "cuda", "cuda:1" or "auto"; opened by the first work that needs it. SL_INVALID for other words. */
sl_status sl_engine_use(const char *device);

/* "cpu (avx512)", "cuda:0 (NVIDIA H200, compute capability 9.0)": opens the device. Returns out. */
sl_status sl_engine_text(char *out, size_t bytes);

/* The option --dtype: a number format of activations by its place in the words. SL_UNSUPPORTED for fp16 on
 * the CPU; bf16 on a CPU that cannot multiply it is told of once. Opens the device. */
#define SL_ENGINE_DTYPES "fp32|bf16|fp16"
sl_status sl_engine_dtype(int choice, sl_dtype *out);
const char *sl_engine_dtype_name(int choice);

#endif
