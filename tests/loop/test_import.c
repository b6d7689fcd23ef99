#include "scratch_workspace.h"

#include "shared.h"

#include "base/file.h"
#include "image/fingerprint.h"
#include "image/write/write.h"
#include "loop/classify/labels.h"
#include "loop/import/import.h"
#include "loop/import/look_alikes.h"
#include "loop/picture.h"
#include "loop/simulate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path_of(const char *name) {
    return sl_arena_printf(arena, "%s/data/%s", folder, name);
}

static void write_text(const char *name, const char *text) {
    char *path = sl_arena_strdup(arena, path_of(name));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(sl_folder_make(path));
    *slash = '/';
    assert_ok(sl_file_write_atomic(path, text, strlen(text)));
}

/* An NPY file (format 1.0) of 8 x 8 int16 numbers that depend on `k`. */
static void write_npy(const char *name, int k) {
    enum { HEADER = 128, SIDE = 8 };
    write_text(name, "");
    unsigned char bytes[HEADER + 2 * SIDE * SIDE];
    memset(bytes, ' ', HEADER);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    int used = snprintf((char *)bytes + 10, HEADER - 10,
                        "{'descr': '<i2', 'fortran_order': False, 'shape': (8, 8), }");
    bytes[10 + used] = ' ';
    bytes[HEADER - 1] = '\n';
    for (int i = 0; i < SIDE * SIDE; i++) {
        int value = i == 3 ? -1 : i * k % 97;
        bytes[HEADER + 2 * i] = (unsigned char)(value & 0xff);
        bytes[HEADER + 2 * i + 1] = (unsigned char)(value >> 8 & 0xff);
    }
    assert_ok(sl_file_write_atomic(path_of(name), bytes, sizeof bytes));
}

static void change_byte(const char *name, long place, int value) {
    FILE *file = fopen(path_of(name), "r+b");
    assert_true(file && fseek(file, place, SEEK_SET) == 0 && fputc(value, file) == value &&
                fclose(file) == 0);
}

static sl_status import_with(const char *path, sl_import_settings settings, json_t **out) {
    sl_list paths = {&path, 1};
    return sl_import(workspace, &paths, &settings, NULL, out);
}

static int64_t number(const json_t *result, const char *key) {
    return json_integer_value(json_object_get(result, key));
}

static sl_image_record *all_images(int *count) {
    sl_image_record *images;
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &images, count));
    return images;
}

static const sl_image_record *image_from(const char *part) {
    int count;
    sl_image_record *images = all_images(&count);
    for (int i = 0; i < count; i++)
        if (strstr(images[i].source, part)) return &images[i];
    fail_msg("no image from '%s'", part);
    return NULL;
}

static void a_folder_with_everything_in_it(void **state) {
    (void)state;
    json_t *result;
    write_npy("a_001.npy", 1);
    write_npy("a_002.npy", 2);
    write_npy("deep/b.npy", 3);
    write_npy("deep/copy.npy", 1);
    write_text("broken.npy", "\x93NUMPY\x01 and then nothing of the kind");
    write_text("readme.txt", "no image at all, and longer than a few bytes");
    write_text("metadata.jsonl", "{\"file_name\": \"a_001.npy\", \"text\": \"SAXS data showing rings\"}\n\n"
                                 "{\"file_name\": \"./deep/b.npy\", \"text\": \"first\", \"group\": \"g7\"}\n"
                                 "{\"file_name\": \"gone.npy\", \"text\": \"x\"}\n");
    assert_ok(import_with(path_of(""), (sl_import_settings){.caption = "else"}, &result));
    assert_int_equal(number(result, "added"), 3);
    assert_int_equal(json_array_size(json_object_get(result, "duplicates")), 1);
    assert_int_equal(json_array_size(json_object_get(result, "errors")), 2);
    assert_int_equal(json_array_size(json_object_get(result, "skipped")), 1);
    json_decref(result);
    assert_string_equal(image_from("a_001")->caption, "SAXS data showing rings");
    assert_string_equal(image_from("a_002")->caption, "else");
    assert_string_equal(image_from("deep/b")->caption, "first");
    assert_string_equal(image_from("deep/b")->group_key, "g7");
    assert_string_equal(image_from("a_001")->group_key, "data/a");
    assert_int_equal(image_from("a_001")->split, image_from("a_002")->split);

    sl_image pixels;
    assert_ok(sl_workspace_get_image(workspace, image_from("a_002")->object_hash, &pixels));
    assert_true(pixels.value[10] == 20 && pixels.mask[10] == 0);
    assert_true(pixels.value[3] == 0 && pixels.mask[3] == SL_MASK_INVALID);
    sl_image_free(&pixels);
    const char *text;
    json_t *provenance;
    assert_ok(sl_store_image_provenance(workspace->store, image_from("deep/b")->id, arena, &text));
    assert_ok(sl_json_parse(text, strlen(text), "provenance", &provenance));
    assert_string_equal(json_string_value(json_object_get(provenance, "format")), "NPY");
    assert_true(json_real_value(json_object_get(json_object_get(provenance, "intensity_map"), "high")) > 1);
    assert_non_null(json_object_get(json_object_get(provenance, "row"), "text"));
    json_decref(provenance);

    assert_ok(import_with(path_of(""), (sl_import_settings){0}, &result));
    assert_int_equal(number(result, "added"), 0);
    assert_int_equal(number(result, "known"), 3);
    json_decref(result);
}

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    json_t *result;
    write_npy("good.npy", 1);
    write_npy("m\374ller.npy", 2);
    write_text("n\366.txt", "no image at all");
    write_text("packed.edf",
               "{\nHeaderID = EH:000001 ;\nDim_1 = 4 ;\nDim_2 = 4 ;\nDataType = UnsignedShort ;\n"
               "Compression = GZIP ;\n}\n");
    assert_ok(import_with(path_of(""), (sl_import_settings){0}, &result));
    assert_int_equal(number(result, "added"), 1);
    assert_int_equal(number(result, "found"), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(result, "skipped"), 0)),
                        path_of("n\\xf6.txt"));
    const json_t *errors = json_object_get(result, "errors");
    assert_int_equal(json_array_size(errors), 2);
    const json_t *name = json_array_get(errors, 0), *packed = json_array_get(errors, 1);
    assert_string_equal(json_string_value(json_object_get(name, "file")), path_of("m\\xfcller.npy"));
    assert_string_equal(json_string_value(json_object_get(name, "error")), "INVALID");
    assert_string_equal(json_string_value(json_object_get(packed, "error")), "UNSUPPORTED");
    assert_non_null(strstr(json_string_value(json_object_get(packed, "message")), "Compression 'GZIP'"));
    json_decref(result);
    assert_status(import_with(path_of("m\374ller.npy"), (sl_import_settings){0}, &result), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "m\\xfcller.npy' is not UTF-8"));
}

static void groups_come_from_where_they_are_told(void **state) {
    (void)state;
    json_t *result;
    write_npy("one_film/scan_1.npy", 1);
    write_npy("one_film/scan_2.npy", 2);
    write_npy("0001.npy", 3);
    write_text("groups.tsv", "size\tfile\tgroup\n9\tscan_2.npy\tfilm-7\r\n");
    const char *table = path_of("groups.tsv");
    sl_import_settings settings = {.groups = {&table, 1}, .folder_captions = true};
    assert_ok(import_with(path_of(""), settings, &result));
    assert_int_equal(number(result, "added"), 3);
    json_decref(result);
    assert_string_equal(image_from("scan_1")->group_key, "one_film/scan");
    assert_string_equal(image_from("scan_2")->group_key, "film-7");
    assert_string_equal(image_from("0001")->group_key, "data/0001");
    assert_string_equal(image_from("scan_1")->caption, "one film");
    assert_null(image_from("0001")->caption);
    const char *wrong = path_of("one_film/scan_1.npy");
    settings.groups = (sl_list){&wrong, 1};
    assert_status(import_with(path_of(""), settings, &result), SL_FORMAT);
}

static void a_folder_is_one_group_however_it_is_named(void **state) {
    (void)state;
    static const char *const names[] = {"s.npy",    "./s.npy",       "../scan7/s.npy",
                                        "../scan7", "../link/s.npy", NULL};
    enum { NAMES = sizeof names / sizeof *names };
    json_t *result;
    char here[4096];
    write_npy("scan7/s.npy", 1);
    assert_int_equal(symlink("scan7", path_of("link")), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(path_of("scan7")), 0);
    const char *const groups[] = {[SL_GROUP_BY_SERIES] = "scan7/s",
                                  [SL_GROUP_BY_FOLDER] = path_of("scan7"),
                                  [SL_GROUP_BY_FILE] = path_of("scan7/s.npy")};
    for (int k = 0, count = 0; k < 3 * NAMES; k++) {
        sl_import_settings settings = {.group_by = k / NAMES};
        write_npy("scan7/s.npy", 1 + k);
        const char *name = names[k % NAMES];
        assert_ok(import_with(name ? name : path_of("scan7/s.npy"), settings, &result));
        assert_int_equal(number(result, "added"), 1);
        json_decref(result);
        assert_string_equal(all_images(&count)[k].group_key, groups[k / NAMES]);
    }
    assert_int_equal(chdir(here), 0);
}

static void faults_are_named_before_anything_is_added(void **state) {
    (void)state;
    json_t *result;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"file_name\": \"a.npy\"}\n{\"file_name\": \n", "metadata.jsonl:2"},
        {"{\"text\": \"x\"}\n", "metadata.jsonl:1: key \"file_name\" is missing"},
        {"{\"file_name\": \"../a.npy\"}\n", "leads out of the folder"},
        {"{\"file_name\": \"a.npy\", \"text\": 3}\n", "is not a string"},
    };
    write_npy("a.npy", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text("metadata.jsonl", cases[i].text);
        assert_status(import_with(path_of(""), (sl_import_settings){0}, &result), SL_FORMAT);
        if (!strstr(sl_error_message(), cases[i].message))
            fail_msg("'%s' lacks '%s'", sl_error_message(), cases[i].message);
    }
    int count;
    all_images(&count);
    assert_int_equal(count, 0);
    assert_status(import_with("/no/such/place.npy", (sl_import_settings){0}, &result), SL_NOT_FOUND);
}

/* A file of our own whose pixels depend on `k`, with this record. */
static void write_ours(const char *name, const char *record, int k) {
    enum { SIDE = 16 };
    json_t *provenance = json_loads(record, 0, NULL);
    const sl_write_info info = {.provenance = provenance, .synthetic = true};
    sl_image image;
    assert_non_null(provenance);
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    for (int i = 0; i < SIDE * SIDE; i++) image.value[i] = (float)(i * k % 97);
    write_text(name, "");
    if (strstr(name, ".png"))
        assert_ok(sl_picture_write_png(path_of(name), &image, &info));
    else
        assert_ok(sl_image_write(path_of(name), strstr(name, ".h5") ? SL_WRITE_HDF5 : SL_WRITE_TIFF, &image,
                                 &info));
    sl_image_free(&image);
    json_decref(provenance);
}

static void made_images_never_pass_for_measured(void **state) {
    (void)state;
    json_t *result;
    sl_image_label said;
    write_npy("ok/row.npy", 1);
    write_npy("ok/plain.npy", 2);
    write_npy("ok/foreign.npy", 3);
    write_ours("ok/generated.tif", "{\"origin\": \"generated\"}", 4);
    write_ours("ok/picture.png", "{\"origin\": \"generated\"}", 5);
    write_ours("ok/simulated.h5", "{\"generator\": \"scatterloop simulate\"}", 6);
    write_ours("ok/again.tif", "{\"imported_as\": \"simulated\"}", 7);
    write_text("ok/metadata.jsonl", "{\"file_name\": \"row.npy\", \"origin\": \"generated\"}\n"
                                    "{\"file_name\": \"foreign.npy\", \"origin\": \"ESRF\"}\n");
    assert_ok(import_with(path_of("ok"), (sl_import_settings){0}, &result));
    assert_int_equal(number(result, "added"), 7);
    assert_int_equal(number(json_object_get(result, "origins"), "generated"), 3);
    json_decref(result);
    assert_int_equal(image_from("row")->origin, SL_ORIGIN_GENERATED);
    assert_int_equal(image_from("generated.tif")->origin, SL_ORIGIN_GENERATED);
    assert_int_equal(image_from("picture")->origin, SL_ORIGIN_GENERATED);
    assert_int_equal(image_from("simulated.h5")->origin, SL_ORIGIN_SIMULATED);
    assert_int_equal(image_from("again")->origin, SL_ORIGIN_SIMULATED);
    assert_int_equal(image_from("plain")->origin, SL_ORIGIN_EXPERIMENTAL);
    assert_int_equal(image_from("foreign")->origin, SL_ORIGIN_EXPERIMENTAL);
    assert_ok(sl_image_label_get(workspace, image_from("generated.tif"), arena, &said));
    assert_int_equal(said.source, SL_LABEL_BY_NOBODY);

    write_npy("odd/synthetic.npy", 8);
    write_npy("odd/plain.npy", 9);
    write_ours("odd/two_words.tif", "{\"origin\": \"generated\"}", 10);
    write_ours("odd/told.tif", "{\"origin\": \"simulated\"}", 11);
    write_text("odd/metadata.jsonl", "{\"file_name\": \"synthetic.npy\", \"synthetic\": true}\n"
                                     "{\"file_name\": \"two_words.tif\", \"origin\": \"experimental\"}\n");
    sl_import_settings settings = {.origin = 1 + SL_ORIGIN_EXPERIMENTAL};
    assert_ok(import_with(path_of("odd"), settings, &result));
    assert_int_equal(number(result, "added"), 1);
    assert_int_equal(json_array_size(json_object_get(result, "errors")), 3);
    char *errors = json_dumps(json_object_get(result, "errors"), 0);
    assert_non_null(strstr(errors, "told.tif': the file itself says that it is simulated, --origin"));
    free(errors);
    json_decref(result);
    settings.origin = 1 + SL_ORIGIN_SIMULATED;
    assert_ok(import_with(path_of("odd"), settings, &result));
    assert_int_equal(number(result, "added"), 2);
    json_decref(result);
    assert_int_equal(image_from("synthetic")->origin, SL_ORIGIN_SIMULATED);
}

static void a_simulated_folder_has_one_image_and_group_each(void **state) {
    (void)state;
    json_t *result;
    sl_simulate_result made;
    sl_simulate_settings simulate = scratch_simulated(12, 32);
    simulate.expectation = true;
    simulate.out = path_of("made");
    assert_ok(sl_simulate(&simulate, NULL, NULL, &made));
    /* measured ones that are called the same are two images */
    write_npy("made/scan.npy", 1);
    write_ours("made/scan.png", "{\"source\": \"a detector\"}", 2);
    assert_ok(import_with(simulate.out, (sl_import_settings){0}, &result));
    assert_int_equal(number(result, "found"), 14);
    assert_int_equal(number(result, "added"), 14);
    assert_int_equal(number(result, "groups"), 13);
    assert_int_equal(number(json_object_get(result, "origins"), "simulated"), 12);
    assert_int_equal(json_array_size(json_object_get(result, "companions")), 24);
    json_decref(result);
    assert_string_equal(image_from("image_000007")->group_key, "simulated:0:7");
    /* who names a picture means it */
    assert_ok(import_with(path_of("made/image_000003.png"), (sl_import_settings){0}, &result));
    assert_int_equal(number(result, "added"), 1);
    json_decref(result);
}

static void faults_of_simulated_files_come_with_them(void **state) {
    (void)state;
    json_t *result;
    sl_simulate_result made;
    int count, unreal = 0;
    sl_simulate_settings simulate = scratch_simulated(10, 32);
    simulate.unreal = 0.5;
    simulate.out = path_of("made");
    assert_ok(sl_simulate(&simulate, NULL, NULL, &made));
    assert_true(made.unreal > 0 && made.unreal < 10);
    assert_ok(import_with(simulate.out, (sl_import_settings){0}, &result));
    json_decref(result);
    const sl_image_record *images = all_images(&count);
    assert_int_equal(count, 10);
    for (int i = 0; i < count; i++) {
        sl_image_label label;
        assert_ok(sl_image_label_get(workspace, &images[i], arena, &label));
        assert_int_equal(label.source, SL_LABEL_BY_TRUTH);
        assert_true(label.label == SL_LABEL_REAL || label.strength > 0);
        unreal += label.label == SL_LABEL_UNREAL;
    }
    assert_int_equal(unreal, made.unreal);
}

static sl_label label_by_record(const char *name, const char *record) {
    json_t *result;
    sl_image_label label;
    static int k = 1;
    write_ours(name, record, ++k);
    assert_ok(import_with(path_of(name), (sl_import_settings){0}, &result));
    json_decref(result);
    assert_ok(sl_image_label_get(workspace, image_from(name), arena, &label));
    assert_int_equal(image_from(name)->origin, SL_ORIGIN_SIMULATED);
    return label.label;
}

/* However often an image goes from a workspace to a file and back, its faults go with it; where one of ours
 * has lost them nobody says what it is. */
static void faults_survive_travels(void **state) {
    (void)state;
    const char *faulty =
        "{\"origin\": \"simulated\", \"simulator\": 3, \"artefacts\": [{\"type\": \"blobs\", "
        "\"severity\": 0.8}]}";
    const char *clean = "{\"origin\": \"simulated\", \"simulator\": 3, \"artefacts\": []}";
    const char *lost = "{\"origin\": \"simulated\", \"simulator\": 3}";
    const char *again = "{\"imported_as\": \"simulated\", \"metadata\": {\"provenance\": %s}}";
    assert_int_equal(label_by_record("a.png", faulty), SL_LABEL_UNREAL);
    assert_int_equal(label_by_record("b.png", clean), SL_LABEL_REAL);
    assert_int_equal(label_by_record("c.png", lost), SL_LABEL_UNSURE);
    faulty = sl_arena_printf(arena, again, faulty);
    assert_int_equal(label_by_record("d.png", faulty), SL_LABEL_UNREAL);
    assert_int_equal(label_by_record("e.png", sl_arena_printf(arena, again, faulty)), SL_LABEL_UNREAL);
    assert_int_equal(label_by_record("f.png", sl_arena_printf(arena, again, clean)), SL_LABEL_REAL);
    assert_int_equal(label_by_record("g.png", sl_arena_printf(arena, again, lost)), SL_LABEL_UNSURE);
    assert_int_equal(
        label_by_record("h.png", "{\"imported_as\": \"simulated\", \"source\": \"other program\"}"),
        SL_LABEL_REAL);
}

static void a_run_tells_of_the_import(void **state) {
    (void)state;
    json_t *result;
    write_npy("a.npy", 5);
    assert_ok(import_with(path_of("a.npy"), (sl_import_settings){.group = "sample"}, &result));
    json_decref(result);
    sl_run_record *runs;
    int count;
    assert_ok(sl_store_runs(workspace->store, &SL_RUN_FILTER_ALL, arena, &runs, &count));
    assert_int_equal(count, 1);
    assert_string_equal(runs[0].kind, "import");
    assert_int_equal(runs[0].state, SL_RUN_DONE);
    assert_non_null(strstr(runs[0].config, "\"group\":\"sample\""));
    assert_non_null(strstr(runs[0].result, "\"added\":1"));
}

static void measured_images_keep_their_groups_apart(void **state) {
    (void)state;
    static const char *const names[] = {"gisaxs_bnl_bcp_ai12.tif", "gisaxs_bnl_bcp_ai16.tif",
                                        "saxs_aps_pu_225c_1.hdf",  "saxs_aps_pu_225c_3.hdf",
                                        "saxs_ssrl15_run05.cbf",   "waxs_pf6a_agbeh.tif"};
    enum { COUNT = sizeof names / sizeof *names };
    const char *data = shared_path("data/experimental");
    if (!data) skip_because("no ../shared/data/experimental");
    const char *table = sl_path_join(arena, data, "manifest.tsv"), *paths[COUNT];
    for (int i = 0; i < COUNT; i++) paths[i] = sl_path_join(arena, data, names[i]);
    json_t *result;
    assert_ok(sl_import(workspace, &(sl_list){paths, COUNT}, &(sl_import_settings){.groups = {&table, 1}},
                        NULL, &result));
    assert_int_equal(number(result, "added"), COUNT);
    assert_true(json_array_size(json_object_get(result, "errors")) == 0);
    json_decref(result);
    int count;
    const sl_image_record *images = all_images(&count);
    for (int i = 0; i < count; i++) {
        assert_non_null(images[i].caption);
        for (int k = 0; k < i; k++)
            if (strcmp(images[i].group_key, images[k].group_key) == 0)
                assert_int_equal(images[i].split, images[k].split);
    }
}

static void one_scan_under_two_names_is_told(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int k;
        sl_split split;
    } each[] = {{"a1.npy", 5, SL_SPLIT_TRAIN}, {"a2.npy", 23, SL_SPLIT_TRAIN}, {"b.npy", 5, SL_SPLIT_TEST}};
    json_t *result;
    for (int i = 0; i < 3; i++) {
        sl_import_settings settings = {.group = group_in(each[i].split, 0)};
        write_npy(each[i].file, each[i].k);
        if (i == 2) change_byte(each[i].file, 128 + 2 * 40, 7); /* no copy, but nearly one */
        assert_ok(import_with(path_of(each[i].file), settings, &result));
        assert_int_equal(number(result, "added"), 1);
        const json_t *alike = json_object_get(result, "look_alikes"), *pair = json_array_get(alike, 0);
        assert_int_equal(json_array_size(alike), i == 2);
        if (pair) {
            assert_string_equal(json_string_value(json_object_get(pair, "group")),
                                group_in(SL_SPLIT_TEST, 0));
            assert_string_equal(json_string_value(json_object_get(pair, "like")),
                                group_in(SL_SPLIT_TRAIN, 0));
            assert_int_equal(number(pair, "images"), 1);
        }
        json_decref(result);
    }
}

static void add_look(const char *group, sl_split split, uint64_t bits, int count) {
    char text[SL_FINGERPRINT_TEXT];
    const sl_fingerprint print = {{bits, bits, bits, bits}};
    sl_fingerprint_to_text(&print, text);
    scratch_add_rows((sl_image_record){.group_key = group, .split = split, .fingerprint = text}, count);
}

/* Not the first ones of the store: what was just imported is what is asked about. */
static void the_newest_images_are_compared(void **state) {
    (void)state;
    json_t *alike;
    add_look("forgotten", SL_SPLIT_TRAIN, 0, 1);
    add_look("many", SL_SPLIT_TRAIN, UINT64_MAX, SL_LOOK_ALIKES_MAX - 1);
    add_look("train", SL_SPLIT_TRAIN, 0, 1);
    add_look("test", SL_SPLIT_TEST, 0, 1);
    assert_ok(sl_look_alikes(workspace, SL_ORIGIN_EXPERIMENTAL, &alike));
    assert_int_equal(json_array_size(alike), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(alike, 0), "group")), "test");
    assert_string_equal(json_string_value(json_object_get(json_array_get(alike, 0), "like")), "train");
    json_decref(alike);
}

static sl_label label_of(const char *part) {
    sl_consensus consensus;
    assert_ok(sl_store_consensus(workspace->store, image_from(part)->id, &consensus));
    return consensus.real + consensus.unreal + consensus.unsure ? consensus.label : SL_LABEL_WITHDRAWN;
}

static void labels_come_with_folders_and_tables(void **state) {
    (void)state;
    json_t *result;
    sl_import_settings settings = {.labels_by = "anna", .origin = 1 + SL_ORIGIN_GENERATED};
    write_npy("sorted/real/r.npy", 1);
    write_npy("sorted/Fake/f.npy", 2);
    write_npy("sorted/other/o.npy", 3);
    write_npy("table/t.npy", 4);
    write_npy("table/m.npy", 5);
    write_text("table/metadata.jsonl",
               "{\"file_name\": \"t.npy\", \"label\": \"unreal\"}\n"
               "{\"file_name\": \"m.npy\", \"label\": \"real\", \"label_source\": \"machine\"}\n");
    for (int again = 0; again < 2; again++) {
        assert_ok(import_with(path_of(""), settings, &result));
        assert_int_equal(number(json_object_get(result, "labels"), "real"), 1);
        assert_int_equal(number(json_object_get(result, "labels"), "unreal"), 2);
        json_decref(result);
    }
    assert_int_equal(label_of("r.npy"), SL_LABEL_REAL);
    assert_int_equal(label_of("f.npy"), SL_LABEL_UNREAL);
    assert_int_equal(label_of("t.npy"), SL_LABEL_UNREAL);
    assert_int_equal(label_of("o.npy"), SL_LABEL_WITHDRAWN); /* nobody says */
    assert_int_equal(label_of("m.npy"), SL_LABEL_WITHDRAWN); /* a machine is no reviewer */
    sl_store_summary summary;
    assert_ok(sl_store_summarise(workspace->store, &summary));
    assert_int_equal(summary.decisions, 3);
    /* folders above the one that was named say nothing */
    write_npy("real/deep/x.npy", 6);
    assert_ok(import_with(path_of("real/deep"), settings, &result));
    json_decref(result);
    assert_int_equal(label_of("x.npy"), SL_LABEL_WITHDRAWN);
    write_npy("odd/y.npy", 7);
    write_text("odd/metadata.jsonl", "{\"file_name\": \"y.npy\", \"label\": \"maybe\"}\n");
    assert_status(import_with(path_of("odd"), settings, &result), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "maybe"));
}

static void write_labels(const char *label) {
    write_text("metadata.jsonl", sl_arena_printf(arena,
                                                 "{\"file_name\": \"a.npy\", \"label\": \"%s\"}\n"
                                                 "{\"file_name\": \"b.npy\", \"label\": \"%s\"}\n",
                                                 label, label));
}

static void import_labels(int64_t real, int64_t unreal, size_t errors) {
    json_t *result;
    assert_ok(import_with(path_of(""), (sl_import_settings){.labels_by = "anna"}, &result));
    assert_int_equal(number(json_object_get(result, "labels"), "real"), real);
    assert_int_equal(number(json_object_get(result, "labels"), "unreal"), unreal);
    assert_int_equal(json_array_size(json_object_get(result, "errors")), errors);
    json_decref(result);
}

static void assert_decisions(int64_t count) {
    sl_store_summary summary;
    assert_ok(sl_store_summarise(workspace->store, &summary));
    assert_int_equal(summary.decisions, count);
    assert_ok(sl_store_check(workspace->store, &count));
}

static void corrected_labels_supersede(void **state) {
    (void)state;
    write_npy("a.npy", 1);
    write_npy("b.npy", 2);
    write_labels("real");
    import_labels(2, 0, 0);
    write_labels("unreal");
    for (int again = 0; again < 2; again++) import_labels(0, 2, 0);
    assert_int_equal(label_of("a.npy"), SL_LABEL_UNREAL);
    assert_decisions(4);
    write_labels("real");
    import_labels(2, 0, 0);
    assert_int_equal(label_of("a.npy"), SL_LABEL_REAL);
    assert_decisions(6);
    /* what she says elsewhere later stands, whoever imports the old table again */
    sl_decision later = {.client_uuid = "01234567-0123-4123-8123-0123456789ab",
                         .image = image_from("a.npy")->id,
                         .label = SL_LABEL_UNSURE};
    assert_ok(sl_store_reviewer(workspace->store, "anna", false, &later.reviewer));
    assert_ok(sl_store_decide(workspace->store, arena, &later));
    import_labels(1, 0, 0);
    assert_int_equal(label_of("a.npy"), SL_LABEL_UNSURE);
    assert_decisions(7);
}

static void copies_with_different_labels_are_told(void **state) {
    (void)state;
    write_npy("fake/a.npy", 1);
    write_npy("real/copy.npy", 1);
    for (int again = 0; again < 2; again++) import_labels(0, 1, 1);
    assert_decisions(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
static const struct CMUnitTest tests[] = {
    TEST(a_folder_with_everything_in_it),
    TEST(what_cannot_be_read_is_named),
    TEST(groups_come_from_where_they_are_told),
    TEST(a_folder_is_one_group_however_it_is_named),
    TEST(labels_come_with_folders_and_tables),
    TEST(corrected_labels_supersede),
    TEST(copies_with_different_labels_are_told),
    TEST(faults_are_named_before_anything_is_added),
    TEST(made_images_never_pass_for_measured),
    TEST(a_simulated_folder_has_one_image_and_group_each),
    TEST(faults_of_simulated_files_come_with_them),
    TEST(faults_survive_travels),
    TEST(a_run_tells_of_the_import),
    TEST(one_scan_under_two_names_is_told),
    TEST(measured_images_keep_their_groups_apart),
    TEST(the_newest_images_are_compared),
};
TEST_MAIN(tests)
