/* Is what an image shows possible on a detector? */
#include "cli/command.h"

#include "loop/check/check.h"

#include <math.h>

static json_t *result_json(const sl_physical_result *r, sl_physical_test test) {
    json_t *out =
        json_pack("{s:s, s:b, s:s}", "test", sl_physical_id(test), "applies", r->applicable, "saw", r->saw);
    if (r->applicable)
        json_object_update_new(out, json_pack("{s:f, s:s, s:f, s:f, s:b}", "value", r->value, "unit",
                                              sl_physical_unit(test), "limit", r->limit, "p", r->p, "passed",
                                              r->value <= r->limit));
    return out;
}

static void print_tests(sl_cli *cli, const sl_physics *physics, bool all) {
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        const sl_physical_result *r = &physics->result[t];
        const char *id = sl_physical_id((sl_physical_test)t);
        if (r->applicable)
            sl_cli_print(cli, "  %-5s %-18s p %-6.3g %s", r->value <= r->limit ? "pass" : "FAIL", id, r->p,
                         r->saw);
        else if (all)
            sl_cli_print(cli, "  %-5s %-18s          %s", "-", id, r->saw);
    }
}

typedef struct told {
    sl_cli *cli;
    const sl_check_settings *settings;
} told;

static void tell(void *context, const sl_checked *checked) {
    const told *t = context;
    const sl_physics *p = &checked->physics;
    json_t *tests = json_array();
    sl_cli_print(t->cli, "%s%s%s (%s)", checked->name, checked->caption ? ": " : "",
                 checked->caption ? checked->caption : "", sl_technique_name(checked->technique));
    if (checked->technique_probability > 0)
        sl_cli_print(t->cli, "  technique found: %s, %.0f %%", sl_technique_name(checked->technique),
                     100 * checked->technique_probability);
    print_tests(t->cli, p, t->settings->all);
    if (p->applicable == 0)
        sl_cli_print(t->cli, "  no test applies: nothing can be said");
    else
        sl_cli_print(t->cli, "  %s: %d tests apply, family-wise p = %.3g%s%s",
                     checked->possible ? "possible" : "IMPOSSIBLE", p->applicable, p->family_p,
                     checked->possible ? "" : ", by ", checked->possible ? "" : sl_physical_id(p->worst));
    if (checked->picture) sl_cli_print(t->cli, "  drawn in %s", checked->picture);
    for (int k = 0; k < SL_PHYSICAL_COUNT; k++)
        json_array_append_new(tests, result_json(&p->result[k], (sl_physical_test)k));
    json_array_append_new(json_object_get(t->cli->result, "images"),
                          json_pack("{s:s, s:s, s:f, s:b, s:i, s:f, s:s?, s:o}", "name", checked->name,
                                    "technique", sl_technique_name(checked->technique),
                                    "technique_probability", checked->technique_probability, "possible",
                                    checked->possible, "applicable", p->applicable, "family_p", p->family_p,
                                    "picture", checked->picture, "tests", tests));
}

static sl_status run(sl_cli *cli, void *context) {
    const sl_check_settings *settings = context;
    told t = {cli, settings};
    sl_workspace *workspace = NULL;
    sl_check_result result;
    if (settings->run || settings->image) SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    json_object_set_new(cli->result, "images", json_array());
    sl_status status = sl_check(settings, workspace, &cli->arguments, &cli->progress, tell, &t, &result);
    sl_workspace_close(workspace);
    SL_TRY(status);
    if (result.images > 1)
        sl_cli_print(cli, "%lld images, %lld impossible", (long long)result.images,
                     (long long)result.impossible);
    json_object_set_new(cli->result, "impossible", json_integer(result.impossible));
    return SL_OK;
}

const sl_command sl_command_check = {
    .name = "check",
    .summary = "test whether images can be measurements, and draw why not",
    .arguments = "[FILE...]",
    .description = "Each physical test says what it saw, and how rare that is among clean images of which as "
                   "much is known (p).\n"
                   "A test that finds nothing to judge does not apply, which is neither pass nor failure. An "
                   "image is impossible\n"
                   "where the smallest p, times the number of tests that apply, is at most --level. Tests "
                   "know rings, mirror and\n"
                   "inversion symmetry, gaps, beamstop, horizon, noise, and things drawn or pasted in: "
                   "docs/physical-tests.md.",
    .examples = "  scatterloop check frame.edf --technique saxs --draw seen\n"
                "  scatterloop check --run 3 --draw seen\n",
    .arguments_min = 0,
    .arguments_max = -1,
    .options = sl_check_options,
    .settings_bytes = sizeof(sl_check_settings),
    .run = run,
};
