#include "loop/evaluate/measured_set.h"

#include "base/random/random.h"
#include "base/threads.h"
#include "image/resize.h"
#include "loop/classify/feed_workspace.h"
#include "loop/pixels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 16 };

sl_status sl_image_average_down(const sl_image *image, int32_t side_px, sl_image *out) {
    int32_t longer = image->height_px > image->width_px ? image->height_px : image->width_px;
    if (longer <= side_px) return sl_image_copy(image, out);
    double scale = (double)side_px / longer;
    int32_t height = (int32_t)fmax(1, round(image->height_px * scale)),
            width = (int32_t)fmax(1, round(image->width_px * scale));
    return sl_image_resize(image, height, width, out);
}

/* The good pixels in random order, in place: grey levels and mask stay, all else goes. */
static sl_status shuffle(sl_image *image, sl_random *random) {
    int64_t pixels = (int64_t)image->height_px * image->width_px, good = 0;
    int64_t *place;
    SL_TRY(sl_alloc(&place, (size_t)pixels, sizeof *place));
    for (int64_t k = 0; k < pixels; k++)
        if (!(image->mask[k] & SL_MASK_NO_VALUE)) place[good++] = k;
    for (int64_t i = good - 1; i > 0; i--) {
        int64_t a = place[i], b = place[sl_random_below(random, (uint32_t)(i + 1))];
        float swap = image->value[a];
        image->value[a] = image->value[b];
        image->value[b] = swap;
    }
    sl_free(place);
    return SL_OK;
}

typedef struct batch {
    sl_image_set *set;
    const sl_measuring *how;
    sl_measured_set *out;
    int64_t first;
    float *input[2]; /* [BATCH, px, px] plain and shuffled; NULL without a backbone */
    sl_status status[BATCH];
    char message[BATCH][256];
} batch;

/* Features of `image` into row `row`, and what the backbone sees into its place of the batch. */
static sl_status describe(const batch *b, const sl_image *image, const sl_beam_place *beam, int64_t row,
                          int64_t task, int kind) {
    sl_points *points = kind ? &b->out->shuffled_physical : &b->out->physical;
    SL_TRY(sl_image_features(image, beam, points->at + row * points->width));
    if (!b->how->backbone) return SL_OK;
    int64_t pixels = (int64_t)b->how->backbone_px * b->how->backbone_px;
    return sl_prepare_image(image, b->how->backbone_px, b->input[kind] + task * pixels);
}

static sl_status measure_small(const batch *b, sl_image *small, const sl_beam_place *beam, int64_t row,
                               int64_t task) {
    SL_TRY(sl_image_fingerprint(small, &b->out->fingerprint[row]));
    SL_TRY(describe(b, small, beam, row, task, 0));
    if (!b->how->shuffled) return SL_OK;
    sl_random random = sl_random_stream(b->how->seed, SL_STREAM_NOISE, (uint32_t)row);
    SL_TRY(shuffle(small, &random));
    return describe(b, small, beam, row, task, 1);
}

static sl_status measure_image(const batch *b, int64_t task) {
    int64_t row = b->first + task;
    sl_image image, small;
    SL_TRY(sl_image_set_load(b->set, row, &image));
    sl_pixels_hash(&image, b->out->content[row]);
    sl_beam_place beam = b->set->image[row].beam;
    sl_status status = sl_image_average_down(&image, b->how->side_px, &small);
    if (!status) {
        beam.row_px *= (double)small.height_px / image.height_px;
        beam.column_px *= (double)small.width_px / image.width_px;
        beam.known = beam.known && b->how->known_beam;
        status = measure_small(b, &small, &beam, row, task);
        sl_image_free(&small);
    }
    sl_image_free(&image);
    return status;
}

static void measure_task(void *context, int64_t task, int worker) {
    batch *b = context;
    (void)worker;
    b->status[task] = measure_image(b, task);
    if (b->status[task]) snprintf(b->message[task], sizeof b->message[task], "%s", sl_error_message());
}

static sl_status run_backbone(const batch *b, sl_predictor *predictor, int64_t count) {
    sl_points *points[2] = {&b->out->backbone, &b->out->shuffled_backbone};
    float *room;
    int64_t width = sl_predictor_features(predictor);
    SL_TRY(sl_alloc(&room, (size_t)(BATCH * width), sizeof *room));
    sl_status status = SL_OK;
    for (int kind = 0; kind < (b->how->shuffled ? 2 : 1) && !status; kind++) {
        status = sl_predict(predictor, b->input[kind], (int)count, NULL, room);
        for (int64_t k = 0; k < count * width && !status; k++)
            points[kind]->at[b->first * width + k] = (double)room[k];
    }
    sl_free(room);
    return status;
}

static sl_status measure_all(batch *b, sl_predictor *predictor, const sl_progress *progress) {
    for (int64_t at = 0; at < b->set->count; at += BATCH) {
        int64_t count = b->set->count - at < BATCH ? b->set->count - at : BATCH;
        SL_TRY(sl_progress_check(progress));
        b->first = at;
        sl_parallel_for(count, measure_task, b);
        for (int64_t i = 0; i < count; i++) {
            if (b->status[i] == SL_MEMORY) return sl_fail(SL_MEMORY, "%s", b->message[i]);
            if (!b->status[i]) {
                b->out->index[b->out->count++] = at + i;
                continue;
            }
            json_array_append_new(b->set->errors, json_pack("{s:s, s:s}", "file", b->set->image[at + i].name,
                                                            "message", b->message[i]));
        }
        if (predictor) SL_TRY(run_backbone(b, predictor, count));
        sl_progress_tell(progress, "measuring", "image", at + count, b->set->count, b->set->words);
    }
    return SL_OK;
}

static void move_row(sl_points *points, int64_t to, int64_t from) {
    if (points->count && to != from)
        memcpy(points->at + to * points->width, points->at + from * points->width,
               (size_t)points->width * sizeof *points->at);
}

/* Rows of images that could be read to the front. */
static void close_up(sl_measured_set *set) {
    sl_points *all[] = {&set->physical, &set->backbone, &set->shuffled_physical, &set->shuffled_backbone};
    for (int64_t i = 0; i < set->count; i++) {
        int64_t from = set->index[i];
        for (int p = 0; p < 4; p++) move_row(all[p], i, from);
        set->fingerprint[i] = set->fingerprint[from];
        memmove(set->content[i], set->content[from], sizeof set->content[i]);
    }
    for (int p = 0; p < 4; p++)
        if (all[p]->count) all[p]->count = set->count;
}

static sl_status reserve(const sl_image_set *set, const sl_measuring *how, int64_t width,
                         sl_measured_set *out, batch *b) {
    int64_t n = set->count, shuffled = how->shuffled ? n : 0;
    size_t pixels = (size_t)how->backbone_px * (size_t)how->backbone_px;
    SL_TRY(sl_points_new(n, SL_IMAGE_FEATURE_COUNT, &out->physical));
    SL_TRY(sl_points_new(shuffled, SL_IMAGE_FEATURE_COUNT, &out->shuffled_physical));
    SL_TRY(sl_points_new(n, width, &out->backbone));
    SL_TRY(sl_points_new(width ? shuffled : 0, width, &out->shuffled_backbone));
    SL_TRY(sl_alloc(&out->index, (size_t)n, sizeof *out->index));
    SL_TRY(sl_alloc(&out->fingerprint, (size_t)n, sizeof *out->fingerprint));
    SL_TRY(sl_alloc(&out->content, (size_t)n, sizeof *out->content));
    for (int kind = 0; kind < 2 && how->backbone; kind++)
        SL_TRY(sl_alloc(&b->input[kind], BATCH * pixels, sizeof **b->input));
    return SL_OK;
}

sl_status sl_measured_set_make(sl_image_set *set, const sl_measuring *how, const sl_progress *progress,
                               sl_measured_set *out) {
    batch b = {.set = set, .how = how, .out = out};
    sl_predictor *predictor = NULL;
    sl_status status = SL_OK;
    *out = (sl_measured_set){0};
    if (how->backbone)
        status =
            sl_predictor_new(how->backbone, BATCH, how->backbone_px, how->backbone_px, 1, SL_F32, &predictor);
    if (!status) status = reserve(set, how, predictor ? sl_predictor_features(predictor) : 0, out, &b);
    if (!status) status = measure_all(&b, predictor, progress);
    if (!status) close_up(out);
    if (!status && out->count == 0)
        status = sl_fail(SL_INVALID, "no image of '%s' can be read; the first: %s", set->words,
                         json_string_value(json_object_get(json_array_get(set->errors, 0), "message")));
    sl_predictor_free(predictor);
    sl_free(b.input[0]);
    sl_free(b.input[1]);
    if (status) sl_measured_set_free(out);
    return status;
}

void sl_measured_set_free(sl_measured_set *set) {
    sl_points_free(&set->physical);
    sl_points_free(&set->backbone);
    sl_points_free(&set->shuffled_physical);
    sl_points_free(&set->shuffled_backbone);
    sl_free(set->index);
    sl_free(set->fingerprint);
    sl_free(set->content);
    *set = (sl_measured_set){0};
}
