#include "loop/generate/usual_sketch.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "loop/simulate/sketch_of_sample.h"
#include "xray/simulate.h"

#include <stdio.h>
#include <string.h>

/* A simulated image takes some four milliseconds, at grazing incidence fourteen, and captions that say much
 * are true of one in a hundred. */
enum { TRIES = 400, TRIES_GRAZING = 160 };

/* Of the images that are simulated, whatever the size of the one that is sketched. */
enum { SIDE_PX = 256 };

/* What a caption claims that marks depend on. */
typedef struct claims {
    sl_technique technique;
    uint32_t words; /* of shown[], as bits */
    int rings;      /* 0: few, 1: several, 2: many; -1: it does not say */
    int sharp;      /* 1, or 0: broad; -1: it does not say */
    bool spotty, aperture;
    const char *thing; /* what it is, of `bytes`; NULL: it does not say */
    size_t bytes;
} claims;

/* What captions show: first what marks are of, then what shows or hides them, then the rest. */
static const char *const shown[] = {"rings",   "arcs",   "peaks",    "spots",
                                    "halo",    "rods",   "fringes",  "background only",
                                    "streaks", "Yoneda", "specular", "diffuse"};
enum { ARCS = 1, PEAKS = 2, SHOWN = sizeof shown / sizeof *shown };
static const uint32_t marked = (1u << 4) - 1, telling = (1u << 8) - 1;

/* Of arcs in small-angle images captions say either word. */
static uint32_t words_of(sl_technique technique, const char *text, size_t bytes) {
    char part[SL_SIM_CAPTION_BYTES];
    uint32_t words = 0;
    snprintf(part, sizeof part, "%.*s", (int)bytes, text);
    for (int i = 0; i < SHOWN; i++)
        if (strstr(part, shown[i])) words |= 1u << i;
    if (technique == SL_TECHNIQUE_SAXS && words & 1u << PEAKS) words = (words & ~(1u << PEAKS)) | 1u << ARCS;
    return words;
}

static bool is(const char *text, size_t bytes, const char *word) {
    return strlen(word) == bytes && strncmp(text, word, bytes) == 0;
}

static bool begins(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

/* What stands behind a semicolon. */
static void read_tag(const char *text, size_t bytes, claims *c) {
    static const char *const rings[] = {"few rings", "several rings", "many rings"};
    for (int i = 0; i < 3; i++)
        if (is(text, bytes, rings[i])) {
            c->rings = i;
            return;
        }
    if (is(text, bytes, "sharp") || is(text, bytes, "broad"))
        c->sharp = text[0] == 's';
    else if (is(text, bytes, "spotty"))
        c->spotty = true;
    else if (is(text, bytes, "round aperture"))
        c->aperture = true;
    else if (bytes && !begins(text, "beam ") && !begins(text, "noise "))
        c->thing = text, c->bytes = bytes;
}

static claims claims_of(const char *caption) {
    claims c = {.technique = sl_technique_of_caption(caption), .rings = -1, .sharp = -1};
    const char *end = strchr(caption, ';');
    size_t head = end ? (size_t)(end - caption) : strlen(caption);
    c.words = words_of(c.technique, caption, head);
    while (end) {
        const char *text = end + 1 + strspn(end + 1, " ");
        end = strchr(text, ';');
        read_tag(text, end ? (size_t)(end - text) : strlen(text), &c);
    }
    return c;
}

static bool is_true_of(const claims *c, const sl_sim_sample *sample) {
    double width;
    int rings = sl_sim_rings(sample, &width);
    const char *tags = strchr(sample->caption, ';');
    size_t head = tags ? (size_t)(tags - sample->caption) : strlen(sample->caption);
    if (sample->technique != c->technique) return false;
    if (c->words && (words_of(c->technique, sample->caption, head) ^ c->words) & telling) return false;
    if (c->rings >= 0 && (rings == 0 || sl_sim_rings_called(rings) != c->rings)) return false;
    if (c->sharp >= 0 && (width < SL_SIM_RING_SHARP_BELOW_PX) != c->sharp) return false;
    if (c->spotty && !(sample->attribute[SL_SIM_ATTRIBUTE_SPOTTY] > 0)) return false;
    if (c->aperture && !(sample->attribute[SL_SIM_ATTRIBUTE_APERTURE] > 0)) return false;
    return !c->thing || (sample->thing && is(c->thing, c->bytes, sample->thing));
}

/* Shares of the classes that the technique is seen with, as the simulator mixes them. */
typedef struct mix {
    double share[SL_SIM_CLASS_COUNT], all;
} mix;

static mix mix_of(sl_technique technique) {
    mix m = {{0}, 0};
    for (int i = 0; i < SL_SIM_CLASS_COUNT; i++)
        m.all += m.share[i] = sl_sim_class_share((sl_sim_class)i, technique);
    return m;
}

static sl_sim_class class_of(const mix *m, sl_random *random) {
    double at = sl_random_range(random, 0, m->all);
    int last = 0;
    for (int i = 0; i < SL_SIM_CLASS_COUNT; i++) {
        if (m->share[i] == 0) continue;
        last = i;
        at -= m->share[i];
        if (at < 0) break;
    }
    return (sl_sim_class)last;
}

static sl_status give_beam(const sl_direct_beam *beam, int32_t size_px, sl_sim_overrides *overrides) {
    const sl_sim_parameter parameter[2] = {SL_PARAMETER_BEAM_ROW, SL_PARAMETER_BEAM_COLUMN};
    const double place[2] = {beam->row_px / size_px, beam->column_px / size_px};
    for (int i = 0; i < 2; i++) {
        char text[32];
        const char *const value[1] = {text};
        snprintf(text, sizeof text, "%.17g", place[i]);
        SL_TRY(sl_sim_overrides_set(overrides, SL_SIM_CLASS_ANY, parameter[i], value, 1));
    }
    return SL_OK;
}

/* The marks of an image SIDE_PX wide in one `scale` times as wide. */
static void take(const sl_sim_sample *sample, double scale, sl_sketch *out) {
    sl_sketch marks;
    sl_sketch_of_sample(sample, &marks);
    *out = (sl_sketch){.known = true};
    for (int i = 0; i < marks.count; i++) {
        sl_sketch_mark m = marks.mark[i];
        m.row_px *= (float)scale, m.column_px *= (float)scale;
        m.radius_px *= (float)scale, m.width_px *= (float)scale;
        sl_sketch_add(out, &m);
    }
}

static sl_status search(const claims *c, const sl_sim_options *shared, double scale, uint64_t seed,
                        sl_sketch *out) {
    const mix m = mix_of(c->technique);
    sl_sim_options options = *shared;
    sl_random random = sl_random_stream(seed, SL_STREAM_SKETCH, 0);
    sl_sim_sample sample = {0};
    sl_status status = SL_OK;
    uint32_t tries = sl_technique_is_grazing(c->technique) ? TRIES_GRAZING : TRIES;
    for (uint32_t i = 0; i < tries && !out->known; i++) {
        options.class_id = class_of(&m, &random);
        status = sl_sim_sample_make(seed, i, &options, &sample);
        if (status == SL_MEMORY) break;
        /* a class may have nothing to show with its beam there */
        if (status == SL_OK && is_true_of(c, &sample)) take(&sample, scale, out);
        if (status != SL_OK) sl_error_clear();
        status = SL_OK;
    }
    sl_sim_sample_free(&sample);
    return status;
}

sl_status sl_usual_sketch_draw(const char *caption, const sl_direct_beam *beam, int32_t size_px,
                               uint64_t seed, sl_sketch *out) {
    const claims c = claims_of(caption);
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_sim_overrides *overrides;
    *out = (sl_sketch){0};
    if (c.technique == SL_TECHNIQUE_UNKNOWN || !beam->known) return SL_OK;
    if (!c.words && c.rings < 0) return SL_OK;
    /* captions name what is to be seen */
    out->known = c.words && !(c.words & marked) && c.rings < 0;
    if (out->known) return SL_OK;
    SL_TRY(sl_alloc(&overrides, 1, sizeof *overrides));
    options.size_px = SIDE_PX;
    options.overrides = overrides;
    sl_status status = give_beam(beam, size_px, overrides);
    if (status == SL_OK)
        status = search(&c, &options, (double)size_px / SIDE_PX, seed, out);
    else if (status == SL_INVALID) /* farther outside than instruments have it */
        sl_error_clear(), status = SL_OK;
    sl_sim_overrides_free(overrides);
    sl_free(overrides);
    return status;
}
