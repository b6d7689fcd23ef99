/* A request and its answer as plain values, so that every resource can be driven without a socket. */
#ifndef SL_WEB_HTTP_H
#define SL_WEB_HTTP_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct sl_web_request {
    const char *method, *path;
    const char *body; /* NUL-terminated; "" when there is none */
    size_t body_bytes;
    /* value of a query parameter or a header, NULL when absent */
    const char *(*query)(const struct sl_web_request *request, const char *name);
    const char *(*header)(const struct sl_web_request *request, const char *name);
    void *transport;
    char id[128]; /* what the '*' of the route matched */
} sl_web_request;

typedef struct sl_web_response {
    int http;
    const char *content_type;
    const void *data;
    void *owned; /* freed (sl_free) when sent; NULL when `data` is static */
    size_t bytes;
    char location[256];   /* redirect target, "" for none */
    char set_cookie[256]; /* "" for none */
    bool events;          /* this is the live stream; no body */
} sl_web_response;

/* Body from a JSON value, which is consumed. Never fails: out of memory becomes a static 507 answer. */
void sl_web_answer_json(sl_web_response *response, int http, json_t *value);

/* {"error": message} with the HTTP status of `code`; takes the thread's message. */
void sl_web_answer_error(sl_web_response *response, sl_status code);

#endif
