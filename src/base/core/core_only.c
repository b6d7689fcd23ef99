#include "base/core/core_only.h"

sl_status sl_core_only_lacks(const char *what) {
    return sl_fail(SL_UNSUPPORTED, "%s needs the full build; this program is core-only", what);
}
