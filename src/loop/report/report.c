#include "loop/report/report.h"

#include "base/clock.h"
#include "base/file.h"
#include "loop/picture.h"
#include "loop/report/page.h"
#include "train/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What all sections work with. */
typedef struct writer {
    const sl_workspace *workspace;
    const sl_report_settings *settings;
    sl_arena *arena;
    sl_text page;
    sl_round_record *rounds;
    int round_count;
    sl_store_summary summary;
    bool simulated_expert;
} writer;

static void open_section(writer *w, const char *title) {
    sl_text_add(&w->page, "<h2>");
    sl_page_escape(&w->page, title);
    sl_text_add(&w->page, "</h2>\n");
}

static json_t *parse_or_null(const char *text) {
    return text ? json_loads(text, 0, NULL) : NULL;
}

static sl_status find_simulated_expert(writer *w) {
    sl_reviewer *reviewers;
    int count;
    SL_TRY(sl_store_reviewers(w->workspace->store, w->arena, &reviewers, &count));
    for (int i = 0; i < count; i++) w->simulated_expert = w->simulated_expert || reviewers[i].simulated;
    return SL_OK;
}

static void write_head(writer *w) {
    char now[25];
    sl_clock_iso(sl_clock_unix_ms(), now);
    const char *name = sl_path_base(w->workspace->root);
    sl_text_add(&w->page, "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
                          "content=\"width=device-width\"><title>scatterloop: ");
    sl_page_escape(&w->page, name);
    sl_text_printf(&w->page, "</title><style>%s</style></head><body>\n<h1>", sl_page_style);
    sl_page_escape(&w->page, name);
    sl_text_printf(&w->page, "</h1><p class=dim>scatterloop " SL_VERSION ", %s</p>\n", now);
    const sl_store_summary *s = &w->summary;
    sl_text_printf(
        &w->page,
        "<p>%lld measured, %lld simulated and %lld generated images; %lld decisions in %lld rounds.</p>\n",
        (long long)s->images[SL_ORIGIN_EXPERIMENTAL], (long long)s->images[SL_ORIGIN_SIMULATED],
        (long long)s->images[SL_ORIGIN_GENERATED], (long long)s->decisions, (long long)s->rounds);
    if (w->simulated_expert)
        sl_text_add(
            &w->page,
            "<p class=note>Decisions of a <b>simulated expert</b> are among these: numbers that rest on "
            "them show that the loop works, not what a person would say.</p>\n");
}

/* Every round has its own, and older ones did not tell. */
static void write_confidence(writer *w, const json_t *confidence) {
    if (json_is_number(confidence))
        sl_text_printf(&w->page, "<td class=n>%.4g %%</td>", 100 * json_number_value(confidence));
    else
        sl_text_add(&w->page, "<td class=n>–</td>");
}

static void write_round_row(writer *w, const sl_round_record *round) {
    json_t *m = parse_or_null(round->metrics);
    sl_text_printf(&w->page, "<tr><td>%lld</td><td>%s</td>", (long long)round->number,
                   sl_run_state_name(round->state));
    sl_page_number_cell(&w->page, json_object_get(m, "pool"), 0);
    sl_page_estimate_cell(&w->page, json_object_get(m, "accepted_rate"), true);
    sl_page_estimate_cell(&w->page, json_object_get(m, "precision"), true);
    sl_page_estimate_cell(&w->page, json_object_get(m, "recall"), true);
    sl_page_estimate_cell(&w->page, json_object_get(m, "yield"), true);
    sl_page_estimate_cell(&w->page, json_object_get(m, "naive_precision"), true);
    sl_page_number_cell(&w->page, json_object_get(m, "roc_auc"), 3);
    write_confidence(w, json_object_get(m, "confidence"));
    sl_page_number_cell(&w->page, json_object_get(m, "decisions_per_minute"), 0);
    sl_text_add(&w->page, "</tr>\n");
    json_decref(m);
}

static void write_rounds(writer *w) {
    open_section(w, "Rounds");
    if (!w->round_count) {
        sl_text_add(&w->page, "<p>No round has been run yet.</p>\n");
        return;
    }
    sl_text_add(
        &w->page,
        "<table><tr><th>round<th>state<th class=n>pool<th class=n>accepted<th class=n>precision of the "
        "accepted<th class=n>recall<th class=n>yield<th class=n>naive precision<th class=n>ROC "
        "AUC<th class=n>intervals<th class=n>decisions a minute</tr>\n");
    for (int i = 0; i < w->round_count; i++) write_round_row(w, &w->rounds[i]);
    sl_text_add(
        &w->page,
        "</table>\n<p class=dim>Precision, recall and yield come from blind random samples of the accepted "
        "and of the whole pool (n images judged, intervals of the confidence that the row states). "
        "\"Naive\" is the share of real among all reviewed and accepted images, whatever queue they came "
        "from: it is shown for comparison only.</p>\n");
}

/* Why images were called unreal: all rounds together. */
static void write_reasons(writer *w) {
    int64_t total[SL_REASON_COUNT] = {0}, all = 0;
    for (int i = 0; i < w->round_count; i++) {
        json_t *m = parse_or_null(w->rounds[i].metrics), *reasons = json_object_get(m, "reasons");
        for (int r = 0; r < SL_REASON_COUNT; r++) {
            int64_t n = json_integer_value(json_object_get(reasons, sl_reason_name((sl_reason)r)));
            total[r] += n, all += n;
        }
        json_decref(m);
    }
    if (!all) return;
    open_section(w, "Why images were rejected");
    sl_text_add(&w->page, "<table><tr><th>reason<th class=n>answers</tr>\n");
    for (int r = 0; r < SL_REASON_COUNT; r++) {
        if (!total[r]) continue;
        sl_text_add(&w->page, "<tr><td>");
        sl_page_escape(&w->page, sl_reason_name((sl_reason)r));
        sl_text_printf(&w->page, "</td><td class=n>%lld</td></tr>\n", (long long)total[r]);
    }
    sl_text_add(&w->page, "</table>\n");
}

static sl_status add_picture(writer *w, sl_id id, const char *kind, const char *note) {
    sl_image_record record;
    sl_image image;
    SL_TRY(sl_store_image_get(w->workspace->store, id, w->arena, &record));
    SL_TRY(sl_workspace_get_image(w->workspace, record.object_hash, &image));
    sl_status status =
        sl_page_picture(&w->page, &image, kind, record.caption ? record.caption : record.source, note);
    sl_image_free(&image);
    return status;
}

static sl_status write_origin_sheet(writer *w, sl_origin origin, const char *title) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    sl_image_record *records;
    int count;
    filter.origin = (int)origin;
    filter.limit = (int)w->settings->thumbnails;
    SL_TRY(sl_store_images(w->workspace->store, &filter, w->arena, &records, &count));
    if (!count) return SL_OK;
    open_section(w, title);
    sl_text_add(&w->page, "<div class=sheet>\n");
    for (int i = 0; i < count; i++) SL_TRY(add_picture(w, records[i].id, "plain", NULL));
    sl_text_add(&w->page, "</div>\n");
    return SL_OK;
}

/* P(real) of the verdict, of the classifier alone where evidence made another of it, and the reasons. */
static sl_status describe_verdict(writer *w, const sl_verdict *verdict, char **out) {
    sl_prediction *predictions;
    int count;
    const char *why = verdict->reasons && verdict->reasons[0] ? verdict->reasons : "", *alone = "";
    SL_TRY(sl_store_predictions(w->workspace->store, verdict->image, w->arena, &predictions, &count));
    for (int i = 0; i < count; i++)
        if (predictions[i].model == verdict->model && !predictions[i].fold &&
            fabs(predictions[i].p_real - verdict->p_real) >= 0.005)
            alone = sl_arena_printf(w->arena, " (classifier alone %.2f)", predictions[i].p_real);
    *out = sl_arena_printf(w->arena, "P(real) %.2f%s%s%s", verdict->p_real, alone, why[0] ? " · " : "", why);
    return SL_OK;
}

static sl_status write_verdict_half(writer *w, const sl_verdict *verdicts, int64_t count, bool accepted) {
    int64_t left = w->settings->thumbnails / 2;
    sl_text_add(&w->page,
                accepted ? "<h3>Accepted</h3><div class=sheet>\n" : "<h3>Rejected</h3><div class=sheet>\n");
    for (int64_t i = 0; i < count && left; i++) {
        if (verdicts[i].accepted != accepted) continue;
        char *note;
        SL_TRY(describe_verdict(w, &verdicts[i], &note));
        SL_TRY(add_picture(w, verdicts[i].image, accepted ? "real" : "unreal", note));
        left--;
    }
    sl_text_add(&w->page, "</div>\n");
    return SL_OK;
}

static sl_status write_round_sheet(writer *w, const sl_round_record *round) {
    sl_verdict *verdicts;
    int64_t count;
    SL_TRY(sl_store_verdicts(w->workspace->store, round->id, 0, w->arena, &verdicts, &count));
    sl_status status = SL_OK;
    if (count) {
        open_section(
            w, sl_arena_printf(w->arena, "Round %lld: what the machine said", (long long)round->number));
        status = write_verdict_half(w, verdicts, count, true);
        if (!status) status = write_verdict_half(w, verdicts, count, false);
    }
    sl_free(verdicts);
    return status;
}

/* Where the history of a run lies; NULL: it left none. */
static const char *history_of(writer *w, const sl_run_record *run) {
    json_t *result = parse_or_null(run->result);
    const char *path = json_string_value(json_object_get(result, "history"));
    if (path) path = sl_workspace_path(w->workspace, w->arena, path);
    json_decref(result);
    return path && sl_file_exists(path) ? path : NULL;
}

/* The lines that have a number of this name. */
static sl_page_curve read_curve(writer *w, const json_t *lines, const char *name) {
    size_t count = json_array_size(lines), at;
    double *x = SL_NEW(w->arena, double, count + 1), *y = SL_NEW(w->arena, double, count + 1);
    sl_page_curve curve = {name, x, y, 0};
    json_t *line;
    json_array_foreach(lines, at, line) {
        const json_t *value = json_object_get(line, name);
        if (!json_is_number(value)) continue;
        x[curve.count] = json_number_value(json_object_get(line, "step"));
        y[curve.count++] = json_number_value(value);
    }
    return curve;
}

static sl_status write_history(writer *w, const sl_run_record *run, const char *path) {
    json_t *lines;
    SL_TRY(sl_history_read(path, &lines));
    const sl_page_curve curves[] = {read_curve(w, lines, "loss"), read_curve(w, lines, "holdout")};
    json_decref(lines);
    sl_page_plot(&w->page, sl_arena_printf(w->arena, "%s, run %lld", run->kind, (long long)run->id), "step",
                 curves, curves[1].count ? 2 : 1, false);
    return SL_OK;
}

/* A training that goes on with an earlier one writes on in its history: the later run shows it. */
static bool is_continued(writer *w, const sl_run_record *later, int count, const char *path) {
    for (int i = 0; i < count; i++) {
        const char *other = history_of(w, &later[i]);
        if (other && strcmp(other, path) == 0) return true;
    }
    return false;
}

static sl_status write_curves(writer *w) {
    sl_run_record *runs;
    int count, trainings = 0;
    sl_run_filter filter = SL_RUN_FILTER_ALL;
    SL_TRY(sl_store_runs(w->workspace->store, &filter, w->arena, &runs, &count));
    open_section(w, "Training");
    for (int i = count - 1; i >= 0; i--) {
        if (strncmp(runs[i].kind, "train", 5) != 0) continue;
        const char *path = history_of(w, &runs[i]);
        trainings++;
        if (!path)
            sl_text_printf(&w->page, "<p>%s, run %lld (%s): no curve.</p>\n", runs[i].kind,
                           (long long)runs[i].id, sl_run_state_name(runs[i].state));
        else if (!is_continued(w, runs, i, path))
            SL_TRY(write_history(w, &runs[i], path));
    }
    if (!trainings) sl_text_add(&w->page, "<p>No training was run in this workspace.</p>\n");
    return SL_OK;
}

static sl_status write_lineage(writer *w) {
    sl_model_record *models;
    int count;
    SL_TRY(sl_store_models(w->workspace->store, NULL, w->arena, &models, &count));
    open_section(w, "Models and where they come from");
    if (!count) {
        sl_text_add(&w->page, "<p>No model was made here.</p>\n");
        return SL_OK;
    }
    sl_text_add(&w->page, "<table><tr><th>model<th>kind<th>round<th>weights (SHA-256)<th>from</tr>\n");
    for (int i = 0; i < count; i++) {
        const sl_model_record *m = &models[i];
        sl_text_add(&w->page, "<tr><td>");
        sl_page_escape(&w->page, m->name);
        sl_text_add(&w->page, "</td><td>");
        sl_page_escape(&w->page, m->kind);
        int64_t number = 0;
        for (int r = 0; r < w->round_count; r++)
            if (w->rounds[r].id == m->round) number = w->rounds[r].number;
        if (number)
            sl_text_printf(&w->page, "</td><td>%lld</td><td><code>", (long long)number);
        else
            sl_text_add(&w->page, "</td><td>–</td><td><code>");
        sl_page_escape(&w->page, m->hash);
        sl_text_add(&w->page, "</code></td><td>");
        json_t *parents = parse_or_null(m->parents), *parent;
        size_t p;
        json_array_foreach(parents, p, parent) {
            const char *hash = json_string_value(parent);
            sl_text_printf(&w->page, "<code>%.12s</code> ", hash ? hash : "?");
        }
        json_decref(parents);
        sl_text_add(&w->page, "</td></tr>\n");
    }
    sl_text_add(&w->page, "</table>\n");
    return SL_OK;
}

static sl_status write_page(writer *w, const sl_progress *progress) {
    SL_TRY(sl_store_summarise(w->workspace->store, &w->summary));
    SL_TRY(sl_store_rounds(w->workspace->store, w->arena, &w->rounds, &w->round_count));
    SL_TRY(find_simulated_expert(w));
    int64_t parts = 4 + w->round_count, done = 0;
    write_head(w);
    write_rounds(w);
    write_reasons(w);
    SL_TRY(write_origin_sheet(w, SL_ORIGIN_EXPERIMENTAL, "Measured images"));
    sl_progress_tell(progress, "writing the report", "part", ++done, parts, NULL);
    SL_TRY(write_origin_sheet(w, SL_ORIGIN_SIMULATED, "Simulated images"));
    sl_progress_tell(progress, "writing the report", "part", ++done, parts, NULL);
    for (int i = 0; i < w->round_count; i++) {
        SL_TRY(sl_progress_check(progress));
        SL_TRY(write_round_sheet(w, &w->rounds[i]));
        sl_progress_tell(progress, "writing the report", "part", ++done, parts, NULL);
    }
    if (!w->round_count) SL_TRY(write_origin_sheet(w, SL_ORIGIN_GENERATED, "Generated images"));
    SL_TRY(write_curves(w));
    sl_progress_tell(progress, "writing the report", "part", ++done, parts, NULL);
    SL_TRY(write_lineage(w));
    sl_progress_tell(progress, "writing the report", "part", parts, parts, NULL);
    sl_text_add(&w->page, "</body></html>\n");
    return sl_text_status(&w->page);
}

sl_status sl_report_write(const sl_workspace *workspace, const sl_report_settings *settings,
                          const sl_progress *progress, sl_arena *arena, const char **out_path) {
    writer w = {.workspace = workspace, .settings = settings};
    SL_TRY(sl_arena_new(&w.arena));
    const char *path = settings->out ? settings->out : sl_path_join(arena, workspace->root, "report.html");
    sl_status status = write_page(&w, progress);
    if (!status) status = sl_file_write_atomic(path, w.page.data, w.page.length);
    sl_text_free(&w.page);
    sl_arena_free(w.arena);
    *out_path = sl_arena_strdup(arena, path);
    return status;
}
