/* Completion scripts: one list of words per command, written in each shell's own form. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

typedef void (*option_writer)(const char *command, const sl_option *option);

static void each_option(const sl_command *command, option_writer write) {
    sl_cli_global_table globals = sl_command_globals(command);
    const sl_option *tables[] = {command->options, globals.option};
    for (int i = 0; i < 2; i++)
        for (const sl_option *option = tables[i]; option && option->name; option++)
            write(command->name, option);
}

static void bash_word(const char *command, const sl_option *option) {
    (void)command;
    printf(" --%s", option->name);
}

static void bash_choices(const char *command, const sl_option *option) {
    (void)command;
    if (option->type != SL_OPTION_IS_CHOICE) return;
    printf("            --%s) words=\"", option->name);
    for (const char *at = option->choices; *at; at++) putchar(*at == '|' ? ' ' : *at);
    puts("\" ;;");
}

static void write_bash(void) {
    puts("# scatterloop completion for bash: source it, or put it in /etc/bash_completion.d");
    puts("_scatterloop() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= command=\n"
         "    local i\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        [[ ${COMP_WORDS[i]} == -* ]] || command+=${command:+ }${COMP_WORDS[i]}\n"
         "    done\n"
         "    case $command in");
    for (const sl_command *const *each = sl_commands; *each; each++) {
        printf("    \"%s\"*)\n        words=\"", (*each)->name);
        each_option(*each, bash_word);
        puts("\"\n        case $previous in");
        each_option(*each, bash_choices);
        puts("            *) : ;;\n        esac ;;");
    }
    printf("    *) words=\"");
    for (const sl_command *const *each = sl_commands; *each; each++) printf(" %s", (*each)->name);
    puts("\" ;;\n"
         "    esac\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    [[ $word == -* || ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _scatterloop scatterloop");
}

/* Help text inside single quotes of a shell, with the marks that zsh's _arguments would read as its own. */
static void write_quoted(const char *text, bool zsh) {
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            if (zsh && strchr("[]:", *text)) putchar('\\');
            putchar(*text);
        }
    }
}

static void zsh_option(const char *command, const sl_option *option) {
    (void)command;
    printf(" \\\n            '%s--%s[", option->type == SL_OPTION_IS_LIST ? "*" : "", option->name);
    write_quoted(option->help, true);
    putchar(']');
    if (option->type == SL_OPTION_IS_CHOICE) {
        fputs(":name:(", stdout);
        for (const char *at = option->choices; *at; at++) putchar(*at == '|' ? ' ' : *at);
        putchar(')');
    } else if (option->type != SL_OPTION_IS_FLAG) {
        printf(":value:%s", option->type == SL_OPTION_IS_PATH ? "_files" : "");
    }
    putchar('\'');
}

static void write_zsh(void) {
    puts("#compdef scatterloop\n"
         "local -a commands=(");
    for (const sl_command *const *each = sl_commands; *each; each++) {
        printf("    '%s:", (*each)->name);
        write_quoted((*each)->summary, true);
        puts("'");
    }
    puts(")\n"
         "if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "fi\n"
         "case \"$words[2] $words[3]\" in");
    for (const sl_command *const *each = sl_commands; *each; each++) {
        printf("    '%s'*)\n        _arguments", (*each)->name);
        each_option(*each, zsh_option);
        puts(" \\\n            '*:file:_files' ;;");
    }
    puts("esac");
}

/* Commands of two words are offered as their first word, then the second. */
static void fish_option(const char *command, const sl_option *option) {
    printf("complete -c scatterloop -n '__fish_seen_subcommand_from %s' -l %s", command, option->name);
    if (option->short_name) printf(" -s %c", option->short_name);
    if (option->type == SL_OPTION_IS_CHOICE) {
        fputs(" -x -a '", stdout);
        for (const char *at = option->choices; *at; at++) putchar(*at == '|' ? ' ' : *at);
        putchar('\'');
    } else if (option->type != SL_OPTION_IS_FLAG) {
        fputs(option->type == SL_OPTION_IS_PATH ? " -r -F" : " -x", stdout);
    }
    fputs(" -d '", stdout);
    write_quoted(option->help, false);
    puts("'");
}

static void write_fish(void) {
    for (const sl_command *const *each = sl_commands; *each; each++) {
        const char *second = strchr((*each)->name, ' ');
        if (second) {
            printf("complete -c scatterloop -n '__fish_seen_subcommand_from %.*s' -a '%s' -d '",
                   (int)(second - (*each)->name), (*each)->name, second + 1);
        } else {
            printf("complete -c scatterloop -n __fish_use_subcommand -a '%s' -d '", (*each)->name);
        }
        write_quoted((*each)->summary, false);
        puts("'");
        each_option(*each, fish_option);
    }
}

static sl_status run(sl_cli *cli, void *settings) {
    (void)settings;
    static const struct {
        const char *name;
        void (*write)(void);
    } shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};
    for (int i = 0; i < 3; i++) {
        if (strcmp(cli->arguments.item[0], shells[i].name) != 0) continue;
        shells[i].write();
        return SL_OK;
    }
    return sl_fail(SL_INVALID, "unknown shell '%s', expected bash, zsh or fish", cli->arguments.item[0]);
}

const sl_command sl_command_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .arguments = "bash|zsh|fish",
    .examples = "  source <(scatterloop completion bash)\n"
                "  scatterloop completion fish > ~/.config/fish/completions/scatterloop.fish\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
