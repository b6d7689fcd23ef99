#include "loop/engine.h"

#include "backend/device.h"

#include <stdio.h>

sl_status sl_engine_use(const char *device) {
    return sl_device_use(device);
}

sl_status sl_engine_text(char *out, size_t bytes) {
    const sl_device *device;
    SL_TRY(sl_device_current(&device));
    if (device)
        snprintf(out, bytes, "%s:%d (%s, %s)", device->module->name, device->index, device->info.name,
                 device->info.detail);
    else
        snprintf(out, bytes, "cpu (%s)", sl_isa_best_name());
    return SL_OK;
}

static const struct engine_dtype {
    sl_dtype dtype;
    const char *name;
} dtypes[] = {{SL_F32, "fp32"}, {SL_BF16, "bf16"}, {SL_F16, "fp16"}};

sl_status sl_engine_dtype(int choice, sl_dtype *out) {
    const sl_device *device;
    *out = dtypes[choice].dtype;
    if (*out != SL_F16) return SL_OK;
    SL_TRY(sl_device_current(&device));
    return device ? SL_OK
                  : sl_fail(SL_UNSUPPORTED,
                            "fp16 is for devices (--device cuda): on the CPU choose --dtype fp32 or bf16");
}

const char *sl_engine_dtype_name(int choice) {
    return dtypes[choice].name;
}
