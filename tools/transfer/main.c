#include "transfer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
    int fold_of[SL_ARTEFACT_COUNT];
    pictures all;
    learned learnt;
    int64_t seeds = argc > 1 ? atoll(argv[1]) : 1200;
    bool full = argc > 2 && strcmp(argv[2], "--full") == 0;
    families_deal(fold_of);
    for (int k = 0; k < FOLDS; k++) {
        fprintf(stderr, "fold %d:", k);
        for (int f = 0; f < SL_ARTEFACT_COUNT; f++)
            if (fold_of[f] == k) fprintf(stderr, " %s", sl_artefact_id((sl_artefact_kind)f));
        fprintf(stderr, "\n");
    }
    sl_status status = pictures_make(seeds, &all);
    fprintf(stderr, "%lld pictures, %.0f CPU s\n", (long long)all.count, (double)clock() / CLOCKS_PER_SEC);
    if (!status) status = learn_folds(&all, fold_of, full, &learnt);
    fprintf(stderr, "%.0f CPU s\n", (double)clock() / CLOCKS_PER_SEC);
    if (!status) rows_print(stdout, &all, fold_of);
    if (status) fprintf(stderr, "transfer: %s\n", sl_error_message());
    pictures_free(&all);
    return status != SL_OK;
}
