/* The web server: libmicrohttpd in front of a site. */
#ifndef SL_WEB_SERVER_H
#define SL_WEB_SERVER_H

#include "loop/review.h"

typedef struct sl_web_server sl_web_server;

/* Serve `review` on 127.0.0.1. Port 0 takes sl_web_home_port's, or a free one where that is taken. SL_BUSY
 * when the port is taken. The server must be stopped before the review is closed. */
sl_status sl_web_server_start(sl_review *review, int port, sl_web_server **out);

/* The port, 20000 to 29999, that one workspace and reviewer get again at every start: browsers keep what was
 * not yet sent by address. `id` is sl_review_id's. */
int sl_web_home_port(const char *id);

/* The address to open, token included; valid as long as the server. */
const char *sl_web_server_address(const sl_web_server *server);
void sl_web_server_stop(sl_web_server *server); /* NULL is fine */

#endif
