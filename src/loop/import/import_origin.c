#include "loop/import/import_origin.h"

#include "loop/origin.h"

static bool is_named(const json_t *object, const char *key, sl_origin *out) {
    const char *word = json_string_value(json_object_get(object, key));
    return word && sl_origin_parse(word, out) == SL_OK;
}

/* The origin that somebody names, and who. */
typedef struct claim {
    sl_origin origin;
    const char *by; /* NULL: nobody says */
} claim;

static sl_status join(claim *said, sl_origin origin, const char *by) {
    if (said->by && said->origin != origin)
        return sl_fail(SL_MISMATCH, "%s says that it is %s, %s that it is %s", said->by,
                       sl_origin_name(said->origin), by, sl_origin_name(origin));
    if (!said->by) *said = (claim){origin, by};
    return SL_OK;
}

sl_status sl_import_origin_find(int asked, const json_t *row, const json_t *provenance, sl_origin *out) {
    claim said = {SL_ORIGIN_EXPERIMENTAL, NULL};
    sl_origin origin;
    if (is_named(row, "origin", &origin)) SL_TRY(join(&said, origin, "its row"));
    if (is_named(provenance, SL_IMPORTED_AS, &origin) || sl_origin_of_made(provenance, &origin))
        SL_TRY(join(&said, origin, "the file itself"));
    if (asked) SL_TRY(join(&said, (sl_origin)(asked - 1), "--origin"));
    if (json_is_true(json_object_get(row, "synthetic")) && said.origin == SL_ORIGIN_EXPERIMENTAL)
        return sl_fail(SL_MISMATCH, "its row calls it synthetic, expected --origin simulated or generated");
    *out = said.origin;
    return SL_OK;
}
