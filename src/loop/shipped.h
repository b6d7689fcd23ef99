/* Where the models that come with the program lie. */
#ifndef SL_LOOP_SHIPPED_H
#define SL_LOOP_SHIPPED_H

#include "base/memory.h"
#include "base/status.h"

/* The folder of a shipped model ("base", "backbone"): in $SCATTERLOOP_MODELS, else beside the program
 * (../models, as in a build tree), else in the installed data folder. SL_NOT_FOUND lists where it was looked
 * for. */
sl_status sl_shipped_model(sl_arena *arena, const char *name, const char **out);

#endif
