/* Trains a classifier of real against unreal. */
#include "cli/command.h"

#include "loop/classify/train_classifier.h"

static void print_estimate(sl_cli *cli, const char *name, const json_t *e) {
    const json_t *value = json_object_get(e, "value");
    if (!json_is_number(value)) return;
    sl_cli_print(cli, "  %-10s %.3f  [%.3f, %.3f], n %lld in %lld groups", name, json_number_value(value),
                 json_number_value(json_object_get(e, "low")), json_number_value(json_object_get(e, "high")),
                 (long long)json_integer_value(json_object_get(e, "n")),
                 (long long)json_integer_value(json_object_get(e, "groups")));
}

static void print_evidence(sl_cli *cli) {
    const json_t *evidence = json_object_get(cli->result, "evidence");
    const json_t *alone = json_object_get(json_object_get(cli->result, "test_without_evidence"), "roc_auc");
    const json_t *with = json_object_get(json_object_get(cli->result, "test"), "roc_auc");
    if (json_is_string(evidence)) sl_cli_print(cli, "physical evidence %s", json_string_value(evidence));
    if (json_is_real(alone) && json_is_real(with))
        sl_cli_print(cli, "area under the ROC curve %.3f, without physical evidence %.3f",
                     json_real_value(with), json_real_value(alone));
}

static sl_status run(sl_cli *cli, void *settings) {
    sl_workspace *workspace;
    sl_id model = 0;
    SL_TRY(sl_workspace_open(cli->globals.workspace, &workspace));
    sl_status status = sl_train_classifier_run(settings, workspace, 0, &cli->progress, cli->result, &model);
    sl_workspace_close(workspace);
    SL_TRY(status);
    const json_t *test = json_object_get(cli->result, "test");
    sl_cli_print(cli, "classifier %lld; on %lld test images that took no part in training or choice:",
                 (long long)model, (long long)json_integer_value(json_object_get(test, "n")));
    print_estimate(cli, "accuracy", json_object_get(test, "accuracy"));
    print_estimate(cli, "precision", json_object_get(test, "precision"));
    print_estimate(cli, "recall", json_object_get(test, "recall"));
    print_evidence(cli);
    json_object_set_new(cli->result, "model", json_integer(model));
    return SL_OK;
}

const sl_command sl_command_train_classifier = {
    .name = "train classifier",
    .summary = "train a classifier of real against unreal on the workspace's labels",
    .arguments = "",
    .description =
        "Labels are what reviewers decided, what is known of simulated images, and that measured images are "
        "real;\n"
        "once 10 images are reviewed (3 of each label), those alone. Weights are chosen on held-out groups "
        "of "
        "the\n"
        "training split; probabilities, weight of physical evidence and threshold on the calibration split, "
        "or "
        "on the\n"
        "reviewed images, each scored by a fit that has not seen it. The numbers printed are those of the "
        "test\n"
        "split, with 95 % intervals over its groups: frames of one group are no independent observations.",
    .examples = "  scatterloop train classifier\n"
                "  scatterloop train classifier --architecture resnet50 --begin-from resnet50.safetensors\n",
    .options = sl_train_classifier_options,
    .presets = sl_train_classifier_presets,
    .settings_bytes = sizeof(sl_train_classifier_settings),
    .run = run,
};
