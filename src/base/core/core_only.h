/* What a core-only program says where a library would have done the work. */
#ifndef SL_BASE_CORE_CORE_ONLY_H
#define SL_BASE_CORE_CORE_ONLY_H

#include "base/status.h"

/* SL_UNSUPPORTED; `what` begins the sentence: "reading PNG". */
sl_status sl_core_only_lacks(const char *what);

#endif
