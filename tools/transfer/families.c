/* Which families are held out together. */
#include "transfer.h"

#include <ctype.h>
#include <string.h>

static bool is_among(const char *list, const char *id) {
    size_t length = strlen(id);
    for (const char *at = list; (at = strstr(at, id)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == 0 || at[length] == ' ')) return true;
    return false;
}

static bool share_a_number(const char *a, const char *b) {
    size_t k = 0;
    while (a[k] && a[k] == b[k] && (k == 0 || isdigit((unsigned char)a[k]))) k++;
    return k > 1 && !isdigit((unsigned char)a[k]) && !isdigit((unsigned char)b[k]);
}

static bool are_kin(const char *a, const char *b) {
    if (share_a_number(a, b)) return true;
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        const char *after = sl_physical_artefacts((sl_physical_test)t);
        if (is_among(after, a) && is_among(after, b)) return true;
    }
    return false;
}

/* clan[f]: the smallest family that f is kin of, also by way of others. */
static void find_clans(int clan[SL_ARTEFACT_COUNT]) {
    for (int f = 0; f < SL_ARTEFACT_COUNT; f++) clan[f] = f;
    for (bool changed = true; changed;) {
        changed = false;
        for (int a = 0; a < SL_ARTEFACT_COUNT; a++)
            for (int b = 0; b < SL_ARTEFACT_COUNT; b++) {
                const char *id = sl_artefact_id((sl_artefact_kind)a),
                           *other = sl_artefact_id((sl_artefact_kind)b);
                if (clan[a] >= clan[b] || !are_kin(id, other)) continue;
                clan[b] = clan[a];
                changed = true;
            }
    }
}

void families_deal(int fold_of[SL_ARTEFACT_COUNT]) {
    int clan[SL_ARTEFACT_COUNT], size[SL_ARTEFACT_COUNT] = {0}, load[FOLDS] = {0};
    find_clans(clan);
    for (int f = 0; f < SL_ARTEFACT_COUNT; f++) size[clan[f]]++;
    for (int wanted = SL_ARTEFACT_COUNT; wanted > 0; wanted--) /* the largest clans first */
        for (int c = 0; c < SL_ARTEFACT_COUNT; c++) {
            if (size[c] != wanted) continue;
            int least = 0;
            for (int k = 1; k < FOLDS; k++)
                if (load[k] < load[least]) least = k;
            load[least] += wanted;
            for (int f = 0; f < SL_ARTEFACT_COUNT; f++)
                if (clan[f] == c) fold_of[f] = least;
        }
}
