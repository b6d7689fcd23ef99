/* The audit log of what is exported: decisions.csv (RFC 4180). */
#include "base/clock.h"
#include "loop/export/writer.h"

#include <string.h>

void sl_export_decisions_heading(sl_text *out) {
    sl_text_add(out,
                "decision,image,content_sha256,reviewer,simulated,label,reasons,score,note,decided,active_ms,"
                "supersedes,counts,hash\n");
}

/* A field in quotes where it needs them. Spreadsheets run what begins with = + - @: an apostrophe keeps it
 * text. */
static void add_field(sl_text *out, const char *value, bool is_last) {
    bool formula = value[0] && strchr("=+-@", value[0]) != NULL;
    if (formula || strpbrk(value, ",\"\r\n")) {
        sl_text_add(out, formula ? "\"'" : "\"");
        for (const char *c = value; *c; c++) {
            if (*c == '"') sl_text_add(out, "\"");
            sl_text_add_bytes(out, c, 1);
        }
        sl_text_add(out, "\"");
    } else {
        sl_text_add(out, value);
    }
    sl_text_add(out, is_last ? "\n" : ",");
}

const sl_reviewer *sl_export_reviewer(const sl_export_writer *writer, sl_id reviewer) {
    static const sl_reviewer unknown = {.name = ""};
    for (int k = 0; k < writer->reviewer_count; k++)
        if (writer->reviewers[k].id == reviewer) return &writer->reviewers[k];
    return &unknown;
}

const char *sl_export_reviewer_name(const sl_export_writer *writer, const sl_reviewer *reviewer,
                                    sl_arena *arena) {
    if (!writer->settings->anonymous) return reviewer->name;
    return sl_arena_printf(arena, "reviewer-%lld", (long long)reviewer->id);
}

static const char *reasons_text(uint32_t reasons, sl_arena *arena) {
    const char *text = "";
    for (int i = 0; i < SL_REASON_COUNT; i++)
        if (reasons >> i & 1)
            text = sl_arena_printf(arena, "%s%s%s", text, text[0] ? "; " : "", sl_reason_name((sl_reason)i));
    return text;
}

/* Which decisions still count: those that none supersedes and that withdraw nothing. */
static bool counts(const sl_decision *all, int count, const sl_decision *one) {
    for (int i = 0; i < count; i++)
        if (all[i].supersedes == one->id) return false;
    return one->label != SL_LABEL_WITHDRAWN;
}

static void add_row(const sl_image_record *image, const sl_decision *d, const char *reviewer, bool simulated,
                    bool counting, sl_arena *arena, sl_text *out) {
    char time[25];
    sl_clock_iso(d->decided_ms, time);
    sl_text_printf(out, "%lld,%lld,%s,", (long long)d->id, (long long)image->id, image->content_hash);
    add_field(out, reviewer, false);
    sl_text_printf(out, "%s,%s,", simulated ? "yes" : "no", sl_label_name(d->label));
    add_field(out, reasons_text(d->reasons, arena), false);
    sl_text_printf(out, "%.0lld,", (long long)d->score);
    add_field(out, d->note ? d->note : "", false);
    sl_text_printf(out, "%s,%lld,%.0lld,%s,", time, (long long)d->active_ms, (long long)d->supersedes,
                   counting ? "yes" : "no");
    add_field(out, d->hash ? d->hash : "", true);
}

sl_status sl_export_decisions(sl_export_writer *writer, const sl_image_record *image, sl_text *out,
                              int64_t *count) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *decisions;
    int n;
    sl_arena *arena;
    filter.image = image->id;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_decisions(writer->workspace->store, &filter, arena, &decisions, &n);
    for (int i = 0; !status && i < n; i++) {
        const sl_reviewer *by = sl_export_reviewer(writer, decisions[i].reviewer);
        add_row(image, &decisions[i], sl_export_reviewer_name(writer, by, arena), by->simulated,
                counts(decisions, n, &decisions[i]), arena, out);
        ++*count;
    }
    sl_arena_free(arena);
    return status;
}
