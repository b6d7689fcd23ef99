/* The review's resources driven as plain values: a workspace on disk, no socket. */
#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "loop/workspace.h"
#include "web/live.h"
#include "web/server.h"
#include "web/site.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGES = 5 };

static struct {
    char folder[SCRATCH_FOLDER_BYTES];
    sl_review *review;
    sl_web_site site;
} here;

typedef struct fake {
    const char *token, *assignment;
    const char *host, *cookie, *header, *type, *origin;
} fake;

static const char *fake_query(const sl_web_request *request, const char *name) {
    const fake *f = request->transport;
    if (strcmp(name, "token") == 0) return f->token;
    return strcmp(name, "assignment") == 0 ? f->assignment : NULL;
}

static const char *fake_header(const sl_web_request *request, const char *name) {
    const fake *f = request->transport;
    const struct {
        const char *name, *value;
    } headers[] = {{"Host", f->host},
                   {"Cookie", f->cookie},
                   {"X-Scatterloop", f->header},
                   {"Content-Type", f->type},
                   {"Origin", f->origin}};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (strcmp(headers[i].name, name) == 0) return headers[i].value;
    return NULL;
}

static const fake good = {.host = "127.0.0.1:8000",
                          .cookie = "other=1; scatterloop8000=secret",
                          .header = "1",
                          .type = "application/json",
                          .origin = "http://127.0.0.1:8000"};

static sl_web_response ask(const char *method, const char *path, const char *body, const fake *who) {
    fake copy = *who;
    sl_web_request request = {.method = method,
                              .path = path,
                              .body = body ? body : "",
                              .body_bytes = body ? strlen(body) : 0,
                              .query = fake_query,
                              .header = fake_header,
                              .transport = &copy};
    sl_web_response response;
    sl_web_handle(&here.site, &request, &response);
    return response;
}

static json_t *ask_json(const char *method, const char *path, const char *body, int expected) {
    sl_web_response response = ask(method, path, body, &good);
    json_t *value = json_loadb(response.data, response.bytes, JSON_DECODE_ANY, NULL);
    if (response.http != expected)
        fail_msg("%s %s: %d: %.*s", method, path, response.http, (int)response.bytes,
                 (const char *)response.data);
    assert_non_null(value);
    sl_free(response.owned);
    return value;
}

static void add_images(sl_workspace *workspace, sl_id reviewer) {
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    sl_round_record round = {.config = "{}"};
    assert_ok(sl_store_round_start(workspace->store, &round));
    for (int i = 0; i < IMAGES; i++) {
        sl_image image;
        assert_ok(sl_image_new(8, 16, &image));
        for (int p = 0; p < 8 * 16; p++) image.value[p] = (float)(p * (i + 1));
        image.mask[3] = SL_MASK_GAP;
        sl_image_record record = {.origin = SL_ORIGIN_GENERATED,
                                  .group_key = sl_arena_printf(arena, "g%d", i),
                                  .caption = "SAXS data showing rings",
                                  .dtype = "F32",
                                  .provenance =
                                      "{\"beam\":{\"row_px\":4.5,\"column_px\":8},\"secret_score\":0.9}"};
        assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
        assert_ok(sl_store_images_add(workspace->store, &record, 1, false, NULL));
        sl_image_free(&image);
        sl_assignment_record assignment = {.round = round.id,
                                           .image = record.id,
                                           .reviewer = reviewer,
                                           .queue = SL_QUEUE_AUDIT_POOL,
                                           .propensity = 0.5,
                                           .blind = i == 0,
                                           .position = i + 1};
        assert_ok(sl_store_assignments_add(workspace->store, &assignment, 1));
        sl_test_result test = {.image = record.id,
                               .name = "noise",
                               .version = "1",
                               .value = 1,
                               .low = 0,
                               .high = 2,
                               .passed = true};
        assert_ok(sl_store_tests_add(workspace->store, &test, 1));
    }
    sl_arena_free(arena);
}

static int set_up(void **state) {
    (void)state;
    if (!scratch_folder_make(here.folder)) return -1;
    sl_workspace *workspace;
    sl_id reviewer;
    assert_ok(sl_workspace_init(here.folder, 1));
    assert_ok(sl_workspace_open(here.folder, &workspace));
    assert_ok(sl_store_reviewer(workspace->store, "jane", false, &reviewer));
    add_images(workspace, reviewer);
    sl_workspace_close(workspace);
    assert_ok(sl_review_open(here.folder, "jane", &here.review));
    here.site =
        (sl_web_site){.review = here.review, .token = "secret", .host = "127.0.0.1:8000", .port = 8000};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    sl_review_close(here.review);
    return !scratch_folder_remove(here.folder);
}

static void only_our_page_may_ask(void **state) {
    (void)state;
    fake foreign = good;
    foreign.host = "evil.example:8000";
    sl_web_response r = ask("GET", "/api/items", NULL, &foreign);
    assert_int_equal(r.http, 403);
    sl_free(r.owned);
    fake nobody = good;
    nobody.cookie = "scatterloop8000=secreT";
    r = ask("GET", "/api/items", NULL, &nobody);
    assert_int_equal(r.http, 401);
    sl_free(r.owned);
    nobody.cookie = NULL;
    nobody.token = "secret";
    r = ask("GET", "/", NULL, &nobody);
    assert_int_equal(r.http, 303);
    assert_string_equal(r.location, "/");
    assert_non_null(strstr(r.set_cookie, "HttpOnly; SameSite=Strict"));
    const struct {
        const char *header, *type, *origin;
    } wrong[] = {{NULL, "application/json", NULL},
                 {"1", "text/plain", NULL},
                 {"1", "application/json", "http://evil.example"}};
    for (int i = 0; i < 3; i++) {
        fake bad = good;
        bad.header = wrong[i].header, bad.type = wrong[i].type, bad.origin = wrong[i].origin;
        r = ask("POST", "/api/decisions", "{\"decisions\":[]}", &bad);
        assert_int_equal(r.http, 403);
        sl_free(r.owned);
    }
}

static void paths_are_known_or_refused(void **state) {
    (void)state;
    assert_int_equal(ask("GET", "/", NULL, &good).http, 200);
    assert_int_equal(ask("GET", "/app.js", NULL, &good).http, 200);
    json_decref(ask_json("GET", "/../etc/passwd", NULL, 404));
    json_decref(ask_json("POST", "/api/items", "{}", 405));
    json_decref(ask_json("GET", "/api/images/1;drop/pixels", NULL, 404));
    json_decref(ask_json("GET", "/api/images/x/pixels", NULL, 400));
    json_decref(ask_json("GET", "/api/images/999999/pixels", NULL, 404));
}

static void pixels_are_native(void **state) {
    (void)state;
    sl_web_response r = ask("GET", "/api/images/2/pixels", NULL, &good);
    assert_int_equal(r.http, 200);
    assert_int_equal(r.bytes, 16 + 5 * 8 * 16);
    uint32_t head[4];
    float value;
    memcpy(head, r.data, sizeof head);
    assert_int_equal(head[0], 0x58504c53);
    assert_int_equal(head[1], 16);
    assert_int_equal(head[2], 8);
    memcpy(&value, (const char *)r.data + 16 + 4 * 7, 4);
    assert_true(value == 14.0f);
    assert_int_equal(((const uint8_t *)r.data)[16 + 4 * 128 + 3], SL_MASK_GAP);
    sl_free(r.owned);
}

static void decide(int assignment, const char *uuid, const char *label, const char *supersedes, int http) {
    char body[512];
    snprintf(body, sizeof body,
             "{\"decisions\":[{\"uuid\":\"%s\",\"assignment\":\"%d\",\"label\":\"%s\",\"reasons\":[1],"
             "\"note\":\"n\","
             "\"supersedes\":%s%s%s,\"display\":{\"scale\":\"log\"},\"shown_at_ms\":1,\"decided_at_ms\":2,"
             "\"active_ms\":1}]}",
             uuid, assignment, label, supersedes ? "\"" : "", supersedes ? supersedes : "null",
             supersedes ? "\"" : "");
    json_decref(ask_json("POST", "/api/decisions", body, http));
}

/* Decided items in the queue, and the label of the first. */
static int count_decided(const char **first_label, json_t **keep) {
    json_t *items = ask_json("GET", "/api/items", NULL, 200), *item;
    size_t i;
    int decided = 0;
    *first_label = NULL;
    json_array_foreach(json_object_get(items, "items"), i, item) {
        json_t *d = json_object_get(item, "decision");
        decided += !json_is_null(d);
        if (i == 0 && !json_is_null(d)) *first_label = json_string_value(json_object_get(d, "label"));
    }
    assert_int_equal(json_array_size(json_object_get(items, "items")), IMAGES);
    *keep = items;
    return decided;
}

#define UUID(n) "00000000-0000-4000-8000-00000000000" #n

static void decisions_are_kept_once_and_undone(void **state) {
    (void)state;
    const char *label;
    json_t *keep;
    /* blind: nothing is told before the decision */
    json_t *detail = ask_json("GET", "/api/images/1", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(detail, "tests")), 0);
    assert_null(json_object_get(json_object_get(detail, "provenance"), "secret_score"));
    assert_true(json_is_true(json_object_get(detail, "withheld")));
    json_decref(detail);
    decide(1, UUID(1), "real", NULL, 200);
    decide(1, UUID(1), "real", NULL, 200); /* sent twice on a bad line */
    assert_int_equal(count_decided(&label, &keep), 1);
    assert_string_equal(label, "real");
    json_decref(keep);
    detail = ask_json("GET", "/api/images/1", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(detail, "tests")), 1);
    json_decref(detail);
    decide(1, UUID(2), "withdrawn", UUID(1), 200);
    assert_int_equal(count_decided(&label, &keep), 0);
    json_decref(keep);
    decide(1, UUID(3), "unreal", NULL, 200);
    assert_int_equal(count_decided(&label, &keep), 1);
    assert_string_equal(label, "unreal");
    json_decref(keep);
}

static void a_page_of_decisions_stays_a_group(void **state) {
    (void)state;
    json_decref(
        ask_json("POST", "/api/decisions",
                 "{\"decisions\":[{\"uuid\":\"" UUID(
                     6) "\",\"assignment\":\"4\",\"label\":\"real\","
                        "\"reasons\":[],\"batch\":\"" UUID(8) "\"},{\"uuid\":\"" UUID(
                            7) "\",\"assignment\":"
                               "\"5\",\"label\":\"unsure\",\"reasons\":[],\"batch\":\"" UUID(8) "\"}]}",
                 200));
    json_t *answer = ask_json("GET", "/api/items", NULL, 200), *items = json_object_get(answer, "items");
    for (size_t i = 3; i < 5; i++) {
        json_t *decision = json_object_get(json_array_get(items, i), "decision");
        assert_string_equal(json_string_value(json_object_get(decision, "batch")), UUID(8));
    }
    json_t *alone = json_object_get(json_array_get(items, 0), "decision");
    assert_true(json_is_null(json_object_get(alone, "batch")));
    json_decref(answer);
}

/* Unsent decisions wait in the browser under the address and the id: each reviewer has their own of both. */
static void a_reviewer_comes_back_to_the_same_place(void **state) {
    (void)state;
    sl_review *again, *other;
    assert_ok(sl_review_open(here.folder, "jane", &again));
    assert_ok(sl_review_open(here.folder, "john", &other));
    assert_string_equal(sl_review_id(here.review), sl_review_id(again));
    assert_string_not_equal(sl_review_id(again), sl_review_id(other));
    int port = sl_web_home_port(sl_review_id(again));
    assert_in_range(port, 20000, 29999);
    assert_int_equal(port, sl_web_home_port(sl_review_id(here.review)));
    sl_web_server *first, *second;
    assert_ok(sl_web_server_start(again, 0, &first));
    assert_ok(sl_web_server_start(again, 0, &second)); /* its own port is taken: a free one */
    assert_string_not_equal(sl_web_server_address(first), sl_web_server_address(second));
    sl_web_server_stop(second);
    sl_web_server_stop(first);
    sl_review_close(other);
    sl_review_close(again);
}

static void bad_decisions_change_nothing(void **state) {
    (void)state;
    const char *label;
    json_t *keep;
    int before = count_decided(&label, &keep);
    json_decref(keep);
    decide(2, UUID(4), "maybe", NULL, 400);
    decide(99, UUID(5), "real", NULL, 404);
    decide(2, "short", "real", NULL, 400);
    json_decref(ask_json("POST", "/api/decisions", "{\"decisions\":[{}]}", 422));
    json_decref(ask_json("POST", "/api/decisions", "{\"decisions\":", 422));
    json_decref(ask_json("POST", "/api/decisions", "[]", 422));
    assert_int_equal(count_decided(&label, &keep), before);
    json_decref(keep);
}

static void the_live_stream_tells_of_jobs(void **state) {
    (void)state;
    sl_workspace *workspace;
    assert_ok(sl_workspace_open(here.folder, &workspace));
    sl_live live = {.review = here.review};
    sl_text text = SL_TEXT_INIT;
    assert_ok(sl_live_poll(&live, &text));
    assert_null(strstr(sl_text_get(&text), "event: job"));
    sl_run_record run = {.kind = "generate", .config = "{}", .total = 10, .unit = "image"};
    assert_ok(sl_store_run_start(workspace->store, &run));
    sl_text_clear(&text);
    assert_ok(sl_live_poll(&live, &text));
    assert_non_null(strstr(sl_text_get(&text), "event: job"));
    sl_text_clear(&text);
    assert_ok(sl_live_poll(&live, &text));
    assert_string_equal(sl_text_get(&text), ": alive\n\n");
    assert_ok(sl_store_run_finish(workspace->store, run.id, SL_RUN_DONE, NULL));
    sl_text_clear(&text);
    assert_ok(sl_live_poll(&live, &text));
    assert_non_null(strstr(sl_text_get(&text), "\"state\":\"done\""));
    sl_text_free(&text);
    sl_live_end(&live);
    sl_workspace_close(workspace);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(only_our_page_may_ask),
    cmocka_unit_test(paths_are_known_or_refused),
    cmocka_unit_test(pixels_are_native),
    cmocka_unit_test(decisions_are_kept_once_and_undone),
    cmocka_unit_test(a_page_of_decisions_stays_a_group),
    cmocka_unit_test(a_reviewer_comes_back_to_the_same_place),
    cmocka_unit_test(bad_decisions_change_nothing),
    cmocka_unit_test(the_live_stream_tells_of_jobs),
};

TEST_MAIN_WITH(tests, set_up, tear_down)
