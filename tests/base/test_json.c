/* What the program relies on in JSON, from jansson or, in a core-only build, from our own code. */
#include "test.h"

#include "base/json.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void expect_text(json_t *value, size_t flags, const char *expected) {
    assert_non_null(value);
    char *text = json_dumps(value, flags);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void what_is_read_is_written_again(void **state) {
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {" [ ] ", "[]"},
        {"{\"b\": 1, \"a\": [true, false, null]}", "{\"b\": 1, \"a\": [true, false, null]}"},
        {"[0, -0, 9223372036854775807, -9223372036854775808]",
         "[0, 0, 9223372036854775807, -9223372036854775808]"},
        {"[1.0, -0.0, 0.1, 1E+5, 1e22, 1.5e-7]",
         "[1.0, -0.0, 0.10000000000000001, 100000.0, 1e22, 1.4999999999999999e-7]"},
        {"[\"\\u00e9\\ud83d\\ude00 \\/ \\b\\f\\n\\r\\t\\\"\\\\\\u001f\x7f\"]",
         "[\"\xc3\xa9\xf0\x9f\x98\x80 / \\b\\f\\n\\r\\t\\\"\\\\\\u001F\x7f\"]"},
        {"{\"\": {\"k\": []}}", "{\"\": {\"k\": []}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *value = NULL;
        assert_ok(sl_json_parse(cases[i].text, strlen(cases[i].text), "text", &value));
        expect_text(value, 0, cases[i].written);
    }
}

static void what_is_no_json_is_refused_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *place;
    } wrong[] = {
        {"", "text:1:"},           {"{", "text:1:1"},           {"[1,]", "text:1:4"},
        {"[1 2]", "text:1:4"},     {"{\"a\"}", "text:1:5"},     {"{\"a\":1,}", "text:1:8"},
        {"{a:1}", "text:1:2"},     {"[01]", "text:1:"},         {"[1.]", "text:1:"},
        {"[.5]", "text:1:2"},      {"[+1]", "text:1:2"},        {"[1e]", "text:1:"},
        {"[1e400]", "text:1:6"},   {"[tru]", "text:1:"},        {"[99999999999999999999]", "text:1:21"},
        {"[\"a\nb\"]", "text:"},   {"[\"\\x\"]", "text:1:"},    {"[\"\\u12\"]", "text:1:"},
        {"[\"\\ud800\"]", "text"}, {"[\"\\udc00\"]", "text"},   {"[\"\\u0000\"]", "text"},
        {"[\"\x80\"]", "text:1"},  {"[\"\xed\xa0\x80\"]", "t"}, {"[\"\xc0\x80\"]", "text:1:"},
        {"[1]]", "text:1:4"},      {"[\n1,\n  x]", "text:3:3"}, {"{\"a\":1,\"a\":2}", "text:1:10"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *value = NULL;
        if (sl_json_parse(wrong[i].text, strlen(wrong[i].text), "text", &value) != SL_FORMAT)
            fail_msg("taken: %s", wrong[i].text);
        if (strncmp(sl_error_message(), wrong[i].place, strlen(wrong[i].place)) != 0)
            fail_msg("'%s' does not begin with '%s'", sl_error_message(), wrong[i].place);
    }
    char deep[2 * 2049];
    memset(deep, '[', 2049);
    memset(deep + 2049, ']', 2049);
    assert_null(json_loadb(deep, 2 * 2049, JSON_DECODE_ANY, NULL));
    json_t *value = json_loadb(deep + 1, 2 * 2048, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    json_decref(value);
}

static void what_is_too_deep_is_refused(void **state) {
    (void)state;
    enum { MOST = SL_LIMIT_JSON_DEPTH };
    char deep[2 * (MOST + 1)];
    memset(deep, '[', MOST + 1);
    memset(deep + MOST + 1, ']', MOST + 1);
    json_t *value;
    assert_status(sl_json_parse(deep, sizeof deep, "request body", &value), SL_LIMIT);
    assert_string_equal(sl_error_message(), "request body: JSON more than 64 levels deep");
    assert_ok(sl_json_parse(deep + 1, sizeof deep - 2, "text", &value));
    json_decref(value);
    /* in texts they are none */
    char quoted[4 * MOST + 8] = "[\"\\\"";
    memset(quoted + 4, '[', 3 * MOST);
    memcpy(quoted + 4 + 3 * MOST, "\"]", 3);
    assert_ok(sl_json_parse(quoted, strlen(quoted), "text", &value));
    json_decref(value);
}

static void values_are_packed_and_written(void **state) {
    (void)state;
    json_t *kept = json_integer(7);
    json_t *value = json_pack("{s:i, s:I, s:[f, b, n], s:{}, s:s, s:s?, s:o, s:o?, s:O}", "b", 1, "a",
                              (json_int_t)1 << 40, "r", 0.5, 1, "c", "d", "text", "e", NULL, "f",
                              json_array(), "g", NULL, "h", kept);
    json_decref(kept);
    json_incref(value);
    expect_text(
        value, JSON_COMPACT,
        "{\"b\":1,\"a\":1099511627776,\"r\":[0.5,true,null],\"c\":{},\"d\":\"text\",\"e\":null,\"f\":[],"
        "\"g\":null,\"h\":7}");
    expect_text(value, JSON_COMPACT | JSON_SORT_KEYS,
                "{\"a\":1099511627776,\"b\":1,\"c\":{},\"d\":\"text\",\"e\":null,\"f\":[],\"g\":null,\"h\":7,"
                "\"r\":[0.5,true,null]}");
    expect_text(json_pack("{s:[i], s:{}}", "k", 1, "e"), JSON_INDENT(2),
                "{\n  \"k\": [\n    1\n  ],\n  \"e\": {}\n}");
    expect_text(json_pack("[f, f, f]", 0.1, 1e300, 100000.0), JSON_REAL_PRECISION(5), "[0.1, 1e300, 1e5]");
    expect_text(json_integer(3), JSON_ENCODE_ANY, "3");
    /* nothing half made */
    assert_null(json_pack("{s:s}", "a", NULL));
    assert_null(json_pack("{s:o, s:f}", "a", json_array(), "b", (double)NAN));
    assert_null(json_pack("{s:s}", "a", "\x80"));
    assert_null(json_real(INFINITY));
    assert_null(json_string("\xff"));
}

/* More members than any first table holds, some removed and set again: order, places and values. */
static void objects_keep_their_members_in_order(void **state) {
    (void)state;
    enum { MANY = 3000 };
    char key[16];
    json_t *object = json_object();
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(json_object_set_new(object, key, json_integer(i)), 0);
    }
    for (int i = 0; i < MANY; i += 3) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(json_object_del(object, key), 0);
        assert_int_equal(json_object_del(object, key), -1);
    }
    for (int round = 0; round < 3 * MANY; round++) {
        assert_int_equal(json_object_set_new(object, "again", json_integer(round)), 0);
        assert_int_equal(json_object_del(object, "again"), 0);
    }
    assert_int_equal(json_object_set_new(object, "k0", json_integer(-1)), 0);
    assert_int_equal(json_object_set_new(object, "k1", json_integer(-2)), 0); /* stays in its place */
    assert_int_equal(json_object_size(object), MANY - MANY / 3 + 1);
    assert_null(json_object_get(object, "k3"));
    const char *name;
    json_t *value;
    int expected = 1, seen = 0;
    json_object_foreach(object, name, value) {
        if (++seen == MANY - MANY / 3 + 1) {
            assert_string_equal(name, "k0");
            break;
        }
        snprintf(key, sizeof key, "k%d", expected);
        assert_string_equal(name, key);
        assert_int_equal(json_integer_value(value), expected == 1 ? -2 : expected);
        expected += expected % 3 == 1 ? 1 : 2;
    }
    json_t *copy = json_deep_copy(object), *other = json_pack("{s:i}", "new", 1);
    assert_true(json_equal(object, copy));
    assert_int_equal(json_object_update(copy, other), 0);
    assert_false(json_equal(object, copy));
    assert_int_equal(json_object_clear(copy), 0);
    assert_int_equal(json_object_size(copy), 0);
    assert_int_equal(json_object_set_new(copy, "\xff", json_true()), -1);
    assert_int_equal(json_object_set_new(copy, "a", NULL), -1);
    json_decref(other);
    json_decref(copy);
    json_decref(object);
}

static void numbers_are_told_apart(void **state) {
    (void)state;
    json_t *list = json_pack("[i, f, f]", 1, 1.0, 2.5);
    assert_false(json_equal(json_array_get(list, 0), json_array_get(list, 1)));
    assert_true(json_number_value(json_array_get(list, 0)) == 1);
    assert_int_equal(json_integer_value(json_array_get(list, 2)), 0);
    assert_null(json_array_get(list, 3));
    assert_int_equal(json_array_append(list, json_array_get(list, 2)), 0);
    size_t index;
    json_t *value;
    double sum = 0;
    json_array_foreach(list, index, value) sum += json_number_value(value);
    assert_true(sum == 7);
    json_decref(list);
}

static void texts_of_any_bytes_can_be_held(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"m\xc3\xbcller \xf0\x9f\x94\xac", NULL},
                                           {"m\374ller\xc3", "m\\xfcller\\xc3"},
                                           {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
                                           {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *text = sl_json_text(cases[i][0]);
        assert_int_equal(sl_is_utf8(cases[i][0]), cases[i][1] == NULL);
        assert_string_equal(json_string_value(text), cases[i][1] ? cases[i][1] : cases[i][0]);
        json_decref(text);
    }
}

static void what_is_no_number_is_null(void **state) {
    (void)state;
    const double values[] = {0.1, -0.0, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 5; i++) {
        json_t *number = sl_json_number(values[i]);
        assert_true(i < 2 ? json_is_real(number) && json_real_value(number) == values[i]
                          : json_is_null(number));
        json_decref(number);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(texts_of_any_bytes_can_be_held),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(what_is_too_deep_is_refused),
        cmocka_unit_test(values_are_packed_and_written),
        cmocka_unit_test(objects_keep_their_members_in_order),
        cmocka_unit_test(numbers_are_told_apart),
        cmocka_unit_test(what_is_no_number_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
