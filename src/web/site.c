#include "web/site.h"

#include "web/asset.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *method, *pattern;
    sl_web_resource answer;
} routes[] = {
    {"GET", "/api/session", sl_web_session},        {"GET", "/api/items", sl_web_items},
    {"GET", "/api/images/*/pixels", sl_web_pixels}, {"GET", "/api/images/*/marks", sl_web_marks},
    {"GET", "/api/images/*", sl_web_image},         {"POST", "/api/decisions", sl_web_decisions},
    {"GET", "/api/events", sl_web_events},
};

/* Does `path` fit `pattern`, whose '*' stands for one part of letters, digits and dashes? The part goes into
 * id. */
static bool fits(const char *pattern, const char *path, char *id, size_t id_bytes) {
    const char *star = strchr(pattern, '*');
    if (!star) return strcmp(pattern, path) == 0;
    size_t head = (size_t)(star - pattern);
    if (strncmp(pattern, path, head) != 0) return false;
    const char *part = path + head;
    size_t length = strspn(part, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    if (length == 0 || length >= id_bytes || strcmp(part + length, star + 1) != 0) return false;
    memcpy(id, part, length);
    id[length] = '\0';
    return true;
}

static bool same_secret(const char *given, size_t length, const char *secret) {
    return length == strlen(secret) && sodium_memcmp(given, secret, length) == 0;
}

/* The cookie's name carries the port: two reviews on one machine do not sign each other out. */
static bool cookie_has_token(const sl_web_site *site, const sl_web_request *request) {
    const char *cookie = request->header(request, "Cookie");
    char name[32];
    int length = snprintf(name, sizeof name, "scatterloop%d=", site->port);
    for (const char *at = cookie; at && (at = strstr(at, name)); at += length) {
        const char *value = at + length;
        if (same_secret(value, strcspn(value, "; "), site->token)) return true;
    }
    return false;
}

static bool host_is_ours(const sl_web_site *site, const char *host) {
    char local[64];
    if (!host) return false;
    snprintf(local, sizeof local, "localhost:%d", site->port);
    return strcmp(host, site->host) == 0 || strcmp(host, local) == 0;
}

static bool origin_is_ours(const sl_web_site *site, const char *origin) {
    return !origin || (strncmp(origin, "http://", 7) == 0 && host_is_ours(site, origin + 7));
}

/* Returns true when the request may go on; otherwise the response is complete. */
static bool admit(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    if (!host_is_ours(site, request->header(request, "Host"))) {
        sl_web_answer_error(response, sl_fail(SL_DENIED, "this server answers only to %s", site->host));
        return false;
    }
    const char *given = request->query(request, "token");
    if (given && same_secret(given, strlen(given), site->token)) {
        response->http = 303;
        response->content_type = "text/plain";
        snprintf(response->location, sizeof response->location, "/");
        snprintf(response->set_cookie, sizeof response->set_cookie,
                 "scatterloop%d=%s; HttpOnly; SameSite=Strict; Path=/", site->port, site->token);
        return false;
    }
    bool is_api = strncmp(request->path, "/api/", 5) == 0;
    if (is_api && !cookie_has_token(site, request)) {
        sl_web_answer_error(response,
                            sl_fail(SL_DENIED, "no valid token: open the address that the program printed"));
        response->http = 401;
        return false;
    }
    if (strcmp(request->method, "POST") == 0) {
        const char *type = request->header(request, "Content-Type");
        if (!request->header(request, "X-Scatterloop") || !type ||
            strncmp(type, "application/json", 16) != 0 ||
            !origin_is_ours(site, request->header(request, "Origin"))) {
            sl_web_answer_error(response,
                                sl_fail(SL_DENIED, "changes come from the page of this program only"));
            return false;
        }
    }
    return true;
}

static bool answer_asset(const sl_web_request *request, sl_web_response *response) {
    const char *name = strcmp(request->path, "/") == 0 ? "index.html" : request->path + 1;
    for (size_t i = 0; i < sl_asset_count; i++) {
        if (strcmp(sl_assets[i].name, name) != 0) continue;
        *response = (sl_web_response){.http = 200,
                                      .content_type = sl_assets[i].content_type,
                                      .data = sl_assets[i].data,
                                      .bytes = sl_assets[i].bytes};
        return true;
    }
    return false;
}

void sl_web_handle(const sl_web_site *site, sl_web_request *request, sl_web_response *response) {
    *response = (sl_web_response){0};
    if (!admit(site, request, response)) return;
    bool is_get = strcmp(request->method, "GET") == 0, path_known = false;
    if (is_get && answer_asset(request, response)) return;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!fits(routes[i].pattern, request->path, request->id, sizeof request->id)) continue;
        path_known = true;
        if (strcmp(routes[i].method, request->method) != 0) continue;
        sl_status status = routes[i].answer(site, request, response);
        if (status) sl_web_answer_error(response, status);
        return;
    }
    sl_web_answer_error(response,
                        sl_fail(SL_NOT_FOUND, "nothing is at %s %s", request->method, request->path));
    if (path_known) response->http = 405;
}
