/* The part of YAML 1.2 that configuration and parameter files use, and JSON with it: block mappings and
 * sequences, flow collections, plain and quoted scalars of one line, comments, documents. The rest (block
 * scalars, plain scalars of several lines, tags, complex keys) is refused by name. */
#include "loop/option/yaml_events.h"

#include "base/core/utf8.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

typedef struct event {
    sl_yaml_kind kind;
    size_t line, scalar; /* place of its text among the scalars */
} event;

struct sl_yaml_reader {
    const char *path, *text;
    size_t at, bytes, line, line_start;
    int depth;
    sl_text events, scalars; /* event [], NUL-terminated texts */
    size_t next;             /* event to come */
    sl_status failure;       /* of reading, told behind the events before it */
    sl_text message;
};

typedef struct sl_yaml_reader reader;

static char ahead(const reader *in, size_t by) {
    return in->at + by < in->bytes ? in->text[in->at + by] : '\0';
}

static size_t column(const reader *in) {
    return in->at - in->line_start;
}

static bool ends_token(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

static sl_status fail_here(const reader *in, sl_status code, const char *what) {
    return sl_fail(code, "%s:%zu: %s", in->path, in->line, what);
}

static void add_event_at(reader *in, sl_yaml_kind kind, size_t line) {
    const event e = {kind, line, 0};
    sl_text_add_bytes(&in->events, &e, sizeof e);
}

static void add_event(reader *in, sl_yaml_kind kind) {
    add_event_at(in, kind, in->line);
}

/* Its text is what has been added to the scalars from `start` on. */
static void add_scalar_at(reader *in, size_t line, size_t start) {
    const event e = {SL_YAML_SCALAR, line, start};
    sl_text_add_bytes(&in->scalars, "", 1);
    sl_text_add_bytes(&in->events, &e, sizeof e);
}

static void skip_blanks(reader *in) {
    while (ahead(in, 0) == ' ' || ahead(in, 0) == '\t') in->at++;
    bool comment = ahead(in, 0) == '#' && (in->at == in->line_start || ends_token(in->text[in->at - 1]));
    while (comment && in->at < in->bytes && in->text[in->at] != '\n') in->at++;
    if (ahead(in, 0) == '\r' && ahead(in, 1) == '\n') in->at++;
}

static bool at_line_end(const reader *in) {
    return in->at >= in->bytes || in->text[in->at] == '\n';
}

/* To the next token, over lines. */
static void skip_lines(reader *in) {
    for (skip_blanks(in); in->at < in->bytes && in->text[in->at] == '\n'; skip_blanks(in)) {
        in->at++;
        in->line++;
        in->line_start = in->at;
    }
}

static bool at_marker(const reader *in, const char *marker) {
    return column(in) == 0 && in->bytes - in->at >= 3 && memcmp(in->text + in->at, marker, 3) == 0 &&
           ends_token(ahead(in, 3));
}

static bool at_end(const reader *in) {
    return in->at >= in->bytes || at_marker(in, "---") || at_marker(in, "...");
}

/* ---- scalars ---- */

static sl_status read_single_quoted(reader *in, sl_text *out) {
    for (in->at++; !at_line_end(in); in->at++) {
        if (ahead(in, 0) == '\'' && ahead(in, 1) != '\'') {
            in->at++;
            return SL_OK;
        }
        if (ahead(in, 0) == '\'') in->at++;
        sl_text_add_bytes(out, in->text + in->at, 1);
    }
    return fail_here(in, SL_FORMAT, "a quoted text must end in its line");
}

static bool read_code(reader *in, int digits, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < digits; i++, in->at++) {
        char c = ahead(in, 0);
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            *out = *out << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    return *out != 0 && (*out < 0xd800 || *out > 0xdfff);
}

/* Behind the backslash. */
static sl_status read_escape(reader *in, sl_text *out) {
    static const char letters[] = "\"\\/abtnvfre 0", meant[] = "\"\\/\a\b\t\n\v\f\r\x1b ";
    const char *found = ahead(in, 0) ? strchr(letters, ahead(in, 0)) : NULL;
    uint32_t code;
    if (found && *found != '0') {
        sl_text_add_bytes(out, &meant[found - letters], 1);
        in->at++;
        return SL_OK;
    }
    int digits = ahead(in, 0) == 'x' ? 2 : ahead(in, 0) == 'u' ? 4 : 0;
    in->at++;
    if (!digits || !read_code(in, digits, &code))
        return fail_here(in, SL_UNSUPPORTED, "an escape that a core-only program does not read");
    char bytes[4];
    size_t count = sl_utf8_write((int32_t)code, bytes);
    sl_text_add_bytes(out, bytes, count);
    return SL_OK;
}

static sl_status read_double_quoted(reader *in, sl_text *out) {
    in->at++;
    while (!at_line_end(in)) {
        if (ahead(in, 0) == '"') {
            in->at++;
            return SL_OK;
        }
        if (ahead(in, 0) == '\\') {
            in->at++;
            SL_TRY(read_escape(in, out));
        } else {
            sl_text_add_bytes(out, in->text + in->at, 1);
            in->at++;
        }
    }
    return fail_here(in, SL_FORMAT, "a quoted text must end in its line");
}

static bool is_flow_mark(char c) {
    return c && strchr(",[]{}", c);
}

static sl_status read_plain(reader *in, bool flow, sl_text *out) {
    size_t start = in->at, end = start;
    if (strchr("|>", ahead(in, 0)))
        return fail_here(in, SL_UNSUPPORTED, "texts of several lines are not read by a core-only program");
    if (strchr("!?@`%", ahead(in, 0)))
        return fail_here(in, SL_UNSUPPORTED, "tags, complex keys and directives are not supported");
    if (ahead(in, 0) == '-' && ends_token(ahead(in, 1)))
        return fail_here(in, SL_FORMAT, "a list of dashes begins in a line of its own");
    for (; !at_line_end(in); in->at++) {
        char c = ahead(in, 0);
        if (c == ':' && (ends_token(ahead(in, 1)) || (flow && is_flow_mark(ahead(in, 1))))) break;
        if (flow && is_flow_mark(c)) break;
        if (c == '#' && in->at > start && ends_token(in->text[in->at - 1])) break;
        if (!ends_token(c)) end = in->at + 1;
    }
    if (end == start) return fail_here(in, SL_FORMAT, "a value expected");
    sl_text_add_bytes(out, in->text + start, end - start);
    return SL_OK;
}

/* A scalar as an event. Anchors are passed over: nothing refers to them. */
static sl_status read_scalar(reader *in, bool flow) {
    if (ahead(in, 0) == '*') return fail_here(in, SL_UNSUPPORTED, "aliases are not supported");
    size_t start = in->scalars.length;
    if (ahead(in, 0) == '\'')
        SL_TRY(read_single_quoted(in, &in->scalars));
    else if (ahead(in, 0) == '"')
        SL_TRY(read_double_quoted(in, &in->scalars));
    else
        SL_TRY(read_plain(in, flow, &in->scalars));
    add_scalar_at(in, in->line, start);
    skip_blanks(in);
    return SL_OK;
}

static void skip_anchor(reader *in) {
    if (ahead(in, 0) != '&') return;
    while (!ends_token(ahead(in, 0))) in->at++;
    skip_blanks(in);
}

/* ---- flow collections ---- */

static sl_status read_flow(reader *in);

static sl_status read_flow_item(reader *in, bool mapping) {
    if (!mapping) return read_flow(in);
    SL_TRY(read_scalar(in, true));
    skip_lines(in);
    if (ahead(in, 0) != ':') return fail_here(in, SL_FORMAT, "':' expected");
    in->at++;
    skip_lines(in);
    return read_flow(in);
}

static sl_status read_flow_collection(reader *in, bool mapping) {
    char end = mapping ? '}' : ']';
    add_event(in, mapping ? SL_YAML_MAPPING_START : SL_YAML_SEQUENCE_START);
    in->at++;
    skip_lines(in);
    while (ahead(in, 0) != end) {
        if (at_end(in)) return fail_here(in, SL_FORMAT, mapping ? "'}' expected" : "']' expected");
        SL_TRY(read_flow_item(in, mapping));
        skip_lines(in);
        if (ahead(in, 0) != ',') {
            if (ahead(in, 0) == end) break;
            return fail_here(in, SL_FORMAT, mapping ? "',' or '}' expected" : "',' or ']' expected");
        }
        in->at++;
        skip_lines(in);
    }
    add_event(in, mapping ? SL_YAML_MAPPING_END : SL_YAML_SEQUENCE_END);
    in->at++;
    skip_blanks(in);
    return SL_OK;
}

static sl_status read_flow(reader *in) {
    if (++in->depth > DEPTH_MAX) return fail_here(in, SL_LIMIT, "nested too deep");
    skip_anchor(in);
    bool mapping = ahead(in, 0) == '{', collection = mapping || ahead(in, 0) == '[';
    sl_status status = collection ? read_flow_collection(in, mapping) : read_scalar(in, true);
    in->depth--;
    return status;
}

/* ---- block collections ---- */

static sl_status read_block(reader *in, size_t least_column);

static bool at_dash(const reader *in) {
    return ahead(in, 0) == '-' && ends_token(ahead(in, 1));
}

static sl_status check_line_end(reader *in) {
    skip_blanks(in);
    return at_line_end(in) ? SL_OK : fail_here(in, SL_FORMAT, "the end of the line expected");
}

static sl_status read_sequence(reader *in, size_t place) {
    add_event(in, SL_YAML_SEQUENCE_START);
    while (!at_end(in) && column(in) == place && at_dash(in)) {
        in->at++;
        SL_TRY(read_block(in, place + 1));
        skip_lines(in);
    }
    if (!at_end(in) && column(in) > place) return fail_here(in, SL_FORMAT, "not in line with what is above");
    add_event(in, SL_YAML_SEQUENCE_END);
    return SL_OK;
}

/* What follows a key and its colon: in the line, or below it and further right; a sequence may stand right
 * below. */
static sl_status read_value(reader *in, size_t place) {
    skip_blanks(in);
    skip_anchor(in);
    if (!at_line_end(in)) {
        SL_TRY(read_flow(in));
        return check_line_end(in);
    }
    size_t line = in->line;
    skip_lines(in);
    if (!at_end(in) && column(in) == place && at_dash(in)) return read_sequence(in, place);
    if (!at_end(in) && column(in) > place) return read_block(in, place + 1);
    add_scalar_at(in, line, in->scalars.length);
    return SL_OK;
}

/* The first key has been read, its event is the last one: the mapping's start goes before it. */
static sl_status read_mapping(reader *in, size_t place) {
    while (ahead(in, 0) == ':') {
        in->at++;
        SL_TRY(read_value(in, place));
        skip_lines(in);
        if (at_end(in) || column(in) < place) break;
        if (column(in) > place || at_dash(in))
            return fail_here(in, SL_FORMAT, "not in line with what is above");
        SL_TRY(read_scalar(in, false));
        if (ahead(in, 0) != ':') return fail_here(in, SL_FORMAT, "':' expected behind a key");
    }
    add_event(in, SL_YAML_MAPPING_END);
    return SL_OK;
}

/* A scalar, or a mapping that begins with it. */
static sl_status read_scalar_or_mapping(reader *in) {
    size_t place = column(in), first = in->events.length, line = in->line;
    SL_TRY(read_scalar(in, false));
    if (ahead(in, 0) != ':') return check_line_end(in);
    add_event_at(in, SL_YAML_MAPPING_START, line); /* room; then the two change places */
    if (in->events.failed) return SL_OK;
    event pair[2];
    memcpy(pair, in->events.data + first, sizeof pair);
    const event turned[2] = {pair[1], pair[0]};
    memcpy(in->events.data + first, turned, sizeof turned);
    return read_mapping(in, place);
}

static sl_status read_block(reader *in, size_t least_column) {
    size_t line = in->line;
    skip_lines(in);
    skip_anchor(in);
    if (at_end(in) || column(in) < least_column) {
        add_scalar_at(in, line, in->scalars.length);
        return SL_OK;
    }
    for (size_t i = in->line_start; i < in->at; i++)
        if (in->text[i] == '\t') return fail_here(in, SL_FORMAT, "a tab where blanks indent");
    if (++in->depth > DEPTH_MAX) return fail_here(in, SL_LIMIT, "nested too deep");
    char c = ahead(in, 0);
    sl_status status = at_dash(in)            ? read_sequence(in, column(in))
                       : c == '[' || c == '{' ? read_flow(in)
                                              : read_scalar_or_mapping(in);
    in->depth--;
    return status;
}

/* ---- documents ---- */

static sl_status read_stream(reader *in) {
    add_event(in, SL_YAML_STREAM_START);
    for (skip_lines(in); in->at < in->bytes; skip_lines(in)) {
        bool marked = at_marker(in, "---");
        add_event(in, SL_YAML_DOCUMENT_START);
        if (marked) in->at += 3;
        SL_TRY(read_block(in, 0));
        skip_lines(in);
        if (!at_end(in)) return fail_here(in, SL_FORMAT, "the end of the document expected");
        add_event(in, SL_YAML_DOCUMENT_END);
        if (at_marker(in, "...")) in->at += 3;
    }
    add_event(in, SL_YAML_STREAM_END);
    SL_TRY(sl_text_status(&in->events));
    return sl_text_status(&in->scalars);
}

sl_status sl_yaml_open(sl_yaml *yaml, const char *path, const char *text, size_t bytes) {
    *yaml = (sl_yaml){.path = path};
    reader *in;
    SL_TRY(sl_alloc(&in, 1, sizeof *in));
    *in = (reader){.path = path, .text = text, .bytes = bytes, .line = 1};
    yaml->reader = in;
    in->failure = read_stream(in);
    if (in->failure) sl_text_add(&in->message, sl_error_message());
    return SL_OK;
}

void sl_yaml_close(sl_yaml *yaml) {
    if (!yaml->reader) return;
    sl_text_free(&yaml->reader->events);
    sl_text_free(&yaml->reader->scalars);
    sl_text_free(&yaml->reader->message);
    sl_free(yaml->reader);
    yaml->reader = NULL;
}

sl_status sl_yaml_next(sl_yaml *yaml) {
    reader *in = yaml->reader;
    event e = {.kind = SL_YAML_STREAM_END, .line = in->line};
    bool left = in->next < in->events.length / sizeof e;
    if (!left && in->failure) return sl_fail(in->failure, "%s", sl_text_get(&in->message));
    if (left) memcpy(&e, in->events.data + in->next++ * sizeof e, sizeof e);
    yaml->kind = e.kind;
    yaml->line = e.line;
    yaml->scalar = e.kind == SL_YAML_SCALAR ? in->scalars.data + e.scalar : NULL;
    return SL_OK;
}
