/* Use-case: how far a set of images is from another. */
#ifndef SL_LOOP_EVALUATE_EVALUATE_H
#define SL_LOOP_EVALUATE_EVALUATE_H

#include "base/progress.h"
#include "loop/evaluate/comparison.h"
#include "loop/option/option.h"

typedef struct sl_evaluate_settings {
    const char *reference, *candidate, *holdout, *report;
    sl_list groups, without;
    int group_by; /* sl_import_grouping */
    int spaces;   /* 0 physical and backbone, 1 physical alone */
    int beam;     /* 0 blind, 1 known */
    bool strata;
    int64_t size_px, most, draws, k, seed, thumbnails;
} sl_evaluate_settings;

extern const sl_option sl_evaluate_options[];

enum { SL_EVALUATE_SETS = 3, SL_EVALUATE_TECHNIQUES = 4 }; /* sets: reference, candidate, held-out */

/* What a set turned out to be. */
typedef struct sl_evaluated_set {
    sl_image_set set;
    sl_measured_set measured;
    int64_t *group, groups; /* of each measured image; how many there are */
    int64_t technique[SL_EVALUATE_TECHNIQUES];
} sl_evaluated_set;

/* Numbers of images of one technique alone. */
typedef struct sl_evaluated_stratum {
    const char *technique;
    int64_t reference, candidate; /* images */
    sl_set_number number[SL_SET_NUMBER_COUNT];
} sl_evaluated_stratum;

/* How well a classifier of technique does on the reference: taught by the candidate, and by the reference
 * itself with groups kept together. */
typedef struct sl_transfer {
    const char *technique;
    int64_t reference, candidate;                         /* images that have it */
    sl_estimate taught_by_candidate, taught_by_reference; /* ROC AUC */
} sl_transfer;

typedef struct sl_evaluation {
    sl_evaluated_set sets[SL_EVALUATE_SETS]; /* the last is empty without a hold-out set */
    bool has_holdout;
    int32_t side_px; /* at which the images were compared */
    sl_set_number number[SL_SET_NUMBER_COUNT];
    sl_column_difference column[SL_IMAGE_FEATURE_COUNT]; /* the most different first */
    sl_evaluated_stratum stratum[SL_EVALUATE_TECHNIQUES];
    int strata;
    sl_transfer transfer[SL_EVALUATE_TECHNIQUES];
    int transfers;
    int64_t identical; /* images of the candidate whose pixels are those of one of the reference */
    int64_t *nearest;  /* of each image of the candidate: row of the reference */
    double *distance;  /* and how far it is */
    sl_points
        profile; /* [quantile 25 %, 50 %, 75 % of reference, then of candidate][bins] of log10 intensity */
    sl_points spectrum; /* the same of the power spectra, dB */
    json_t *warnings;   /* what makes the numbers weak, a text each */
} sl_evaluation;

/* Where value lies between floor (0) and ceiling (1) of a number; NAN where the intervals of these two
 * overlap: the number cannot tell even them apart. */
double sl_set_number_place(const sl_set_number *number);

/* Reads, measures and compares; deterministic for any number of threads. `workspace` may be NULL where no set
 * needs it. SL_INVALID, SL_NOT_FOUND for sets that are empty or unknown. Free with sl_evaluation_free. */
sl_status sl_evaluate(const sl_evaluate_settings *settings, const sl_workspace *workspace,
                      const sl_progress *progress, sl_arena *arena, sl_evaluation *out);
void sl_evaluation_free(sl_evaluation *evaluation);

/* New reference. NULL when out of memory. */
json_t *sl_evaluation_to_json(const sl_evaluation *evaluation, const sl_evaluate_settings *settings);

/* One self-contained page at settings->report. */
sl_status sl_evaluation_write_page(const sl_evaluation *evaluation, const sl_evaluate_settings *settings);

#endif
