/* A command of the program: a description, an option table, and one function that calls a use-case of
 * src/loop.
 *
 * To add one: write src/cli/cmd_<name>.c that defines `const sl_command sl_command_<name>`, add a line to
 * commands.def and the file to meson.build. Commands hold no logic: they translate words into settings, and
 * results into lines. */
#ifndef SL_CLI_COMMAND_H
#define SL_CLI_COMMAND_H

#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/status.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

#include <stdbool.h>

/* Behind the version, where people read it. */
#define SL_BUILD_NAME (SL_CORE_ONLY ? " (core-only)" : "")

/* The options that every command takes. */
typedef struct sl_cli_globals {
    bool help, version, json, quiet, verbose, dry_run;
    const char *workspace, *config, *device;
    int64_t threads;
} sl_cli_globals;

/* What a command's function works with; lives as long as the call. */
typedef struct sl_cli {
    sl_arena *arena;
    sl_cli_globals globals;
    sl_list arguments;    /* words that are no options */
    sl_progress progress; /* bar on a terminal, lines elsewhere; cancelled by SIGINT and SIGTERM */
    json_t *result; /* an object: printed as one line with --json; fill it with every number that is shown */
} sl_cli;

typedef struct sl_command {
    const char *name;                 /* "import"; a command of a group has two words: "train lora" */
    const char *summary;              /* one line without full stop */
    const char *arguments;            /* "PATH..." or "" */
    const char *description;          /* a paragraph or more, wrapped by hand at 100 columns; may be NULL */
    const char *examples;             /* lines "  scatterloop ..." */
    int arguments_min, arguments_max; /* -1: any number */
    bool takes_dry_run;
    const sl_option *options; /* ends with {0}; NULL: none */
    const sl_preset *presets; /* ends with {0}; NULL: none */
    size_t settings_bytes;
    sl_status (*run)(sl_cli *cli, void *settings); /* settings: filled from the table; NULL without options */
} sl_command;

extern const sl_option sl_cli_global_options[];

/* Those of them that a command takes (NULL: all): --dry-run is only for long work. */
enum { SL_CLI_GLOBALS_MAX = 16 };
typedef struct sl_cli_global_table {
    sl_option option[SL_CLI_GLOBALS_MAX]; /* ends with {0} */
} sl_cli_global_table;
sl_cli_global_table sl_command_globals(const sl_command *command);

/* All commands in the order of the help; ends with NULL. */
extern const sl_command *const sl_commands[];

/* Names of the commands that this build lacks: none, or in a core-only build those of the full one; ends with
 * NULL. */
extern const char *const sl_commands_left_out[];

/* A line of the result for people, on stdout; nothing with --json or --quiet. */
void sl_cli_print(const sl_cli *cli, const char *format, ...) SL_PRINTF(2, 3);

/* What a dry run shows, where `status` does not say that there is nothing; frees the text, returns the
 * status.
 */
sl_status sl_cli_print_preview(const sl_cli *cli, sl_status status, sl_text *preview);

/* The workspace that was named, or the nearest one. Where neither is there, NULL will do unless it is
 * `needed`; one that was named must be there. Close it (NULL is fine). */
sl_status sl_cli_find_workspace(const sl_cli *cli, bool needed, sl_workspace **out);

/* NULL where no command has the name. */
const sl_command *sl_command_find(const char *name);

/* Text of `scatterloop COMMAND --help`, of `scatterloop --help`, and man pages of both (command NULL: the
 * program). */
void sl_cli_help(const sl_command *command, sl_text *out);
void sl_cli_man(const sl_command *command, sl_text *out);

#endif
