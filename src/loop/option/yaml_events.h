/* YAML read as a stream of events: no document tree, no tags, no anchors. */
#ifndef SL_LOOP_YAML_EVENTS_H
#define SL_LOOP_YAML_EVENTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

typedef struct sl_yaml {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    bool holds_event;
    const char *path; /* for messages; borrowed */
} sl_yaml;

/* Reads from memory that must outlive the stream. Close it, also after a failure later on. */
sl_status sl_yaml_open(sl_yaml *yaml, const char *path, const char *text, size_t bytes);
void sl_yaml_close(sl_yaml *yaml);

/* The next event. SL_FORMAT names file and line where it is no YAML, SL_UNSUPPORTED where it is an alias. */
sl_status sl_yaml_next(sl_yaml *yaml);
/* Line of the event at hand, from 1. */
size_t sl_yaml_line(const sl_yaml *yaml);
/* Text of the scalar at hand; valid until the next event. */
const char *sl_yaml_scalar(const sl_yaml *yaml);
/* Goes to the last event of the value whose first event is at hand. */
sl_status sl_yaml_pass_over(sl_yaml *yaml);

#endif
