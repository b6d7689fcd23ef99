#include "backend/call.h"

const char *sl_op_name(sl_op op) {
    static const char *const names[SL_OP_COUNT] = {
#define SL_OP(id, name) name,
#include "backend/ops.def"
#undef SL_OP
    };
    return (unsigned)op < SL_OP_COUNT ? names[op] : "?";
}
