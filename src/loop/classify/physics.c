#include "loop/classify/physics.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

static const char tests_version[] = "1";

/* The beam as the provenance of the image records it. */
static sl_status read_beam(const sl_workspace *workspace, sl_arena *arena, sl_id image,
                           sl_physical_input *input) {
    const char *text;
    json_t *provenance;
    SL_TRY(sl_store_image_provenance(workspace->store, image, arena, &text));
    if (!text) return SL_OK;
    SL_TRY(sl_json_parse(text, strlen(text), "provenance", &provenance));
    const json_t *beam = json_object_get(provenance, "beam");
    const json_t *row = json_object_get(beam, "row_px"), *column = json_object_get(beam, "column_px");
    input->beam_known = json_is_number(row) && json_is_number(column);
    input->beam_row_px = json_number_value(row);
    input->beam_column_px = json_number_value(column);
    json_decref(provenance);
    return SL_OK;
}

static void summarise(sl_physics *physics) {
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

sl_status sl_physics_judge(const sl_workspace *workspace, const sl_image_record *record, sl_physics *out) {
    sl_image image;
    sl_arena *arena;
    *out = (sl_physics){0};
    sl_physical_input input = {.is_grazing = record->caption && strncmp(record->caption, "GI", 2) == 0};
    SL_TRY(sl_arena_new(&arena));
    sl_status status = read_beam(workspace, arena, record->id, &input);
    sl_arena_free(arena);
    SL_TRY(status);
    SL_TRY(sl_workspace_get_image(workspace, record->object_hash, &image));
    input.image = &image;
    status = sl_physical_tests_run(&input, out->result);
    sl_image_free(&image);
    summarise(out);
    return sl_context(status, "physical tests of image %lld", (long long)record->id);
}

int sl_physics_records(const sl_physics *physics, sl_id image, sl_test_result *out) {
    int count = 0;
    for (int i = 0; i < SL_PHYSICAL_COUNT; i++) {
        const sl_physical_result *r = &physics->result[i];
        double limit = sl_physical_limit((sl_physical_test)i);
        if (!r->applicable) continue;
        out[count++] = (sl_test_result){.image = image,
                                        .name = sl_physical_id((sl_physical_test)i),
                                        .version = tests_version,
                                        .value = r->value,
                                        .high = limit,
                                        .passed = r->value <= limit};
    }
    return count;
}
