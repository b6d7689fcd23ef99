/* One line an image: what was made, what the classifiers and the physical tests said. */
#include "transfer.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rows_print(FILE *file, const pictures *all, const int fold_of[SL_ARTEFACT_COUNT]) {
    fprintf(file, "seed\tpart\tfamily\tfold\tseverity\tchanged_px");
    for (int k = 0; k < FOLDS; k++) fprintf(file, "\tlogit%d", k);
    fprintf(file, "\toddness");
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) fprintf(file, "\t%s", sl_physical_id((sl_physical_test)t));
    fprintf(file, "\n");
    for (int64_t k = 0; k < all->count; k++) {
        const picture *p = &all->item[k];
        if (p->part < PART_CALIBRATION) continue;
        fprintf(file, "%lld\t%d\t%s\t%d\t%.3f\t%lld", (long long)p->seed_index, (int)p->part,
                p->family == CLEAN ? "clean" : sl_artefact_id((sl_artefact_kind)p->family),
                p->family == CLEAN ? CLEAN : fold_of[p->family], p->severity, (long long)p->changed_px);
        for (int f = 0; f < FOLDS; f++) fprintf(file, "\t%.6g", p->logit[f]);
        fprintf(file, "\t%.6g", sl_physics_oddness(&p->physics));
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
            const sl_physical_result *r = &p->physics.result[t];
            fprintf(file, "\t%.4g", r->applicable ? r->p : NAN);
        }
        fprintf(file, "\n");
    }
}

static sl_status find_family(score_table *t, const char *name, int fold, int *out) {
    *out = CLEAN;
    if (strcmp(name, "clean") == 0) return SL_OK;
    for (*out = 0; *out < t->families; ++*out)
        if (strcmp(t->family[*out], name) == 0) return SL_OK;
    if (t->families == FAMILIES_MAX || fold < 0 || fold >= FOLDS)
        return sl_fail(SL_FORMAT, "family '%s' in fold %d", name, fold);
    snprintf(t->family[t->families], sizeof t->family[0], "%s", name);
    t->fold_of[t->families++] = fold;
    return SL_OK;
}

static sl_status read_row(score_table *t, char *line, score_row *out) {
    char name[16];
    int used = 0, p;
    long long seed_index;
    if (sscanf(line, "%lld %d %15s %d %lf %*d%n", &seed_index, &p, name, &out->fold, &out->severity, &used) !=
            5 ||
        !used || p < PART_CALIBRATION || p >= PART_COUNT)
        return sl_fail(SL_FORMAT, "seed, part, family, fold, severity and changed pixels expected");
    out->seed_index = seed_index;
    out->part = (part)p;
    for (int k = 0; k <= FOLDS; k++) {
        char *end;
        double value = strtod(line + used, &end);
        if (end == line + used) return sl_fail(SL_FORMAT, "number %d is missing", k);
        used = (int)(end - line);
        *(k < FOLDS ? &out->logit[k] : &out->oddness) = value;
    }
    return find_family(t, name, out->fold, &out->family);
}

static sl_status read_lines(FILE *file, score_table *out) {
    char line[8192];
    int64_t room = 0;
    if (!fgets(line, sizeof line, file) || strncmp(line, "seed\tpart", 9) != 0)
        return sl_fail(SL_FORMAT, "no head line of 'transfer rows'");
    while (fgets(line, sizeof line, file)) {
        if (out->count == room) {
            score_row *grown;
            SL_TRY(sl_alloc(&grown, (size_t)(room = 2 * room + 1024), sizeof *grown));
            if (out->count) memcpy(grown, out->row, (size_t)out->count * sizeof *grown);
            sl_free(out->row);
            out->row = grown;
        }
        SL_TRY(
            sl_context(read_row(out, line, &out->row[out->count]), "line %lld", (long long)out->count + 2));
        out->count++;
    }
    return SL_OK;
}

sl_status table_read(const char *path, score_table *out) {
    *out = (score_table){0};
    FILE *file = fopen(path, "r");
    if (!file) return sl_fail_errno("cannot open '%s'", path);
    sl_status status = sl_context(read_lines(file, out), "%s", path);
    fclose(file);
    if (status) table_free(out);
    return status;
}

void table_free(score_table *table) {
    sl_free(table->row);
    table->row = NULL;
}
