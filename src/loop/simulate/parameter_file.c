#include "loop/simulate/parameter_file.h"

#include "base/file.h"
#include "base/log.h"
#include "loop/option/yaml_events.h"
#include "xray/simulate.h"

#include <string.h>

enum { FILE_LIMIT_BYTES = 64 << 20, VALUES_MAX = SL_OVERRIDE_WORDS + 1 };

typedef struct reader {
    sl_yaml yaml;
    bool is_sidecar;
    sl_arena *arena;
    sl_sim_class *class_id;
    sl_sim_overrides *overrides;
    size_t first_line[SL_SIM_PARAMETER_COUNT]; /* where it stood for every class; 0: nowhere */
} reader;

/* "file:line" before the message of what failed there. */
static sl_status at_line(const reader *in, size_t line, sl_status status) {
    return sl_context(status, "%s:%zu", in->yaml.path, line);
}

static sl_status next_value(reader *in, const char *name, const char **value, int *count) {
    if (in->yaml.kind != SL_YAML_SCALAR)
        return sl_fail(SL_INVALID, "%s:%zu: '%s' takes a value or a list of values", in->yaml.path,
                       in->yaml.line, name);
    if (*count == VALUES_MAX)
        return sl_fail(SL_LIMIT, "%s:%zu: '%s' has more than %d values", in->yaml.path, in->yaml.line, name,
                       SL_OVERRIDE_WORDS);
    value[(*count)++] = sl_arena_strdup(in->arena, in->yaml.scalar);
    return SL_OK;
}

/* A scalar, or a list of scalars; the event at hand is the value's first. */
static sl_status read_values(reader *in, const char *name, const char **value, int *count) {
    *count = 0;
    if (in->yaml.kind != SL_YAML_SEQUENCE_START) return next_value(in, name, value, count);
    for (;;) {
        SL_TRY(sl_yaml_next(&in->yaml));
        if (in->yaml.kind == SL_YAML_SEQUENCE_END) return SL_OK;
        SL_TRY(next_value(in, name, value, count));
    }
}

static sl_status read_parameter(reader *in, sl_sim_class class_id, const char *name, size_t line) {
    const char *value[VALUES_MAX];
    int count;
    sl_sim_parameter parameter;
    sl_status status = sl_sim_parameter_find(name, class_id, &parameter);
    if (status) return at_line(in, line, status);
    SL_TRY(read_values(in, name, value, &count));
    if (sl_sim_parameter_info(parameter)->kind == SL_SIM_PARAMETER_IS_RESULT) {
        if (!in->is_sidecar)
            sl_warn("%s:%zu: '%s' follows from other parameters; not set", in->yaml.path, line, name);
        return SL_OK;
    }
    if (class_id == SL_SIM_CLASS_ANY) in->first_line[parameter] = line;
    return at_line(in, line, sl_sim_overrides_set(in->overrides, class_id, parameter, value, count));
}

static sl_status read_class_name(reader *in, size_t line) {
    const char *value[VALUES_MAX];
    int count;
    sl_sim_class found;
    SL_TRY(read_values(in, "class", value, &count));
    if (count != 1) return sl_fail(SL_INVALID, "%s:%zu: 'class' takes one name", in->yaml.path, line);
    sl_status status = sl_sim_class_find(value[0], &found);
    if (status) return at_line(in, line, status);
    if (*in->class_id != SL_SIM_CLASS_ANY && found != *in->class_id)
        return sl_fail(SL_INVALID, "%s:%zu: class '%s', but '%s' is asked for", in->yaml.path, line, value[0],
                       sl_sim_class_id(*in->class_id));
    *in->class_id = found;
    return SL_OK;
}

/* What a file may hold beside the parameters themselves. */
typedef enum level { LEVEL_TOP, LEVEL_PARAMETERS, LEVEL_CLASS } level;

static sl_status read_mapping(reader *in, level at, sl_sim_class class_id);

static sl_status read_entry(reader *in, level at, sl_sim_class class_id) {
    if (in->yaml.kind != SL_YAML_SCALAR)
        return sl_fail(SL_INVALID, "%s:%zu: a key must be a plain word", in->yaml.path, in->yaml.line);
    const char *name = sl_arena_strdup(in->arena, in->yaml.scalar);
    size_t line = in->yaml.line;
    SL_TRY(sl_yaml_next(&in->yaml));
    bool mapping = in->yaml.kind == SL_YAML_MAPPING_START;
    sl_sim_class found;
    if (at == LEVEL_TOP && strcmp(name, "class") == 0) return read_class_name(in, line);
    if (at == LEVEL_TOP && mapping && strcmp(name, "parameters") == 0)
        return read_mapping(in, LEVEL_PARAMETERS, SL_SIM_CLASS_ANY);
    if (at == LEVEL_TOP && in->is_sidecar) return sl_yaml_pass_over(&in->yaml);
    if (at != LEVEL_CLASS && mapping) {
        sl_status status = sl_sim_class_find(name, &found);
        if (status) return at_line(in, line, status);
        return read_mapping(in, LEVEL_CLASS, found);
    }
    return read_parameter(in, class_id, name, line);
}

static sl_status read_mapping(reader *in, level at, sl_sim_class class_id) {
    for (;;) {
        SL_TRY(sl_yaml_next(&in->yaml));
        if (in->yaml.kind == SL_YAML_MAPPING_END) return SL_OK;
        SL_TRY(read_entry(in, at, class_id));
    }
}

/* To the first mapping of the file. */
static sl_status find_top(sl_yaml *yaml, bool *empty) {
    *empty = false;
    for (;;) {
        SL_TRY(sl_yaml_next(yaml));
        sl_yaml_kind type = yaml->kind;
        if (type == SL_YAML_MAPPING_START) return SL_OK;
        if (type == SL_YAML_STREAM_END) {
            *empty = true;
            return SL_OK;
        }
        if (type == SL_YAML_SCALAR || type == SL_YAML_SEQUENCE_START)
            return sl_fail(SL_INVALID, "%s:%zu: expected lines of 'parameter: value'", yaml->path,
                           yaml->line);
    }
}

/* A mapping "parameters" at the top makes it a sidecar, wherever it stands. */
static sl_status look_for_sidecar(sl_yaml *yaml, bool *is_sidecar) {
    bool empty;
    SL_TRY(find_top(yaml, &empty));
    while (!empty) {
        SL_TRY(sl_yaml_next(yaml));
        if (yaml->kind == SL_YAML_MAPPING_END) break;
        bool named = yaml->kind == SL_YAML_SCALAR && !strcmp(yaml->scalar, "parameters");
        SL_TRY(sl_yaml_pass_over(yaml));
        SL_TRY(sl_yaml_next(yaml));
        *is_sidecar |= named && yaml->kind == SL_YAML_MAPPING_START;
        SL_TRY(sl_yaml_pass_over(yaml));
    }
    return SL_OK;
}

static sl_status read_top(reader *in) {
    bool empty;
    SL_TRY(find_top(&in->yaml, &empty));
    if (empty) return SL_OK;
    SL_TRY(read_mapping(in, LEVEL_TOP, SL_SIM_CLASS_ANY));
    SL_TRY(sl_yaml_next(&in->yaml)); /* the document's end */
    SL_TRY(sl_yaml_next(&in->yaml));
    if (in->yaml.kind != SL_YAML_STREAM_END)
        return sl_fail(SL_INVALID, "%s:%zu: a second document, expected one", in->yaml.path, in->yaml.line);
    return SL_OK;
}

/* A name that the one class asked for does not have is a mistake that would go unseen. */
static void warn_of_unused(const reader *in) {
    if (*in->class_id == SL_SIM_CLASS_ANY || in->is_sidecar) return;
    for (int i = 0; i < SL_SIM_PARAMETER_COUNT; i++) {
        const sl_sim_parameter_facts *facts = sl_sim_parameter_info((sl_sim_parameter)i);
        if (in->first_line[i] && !(facts->classes >> *in->class_id & 1))
            sl_warn("%s:%zu: no image of class %s has '%s'", in->yaml.path, in->first_line[i],
                    sl_sim_class_id(*in->class_id), facts->name);
    }
}

static sl_status read_text(reader *in, const char *path, const char *text, size_t bytes) {
    SL_TRY(sl_yaml_open(&in->yaml, path, text, bytes));
    sl_status status = look_for_sidecar(&in->yaml, &in->is_sidecar);
    sl_yaml_close(&in->yaml);
    if (!status) status = sl_yaml_open(&in->yaml, path, text, bytes);
    if (status) return status;
    status = read_top(in);
    sl_yaml_close(&in->yaml);
    if (!status) warn_of_unused(in);
    return status;
}

sl_status sl_parameter_text_read(const char *name, const char *text, size_t bytes, sl_sim_class *class_id,
                                 sl_sim_overrides *overrides) {
    reader in = {.class_id = class_id, .overrides = overrides};
    SL_TRY(sl_arena_new(&in.arena));
    sl_status status = read_text(&in, name, text, bytes);
    sl_arena_free(in.arena);
    return status;
}

sl_status sl_parameter_file_read(const char *path, sl_sim_class *class_id, sl_sim_overrides *overrides) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, FILE_LIMIT_BYTES, &text, &bytes));
    sl_status status = sl_parameter_text_read(path, text, bytes, class_id, overrides);
    sl_sha256_hex(text, bytes, overrides->source_sha256);
    sl_free(text);
    return status;
}
