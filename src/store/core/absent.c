/* No implementation of the store: opening one fails. */
#include "base/core/core_only.h"
#include "store/methods.h"

sl_status sl_store_open_sqlite(const char *path, bool create, sl_store **out) {
    (void)path, (void)create, (void)out;
    return sl_core_only_lacks("a workspace");
}
