#include "loop/export/row.h"

#include "base/text.h"
#include "loop/classify/labels.h"
#include "loop/recorded.h"

#include <math.h>
#include <string.h>

static sl_status read_provenance(sl_store *store, sl_export_row *row) {
    SL_TRY(sl_recorded_provenance(store, row->record.id, &row->provenance));
    if (!row->provenance) row->provenance = json_object();
    row->geometry = sl_recorded_geometry(row->provenance);
    return row->provenance ? SL_OK : sl_fail(SL_MEMORY, "out of memory");
}

static sl_status read_judgements(sl_store *store, sl_arena *arena, sl_export_row *row) {
    sl_prediction *predictions;
    sl_verdict *verdicts;
    sl_test_result *tests;
    int count;
    int64_t verdict_count, newest = -1;
    SL_TRY(sl_store_predictions(store, row->record.id, arena, &predictions, &count));
    const sl_prediction *given = sl_prediction_of_model(predictions, count);
    row->p_real = given ? given->p_real : (double)NAN;
    SL_TRY(sl_store_verdicts(store, 0, row->record.id, arena, &verdicts, &verdict_count));
    for (int64_t i = 0; i < verdict_count; i++)
        if (newest < 0 || verdicts[i].round > verdicts[newest].round) newest = i;
    row->accepted = newest >= 0 ? verdicts[newest].accepted : -1;
    sl_free(verdicts);
    SL_TRY(sl_store_tests(store, row->record.id, arena, &tests, &count));
    sl_text failed = SL_TEXT_INIT;
    for (int i = 0; i < count; i++)
        if (!tests[i].passed) sl_text_printf(&failed, "%s%s", failed.length ? "," : "", tests[i].name);
    row->failed = sl_arena_strdup(arena, sl_text_get(&failed));
    sl_status status = sl_text_status(&failed);
    sl_text_free(&failed);
    return status;
}

static sl_status read_label(const sl_workspace *workspace, bool machine, sl_arena *arena,
                            sl_export_row *row) {
    static const char *const sources[] = {[SL_LABEL_BY_REVIEW] = "reviewers",
                                          [SL_LABEL_BY_SIMULATED_REVIEW] = "simulated reviewers",
                                          [SL_LABEL_BY_TRUTH] = "simulator",
                                          [SL_LABEL_BY_MEASUREMENT] = "measured"};
    sl_image_label said;
    SL_TRY(sl_image_label_get(workspace, &row->record, arena, &said));
    row->reasons = said.reasons;
    row->conflict = said.conflict;
    row->label = said.label;
    row->label_source = sources[said.source];
    if (said.source == SL_LABEL_BY_NOBODY && machine && row->accepted >= 0) {
        row->label_source = "machine";
        row->label = row->accepted ? SL_LABEL_REAL : SL_LABEL_UNREAL;
    }
    return SL_OK;
}

sl_status sl_export_row_get(const sl_workspace *workspace, const sl_image_record *record, bool machine,
                            sl_arena *arena, sl_export_row *out) {
    *out = (sl_export_row){.record = *record, .p_real = (double)NAN};
    sl_status status = read_provenance(workspace->store, out);
    if (!status) status = read_judgements(workspace->store, arena, out);
    if (!status) status = read_label(workspace, machine, arena, out);
    if (status) sl_export_row_free(out);
    return status;
}

void sl_export_row_free(sl_export_row *row) {
    json_decref(row->provenance);
    row->provenance = NULL;
}

static json_t *reasons_json(uint32_t reasons) {
    json_t *list = json_array();
    for (int i = 0; i < SL_REASON_COUNT; i++)
        if (reasons >> i & 1) json_array_append_new(list, json_string(sl_reason_name((sl_reason)i)));
    return list;
}

json_t *sl_export_row_json(const sl_export_row *row, const char *file_name) {
    static const char *const verdicts[] = {NULL, "rejected", "accepted"};
    const sl_image_record *r = &row->record;
    json_t *object = json_pack(
        "{s:s, s:s?, s:s?, s:o, s:b, s:o, s:s?, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I}", "text",
        r->caption ? r->caption : "", "label", row->label_source ? sl_label_name(row->label) : NULL,
        "label_source", row->label_source, "reasons", reasons_json(row->reasons), "reviewers_differ",
        row->conflict, "p_real", isfinite(row->p_real) ? json_real(row->p_real) : json_null(), "verdict",
        verdicts[1 + row->accepted], "failed_tests", row->failed, "origin", sl_origin_name(r->origin),
        "split", sl_split_name(r->split), "group", r->group_key ? r->group_key : "", "synthetic",
        r->origin != SL_ORIGIN_EXPERIMENTAL, "content_sha256", r->content_hash, "round", (json_int_t)r->round,
        "image", (json_int_t)r->id);
    if (object && file_name) json_object_set_new(object, "file_name", json_string(file_name));
    return object;
}

const char *sl_export_split_name(sl_split split) {
    static const char *const names[] = {
        [SL_SPLIT_TRAIN] = "train", [SL_SPLIT_CALIBRATION] = "validation", [SL_SPLIT_TEST] = "test"};
    return names[split];
}
