#include "loop/classify/physics.h"

#include "base/json.h"
#include "base/threads.h"
#include "loop/recorded.h"

#include <math.h>
#include <string.h>

static const char tests_version[] = "4";

static void read_beam(const json_t *provenance, sl_physical_input *input) {
    sl_beam_place beam = sl_recorded_beam(provenance);
    input->beam_known = beam.known;
    input->beam_row_px = beam.row_px;
    input->beam_column_px = beam.column_px;
}

void sl_physics_summarise(sl_physics *physics) {
    physics->worst_p = 1;
    for (int i = 0; i < SL_PHYSICAL_COUNT; i++) {
        const sl_physical_result *r = &physics->result[i];
        if (!r->applicable) continue;
        physics->applicable++;
        if (r->p >= physics->worst_p) continue;
        physics->worst_p = r->p;
        physics->worst = (sl_physical_test)i;
    }
    physics->family_p = fmin(1, physics->worst_p * (physics->applicable ? physics->applicable : 1));
}

static sl_status judge(const sl_workspace *workspace, const char *object_hash, sl_physical_input *input,
                       sl_physics *out) {
    sl_image image;
    sl_physical_blind blind = {0};
    SL_TRY(sl_workspace_get_image(workspace, object_hash, &image));
    input->image = &image;
    input->blind = &blind;
    sl_physical_technique_find(input);
    sl_status status = sl_physical_tests_run(input, out->result);
    input->blind = NULL;
    sl_image_free(&image);
    return status;
}

sl_status sl_physics_input(const sl_workspace *workspace, const sl_image_record *record,
                           sl_physical_input *out) {
    json_t *provenance;
    *out = (sl_physical_input){.technique = sl_technique_of_caption(record->caption),
                               .caption = record->caption};
    SL_TRY(sl_recorded_provenance(workspace->store, record->id, &provenance));
    const char *format = json_string_value(json_object_get(provenance, "format"));
    out->is_display = sl_recorded_is_picture(format, record->dtype);
    read_beam(provenance, out);
    out->colour =
        sl_colour_line_from_json(json_object_get(json_object_get(provenance, "metadata"), "colour"));
    json_decref(provenance);
    return SL_OK;
}

sl_status sl_physics_judge(const sl_workspace *workspace, const sl_image_record *record, sl_physics *out) {
    sl_physical_input input;
    *out = (sl_physics){0};
    SL_TRY(sl_physics_input(workspace, record, &input));
    sl_status status = judge(workspace, record->object_hash, &input, out);
    sl_physics_summarise(out);
    return sl_context(status, "physical tests of image %lld", (long long)record->id);
}

sl_status sl_physics_judge_expectation(const sl_workspace *workspace, const sl_image_record *record,
                                       sl_physics *out, bool *found) {
    json_t *provenance;
    *out = (sl_physics){0};
    sl_physical_input input = {.technique = sl_technique_of_caption(record->caption), .is_expectation = true};
    SL_TRY(sl_recorded_provenance(workspace->store, record->id, &provenance));
    const char *hash = json_string_value(json_object_get(provenance, "expectation"));
    *found = hash != NULL;
    sl_status status = hash ? judge(workspace, hash, &input, out) : SL_OK;
    json_decref(provenance);
    sl_physics_summarise(out);
    return sl_context(status, "physical tests of the expectation of image %lld", (long long)record->id);
}

double sl_physics_oddness(const sl_physics *physics) {
    return -log10(physics->family_p);
}

typedef struct many {
    const sl_workspace *workspace;
    const sl_image_record *records;
    sl_physics *out;
} many;

static sl_status judge_one(void *context, int64_t task, int worker) {
    const many *m = context;
    (void)worker;
    return sl_physics_judge(m->workspace, &m->records[task], &m->out[task]);
}

sl_status sl_physics_judge_many(const sl_workspace *workspace, const sl_image_record *records, int64_t count,
                                sl_physics *out) {
    many m = {workspace, records, out};
    return sl_parallel_try(count, judge_one, &m);
}

int sl_physics_records(const sl_physics *physics, sl_id image, sl_test_result *out) {
    int count = 0;
    for (int i = 0; i < SL_PHYSICAL_COUNT; i++) {
        const sl_physical_result *r = &physics->result[i];
        if (!r->applicable) continue;
        out[count++] = (sl_test_result){.image = image,
                                        .name = sl_physical_id((sl_physical_test)i),
                                        .version = tests_version,
                                        .value = r->value,
                                        .high = r->limit,
                                        .passed = r->value <= r->limit};
    }
    return count;
}
