#include "loop/option/yaml_events.h"

sl_status sl_yaml_pass_over(sl_yaml *yaml) {
    int depth = 0;
    for (;;) {
        sl_yaml_kind kind = yaml->kind;
        if (kind == SL_YAML_MAPPING_START || kind == SL_YAML_SEQUENCE_START) depth++;
        if (kind == SL_YAML_MAPPING_END || kind == SL_YAML_SEQUENCE_END) depth--;
        if (depth == 0) return SL_OK;
        SL_TRY(sl_yaml_next(yaml));
    }
}
