#include "cli/command.h"

#include <stdio.h>

typedef struct help_settings {
    bool man;
} help_settings;

static const sl_option options[] = {
    SL_OPTION_FLAG(help_settings, man, "man", 0, "write the man page (roff) instead"), {0}};

static sl_status run(sl_cli *cli, void *settings) {
    const help_settings *set = settings;
    const sl_list *words = &cli->arguments;
    const sl_command *command = NULL;
    if (words->count) {
        const char *name = words->count > 1
                               ? sl_arena_printf(cli->arena, "%s %s", words->item[0], words->item[1])
                               : words->item[0];
        command = sl_command_find(name);
        if (!command) return sl_fail(SL_INVALID, "unknown command '%s'", name);
    }
    sl_text text = SL_TEXT_INIT;
    if (set->man) {
        sl_cli_man(command, &text);
    } else {
        sl_cli_help(command, &text);
    }
    fputs(sl_text_get(&text), stdout);
    sl_text_free(&text);
    return SL_OK;
}

const sl_command sl_command_help = {
    .name = "help",
    .summary = "print the help or man page of a command",
    .arguments = "[COMMAND]",
    .examples = "  scatterloop help import\n"
                "  scatterloop help --man import | man -l -\n",
    .arguments_max = 2,
    .options = options,
    .settings_bytes = sizeof(help_settings),
    .run = run,
};
