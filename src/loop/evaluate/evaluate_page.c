/* The page: sets, numbers between floor and ceiling, what differs, profiles, pictures. */
#include "loop/evaluate/evaluate.h"

#include "base/clock.h"
#include "base/file.h"
#include "loop/report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const sl_evaluation *e;
    const sl_evaluate_settings *settings;
    sl_text page;
} writer;

static const char style[] =
    ".bar{display:inline-block;width:170px;height:10px;border-radius:5px;background:var(--line);position:"
    "relative}"
    ".bar i{position:absolute;top:-2px;width:4px;height:14px;border-radius:2px;background:#3b7dd8}"
    ".bar b{position:absolute;top:3px;height:4px;background:#3b7dd8;opacity:.55}td small{white-space:nowrap}"
    "td.n{white-space:nowrap}.pair{display:flex;gap:4px}.pair figure{flex:1}td.w{min-width:16rem}";

static void open_section(writer *w, const char *title) {
    sl_text_add(&w->page, "<h2>");
    sl_page_escape(&w->page, title);
    sl_text_add(&w->page, "</h2>\n");
}

static void write_head(writer *w) {
    char now[25];
    sl_clock_iso(sl_clock_unix_ms(), now);
    sl_text_printf(
        &w->page,
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
        "content=\"width=device-width\"><title>scatterloop evaluate</title><style>%s%s</style></head>"
        "<body>\n<h1>",
        sl_page_style, style);
    sl_page_escape(&w->page, w->e->sets[1].set.words);
    sl_text_add(&w->page, " against ");
    sl_page_escape(&w->page, w->e->sets[0].set.words);
    sl_text_printf(&w->page,
                   "</h1><p class=dim>scatterloop " SL_VERSION " evaluate, %s; images averaged down to "
                   "%d px, %lld resamples</p>\n",
                   now, (int)w->e->side_px, (long long)w->settings->draws);
    for (size_t i = 0; i < json_array_size(w->e->warnings); i++) {
        sl_text_add(&w->page, "<p class=note>");
        sl_page_escape(&w->page, json_string_value(json_array_get(w->e->warnings, i)));
        sl_text_add(&w->page, "</p>\n");
    }
}

static void write_set(writer *w, const char *role, const sl_evaluated_set *each) {
    if (!each->measured.count) return;
    sl_text_printf(&w->page, "<tr><td>%s<td>", role);
    sl_page_escape(&w->page, each->set.words);
    sl_text_printf(&w->page, "<td class=n>%lld<td class=n>%lld<td class=n>%lld",
                   (long long)each->measured.count, (long long)each->set.found, (long long)each->groups);
    for (int t = 0; t < SL_EVALUATE_TECHNIQUES; t++)
        sl_text_printf(&w->page, "<td class=n>%lld", (long long)each->technique[t]);
    sl_text_printf(&w->page, "<td class=n>%zu</tr>\n", json_array_size(each->set.errors));
}

static void write_errors(writer *w) {
    for (int s = 0; s < SL_EVALUATE_SETS; s++) {
        const json_t *errors = w->e->sets[s].set.errors;
        for (size_t i = 0; i < json_array_size(errors); i++) {
            const json_t *error = json_array_get(errors, i);
            sl_text_add(&w->page, "<li><code>");
            sl_page_escape(&w->page, json_string_value(json_object_get(error, "file")));
            sl_text_add(&w->page, "</code>: ");
            sl_page_escape(&w->page, json_string_value(json_object_get(error, "message")));
        }
    }
}

static void write_sets(writer *w) {
    open_section(w, "The sets");
    sl_text_add(&w->page,
                "<table><tr><th><th>set<th class=n>images used<th class=n>found<th class=n>groups<th "
                "class=n>SAXS<th class=n>WAXS<th class=n>GISAXS<th class=n>GIWAXS<th class=n>not "
                "usable</tr>\n");
    write_set(w, "reference", &w->e->sets[0]);
    write_set(w, "candidate", &w->e->sets[1]);
    write_set(w, "hold-out", &w->e->sets[2]);
    sl_text_add(&w->page, "</table><ul>\n");
    write_errors(w);
    sl_text_add(&w->page, "</ul>\n");
}

static void write_estimate(writer *w, const sl_estimate *estimate) {
    if (!isfinite(estimate->value)) {
        sl_text_add(&w->page, "<td class=n>–");
        return;
    }
    sl_text_printf(&w->page, "<td class=n>%.4g", estimate->value);
    if (isfinite(estimate->low) && estimate->low < estimate->high)
        sl_text_printf(&w->page, "<br><small>%.4g to %.4g</small>", estimate->low, estimate->high);
}

static double held(double v) {
    return fmax(0, fmin(1, v));
}

/* Where the value lies between floor and ceiling, with its interval. */
static void write_bar(writer *w, const sl_set_number *number) {
    double place = sl_set_number_place(number), span = number->ceiling.value - number->floor.value;
    sl_text_add(&w->page, "<td>");
    if (!isfinite(place)) return;
    double a = held((number->value.low - number->floor.value) / span),
           b = held((number->value.high - number->floor.value) / span);
    if (!isfinite(a) || !isfinite(b)) a = b = held(place);
    sl_text_printf(&w->page,
                   "<span class=bar title=\"%.2f of the way\"><b style=\"left:%.1f%%;width:%.1f%%\"></b><i "
                   "style=\"left:calc(%.1f%% - 2px)\"></i></span>",
                   place, 100 * fmin(a, b), 100 * fabs(b - a), 100 * held(place));
}

static void write_number(writer *w, sl_set_number_id id, const sl_set_number *number) {
    sl_text_add(&w->page, "<tr><td class=w>");
    sl_page_escape(&w->page, sl_set_number_words(id));
    sl_text_printf(&w->page, "<br><small>%s</small>", sl_set_number_name(id));
    if (number->missing[0]) {
        sl_text_add(&w->page, "<td colspan=5><small>");
        sl_page_escape(&w->page, number->missing);
        sl_text_add(&w->page, "</small></tr>\n");
        return;
    }
    write_estimate(w, &number->value);
    write_estimate(w, &number->floor);
    write_estimate(w, &number->ceiling);
    write_bar(w, number);
    sl_text_printf(&w->page, "<td class=n>%lld</tr>\n", (long long)number->value.n);
}

static void write_number_table(writer *w, const sl_set_number *number, int count) {
    sl_text_add(&w->page,
                "<table><tr><th>number<th class=n>value<th class=n>floor<th class=n>ceiling<th>from floor "
                "to ceiling<th class=n>images a side</tr>\n");
    for (int i = 0; i < count; i++) write_number(w, (sl_set_number_id)i, &number[i]);
    sl_text_add(&w->page, "</table>\n");
}

static void write_numbers(writer *w) {
    open_section(w, "How far");
    write_number_table(w, w->e->number, SL_SET_NUMBER_COUNT);
    sl_text_printf(&w->page,
                   "<p>%lld images of the candidate have exactly the pixels of an image of the "
                   "reference.</p>\n",
                   (long long)w->e->identical);
    sl_text_add(
        &w->page,
        "<p class=dim>The floor is the reference against itself, halves without a common group; the ceiling "
        "is the reference against its own images with their pixels shuffled. For the numbers about copies "
        "the floor is what unseen images give, the ceiling what exact copies give. Intervals are 95 "
        "%.</p>\n");
    for (int i = 0; i < w->e->strata; i++) {
        const sl_evaluated_stratum *s = &w->e->stratum[i];
        sl_text_printf(&w->page, "<h3>%s alone: %lld against %lld images</h3>\n", s->technique,
                       (long long)s->candidate, (long long)s->reference);
        write_number_table(w, s->number, SL_SET_NUMBER_COPY_Z);
    }
}

static void write_transfers(writer *w) {
    if (!w->e->transfers) return;
    open_section(w, "What the candidate teaches");
    sl_text_add(&w->page, "<table><tr><th>is it ...?<th class=n>reference has<th class=n>candidate has<th "
                          "class=n>taught by the candidate<th class=n>taught by the reference</tr>\n");
    for (int i = 0; i < w->e->transfers; i++) {
        const sl_transfer *t = &w->e->transfer[i];
        sl_text_printf(&w->page, "<tr><td>%s<td class=n>%lld<td class=n>%lld", t->technique,
                       (long long)t->reference, (long long)t->candidate);
        write_estimate(w, &t->taught_by_candidate);
        write_estimate(w, &t->taught_by_reference);
        sl_text_add(&w->page, "</tr>\n");
    }
    sl_text_add(&w->page,
                "</table><p class=dim>ROC AUC on the reference of a line through the physical features "
                "that tells one technique from the others.</p>\n");
}

static void write_columns(writer *w) {
    enum { SHOWN = 20 };
    open_section(w, "What differs");
    sl_text_add(&w->page,
                "<table><tr><th>feature<th class=n>shift, SD of the reference<th class=n>KS<th class=n>p, "
                "Holm<th class=n>mean, reference<th class=n>mean, candidate<th class=n>missing</tr>\n");
    for (int i = 0; i < SHOWN; i++) {
        const sl_column_difference *d = &w->e->column[i];
        sl_text_add(&w->page, "<tr><td class=w>");
        sl_page_escape(&w->page, sl_image_feature_words(d->feature));
        sl_text_printf(&w->page, "<br><small>%s%s</small>", sl_image_feature_id(d->feature),
                       d->used ? "" : ", not among the features above");
        write_estimate(w, &d->shift);
        sl_text_printf(
            &w->page,
            "<td class=n>%.2f<td class=n>%.2g<td class=n>%.4g<td class=n>%.4g<td class=n>%.0f %% / %.0f "
            "%%</tr>\n",
            d->ks.statistic, d->p_adjusted, d->reference_mean, d->candidate_mean, 100 * d->reference_missing,
            100 * d->candidate_missing);
    }
    int small = 0;
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++) small += w->e->column[i].p_adjusted < 0.05;
    sl_text_printf(&w->page,
                   "</table><p class=dim>The %d most different of %d features; %d differ with an adjusted "
                   "p below 0.05. A group of images counts once.</p>\n",
                   SHOWN, SL_IMAGE_FEATURE_COUNT, small);
}

static void write_curves(writer *w, const char *title, const char *x_label, const sl_points *quartile,
                         const double *x) {
    int n = (int)quartile->width;
    const sl_page_curve curves[4] = {{"reference, median", x, sl_points_row(quartile, 1), n},
                                     {"candidate, median", x, sl_points_row(quartile, 4), n},
                                     {"reference, 25 %", x, sl_points_row(quartile, 0), n},
                                     {"candidate, 25 %", x, sl_points_row(quartile, 3), n}};
    sl_page_plot(&w->page, title, x_label, curves, 4, false);
}

static void write_plots(writer *w) {
    double radius[SL_PROFILE_BINS], frequency[SL_PSD_BANDS];
    for (int b = 0; b < SL_PROFILE_BINS; b++) radius[b] = log10(0.015) * (1 - (b + 0.5) / SL_PROFILE_BINS);
    for (int b = 0; b < SL_PSD_BANDS; b++) frequency[b] = b + 1;
    open_section(w, "Profiles and spectra");
    write_curves(w, "Radial profile: log10 intensity less its mean", "log10 of radius over side",
                 &w->e->profile, radius);
    write_curves(w, "Power spectral density, dB", "band, from large structures to single pixels",
                 &w->e->spectrum, frequency);
}

static sl_status add_picture(writer *w, const sl_evaluated_set *each, int64_t row, const char *kind,
                             const char *note) {
    sl_image image;
    int64_t index = each->measured.index[row];
    SL_TRY(sl_image_set_load(&each->set, index, &image));
    sl_status status =
        sl_page_picture(&w->page, &image, kind, sl_path_base(each->set.image[index].name), note);
    sl_image_free(&image);
    return status;
}

static sl_status write_sheet(writer *w, const char *title, const sl_evaluated_set *each) {
    open_section(w, title);
    sl_text_add(&w->page, "<div class=sheet>\n");
    int64_t count =
        each->measured.count < w->settings->thumbnails ? each->measured.count : w->settings->thumbnails;
    /* spread over the set */
    for (int64_t i = 0; i < count; i++)
        SL_TRY(add_picture(w, each, i * each->measured.count / count, "plain", NULL));
    sl_text_add(&w->page, "</div>\n");
    return SL_OK;
}

typedef struct near {
    double distance;
    int64_t row;
} near;

static int by_distance(const void *a, const void *b) {
    const near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance > y->distance ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The candidates nearest to an image of the reference, beside it. */
static sl_status write_nearest(writer *w) {
    enum { PAIRS = 6 };
    int64_t n = w->e->sets[1].measured.count;
    near *order;
    SL_TRY(sl_alloc(&order, (size_t)n, sizeof *order));
    for (int64_t i = 0; i < n; i++) order[i] = (near){w->e->distance[i], i};
    qsort(order, (size_t)n, sizeof *order, by_distance);
    open_section(w, "Nearest pairs: candidate, and its neighbour in the reference");
    sl_text_add(&w->page,
                "<div class=sheet style=\"grid-template-columns:repeat(auto-fill,minmax(300px,1fr))\">\n");
    sl_status status = SL_OK;
    for (int64_t i = 0; i < n && i < PAIRS && !status; i++) {
        char note[48];
        snprintf(note, sizeof note, "distance %.3g", order[i].distance);
        sl_text_add(&w->page, "<div class=pair>");
        status = add_picture(w, &w->e->sets[1], order[i].row, "plain", note);
        if (!status)
            status = add_picture(w, &w->e->sets[0], w->e->nearest[order[i].row], "plain", "reference");
        sl_text_add(&w->page, "</div>\n");
    }
    sl_text_add(&w->page, "</div>\n");
    sl_free(order);
    return status;
}

static sl_status write_pictures(writer *w) {
    if (!w->settings->thumbnails) return SL_OK;
    SL_TRY(write_nearest(w));
    SL_TRY(write_sheet(w, "Reference", &w->e->sets[0]));
    return write_sheet(w, "Candidate", &w->e->sets[1]);
}

sl_status sl_evaluation_write_page(const sl_evaluation *evaluation, const sl_evaluate_settings *settings) {
    writer w = {.e = evaluation, .settings = settings};
    write_head(&w);
    write_sets(&w);
    write_numbers(&w);
    write_transfers(&w);
    write_columns(&w);
    write_plots(&w);
    sl_status status = write_pictures(&w);
    sl_text_add(&w.page, "</body></html>\n");
    if (!status) status = sl_text_status(&w.page);
    if (!status) status = sl_file_write_atomic(settings->report, w.page.data, w.page.length);
    sl_text_free(&w.page);
    return status;
}
