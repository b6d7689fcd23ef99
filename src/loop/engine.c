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
