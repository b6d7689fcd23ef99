/* A classifier taught by simulated pairs of clean and faulty images, tested on families of faults it has
 * never seen; alone, beside the physical tests, and with them as evidence.
 *
 *     transfer rows SEEDS [--full] [--detector-unknown] > FILE     (built by `ninja tools/transfer`)
 *     transfer tables FILE...                                      (prints the tables of docs/transfer.md)
 *
 * Seeds are split into training, choice of weights, calibration and test; families into five folds. Each
 * fold's classifier learns the other folds' families. `rows` takes minutes, and keeps one line an image. */
#include "transfer.h"

#include <stdlib.h>
#include <string.h>

static sl_status make_rows(const transfer_plan *plan) {
    int fold_of[SL_ARTEFACT_COUNT];
    pictures all = {0};
    families_deal(fold_of);
    sl_status status = pictures_make(plan, &all);
    if (!status) status = learn_folds(plan, &all, fold_of);
    if (!status) rows_print(stdout, &all, fold_of);
    pictures_free(&all);
    return status;
}

static sl_status print_tables(const char *path) {
    score_table table;
    SL_TRY(table_read(path, &table));
    printf("%s\n\n", path);
    sl_status status = tables_print(&table);
    table_free(&table);
    return status;
}

static int usage(void) {
    fprintf(stderr, "usage: transfer rows SEEDS [--full] [--detector-unknown] | transfer tables FILE...\n");
    return 2;
}

int main(int argc, char **argv) {
    sl_status status = SL_OK;
    if (argc < 3) return usage();
    if (strcmp(argv[1], "tables") == 0) {
        for (int k = 2; k < argc && !status; k++) status = print_tables(argv[k]);
    } else if (strcmp(argv[1], "rows") == 0) {
        transfer_plan plan = {.seeds = atoll(argv[2])};
        for (int k = 3; k < argc; k++) {
            plan.full |= strcmp(argv[k], "--full") == 0;
            plan.detector_unknown |= strcmp(argv[k], "--detector-unknown") == 0;
        }
        if (plan.seeds < 40) {
            fprintf(stderr, "transfer: at least 40 seeds: each part needs both kinds of images\n");
            return 2;
        }
        status = make_rows(&plan);
    } else {
        return usage();
    }
    if (status) fprintf(stderr, "transfer: %s\n", sl_error_message());
    return status != SL_OK;
}
