/* Shared by the readers of options (command line, YAML). */
#ifndef SL_LOOP_OPTION_INTERNAL_H
#define SL_LOOP_OPTION_INTERNAL_H

#include "loop/option/option.h"

void sl_assignments_add(sl_assignments *list, const sl_option *option, const char *value, const char *where);
const sl_option *sl_options_search(const sl_option *const tables[], const char *name);
/* Fails with SL_INVALID, naming the nearest known option. */
sl_status sl_options_unknown(const sl_option *const tables[], const char *name, const char *where);

#endif
