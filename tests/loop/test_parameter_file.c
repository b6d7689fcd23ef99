/* Parameter files of the simulator: what they may say, what they say wrongly, and what then is drawn. */
#include "scratch_workspace.h"

#include "base/file.h"
#include "loop/simulate.h"
#include "loop/simulate/parameter_file.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *write_text(const char *text) {
    const char *path = sl_path_join(arena, folder, "parameters.yaml");
    assert_ok(sl_file_write_atomic(path, text, strlen(text)));
    return path;
}

static sl_status read_text(const char *text, sl_sim_class *class_id, sl_sim_overrides *overrides) {
    *overrides = (sl_sim_overrides){0};
    return sl_parameter_file_read(write_text(text), class_id, overrides);
}

static void mistakes_name_file_line_and_value(void **state) {
    (void)state;
    static const struct {
        const char *text, *place, *value, *known;
    } wrong[] = {
        {"energy_kev: 10\nnonsense: 1\n", "parameters.yaml:2", "'nonsense'", "distance_m"},
        {"energy_kev: 900\n", "parameters.yaml:1", "900", "1 to 150 keV"},
        {"energy_kev: [12, 8]\n", "parameters.yaml:1", "12", "lower end"},
        {"energy_kev: [8, 9, 10]\n", "parameters.yaml:1", "3 values", "range"},
        {"energy_kev: nan\n", "parameters.yaml:1", "nan", "1 to 150"},
        {"distance_m: far\n", "parameters.yaml:1", "'far'", "a number"},
        {"\nform: cube\n", "parameters.yaml:2", "'cube'", "guinier-porod"},
        {"saxs-form:\n  mosaic_deg: 1\n", "parameters.yaml:2", "'mosaic_deg'", "volume_fraction"},
        {"tem:\n  size_ang: 1\n", "parameters.yaml:1", "'tem'", "giwaxs"},
        {"class: tem\n", "parameters.yaml:1", "'tem'", "giwaxs"},
        {"streaks: 1.5\n", "parameters.yaml:1", "1.5", "an integer"},
        {"buried: maybe\n", "parameters.yaml:1", "'maybe'", "false, true"},
        {"energy_kev: [8, [9]]\n", "parameters.yaml:1", "energy_kev", "list of values"},
        {"- energy_kev\n", "parameters.yaml:1", "parameter: value", ""},
        {"energy_kev: [8\n", "parameters.yaml:2", "", ""},
        {"energy_kev: &a 8\ndistance_m: *a\n", "parameters.yaml:2", "alias", ""},
        {"energy_kev: 8\n---\nenergy_kev: 9\n", "parameters.yaml:2", "second document", ""},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        sl_sim_overrides overrides;
        sl_sim_class class_id = SL_SIM_CLASS_ANY;
        if (read_text(wrong[k].text, &class_id, &overrides) == SL_OK) fail_msg("taken: %s", wrong[k].text);
        const char *const parts[] = {wrong[k].place, wrong[k].value, wrong[k].known};
        for (int i = 0; i < 3; i++)
            if (!strstr(sl_error_message(), parts[i]))
                fail_msg("no '%s' in '%s' for: %s", parts[i], sl_error_message(), wrong[k].text);
        sl_sim_overrides_free(&overrides);
    }
}

static double noted(const sl_sim_sample *sample, const char *name) {
    const json_t *value = json_object_get(sample->parameters, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void what_is_given_is_drawn_and_nothing_else_changes(void **state) {
    (void)state;
    sl_sim_overrides overrides;
    sl_sim_class class_id = SL_SIM_CLASS_ANY;
    assert_ok(read_text("energy_kev: 9\nsaxs-form:\n  energy_kev: [10, 11]\n  spread: 0.1\n"
                        "  form: [sphere, cylinder]\n",
                        &class_id, &overrides));
    assert_int_equal(class_id, SL_SIM_CLASS_ANY);
    sl_sim_sample sample = {0}, usual = {0};
    double low = 99, high = 0;
    int same = 0;
    bool sphere = false, cylinder = false;
    for (uint32_t k = 0; k < 12; k++) {
        sl_sim_options options = {.size_px = 64, .class_id = SL_SIM_SAXS_FORM, .measure = true};
        assert_ok(sl_sim_sample_make(3, k, &options, &usual));
        options.overrides = &overrides;
        assert_ok(sl_sim_sample_make(3, k, &options, &sample));
        low = fmin(low, noted(&sample, "energy_kev")), high = fmax(high, noted(&sample, "energy_kev"));
        assert_true(noted(&sample, "spread") == 0.1);
        const char *form = json_string_value(json_object_get(sample.parameters, "form"));
        sphere |= strcmp(form, "sphere") == 0, cylinder |= strcmp(form, "cylinder") == 0;
        /* where both are the same attempt at an image */
        same += noted(&sample, "distance_m") == noted(&usual, "distance_m");
        assert_true(sphere || cylinder);
        options.class_id = SL_SIM_GIWAXS;
        assert_ok(sl_sim_sample_make(3, k, &options, &sample));
        assert_true(noted(&sample, "energy_kev") == 9);
    }
    assert_true(low >= 10 && high <= 11 && high - low > 0.3 && sphere && cylinder && same >= 4);
    sl_sim_sample_free(&sample);
    sl_sim_sample_free(&usual);
    sl_sim_overrides_free(&overrides);
}

static void expect_same(const char *class_name, const json_t *asked, const json_t *got) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)asked, key, value) {
        const json_t *other = json_object_get(got, key);
        if (strcmp(key, "spots") == 0) continue; /* a result */
        if (!other) fail_msg("%s: no '%s'", class_name, key);
        bool same = json_is_string(value) ? json_equal(value, (json_t *)(uintptr_t)other)
                                          : fabs(json_number_value(value) - json_number_value(other)) <=
                                                1e-9 * fabs(json_number_value(value));
        if (!same) fail_msg("%s: another '%s'", class_name, key);
    }
}

/* The whole sidecar and its "parameters" alone both give the image's kind again, under another seed. */
static void a_sidecar_is_a_parameter_file(void **state) {
    (void)state;
    sl_sim_sample sample = {0}, again = {0};
    for (int c = 0; c < SL_SIM_EMPTY; c++)
        for (uint32_t k = 0; k < 4; k++) {
            sl_sim_options options = {.size_px = 96, .class_id = (sl_sim_class)c, .measure = true};
            assert_ok(sl_sim_sample_make(8, k, &options, &sample));
            json_t *truth = sl_sim_sample_truth(&sample);
            for (int whole = 0; whole < 2; whole++) {
                sl_sim_overrides overrides;
                sl_sim_class class_id = whole ? SL_SIM_CLASS_ANY : (sl_sim_class)c;
                char *text = json_dumps(whole ? truth : json_object_get(truth, "parameters"), JSON_INDENT(1));
                assert_ok(read_text(text, &class_id, &overrides));
                free(text);
                assert_int_equal(class_id, c);
                assert_int_equal(strlen(overrides.source_sha256), 64);
                sl_sim_options given = {.size_px = 96, .class_id = class_id, .overrides = &overrides};
                assert_ok(sl_sim_sample_make(99, k, &given, &again));
                expect_same(sl_sim_class_id(class_id), sample.parameters, again.parameters);
                sl_sim_overrides_free(&overrides);
            }
            json_decref(truth);
        }
    sl_sim_sample_free(&sample);
    sl_sim_sample_free(&again);
}

static void runs_and_sidecars_tell_what_was_given(void **state) {
    (void)state;
    sl_simulate_result made;
    json_t *sidecar;
    sl_simulate_settings settings = scratch_simulated(1, 64);
    settings.parameters = write_text("class: empty\nair: 0.05\n");
    settings.instrument = "lab-saxs";
    settings.out = sl_path_join(arena, folder, "out");
    assert_ok(sl_simulate(&settings, workspace, NULL, &made));
    assert_ok(sl_json_read(sl_path_join(arena, settings.out, "image_000000.json"), &sidecar));
    json_t *given = json_object_get(sidecar, "given");
    assert_string_equal(json_string_value(json_object_get(sidecar, "class")), "empty");
    assert_string_equal(json_string_value(json_object_get(given, "instrument")), "lab-saxs");
    assert_true(json_real_value(json_object_get(json_object_get(given, "parameters"), "air")) == 0.05);
    char hash[SL_SHA256_HEX];
    assert_ok(sl_sha256_file_hex(settings.parameters, hash));
    assert_string_equal(json_string_value(json_object_get(given, "parameters_sha256")), hash);
    sl_run_record run;
    assert_ok(sl_store_run_get(workspace->store, made.run, arena, &run));
    assert_non_null(strstr(run.config, hash));
    json_decref(sidecar);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(mistakes_name_file_line_and_value),
    cmocka_unit_test(what_is_given_is_drawn_and_nothing_else_changes),
    cmocka_unit_test(a_sidecar_is_a_parameter_file),
    cmocka_unit_test(runs_and_sidecars_tell_what_was_given),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
