#include "xray/simulate.h"

#include "xray/log_map.h"
#include "xray/sim/scene.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *id;
    sl_technique technique;
    double share;
} classes[SL_SIM_CLASS_COUNT] = {
#define SL_SIM_CLASS(name, id, technique, share) [SL_SIM_##name] = {id, SL_TECHNIQUE_##technique, share},
#include "xray/sim_class.def"
#undef SL_SIM_CLASS
};

typedef sl_status (*draw_function)(sl_scene *scene);
static const draw_function draws[SL_SIM_CLASS_COUNT] = {
    [SL_SIM_SAXS_FORM] = scene_draw_form,
    [SL_SIM_SAXS_LATTICE] = scene_draw_lattice,
    [SL_SIM_SAXS_ORIENTED] = scene_draw_oriented,
    [SL_SIM_WAXS_POWDER] = scene_draw_powder,
    [SL_SIM_WAXS_TEXTURED] = scene_draw_fibre,
    [SL_SIM_GISAXS_PARTICLES] = scene_draw_particles,
    [SL_SIM_GISAXS_LATTICE] = scene_draw_film_lattice,
    [SL_SIM_GIWAXS] = scene_draw_film_crystals,
    [SL_SIM_SPOTS] = scene_draw_crystal,
    [SL_SIM_EMPTY] = scene_draw_empty,
};

const char *sl_sim_class_id(sl_sim_class class_id) {
    return class_id >= 0 && class_id < SL_SIM_CLASS_COUNT ? classes[class_id].id : "any";
}

sl_status sl_sim_class_find(const char *id, sl_sim_class *out) {
    for (int i = 0; i < SL_SIM_CLASS_COUNT; i++)
        if (strcmp(classes[i].id, id) == 0) {
            *out = (sl_sim_class)i;
            return SL_OK;
        }
    if (strcmp(id, "any") == 0) {
        *out = SL_SIM_CLASS_ANY;
        return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "no class '%s', expected any"
#define SL_SIM_CLASS(name, class_id, technique, share) ", " class_id
#include "xray/sim_class.def"
#undef SL_SIM_CLASS
                   ,
                   id);
}

const char *sl_sim_attribute_id(sl_sim_attribute attribute) {
    static const char *const ids[] = {
#define SL_SIM_ATTRIBUTE(name, id) id,
#include "xray/sim_attribute.def"
#undef SL_SIM_ATTRIBUTE
    };
    return attribute < SL_SIM_ATTRIBUTE_COUNT ? ids[attribute] : "?";
}

/* How often a class is seen with the other one of SAXS and WAXS. */
static const double other_share[SL_SIM_CLASS_COUNT] = {[SL_SIM_EMPTY] = 0.4, [SL_SIM_SPOTS] = 0.25};

static sl_technique other_of(sl_technique technique) {
    return technique == SL_TECHNIQUE_SAXS ? SL_TECHNIQUE_WAXS : SL_TECHNIQUE_SAXS;
}

double sl_sim_class_share(sl_sim_class class_id, sl_technique technique) {
    sl_technique own = classes[class_id].technique;
    double other = other_share[class_id];
    if (own == technique) return classes[class_id].share * (1 - other);
    return other > 0 && other_of(own) == technique ? classes[class_id].share * other : 0;
}

/* The techniques a class may be seen with, as bits. */
static uint32_t techniques_of(int class_id) {
    sl_technique own = classes[class_id].technique;
    return 1u << own | (other_share[class_id] > 0 ? 1u << other_of(own) : 0);
}

static bool fits(const sl_sim_options *options, int class_id) {
    const sl_sim_overrides *o = options->overrides;
    return !o || !o->instrument || o->instrument->techniques & techniques_of(class_id);
}

static sl_sim_class draw_class(const sl_sim_options *options, sl_random *random) {
    double all = 0, at;
    int last = SL_SIM_EMPTY;
    for (int i = 0; i < SL_SIM_CLASS_COUNT; i++)
        if (fits(options, i)) all += classes[i].share;
    at = sl_random_range(random, 0, all);
    for (int i = 0; i < SL_SIM_CLASS_COUNT; i++) {
        if (!fits(options, i)) continue;
        at -= classes[i].share;
        last = i;
        if (at < 0) break;
    }
    return (sl_sim_class)last;
}

sl_status sl_sim_options_check(const sl_sim_options *options) {
    int32_t size = options->size_px ? options->size_px : 256;
    if (size < 32 || size > 4096)
        return sl_fail(SL_INVALID, "simulated image of %d pixels a side, expected 32 to 4096", size);
    if (options->class_id == SL_SIM_CLASS_ANY || fits(options, (int)options->class_id)) return SL_OK;
    return sl_fail(SL_INVALID, "class '%s' cannot be measured with instrument '%s' (%s)",
                   sl_sim_class_id(options->class_id), options->overrides->instrument->id,
                   options->overrides->instrument->words);
}

/* What the class is seen with here: the empty frame is as often a wide-angle one. */
static sl_technique draw_technique(sl_scene *scene, const sl_sim_options *options) {
    sl_technique technique = classes[scene->class_id].technique;
    if (other_share[scene->class_id] > 0 && scene_chance(scene, other_share[scene->class_id]))
        technique = other_of(technique);
    const sl_instrument *instrument = options->overrides ? options->overrides->instrument : NULL;
    if (!instrument || instrument->techniques >> technique & 1) return technique;
    return other_of(technique);
}

static sl_status make_room(sl_sim_sample *sample, int32_t size) {
    size_t pixels = (size_t)size * (size_t)size;
    sl_image_free(&sample->measured);
    json_decref(sample->parameters);
    sample->parameters = json_object();
    if (!sample->parameters) return sl_fail(SL_MEMORY, "parameters of a simulated image");
    if (sample->size_px == size && sample->mean_counts) return SL_OK;
    sl_free(sample->mean_counts);
    sl_free(sample->log_map);
    sample->mean_counts = sample->log_map = NULL;
    SL_TRY(sl_alloc(&sample->mean_counts, pixels, sizeof(float)));
    return sl_alloc(&sample->log_map, pixels, sizeof(float));
}

/* One attempt: draw, render, look. *good tells whether the image shows what its class promises. */
static sl_status attempt(sl_scene *scene, const sl_sim_options *options, sl_sim_sample *sample, bool *good) {
    json_object_clear(sample->parameters);
    scene->parameters = sample->parameters;
    if (options->overrides) scene->given = options->overrides->of[scene->class_id];
    scene->technique = draw_technique(scene, options);
    scene->is_grazing = sl_technique_is_grazing(scene->technique);
    scene_draw_instrument(scene, &sample->measurement);
    scene_draw_parasitic(scene);
    SL_TRY(draws[scene->class_id](scene));
    SL_TRY(scene_render(scene, sample->mean_counts));
    size_t pixels = (size_t)scene->size_px * (size_t)scene->size_px;
    SL_TRY(sl_log_map_level(sample->mean_counts, pixels, &sample->level_counts));
    sl_log_map_encode(sample->mean_counts, pixels, sample->level_counts, sample->log_map);
    sample->class_id = scene->class_id;
    sample->geometry = scene->geometry;
    sample->technique = scene->technique;
    sample->is_grazing = scene->is_grazing;
    sample->grazing = scene->grazing;
    sample->beam_row_px = scene->beam_row_px;
    sample->beam_column_px = scene->beam_column_px;
    sample->feature_count = scene_find_features(scene, sample->mean_counts, sample->log_map, sample->feature);
    sample->thing = scene->tag;
    *good = scene_describe(scene, sample);
    return SL_OK;
}

enum { ATTEMPTS = 24 };

static sl_status make(uint64_t seed, uint32_t index, const sl_sim_options *options, sl_scene *scene,
                      sl_sim_sample *sample) {
    sl_random random = sl_random_stream(seed, SL_STREAM_SIMULATE, index);
    sl_sim_class class_id = draw_class(options, &random);
    if (options->class_id != SL_SIM_CLASS_ANY) class_id = options->class_id;
    bool good = false;
    for (int k = 0; k < ATTEMPTS && !good; k++) {
        sl_arena *arena;
        memset(scene, 0, sizeof *scene);
        SL_TRY(sl_arena_new(&arena));
        scene->arena = arena;
        scene->random = random;
        scene->random.counter = (uint64_t)(k + 1) << 40;
        scene->random.left = 0;
        scene->class_id = class_id;
        scene->domain = options->domain;
        scene->size_px = options->size_px ? options->size_px : 256;
        sl_status status = attempt(scene, options, sample, &good);
        sl_arena_free(arena);
        SL_TRY(status);
    }
    if (!good)
        return sl_fail(options->overrides ? SL_INVALID : SL_INTERNAL,
                       "image %u of seed %llu (%s): nothing to be seen in %d attempts%s", index,
                       (unsigned long long)seed, sl_sim_class_id(class_id), ATTEMPTS,
                       options->overrides ? " with the parameters or the instrument given" : "");
    if (!options->measure) return SL_OK;
    return sl_detector_measure(sample->mean_counts, sample->size_px, sample->size_px, &sample->measurement,
                               seed, index, &sample->measured);
}

sl_status sl_sim_sample_make(uint64_t seed, uint32_t index, const sl_sim_options *options,
                             sl_sim_sample *sample) {
    int32_t size = options->size_px ? options->size_px : 256;
    SL_TRY(sl_sim_options_check(options));
    SL_TRY(make_room(sample, size));
    sample->size_px = size;
    sample->seed = seed;
    sample->index = index;
    sample->overrides = options->overrides;
    sample->artefact_count = 0;
    sl_scene *scene;
    SL_TRY(sl_alloc(&scene, 1, sizeof *scene));
    sl_status status = make(seed, index, options, scene, sample);
    sl_free(scene);
    return status;
}

void sl_sim_sample_free(sl_sim_sample *sample) {
    sl_free(sample->mean_counts);
    sl_free(sample->log_map);
    sl_image_free(&sample->measured);
    json_decref(sample->parameters);
    *sample = (sl_sim_sample){0};
}
