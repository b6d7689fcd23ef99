/* YAML as events, from libyaml or, in a core-only build, from our own reader. */
#include "test.h"

#include "base/text.h"
#include "loop/option/yaml_events.h"

#include <string.h>

/* "1{ 1=a 1=b 2}": line and kind of each event, or how it ends. */
static const char *events_of(const char *text) {
    static const char *const marks[] = {
        [SL_YAML_STREAM_START] = "<", [SL_YAML_STREAM_END] = ">",    [SL_YAML_DOCUMENT_START] = "(",
        [SL_YAML_DOCUMENT_END] = ")", [SL_YAML_SCALAR] = "=",        [SL_YAML_SEQUENCE_START] = "[",
        [SL_YAML_SEQUENCE_END] = "]", [SL_YAML_MAPPING_START] = "{", [SL_YAML_MAPPING_END] = "}"};
    static char out[1024];
    sl_text told = SL_TEXT_INIT;
    sl_yaml yaml;
    sl_status status = sl_yaml_open(&yaml, "f", text, strlen(text));
    while (!status) {
        status = sl_yaml_next(&yaml);
        if (status || yaml.kind == SL_YAML_STREAM_END) break;
        bool shown = yaml.kind >= SL_YAML_SCALAR || yaml.kind == SL_YAML_DOCUMENT_START;
        if (shown) sl_text_printf(&told, "%s%s ", marks[yaml.kind], yaml.scalar ? yaml.scalar : "");
        if (yaml.kind == SL_YAML_SCALAR) sl_text_printf(&told, "@%zu ", yaml.line);
    }
    snprintf(out, sizeof out, "%s", status ? sl_error_message() : sl_text_get(&told));
    sl_yaml_close(&yaml);
    sl_text_free(&told);
    return out;
}

static void files_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text, *events;
    } cases[] = {
        {"", ""},
        {"\n# only words\n", ""},
        {"a: 1 # one\nb-c: http://x#y\n", "( { =a @1 =1 @1 =b-c @2 =http://x#y @2 } "},
        {"a:\n  b: [1, x y, 'it''s']\n  c: {d: 2}\n",
         "( { =a @1 { =b @2 [ =1 @2 =x y @2 =it's @2 ] =c @3 { =d @3 =2 @3 } } } "},
        {"a:\n- 1\n- b: 2\n  c: 3\nd:\n  - - 4\n",
         "( { =a @1 [ =1 @2 { =b @3 =2 @3 =c @4 =3 @4 } ] =d @5 [ [ =4 @6 ] ] } "},
        {"a:\nb: \"q\\n\\u00e9\\x41\"\r\n", "( { =a @1 = @1 =b @2 =q\n\xc3\xa9"
                                            "A @2 } "},
        {"{\"a\": [1, 2.5e3, \"x, y\"],\n \"b\": {\"c\": null, \"d\": []}}",
         "( { =a @1 [ =1 @1 =2.5e3 @1 =x, y @1 ] =b @2 { =c @2 =null @2 =d @2 [ ] } } "},
        {"---\na: -5\n---\nb: &x 2\n", "( { =a @2 =-5 @2 } ( { =b @4 =2 @4 } "},
        {"- a\n-\n- b\n", "( [ =a @1 = @2 =b @3 ] "},
        {"just text\n", "( =just text @1 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(events_of(cases[i].text), cases[i].events);
}

static void mistakes_name_the_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *place;
    } wrong[] = {
        {"a: 1\nb: [2\n", "f:3: "},   {"a: b: c\n", "f:1: "},     {"a:\n   b: 1\n  c: 2\n", "f:3: "},
        {"a: \"x\" y\n", "f:1: "},    {"a: {b: 1\n", "f:2: "},    {"a: 1\n\tb: 2\n", "f:2: "},
        {"a: &x 1\nb: *x\n", "f:2:"}, {"a: 1\nb: - 5\n", "f:2:"}, {"a: 'x\n", "f:"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *told = events_of(wrong[i].text);
        if (strncmp(told, wrong[i].place, strlen(wrong[i].place)) != 0)
            fail_msg("'%s' does not begin with '%s'", told, wrong[i].place);
    }
}

static void values_are_passed_over(void **state) {
    (void)state;
    static const char text[] = "a: {b: [1, {c: 2}], d: 3}\ne: 4\n";
    sl_yaml yaml;
    assert_ok(sl_yaml_open(&yaml, "f", text, strlen(text)));
    do assert_ok(sl_yaml_next(&yaml));
    while (yaml.kind != SL_YAML_SCALAR);
    assert_ok(sl_yaml_next(&yaml)); /* the value of a */
    assert_ok(sl_yaml_pass_over(&yaml));
    assert_ok(sl_yaml_next(&yaml));
    assert_string_equal(yaml.scalar, "e");
    sl_yaml_close(&yaml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(mistakes_name_the_line),
        cmocka_unit_test(values_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
