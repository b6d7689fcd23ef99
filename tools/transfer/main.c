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

enum { SEEDS_MIN = 140 };

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

static bool read_plan(int count, char **word, transfer_plan *out) {
    *out = (transfer_plan){.seeds = atoll(word[0])};
    for (int k = 1; k < count; k++) {
        bool full = strcmp(word[k], "--full") == 0, unknown = strcmp(word[k], "--detector-unknown") == 0;
        if (!full && !unknown) return false;
        out->full |= full;
        out->detector_unknown |= unknown;
    }
    return true;
}

static sl_status run_rows(const transfer_plan *plan) {
    if (plan->seeds < SEEDS_MIN)
        return sl_fail(SL_INVALID, "%lld seeds, expected %d or more: evidence is weighed on 20 clean images",
                       (long long)plan->seeds, SEEDS_MIN);
    return make_rows(plan);
}

int main(int argc, char **argv) {
    sl_status status = SL_OK;
    transfer_plan plan;
    if (argc < 3) return usage();
    if (strcmp(argv[1], "tables") == 0) {
        for (int k = 2; k < argc && !status; k++) status = print_tables(argv[k]);
    } else if (strcmp(argv[1], "rows") == 0 && read_plan(argc - 2, argv + 2, &plan)) {
        status = run_rows(&plan);
    } else {
        return usage();
    }
    if (status) fprintf(stderr, "transfer: %s\n", sl_error_message());
    return status != SL_OK;
}
