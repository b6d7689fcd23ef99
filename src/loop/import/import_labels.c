#include "loop/import/import_labels.h"

#include "base/clock.h"
#include "base/hash.h"
#include "image/captions.h"

#include <string.h>

static sl_status label_of_word(const char *word, sl_label *out) {
    if (strcmp(word, "fake") == 0)
        *out = SL_LABEL_UNREAL;
    else if (sl_label_parse(word, out) || *out == SL_LABEL_WITHDRAWN)
        return sl_fail(SL_FORMAT, "label '%s', expected real, unreal, fake or unsure", word);
    return SL_OK;
}

static bool is_of_reviewers(const json_t *row) {
    const char *source = json_string_value(json_object_get(row, "label_source"));
    return !source || strcmp(source, "reviewers") == 0;
}

sl_status sl_import_label_find(const json_t *row, const char *root, const char *path, bool *found,
                               sl_label *out) {
    const json_t *label = json_object_get(row, "label");
    size_t length = strlen(root);
    *found = false;
    if (label && !json_is_null(label)) {
        if (!json_is_string(label))
            return sl_fail(SL_FORMAT, "the label is no text, expected real, unreal, fake or unsure");
        *found = is_of_reviewers(row);
        return label_of_word(json_string_value(label), out);
    }
    /* names of folders above are the user's own business */
    const char *below = strncmp(path, root, length) == 0 ? path + length : path;
    const char *word = row ? NULL : sl_folder_label(below);
    *found = word != NULL;
    return word ? label_of_word(word, out) : SL_OK;
}

static const char note[] = "imported with the image";

/* What a reviewer has said of an image so far. */
typedef struct past {
    sl_id newest;                /* of all decisions; 0: there is none */
    const sl_decision *counting; /* the newest that counts, NULL: none */
    const sl_decision *imported; /* the newest that came by import, whether it counts or not; NULL: none */
} past;

static sl_status look_back(sl_store *store, sl_id image, sl_id reviewer, sl_arena *arena, past *out) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *decisions;
    int count;
    *out = (past){0};
    filter.image = image;
    filter.reviewer = reviewer;
    SL_TRY(sl_store_decisions(store, &filter, arena, &decisions, &count));
    for (int i = 0; i < count; i++) {
        out->newest = decisions[i].id;
        if (decisions[i].note && strcmp(decisions[i].note, note) == 0) out->imported = &decisions[i];
    }
    filter.counting = true;
    SL_TRY(sl_store_decisions(store, &filter, arena, &decisions, &count));
    if (count) out->counting = &decisions[count - 1];
    return SL_OK;
}

/* The same for the same image, reviewer and past, in the form of a version 4 name. */
static const char *uuid_of(const sl_image_record *image, sl_id reviewer, sl_id newest, sl_arena *arena) {
    char hash[SL_SHA256_HEX];
    const char *text = sl_arena_printf(arena, "import %s %lld after %lld", image->content_hash,
                                       (long long)reviewer, (long long)newest);
    sl_sha256_hex(text, strlen(text), hash);
    return sl_arena_printf(arena, "%.8s-%.4s-4%.3s-8%.3s-%.12s", hash, hash + 8, hash + 12, hash + 15,
                           hash + 18);
}

/* Whether what is imported says something that the reviewer has not said, nor taken back since. */
static bool is_new(const past *before, sl_label label) {
    if (before->counting && before->counting->label == label) return false;
    return !before->imported || before->imported->label != label;
}

sl_status sl_import_label_add(sl_store *store, const sl_image_record *image, sl_id reviewer, sl_label label,
                              sl_arena *arena, sl_label *out) {
    past before;
    SL_TRY(look_back(store, image->id, reviewer, arena, &before));
    *out = before.counting ? before.counting->label : SL_LABEL_WITHDRAWN;
    if (!is_new(&before, label)) return SL_OK;
    sl_decision decision = {.client_uuid = uuid_of(image, reviewer, before.newest, arena),
                            .image = image->id,
                            .reviewer = reviewer,
                            .label = label,
                            .note = note,
                            .decided_ms = sl_clock_unix_ms()};
    /* the answer to an assignment stays: an audit rests on it, and the newest decision is the label anyway */
    if (before.counting && !before.counting->assignment) decision.supersedes = before.counting->id;
    *out = label;
    return sl_store_decide(store, arena, &decision);
}
