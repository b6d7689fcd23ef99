/* The site: who may ask, which resource answers. No sockets. */
#ifndef SL_WEB_SITE_H
#define SL_WEB_SITE_H

#include "loop/review.h"
#include "web/http.h"

enum { SL_WEB_TOKEN_HEX = 65 };

typedef struct sl_web_site {
    sl_review *review;
    char token[SL_WEB_TOKEN_HEX]; /* what the address must carry once; then a cookie does */
    char host[64];                /* the only Host header taken: "127.0.0.1:8731" */
    int port;
} sl_web_site;

/* Answer one request. Rules, in this order: the Host header is ours (or localhost, same port), else 403 — a
 * foreign page that made its name point here gets nothing; the token is in the query (then a cookie is set
 * and the client is sent to the bare address) or in the cookie, else 401; a change carries the X-Scatterloop
 * header and JSON, else 403. */
void sl_web_handle(const sl_web_site *site, sl_web_request *request, sl_web_response *response);

/* One resource: gets a request that has passed the rules. */
typedef sl_status (*sl_web_resource)(const sl_web_site *site, const sl_web_request *request,
                                     sl_web_response *response);

sl_status sl_web_session(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_items(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_image(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_marks(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_pixels(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_decisions(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);
sl_status sl_web_events(const sl_web_site *site, const sl_web_request *request, sl_web_response *response);

#endif
