#include "loop/option/yaml_events.h"

#include "base/memory.h"

#include <yaml.h>

struct sl_yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    bool holds_event;
};

sl_status sl_yaml_open(sl_yaml *yaml, const char *path, const char *text, size_t bytes) {
    *yaml = (sl_yaml){.path = path};
    SL_TRY(sl_alloc(&yaml->reader, 1, sizeof *yaml->reader));
    if (!yaml_parser_initialize(&yaml->reader->parser)) {
        sl_free(yaml->reader);
        yaml->reader = NULL;
        return sl_fail(SL_MEMORY, "out of memory reading '%s'", path);
    }
    yaml_parser_set_input_string(&yaml->reader->parser, (const unsigned char *)text, bytes);
    return SL_OK;
}

void sl_yaml_close(sl_yaml *yaml) {
    if (!yaml->reader) return;
    if (yaml->reader->holds_event) yaml_event_delete(&yaml->reader->event);
    yaml_parser_delete(&yaml->reader->parser);
    sl_free(yaml->reader);
    yaml->reader = NULL;
}

sl_status sl_yaml_next(sl_yaml *yaml) {
    static const sl_yaml_kind kinds[] = {
        [YAML_STREAM_START_EVENT] = SL_YAML_STREAM_START,
        [YAML_STREAM_END_EVENT] = SL_YAML_STREAM_END,
        [YAML_DOCUMENT_START_EVENT] = SL_YAML_DOCUMENT_START,
        [YAML_DOCUMENT_END_EVENT] = SL_YAML_DOCUMENT_END,
        [YAML_SCALAR_EVENT] = SL_YAML_SCALAR,
        [YAML_SEQUENCE_START_EVENT] = SL_YAML_SEQUENCE_START,
        [YAML_SEQUENCE_END_EVENT] = SL_YAML_SEQUENCE_END,
        [YAML_MAPPING_START_EVENT] = SL_YAML_MAPPING_START,
        [YAML_MAPPING_END_EVENT] = SL_YAML_MAPPING_END,
    };
    struct sl_yaml_reader *in = yaml->reader;
    if (in->holds_event) yaml_event_delete(&in->event);
    in->holds_event = false;
    if (!yaml_parser_parse(&in->parser, &in->event))
        return sl_fail(SL_FORMAT, "%s:%zu: %s", yaml->path, in->parser.problem_mark.line + 1,
                       in->parser.problem ? in->parser.problem : "not YAML");
    in->holds_event = true;
    yaml->line = in->event.start_mark.line + 1;
    if (in->event.type == YAML_ALIAS_EVENT)
        return sl_fail(SL_UNSUPPORTED, "%s:%zu: aliases are not supported", yaml->path, yaml->line);
    yaml->kind = kinds[in->event.type];
    yaml->scalar = yaml->kind == SL_YAML_SCALAR ? (const char *)in->event.data.scalar.value : NULL;
    return SL_OK;
}
