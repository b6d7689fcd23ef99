/* The scattering simulator: images with everything known about them.
 *
 * To use it from another program include this header alone and link scatterloop-core
 * (examples/simulate_one.c):
 *
 *     sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
 *     sl_sim_sample sample = {0};
 *     options.measure = true;
 *     if (sl_sim_sample_make(seed, index, &options, &sample)) puts(sl_error_message());
 *     ... sample.measured.value[row * sample.size_px + column], sl_sim_sample_truth(&sample) ...
 *     sl_sim_sample_free(&sample);
 *
 * A sample is a pure function of (SL_SIM_VERSION, seed, index, options): the same bytes for any number of
 * threads, order of work or shard. Two stages, apart on purpose: the expectation (noise-free, gap-free mean
 * counts, which the base model learns), then the measurement by xray/instrument/detector_chain.h. */
#ifndef SL_XRAY_SIMULATE_H
#define SL_XRAY_SIMULATE_H

#include "image/image.h"
#include "xray/artefact.h"
#include "xray/instrument/detector_chain.h"
#include "xray/instrument/geometry.h"
#include "xray/sim_parameter.h"
#include "xray/technique.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Raised whenever the same (seed, index) gives another image. */
enum { SL_SIM_VERSION = 3 };

typedef enum sl_sim_attribute {
#define SL_SIM_ATTRIBUTE(name, id) SL_SIM_ATTRIBUTE_##name,
#include "xray/sim_attribute.def"
#undef SL_SIM_ATTRIBUTE
    SL_SIM_ATTRIBUTE_COUNT
} sl_sim_attribute;

/* So many rings and arcs captions call few, or several; more are many. */
enum { SL_SIM_RINGS_FEW_MOST = 3, SL_SIM_RINGS_SEVERAL_MOST = 6 };

/* Where the sharpest ring or arc is under so many pixels of 256 wide, captions call them sharp, else broad.
 */
enum { SL_SIM_RING_SHARP_BELOW_PX = 5 };

const char *sl_sim_class_id(sl_sim_class class_id);             /* "saxs-form" */
sl_status sl_sim_class_find(const char *id, sl_sim_class *out); /* SL_NOT_FOUND lists them; "any" is one */
/* How often the class is seen with the technique, in % of the default mix; 0: never. */
double sl_sim_class_share(sl_sim_class class_id, sl_technique technique);
const char *sl_sim_attribute_id(sl_sim_attribute attribute); /* "rings" */

/* Which instruments and samples: the held-out set shares none of its detectors, lattices and materials with
 * the base set, so it can stand in for measured data the base model has never seen. */
typedef enum sl_sim_domain { SL_SIM_DOMAIN_BASE, SL_SIM_DOMAIN_HELD_OUT } sl_sim_domain;

typedef struct sl_sim_options {
    int32_t size_px;       /* side of the square image, 32 to 4096; 0: 256 */
    sl_sim_class class_id; /* SL_SIM_CLASS_ANY: by the mix */
    sl_sim_domain domain;
    bool measure;                      /* also run the detector chain */
    const sl_sim_overrides *overrides; /* instrument and parameters that are given; NULL: none; borrowed */
} sl_sim_options;
#define SL_SIM_OPTIONS_DEFAULT ((sl_sim_options){.size_px = 256, .class_id = SL_SIM_CLASS_ANY})

/* Something to be seen, with its place. Rings: q and mean radius; others: (row, column) of their middle. */
typedef enum sl_feature_kind {
    SL_FEATURE_RING,
    SL_FEATURE_ARC,
    SL_FEATURE_HALO,
    SL_FEATURE_SPOT,
    SL_FEATURE_ROD,
    SL_FEATURE_YONEDA,
    SL_FEATURE_SPECULAR,
    SL_FEATURE_HORIZON,
    SL_FEATURE_STREAK,
    SL_FEATURE_KIND_COUNT
} sl_feature_kind;

typedef struct sl_feature {
    sl_feature_kind kind;
    double q_per_ang, chi_rad; /* chi: azimuth of the strongest part of an arc */
    double row_px, column_px;
    double radius_px; /* rings and arcs: mean distance from the beam; 0 otherwise */
    double width_px;  /* full width at half maximum across */
    double contrast;  /* rise over the neighbourhood in the log map's units */
    double z;         /* rise over its counting noise */
    bool visible;     /* at least 3 sigma and 5 grey levels of 255 */
} sl_feature;

enum { SL_SIM_FEATURES_MAX = 96, SL_SIM_CAPTION_BYTES = 384 };

typedef struct sl_sim_sample {
    uint64_t seed;
    uint32_t index;
    int32_t size_px;
    sl_sim_class class_id;
    sl_technique technique;
    float *mean_counts; /* [size, size] the expectation, no gaps, no beamstop, no noise */
    float *log_map;     /* [size, size] in [0, 1]: xray/log_map.h */
    double level_counts;
    float attribute[SL_SIM_ATTRIBUTE_COUNT];
    char caption[SL_SIM_CAPTION_BYTES];
    const char *thing; /* what it is where captions have a word for it: "hexagonal"; NULL: they have none */
    sl_geometry geometry; /* of the image's pixels */
    bool is_grazing;
    sl_grazing grazing; /* where is_grazing */
    double beam_row_px, beam_column_px;
    int feature_count;
    sl_feature feature[SL_SIM_FEATURES_MAX];
    sl_measurement measurement;        /* how it was, or would be, measured */
    sl_image measured;                 /* counts and mask; value is NULL unless options.measure */
    json_t *parameters;                /* every drawn parameter; owned */
    const sl_sim_overrides *overrides; /* those of the options; borrowed */
    int artefact_count;                /* 0: as nature made it */
    sl_artefact artefact[SL_ARTEFACTS_MAX];
} sl_sim_sample;

/* SL_INVALID where the size is impossible or the class is not for the instrument. */
sl_status sl_sim_options_check(const sl_sim_options *options);

/* How many rings and arcs can be seen; *width_px: of the sharpest, in pixels of an image of 256, INFINITY
 * without any. Captions say of these whether they are few (0), several (1) or many (2). */
int sl_sim_rings(const sl_sim_sample *sample, double *width_px);
int sl_sim_rings_called(int rings);

/* *sample must be zeroed or hold an earlier sample, whose memory is used again; sl_sim_sample_free at the
 * end. */
sl_status sl_sim_sample_make(uint64_t seed, uint32_t index, const sl_sim_options *options,
                             sl_sim_sample *sample);
void sl_sim_sample_free(sl_sim_sample *sample);

/* The measured counts as people show them: rgb[size_px, size_px, 3] in one of the colour maps, by the log
 * map; gaps and dead pixels in one colour of their own; in half of them, colours halved in resolution as JPEG
 * does. The same bytes for the same sample. Needs options.measure. */
void sl_sim_picture(const sl_sim_sample *sample, uint8_t *rgb);

/* Everything known about the sample, as written beside its image. New reference. NULL when out of memory. */
json_t *sl_sim_sample_truth(const sl_sim_sample *sample);

#endif
