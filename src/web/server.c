#include "web/server.h"

#include "base/hash.h"
#include "base/limits.h"
#include "web/live.h"
#include "web/site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 64, IDLE_S = 120, POLL_MS = 500 };

struct sl_web_server {
    struct MHD_Daemon *daemon;
    sl_web_site site;
    char address[192];
    pthread_mutex_t lock;
    pthread_cond_t stopping_changed;
    bool stopping;
};

/* What is kept between the calls that libmicrohttpd makes for one request. */
typedef struct exchange {
    sl_text body;
    bool too_large;
} exchange;

static const char *query_value(const sl_web_request *request, const char *name) {
    return MHD_lookup_connection_value(request->transport, MHD_GET_ARGUMENT_KIND, name);
}

static const char *header_value(const sl_web_request *request, const char *name) {
    return MHD_lookup_connection_value(request->transport, MHD_HEADER_KIND, name);
}

/* One client's live stream: libmicrohttpd asks for bytes in that connection's own thread, which may wait. */
typedef struct stream {
    sl_web_server *server;
    sl_live live;
    sl_text text;
    size_t sent;
} stream;

/* Waits until the next poll is due; true when the server stops. */
static bool wait_or_stop(sl_web_server *server) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&server->lock);
    int waited = 0;
    while (!server->stopping && waited == 0)
        waited = pthread_cond_timedwait(&server->stopping_changed, &server->lock, &until);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static ssize_t stream_read(void *context, uint64_t position, char *buffer, size_t capacity) {
    (void)position;
    stream *s = context;
    if (s->sent == s->text.length) {
        bool first = s->live.last == NULL;
        if (!first && wait_or_stop(s->server)) return MHD_CONTENT_READER_END_OF_STREAM;
        sl_text_clear(&s->text);
        s->sent = 0;
        if (sl_live_poll(&s->live, &s->text)) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t count = s->text.length - s->sent < capacity ? s->text.length - s->sent : capacity;
    memcpy(buffer, s->text.data + s->sent, count);
    s->sent += count;
    return (ssize_t)count;
}

static void stream_free(void *context) {
    stream *s = context;
    sl_live_end(&s->live);
    sl_text_free(&s->text);
    sl_free(s);
}

static struct MHD_Response *make_stream(sl_web_server *server) {
    stream *s;
    if (sl_alloc(&s, 1, sizeof *s)) return NULL;
    *s = (stream){.server = server, .live = {.review = server->site.review}};
    struct MHD_Response *out =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, s, stream_free);
    if (!out) stream_free(s);
    return out;
}

static struct MHD_Response *make_body(const sl_web_response *response) {
    enum MHD_ResponseMemoryMode mode = response->owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
    struct MHD_Response *out =
        MHD_create_response_from_buffer(response->bytes, (void *)(uintptr_t)response->data, mode);
    if (!out) sl_free(response->owned);
    return out;
}

static enum MHD_Result send_response(sl_web_server *server, struct MHD_Connection *connection,
                                     const sl_web_response *response) {
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
         "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    struct MHD_Response *out = response->events ? make_stream(server) : make_body(response);
    if (!out) return MHD_NO;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        MHD_add_response_header(out, headers[i][0], headers[i][1]);
    MHD_add_response_header(out, "Content-Type", response->content_type);
    if (response->location[0]) MHD_add_response_header(out, "Location", response->location);
    if (response->set_cookie[0]) MHD_add_response_header(out, "Set-Cookie", response->set_cookie);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)response->http, out);
    MHD_destroy_response(out);
    return result;
}

static void take_body(exchange *x, const char *data, size_t bytes) {
    if (x->body.length + bytes > (size_t)SL_LIMIT_REQUEST_BYTES)
        x->too_large = true;
    else
        sl_text_add_bytes(&x->body, data, bytes);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state) {
    (void)version;
    sl_web_server *server = context;
    exchange *x = *state;
    if (!x) {
        if (sl_alloc(&x, 1, sizeof *x)) return MHD_NO;
        *state = x;
        return MHD_YES;
    }
    if (*upload_bytes) {
        take_body(x, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    sl_web_request request = {.method = method,
                              .path = url,
                              .body = sl_text_get(&x->body),
                              .body_bytes = x->body.length,
                              .query = query_value,
                              .header = header_value,
                              .transport = connection};
    sl_web_response response = {0};
    if (x->too_large || x->body.failed)
        sl_web_answer_error(&response, sl_fail(SL_LIMIT, "a request has at most %lld bytes",
                                               (long long)SL_LIMIT_REQUEST_BYTES));
    else
        sl_web_handle(&server->site, &request, &response);
    return send_response(server, connection, &response);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)connection;
    (void)code;
    exchange *x = *state;
    if (!x) return;
    sl_text_free(&x->body);
    sl_free(x);
    *state = NULL;
}

static struct MHD_Daemon *listen_on(sl_web_server *server, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
        (uint16_t)port, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
}

static void make_token(char out[SL_WEB_TOKEN_HEX]) {
    uint8_t secret[32];
    randombytes_buf(secret, sizeof secret);
    sl_hex(secret, sizeof secret, out);
}

int sl_web_home_port(const char *id) {
    enum { FIRST = 20000, COUNT = 10000, DIGITS = 7 };
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%s", id);
    return FIRST + (int)(strtol(digits, NULL, 16) % COUNT);
}

sl_status sl_web_server_start(sl_review *review, int port, sl_web_server **out) {
    if (port < 0 || port > 65535) return sl_fail(SL_INVALID, "port %d, expected 0 to 65535", port);
    if (sodium_init() < 0) return sl_fail(SL_INTERNAL, "no source of random numbers for the token");
    sl_web_server *server;
    SL_TRY(sl_alloc(&server, 1, sizeof *server));
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->stopping_changed, NULL);
    server->site.review = review;
    make_token(server->site.token);
    if (port == 0) server->daemon = listen_on(server, sl_web_home_port(sl_review_id(review)));
    if (!server->daemon) server->daemon = listen_on(server, port);
    if (!server->daemon) {
        sl_status status = errno == EADDRINUSE ? sl_fail(SL_BUSY, "port %d is taken by another program", port)
                                               : sl_fail_errno("cannot listen on 127.0.0.1:%d", port);
        sl_free(server);
        return status;
    }
    server->site.port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    snprintf(server->site.host, sizeof server->site.host, "127.0.0.1:%d", server->site.port);
    snprintf(server->address, sizeof server->address, "http://%s/?token=%s", server->site.host,
             server->site.token);
    *out = server;
    return SL_OK;
}

const char *sl_web_server_address(const sl_web_server *server) {
    return server->address;
}

void sl_web_server_stop(sl_web_server *server) {
    if (!server) return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->stopping_changed);
    pthread_mutex_unlock(&server->lock);
    MHD_stop_daemon(server->daemon);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->stopping_changed);
    sl_free(server);
}
