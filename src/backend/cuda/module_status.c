#include "backend/cuda/module_status.h"

#include <stdarg.h>

static const sl_device_host *program;

void sl_cuda_status_use(const sl_device_host *host) {
    program = host;
}

sl_status sl_fail(sl_status code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    program->fail(code, format, arguments);
    va_end(arguments);
    return code;
}

sl_status sl_context(sl_status code, const char *format, ...) {
    if (code == SL_OK) return code;
    va_list arguments;
    va_start(arguments, format);
    program->context(code, format, arguments);
    va_end(arguments);
    return code;
}

void sl_cuda_note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    program->note(format, arguments);
    va_end(arguments);
}
