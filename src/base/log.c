#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static sl_log_level threshold = SL_LOG_INFO;

const char *sl_log_level_name(sl_log_level level) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}

void sl_log_set_level(sl_log_level level) {
    threshold = level;
}

void sl_log(sl_log_level level, const char *format, ...) {
    if (level < threshold) return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (level == SL_LOG_INFO)
        fprintf(stderr, "%s\n", text);
    else
        fprintf(stderr, "%s: %s\n", sl_log_level_name(level), text);
}
