/* Help and man pages, from the commands' descriptions and option tables. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static const char tagline[] = "synthetic X-ray scattering images that an expert would accept";

static const char *const exit_codes[] = {
#define SL_STATUS(name, text, exit_code, http) text,
#include "base/status.def"
#undef SL_STATUS
};

static void usage_line(const sl_command *command, sl_text *out) {
    if (!command) {
        sl_text_add(out, "scatterloop [OPTION...] COMMAND [OPTION...] [ARGUMENT...]");
        return;
    }
    bool any = command->options && command->options->name;
    sl_text_printf(out, "scatterloop %s%s%s%s", command->name, any ? " [OPTION...]" : "",
                   command->arguments[0] ? " " : "", command->arguments);
}

static void program_help(sl_text *out) {
    sl_text_printf(out, "scatterloop %s%s: %s\n\nUsage: ", SL_VERSION, SL_BUILD_NAME, tagline);
    usage_line(NULL, out);
    sl_text_add(out, "\n\nCommands:\n");
    for (const sl_command *const *command = sl_commands; *command; command++)
        sl_text_printf(out, "  %-18s %s\n", (*command)->name, (*command)->summary);
    for (const char *const *name = sl_commands_left_out; *name; name++)
        sl_text_printf(out, "%s%s", name == sl_commands_left_out ? "\nLeft to the full build: " : ", ",
                       *name);
    sl_text_add(out, sl_commands_left_out[0] ? "\n\nOptions of every command:\n"
                                             : "\nOptions of every command:\n");
    sl_options_help(sl_cli_global_options, NULL, out);
    sl_text_add(out, "\nExit status:\n");
    for (int code = 0; code < SL_STATUS_COUNT; code++)
        sl_text_printf(out, "  %3d  %s\n", sl_status_exit_code((sl_status)code), exit_codes[code]);
    sl_text_add(out, "\n'scatterloop COMMAND --help' tells more about a command, with examples.\n");
}

void sl_cli_help(const sl_command *command, sl_text *out) {
    if (!command) {
        program_help(out);
        return;
    }
    sl_text_printf(out, "scatterloop %s: %s\n\nUsage: ", command->name, command->summary);
    usage_line(command, out);
    sl_text_add(out, "\n");
    if (command->description) sl_text_printf(out, "\n%s\n", command->description);
    if (command->options && command->options->name) {
        sl_text_add(out, "\nOptions:\n");
        sl_options_help(command->options, NULL, out);
    }
    sl_text_add(out, "\nOptions of every command:\n");
    sl_cli_global_table globals = sl_command_globals(command);
    sl_options_help(globals.option, command->options, out);
    if (command->examples) sl_text_printf(out, "\nExamples:\n%s", command->examples);
}

static void man_head(const char *name, const char *summary, const sl_command *command, sl_text *out) {
    sl_text_printf(out, ".TH %s 1 \"\" \"scatterloop %s\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", name,
                   SL_VERSION, name, summary);
    usage_line(command, out);
    sl_text_add(out, "\n");
}

void sl_cli_man(const sl_command *command, sl_text *out) {
    if (!command) {
        man_head("scatterloop", tagline, NULL, out);
        sl_text_add(out, ".SH COMMANDS\n");
        for (const sl_command *const *each = sl_commands; *each; each++)
            sl_text_printf(out, ".TP\n.B %s\n%s\n", (*each)->name, (*each)->summary);
    } else {
        char name[96];
        snprintf(name, sizeof name, "scatterloop-%s", command->name);
        for (char *at = name; *at; at++)
            if (*at == ' ') *at = '-';
        man_head(name, command->summary, command, out);
        if (command->description) sl_text_printf(out, ".SH DESCRIPTION\n%s\n", command->description);
        sl_text_add(out, ".SH OPTIONS\n");
        sl_options_man(command->options, NULL, out);
        if (command->examples) sl_text_printf(out, ".SH EXAMPLES\n.nf\n%s.fi\n", command->examples);
    }
    sl_text_add(out, ".SH OPTIONS OF EVERY COMMAND\n");
    sl_cli_global_table globals = sl_command_globals(command);
    sl_options_man(globals.option, command ? command->options : NULL, out);
}
