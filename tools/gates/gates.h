/* The gates of a release of the base model: see main.c. */
#ifndef SL_TOOLS_GATES_H
#define SL_TOOLS_GATES_H

#include "base/memory.h"
#include "base/progress.h"
#include "diffusion/bundle.h"
#include "diffusion/sketch.h"
#include "image/fingerprint.h"
#include "loop/evaluate/set_metrics.h"
#include "loop/judge/metrics.h"
#include "xray/image_features.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <stdbool.h>
#include <stdio.h>

enum {
    SIDE_PX = 256,
    PIXELS = SIDE_PX * SIDE_PX,
    SMALL_PX = 32, /* one number for each latent place */
    SMALL_PIXELS = SMALL_PX * SMALL_PX,
    BACKBONE_PX = 128,
    BACKBONE_FEATURES = 512,
    TESTS = SL_PHYSICAL_COUNT,
    TECHNIQUES = SL_TECHNIQUE_UNKNOWN,
    PART = 8 /* samples that are made and kept together; all counts of images are multiples of it */
};

/* ---- sets of images ---- */

typedef enum image_set {
    SET_CLEAN,      /* simulated, held out: their captions are the prompts */
    SET_REFERENCE,  /* simulated, held out: others */
    SET_ROUND_TRIP, /* the clean ones' expectations, encoded and decoded, measured as they were */
    SET_SAMPLES,    /* what the model makes of the captions */
    SET_UNTRAINED,  /* what random weights make of them */
    SET_TRAINING,   /* simulated, of the seed that the model has learnt from */
    SET_COUNT
} image_set;

typedef enum look { LOOK_MEASURED, LOOK_EXPECTATION, LOOK_COUNT } look;

typedef struct verdicts {
    bool applies[TESTS], fails[TESTS]; /* fails: beyond the limit of 1 % false alarms */
    double family_p;                   /* smallest p times the number of tests that apply; NAN: none does */
} verdicts;

/* All that is kept of an image; which parts are filled in depends on its set. */
typedef struct image_row {
    char caption[SL_SIM_CAPTION_BYTES];
    int32_t technique; /* as the caption says */
    sl_fingerprint looks;
    double feature[SL_IMAGE_FEATURE_COUNT];  /* of the measured image */
    double expected[SL_IMAGE_FEATURE_COUNT]; /* of its expectation, about the beam's place in the former */
    float backbone[BACKBONE_FEATURES];       /* of the measured image */
    float attribute[SL_SIM_ATTRIBUTE_COUNT]; /* logits that the backbone gives */
    float truth[SL_SIM_ATTRIBUTE_COUNT];     /* of a simulated image */
    float small[SMALL_PIXELS];               /* the expectation's log map, averaged down */
    double grid_db;                          /* grid_measure of the expectation's log map */
    int32_t told, found;                     /* marks that can be looked for, and that stand */
    verdicts verdict[LOOK_COUNT];
} image_row;

typedef struct image_rows {
    image_row *row;
    int64_t count;
} image_rows;

typedef struct gates_settings {
    const char *model, *out;
    int64_t steps, taught, simulated;
    double guidance, eta;
} gates_settings;

typedef struct gates {
    gates_settings settings;
    int64_t count;                          /* samples */
    const char *model, *folder, *simulated; /* the model's folder; where its images and those of all go */
    sl_sampling_way way;                    /* of the model but for the guidance, which may be asked for */
    sl_deblocking deblocking;
    uint64_t data_seed; /* of the model's recipe */
    int data_version;   /* of the simulator that it has learnt from */
    sl_arena *arena;
    const sl_progress *progress;
    image_rows set[SET_COUNT];
    bool all_pass;
} gates;

/* ---- samples.c ---- */

typedef struct sample_set sample_set;

/* Makes what is missing of `count` samples of `model` in the workspace `folder`, image k from captions[k];
 * then opens them. Interrupted or longer runs go on; SL_MISMATCH where this program makes other samples than
 * those that were kept. */
sl_status samples_open(const gates *g, const char *model, const char *folder, const image_rows *captions,
                       int64_t count, sample_set **out);
void samples_close(sample_set *samples);
/* Any thread. Both images: sl_image_free. */
sl_status samples_load(const sample_set *samples, int64_t index, sl_image *measured, sl_image *expectation);
/* What the sample was told: where the beam is, and what is where; neither known where it was not. */
const sl_sketch *samples_sketch(const sample_set *samples, int64_t index, sl_beam_place *beam);
/* The same model with a denoiser and a text encoder that have learnt nothing, written to `folder`. */
sl_status samples_write_untrained(const char *model, const char *folder);

/* ---- rows.c ---- */

/* Measures `count` images of a set, or takes from FOLDER/NAME.rows what was measured already by this very
 * program. */
sl_status rows_measure(gates *g, image_set set, int64_t count, const sample_set *from);
void rows_free(image_rows *rows);
uint64_t rows_seed(const gates *g, image_set set);
uint32_t rows_first(image_set set);

/* ---- grid.c ---- */

/* Power of the roughness (mean absolute second difference) of columns and rows at the harmonics of one cycle
 * in 8 pixels over that beside them, dB, of a log map [SIDE_PX, SIDE_PX]: mean over harmonics and directions.
 * Smooth maps without a grid have about -2.5, whatever is seen. */
double grid_measure(const float *map);

/* ---- set_figures.c ---- */

typedef enum set_figure {
    FIGURE_KID,
    FIGURE_DENSITY,
    FIGURE_COVERAGE,
    FIGURE_PROFILE,
    FIGURE_SPECTRUM,
    FIGURE_COUNT
} set_figure;

/* How far each set (NULL rows: left out) is from the reference: the figure of the whole sets, its interval
 * from `draws` half-samples. A set that is smaller is compared with as many of the reference. */
sl_status set_figures_measure(const image_rows sets[], int count, const image_rows *reference, int draws,
                              sl_estimate out[][FIGURE_COUNT]);

/* ---- caption_judge.c ---- */

enum { JUDGE_BATCH = 128 };

/* label[c][row]: whether claim c is true of a row of the points, 1 or -1; 0: not known, or not to be learnt.
 */
typedef struct claim_lesson {
    const sl_points *points;
    int *const *label;
    int claims;
} claim_lesson;

typedef struct caption_judge caption_judge;

/* Learns from the rows of `train`; both are borrowed. The same bits for any number of threads. */
sl_status caption_judge_new(const claim_lesson *lesson, const sl_rows *train, const sl_progress *progress,
                            caption_judge **out);
void caption_judge_free(caption_judge *judge);
/* score[c][row] for every claim and the rows asked about: the larger, the likelier. */
sl_status caption_judge_ask(caption_judge *judge, const sl_rows *rows, double *const *score);

/* ---- obeyed.c ---- */

enum { CLAIMS_MAX = 32 };

typedef struct obeyed {
    const char *claim;
    int64_t said[2];       /* captions that say it, and that say another */
    sl_estimate f1, limit; /* of the samples; of held-out simulated images */
} obeyed;

typedef struct obedience {
    obeyed claim[CLAIMS_MAX];
    int claims;
    sl_estimate samples, limit, round_trip, untrained; /* means over the claims */
} obedience;

int claims_count(void);
const char *claims_words(int claim);
int claims_say(int claim, const char *caption); /* 1 says so, -1 says otherwise, 0 says nothing */
/* The same of what a simulated image teaches: the truth where a caption need not say it, else the caption. */
int claims_teach(int claim, const image_row *row);
/* 2 tp / (2 tp + fp + fn); NAN without one that is or is called so. */
double f1_of(int64_t true_positive, int64_t false_positive, int64_t false_negative);
/* The lowest score that is called positive for the highest F1 of score[count]; label 0: not counted. */
double f1_threshold(const double *score, const int *label, int64_t count);
/* Learns from the reference's images what captions say, asks it of the others. */
sl_status obedience_measure(const gates *g, obedience *out);

/* ---- copies.c ---- */

typedef struct copies {
    sl_estimate near, near_floor;   /* share nearer to a training image than 99 % of held-out ones are */
    sl_estimate ratio, ratio_floor; /* the same of nearest over second nearest */
    sl_estimate twins, twins_floor; /* share with a near-duplicate among the others of its set */
} copies;

/* Root mean square difference to the nearest and second nearest row of `to`, but itself where `from` is `to`.
 */
void copies_nearest(const image_rows *from, const image_rows *to, double *nearest, double *second);
/* Share of values[count] below the `fraction` quantile of held[held_count]. */
double copies_below(const double *values, int64_t count, const double *held, int64_t held_count,
                    double fraction);
/* How many rows have a near-duplicate among the others: by fingerprint and by distance. */
int64_t copies_twins(const image_rows *rows);
sl_status copies_measure(const image_rows *samples, const image_rows *clean, const image_rows *training,
                         copies *out);

/* ---- report.c ---- */

typedef enum gate_verdict { GATE_PASSED, GATE_FAILED, GATE_OPEN } gate_verdict;

/* What the gate asks for, given its floor. */
double gate_target(int gate, const sl_estimate *floor);
/* Passed where the whole interval meets the target (`upper`: lies at or below it), failed where none of it
 * does. */
gate_verdict gate_judge(const sl_estimate *figure, double target, bool upper);

/* Share of the marks that stand, mean of the images that were told of any. */
sl_estimate marks_share(const image_rows *rows);

/* The tables, as Markdown. *g gets whether every gate is passed. */
sl_status report_write(gates *g, FILE *file);

/* ---- sheets.c ---- */

/* FOLDER/TECHNIQUE.png: samples beside the simulated images of the same captions. */
sl_status sheets_write(const gates *g, const sample_set *samples);

#endif
