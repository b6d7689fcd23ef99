#include "loop/evaluate/evaluate.h"

#include "base/json.h"

static json_t *number_to_json(const sl_set_number *number) {
    if (number->missing[0]) return json_pack("{s:n, s:s}", "value", "missing", number->missing);
    return json_pack("{s:o, s:o, s:o, s:o}", "value", sl_estimate_to_json(&number->value), "floor",
                     sl_estimate_to_json(&number->floor), "ceiling", sl_estimate_to_json(&number->ceiling),
                     "place", sl_json_number(sl_set_number_place(number)));
}

static json_t *numbers_to_json(const sl_set_number *number, int count) {
    json_t *out = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(out, sl_set_number_name((sl_set_number_id)i), number_to_json(&number[i]));
    return out;
}

static json_t *set_to_json(const sl_evaluated_set *each) {
    const char *const names[SL_EVALUATE_TECHNIQUES] = {"SAXS", "WAXS", "GISAXS", "GIWAXS"};
    json_t *technique = json_object();
    for (int t = 0; t < SL_EVALUATE_TECHNIQUES; t++)
        json_object_set_new(technique, names[t], json_integer(each->technique[t]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "set", each->set.words, "found",
                     (json_int_t)each->set.found, "images", (json_int_t)each->measured.count, "groups",
                     (json_int_t)each->groups, "others", (json_int_t)each->set.others, "companions",
                     (json_int_t)each->set.companions, "techniques", technique, "errors", each->set.errors);
}

static json_t *columns_to_json(const sl_column_difference *column) {
    json_t *out = json_array();
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++) {
        const sl_column_difference *d = &column[i];
        json_array_append_new(
            out,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:b}", "feature",
                      sl_image_feature_id(d->feature), "ks", sl_json_number(d->ks.statistic), "p",
                      sl_json_number(d->ks.p), "p_holm", sl_json_number(d->p_adjusted), "shift",
                      sl_estimate_to_json(&d->shift), "reference_mean", sl_json_number(d->reference_mean),
                      "candidate_mean", sl_json_number(d->candidate_mean), "reference_missing",
                      d->reference_missing, "candidate_missing", d->candidate_missing, "used", d->used));
    }
    return out;
}

static json_t *strata_to_json(const sl_evaluation *e) {
    json_t *out = json_array();
    for (int i = 0; i < e->strata; i++)
        json_array_append_new(out, json_pack("{s:s, s:I, s:I, s:o}", "technique", e->stratum[i].technique,
                                             "reference", (json_int_t)e->stratum[i].reference, "candidate",
                                             (json_int_t)e->stratum[i].candidate, "numbers",
                                             numbers_to_json(e->stratum[i].number, SL_SET_NUMBER_COPY_Z)));
    return out;
}

static json_t *transfers_to_json(const sl_evaluation *e) {
    json_t *out = json_array();
    for (int i = 0; i < e->transfers; i++)
        json_array_append_new(
            out,
            json_pack("{s:s, s:I, s:I, s:o, s:o}", "technique", e->transfer[i].technique, "reference",
                      (json_int_t)e->transfer[i].reference, "candidate", (json_int_t)e->transfer[i].candidate,
                      "taught_by_candidate", sl_estimate_to_json(&e->transfer[i].taught_by_candidate),
                      "taught_by_reference", sl_estimate_to_json(&e->transfer[i].taught_by_reference)));
    return out;
}

json_t *sl_evaluation_to_json(const sl_evaluation *e, const sl_evaluate_settings *settings) {
    return json_pack("{s:o, s:i, s:i, s:o, s:o, s:o?, s:o, s:I, s:o, s:o, s:o, s:O}", "settings",
                     sl_options_to_json(sl_evaluate_options, settings), "features_version",
                     SL_IMAGE_FEATURES_VERSION, "side_px", (int)e->side_px, "reference",
                     set_to_json(&e->sets[0]), "candidate", set_to_json(&e->sets[1]), "holdout",
                     e->has_holdout ? set_to_json(&e->sets[2]) : NULL, "numbers",
                     numbers_to_json(e->number, SL_SET_NUMBER_COUNT), "identical", (json_int_t)e->identical,
                     "features", columns_to_json(e->column), "strata", strata_to_json(e), "transfer",
                     transfers_to_json(e), "warnings", e->warnings);
}
