#include "test.h"

#include "base/file.h"
#include "base/limits.h"
#include "loop/option/option.h"

#include <stdlib.h>
#include <string.h>

typedef struct trial {
    bool deep;
    int64_t count;
    double scale;
    const char *title;
    int sampler;
    sl_list folders;
    int preset;
} trial;

static const sl_option options[] = {
    SL_OPTION_FLAG(trial, deep, "deep", 'd', "go deep"),
    SL_OPTION_INT(trial, count, "count", 'n', "8", 1, 100, "images", "how many"),
    SL_OPTION_REAL(trial, scale, "guidance-scale", 0, "7.5", 0, 30, NULL, "how strongly"),
    SL_OPTION_TEXT(trial, title, "title", 't', NULL, NULL, "a name"),
    SL_OPTION_CHOICE(trial, sampler, "sampler", 0, "ddim", "pndm|ddim|euler", "which sampler"),
    SL_OPTION_LIST(trial, folders, "folder", 'f', "DIR", "where to look"),
    SL_OPTION_CHOICE(trial, preset, "preset", 0, "none", "none|paper", "settings from a publication"),
    {0}};
static const sl_preset presets[] = {{"paper", "count", "30"}, {"paper", "sampler", "pndm"}, {0}};
static const sl_option *const tables[] = {options, NULL};

static sl_arena *arena;

static int make_arena(void **state) {
    (void)state;
    return sl_arena_new(&arena) != SL_OK;
}

static int drop_arena(void **state) {
    (void)state;
    sl_arena_free(arena);
    return 0;
}

/* Reads words separated by blanks. */
static sl_status read_line(const char *line, trial *out, sl_list *arguments) {
    char *words[32], *save = NULL;
    int count = 0;
    for (char *word = strtok_r(sl_arena_strdup(arena, line), " ", &save); word;
         word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    sl_assignments given = {.arena = arena};
    *out = (trial){0};
    SL_TRY(sl_options_read_words(tables, count, words, false, &given, arguments, NULL));
    return sl_options_apply(options, presets, &given, out);
}

static void words_set_fields(void **state) {
    (void)state;
    trial got;
    sl_list arguments;
    assert_ok(read_line("a.edf -dn5 --guidance-scale=2.5 -f x --folder y --sampler euler b.edf -- -z", &got,
                        &arguments));
    assert_true(got.deep);
    assert_int_equal(got.count, 5);
    assert_true(got.scale == 2.5);
    assert_int_equal(got.sampler, 2);
    assert_int_equal(got.folders.count, 2);
    assert_string_equal(got.folders.item[1], "y");
    assert_int_equal(arguments.count, 3);
    assert_string_equal(arguments.item[2], "-z");
    assert_null(got.title);
    assert_ok(read_line("--deep --no-deep -3", &got, &arguments));
    assert_false(got.deep);
    assert_string_equal(arguments.item[0], "-3");
}

static sl_status read_out(const sl_option *table, const char *path, trial *got) {
    json_t *object = json_pack("{s:s}", "out", path);
    sl_status status = sl_options_from_json(table, object, arena, got);
    json_decref(object);
    return status;
}

/* Names of ours are put behind it, and must not be cut off. */
static void paths_leave_room_for_names(void **state) {
    (void)state;
    static const sl_option table[] = {SL_OPTION_PATH(trial, title, "out", 'o', NULL, "DIR", "where"), {0}};
    static char path[SL_LIMIT_PATH_BYTES];
    trial got;
    memset(path, 'x', SL_LIMIT_GIVEN_PATH_BYTES - 1);
    assert_ok(read_out(table, path, &got));
    assert_string_equal(got.title, path);
    path[SL_LIMIT_GIVEN_PATH_BYTES - 1] = 'x';
    assert_status(read_out(table, path, &got), SL_LIMIT);
    assert_non_null(strstr(sl_error_message(), "out: a path of 3584 bytes ('xxxx"));
    path[0] = '['; /* a list in the file's place */
    assert_ok(read_out(table, path, &got));
}

static void wrong_words_are_named(void **state) {
    (void)state;
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"--cuont 3", "--cuont: unknown option; did you mean --count?"},
        {"-n 101", "-n: 101 is outside 1 to 100 images"},
        {"--count 3x", "--count: '3x' is not a whole number"},
        {"--guidance-scale nan", "--guidance-scale: 'nan' is not a number"},
        {"--sampler dpm", "--sampler: 'dpm' is none of pndm|ddim|euler"},
        {"--title", "--title needs a value"},
        {"--title m\374ller", "--title: 'm\374ller' is not UTF-8"},
        {"--no-count", "--no-count: unknown option; did you mean --count?"},
        {"--deep=maybe", "--deep: 'maybe' is neither true nor false"},
        {"-x", "-x: unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial got;
        assert_status(read_line(cases[i].line, &got, NULL), SL_INVALID);
        assert_string_equal(sl_error_message(), cases[i].message);
    }
}

static void preset_lies_between_default_and_given(void **state) {
    (void)state;
    trial got;
    assert_ok(read_line("--preset paper", &got, NULL));
    assert_int_equal(got.count, 30);
    assert_int_equal(got.sampler, 0);
    assert_ok(read_line("-n 4 --preset paper", &got, NULL));
    assert_int_equal(got.count, 4);
}

static sl_status read_yaml(const char *text, trial *out) {
    static const char *const commands[] = {"generate", "train lora", NULL};
    char path[] = "/tmp/sl-option-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *stream = fdopen(fd, "w");
    fputs(text, stream);
    fclose(stream);
    sl_assignments given = {.arena = arena};
    *out = (trial){0};
    sl_status status = sl_options_read_yaml(path, tables, "generate", commands, &given);
    remove(path);
    if (!status) status = sl_options_apply(options, presets, &given, out);
    return status;
}

static void yaml_sets_fields(void **state) {
    (void)state;
    trial got;
    assert_ok(
        read_yaml("# a comment\ncount: 3\ndeep: yes\ngenerate:\n  guidance_scale: 4\n  folder: [a, 'b c']\n"
                  "train lora:\n  rank: {deep: [1, 2]}\n",
                  &got));
    assert_int_equal(got.count, 3);
    assert_true(got.deep);
    assert_true(got.scale == 4);
    assert_int_equal(got.folders.count, 2);
    assert_string_equal(got.folders.item[1], "b c");
}

static void yaml_errors_name_the_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
        sl_status status;
    } cases[] = {
        {"count: 3\nsamplr: ddim\n", ":2: 'samplr': unknown option; did you mean sampler?", SL_INVALID},
        {"count:\n  - 3\n", ":2: 'count' takes one value", SL_INVALID},
        {"\n\ncount: 500\n", ":3: count: 500 is outside", SL_INVALID},
        {"genrate:\n  count: 3\n", ":1: 'genrate' is no command", SL_INVALID},
        {"title: \"x\n",
         SL_CORE_ONLY ? ":1: " : ":2: ", SL_FORMAT}, /* there, such a text must end in its line */
        {"- 1\n", ":1: expected lines", SL_INVALID},
        {"a: &x 1\nb: *x\n", ": 'a': unknown", SL_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial got;
        assert_status(read_yaml(cases[i].text, &got), cases[i].status);
        if (!strstr(sl_error_message(), cases[i].part))
            fail_msg("'%s' lacks '%s'", sl_error_message(), cases[i].part);
    }
}

static void settings_go_through_json(void **state) {
    (void)state;
    trial got, again = {0};
    assert_ok(read_line("-d -n 9 --guidance-scale 0.1 --title x -f a -f b --sampler euler", &got, NULL));
    json_t *object = sl_options_to_json(options, &got);
    assert_ok(sl_options_from_json(options, object, arena, &again));
    assert_true(again.deep && again.count == 9 && again.scale == got.scale && again.sampler == 2);
    assert_string_equal(again.title, "x");
    assert_int_equal(again.folders.count, 2);
    json_object_set_new(object, "extra", json_integer(1));
    assert_status(sl_options_from_json(options, object, arena, &again), SL_INVALID);
    json_decref(object);
}

static void help_lists_every_option(void **state) {
    (void)state;
    sl_text help = SL_TEXT_INIT, man = SL_TEXT_INIT;
    sl_options_help(options, NULL, &help);
    sl_options_man(options, NULL, &man);
    for (const sl_option *option = options; option->name; option++) {
        assert_non_null(strstr(sl_text_get(&help), option->name));
        assert_non_null(strstr(sl_text_get(&man), option->help));
    }
    assert_non_null(strstr(sl_text_get(&help), "-n, --count images"));
    assert_non_null(strstr(sl_text_get(&help), "how many (1 to 100; default 8)"));
    assert_non_null(strstr(sl_text_get(&help), "(pndm, ddim, euler; default ddim)"));
    assert_non_null(strstr(sl_text_get(&man), "\\-\\-guidance\\-scale"));
    sl_text_free(&help);
    sl_text_free(&man);
}

/* What a table read first has is not told of twice. */
static void help_leaves_out_what_is_hidden(void **state) {
    (void)state;
    sl_text help = SL_TEXT_INIT;
    sl_options_help(options, options, &help);
    assert_int_equal(help.length, 0);
    sl_options_help(options, &options[1], &help);
    assert_non_null(strstr(sl_text_get(&help), options[0].name));
    assert_null(strstr(sl_text_get(&help), options[1].help));
    sl_text_free(&help);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(words_set_fields, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(paths_leave_room_for_names, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(wrong_words_are_named, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(preset_lies_between_default_and_given, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(yaml_sets_fields, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(yaml_errors_name_the_line, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(settings_go_through_json, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(help_lists_every_option, make_arena, drop_arena),
    cmocka_unit_test_setup_teardown(help_leaves_out_what_is_hidden, make_arena, drop_arena),
};
TEST_MAIN(tests)
