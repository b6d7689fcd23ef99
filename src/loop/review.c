#include "loop/review.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "diffusion/sketch.h"
#include "loop/classify/physics.h"
#include "loop/picture.h"
#include "loop/recorded.h"
#include "loop/workspace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sl_review {
    sl_workspace *workspace;
    sl_id reviewer;
    char reviewer_name[64];
    char id[SL_SHA256_HEX];
    _Atomic sl_id shown; /* the round whose queue the page has; 0: it has just been opened */
};

/* One call's memory and the store that it asks. */
typedef struct visit {
    sl_store *store;
    sl_arena *arena;
} visit;

sl_status sl_review_open(const char *folder, const char *reviewer, sl_review **out) {
    sl_review *review;
    SL_TRY(sl_alloc(&review, 1, sizeof *review));
    snprintf(review->reviewer_name, sizeof review->reviewer_name, "%s", reviewer);
    sl_status status = sl_workspace_open(folder, &review->workspace);
    if (!status) status = sl_store_reviewer(review->workspace->store, reviewer, false, &review->reviewer);
    if (status) {
        sl_review_close(review);
        return status;
    }
    sl_text name = SL_TEXT_INIT;
    sl_text_printf(&name, "%s\n%s", review->workspace->root, review->reviewer_name);
    sl_sha256_hex(sl_text_get(&name), name.length, review->id);
    sl_text_free(&name);
    *out = review;
    return SL_OK;
}

const char *sl_review_id(const sl_review *review) {
    return review->id;
}

void sl_review_close(sl_review *review) {
    if (!review) return;
    sl_workspace_close(review->workspace);
    sl_free(review);
}

static sl_status begin(sl_review *review, visit *v) {
    v->store = review->workspace->store;
    return sl_arena_new(&v->arena);
}

static sl_status finish(visit *v, sl_status status, json_t *value, json_t **out) {
    sl_arena_free(v->arena);
    if (!status && !value) status = sl_fail(SL_MEMORY, "out of memory for an answer");
    if (status)
        json_decref(value);
    else
        *out = value;
    return status;
}

/* Ids travel as texts: a browser's numbers hold 53 bits. */
static json_t *id_json(sl_id id) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    return json_string(text);
}

static sl_status id_parse(const char *text, const char *what, sl_id *out) {
    char *end;
    long long id = strtoll(text, &end, 10);
    if (*end != '\0' || end == text || id <= 0) return sl_fail(SL_INVALID, "'%.40s' is no %s", text, what);
    *out = id;
    return SL_OK;
}

sl_status sl_review_session(sl_review *review, json_t **out) {
    json_t *reasons = json_array();
    review->shown = 0;
    for (int i = 0; i < SL_REASON_COUNT; i++)
        json_array_append_new(reasons, json_string(sl_reason_name((sl_reason)i)));
    const char *folder = review->workspace->root;
    /* the browser keeps unsent decisions under this id */
    *out = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", review->id, "workspace", sl_path_base(folder),
                     "version", SL_VERSION, "reviewer", review->reviewer_name, "reasons", reasons);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "out of memory for an answer");
}

static json_t *decision_json(const sl_decision *decision) {
    json_t *reasons = json_array();
    for (int i = 0; i < SL_REASON_COUNT; i++)
        if (decision->reasons >> i & 1) json_array_append_new(reasons, json_integer(i + 1));
    return json_pack("{s:s, s:s, s:o, s:s, s:s?, s:I}", "uuid", decision->client_uuid, "label",
                     sl_label_name(decision->label), "reasons", reasons, "note",
                     decision->note ? decision->note : "", "batch", decision->batch, "decided_at_ms",
                     (json_int_t)decision->decided_ms);
}

/* The newest counting decision for an assignment, as JSON; null while it is open. */
static sl_status current_decision(visit *v, sl_id assignment, json_t **out) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    filter.assignment = assignment;
    filter.counting = true;
    filter.newest_first = true;
    filter.limit = 1;
    sl_decision *decisions;
    int count;
    SL_TRY(sl_store_decisions(v->store, &filter, v->arena, &decisions, &count));
    *out = count ? decision_json(&decisions[0]) : json_null();
    return SL_OK;
}

/* The round whose queue is open for this reviewer: the newest with undecided assignments that was not
 * abandoned; else the newest with any. 0: none. A page that is open leaves its queue for a newer one alone:
 * what was decided there last can still be undone. */
static sl_status open_round(sl_review *review, visit *v, sl_id *out) {
    sl_round_record *rounds;
    int count;
    SL_TRY(sl_store_rounds(v->store, v->arena, &rounds, &count));
    *out = 0;
    for (int i = count - 1; i >= 0; i--) {
        sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
        filter.reviewer = review->reviewer;
        filter.round = rounds[i].id;
        int64_t total, decided;
        SL_TRY(sl_store_assignment_count(v->store, &filter, &total, &decided));
        bool stands = rounds[i].state != SL_RUN_CANCELLED, open = stands && decided < total;
        bool shown = stands && rounds[i].id == review->shown;
        if (open || shown || (total && !*out)) *out = rounds[i].id;
        if (open || shown) break;
    }
    review->shown = *out;
    return SL_OK;
}

static sl_status item_json(visit *v, const sl_assignment_record *assignment, json_t **out) {
    sl_image_record image;
    SL_TRY(sl_store_image_get(v->store, assignment->image, v->arena, &image));
    json_t *decision = json_null();
    if (assignment->decision) SL_TRY(current_decision(v, assignment->id, &decision));
    *out = json_pack("{s:o, s:o, s:s, s:b, s:o}", "assignment", id_json(assignment->id), "image",
                     id_json(image.id), "prompt", image.caption ? image.caption : "", "blind",
                     assignment->blind, "decision", decision);
    return SL_OK;
}

sl_status sl_review_items(sl_review *review, json_t **out) {
    visit v;
    SL_TRY(begin(review, &v));
    sl_id round = 0;
    json_t *items = json_array();
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    sl_assignment_record *assignments = NULL;
    int count = 0;
    sl_status status = open_round(review, &v, &round);
    if (!status && round) {
        filter.reviewer = review->reviewer;
        filter.round = round;
        status = sl_store_assignments(v.store, &filter, v.arena, &assignments, &count);
    }
    for (int i = 0; i < count && !status; i++) {
        json_t *item = NULL;
        status = item_json(&v, &assignments[i], &item);
        if (!status) json_array_append_new(items, item);
    }
    json_t *queue = round ? id_json(round) : json_null();
    return finish(&v, status, json_pack("{s:o, s:o}", "queue", queue, "items", items), out);
}

/* Is the image waiting blind in this reviewer's open queue (or is this very assignment blind and open)? */
static sl_status is_withheld(sl_review *review, visit *v, sl_id image, const char *assignment, bool *out) {
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    filter.reviewer = review->reviewer;
    filter.image = image;
    filter.decided = 0;
    sl_assignment_record *records;
    int count;
    SL_TRY(sl_store_assignments(v->store, &filter, v->arena, &records, &count));
    *out = false;
    for (int i = 0; i < count; i++) *out = *out || records[i].blind;
    if (!assignment) return SL_OK;
    sl_id id;
    sl_assignment_record record;
    SL_TRY(id_parse(assignment, "assignment", &id));
    SL_TRY(sl_store_assignment_get(v->store, id, &record));
    if (record.image != image)
        return sl_fail(SL_MISMATCH, "assignment %s is about another image", assignment);
    return record.shown_ms ? SL_OK : sl_store_assignment_shown(v->store, id, sl_clock_unix_ms());
}

static sl_status tests_json(visit *v, sl_id image, json_t *out) {
    sl_test_result *tests;
    int count;
    SL_TRY(sl_store_tests(v->store, image, v->arena, &tests, &count));
    for (int i = 0; i < count; i++) {
        const sl_test_result *t = &tests[i];
        char text[64], explain[128];
        bool applies = !isnan(t->value);
        snprintf(text, sizeof text, "%.3g", t->value);
        snprintf(explain, sizeof explain, "passes from %.4g to %.4g", t->low, t->high);
        json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s}", "name", t->name, "verdict",
                                             !applies    ? "n/a"
                                             : t->passed ? "passed"
                                                         : "fired",
                                             "text", text, "explain", explain));
    }
    return SL_OK;
}

/* Provenance for people: the recorded JSON, and what the row says beside it. */
static sl_status provenance_json(visit *v, const sl_image_record *image, bool withheld, json_t **out) {
    json_t *value = NULL;
    if (!withheld) SL_TRY(sl_recorded_provenance(v->store, image->id, &value));
    if (!value) value = json_object();
    if (!withheld) json_object_set_new(value, "origin", json_string(sl_origin_name(image->origin)));
    json_object_set_new(
        value, "size",
        json_sprintf("%lld x %lld px", (long long)image->width_px, (long long)image->height_px));
    json_object_set_new(value, "content", json_string(image->content_hash));
    *out = value;
    return SL_OK;
}

/* Beyond it, radii about the beam are no circles of one angle. */
static const double most_tilt_rad = 0.02;

/* q = 4 pi / wavelength sin(1/2 atan(radius / distance)), where a file or the simulator says what it takes.
 */
static json_t *q_json(const json_t *provenance, const sl_frame_geometry *g) {
    bool square =
        fabs(g->pixel_x_m / g->pixel_y_m - 1) < 0.01 && sl_recorded_tilt(provenance) < most_tilt_rad;
    double per_nm = 4e-9 * M_PI / g->wavelength_m, distance_px = g->distance_m / g->pixel_x_m;
    if (!square || !(per_nm > 0 && isfinite(per_nm) && distance_px > 0 && isfinite(distance_px)))
        return json_null();
    return json_pack("{s:f, s:f}", "per_nm", per_nm, "distance_px", distance_px);
}

static void geometry_json(const json_t *provenance, json_t *out) {
    sl_frame_geometry g = sl_recorded_geometry(provenance);
    sl_beam_place centre = sl_recorded_centre(provenance);
    json_object_set_new(out, "centre_px",
                        centre.known ? json_pack("[f, f]", centre.column_px, centre.row_px) : json_null());
    json_object_set_new(out, "q", centre.known ? q_json(provenance, &g) : json_null());
}

static sl_status fill_image(sl_review *review, visit *v, sl_id id, const char *assignment, json_t *out) {
    sl_image_record image;
    bool withheld;
    SL_TRY(sl_store_image_get(v->store, id, v->arena, &image));
    SL_TRY(is_withheld(review, v, id, assignment, &withheld));
    json_object_set_new(out, "prompt", json_string(image.caption ? image.caption : ""));
    json_t *provenance;
    SL_TRY(provenance_json(v, &image, withheld, &provenance));
    json_object_set_new(out, "provenance", provenance);
    geometry_json(provenance, out);
    json_t *tests = json_array();
    json_object_set_new(out, "tests", tests);
    json_object_set_new(out, "p_real", json_null());
    json_object_set_new(out, "withheld", json_boolean(withheld));
    if (withheld) return SL_OK;
    SL_TRY(tests_json(v, id, tests));
    sl_prediction *predictions;
    int count;
    SL_TRY(sl_store_predictions(v->store, id, v->arena, &predictions, &count));
    const sl_prediction *given = sl_prediction_of_model(predictions, count);
    if (given) json_object_set_new(out, "p_real", json_real(given->p_real));
    return SL_OK;
}

sl_status sl_review_image(sl_review *review, const char *image, const char *assignment, json_t **out) {
    visit v;
    sl_id id;
    SL_TRY(id_parse(image, "image", &id));
    SL_TRY(begin(review, &v));
    json_t *value = json_object();
    sl_status status = fill_image(review, &v, id, assignment, value);
    return finish(&v, status, value, out);
}

static json_t *drawn_json(const char *test, const char *kind, bool odd, double row, double column,
                          double row2, double column2, double size) {
    return json_pack("{s:s, s:s, s:b, s:f, s:f, s:f, s:f, s:f}", "test", test, "kind", kind, "odd", odd,
                     "row", row, "column", column, "row2", row2, "column2", column2, "size", size);
}

static json_t *mark_json(const sl_mark *m, const sl_physical_result *result) {
    static const char *const kinds[] = {"circle", "line", "box", "point"};
    bool odd = m->is_odd && result[m->test].value > result[m->test].limit;
    return drawn_json(sl_physical_id((sl_physical_test)m->test), kinds[m->kind], odd, (double)m->row,
                      (double)m->column, (double)m->row2, (double)m->column2, (double)m->size_px);
}

/* Radius of the circle that is drawn about a spot. */
enum { SPOT_PX = 4 };

/* Looks again: marks are cheap to make and too many to keep. */
static sl_status draw_marks(sl_review *review, const sl_image_record *record, json_t *marks) {
    sl_physical_result result[SL_PHYSICAL_COUNT];
    sl_physical_input input;
    sl_image image;
    SL_TRY(sl_physics_input(review->workspace, record, &input));
    SL_TRY(sl_workspace_get_image(review->workspace, record->object_hash, &image));
    input.image = &image;
    sl_status status = sl_alloc(&input.drawing, 1, sizeof *input.drawing);
    if (!status) status = sl_physical_tests_run(&input, result);
    for (int k = 0; !status && k < input.drawing->count; k++)
        json_array_append_new(marks, mark_json(&input.drawing->mark[k], result));
    sl_free(input.drawing);
    sl_image_free(&image);
    return status;
}

/* Where the image was told that rings, arcs and spots are (diffusion/sketch.h), on the terms of the others.
 */
static void told_marks(const json_t *provenance, json_t *marks) {
    const json_t *list = json_object_get(provenance, "sketch");
    sl_beam_place beam = sl_recorded_beam(provenance);
    sl_sketch sketch;
    if (!list || !beam.known || sl_sketch_read(list, &sketch) != SL_OK) return;
    for (int i = 0; i < sketch.count; i++) {
        const sl_sketch_mark *m = &sketch.mark[i];
        bool spot = m->kind == SL_SKETCH_SPOT;
        double row = spot ? (double)m->row_px : beam.row_px,
               column = spot ? (double)m->column_px : beam.column_px,
               size = spot ? SPOT_PX : (double)m->radius_px;
        bool missing = json_is_false(json_object_get(json_array_get(list, (size_t)i), "stands"));
        json_array_append_new(marks, drawn_json("told", "circle", missing, row, column, row, column, size));
    }
}

static sl_status fill_marks(sl_review *review, visit *v, sl_id id, json_t *out) {
    sl_image_record record;
    bool withheld;
    json_t *marks = json_array();
    json_object_set_new(out, "marks", marks);
    SL_TRY(sl_store_image_get(v->store, id, v->arena, &record));
    SL_TRY(is_withheld(review, v, id, NULL, &withheld));
    json_object_set_new(out, "withheld", json_boolean(withheld));
    if (withheld) return SL_OK;
    json_t *provenance;
    SL_TRY(sl_recorded_provenance(v->store, id, &provenance));
    told_marks(provenance, marks);
    json_decref(provenance);
    return draw_marks(review, &record, marks);
}

sl_status sl_review_marks(sl_review *review, const char *image, json_t **out) {
    visit v;
    sl_id id;
    SL_TRY(id_parse(image, "image", &id));
    SL_TRY(begin(review, &v));
    json_t *value = json_object();
    return finish(&v, fill_marks(review, &v, id, value), value, out);
}

sl_status sl_review_pixels(sl_review *review, const char *image, void **out, size_t *out_bytes) {
    enum { MAGIC = 0x58504c53, HEADER = 16 };
    sl_id id;
    sl_image pixels;
    SL_TRY(id_parse(image, "image", &id));
    SL_TRY(sl_picture_load(review->workspace, id, &pixels));
    size_t count = (size_t)pixels.height_px * (size_t)pixels.width_px;
    unsigned char *block;
    sl_status status = sl_alloc(&block, HEADER + 5 * count, 1);
    if (!status) {
        uint32_t head[4] = {MAGIC, (uint32_t)pixels.width_px, (uint32_t)pixels.height_px, 0};
        memcpy(block, head, HEADER);
        memcpy(block + HEADER, pixels.value, 4 * count);
        memcpy(block + HEADER + 4 * count, pixels.mask, count);
        *out = block;
        *out_bytes = HEADER + 5 * count;
    }
    sl_image_free(&pixels);
    return status;
}

static sl_status reasons_parse(const json_t *value, uint32_t *out) {
    json_t *reasons;
    SL_TRY(sl_json_array(value, "reasons", &reasons));
    size_t index;
    json_t *reason;
    *out = 0;
    json_array_foreach(reasons, index, reason) {
        json_int_t number = json_integer_value(reason);
        if (!json_is_integer(reason) || number < 1 || number > SL_REASON_COUNT)
            return sl_fail(SL_INVALID, "a reason is a number from 1 to %d", SL_REASON_COUNT);
        *out |= 1u << (number - 1);
    }
    return SL_OK;
}

static sl_status decision_parse(sl_review *review, visit *v, const json_t *value, sl_decision *out) {
    const char *assignment, *label, *note;
    sl_assignment_record record;
    if (!json_is_object(value)) return sl_fail(SL_INVALID, "it is not an object");
    SL_TRY(sl_json_string(value, "uuid", &out->client_uuid));
    SL_TRY(sl_json_string(value, "assignment", &assignment));
    SL_TRY(sl_json_string(value, "label", &label));
    SL_TRY(sl_json_string_or(value, "note", "", &note));
    SL_TRY(sl_json_string_or(value, "supersedes", NULL, &out->supersedes_uuid));
    SL_TRY(sl_json_string_or(value, "batch", NULL, &out->batch));
    SL_TRY(sl_json_int_or(value, "shown_at_ms", 0, INT64_MAX, 0, &out->shown_ms));
    SL_TRY(sl_json_int_or(value, "decided_at_ms", 0, INT64_MAX, 0, &out->decided_ms));
    SL_TRY(sl_json_int_or(value, "active_ms", 0, INT64_MAX, 0, &out->active_ms));
    SL_TRY(reasons_parse(value, &out->reasons));
    SL_TRY(sl_label_parse(label, &out->label));
    SL_TRY(id_parse(assignment, "assignment", &out->assignment));
    SL_TRY(sl_store_assignment_get(v->store, out->assignment, &record));
    if (record.reviewer != review->reviewer)
        return sl_fail(SL_DENIED, "assignment %s belongs to another reviewer", assignment);
    if (strlen(note) > SL_LIMIT_CAPTION_BYTES)
        return sl_fail(SL_LIMIT, "a note has at most %d bytes", SL_LIMIT_CAPTION_BYTES);
    out->image = record.image;
    out->reviewer = record.reviewer;
    out->note = note[0] ? sl_arena_strdup(v->arena, note) : NULL;
    char *display = sl_json_canonical(json_object_get(value, "display"));
    if (display) out->display = sl_arena_strdup(v->arena, display);
    free(display);
    return SL_OK;
}

static sl_status write_decisions(sl_review *review, visit *v, const json_t *decisions) {
    enum { MOST = 1000 };
    size_t count = json_array_size(decisions);
    if (count > MOST) return sl_fail(SL_LIMIT, "%zu decisions at once, at most %d", count, MOST);
    sl_decision *records = SL_NEW(v->arena, sl_decision, count + 1);
    for (size_t i = 0; i < count; i++) {
        sl_status status = decision_parse(review, v, json_array_get(decisions, i), &records[i]);
        if (status) return sl_context(status, "decision %zu", i);
    }
    return count ? sl_store_decide_all(v->store, v->arena, records, (int)count) : SL_OK;
}

sl_status sl_review_decide(sl_review *review, const json_t *decisions, json_t **out) {
    visit v;
    SL_TRY(begin(review, &v));
    sl_id round = 0;
    int64_t total = 0, decided = 0;
    sl_status status = write_decisions(review, &v, decisions);
    if (!status) status = open_round(review, &v, &round);
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    filter.reviewer = review->reviewer;
    filter.round = round;
    if (!status && round) status = sl_store_assignment_count(v.store, &filter, &total, &decided);
    json_t *value =
        json_pack("{s:b, s:I, s:I}", "saved", 1, "decided", (json_int_t)decided, "total", (json_int_t)total);
    return finish(&v, status, value, out);
}

sl_status sl_review_live(sl_review *review, json_t **out) {
    visit v;
    SL_TRY(begin(review, &v));
    sl_run_filter filter = SL_RUN_FILTER_ALL;
    filter.state = SL_RUN_RUNNING;
    sl_run_record *runs = NULL;
    int count = 0;
    sl_id round = 0;
    json_t *jobs = json_array();
    sl_status status = sl_store_runs(v.store, &filter, v.arena, &runs, &count);
    if (!status) status = open_round(review, &v, &round);
    for (int i = 0; i < count && !status; i++) {
        const sl_run_record *r = &runs[i];
        json_array_append_new(jobs, json_pack("{s:o, s:s, s:s, s:I, s:I, s:s, s:s}", "id", id_json(r->id),
                                              "what", r->kind, "unit", r->unit ? r->unit : "", "done",
                                              (json_int_t)r->done, "total", (json_int_t)r->total, "note",
                                              r->note ? r->note : "", "state", "running"));
    }
    json_t *queue = round ? id_json(round) : json_null();
    return finish(&v, status, json_pack("{s:o, s:o}", "queue", queue, "jobs", jobs), out);
}
