#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "weights/checkpoint.h"

#include <stdlib.h>
#include <string.h>

static char folder[SCRATCH_FOLDER_BYTES];

static int make_folder(void **state) {
    (void)state;
    return !scratch_folder_make(folder);
}

static int remove_folder(void **state) {
    (void)state;
    return !scratch_folder_remove(folder);
}

static const char *place(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const float values[6] = {0, 1, -2, 0.5f, 65504, -0.25f};

static sl_safetensors_entry entry(const char *name, sl_dtype dtype, sl_shape shape) {
    return (sl_safetensors_entry){name, dtype, SL_F32, shape, values};
}

static void values_come_back_in_every_float_type(void **state) {
    (void)state;
    const sl_safetensors_entry entries[] = {
        entry("z.half", SL_F16, SL_SHAPE(2, 3)),
        entry("a.brain", SL_BF16, SL_SHAPE(6)),
        entry("m.single", SL_F32, SL_SHAPE(3, 2)),
        entry("empty", SL_F32, SL_SHAPE(0, 4)),
        {"scalar", SL_I64, SL_F32, {.rank = 0}, values + 1},
    };
    const sl_safetensors_note notes[] = {{"format", "pt"}, {"a", "b"}};
    assert_ok(sl_safetensors_write(place("x.safetensors"), entries, 5, notes, 2));
    sl_safetensors *file;
    assert_ok(sl_safetensors_open(place("x.safetensors"), &file));
    assert_int_equal(sl_safetensors_count(file), 5);
    assert_string_equal(sl_safetensors_at(file, 0)->name, "a.brain");
    assert_string_equal(sl_safetensors_metadata(file, "format"), "pt");
    assert_null(sl_safetensors_metadata(file, "none"));
    sl_tensor back;
    for (int i = 0; i < 3; i++) {
        assert_ok(sl_safetensors_load(file, entries[i].name, SL_F32, &back));
        assert_true(sl_shape_equal(&back.shape, &entries[i].shape));
        for (int j = 0; j < 6; j++) {
            float expected =
                entries[i].dtype == SL_BF16 ? sl_bf16_to_f32(sl_f32_to_bf16(values[j])) : values[j];
            assert_true(((float *)back.data)[j] == expected);
        }
        sl_tensor_free(&back);
    }
    assert_int_equal((uintptr_t)sl_safetensors_find(file, "m.single")->data % 4, 0);
    assert_status(sl_safetensors_load(file, "nothing", SL_F32, &back), SL_NOT_FOUND);
    sl_safetensors_close(file);
}

static void equal_content_gives_equal_bytes(void **state) {
    (void)state;
    const sl_safetensors_entry one[] = {entry("b", SL_F32, SL_SHAPE(2)), entry("a", SL_F16, SL_SHAPE(3))};
    const sl_safetensors_entry two[] = {one[1], one[0]};
    char *first, *second;
    size_t first_bytes, second_bytes;
    assert_ok(sl_safetensors_write(place("x.safetensors"), one, 2, NULL, 0));
    assert_ok(sl_file_read(place("x.safetensors"), 4096, &first, &first_bytes));
    assert_ok(sl_safetensors_write(place("x.safetensors"), two, 2, NULL, 0));
    assert_ok(sl_file_read(place("x.safetensors"), 4096, &second, &second_bytes));
    assert_int_equal(first_bytes, second_bytes);
    assert_memory_equal(first, second, first_bytes);
    sl_free(first);
    sl_free(second);
    const sl_safetensors_entry twice[] = {one[0], one[0]};
    assert_status(sl_safetensors_write(place("y.safetensors"), twice, 2, NULL, 0), SL_INVALID);
    assert_false(sl_file_exists(place("y.safetensors")));
}

static sl_status parse_header(const char *header, size_t data_bytes) {
    unsigned char bytes[1024] = {0};
    size_t length = strlen(header);
    bytes[0] = (unsigned char)length;
    bytes[1] = (unsigned char)(length >> 8);
    memcpy(bytes + 8, header, length);
    sl_safetensors *file;
    sl_status status = sl_safetensors_parse(bytes, 8 + length + data_bytes, "test", &file);
    if (!status) sl_safetensors_close(file);
    return status;
}

static void damaged_headers_are_refused(void **state) {
    (void)state;
#define T(name, dtype, shape, offsets)                                                                       \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    assert_ok(parse_header("{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[1]", "[8,12]") "}", 12));
    assert_ok(parse_header("{}   ", 0));
    static const char *const bad[] = {
        "",
        "[]",
        "{\"a\":3}",
        "{\"__metadata__\":{\"a\":1}}",
        "{" T("a", "F32", "[2]", "[0,8]") "," T("a", "F32", "[1]", "[8,12]") "}", /* twice */
        "{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[4,12]") "}", /* overlap */
        "{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[8,12]") "}", /* hole */
        "{" T("a", "F32", "[2]", "[0,8]") "}",                                    /* bytes left over */
        "{" T("a", "F32", "[4]", "[0,16]") "}",                                   /* beyond the end */
        "{" T("a", "F32", "[3]", "[12,0]") "}",                                   /* backwards */
        "{" T("a", "F32", "[-3]", "[0,12]") "}",
        "{" T("a", "F32", "[4294967296,4294967296]", "[0,12]") "}",
        "{" T("a", "F99", "[3]", "[0,12]") "}",
        "{" T("a", "F32", "[1.5]", "[0,12]") "}",
        "{" T("a", "F32", "[3]", "[0]") "}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse_header(bad[i], 12) == SL_OK) fail_msg("accepted: %s", bad[i]);
    assert_status(parse_header("{" T("a", "F32", "[1,1,1,1,1,1,3]", "[0,12]") "}", 12), SL_UNSUPPORTED);
    sl_safetensors *file;
    assert_status(sl_safetensors_parse("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "test", &file), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "test"));
}

static const char *renamed(const sl_name_rules *rules, sl_arena *arena, const char *name) {
    char *out;
    sl_name_rules_apply(rules, arena, name, &out);
    return out ? out : "-";
}

static void dialects_become_our_names(void **state) {
    (void)state;
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    const char *layer = "text_model.encoder.layers.0.mlp.fc1.weight";
    assert_string_equal(renamed(&sl_names_clip_text, arena, layer), layer);
    assert_string_equal(renamed(&sl_names_clip_text, arena, layer + strlen("text_model.")), layer);
    assert_string_equal(renamed(&sl_names_clip_text, arena, "text_model.embeddings.position_ids"), "-");
    assert_string_equal(renamed(&sl_names_vae, arena, "decoder.mid_block.attentions.0.proj_attn.bias"),
                        "decoder.mid_block.attentions.0.to_out.0.bias");
    assert_string_equal(renamed(&sl_names_vit, arena, "blocks.11.attn.qkv.weight"),
                        "encoder.layers.encoder_layer_11.self_attention.in_proj_weight");
    assert_string_equal(renamed(&sl_names_vit, arena, "vit.encoder.layer.3.output.dense.bias"),
                        "encoder.layers.encoder_layer_3.mlp.3.bias");
    assert_string_equal(renamed(&sl_names_vit, arena, "vit.layers.3.attention.o_proj.weight"),
                        "encoder.layers.encoder_layer_3.self_attention.out_proj.weight");
    sl_arena_free(arena);
}

static void parts_are_stacked(void **state) {
    (void)state;
    const char *const names[] = {"vit.encoder.layer.0.attention.attention.value.bias",
                                 "vit.encoder.layer.0.attention.attention.query.bias",
                                 "vit.encoder.layer.0.attention.attention.key.bias"};
    sl_safetensors_entry entries[3];
    for (int i = 0; i < 3; i++) {
        entries[i] = entry(names[i], SL_F32, SL_SHAPE(2));
        entries[i].data = values + 2 * i;
    }
    assert_ok(sl_safetensors_write(place("x.safetensors"), entries, 3, NULL, 0));
    sl_checkpoint *checkpoint;
    assert_ok(sl_checkpoint_open(place("x.safetensors"), &sl_names_vit, &checkpoint));
    assert_int_equal(sl_checkpoint_count(checkpoint), 1);
    float out[6];
    const char *name = "encoder.layers.encoder_layer_0.self_attention.in_proj_bias";
    assert_ok(sl_checkpoint_read(checkpoint, name, &SL_SHAPE(6), SL_F32, out));
    const float expected[6] = {-2, 0.5f, 65504, -0.25f, 0, 1};
    assert_memory_equal(out, expected, sizeof out);
    sl_checkpoint_close(checkpoint);
    assert_ok(sl_safetensors_write(place("x.safetensors"), entries, 2, NULL, 0));
    assert_status(sl_checkpoint_open(place("x.safetensors"), &sl_names_vit, &checkpoint), SL_FORMAT);
}

static void the_check_lists_everything(void **state) {
    (void)state;
    const sl_safetensors_entry entries[] = {entry("linear", SL_F32, SL_SHAPE(3, 2)),
                                            entry("odd", SL_F32, SL_SHAPE(6)),
                                            entry("norm", SL_F32, SL_SHAPE(3))};
    assert_ok(sl_safetensors_write(place("x.safetensors"), entries, 3, NULL, 0));
    sl_checkpoint *checkpoint;
    assert_ok(sl_checkpoint_open(place("x.safetensors"), NULL, &checkpoint));
    const sl_weight_want fits[] = {
        {"odd", SL_SHAPE(6)}, {"linear", SL_SHAPE(3, 2, 1, 1)}, {"norm", SL_SHAPE(3)}};
    assert_ok(sl_checkpoint_check(checkpoint, "the model", fits, 3, NULL));
    const sl_weight_want wanted[] = {
        {"norm", SL_SHAPE(4)}, {"linear", SL_SHAPE(3, 2)}, {"conv", SL_SHAPE(1, 2, 3, 3)}};
    sl_text report = SL_TEXT_INIT;
    assert_status(sl_checkpoint_check(checkpoint, "the model", wanted, 3, &report), SL_MISMATCH);
    assert_string_equal(sl_text_get(&report),
                        "missing: conv [1, 2, 3, 3]\nwrong shape: norm is [3], expected [4]\n"
                        "extra: odd [6]\n");
    assert_non_null(strstr(sl_error_message(), "in 3 of 3 tensors"));
    sl_text_free(&report);
    sl_checkpoint_close(checkpoint);
}

static void shards_are_one_checkpoint(void **state) {
    (void)state;
    const sl_safetensors_entry entries[] = {entry("a", SL_F32, SL_SHAPE(2)), entry("b", SL_F16, SL_SHAPE(3))};
    assert_ok(sl_safetensors_write(place("s-1.safetensors"), entries, 1, NULL, 0));
    assert_ok(sl_safetensors_write(place("s-2.safetensors"), entries + 1, 1, NULL, 0));
    const char *index = "{\"weight_map\":{\"a\":\"s-1.safetensors\",\"b\":\"s-2.safetensors\"}}";
    assert_ok(sl_file_write_atomic(place("model.safetensors.index.json"), index, strlen(index)));
    sl_checkpoint *checkpoint;
    assert_ok(sl_checkpoint_open(folder, NULL, &checkpoint));
    assert_int_equal(sl_checkpoint_count(checkpoint), 2);
    assert_int_equal(sl_checkpoint_file_count(checkpoint), 2);
    assert_int_equal(sl_checkpoint_find(checkpoint, "b")->dtype, SL_F16);
    sl_checkpoint_close(checkpoint);
    static const char *const bad[] = {
        "{\"weight_map\":{\"a\":\"s-2.safetensors\"}}", "{\"weight_map\":{\"a\":\"../s-1.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "{\"weight_map\":{\"a\":3}}", "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_ok(sl_file_write_atomic(place("model.safetensors.index.json"), bad[i], strlen(bad[i])));
        assert_status(sl_checkpoint_open(folder, NULL, &checkpoint), SL_FORMAT);
    }
}

/* Pages of a map come again when they are read; bytes that are the caller's are never let go. */
static void forgotten_values_come_again(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    float *data = test_malloc(COUNT * sizeof *data), *back = test_malloc(COUNT * sizeof *back);
    for (int i = 0; i < COUNT; i++) data[i] = (float)i;
    const sl_safetensors_entry entries[] = {{"a", SL_F32, SL_F32, SL_SHAPE(COUNT), data},
                                            {"b", SL_F32, SL_F32, SL_SHAPE(COUNT), data}};
    assert_ok(sl_safetensors_write(place("forgotten.safetensors"), entries, 2, NULL, 0));
    sl_checkpoint *checkpoint;
    assert_ok(sl_checkpoint_open(place("forgotten.safetensors"), NULL, &checkpoint));
    for (int round = 0; round < 4; round++) {
        memset(back, 0, COUNT * sizeof *back);
        assert_ok(sl_checkpoint_read(checkpoint, round % 2 ? "a" : "b", &SL_SHAPE(COUNT), SL_F32, back));
        assert_memory_equal(back, data, COUNT * sizeof *back);
    }
    sl_checkpoint_close(checkpoint);

    char *bytes;
    size_t size;
    sl_safetensors *file;
    assert_ok(sl_file_read(place("forgotten.safetensors"), INT64_MAX, &bytes, &size));
    assert_ok(sl_safetensors_parse(bytes, size, "test", &file));
    const sl_stored_tensor *tensor = sl_safetensors_find(file, "a");
    sl_safetensors_forget(file, tensor);
    assert_memory_equal(tensor->data, data, COUNT * sizeof *data);
    sl_safetensors_close(file);
    sl_free(bytes);
    test_free(data);
    test_free(back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_in_every_float_type),
        cmocka_unit_test(equal_content_gives_equal_bytes),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(dialects_become_our_names),
        cmocka_unit_test(parts_are_stacked),
        cmocka_unit_test(the_check_lists_everything),
        cmocka_unit_test(shards_are_one_checkpoint),
        cmocka_unit_test(forgotten_values_come_again),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder) ? 1 : 0;
}
