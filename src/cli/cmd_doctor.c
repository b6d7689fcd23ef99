#include "cli/command.h"

#include "base/threads.h"
#include "loop/engine.h"
#include "loop/workspace.h"

#include <sys/statvfs.h>
#include <unistd.h>

static void tell_machine(sl_cli *cli, const char *folder) {
    struct statvfs disk;
    double memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 0x1p30;
    char engine[320];
    if (sl_engine_text(engine, sizeof engine) != SL_OK)
        snprintf(engine, sizeof engine, "none: %s", sl_error_message());
    sl_cli_print(cli, "models on    %s", engine);
    json_object_set_new(cli->result, "device", json_string(engine));
    sl_cli_print(cli, "threads      %d", sl_threads_count());
    sl_cli_print(cli, "memory       %.1f GiB", memory_gib);
    json_object_set_new(cli->result, "threads", json_integer(sl_threads_count()));
    json_object_set_new(cli->result, "memory_gib", json_real(memory_gib));
    if (statvfs(folder, &disk) != 0) return;
    double free_gib = (double)disk.f_bavail * (double)disk.f_frsize / 0x1p30;
    sl_cli_print(cli, "free disk    %.1f GiB", free_gib);
    json_object_set_new(cli->result, "free_disk_gib", json_real(free_gib));
}

static void tell_truthless(sl_cli *cli, const sl_workspace_report *report) {
    json_t *named = json_array();
    sl_text list = SL_TEXT_INIT;
    for (int k = 0; k < SL_TRUTHLESS_NAMED && k < report->truthless; k++) {
        sl_text_printf(&list, "%s%lld", k ? ", " : "", (long long)report->truthless_image[k]);
        json_array_append_new(named, json_integer((json_int_t)report->truthless_image[k]));
    }
    if (report->truthless)
        sl_cli_print(
            cli,
            "truths       lacking for %lld simulated images (%s%s): they may have faults, and teach nothing",
            (long long)report->truthless, sl_text_get(&list),
            report->truthless > SL_TRUTHLESS_NAMED ? ", ..." : "");
    sl_text_free(&list);
    json_object_set_new(cli->result, "truthless", json_integer((json_int_t)report->truthless));
    json_object_set_new(cli->result, "truthless_images", named);
}

static void tell_workspace(sl_cli *cli, const sl_workspace_report *report) {
    sl_cli_print(cli, "records      whole, %lld decisions with an unbroken chain of hashes",
                 (long long)report->decisions);
    sl_cli_print(cli, "objects      %lld, %.1f MiB, all as they were written", (long long)report->objects,
                 (double)report->bytes / 0x1p20);
    sl_cli_print(cli, "images       %lld, all with their pixels", (long long)report->images);
    if (report->leftovers)
        sl_cli_print(cli, "leftovers    %lld files of interrupted writes removed",
                     (long long)report->leftovers);
    tell_truthless(cli, report);
    json_object_update_new(cli->result,
                           json_pack("{s:I, s:I, s:I, s:I, s:I}", "decisions", (json_int_t)report->decisions,
                                     "objects", (json_int_t)report->objects, "object_bytes",
                                     (json_int_t)report->bytes, "images", (json_int_t)report->images,
                                     "leftovers", (json_int_t)report->leftovers));
}

static sl_status run(sl_cli *cli, void *settings) {
    (void)settings;
    sl_workspace *workspace;
    sl_cli_print(cli, "program      scatterloop %s%s", SL_VERSION, SL_BUILD_NAME);
    json_object_set_new(cli->result, "version", json_string(SL_VERSION));
    sl_status status = sl_workspace_open(cli->globals.workspace, &workspace);
    if (status == SL_NOT_FOUND && !cli->globals.workspace) {
        tell_machine(cli, ".");
        sl_cli_print(cli, "workspace    none here");
        json_object_set_new(cli->result, "workspace", json_null());
        return SL_OK;
    }
    SL_TRY(status);
    tell_machine(cli, workspace->root);
    sl_cli_print(cli, "workspace    %s", workspace->root);
    json_object_set_new(cli->result, "workspace", json_string(workspace->root));
    sl_workspace_report report;
    status = sl_workspace_check(workspace, &report);
    if (!status) tell_workspace(cli, &report);
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_doctor = {
    .name = "doctor",
    .summary = "check machine and workspace",
    .arguments = "",
    .description =
        "Checks the structure of the database, the chain of hashes over all decisions, and every stored\n"
        "file against its name. Exit status 5 when something is damaged, and what it is. Names\n"
        "images simulated here whose truth is not known: no classifier learns from them.",
    .examples = "  scatterloop doctor\n",
    .run = run,
};
