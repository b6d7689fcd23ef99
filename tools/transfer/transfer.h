/* What a classifier taught by simulated faults makes of faults it has never seen: see main.c. */
#ifndef SL_TOOLS_TRANSFER_H
#define SL_TOOLS_TRANSFER_H

#include "loop/classify/physics.h"
#include "xray/artefact.h"

#include <stdio.h>

enum { FOLDS = 5, SIMULATED_PX = 256, SEEN_PX = 128, CLEAN = -1 };

/* What a seed is used for: all images of one seed have the same part. */
typedef enum part { PART_TRAIN, PART_HOLDOUT, PART_CALIBRATION, PART_TEST, PART_COUNT } part;

/* A clean image (family CLEAN) or the same with one fault. */
typedef struct picture {
    int64_t seed_index;
    part part;
    int family; /* sl_artefact_kind, or CLEAN */
    double severity;
    int64_t changed_px;
    float *seen; /* [SEEN_PX, SEEN_PX] as classifiers see it */
    sl_physics physics;
    double logit[FOLDS];    /* of each fold's classifier; calibration and test parts */
    double combined[FOLDS]; /* the same with the physical tests as evidence */
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

/* Simulates `seeds` clean images and their faulty kin: one fault a seed for training, several for calibration
 * and test, families balanced. Free with pictures_free. */
sl_status pictures_make(int64_t seeds, pictures *out);
void pictures_free(pictures *all);

/* ---- learn.c ---- */

typedef struct learned {
    double weight[FOLDS], wait_s; /* weight of the physical evidence; seconds of training */
} learned;

/* Trains a classifier for each fold without the fold's families, calibrates it and fits the evidence on the
 * calibration part without them too, and scores the calibration and test parts. */
sl_status learn_folds(pictures *all, const int fold_of[SL_ARTEFACT_COUNT], bool full, learned *out);

/* ---- tables.c ---- */
sl_status tables_print(const pictures *all, const int fold_of[SL_ARTEFACT_COUNT], int draws);
void rows_print(FILE *file, const pictures *all, const int fold_of[SL_ARTEFACT_COUNT]);

#endif
