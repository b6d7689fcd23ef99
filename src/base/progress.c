#include "base/progress.h"

void sl_progress_tell(const sl_progress *progress, const char *what, const char *unit, int64_t done,
                      int64_t total, const char *note) {
    if (!progress || !progress->report) return;
    sl_progress_report report = {what, unit, note, done, total};
    progress->report(progress->context, &report);
}

sl_status sl_progress_check(const sl_progress *progress) {
    if (progress && progress->cancel && atomic_load(progress->cancel))
        return sl_fail(SL_CANCELLED, "cancelled");
    return SL_OK;
}
