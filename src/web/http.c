#include "web/http.h"

#include <stdlib.h>
#include <string.h>

void sl_web_answer_json(sl_web_response *response, int http, json_t *value) {
    static const char no_memory[] = "{\"error\":\"out of memory\"}";
    char *text = value ? sl_json_canonical(value) : NULL;
    json_decref(value);
    response->content_type = "application/json";
    if (!text) {
        response->http = 507;
        response->data = no_memory;
        response->bytes = sizeof no_memory - 1;
        return;
    }
    response->http = http;
    response->data = response->owned = text;
    response->bytes = strlen(text);
}

void sl_web_answer_error(sl_web_response *response, sl_status code) {
    json_t *value = json_object();
    if (json_object_set_new(value, "error", json_string(sl_error_message())) !=
        0) /* message cut inside a character */
        json_object_set_new(value, "error", json_string(sl_status_text(code)));
    sl_web_answer_json(response, sl_status_http(code), value);
}
