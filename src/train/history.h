/* The record of a training: a file of JSON lines, one object a line, which curves and reports are drawn from.
 *
 * Keys: step, loss (mean since the line before), lr, grad_norm, samples_per_s, elapsed_s; where they apply
 * holdout, best, spike. Each line is flushed when written. */
#ifndef SL_TRAIN_HISTORY_H
#define SL_TRAIN_HISTORY_H

#include "base/status.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

typedef struct sl_history {
    FILE *stream; /* NULL: nothing is written */
} sl_history;

/* Opens for appending, after dropping lines beyond `step`: those of a run that ended after its last saved
 * state, which will be written again. A last line that was cut off is dropped too. */
sl_status sl_history_open(sl_history *history, const char *path, int64_t step);
sl_status sl_history_add(sl_history *history, json_t *line); /* takes the reference */
/* All lines of the file as an array (new reference); a last one that was cut off is left out. */
sl_status sl_history_read(const char *path, json_t **out);
void sl_history_close(sl_history *history);

#endif
