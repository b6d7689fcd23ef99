/* YAML read as a stream of events: no document tree, no tags, no anchors. One of two files makes the events:
 * yaml_reader.c by libyaml, or core/yaml_reader.c in a core-only build, for the part of YAML that the
 * project's files use. */
#ifndef SL_LOOP_YAML_EVENTS_H
#define SL_LOOP_YAML_EVENTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum sl_yaml_kind {
    SL_YAML_STREAM_START,
    SL_YAML_STREAM_END,
    SL_YAML_DOCUMENT_START,
    SL_YAML_DOCUMENT_END,
    SL_YAML_SCALAR,
    SL_YAML_SEQUENCE_START,
    SL_YAML_SEQUENCE_END,
    SL_YAML_MAPPING_START,
    SL_YAML_MAPPING_END
} sl_yaml_kind;

typedef struct sl_yaml {
    const char *path;   /* for messages; borrowed */
    sl_yaml_kind kind;  /* of the event at hand */
    size_t line;        /* where it starts, from 1 */
    const char *scalar; /* its text, valid until the next event; NULL for other kinds */
    struct sl_yaml_reader *reader;
} sl_yaml;

/* Reads from memory that must outlive the stream. Close it, also after a failure later on. */
sl_status sl_yaml_open(sl_yaml *yaml, const char *path, const char *text, size_t bytes);
void sl_yaml_close(sl_yaml *yaml);

/* The next event. SL_FORMAT names file and line where it is no YAML, SL_UNSUPPORTED where it is an alias or
 * something else that this build does not read. */
sl_status sl_yaml_next(sl_yaml *yaml);
/* Goes to the last event of the value whose first event is at hand. */
sl_status sl_yaml_pass_over(sl_yaml *yaml);

#endif
