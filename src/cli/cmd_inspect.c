/* What an image file holds, read through the limited decoder process. */
#include "cli/command.h"

#include "image/frame.h"

#include <stdlib.h>

typedef struct inspect_settings {
    const char *dataset;
    int64_t frame;
} inspect_settings;

static const sl_option options[] = {
    SL_OPTION_TEXT(inspect_settings, dataset, "dataset", 0, NULL, "PATH",
                   "dataset inside an HDF5 file (default: the image is found)"),
    SL_OPTION_INT(inspect_settings, frame, "frame", 0, "0", 0, INT64_C(1) << 40, "N",
                  "frame of a stack, counted from 0"),
    {0},
};

static void print_member(const sl_cli *cli, const char *key, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    sl_cli_print(cli, "%-8s %s", key, json_is_string(value) ? json_string_value(value) : text ? text : "");
    free(text);
}

static sl_status run(sl_cli *cli, void *context) {
    const inspect_settings *settings = context;
    const char *path;
    sl_frame_request request;
    sl_frame frame;
    json_t *summary;
    SL_TRY(sl_frame_locate(cli->arena, cli->arguments.item[0], &path, &request));
    if (settings->dataset) request.dataset = settings->dataset;
    if (settings->frame) request.frame = settings->frame;
    SL_TRY(sl_frame_read(path, &request, NULL, &frame));
    sl_status status = sl_frame_inspect(&frame, &summary);
    sl_frame_free(&frame);
    SL_TRY(status);
    const char *key;
    json_t *value;
    json_object_foreach(summary, key, value) print_member(cli, key, value);
    json_object_update(cli->result, summary);
    json_decref(summary);
    return SL_OK;
}

const sl_command sl_command_inspect = {
    .name = "inspect",
    .summary = "show what an image file holds",
    .arguments = "FILE",
    .description =
        "Prints format, shape [height, width], number type, smallest and largest value, masked pixels\n"
        "(negative, not finite, at least 2^32-2, in 16 bits with whole rows or columns of 2^16-1 at least\n"
        "2^16-2, or without a value by the pixel_mask of a NeXus file), and sum, median and 99.9th "
        "percentile of the others.\n"
        "Reads EDF, TIFF, CBF, HDF5/NeXus, NPY, PNG and JPEG by content, gzipped or not.\n"
        "FILE::DATASET[N] chooses a dataset and frame of an HDF5 file, FILE::[N] a frame of any stack.",
    .examples = "  scatterloop inspect frame.edf\n"
                "  scatterloop inspect --json scan.h5::entry/data/data[3]\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .options = options,
    .settings_bytes = sizeof(inspect_settings),
    .run = run,
};
