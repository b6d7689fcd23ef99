/* Pictures, and tasks as Label Studio imports them: each counting decision is an annotation, the newest
 * classifier's probability a prediction. */
#include "base/clock.h"
#include "loop/export/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char labels_xml[] =
    "<View>\n"
    "  <Image name=\"image\" value=\"$image\"/>\n"
    "  <Text name=\"caption\" value=\"$text\"/>\n"
    "  <Choices name=\"realism\" toName=\"image\" choice=\"single\">\n"
    "    <Choice value=\"real\"/>\n    <Choice value=\"unreal\"/>\n    <Choice value=\"unsure\"/>\n"
    "  </Choices>\n"
    "</View>\n";

/* One choice as Label Studio holds it. */
static json_t *choice(const char *label) {
    return json_pack("[{s:s, s:s, s:s, s:{s:[s]}}]", "from_name", "realism", "to_name", "image", "type",
                     "choices", "value", "choices", label);
}

static json_t *annotation(const sl_export_writer *writer, const sl_decision *decision, sl_arena *arena) {
    char time[25];
    const sl_reviewer *reviewer = sl_export_reviewer(writer, decision->reviewer);
    sl_clock_iso(decision->decided_ms, time);
    return json_pack("{s:o, s:b, s:b, s:f, s:s, s:{s:s, s:b, s:s?}}", "result",
                     choice(sl_label_name(decision->label)), "was_cancelled", 0, "ground_truth", 0,
                     "lead_time", (double)decision->active_ms / 1000, "created_at", time, "meta", "reviewer",
                     sl_export_reviewer_name(writer, reviewer, arena), "simulated", reviewer->simulated,
                     "note", decision->note);
}

static sl_status annotations(const sl_export_writer *writer, sl_id image, sl_arena *arena, json_t *out) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *decisions;
    int count;
    filter.image = image;
    filter.counting = true;
    SL_TRY(sl_store_decisions(writer->workspace->store, &filter, arena, &decisions, &count));
    for (int i = 0; i < count; i++) json_array_append_new(out, annotation(writer, &decisions[i], arena));
    return SL_OK;
}

static json_t *predictions(const sl_export_row *row) {
    json_t *list = json_array();
    if (isfinite(row->p_real))
        json_array_append_new(
            list,
            json_pack("{s:s, s:f, s:o}", "model_version", "scatterloop classifier", "score", row->p_real,
                      "result", choice(sl_label_name(row->p_real >= 0.5 ? SL_LABEL_REAL : SL_LABEL_UNREAL))));
    return list;
}

static sl_status add(sl_export_writer *writer, const sl_export_item *item) {
    char path[64], url[512];
    sl_arena *arena;
    snprintf(path, sizeof path, "images/image_%06lld.%s", (long long)item->row.record.id, item->suffix);
    int length = snprintf(url, sizeof url, "%s%s", writer->settings->image_url, path);
    if (length >= (int)sizeof url)
        return sl_fail(SL_LIMIT, "--image-url has more than %zu characters", sizeof url - 64);
    SL_TRY(sl_export_put(writer, path, item->data, item->bytes));
    if (!writer->tasks) writer->tasks = json_array();
    SL_TRY(sl_arena_new(&arena));
    json_t *data = sl_export_row_json(&item->row, NULL), *made = json_array();
    if (data) json_object_set_new(data, "image_id", json_integer(item->row.record.id));
    if (data) json_object_set_new(data, "image", json_string(url));
    sl_status status = annotations(writer, item->row.record.id, arena, made);
    json_array_append_new(writer->tasks,
                          json_pack("{s:I, s:o, s:o, s:o}", "id", (json_int_t)item->row.record.id, "data",
                                    data, "annotations", made, "predictions", predictions(&item->row)));
    sl_arena_free(arena);
    return status;
}

static sl_status end(sl_export_writer *writer) {
    char *text = writer->tasks ? sl_json_pretty(writer->tasks) : NULL;
    json_decref(writer->tasks);
    writer->tasks = NULL;
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    sl_status status = sl_export_put(writer, "tasks.json", text, strlen(text));
    free(text);
    return status ? status : sl_export_put(writer, "labels.xml", labels_xml, sizeof labels_xml - 1);
}

const sl_export_layout sl_export_label_studio = {
    .name = "label-studio",
    .pixels = "png",
    .read_with = "a Label Studio project with `labels.xml` as labelling interface: import `tasks.json`, "
                 "serve this folder as "
                 "local files (`--image-url` names where)",
    .add = add,
    .end = end,
};
