#include "cli/command.h"

#include "loop/import/import.h"

enum { SHOWN_MAX = 20 };

static long long number(const json_t *result, const char *key) {
    return (long long)json_integer_value(json_object_get(result, key));
}

static const char *text(const json_t *object, const char *key) {
    const char *found = json_string_value(json_object_get(object, key));
    return found ? found : "";
}

static void print_list(const sl_cli *cli, const json_t *list, const char *head, const char *first,
                       const char *link, const char *second) {
    size_t count = json_array_size(list);
    if (count == 0) return;
    sl_cli_print(cli, "%zu %s:", count, head);
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
        const json_t *each = json_array_get(list, i);
        sl_cli_print(cli, "  %s%s%s", text(each, first), link, text(each, second));
    }
    if (count > SHOWN_MAX) sl_cli_print(cli, "  ... and %zu more (--json lists all)", count - SHOWN_MAX);
}

/* Numbers of the test split mean less where its images are in the training split under another group's name.
 */
static void print_look_alikes(const sl_cli *cli, const json_t *list) {
    size_t count = json_array_size(list);
    if (count == 0) return;
    sl_cli_print(cli, "groups that look alike, but lie in different splits:");
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
        const json_t *each = json_array_get(list, i);
        sl_cli_print(cli, "  %s (%s) and %s (%s): %lld images", text(each, "group"), text(each, "split"),
                     text(each, "like"), text(each, "like_split"), number(each, "images"));
    }
    if (count > SHOWN_MAX) sl_cli_print(cli, "  ... and %zu more (--json lists all)", count - SHOWN_MAX);
    sl_cli_print(
        cli,
        "Where they show one sample, test numbers will flatter: give them one group (--groups FILE) in a new "
        "workspace.");
}

static void print_origins(const sl_cli *cli, const json_t *origins) {
    long long simulated = number(origins, "simulated"), generated = number(origins, "generated");
    if (simulated + generated == 0) return;
    sl_cli_print(cli, "of these %lld experimental, %lld simulated, %lld generated",
                 number(origins, "experimental"), simulated, generated);
}

/* With few groups all may fall to one side; then the loop has nothing to calibrate or to measure on. */
static void print_empty_splits(sl_cli *cli, const json_t *splits) {
    bool calibrates = number(splits, "calibration") > 0, tests = number(splits, "test") > 0;
    if (calibrates && tests) return;
    sl_cli_print(cli,
                 "note: no group has fallen to %s: import more groups, or begin a workspace with another "
                 "'init --split-seed'",
                 calibrates ? "test"
                 : tests    ? "calibration"
                            : "calibration or test");
}

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    json_t *result;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_import(workspace, &cli->arguments, settings, &cli->progress, &result);
    sl_workspace_close(workspace);
    SL_TRY(status);
    const json_t *splits = json_object_get(result, "splits");
    sl_cli_print(cli, "%lld images found, %lld added, %lld known already, in %lld groups",
                 number(result, "found"), number(result, "added"), number(result, "known"),
                 number(result, "groups"));
    print_origins(cli, json_object_get(result, "origins"));
    sl_cli_print(cli, "the workspace's splits now: %lld train, %lld calibration, %lld test",
                 number(splits, "train"), number(splits, "calibration"), number(splits, "test"));
    print_empty_splits(cli, splits);
    const json_t *labels = json_object_get(result, "labels");
    if (labels)
        sl_cli_print(cli, "labels that count now: %lld real, %lld unreal, %lld unsure",
                     number(labels, "real"), number(labels, "unreal"), number(labels, "unsure"));
    print_list(cli, json_object_get(result, "duplicates"), "duplicates left out", "file", " is the same as ",
               "same_as");
    print_list(cli, json_object_get(result, "errors"), "errors", "file", ": ", "message");
    print_look_alikes(cli, json_object_get(result, "look_alikes"));
    if (json_array_size(json_object_get(result, "skipped")))
        sl_cli_print(cli, "%zu files of no known format were passed over",
                     json_array_size(json_object_get(result, "skipped")));
    if (json_array_size(json_object_get(result, "companions")))
        sl_cli_print(cli, "%zu pictures and expectations of images beside them were passed over",
                     json_array_size(json_object_get(result, "companions")));
    json_object_update(cli->result, result);
    json_decref(result);
    return SL_OK;
}

const sl_command sl_command_import = {
    .name = "import",
    .summary = "add images from files to the workspace",
    .arguments = "PATH...",
    .description =
        "Reads EDF, TIFF, CBF, HDF5/NeXus, NPY, PNG and JPEG by content. Captions come from a "
        "metadata.jsonl\n"
        "beside or above the images (\"file_name\", \"text\", and \"group\" if you like), else "
        "from --caption.\n"
        "Images of one group (sample or scan) are never divided between training and test.\n"
        "Simulated and generated images are known by their rows or by the record in their files, "
        "and never\n"
        "pass for measured ones. Of a folder that generate or simulate wrote, counts are taken, and\n"
        "pictures beside them passed over.",
    .examples = "  scatterloop import frames/\n"
                "  scatterloop import --caption \"GISAXS data showing peaks\" --group film-7 scan7/*.cbf\n"
                "  scatterloop import --origin generated --labels-by anna sorted/   # made by others; real/ "
                "and fake/ below it\n"
                "  scatterloop import --all-frames stack.h5::entry/data/data\n",
    .arguments_min = 1,
    .arguments_max = -1,
    .options = sl_import_options,
    .settings_bytes = sizeof(sl_import_settings),
    .run = run,
};
