#include "cli/command.h"

#include <string.h>

#if SL_CORE_ONLY
#define SL_FULL_COMMAND(identifier, name)
#else
#define SL_FULL_COMMAND(identifier, name) SL_COMMAND(identifier)
#endif

#define SL_COMMAND(identifier) extern const sl_command sl_command_##identifier;
#include "cli/commands.def"
#undef SL_COMMAND

const sl_command *const sl_commands[] = {
#define SL_COMMAND(identifier) &sl_command_##identifier,
#include "cli/commands.def"
#undef SL_COMMAND
    NULL};

#undef SL_FULL_COMMAND

const char *const sl_commands_left_out[] = {
#if SL_CORE_ONLY
#define SL_COMMAND(identifier)
#define SL_FULL_COMMAND(identifier, name) name,
#include "cli/commands.def"
#undef SL_FULL_COMMAND
#undef SL_COMMAND
#endif
    NULL};

#define GLOBAL sl_cli_globals
const sl_option sl_cli_global_options[] = {
    SL_OPTION_PATH(
        GLOBAL, workspace, "workspace", 'w', NULL, "DIR",
        "workspace folder; by default the current folder or the nearest one above that is a workspace"),
    SL_OPTION_PATH(GLOBAL, config, "config", 0, NULL, "FILE", "read options from a YAML file"),
    SL_OPTION_INT(GLOBAL, threads, "threads", 'j', "0", 0, 256, "N", "threads to use; 0: one per CPU"),
    SL_OPTION_TEXT(GLOBAL, device, "device", 0, "cpu", "cpu|cuda[:N]|auto",
                   "what models run on; auto: a GPU where one is to be had"),
    SL_OPTION_FLAG(GLOBAL, json, "json", 0, "print the result as one line of JSON"),
    SL_OPTION_FLAG(GLOBAL, quiet, "quiet", 'q', "print errors only"),
    SL_OPTION_FLAG(GLOBAL, verbose, "verbose", 'v', "print more about what is done"),
    SL_OPTION_FLAG(GLOBAL, dry_run, "dry-run", 0, "print what it would take, and do nothing"),
    SL_OPTION_FLAG(GLOBAL, help, "help", 'h', "print this help"),
    SL_OPTION_FLAG(GLOBAL, version, "version", 0, "print the version"),
    {0}};

_Static_assert(sizeof sl_cli_global_options / sizeof *sl_cli_global_options <= SL_CLI_GLOBALS_MAX,
               "the table of a command holds them all");

sl_cli_global_table sl_command_globals(const sl_command *command) {
    sl_cli_global_table table = {0};
    int count = 0;
    for (const sl_option *option = sl_cli_global_options; option->name; option++)
        if (!command || command->takes_dry_run || strcmp(option->name, "dry-run") != 0)
            table.option[count++] = *option;
    return table;
}

const sl_command *sl_command_find(const char *name) {
    for (const sl_command *const *command = sl_commands; *command; command++)
        if (strcmp((*command)->name, name) == 0) return *command;
    return NULL;
}
