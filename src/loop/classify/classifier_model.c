#include "loop/classify/classifier_model.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sl_status path_in(const char *folder, const char *name, char out[SL_LIMIT_PATH_BYTES]) {
    if (snprintf(out, SL_LIMIT_PATH_BYTES, "%s/%s", folder, name) < SL_LIMIT_PATH_BYTES) return SL_OK;
    return sl_fail(SL_LIMIT, "path of %zu bytes is too long", strlen(folder));
}

sl_status sl_classifier_model_save(const sl_classifier_model *classifier, const char *folder) {
    char path[SL_LIMIT_PATH_BYTES];
    SL_TRY(path_in(folder, "classifier.json", path));
    json_t *about = classifier->about ? json_deep_copy(classifier->about) : json_object();
    json_object_set_new(about, "architecture", json_string(classifier->architecture));
    json_object_set_new(about, "size_px", json_integer(classifier->size_px));
    json_object_set_new(about, "classes", json_pack("[s, s]", "unreal", "real"));
    json_object_set_new(about, "calibration", sl_calibration_to_json(&classifier->calibration));
    json_object_set_new(about, "evidence", sl_evidence_to_json(&classifier->evidence));
    json_object_set_new(about, "threshold", json_real(classifier->threshold));
    sl_status status = sl_model_save(classifier->model, folder, SL_F32);
    if (!status) status = sl_json_write(path, about);
    json_decref(about);
    return status;
}

static sl_status read_about(const char *folder, sl_classifier_model *out) {
    char path[SL_LIMIT_PATH_BYTES];
    const char *architecture;
    json_t *calibration;
    SL_TRY(path_in(folder, "classifier.json", path));
    SL_TRY(sl_json_read(path, &out->about));
    SL_TRY(sl_json_string(out->about, "architecture", &architecture));
    snprintf(out->architecture, sizeof out->architecture, "%s", architecture);
    SL_TRY(sl_json_int(out->about, "size_px", 16, 2048, &out->size_px));
    SL_TRY(sl_json_real(out->about, "threshold", &out->threshold));
    SL_TRY(sl_json_object(out->about, "calibration", &calibration));
    SL_TRY(sl_context(sl_evidence_from_json(json_object_get(out->about, "evidence"), &out->evidence),
                      "evidence"));
    return sl_calibration_from_json(calibration, &out->calibration);
}

sl_status sl_classifier_model_load(const char *folder, sl_classifier_model *out) {
    *out = (sl_classifier_model){0};
    sl_status status = read_about(folder, out);
    if (!status) status = sl_model_load(folder, &out->model);
    if (status) sl_classifier_model_free(out);
    return sl_context(status, "classifier '%s'", folder);
}

void sl_classifier_model_free(sl_classifier_model *classifier) {
    sl_model_free(classifier->model);
    json_decref(classifier->about);
    *classifier = (sl_classifier_model){0};
}

double sl_classifier_model_p_real(const sl_classifier_model *classifier, double logit, double oddness) {
    if (classifier->evidence.used) return sl_evidence_apply(&classifier->evidence, logit, oddness);
    return sl_calibration_apply(&classifier->calibration, logit);
}

static sl_status hash_weights(const char *folder, char out_hash[SL_SHA256_HEX]) {
    char path[SL_LIMIT_PATH_BYTES];
    static const char *const names[] = {"model.safetensors", "diffusion_pytorch_model.safetensors"};
    for (int i = 0; i < 2; i++) {
        SL_TRY(path_in(folder, names[i], path));
        if (sl_file_exists(path)) return sl_sha256_file_hex(path, out_hash);
    }
    return sl_fail(SL_NOT_FOUND, "'%s' holds no weights", folder);
}

/* What classifier.json says of how outputs become verdicts, as one text. */
static char *judgement_text(const json_t *about) {
    static const char *const keys[] = {"calibration", "evidence", "threshold"};
    json_t *kept = json_object();
    for (int k = 0; k < 3; k++) json_object_set(kept, keys[k], json_object_get(about, keys[k]));
    char *text = sl_json_canonical(kept);
    json_decref(kept);
    return text;
}

sl_status sl_classifier_model_hash(const char *folder, char out_hash[SL_SHA256_HEX]) {
    char path[SL_LIMIT_PATH_BYTES], weights[SL_SHA256_HEX];
    json_t *about;
    SL_TRY(hash_weights(folder, weights));
    memcpy(out_hash, weights, sizeof weights);
    SL_TRY(path_in(folder, "classifier.json", path));
    if (!sl_file_exists(path)) return SL_OK;
    SL_TRY(sl_json_read(path, &about));
    char *judgement = judgement_text(about);
    json_decref(about);
    if (!judgement) return sl_fail(SL_MEMORY, "out of memory");
    sl_text both = SL_TEXT_INIT;
    sl_text_printf(&both, "%s %s", weights, judgement);
    free(judgement);
    sl_status status = sl_text_status(&both);
    if (!status) sl_sha256_hex(both.data, both.length, out_hash);
    sl_text_free(&both);
    return status;
}
