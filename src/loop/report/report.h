/* Use-case: one self-contained HTML page about a workspace. */
#ifndef SL_LOOP_REPORT_REPORT_H
#define SL_LOOP_REPORT_REPORT_H

#include "base/progress.h"
#include "loop/workspace.h"

typedef struct sl_report_settings {
    const char *out;    /* NULL: WORKSPACE/report.html */
    int64_t thumbnails; /* images in a contact sheet */
} sl_report_settings;

/* Images before and after, accepted and rejected with reasons, curves, lineage, numbers with intervals. Asks
 * for no file and no host when opened. *out_path lives in `arena`. */
sl_status sl_report_write(const sl_workspace *workspace, const sl_report_settings *settings,
                          const sl_progress *progress, sl_arena *arena, const char **out_path);

#endif
