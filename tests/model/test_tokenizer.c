#include "test.h"
#include "scratch_folder.h"

#include "shared.h"

#include "base/file.h"
#include "base/json.h"
#include "model/bpe_train.h"
#include "model/token_text.h"
#include "model/tokenizer.h"

#include <string.h>

static char folder[SCRATCH_FOLDER_BYTES];

static const char *const captions[] = {
    "rings and arcs",          "Rings with a strong halo", "rings, arcs; a beamstop in the center",
    "grazing incidence: arcs", "arcs and RINGS and peaks", "a ring's halo",
    "q = 0.12 nm-1, 12 rings",
};
enum { CAPTIONS = sizeof captions / sizeof captions[0], LENGTH = 77 };

static int train(void **state) {
    (void)state;
    int size = 0;
    if (!scratch_folder_make(folder)) return 1;
    assert_ok(sl_bpe_train(captions, CAPTIONS, 560, 77, folder, &size));
    assert_true(size > SL_BPE_SMALLEST && size <= 560);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return !scratch_folder_remove(folder);
}

static const char *normal(const char *text) {
    static char out[256];
    sl_text normalised = SL_TEXT_INIT;
    assert_ok(sl_token_text_normalise(text, strlen(text), &normalised));
    snprintf(out, sizeof out, "%s", sl_text_get(&normalised));
    sl_text_free(&normalised);
    return out;
}

static sl_status join(void *context, const char *word, size_t bytes) {
    sl_text_printf(context, "[%.*s]", (int)bytes, word);
    return SL_OK;
}

static void texts_are_cut_as_clip_does(void **state) {
    (void)state;
    assert_string_equal(normal("  A\t\n\xc2\x85"
                               "B\xe3\x80\x80"
                               "C"),
                        " a b c");
    assert_string_equal(normal("e\xcc\x81 \xc3\x89"), "\xc3\xa9 \xc3\xa9"); /* composed, then lower case */
    assert_string_equal(normal("\xc4\xb0"), "i\xcc\x87");                   /* I with a dot: two characters */
    sl_text words = SL_TEXT_INIT;
    assert_ok(sl_token_text_words(normal("It's ''sample 12\xc2\xbd a-b!! \xce\xb2x"), join, &words));
    assert_string_equal(sl_text_get(&words), "[it]['s][''][sample][1][2][\xc2\xbd][a][-][b][!!][\xce\xb2x]");
    assert_status(sl_token_text_normalise("\xff\xfe", 2, &words), SL_FORMAT);
    sl_text_free(&words);
}

static void learned_words_are_single_tokens(void **state) {
    (void)state;
    sl_tokenizer *tokenizer;
    assert_ok(sl_tokenizer_open(folder, &tokenizer));
    sl_tokenizer_facts facts = sl_tokenizer_describe(tokenizer);
    assert_int_equal(facts.end, facts.vocabulary - 1);
    assert_int_equal(facts.begin, facts.vocabulary - 2);
    int32_t ids[LENGTH], again[LENGTH];
    int needed;
    assert_ok(sl_tokenizer_encode(tokenizer, "RINGS  and arcs", LENGTH, ids, &needed));
    assert_int_equal(needed, 5);
    assert_int_equal(ids[0], facts.begin);
    for (int i = 4; i < LENGTH; i++) assert_int_equal(ids[i], facts.end);
    assert_ok(sl_tokenizer_encode(tokenizer, "rings and arcs", LENGTH, again, NULL));
    assert_memory_equal(ids, again, sizeof ids);
    assert_ok(sl_tokenizer_encode(tokenizer, "rings<|endoftext|>and", LENGTH, again, &needed));
    assert_int_equal(needed, 5);
    assert_int_equal(again[2], facts.end);
    sl_tokenizer_close(tokenizer);
}

static void long_texts_are_cut_before_the_end(void **state) {
    (void)state;
    sl_tokenizer *tokenizer;
    assert_ok(sl_tokenizer_open(folder, &tokenizer));
    int32_t ids[6];
    int needed;
    assert_ok(sl_tokenizer_encode(tokenizer, "1 2 3 4 5 6 7", 6, ids, &needed));
    assert_int_equal(needed, 9);
    assert_int_equal(ids[5], sl_tokenizer_describe(tokenizer).end);
    assert_true(ids[4] != ids[5]);
    char text[5000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_status(sl_tokenizer_encode(tokenizer, text, 6, ids, NULL), SL_LIMIT);
    sl_tokenizer_close(tokenizer);
}

static void training_ignores_the_order_of_texts(void **state) {
    (void)state;
    char *first, *second;
    size_t first_bytes, second_bytes;
    char path[64];
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_ok(sl_file_read(path, 1 << 20, &first, &first_bytes));
    const char *reversed[CAPTIONS];
    for (int i = 0; i < CAPTIONS; i++) reversed[i] = captions[CAPTIONS - 1 - i];
    assert_ok(sl_bpe_train(reversed, CAPTIONS, 560, 77, folder, NULL));
    assert_ok(sl_file_read(path, 1 << 20, &second, &second_bytes));
    assert_string_equal(first, second);
    sl_free(first);
    sl_free(second);
    assert_status(sl_bpe_train(captions, CAPTIONS, 100, 77, folder, NULL), SL_INVALID);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    char path[64];
    sl_tokenizer *tokenizer;
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_ok(sl_file_write_atomic(path, "#version: 0.2\na nothere\n", 24));
    assert_status(sl_tokenizer_open(folder, &tokenizer), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "line 2"));
    assert_ok(sl_file_write_atomic(path, "abc\n", 4));
    assert_status(sl_tokenizer_open(folder, &tokenizer), SL_FORMAT);
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_ok(sl_file_write_atomic(path, "{\"a\":-1}", 8));
    assert_status(sl_tokenizer_open(folder, &tokenizer), SL_FORMAT);
}

/* Token ids of SD 1.5's vocabulary, made with transformers. */
static void ids_agree_with_transformers(void **state) {
    (void)state;
    if (!shared_path("golden/reference/clip_tokens.json"))
        skip_because("no golden/reference in the shared folder");
    json_t *cases;
    sl_tokenizer *tokenizer;
    assert_ok(sl_json_read(shared_path("golden/reference/clip_tokens.json"), &cases));
    assert_ok(sl_tokenizer_open(shared_path("golden/reference/sd15/tokenizer"), &tokenizer));
    size_t i, j;
    json_t *one;
    json_array_foreach(cases, i, one) {
        const char *prompt;
        json_t *expected;
        int32_t ids[LENGTH];
        assert_ok(sl_json_string(one, "prompt", &prompt));
        assert_ok(sl_json_array(one, "ids", &expected));
        assert_ok(sl_tokenizer_encode(tokenizer, prompt, (int)json_array_size(expected), ids, NULL));
        for (j = 0; j < json_array_size(expected); j++)
            if (ids[j] != json_integer_value(json_array_get(expected, j)))
                fail_msg("\"%s\": token %zu is %d", prompt, j, ids[j]);
    }
    assert_true(i > 0);
    sl_tokenizer_close(tokenizer);
    json_decref(cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_clip_does),
        cmocka_unit_test(learned_words_are_single_tokens),
        cmocka_unit_test(long_texts_are_cut_before_the_end),
        cmocka_unit_test(training_ignores_the_order_of_texts),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(ids_agree_with_transformers),
    };
    return cmocka_run_group_tests(tests, train, remove_folder) ? 1 : 0;
}
