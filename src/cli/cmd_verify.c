/* Images made again from their records. */
#include "cli/command.h"

#include "loop/verify/verify.h"

#include <stdlib.h>
#include <string.h>

static bool is_id(const char *text) {
    return text[0] && strspn(text, "0123456789") == strlen(text);
}

static void print_result(sl_cli *cli, const char *name, const sl_verify_result *r, json_t *list) {
    bool other_engine = r->engine && (!r->recorded || strcmp(r->engine, r->recorded) != 0);
    if (r->differing == 0)
        sl_cli_print(cli, "%s: %s, made again, the same in all %lld pixels", name, r->origin,
                     (long long)r->pixels);
    else
        sl_cli_print(cli, "%s: %s, made again, differs in %lld of %lld pixels, by %.6g at most%s%s%s", name,
                     r->origin, (long long)r->differing, (long long)r->pixels, r->largest,
                     other_engine ? "; it was made on " : "",
                     other_engine ? r->recorded ? r->recorded : "an engine that is not recorded" : "",
                     other_engine ? ", where sums round otherwise" : "");
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:f, s:s?, s:s?}", "image", name, "origin",
                                          r->origin, "pixels", (json_int_t)r->pixels, "differing",
                                          (json_int_t)r->differing, "largest", r->largest, "recorded_engine",
                                          r->recorded, "engine", r->engine));
}

static sl_status verify_all(sl_cli *cli, const sl_workspace *workspace, const sl_verify_settings *settings) {
    json_t *list = json_array();
    int differing = 0;
    json_object_set_new(cli->result, "images", list);
    for (int k = 0; k < cli->arguments.count; k++) {
        const char *name = cli->arguments.item[k];
        sl_verify_result r;
        if (workspace && is_id(name))
            SL_TRY(sl_verify_image(workspace, strtoll(name, NULL, 10), settings, &cli->progress, cli->arena,
                                   &r));
        else
            SL_TRY(sl_verify_file(workspace, name, settings, &cli->progress, cli->arena, &r));
        print_result(cli, name, &r, list);
        differing += r.differing > 0;
    }
    if (differing == 0) return SL_OK;
    return sl_fail(SL_MISMATCH, "%d of %d images are not what their records make", differing,
                   cli->arguments.count);
}

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    bool ids = false;
    for (int k = 0; k < cli->arguments.count; k++) ids |= is_id(cli->arguments.item[k]);
    /* files stand by themselves, but a workspace may hold the adapter that they were made with */
    SL_TRY(sl_cli_find_workspace(cli, ids, &workspace));
    sl_status status = verify_all(cli, workspace, settings);
    sl_workspace_close(workspace);
    return status;
}

const sl_command sl_command_verify = {
    .name = "verify",
    .summary = "make images again from their records, and compare",
    .arguments = "FILE|ID...",
    .description = "Files are those that simulate, generate and export wrote: TIFF, HDF5, NPY and PNG carry "
                   "how they were made.\n"
                   "A number is an image of the workspace. The exit status tells whether every pixel is the "
                   "same. Generated\n"
                   "images are the same on any machine of the same instruction set level; elsewhere sums "
                   "round otherwise.",
    .examples = "  scatterloop verify set/train/image_000042.tif\n"
                "  scatterloop verify 17 18 19\n",
    .arguments_min = 1,
    .arguments_max = -1,
    .options = sl_verify_options,
    .settings_bytes = sizeof(sl_verify_settings),
    .run = run,
};
