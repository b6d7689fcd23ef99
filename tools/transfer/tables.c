#include "transfer.h"

void rows_print(FILE *file, const pictures *all, const int fold_of[SL_ARTEFACT_COUNT]) {
    fprintf(file, "seed\tpart\tfamily\tfold\tseverity\tchanged_px");
    for (int k = 0; k < FOLDS; k++) fprintf(file, "\tlogit%d", k);
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) fprintf(file, "\t%s", sl_physical_id((sl_physical_test)t));
    fprintf(file, "\n");
    for (int64_t k = 0; k < all->count; k++) {
        const picture *p = &all->item[k];
        fprintf(file, "%lld\t%d\t%s\t%d\t%.3f\t%lld", (long long)p->seed_index, (int)p->part,
                p->family == CLEAN ? "clean" : sl_artefact_id((sl_artefact_kind)p->family),
                p->family == CLEAN ? -1 : fold_of[p->family], p->severity, (long long)p->changed_px);
        for (int f = 0; f < FOLDS; f++) fprintf(file, "\t%.5g", p->logit[f]);
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
            const sl_physical_result *r = &p->physics.result[t];
            if (r->applicable)
                fprintf(file, "\t%.4g", r->p);
            else
                fprintf(file, "\t");
        }
        fprintf(file, "\n");
    }
}
