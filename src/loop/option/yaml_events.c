#include "loop/option/yaml_events.h"

sl_status sl_yaml_open(sl_yaml *yaml, const char *path, const char *text, size_t bytes) {
    *yaml = (sl_yaml){.path = path};
    if (!yaml_parser_initialize(&yaml->parser)) return sl_fail(SL_MEMORY, "out of memory reading '%s'", path);
    yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)text, bytes);
    return SL_OK;
}

void sl_yaml_close(sl_yaml *yaml) {
    if (yaml->holds_event) yaml_event_delete(&yaml->event);
    yaml_parser_delete(&yaml->parser);
    yaml->holds_event = false;
}

size_t sl_yaml_line(const sl_yaml *yaml) {
    return yaml->event.start_mark.line + 1;
}

sl_status sl_yaml_next(sl_yaml *yaml) {
    if (yaml->holds_event) yaml_event_delete(&yaml->event);
    yaml->holds_event = false;
    if (!yaml_parser_parse(&yaml->parser, &yaml->event))
        return sl_fail(SL_FORMAT, "%s:%zu: %s", yaml->path, yaml->parser.problem_mark.line + 1,
                       yaml->parser.problem ? yaml->parser.problem : "not YAML");
    yaml->holds_event = true;
    if (yaml->event.type == YAML_ALIAS_EVENT)
        return sl_fail(SL_UNSUPPORTED, "%s:%zu: aliases are not supported", yaml->path, sl_yaml_line(yaml));
    return SL_OK;
}

const char *sl_yaml_scalar(const sl_yaml *yaml) {
    return (const char *)yaml->event.data.scalar.value;
}

sl_status sl_yaml_pass_over(sl_yaml *yaml) {
    int depth = 0;
    for (;;) {
        yaml_event_type_t type = yaml->event.type;
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) depth++;
        if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT) depth--;
        if (depth == 0) return SL_OK;
        SL_TRY(sl_yaml_next(yaml));
    }
}
