/* Progress on stderr: one line that is drawn over on a terminal, a plain line now and then elsewhere. */
#ifndef SL_CLI_PROGRESS_BAR_H
#define SL_CLI_PROGRESS_BAR_H

#include "base/progress.h"

#include <pthread.h>
#include <stdio.h>

typedef struct sl_progress_bar {
    pthread_mutex_t lock;
    FILE *stream;
    bool terminal, silent;
    char what[64];
    double start_s, shown_s; /* of this piece of work; of the last line */
    int64_t start_done, done, total;
    bool open; /* a line on the terminal waits for its end */
} sl_progress_bar;

void sl_progress_bar_init(sl_progress_bar *bar, FILE *stream, bool silent);
void sl_progress_bar_report(void *bar,
                            const sl_progress_report *report); /* any thread; for sl_progress.report */
void sl_progress_bar_end(sl_progress_bar *bar);                /* before anything else is printed */

#endif
