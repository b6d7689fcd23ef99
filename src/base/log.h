/* Messages for people (stderr) and for machines (JSON lines). Not for results: those go to stdout. */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include "base/status.h"

typedef enum sl_log_level { SL_LOG_DEBUG, SL_LOG_INFO, SL_LOG_WARN, SL_LOG_ERROR } sl_log_level;

void sl_log_set_level(sl_log_level level); /* default SL_LOG_INFO */
void sl_log(sl_log_level level, const char *format, ...) SL_PRINTF(2, 3);
const char *sl_log_level_name(sl_log_level level);

#define sl_debug(...) sl_log(SL_LOG_DEBUG, __VA_ARGS__)
#define sl_info(...)  sl_log(SL_LOG_INFO, __VA_ARGS__)
#define sl_warn(...)  sl_log(SL_LOG_WARN, __VA_ARGS__)

#endif
