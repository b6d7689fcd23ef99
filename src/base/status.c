#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[SL_ERROR_MESSAGE_BYTES];

static const struct {
    const char *name, *text;
    int exit_code, http;
} table[SL_STATUS_COUNT] = {
#define SL_STATUS(name, text, exit_code, http) {#name, text, exit_code, http},
#include "base/status.def"
#undef SL_STATUS
};

sl_status sl_fail(sl_status code, const char *format, ...) {
    char text[SL_ERROR_MESSAGE_BYTES]; /* the arguments may point into `message` */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
    return code;
}

static sl_status status_of_errno(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return SL_FULL;
    case ENOMEM:
        return SL_MEMORY;
    case ENOENT:
        return SL_NOT_FOUND;
    case EACCES:
    case EPERM:
        return SL_DENIED;
    default:
        return SL_IO;
    }
}

sl_status sl_fail_errno(const char *format, ...) {
    int number = errno;
    char text[SL_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sl_fail(status_of_errno(number), "%s: %s", text, strerror(number));
}

sl_status sl_context(sl_status code, const char *format, ...) {
    if (code == SL_OK) return code;
    char text[SL_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (used < 0) return code;
    size_t at = (size_t)used < sizeof text ? (size_t)used : sizeof text - 1;
    snprintf(text + at, sizeof text - at, ": %s", message);
    memcpy(message, text, sizeof text);
    return code;
}

const char *sl_error_message(void) {
    return message;
}

void sl_error_clear(void) {
    message[0] = '\0';
}

static sl_status known(sl_status code) {
    return (unsigned)code < SL_STATUS_COUNT ? code : SL_INTERNAL;
}

const char *sl_status_name(sl_status code) {
    return table[known(code)].name;
}

const char *sl_status_text(sl_status code) {
    return table[known(code)].text;
}

int sl_status_exit_code(sl_status code) {
    return table[known(code)].exit_code;
}

int sl_status_http(sl_status code) {
    return table[known(code)].http;
}
