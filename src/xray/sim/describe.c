/* Captions in the words of people who label such images, and the same as numbers. */
#include "xray/sim/scene.h"
#include "xray/instrument/usual_beamstop.h"
#include "xray/instrument/usual_measurement.h"

#include "base/text.h"
#include "xray/log_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int visible(const sl_sim_sample *sample, sl_feature_kind kind) {
    int count = 0;
    for (int i = 0; i < sample->feature_count; i++)
        count += sample->feature[i].kind == kind && sample->feature[i].visible;
    return count;
}

int sl_sim_rings(const sl_sim_sample *sample, double *width_px) {
    int count = 0;
    *width_px = INFINITY;
    for (int i = 0; i < sample->feature_count; i++) {
        const sl_feature *f = &sample->feature[i];
        if (!f->visible || (f->kind != SL_FEATURE_RING && f->kind != SL_FEATURE_ARC)) continue;
        *width_px = fmin(*width_px, f->width_px * 256 / sample->size_px);
        count++;
    }
    return count;
}

int sl_sim_rings_called(int rings) {
    return rings <= SL_SIM_RINGS_FEW_MOST ? 0 : rings <= SL_SIM_RINGS_SEVERAL_MOST ? 1 : 2;
}

/* Mean of the log map over rings of pixels about the beam; returns how many radii have pixels. */
enum { PROFILE = 512 };
static void radial_profile(const sl_sim_sample *sample, double *mean, double *pixels) {
    memset(mean, 0, PROFILE * sizeof *mean);
    memset(pixels, 0, PROFILE * sizeof *pixels);
    double step = 2.0 * sample->size_px / PROFILE;
    for (int32_t i = 0; i < sample->size_px; i += 2)
        for (int32_t j = 0; j < sample->size_px; j += 2) {
            double y = i + 0.5 - sample->beam_row_px, x = j + 0.5 - sample->beam_column_px;
            int r = (int)(sqrt(y * y + x * x) / step);
            if (r >= PROFILE) continue;
            mean[r] += (double)sample->log_map[(int64_t)i * sample->size_px + j];
            pixels[r]++;
        }
    for (int r = 0; r < PROFILE; r++) mean[r] = pixels[r] > 0 ? mean[r] / pixels[r] : NAN;
}

/* Largest rise after a minimum, and the fall from the beam outwards. */
static void profile_shape(const sl_sim_sample *sample, double *rise, double *fall) {
    double mean[PROFILE], pixels[PROFILE], low = 2, high = -1, last = NAN;
    radial_profile(sample, mean, pixels);
    *rise = 0;
    for (int r = 0; r < PROFILE; r++) {
        if (isnan(mean[r]) || pixels[r] < 8) continue;
        high = fmax(high, mean[r]);
        low = fmin(low, mean[r]);
        *rise = fmax(*rise, mean[r] - low);
        last = mean[r];
    }
    *fall = isnan(last) ? 0 : high - last;
}

typedef struct words {
    const char *word[8];
    int count;
} words;

static void say(words *w, const char *word) {
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->word[i], word) == 0) return;
    if (w->count < 8) w->word[w->count++] = word;
}

static void say_transmission(sl_scene *scene, sl_sim_sample *sample, words *w) {
    int spots = visible(sample, SL_FEATURE_SPOT), arcs = visible(sample, SL_FEATURE_ARC);
    double rise, fall;
    profile_shape(sample, &rise, &fall);
    if (spots >= 4) say(w, "spots");
    if (visible(sample, SL_FEATURE_RING)) say(w, "rings");
    if (arcs) say(w, scene->class_id == SL_SIM_SAXS_ORIENTED && scene_chance(scene, 0.5) ? "peaks" : "arcs");
    if (visible(sample, SL_FEATURE_HALO)) say(w, "a halo");
    if (scene->class_id == SL_SIM_SAXS_FORM && scene->fringe_contrast > 0.02 && rise > 5.0 / 255 &&
        scene->halo_count == 0)
        say(w, "fringes");
    if (visible(sample, SL_FEATURE_STREAK) && scene_chance(scene, 0.6)) say(w, "streaks");
    bool diffuse = scene->class_id == SL_SIM_SAXS_FORM || scene->class_id == SL_SIM_SAXS_ORIENTED;
    if (diffuse && fall > 0.15 && (w->count == 0 || scene_chance(scene, 0.4))) say(w, "diffuse scattering");
    if (scene->class_id == SL_SIM_EMPTY) w->count = 0, say(w, "background only");
}

static void say_grazing(sl_scene *scene, sl_sim_sample *sample, words *w) {
    int rods = visible(sample, SL_FEATURE_ROD);
    bool bragg = false;
    for (int i = 0; i < scene->rod_count; i++) bragg |= scene->rod[i].has_peaks;
    if (visible(sample, SL_FEATURE_SPOT) >= 2) say(w, "peaks");
    if (rods) say(w, bragg || scene->rod_count == 0 || scene_chance(scene, 0.5) ? "peaks" : "rods");
    if (visible(sample, SL_FEATURE_ARC))
        say(w, scene->technique == SL_TECHNIQUE_GISAXS && scene_chance(scene, 0.4) ? "peaks" : "arcs");
    if (visible(sample, SL_FEATURE_RING)) say(w, "rings");
    if (visible(sample, SL_FEATURE_HALO)) say(w, "a halo");
    bool yoneda = visible(sample, SL_FEATURE_YONEDA), specular = visible(sample, SL_FEATURE_SPECULAR);
    if (specular && (w->count == 0 || scene_chance(scene, 0.25))) say(w, "a specular rod");
    if (yoneda && (w->count <= 1 || scene_chance(scene, 0.25))) say(w, "a Yoneda band");
    if (w->count == 0 && scene->grid) say(w, "diffuse scattering");
}

static const char *place_word(const sl_sim_sample *sample) {
    double y = sample->beam_row_px / sample->size_px, x = sample->beam_column_px / sample->size_px;
    int row = y < 0.34 ? 0 : y > 0.66 ? 2 : 1, column = x < 0.34 ? 0 : x > 0.66 ? 2 : 1;
    static const char *const places[3][3] = {{"at the top left", "at the top", "at the top right"},
                                             {"at the left", "in the center", "at the right"},
                                             {"at the bottom left", "at the bottom", "at the bottom right"}};
    return places[row][column];
}

/* Whether the round aperture cuts off some of the frame. */
static bool aperture_shows(const sl_scene *scene) {
    enum { GRID = 32 };
    int outside = 0;
    for (int k = 0; scene->aperture_radius_px > 0 && k < GRID * GRID; k++) {
        double row = (k / GRID + 0.5) * scene->size_px / GRID,
               column = (k % GRID + 0.5) * scene->size_px / GRID;
        outside += hypot(row - scene->aperture_row_px, column - scene->aperture_column_px) >
                   scene->aperture_radius_px;
    }
    return outside > GRID * GRID / 64;
}

static void add_tags(sl_scene *scene, const sl_sim_sample *sample, sl_text *text) {
    /* one share for all tags of an image: short and long captions are both common */
    double share = scene_range(scene, 0, 1);
    bool inside = sample->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0;
    static const char *const numbers[] = {"; few rings", "; several rings", "; many rings"};
    double width;
    int rings = sl_sim_rings(sample, &width);
    if (scene->tag && scene_chance(scene, share)) sl_text_printf(text, "; %s", scene->tag);
    if (rings > 0 && scene_chance(scene, share)) sl_text_add(text, numbers[sl_sim_rings_called(rings)]);
    if (rings > 0 && scene_chance(scene, share))
        sl_text_add(text, width < SL_SIM_RING_SHARP_BELOW_PX ? "; sharp" : "; broad");
    if (scene->spotty && scene_chance(scene, share)) sl_text_add(text, "; spotty");
    if (aperture_shows(scene) && scene_chance(scene, share)) sl_text_add(text, "; round aperture");
    if (scene_chance(scene, share)) {
        if (inside)
            sl_text_printf(text, "; beam %s", place_word(sample));
        else
            sl_text_add(text, "; beam outside");
    }
    if (scene_chance(scene, share)) {
        if (sample->level_counts < SL_USUAL_NOISE_HIGH_BELOW)
            sl_text_add(text, "; noise high");
        else if (sample->level_counts > SL_USUAL_NOISE_LOW_ABOVE)
            sl_text_add(text, "; noise low");
    }
}

static void write_caption(sl_scene *scene, sl_sim_sample *sample, const words *w) {
    sl_text text = SL_TEXT_INIT;
    int count = w->count > 3 ? 3 : w->count;
    sl_text_printf(&text, "%s data showing ", sl_technique_name(scene->technique));
    for (int i = 0; i < count; i++)
        sl_text_printf(&text, "%s%s", i == 0 ? "" : i == count - 1 ? " and " : ", ", w->word[i]);
    const sl_measurement *m = &sample->measurement;
    if (m->beamstop.shape != SL_BEAMSTOP_NONE && sl_usual_beamstop_is_said(&scene->random))
        sl_text_printf(&text, " with a beamstop %s", place_word(sample));
    bool gaps = sample->attribute[SL_SIM_ATTRIBUTE_GAPS] > 0;
    if (scene_chance(scene, 0.35)) {
        const char *name = m->detector->name;
        sl_text_printf(&text, " on a%s %s detector%s", strchr("AEIOU", name[0]) ? "n" : "", name,
                       gaps ? " with gaps" : "");
    }
    add_tags(scene, sample, &text);
    snprintf(sample->caption, sizeof sample->caption, "%s", sl_text_get(&text));
    sl_text_free(&text);
}

static void set_attributes(const sl_scene *scene, sl_sim_sample *sample, const words *w) {
    float *a = sample->attribute;
    memset(a, 0, sizeof sample->attribute);
    static const struct {
        const char *word;
        sl_sim_attribute attribute;
    } said[] = {{"rings", SL_SIM_ATTRIBUTE_RINGS},     {"peaks", SL_SIM_ATTRIBUTE_PEAKS},
                {"arcs", SL_SIM_ATTRIBUTE_ARCS},       {"spots", SL_SIM_ATTRIBUTE_SPOTS},
                {"a halo", SL_SIM_ATTRIBUTE_HALO},     {"fringes", SL_SIM_ATTRIBUTE_FRINGES},
                {"streaks", SL_SIM_ATTRIBUTE_STREAKS}, {"diffuse scattering", SL_SIM_ATTRIBUTE_DIFFUSE}};
    for (int i = 0; i < w->count; i++)
        for (size_t k = 0; k < sizeof said / sizeof said[0]; k++)
            if (strcmp(w->word[i], said[k].word) == 0) a[said[k].attribute] = 1;
    a[SL_SIM_ATTRIBUTE_RODS] = visible(sample, SL_FEATURE_ROD) > 0;
    a[SL_SIM_ATTRIBUTE_YONEDA] = visible(sample, SL_FEATURE_YONEDA) > 0;
    a[SL_SIM_ATTRIBUTE_SPECULAR] = visible(sample, SL_FEATURE_SPECULAR) > 0;
    a[SL_SIM_ATTRIBUTE_HORIZON] = visible(sample, SL_FEATURE_HORIZON) > 0;
    a[SL_SIM_ATTRIBUTE_APERTURE] = aperture_shows(scene);
    a[SL_SIM_ATTRIBUTE_TECHNIQUE_SAXS + (int)scene->technique] = 1;
    a[SL_SIM_ATTRIBUTE_SPOTTY] = scene->spotty;
    a[SL_SIM_ATTRIBUTE_BEAMSTOP] = sample->measurement.beamstop.shape != SL_BEAMSTOP_NONE;
    a[SL_SIM_ATTRIBUTE_GAPS] = sample->measurement.detector->module_rows > 0;
    double y = sample->beam_row_px / sample->size_px, x = sample->beam_column_px / sample->size_px;
    a[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] = x >= 0 && y >= 0 && x < 1 && y < 1;
    a[SL_SIM_ATTRIBUTE_CENTRE_ROW] = (float)fmin(fmax(y, -0.5), 1.5);
    a[SL_SIM_ATTRIBUTE_CENTRE_COLUMN] = (float)fmin(fmax(x, -0.5), 1.5);
    a[SL_SIM_ATTRIBUTE_LEVEL] = (float)(log10(sample->level_counts) / 6);
    int rings = visible(sample, SL_FEATURE_RING) + visible(sample, SL_FEATURE_ARC);
    a[SL_SIM_ATTRIBUTE_RING_COUNT] = (float)(log2(1 + rings) / 4);
    double first = 0;
    for (int i = 0; i < sample->feature_count; i++) {
        const sl_feature *f = &sample->feature[i];
        if (f->visible && (f->kind == SL_FEATURE_RING || f->kind == SL_FEATURE_ARC) &&
            (first == 0 || f->radius_px < first))
            first = f->radius_px;
    }
    a[SL_SIM_ATTRIBUTE_FIRST_RING] = (float)(first / sample->size_px);
}

/* Neither black, nor white, nor flat. */
static bool is_worth_showing(const sl_scene *scene, const sl_sim_sample *sample) {
    double sum = 0, square = 0, high = 0, pixels = (double)sample->size_px * sample->size_px;
    for (int64_t k = 0; k < (int64_t)pixels; k++) {
        double e = (double)sample->log_map[k];
        sum += e, square += e * e, high += e > 0.97;
    }
    double mean = sum / pixels, spread = sqrt(fmax(square / pixels - mean * mean, 0));
    if (scene->class_id == SL_SIM_EMPTY) return mean < 0.9;
    return mean > 0.04 && mean < 0.9 && spread > 0.035 && high < 0.08 * pixels;
}

static bool shows_its_class(const sl_scene *scene, const sl_sim_sample *sample, const words *w) {
    switch (scene->class_id) {
    case SL_SIM_SAXS_LATTICE:
    case SL_SIM_WAXS_POWDER:
        return visible(sample, SL_FEATURE_RING) >= 1;
    case SL_SIM_WAXS_TEXTURED:
        return visible(sample, SL_FEATURE_ARC) + visible(sample, SL_FEATURE_RING) >= 1;
    case SL_SIM_GISAXS_LATTICE:
        return visible(sample, SL_FEATURE_ROD) + visible(sample, SL_FEATURE_ARC) +
                       visible(sample, SL_FEATURE_RING) >=
                   1 ||
               visible(sample, SL_FEATURE_SPOT) >= 2;
    case SL_SIM_GISAXS_PARTICLES:
        return visible(sample, SL_FEATURE_HORIZON) + visible(sample, SL_FEATURE_YONEDA) >= 1;
    case SL_SIM_GIWAXS:
        return visible(sample, SL_FEATURE_ARC) + visible(sample, SL_FEATURE_RING) >= 1;
    case SL_SIM_SPOTS:
        return visible(sample, SL_FEATURE_SPOT) >= 4;
    default:
        return w->count > 0;
    }
}

bool scene_describe(sl_scene *scene, sl_sim_sample *sample) {
    words w = {.count = 0};
    if (scene->is_grazing)
        say_grazing(scene, sample, &w);
    else
        say_transmission(scene, sample, &w);
    set_attributes(scene, sample, &w);
    if (w.count == 0 || !is_worth_showing(scene, sample) || !shows_its_class(scene, sample, &w)) return false;
    write_caption(scene, sample, &w);
    return true;
}
