#include "loop/engine.h"

#include "backend/device.h"
#include "backend/isa.h"
#include "base/log.h"

#include <stdatomic.h>
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

static void warn_of_slow_bf16(void) {
    static atomic_flag told = ATOMIC_FLAG_INIT;
    unsigned levels = sl_isa_available();
    if (!levels || levels & SL_ISA_AVX512_BF16 || atomic_flag_test_and_set(&told)) return;
    sl_warn("bf16 on a CPU that does not multiply it (%s): layers are computed one number at a time, up to a "
            "hundred times slower than --dtype fp32",
            sl_isa_best_name());
}

sl_status sl_engine_dtype(int choice, sl_dtype *out) {
    const sl_device *device;
    *out = dtypes[choice].dtype;
    if (*out == SL_F32) return SL_OK;
    SL_TRY(sl_device_current(&device));
    if (device) return SL_OK;
    if (*out == SL_F16)
        return sl_fail(SL_UNSUPPORTED,
                       "fp16 is for devices (--device cuda): on the CPU choose --dtype fp32 or bf16");
    warn_of_slow_bf16();
    return SL_OK;
}

const char *sl_engine_dtype_name(int choice) {
    return dtypes[choice].name;
}
