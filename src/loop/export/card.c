/* What a data set says of itself: README.md for people (with the head that Hugging Face reads), export.json
 * for programs. */
#include "base/clock.h"
#include "loop/export/writer.h"

#include <stdlib.h>
#include <string.h>

static void add_counts(const sl_export_result *r, sl_text *out) {
    sl_text_add(out, "| | images |\n|---|---|\n");
    for (int i = 0; i < SL_SPLIT_COUNT; i++)
        if (r->split[i])
            sl_text_printf(out, "| split *%s* | %lld |\n", sl_export_split_name((sl_split)i),
                           (long long)r->split[i]);
    for (int i = 0; i < SL_ORIGIN_COUNT; i++)
        if (r->origin[i])
            sl_text_printf(out, "| origin *%s* | %lld |\n", sl_origin_name((sl_origin)i),
                           (long long)r->origin[i]);
    sl_text_printf(out, "| label *real* | %lld |\n| label *unreal* | %lld |\n| neither | %lld |\n\n",
                   (long long)r->real, (long long)r->unreal, (long long)r->unlabelled);
}

static void add_meaning(const sl_export_writer *w, const sl_export_result *r, sl_text *out) {
    bool machine = w->settings->machine;
    if (r->origin[SL_ORIGIN_GENERATED] || r->origin[SL_ORIGIN_SIMULATED])
        sl_text_add(out, "**Not measured.** Images of the origins *simulated* and *generated* are synthetic, "
                         "and say so in each file. They are "
                         "no evidence of any sample.\n\n");
    sl_text_add(out, "- *real* means: an expert would take it for a measurement. Who said so is in "
                     "`label_source`: reviewers, "
                     "simulated reviewers (never people), the simulator (which knows its faults), or that it "
                     "was measured");
    sl_text_add(out, machine ? ", or *machine*: nobody looked, a classifier and the physical tests decided.\n"
                             : ".\n");
    sl_text_add(out, "- Splits are by sample or scan (`group`), never by image: keep them. *validation* is "
                     "what thresholds were set on, "
                     "*test* what nothing has seen.\n"
                     "- `p_real` is a classifier's calibrated probability, `failed_tests` the physical tests "
                     "beyond their limits.\n"
                     "- Counts are photons where the detector counts them. In TIFF, negative values mark "
                     "pixels without a value (-1 gaps, -2 "
                     "hot or dead); pictures (PNG) are logarithms scaled image by image, for the eye.\n"
                     "- `decisions.csv` is the log of decisions, also of those that were changed later; its "
                     "hashes chain all decisions of "
                     "the workspace.\n"
                     "- `sha256sum -c SHA256SUMS` checks the files.\n\n");
}

static sl_status write_readme(sl_export_writer *w, const sl_export_result *r) {
    sl_text out = SL_TEXT_INIT;
    sl_text_add(&out, "---\ntags: [x-ray-scattering, synthetic]\n---\n# X-ray scattering images\n");
    sl_text_printf(&out, "%lld images, written by scatterloop " SL_VERSION ". Set %.16s.\n\n",
                   (long long)r->images, r->hash);
    add_counts(r, &out);
    add_meaning(w, r, &out);
    sl_text_printf(&out, "Layout *%s*: %s.\n", w->layout->name, w->layout->read_with);
    sl_status status = sl_text_status(&out);
    if (!status) status = sl_export_put(w, "README.md", out.data, out.length);
    sl_text_free(&out);
    return status;
}

static sl_status models_json(const sl_workspace *workspace, json_t *out) {
    sl_model_record *models;
    sl_arena *arena;
    int count;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_models(workspace->store, NULL, arena, &models, &count);
    for (int i = 0; !status && i < count; i++)
        json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:I}", "kind", models[i].kind, "name",
                                             models[i].name, "sha256", models[i].hash, "round",
                                             (json_int_t)models[i].round));
    sl_arena_free(arena);
    return status;
}

static json_t *counts_json(const sl_export_result *r) {
    json_t *splits = json_object(), *origins = json_object();
    for (int i = 0; i < SL_SPLIT_COUNT; i++)
        json_object_set_new(splits, sl_export_split_name((sl_split)i), json_integer(r->split[i]));
    for (int i = 0; i < SL_ORIGIN_COUNT; i++)
        json_object_set_new(origins, sl_origin_name((sl_origin)i), json_integer(r->origin[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "images", (json_int_t)r->images, "real",
                     (json_int_t)r->real, "unreal", (json_int_t)r->unreal, "unlabelled",
                     (json_int_t)r->unlabelled, "decisions", (json_int_t)r->decisions, "splits", splits,
                     "origins", origins);
}

static sl_status write_json(sl_export_writer *w, const sl_export_result *r) {
    char time[25];
    json_t *models = json_array(), *asked = sl_options_to_json(sl_export_options, w->settings);
    json_object_del(asked, "out"); /* a path of this machine says nothing to others */
    sl_clock_iso(sl_clock_unix_ms(), time);
    sl_status status = models_json(w->workspace, models);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "scatterloop", SL_VERSION, "written",
                               time, "layout", w->layout->name, "set_sha256", r->hash, "asked", asked,
                               "counts", counts_json(r), "models", models);
    char *text = object ? sl_json_pretty(object) : NULL;
    json_decref(object);
    if (!status && !text) status = sl_fail(SL_MEMORY, "out of memory");
    if (!status) status = sl_export_put(w, "export.json", text, strlen(text));
    free(text);
    return status;
}

sl_status sl_export_card(sl_export_writer *writer, const sl_export_result *result) {
    SL_TRY(write_readme(writer, result));
    return write_json(writer, result);
}
