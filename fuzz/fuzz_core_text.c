/* JSON and YAML as a core-only build reads them; what is read as JSON is the same when written and read
 * again. */
#include "base/core/jansson.h"
#include "loop/option/yaml_events.h"

#include <stdint.h>
#include <string.h>

static void read_yaml(const char *text, size_t bytes) {
    sl_yaml yaml;
    sl_status status = sl_yaml_open(&yaml, "f", text, bytes);
    size_t seen = 0;
    while (!status) {
        status = sl_yaml_next(&yaml);
        if (status || yaml.kind == SL_YAML_STREAM_END) break;
        if (yaml.kind == SL_YAML_SCALAR) seen += strlen(yaml.scalar);
    }
    if (seen > bytes) __builtin_trap(); /* no scalar is longer than what it was read from */
    sl_yaml_close(&yaml);
}

static void read_json(const char *text, size_t bytes) {
    json_error_t error;
    json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value) return;
    char *written = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_INDENT(1));
    json_t *again = json_loads(written, JSON_DECODE_ANY, &error);
    if (!json_equal(value, again)) __builtin_trap();
    free(written);
    json_decref(again);
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    read_yaml((const char *)data, bytes);
    read_json((const char *)data, bytes);
    return 0;
}
