/* Serves the review page. */
#include "cli/command.h"

#include "loop/review.h"
#include "loop/round/round.h"
#include "web/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct review_settings {
    int64_t port, fresh, seed;
    int origin;
    const char *reviewer;
} review_settings;

static const sl_option options[] = {
    SL_OPTION_INT(review_settings, port, "port", 'p', "0", 0, 65535, "PORT",
                  "port on 127.0.0.1; 0 takes the workspace's own, or a free one"),
    SL_OPTION_TEXT(review_settings, reviewer, "reviewer", 'r', NULL, "NAME",
                   "whose decisions these are (default: the user's name)"),
    SL_OPTION_INT(review_settings, fresh, "new", 0, "0", 0, 10000, "N",
                  "first make a queue of N images, drawn at random from those "
                  "this reviewer has not decided"),
    SL_OPTION_CHOICE(review_settings, origin, "origin", 0, "any", "any|experimental|simulated|generated",
                     "with --new: which images"),
    SL_OPTION_INT(review_settings, seed, "seed", 's', "0", 0, 9007199254740992.0, "N",
                  "with --new: of the draw"),
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

/* A queue for labelling, where no round has made one. */
static sl_status make_queue(sl_cli *cli, const review_settings *settings, const char *reviewer) {
    sl_workspace *workspace;
    sl_id round;
    int64_t count;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_label_queue_new(workspace, reviewer, settings->fresh, settings->origin - 1,
                                          (uint64_t)settings->seed, &round, &count);
    sl_workspace_close(workspace);
    if (!status) sl_cli_print(cli, "%lld images are waiting for %s.", (long long)count, reviewer);
    return status;
}

static sl_status run(sl_cli *cli, void *context) {
    const review_settings *settings = context;
    sl_review *review;
    const char *reviewer = settings->reviewer ? settings->reviewer : user_name();
    if (settings->fresh) SL_TRY(make_queue(cli, settings, reviewer));
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
        "The page shows the newest queue with undecided images: native pixels, one key a decision, "
        "unbounded undo.\n"
        "It is served on 127.0.0.1 only, and asks nothing of any other host. The address carries a token\n"
        "that changes with every start.",
    .examples = "  scatterloop review\n"
                "  scatterloop review --new 50 --origin generated\n"
                "  scatterloop review --port 8731 --reviewer jane\n",
    .arguments_max = 0,
    .options = options,
    .settings_bytes = sizeof(review_settings),
    .run = run,
};
