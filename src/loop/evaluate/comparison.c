#include "loop/evaluate/comparison.h"

#include "base/memory.h"
#include "base/numeric/sort.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *words;
    int64_t needs;
} names[SL_SET_NUMBER_COUNT] = {
#define SL_SET_NUMBER(name, id, words, needs) {id, words, needs},
#include "loop/evaluate/set_numbers.def"
#undef SL_SET_NUMBER
};

const char *sl_set_number_name(sl_set_number_id number) {
    return names[number].name;
}

const char *sl_set_number_words(sl_set_number_id number) {
    return names[number].words;
}

int64_t sl_set_number_needs(sl_set_number_id number) {
    return names[number].needs;
}

sl_estimate sl_estimate_of_draws(double *values, int64_t count, int64_t n, const char *method) {
    int64_t usable = 0;
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) sum += values[i], values[usable++] = values[i];
    if (!usable) return (sl_estimate){NAN, NAN, NAN, n, method};
    sl_sort_doubles(values, (size_t)usable);
    int64_t low = (int64_t)floor(0.025 * (double)(usable - 1)),
            high = (int64_t)ceil(0.975 * (double)(usable - 1));
    return (sl_estimate){sum / (double)usable, values[low], values[high], n, method};
}

static void copy_rows(sl_points *to, int64_t at, const sl_points *from) {
    if (from->count)
        memcpy(to->at + at * to->width, from->at, (size_t)(from->count * from->width) * sizeof *from->at);
}

/* One matrix of all rows of a space. */
static sl_status join(const sl_comparison *c, const sl_points *reference, const sl_points *candidate,
                      const sl_points *shuffled, const sl_points *held_out, sl_points *out) {
    int64_t rows = 2 * c->reference + c->candidate + c->held_out;
    SL_TRY(sl_points_new(rows, reference->width, out));
    copy_rows(out, 0, reference);
    copy_rows(out, c->reference, candidate);
    copy_rows(out, sl_comparison_shuffled(c), shuffled);
    if (held_out) copy_rows(out, sl_comparison_held_out(c), held_out);
    return SL_OK;
}

static bool is_without(const char *id, const sl_list *without) {
    for (int i = 0; without && i < without->count; i++)
        if (strncmp(id, without->item[i], strlen(without->item[i])) == 0) return true;
    return false;
}

/* The feature vector as points: without those that were not wanted. */
static sl_status make_physical(sl_comparison *c, const sl_list *without) {
    sl_points wanted;
    SL_TRY(sl_points_new(c->raw.count, c->raw.width, &wanted));
    for (int64_t i = 0; i < c->raw.count; i++)
        for (int f = 0; f < SL_IMAGE_FEATURE_COUNT; f++)
            wanted.at[i * c->raw.width + f] = is_without(sl_image_feature_id((sl_image_feature)f), without)
                                                  ? (double)NAN
                                                  : c->raw.at[i * c->raw.width + f];
    sl_status status =
        sl_points_standardise(&wanted, c->reference, c->reference + c->candidate, c->kept, &c->physical);
    sl_points_free(&wanted);
    if (!status && c->physical.width == 0)
        status = sl_fail(SL_INVALID, "no feature is left to compare the sets by");
    return status;
}

sl_status sl_comparison_profile(const sl_points *raw, sl_points *profile) {
    static const double decades = 1.8239087409443189; /* log10(1 / 0.015): all bins */
    SL_TRY(sl_points_new(raw->count, SL_PROFILE_BINS, profile));
    for (int64_t i = 0; i < raw->count; i++) {
        const double *bin = sl_points_row(raw, i) + SL_IMAGE_FEATURE_PROFILE_00;
        double *out = profile->at + i * SL_PROFILE_BINS, least = INFINITY, total = 0, sum = 0;
        for (int b = 0; b < SL_PROFILE_BINS; b++)
            if (isfinite(bin[b])) least = fmin(least, bin[b]);
        for (int b = 0; b < SL_PROFILE_BINS; b++)
            if (isfinite(bin[b])) total += bin[b] - least;
        for (int b = 0; b < SL_PROFILE_BINS; b++) {
            if (isfinite(bin[b]) && total > 0) sum += (bin[b] - least) / total;
            out[b] = decades * (total > 0 ? sum : (b + 1.0) / SL_PROFILE_BINS);
        }
    }
    return SL_OK;
}

sl_status sl_comparison_spectrum(const sl_points *raw, sl_points *spectrum) {
    SL_TRY(sl_points_new(raw->count, SL_PSD_BANDS, spectrum));
    for (int64_t i = 0; i < raw->count; i++)
        memcpy(spectrum->at + i * SL_PSD_BANDS, sl_points_row(raw, i) + SL_IMAGE_FEATURE_PSD_0,
               SL_PSD_BANDS * sizeof(double));
    return SL_OK;
}

static void set_groups(sl_comparison *c, const int64_t *const group[3]) {
    int64_t rows = c->raw.count, held = sl_comparison_held_out(c), largest = 0;
    for (int64_t i = 0; i < c->reference; i++) c->group[i] = group[0][i];
    for (int64_t i = 0; i < c->candidate; i++) c->group[c->reference + i] = group[1][i];
    for (int64_t i = 0; i < c->held_out; i++) c->group[held + i] = group[2][i];
    for (int64_t i = 0; i < rows; i++) largest = c->group[i] > largest ? c->group[i] : largest;
    for (int64_t i = 0; i < c->reference; i++)
        c->group[sl_comparison_shuffled(c) + i] = largest + 1 + c->group[i];
    const int64_t start[] = {0, c->reference, sl_comparison_shuffled(c), held, rows};
    for (int part = 0; part < 4; part++)
        for (int64_t i = start[part]; i < start[part + 1]; i++)
            for (int64_t j = start[part]; j < start[part + 1]; j++)
                c->group_rows[i] += c->group[i] == c->group[j];
}

static sl_status make_pairs(sl_comparison *c) {
    SL_TRY(sl_pairs_new(&c->physical, SL_PAIR_POLYNOMIAL, &c->kernel));
    SL_TRY(sl_pairs_new(&c->physical, SL_PAIR_EUCLID, &c->distance));
    SL_TRY(sl_pairs_new(&c->profile, SL_PAIR_ABSOLUTE, &c->profile_distance));
    if (!c->backbone.width) return SL_OK;
    SL_TRY(sl_pairs_new(&c->backbone, SL_PAIR_POLYNOMIAL, &c->backbone_kernel));
    return sl_pairs_new(&c->backbone, SL_PAIR_EUCLID, &c->backbone_distance);
}

static sl_status make_backbone(sl_comparison *c, const sl_measured_set *const sets[3]) {
    sl_points raw;
    unsigned char *kept;
    if (!sets[0]->backbone.width) return SL_OK;
    SL_TRY(sl_alloc(&kept, (size_t)sets[0]->backbone.width, 1));
    sl_status status = join(c, &sets[0]->backbone, &sets[1]->backbone, &sets[0]->shuffled_backbone,
                            sets[2] ? &sets[2]->backbone : NULL, &raw);
    if (!status) {
        status = sl_points_standardise(&raw, c->reference, c->reference + c->candidate, kept, &c->backbone);
        sl_points_free(&raw);
    }
    sl_free(kept);
    return status;
}

sl_status sl_comparison_new(const sl_measured_set *const sets[3], const int64_t *const group[3],
                            const sl_compare_settings *settings, sl_comparison *out) {
    sl_comparison *c = out;
    *c = (sl_comparison){
        .reference = sets[0]->count, .candidate = sets[1]->count, .held_out = sets[2] ? sets[2]->count : 0};
    for (int s = 0; s < 3; s++) c->fingerprint[s] = sets[s] ? sets[s]->fingerprint : NULL;
    sl_status status;
    SL_GUARD(status,
             join(c, &sets[0]->physical, &sets[1]->physical, &sets[0]->shuffled_physical,
                  sets[2] ? &sets[2]->physical : NULL, &c->raw),
             done);
    SL_GUARD(status, sl_alloc(&c->group, (size_t)c->raw.count, sizeof *c->group), done);
    SL_GUARD(status, sl_alloc(&c->group_rows, (size_t)c->raw.count, sizeof *c->group_rows), done);
    set_groups(c, group);
    SL_GUARD(status, make_physical(c, settings->without), done);
    SL_GUARD(status, sl_comparison_profile(&c->raw, &c->profile), done);
    SL_GUARD(status, sl_comparison_spectrum(&c->raw, &c->spectrum), done);
    SL_GUARD(status, make_backbone(c, sets), done);
    SL_GUARD(status, make_pairs(c), done);
done:
    if (status) sl_comparison_free(c);
    return status;
}

void sl_comparison_free(sl_comparison *c) {
    sl_points *points[] = {&c->raw, &c->physical, &c->backbone, &c->profile, &c->spectrum};
    sl_pairs *pairs[] = {&c->kernel, &c->distance, &c->profile_distance, &c->backbone_kernel,
                         &c->backbone_distance};
    for (int i = 0; i < 5; i++) sl_points_free(points[i]), sl_pairs_free(pairs[i]);
    sl_free(c->group);
    sl_free(c->group_rows);
    *c = (sl_comparison){0};
}
