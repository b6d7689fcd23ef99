/* Samplers: from the model's outputs to the next latents, step by step.
 *
 *     sl_sampler_settings settings;
 *     SL_TRY(sl_sampler_settings_read("model/scheduler", NULL, &settings));
 *     sl_sampling *sampling;
 *     SL_TRY(sl_sampling_new(&settings, 30, count, &sampling));
 *     x = noise * sl_sampling_initial_scale(sampling)
 *     for (int i = 0; i < sl_sampling_calls(sampling); i++) {
 *         sl_sampling_input(sampling, i, x, input);
 *         output = model(input, sl_sampling_timestep(sampling, i))
 *         if (sl_sampling_wants_noise(sampling)) draw noise
 *         sl_sampling_step(sampling, i, output, noise, x);
 *     }
 *
 * A sampler is nothing but numbers: every step is a few sums of the arrays at hand, whose weights are known
 * before the loop begins (sl_sampling_weigh). sl_sampling_input and sl_sampling_step form these sums in the
 * caller's memory, diffusion/sampler/sampler_graph.h where plans run.
 *
 * Every rule is elementwise, so arrays may have any layout, the same for all. All follow diffusers 0.42,
 * defaults of each class included; formulas and quirks are named in each sampler's file. */
#ifndef SL_DIFFUSION_SAMPLER_SAMPLER_H
#define SL_DIFFUSION_SAMPLER_SAMPLER_H

#include "base/json.h"
#include "diffusion/noise_schedule.h"

/* What the model's output stands for. */
#define SL_PREDICTION_TABLE                                                                                  \
    SL_PREDICTION(EPSILON, "epsilon")                                                                        \
    SL_PREDICTION(V, "v_prediction")                                                                         \
    SL_PREDICTION(SAMPLE, "sample")
typedef enum sl_prediction_type {
#define SL_PREDICTION(name, text) SL_PREDICTION_##name,
    SL_PREDICTION_TABLE
#undef SL_PREDICTION
        SL_PREDICTION_COUNT
} sl_prediction_type;

/* How N of the training timesteps are chosen (Lin et al. 2023, table 2). */
#define SL_SPACING_TABLE                                                                                     \
    SL_SPACING(LEADING, "leading")                                                                           \
    SL_SPACING(LINSPACE, "linspace")                                                                         \
    SL_SPACING(TRAILING, "trailing")
typedef enum sl_spacing {
#define SL_SPACING(name, text) SL_SPACING_##name,
    SL_SPACING_TABLE
#undef SL_SPACING
        SL_SPACING_COUNT
} sl_spacing;

typedef struct sl_sampler sl_sampler;

enum { SL_SAMPLER_NAME_BYTES = 32 };

/* What scheduler_config.json says, and `eta`, which is the caller's. */
typedef struct sl_sampler_settings {
    const sl_sampler *sampler;
    sl_noise_schedule_settings schedule;
    sl_prediction_type prediction;
    sl_spacing spacing;
    int64_t steps_offset;
    bool set_alpha_to_one; /* the step below timestep 0 has no noise at all; else that of timestep 0 */
    bool clip_sample;      /* predicted images are clipped (DDIM) */
    double clip_range;
    bool karras;            /* noise levels of Karras et al. 2022 (Euler, DPM++) */
    bool last_sigma_is_min; /* the last noise level is the schedule's lowest, not 0 */
    int64_t solver_order;   /* DPM++: 1 or 2 */
    bool stochastic_solver; /* DPM++: the SDE form */
    bool heun_solver;       /* DPM++: "heun" instead of "midpoint" */
    bool lower_order_final, euler_at_final;
    double eta; /* DDIM: 0 deterministic .. 1 as noisy as DDPM */
} sl_sampler_settings;

enum { SL_LIMIT_SAMPLING_STEPS = 10000 };

/* "pndm", "ddim", "euler", "euler_a", "dpmpp_2m"; with "_karras" behind the last two of that kind, NULL is
 * returned here: see sl_sampler_settings_use. */
const sl_sampler *sl_sampler_find(const char *name);
const char *sl_sampler_name(const sl_sampler *sampler);
/* What sl_sampler_settings_use takes for it: "euler_karras" where its sigmas are spaced so. */
void sl_sampler_settings_name(const sl_sampler_settings *settings, char out[SL_SAMPLER_NAME_BYTES]);
bool sl_sampler_takes_eta(const sl_sampler *sampler); /* settings' eta means something to it */
extern const char sl_sampler_choices[]; /* "pndm|ddim|...", all names that sl_sampler_settings_use takes */

/* The defaults of the sampler's class in diffusers. */
sl_sampler_settings sl_sampler_settings_default(const sl_sampler *sampler);

/* From a scheduler_config.json (or the folder that holds one). Keys that are absent take the defaults of
 * `sampler`; NULL: the file's own class. SL_UNSUPPORTED names a class or setting that is not here. */
sl_status sl_sampler_settings_read(const char *path, const sl_sampler *sampler, sl_sampler_settings *out);
sl_status sl_sampler_settings_from_json(const json_t *config, const sl_sampler *sampler,
                                        sl_sampler_settings *out);

/* As `Class.from_config(other)` in diffusers: reads the file for the sampler of that name ("dpmpp_2m_karras"
 * too), or for its own class where name is NULL. */
sl_status sl_sampler_settings_use(const char *path, const char *name, sl_sampler_settings *out);

/* A scheduler_config.json that diffusers loads (new reference; NULL when out of memory). */
json_t *sl_sampler_settings_to_json(const sl_sampler_settings *settings);

/* What a step's sums are made of. Arrays that are kept between steps are slots, which start with no contents:
 * no sum takes a slot before it is written. */
enum { SL_SAMPLING_SLOTS = 3 };
typedef enum sl_sampling_term {
    SL_TERM_SAMPLE, /* before the step */
    SL_TERM_OUTPUT, /* the model's */
    SL_TERM_NOISE,  /* fresh, standard normal */
    SL_TERM_SLOT,
    SL_TERM_PREDICTION = SL_TERM_SLOT + SL_SAMPLING_SLOTS, /* SL_SUM_PREDICTION, which is no array */
    SL_TERMS
} sl_sampling_term;

/* The sums, of the sample and the slots as they were before the step; a slot's takes no later slot, so that
 * slots can be written from the last to the first. */
typedef enum sl_sampling_sum {
    SL_SUM_INPUT,      /* what the model sees, of the sample alone */
    SL_SUM_PREDICTION, /* what the output says of the image, or of the noise */
    SL_SUM_SAMPLE,     /* after the step */
    SL_SUM_SLOT,
    SL_SUMS = SL_SUM_SLOT + SL_SAMPLING_SLOTS
} sl_sampling_sum;

typedef struct sl_sampling_weights {
    double of[SL_SUMS][SL_TERMS];
} sl_sampling_weights;

/* One run of a sampler over arrays of `count` elements; 0: its numbers alone are wanted. */
typedef struct sl_sampling sl_sampling;

/* SL_INVALID where `steps` does not suit the schedule, SL_UNSUPPORTED where the rule is not defined at one of
 * its timesteps. */
sl_status sl_sampling_new(const sl_sampler_settings *settings, int steps, size_t count, sl_sampling **out);
void sl_sampling_free(sl_sampling *sampling); /* NULL is fine */

int sl_sampling_calls(const sl_sampling *sampling);                 /* of the model; PNDM: steps + 1 */
double sl_sampling_timestep(const sl_sampling *sampling, int call); /* fractional for Euler */
const double *sl_sampling_sigmas(const sl_sampling *sampling, int *out_count); /* NULL: has none */
double sl_sampling_initial_scale(const sl_sampling *sampling);                 /* of the first noise */
bool sl_sampling_wants_noise(const sl_sampling *sampling); /* in every step, the last included */
void sl_sampling_weigh(const sl_sampling *sampling, int call, sl_sampling_weights *out);

/* How many times as much noise a step needs in a direction in which images are normal with `variance`, that
 * of the noise being 1, for its outcome to be as spread as it should: what the prediction leaves open has to
 * be drawn too (Bao et al. 2022, Analytic-DPM, theorem 1, for one direction). Most where steps are few and
 * images vary much, and however small eta is as long as there is noise to widen. Guidance and clipping of the
 * prediction are not allowed for. 1 where sl_sampler_widens is false, and in a step that puts no noise back.
 */
bool sl_sampler_widens(const sl_sampler_settings *settings); /* DDIM with eta above 0 */
double sl_sampling_widening(const sl_sampling *sampling, int call, double variance);

/* What the settings ask for in every step alike. */
typedef struct sl_sampling_form {
    int slots;
    bool wants_noise;
    bool rounds;       /* the prediction, to float */
    double clip_range; /* of the prediction; 0: it is not clipped */
} sl_sampling_form;
sl_sampling_form sl_sampling_form_of(const sl_sampler_settings *settings);

/* What the model sees: the sample, scaled where the sampler works in noise levels. input may be sample. */
void sl_sampling_input(const sl_sampling *sampling, int call, const float *sample, float *input);

/* The sample before the next call, in place. Calls go 0, 1, 2, ...; `noise` (standard normal) may be NULL
 * where none is wanted. */
void sl_sampling_step(sl_sampling *sampling, int call, const float *output, const float *noise,
                      float *sample);

#endif
