/* Samples beside the simulated images of the same captions, to look at before any figure is believed. */
#include "gates.h"

#include "../sheet.h"

#include <ctype.h>

enum { PAIRS_IN_ROW = 4, ROWS = 6, CELL_PX = 160 };

/* Simulated on the left, the sample on the right. */
static sl_status place_pair(const gates *g, const sample_set *from, int64_t index, sheet *s) {
    sl_sim_options options = {.size_px = SIDE_PX, .class_id = SL_SIM_CLASS_ANY, .measure = true};
    sl_sim_sample sample = {0};
    sl_image measured, expectation;
    sl_status status = sl_sim_sample_make(rows_seed(g, SET_CLEAN), rows_first(SET_CLEAN) + (uint32_t)index,
                                          &options, &sample);
    if (!status) status = sheet_place(s, &sample.measured);
    sl_sim_sample_free(&sample);
    SL_TRY(status);
    SL_TRY(samples_load(from, index, &measured, &expectation));
    status = sheet_place(s, &measured);
    sl_image_free(&measured);
    sl_image_free(&expectation);
    return status;
}

static sl_status write_sheet(const gates *g, const sample_set *from, sl_technique technique, FILE *captions) {
    sheet s;
    int placed = 0;
    char name[16];
    snprintf(name, sizeof name, "%s", sl_technique_name(technique));
    for (char *c = name; *c; c++) *c = (char)tolower(*c);
    SL_TRY(sheet_open(2 * PAIRS_IN_ROW, CELL_PX, &s));
    sl_status status = SL_OK;
    for (int64_t i = 0; i < g->count && placed < PAIRS_IN_ROW * ROWS && !status; i++) {
        const image_row *row = &g->set[SET_CLEAN].row[i];
        if (row->technique != (int32_t)technique) continue;
        status = place_pair(g, from, i, &s);
        fprintf(captions, "%s.png, row %d, pair %d: %s\n", name, placed / PAIRS_IN_ROW + 1,
                placed % PAIRS_IN_ROW + 1, row->caption);
        placed++;
    }
    if (!status && placed) status = sheet_write(&s, sl_arena_printf(g->arena, "%s/%s.png", g->folder, name));
    sheet_close(&s);
    return status;
}

sl_status sheets_write(const gates *g, const sample_set *from) {
    const char *path = sl_arena_printf(g->arena, "%s/captions.txt", g->folder);
    FILE *captions = fopen(path, "w");
    if (!captions) return sl_fail_errno("cannot write '%s'", path);
    sl_status status = SL_OK;
    for (int t = 0; t < TECHNIQUES && !status; t++) status = write_sheet(g, from, (sl_technique)t, captions);
    if (fclose(captions) && !status) status = sl_fail_errno("cannot write '%s'", path);
    return status;
}
