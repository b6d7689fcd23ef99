/* Two measured sets side by side: points, distances and groups from which all numbers come.
 *
 * Rows: the reference [0, reference), the candidate after it, the reference once more with shuffled pixels,
 * then the held-out images. Rows of a stratum are lists of them. */
#ifndef SL_LOOP_EVALUATE_COMPARISON_H
#define SL_LOOP_EVALUATE_COMPARISON_H

#include "loop/evaluate/measured_set.h"
#include "loop/evaluate/set_metrics.h"
#include "loop/judge/metrics.h"

typedef enum sl_set_number_id {
#define SL_SET_NUMBER(name, id, words, needs) SL_SET_NUMBER_##name,
#include "loop/evaluate/set_numbers.def"
#undef SL_SET_NUMBER
    SL_SET_NUMBER_COUNT
} sl_set_number_id;

const char *sl_set_number_name(sl_set_number_id number);  /* "kid" */
const char *sl_set_number_words(sl_set_number_id number); /* a line for people */
int64_t sl_set_number_needs(sl_set_number_id number);     /* images in each set */

/* `value` between the sets, `floor` between halves of the reference, `ceiling` between the reference and its
 * shuffled images. */
typedef struct sl_set_number {
    sl_estimate value, floor, ceiling;
    char missing[112]; /* why there is no value; "" where there is one */
} sl_set_number;

/* One feature of the images. */
typedef struct sl_column_difference {
    sl_image_feature feature;
    sl_ks ks;
    double p_adjusted;
    sl_estimate shift;                           /* of the mean, in standard deviations of the reference */
    double reference_mean, candidate_mean;       /* of the values that are there */
    double reference_missing, candidate_missing; /* shares */
    bool used;                                   /* by the other numbers */
} sl_column_difference;

typedef struct sl_comparison {
    int64_t reference, candidate, held_out;
    sl_points raw, physical, backbone, profile, spectrum;
    sl_pairs kernel, distance, profile_distance, backbone_kernel, backbone_distance;
    unsigned char kept[SL_IMAGE_FEATURE_COUNT];
    int64_t *group;                       /* of each row; those of shuffled images are others */
    double *group_rows;                   /* how many rows of its part are of its group */
    const sl_fingerprint *fingerprint[3]; /* of reference, candidate, held-out images; borrowed */
} sl_comparison;

static inline int64_t sl_comparison_shuffled(const sl_comparison *c) {
    return c->reference + c->candidate;
}
static inline int64_t sl_comparison_held_out(const sl_comparison *c) {
    return 2 * c->reference + c->candidate;
}

typedef struct sl_compare_settings {
    int64_t draws, k;
    uint64_t seed;
    const sl_list *without; /* beginnings of ids of features to leave out */
} sl_compare_settings;

/* `sets` are reference, candidate and held-out images (NULL: none); group[s][i] is the group of row i of set
 * s, equal numbers meaning equal groups. SL_INVALID where no feature is left. */
sl_status sl_comparison_new(const sl_measured_set *const sets[3], const int64_t *const group[3],
                            const sl_compare_settings *settings, sl_comparison *out);
void sl_comparison_free(sl_comparison *comparison);

/* Of rows of image features: cumulative distributions of the radial profile above its lowest bin, scaled so
 * that their mean absolute difference is a Wasserstein-1 distance in decades of the radius (a missing bin
 * holds nothing); and the power spectrum's bands in dB. *out is new. */
sl_status sl_comparison_profile(const sl_points *raw, sl_points *profile);
sl_status sl_comparison_spectrum(const sl_points *raw, sl_points *spectrum);

/* Numbers by half-samples: each draw takes halves without a common group of both sets, cut to one size;
 * value, floor and ceiling are means over the draws, intervals their 2.5 % and 97.5 % quantiles. Half-samples
 * without replacement scatter as the whole sets do (Shao and Wu, Ann. Stat. 17 (1989) 1176), and no image
 * meets its own copy, which resampling with replacement would have it do. Fills numbers KID to SPECTRUM. */
sl_status sl_compare_draws(const sl_comparison *comparison, const sl_rows *reference,
                           const sl_rows *candidate, const sl_compare_settings *settings,
                           const sl_progress *progress, sl_set_number numbers[SL_SET_NUMBER_COUNT]);
/* Numbers AUC_*: out-of-fold scores on all images, interval by resampling groups; the floor is the mean over
 * splits of the reference in halves, with the range of their middle 95 %. */
sl_status sl_compare_probes(const sl_comparison *comparison, const sl_rows *reference,
                            const sl_rows *candidate, const sl_compare_settings *settings,
                            const sl_progress *progress, sl_set_number numbers[SL_SET_NUMBER_COUNT]);
/* Numbers COPY_* to REPEATS; unseen images are the held-out ones, else the reference itself, each without its
 * own group. nearest[candidate] (may be NULL) gets the nearest reference row of each image of the candidate.
 */
sl_status sl_compare_copies(const sl_comparison *comparison, const sl_compare_settings *settings,
                            int64_t *nearest, sl_set_number numbers[SL_SET_NUMBER_COUNT]);
/* All features, the most different first. */
sl_status sl_compare_columns(const sl_comparison *comparison, const sl_compare_settings *settings,
                             sl_column_difference out[SL_IMAGE_FEATURE_COUNT]);

/* ROC AUC on the reference of a line through the physical features that tells label[row] true from false:
 * taught by the candidate, and by the reference itself with groups kept together. Intervals by resampling
 * groups of the reference, not of what taught. SL_INVALID unless both sets have 2 groups of either label. */
sl_status sl_compare_transfer(const sl_comparison *comparison, const bool *label,
                              const sl_compare_settings *settings, sl_estimate *taught_by_candidate,
                              sl_estimate *taught_by_reference);

/* Mean and middle 95 % of the finite ones of values[count], which are reordered. */
sl_estimate sl_estimate_of_draws(double *values, int64_t count, int64_t n, const char *method);

#endif
