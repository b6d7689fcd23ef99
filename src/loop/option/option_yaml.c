/* Options from a configuration file. */
#include "loop/option/option.h"

#include "loop/option/option_internal.h"
#include "loop/option/yaml_events.h"

#include "base/file.h"

#include <string.h>

enum { CONFIG_LIMIT_BYTES = 1 << 20 };

typedef struct reader {
    sl_yaml yaml;
    const sl_option *const *tables;
    const char *command;
    const char *const *commands;
    sl_assignments *out;
} reader;

static void assign_scalar(reader *in, const sl_option *option) {
    sl_arena *arena = in->out->arena;
    const char *where = sl_arena_printf(arena, "%s:%zu: %s", in->yaml.path, in->yaml.line, option->name);
    sl_assignments_add(in->out, option, sl_arena_strdup(arena, in->yaml.scalar), where);
}

static sl_status read_value(reader *in, const sl_option *option) {
    if (in->yaml.kind == SL_YAML_SCALAR) {
        assign_scalar(in, option);
        return SL_OK;
    }
    if (in->yaml.kind != SL_YAML_SEQUENCE_START || option->type != SL_OPTION_IS_LIST)
        return sl_fail(SL_INVALID, "%s:%zu: '%s' takes one value", in->yaml.path, in->yaml.line,
                       option->name);
    for (;;) {
        SL_TRY(sl_yaml_next(&in->yaml));
        if (in->yaml.kind == SL_YAML_SEQUENCE_END) return SL_OK;
        if (in->yaml.kind != SL_YAML_SCALAR)
            return sl_fail(SL_INVALID, "%s:%zu: '%s' takes a list of plain values", in->yaml.path,
                           in->yaml.line, option->name);
        assign_scalar(in, option);
    }
}

static sl_status read_mapping(reader *in, bool top);

static sl_status read_entry(reader *in, bool top) {
    if (in->yaml.kind != SL_YAML_SCALAR)
        return sl_fail(SL_INVALID, "%s:%zu: a key must be a plain word", in->yaml.path, in->yaml.line);
    char *key = sl_arena_strdup(in->out->arena, in->yaml.scalar);
    const char *where = sl_arena_printf(in->out->arena, "%s:%zu: '%s'", in->yaml.path, in->yaml.line, key);
    SL_TRY(sl_yaml_next(&in->yaml));
    if (top && in->yaml.kind == SL_YAML_MAPPING_START) {
        if (strcmp(key, in->command) == 0) return read_mapping(in, false);
        for (const char *const *name = in->commands; *name; name++)
            if (strcmp(key, *name) == 0) return sl_yaml_pass_over(&in->yaml);
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
        SL_TRY(sl_yaml_next(&in->yaml));
        if (in->yaml.kind == SL_YAML_MAPPING_END) return SL_OK;
        SL_TRY(read_entry(in, top));
    }
}

static sl_status read_document(reader *in) {
    for (;;) {
        SL_TRY(sl_yaml_next(&in->yaml));
        switch (in->yaml.kind) {
        case SL_YAML_STREAM_START:
        case SL_YAML_DOCUMENT_START:
        case SL_YAML_DOCUMENT_END:
            break;
        case SL_YAML_STREAM_END:
            return SL_OK;
        case SL_YAML_MAPPING_START:
            SL_TRY(read_mapping(in, true));
            break;
        default:
            return sl_fail(SL_INVALID, "%s:%zu: expected lines of 'option: value'", in->yaml.path,
                           in->yaml.line);
        }
    }
}

sl_status sl_options_read_yaml(const char *path, const sl_option *const tables[], const char *command,
                               const char *const commands[], sl_assignments *out) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, CONFIG_LIMIT_BYTES, &text, &bytes));
    reader in = {.tables = tables, .command = command, .commands = commands, .out = out};
    sl_status status = sl_yaml_open(&in.yaml, path, text, bytes);
    if (!status) {
        status = read_document(&in);
        sl_yaml_close(&in.yaml);
    }
    sl_free(text);
    return status;
}
