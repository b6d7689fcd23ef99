/* Values for the simulator's parameters from a YAML file, or from the sidecar of an image. */
#ifndef SL_LOOP_PARAMETER_FILE_H
#define SL_LOOP_PARAMETER_FILE_H

#include "base/status.h"
#include "xray/sim_parameter.h"

/* Lines of "name: value", "name: [low, high]" or "name: [word, word]", for every class that has the name; a
 * mapping under a class's name is for that class alone; "class: NAME" makes images of that class. A file with
 * a mapping "parameters" is a sidecar: its class and parameters are taken, the rest passed over. JSON is
 * YAML.
 *
 * Adds to what *overrides holds. *class_id: in, the class asked for, or any; out, with the file's. Errors
 * name file, line, value and what is possible: SL_FORMAT, SL_INVALID, SL_NOT_FOUND, SL_LIMIT. */
sl_status sl_parameter_file_read(const char *path, sl_sim_class *class_id, sl_sim_overrides *overrides);
/* The same from memory; `name` stands for the path in messages. */
sl_status sl_parameter_text_read(const char *name, const char *text, size_t bytes, sl_sim_class *class_id,
                                 sl_sim_overrides *overrides);

#endif
