/* Model folders: what they hold, and copies in another precision. */
#include "cli/command.h"

#include "loop/model_folder.h"

static sl_status run_show(sl_cli *cli, void *settings) {
    (void)settings;
    sl_text text = SL_TEXT_INIT;
    json_t *json;
    sl_status status = sl_model_folder_show(cli->arguments.item[0], &text, &json);
    if (status == SL_OK) {
        sl_cli_print(cli, "%s", sl_text_get(&text));
        json_object_update(cli->result, json);
        json_decref(json);
    }
    sl_text_free(&text);
    return status;
}

const sl_command sl_command_model_show = {
    .name = "model show",
    .summary = "show what a model folder holds",
    .arguments = "FOLDER",
    .description =
        "Prints class, configuration and parameters of each part of a model in diffusers' layout (or of\n"
        "one part), and whether its weights fit the configuration. Weights are not read.",
    .examples = "  scatterloop model show models/base\n"
                "  scatterloop model show --json stable-diffusion-v1-5/unet\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_show,
};

typedef struct convert_settings {
    int dtype;
} convert_settings;

static const sl_option convert_options[] = {
    SL_OPTION_CHOICE(convert_settings, dtype, "dtype", 0, "fp16", "fp32|fp16|bf16",
                     "precision of the weights written"),
    {0},
};

static sl_status run_convert(sl_cli *cli, void *context) {
    static const sl_dtype dtypes[] = {SL_F32, SL_F16, SL_BF16};
    const convert_settings *settings = context;
    int64_t parameters;
    SL_TRY(sl_model_folder_convert(cli->arguments.item[0], cli->arguments.item[1], dtypes[settings->dtype],
                                   &parameters));
    sl_cli_print(cli, "%lld parameters written to %s as %s", (long long)parameters, cli->arguments.item[1],
                 sl_dtype_name(dtypes[settings->dtype]));
    json_object_set_new(cli->result, "parameters", json_integer(parameters));
    json_object_set_new(cli->result, "dtype", json_string(sl_dtype_name(dtypes[settings->dtype])));
    return SL_OK;
}

const sl_command sl_command_model_convert = {
    .name = "model convert",
    .summary = "write a model folder anew, in another precision",
    .arguments = "FROM TO",
    .description =
        "Reads a model folder (fp32, fp16 or bf16; one file or shards) and writes it with the public names\n"
        "and one file a part, as diffusers loads it. Nothing is overwritten.",
    .examples = "  scatterloop model convert sd15 sd15-fp16\n"
                "  scatterloop model convert --dtype fp32 models/base base-fp32\n",
    .arguments_min = 2,
    .arguments_max = 2,
    .options = convert_options,
    .settings_bytes = sizeof(convert_settings),
    .run = run_convert,
};
