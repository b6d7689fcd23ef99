/* The program: finds the command, fills its settings, runs it, prints the result, returns the status' exit
 * code. */
#include "cli/command.h"
#include "cli/progress_bar.h"

#include "base/log.h"
#include "base/threads.h"
#include "loop/engine.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool cancel_wanted;

/* The first signal asks the work to stop at a safe place, the second ends the process. */
static void on_signal(int number) {
    if (atomic_exchange(&cancel_wanted, true)) _exit(128 + number);
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void sl_cli_print(const sl_cli *cli, const char *format, ...) {
    if (cli->globals.json || cli->globals.quiet) return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

sl_status sl_cli_print_preview(const sl_cli *cli, sl_status status, sl_text *preview) {
    if (!status) sl_cli_print(cli, "%s", sl_text_get(preview));
    sl_text_free(preview);
    return status;
}

sl_status sl_cli_find_workspace(const sl_cli *cli, bool needed, sl_workspace **out) {
    *out = NULL;
    sl_status status = sl_workspace_open(cli->globals.workspace, out);
    return status == SL_NOT_FOUND && !cli->globals.workspace && !needed ? SL_OK : status;
}

enum { NAMES_MAX = 128 };

/* Every command's name, ends with NULL; those that this build lacks too, since a configuration file may speak
 * to them. */
static void list_names(const char *names[NAMES_MAX]) {
    int count = 0;
    for (const sl_command *const *each = sl_commands; *each && count < NAMES_MAX - 1; each++)
        names[count++] = (*each)->name;
    for (const char *const *each = sl_commands_left_out; *each && count < NAMES_MAX - 1; each++)
        names[count++] = *each;
    names[count] = NULL;
}

static sl_status check_left_out(const char *name) {
    for (const char *const *each = sl_commands_left_out; *each; each++)
        if (strcmp(*each, name) == 0)
            return sl_fail(SL_UNSUPPORTED, "'%s' needs the full build; this program is core-only", name);
    return SL_OK;
}

/* The command named by the next one or two words; *out_words says how many were used. */
static sl_status choose_command(int count, char *const words[], const sl_command **out, int *out_words) {
    char both[128];
    snprintf(both, sizeof both, "%s %s", words[0], count > 1 ? words[1] : "");
    *out_words = 2;
    if ((*out = sl_command_find(both))) return SL_OK;
    *out_words = 1;
    if ((*out = sl_command_find(words[0]))) return SL_OK;
    SL_TRY(check_left_out(both));
    SL_TRY(check_left_out(words[0]));
    const char *names[NAMES_MAX];
    sl_text group = SL_TEXT_INIT;
    size_t length = strlen(words[0]);
    list_names(names);
    for (const sl_command *const *each = sl_commands; *each; each++)
        if (strncmp((*each)->name, words[0], length) == 0 && (*each)->name[length] == ' ')
            sl_text_printf(&group, "%s%s", group.length ? ", " : "", (*each)->name + length + 1);
    sl_status status;
    const char *near = sl_suggest(count > 1 ? both : words[0], names);
    if (!near) near = sl_suggest(words[0], names);
    if (group.length) {
        status = sl_fail(SL_INVALID, "'%s' needs one of: %s", words[0], sl_text_get(&group));
    } else if (near) {
        status = sl_fail(SL_INVALID, "unknown command '%s'; did you mean '%s'?", words[0], near);
    } else {
        status = sl_fail(SL_INVALID, "unknown command '%s'; 'scatterloop --help' lists them", words[0]);
    }
    sl_text_free(&group);
    return status;
}

static void print_help(const sl_command *command) {
    sl_text text = SL_TEXT_INIT;
    sl_cli_help(command, &text);
    fputs(sl_text_get(&text), stdout);
    sl_text_free(&text);
}

static sl_status check_call(const sl_cli *cli, const sl_command *command) {
    int count = cli->arguments.count;
    const char *wanted = command->arguments && command->arguments[0] ? command->arguments : "no arguments";
    if (count < command->arguments_min)
        return sl_fail(SL_INVALID, "%d argument%s given, expected %s", count, count == 1 ? "" : "s", wanted);
    if (command->arguments_max >= 0 && count > command->arguments_max)
        return sl_fail(SL_INVALID, "'%s' is one argument too many, expected %s",
                       cli->arguments.item[command->arguments_max], wanted);
    if (cli->globals.dry_run && !command->takes_dry_run)
        return sl_fail(SL_INVALID, "'%s' has no --dry-run", command->name);
    return SL_OK;
}

/* Config file first, so that the words given on the command line win. */
static sl_status add_config(const sl_command *command, const sl_option *const tables[],
                            sl_assignments *given) {
    const char *path = sl_options_given(given, "config");
    if (!path) return SL_OK;
    const char *names[NAMES_MAX];
    list_names(names);
    sl_assignments merged = {.arena = given->arena};
    SL_TRY(sl_options_read_yaml(path, tables, command->name, names, &merged));
    sl_assignments_append(&merged, given);
    *given = merged;
    return SL_OK;
}

static sl_status prepare(sl_cli *cli, const sl_command *command, const sl_option *const tables[],
                         sl_assignments *given, void **out_settings) {
    SL_TRY(add_config(command, tables, given));
    SL_TRY(sl_options_apply(sl_cli_global_options, NULL, given, &cli->globals));
    if (cli->globals.help) return SL_OK;
    SL_TRY(check_call(cli, command));
    if (command->options) {
        *out_settings = sl_arena_alloc(cli->arena, 1, command->settings_bytes);
        SL_TRY(sl_options_apply(command->options, command->presets, given, *out_settings));
    }
    SL_TRY(sl_engine_use(cli->globals.device));
    return sl_threads_set((int)cli->globals.threads);
}

static sl_status run_command(sl_cli *cli, const sl_command *command, void *settings) {
    if (cli->globals.quiet) sl_log_set_level(SL_LOG_ERROR);
    if (cli->globals.verbose) sl_log_set_level(SL_LOG_DEBUG);
    sl_progress_bar bar;
    sl_progress_bar_init(&bar, stderr, cli->globals.quiet);
    cli->progress = (sl_progress){sl_progress_bar_report, &bar, &cancel_wanted};
    cli->result = json_object();
    sl_status status = command->run(cli, settings);
    sl_progress_bar_end(&bar);
    if (status == SL_OK && cli->globals.json) {
        char *line = json_dumps(cli->result, JSON_COMPACT | JSON_PRESERVE_ORDER);
        puts(line ? line : "{}");
        free(line);
    }
    json_decref(cli->result);
    return status;
}

static sl_status program(sl_cli *cli, int count, char *const words[]) {
    const sl_option *globals_only[] = {sl_cli_global_options, NULL};
    sl_assignments given = {.arena = cli->arena};
    int used = 0, name_words = 0;
    SL_TRY(sl_options_read_words(globals_only, count, words, true, &given, NULL, &used));
    if (used == count) {
        SL_TRY(sl_options_apply(sl_cli_global_options, NULL, &given, &cli->globals));
        if (cli->globals.version) {
            printf("scatterloop %s%s\n", SL_VERSION, SL_BUILD_NAME);
        } else {
            print_help(NULL);
        }
        return SL_OK;
    }
    const sl_command *command;
    SL_TRY(choose_command(count - used, words + used, &command, &name_words));
    used += name_words;
    const sl_option *tables[] = {command->options ? command->options : sl_cli_global_options,
                                 sl_cli_global_options, NULL};
    sl_status status =
        sl_options_read_words(tables, count - used, words + used, false, &given, &cli->arguments, NULL);
    void *settings = NULL;
    if (!status) status = prepare(cli, command, tables, &given, &settings);
    if (!status && cli->globals.help) {
        print_help(command);
        return SL_OK;
    }
    if (!status) status = run_command(cli, command, settings);
    return sl_context(status, "%s", command->name);
}

/* Was --json among the words? Asked only where reading them may have failed. */
static bool wants_json(int count, char *const words[]) {
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], "--json") == 0) return true;
    return false;
}

static void print_failure(sl_status status, bool as_json) {
    fprintf(stderr, "scatterloop: %s\n", sl_error_message());
    if (!as_json) return;
    json_t *line =
        json_pack("{s:s, s:o}", "error", sl_status_name(status), "message", sl_json_text(sl_error_message()));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(line);
}

int main(int argc, char **argv) {
    catch_signals();
    sl_cli cli = {0};
    sl_status status = sl_arena_new(&cli.arena);
    if (!status) status = program(&cli, argc - 1, argv + 1);
    if (!status && (fflush(stdout) != 0 || ferror(stdout))) status = sl_fail_errno("cannot write the result");
    if (status) print_failure(status, wants_json(argc - 1, argv + 1));
    sl_arena_free(cli.arena);
    return sl_status_exit_code(status);
}
