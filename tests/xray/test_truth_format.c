/* docs/truth-format.md, whose path is in SCATTERLOOP_TRUTH_FORMAT, names every key and word that is written.
 */
#include "test.h"

#include "base/file.h"
#include "xray/simulate.h"

#include <stdlib.h>
#include <string.h>

static char *document;

static int read_document(void **state) {
    (void)state;
    const char *path = getenv("SCATTERLOOP_TRUTH_FORMAT");
    return !path || sl_file_read(path, 1 << 20, &document, NULL);
}

static int free_document(void **state) {
    (void)state;
    sl_free(document);
    return 0;
}

static void expect_documented(const char *word, const char *where) {
    char quoted[128];
    snprintf(quoted, sizeof quoted, "`%s`", word);
    if (!strstr(document, quoted)) fail_msg("%s: %s is not in the document", where, quoted);
}

static void expect_keys(const json_t *value, const char *where) {
    const char *key;
    json_t *member;
    size_t k;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        expect_documented(key, where);
        expect_keys(member, key);
        if (strcmp(key, "type") == 0 || strcmp(key, "class") == 0)
            expect_documented(json_string_value(member), key);
    }
    json_array_foreach((json_t *)(uintptr_t)value, k, member) expect_keys(member, where);
}

static void every_key_written_is_documented(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_overrides overrides = {0};
    const char *const air[] = {"0.01", "0.1"};
    assert_ok(sl_sim_overrides_instrument(&overrides, sl_instrument_at(0)));
    assert_ok(sl_sim_overrides_set(&overrides, SL_SIM_CLASS_ANY, SL_PARAMETER_AIR, air, 2));
    strcpy(overrides.source_sha256, "0");
    for (int c = 0; c < SL_SIM_CLASS_COUNT; c++)
        for (uint32_t k = 0; k < 3; k++) {
            sl_sim_options options = {.size_px = 64, .class_id = (sl_sim_class)c, .measure = true};
            if (k == 0) options.overrides = &overrides;
            if (sl_sim_options_check(&options)) options.overrides = NULL;
            assert_ok(k == 2 ? sl_sim_unreal_make(6, k, &options, &sample)
                             : sl_sim_sample_make(6, k, &options, &sample));
            json_t *truth = sl_sim_sample_truth(&sample);
            expect_keys(truth, sl_sim_class_id(sample.class_id));
            json_decref(truth);
        }
    sl_sim_sample_free(&sample);
    sl_sim_overrides_free(&overrides);
}

/* What few images have is in the lists all the same. */
static void every_name_of_the_lists_is_documented(void **state) {
    (void)state;
    for (int i = 0; i < SL_SIM_PARAMETER_COUNT; i++) {
        const sl_sim_parameter_facts *facts = sl_sim_parameter_info((sl_sim_parameter)i);
        char row[128];
        snprintf(row, sizeof row, "| `%s` | %s |", facts->name, facts->unit);
        if (!strstr(document, row)) fail_msg("no row '%s'", row);
    }
    for (int i = 0; i < SL_ARTEFACT_COUNT; i++)
        expect_documented(sl_artefact_id((sl_artefact_kind)i), "artefacts");
    for (int i = 0; i < SL_SIM_ATTRIBUTE_COUNT; i++)
        expect_documented(sl_sim_attribute_id((sl_sim_attribute)i), "attributes");
    static const char *const masks[] = {"gap", "beamstop", "arm", "hot", "dead", "saturated"};
    for (int i = 0; i < 6; i++) expect_documented(masks[i], "masks");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_key_written_is_documented),
    cmocka_unit_test(every_name_of_the_lists_is_documented),
};

TEST_MAIN_WITH(tests, read_document, free_document)
