/* Options from a configuration file. Events only: no document tree, no tags, no anchors. */
#include "loop/option/option.h"

#include "loop/option/option_internal.h"

#include "base/file.h"

#include <string.h>
#include <yaml.h>

enum { CONFIG_LIMIT_BYTES = 1 << 20 };

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool holds_event;
    const char *path;
    const sl_option *const *tables;
    const char *command;
    const char *const *commands;
    sl_assignments *out;
} reader;

static size_t line_of(const reader *in) {
    return in->event.start_mark.line + 1;
}

static sl_status next(reader *in) {
    if (in->holds_event) yaml_event_delete(&in->event);
    in->holds_event = false;
    if (!yaml_parser_parse(&in->parser, &in->event))
        return sl_fail(SL_FORMAT, "%s:%zu: %s", in->path, in->parser.problem_mark.line + 1,
                       in->parser.problem ? in->parser.problem : "not YAML");
    in->holds_event = true;
    if (in->event.type == YAML_ALIAS_EVENT)
        return sl_fail(SL_UNSUPPORTED, "%s:%zu: aliases are not supported", in->path, line_of(in));
    return SL_OK;
}

static const char *scalar(const reader *in) {
    return (const char *)in->event.data.scalar.value;
}

/* The value after a key has been read up to its first event; consumes it without use. */
static sl_status pass_over(reader *in) {
    int depth = 0;
    for (;;) {
        yaml_event_type_t type = in->event.type;
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) depth++;
        if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT) depth--;
        if (depth == 0) return SL_OK;
        SL_TRY(next(in));
    }
}

static void assign_scalar(reader *in, const sl_option *option) {
    sl_arena *arena = in->out->arena;
    const char *where = sl_arena_printf(arena, "%s:%zu: %s", in->path, line_of(in), option->name);
    sl_assignments_add(in->out, option, sl_arena_strdup(arena, scalar(in)), where);
}

static sl_status read_value(reader *in, const sl_option *option) {
    if (in->event.type == YAML_SCALAR_EVENT) {
        assign_scalar(in, option);
        return SL_OK;
    }
    if (in->event.type != YAML_SEQUENCE_START_EVENT || option->type != SL_OPTION_IS_LIST)
        return sl_fail(SL_INVALID, "%s:%zu: '%s' takes one value", in->path, line_of(in), option->name);
    for (;;) {
        SL_TRY(next(in));
        if (in->event.type == YAML_SEQUENCE_END_EVENT) return SL_OK;
        if (in->event.type != YAML_SCALAR_EVENT)
            return sl_fail(SL_INVALID, "%s:%zu: '%s' takes a list of plain values", in->path, line_of(in),
                           option->name);
        assign_scalar(in, option);
    }
}

static sl_status read_mapping(reader *in, bool top);

static sl_status read_entry(reader *in, bool top) {
    if (in->event.type != YAML_SCALAR_EVENT)
        return sl_fail(SL_INVALID, "%s:%zu: a key must be a plain word", in->path, line_of(in));
    char *key = sl_arena_strdup(in->out->arena, scalar(in));
    const char *where = sl_arena_printf(in->out->arena, "%s:%zu: '%s'", in->path, line_of(in), key);
    SL_TRY(next(in));
    if (top && in->event.type == YAML_MAPPING_START_EVENT) {
        if (strcmp(key, in->command) == 0) return read_mapping(in, false);
        for (const char *const *name = in->commands; *name; name++)
            if (strcmp(key, *name) == 0) return pass_over(in);
        return sl_fail(SL_INVALID, "%s is no command", where);
    }
    for (char *at = key; *at; at++)
        if (*at == '_') *at = '-';
    const sl_option *option = sl_options_search(in->tables, key);
    if (!option) return sl_options_unknown(in->tables, key, where);
    return read_value(in, option);
}

static sl_status read_mapping(reader *in, bool top) {
    for (;;) {
        SL_TRY(next(in));
        if (in->event.type == YAML_MAPPING_END_EVENT) return SL_OK;
        SL_TRY(read_entry(in, top));
    }
}

static sl_status read_document(reader *in) {
    for (;;) {
        SL_TRY(next(in));
        switch (in->event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_STREAM_END_EVENT:
            return SL_OK;
        case YAML_MAPPING_START_EVENT:
            SL_TRY(read_mapping(in, true));
            break;
        default:
            return sl_fail(SL_INVALID, "%s:%zu: expected lines of 'option: value'", in->path, line_of(in));
        }
    }
}

sl_status sl_options_read_yaml(const char *path, const sl_option *const tables[], const char *command,
                               const char *const commands[], sl_assignments *out) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, CONFIG_LIMIT_BYTES, &text, &bytes));
    reader in = {.path = path, .tables = tables, .command = command, .commands = commands, .out = out};
    if (!yaml_parser_initialize(&in.parser)) {
        sl_free(text);
        return sl_fail(SL_MEMORY, "out of memory reading '%s'", path);
    }
    yaml_parser_set_input_string(&in.parser, (const unsigned char *)text, bytes);
    sl_status status = read_document(&in);
    if (in.holds_event) yaml_event_delete(&in.event);
    yaml_parser_delete(&in.parser);
    sl_free(text);
    return status;
}
