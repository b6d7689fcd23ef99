/* What a classifier taught by simulated faults makes of faults it has never seen: see main.c. */
#ifndef SL_TOOLS_TRANSFER_H
#define SL_TOOLS_TRANSFER_H

#include "loop/classify/physics.h"
#include "loop/judge/evidence.h"
#include "xray/artefact.h"

#include <stdio.h>

enum { FOLDS = 5, SIMULATED_PX = 256, SEEN_PX = 128, CLEAN = -1, DRAWS = 1000 };

/* What a seed is used for: all images of one seed have the same part. */
typedef enum part { PART_TRAIN, PART_HOLDOUT, PART_CALIBRATION, PART_TEST, PART_COUNT } part;

typedef struct transfer_plan {
    int64_t seeds;
    bool full;             /* train all weights, not the head alone */
    bool detector_unknown; /* the physical tests know technique and beam alone */
} transfer_plan;

/* A clean image (family CLEAN) or the same with one fault. */
typedef struct picture {
    int64_t seed_index;
    part part;
    int family; /* sl_artefact_kind, or CLEAN */
    double severity;
    int64_t changed_px;
    float *seen; /* [SEEN_PX, SEEN_PX] as classifiers see it */
    sl_physics physics;
    double logit[FOLDS]; /* of each fold's classifier; NAN where it was not asked */
} picture;

typedef struct pictures {
    picture *item;
    int64_t count;
} pictures;

/* ---- families.c ---- */

/* Deals the families to folds so that close kin stay together: families after which one physical test is, or
 * whose ids share the number (A12, A12m, A12g). */
void families_deal(int fold_of[SL_ARTEFACT_COUNT]);

/* ---- pictures.c ---- */

/* Simulates plan->seeds clean images and their faulty kin: two faults a seed for training, more for
 * calibration and test, families balanced. Free with pictures_free. */
sl_status pictures_make(const transfer_plan *plan, pictures *out);
void pictures_free(pictures *all);

/* ---- learn.c ---- */

/* Trains a classifier for each fold without the fold's families, and asks it about the calibration and test
 * parts. */
sl_status learn_folds(const transfer_plan *plan, pictures *all, const int fold_of[SL_ARTEFACT_COUNT]);

/* ---- rows.c ---- */

/* An image of the calibration or test part, as a line of a file has it. */
typedef struct score_row {
    int64_t seed_index;
    part part;
    int family, fold; /* index into the table's families, or CLEAN; the fold that holds it out */
    double severity, logit[FOLDS], oddness;
} score_row;

enum { FAMILIES_MAX = 256 };

typedef struct score_table {
    score_row *row;
    int64_t count;
    int families;
    char family[FAMILIES_MAX][16];
    int fold_of[FAMILIES_MAX];
} score_table;

void rows_print(FILE *file, const pictures *all, const int fold_of[SL_ARTEFACT_COUNT]);
/* SL_FORMAT names file and line. Free with table_free. */
sl_status table_read(const char *path, score_table *out);
void table_free(score_table *table);

/* ---- tables.c ---- */
sl_status tables_print(const score_table *table);

#endif
