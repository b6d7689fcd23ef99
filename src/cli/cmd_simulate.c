/* Images from the physics simulator. */
#include "cli/command.h"

#include "loop/simulate.h"

static sl_status preview(sl_cli *cli, const sl_simulate_settings *settings) {
    sl_text text = SL_TEXT_INIT;
    return sl_cli_print_preview(cli, sl_simulate_preview(settings, &text), &text);
}

static sl_status run(sl_cli *cli, void *context) {
    const sl_simulate_settings *settings = context;
    sl_workspace *workspace;
    sl_simulate_result made;
    if (cli->globals.dry_run) return preview(cli, settings);
    /* outside a workspace --out alone will do */
    SL_TRY(sl_cli_find_workspace(cli, !settings->out, &workspace));
    sl_status status = sl_simulate(settings, workspace, &cli->progress, &made);
    sl_workspace_close(workspace);
    SL_TRY(status);
    if (made.run)
        sl_cli_print(cli, "%lld images (%lld with faults), run %lld", (long long)made.images,
                     (long long)made.unreal, (long long)made.run);
    else
        sl_cli_print(cli, "%lld images (%lld with faults) in %s", (long long)made.images,
                     (long long)made.unreal, settings->out);
    json_object_set_new(cli->result, "images", json_integer(made.images));
    json_object_set_new(cli->result, "unreal", json_integer(made.unreal));
    json_object_set_new(cli->result, "run", made.run ? json_integer(made.run) : json_null());
    return SL_OK;
}

const sl_command sl_command_simulate = {
    .name = "simulate",
    .summary = "make images by the physics of scattering",
    .arguments = "",
    .description =
        "Each image has a detector with its gaps, a beamstop, counting noise, a caption in the words of "
        "the field, and a\n"
        "sidecar file with every parameter, every feature with its place, and the masks. Image k depends "
        "on the seed and\n"
        "k alone: the same bytes for any number of threads or shards.",
    .examples = "  scatterloop simulate -n 500 --seed 1 --out simulated\n"
                "  scatterloop simulate -n 100 --class gisaxs-lattice --size 256 --out lattices\n"
                "  scatterloop simulate -n 200 --instrument beamline-saxs --out saxs\n"
                "  scatterloop simulate -n 200 --parameters spheres.yaml --out spheres\n"
                "  scatterloop simulate -n 1000 --unreal 0.5 --out labelled\n",
    .arguments_min = 0,
    .arguments_max = 0,
    .takes_dry_run = true,
    .options = sl_simulate_options,
    .settings_bytes = sizeof(sl_simulate_settings),
    .run = run,
};
