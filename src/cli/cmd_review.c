/* Serves the review page. */
#include "cli/command.h"

#include "loop/review.h"
#include "web/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct review_settings {
    int64_t port;
    const char *reviewer;
} review_settings;

static const sl_option options[] = {SL_OPTION_INT(review_settings, port, "port", 'p', "0", 0, 65535, "PORT",
                                                  "port on 127.0.0.1; 0 takes a free one"),
                                    SL_OPTION_TEXT(review_settings, reviewer, "reviewer", 'r', NULL, "NAME",
                                                   "whose decisions these are (default: the user's name)"),
                                    {0}};

static const char *user_name(void) {
    const char *name = getenv("USER");
    return name && name[0] ? name : "expert";
}

static sl_status serve(sl_cli *cli, sl_review *review, int port) {
    sl_web_server *server;
    SL_TRY(sl_web_server_start(review, port, &server));
    const char *address = sl_web_server_address(server);
    if (cli->globals.json)
        printf("{\"address\":\"%s\"}\n", address);
    else
        printf("Review page: %s\nOpen it in a browser on this machine. Ctrl-C stops serving; every decision "
               "is on disk.\n",
               address);
    fflush(stdout);
    while (sl_progress_check(&cli->progress) == SL_OK)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    sl_web_server_stop(server);
    sl_error_clear(); /* being stopped is how this command ends well */
    return SL_OK;
}

static sl_status run(sl_cli *cli, void *context) {
    const review_settings *settings = context;
    sl_review *review;
    const char *reviewer = settings->reviewer ? settings->reviewer : user_name();
    SL_TRY(sl_review_open(cli->globals.workspace, reviewer, &review));
    sl_status status = serve(cli, review, (int)settings->port);
    sl_review_close(review);
    return status;
}

const sl_command sl_command_review = {
    .name = "review",
    .summary = "serve the review page on this machine",
    .arguments = "",
    .description =
        "The page shows the open queue of the newest round: native pixels, one key a decision, unbounded "
        "undo.\n"
        "It is served on 127.0.0.1 only, and asks nothing of any other host. The address carries a token\n"
        "that changes with every start.",
    .examples = "  scatterloop review\n"
                "  scatterloop review --port 8731 --reviewer jane\n",
    .arguments_max = 0,
    .options = options,
    .settings_bytes = sizeof(review_settings),
    .run = run,
};
