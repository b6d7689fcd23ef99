#include "train/latents.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/random/random.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shard {
    sl_safetensors *file;
    const sl_stored_tensor *mean, *deviation, *captions, *ends;
    const sl_stored_tensor *beam, *marks, *mark_ends; /* may be NULL, the last two together */
    int64_t first, items;
    int64_t image; /* number of its first image; -1: not known */
} shard;

struct sl_latents {
    sl_shape shape;
    int64_t count, size; /* size: numbers of one latent */
    int shards;
    shard *shard;
};

static void shard_path(const char *folder, int number, char out[SL_LIMIT_PATH_BYTES]) {
    snprintf(out, SL_LIMIT_PATH_BYTES, "%s/latents-%05d.safetensors", folder, number);
}

static sl_status join_captions(const sl_latent_shard *in, sl_arena *arena, uint8_t **out, int64_t *ends) {
    size_t total = 0;
    for (int64_t i = 0; i < in->items; i++) {
        total += strlen(in->caption[i]);
        ends[i] = (int64_t)total;
    }
    *out = SL_NEW(arena, uint8_t, total + 1);
    for (int64_t i = 0, at = 0; i < in->items; at = ends[i++])
        memcpy(*out + at, in->caption[i], (size_t)(ends[i] - at));
    return SL_OK;
}

/* [items, 2] */
static float *list_beams(const sl_latent_shard *in, sl_arena *arena) {
    float *out = SL_NEW(arena, float, 2 * in->items);
    for (int64_t i = 0; i < in->items; i++) {
        const sl_direct_beam *beam = &in->beam[i];
        out[2 * i] = beam->known ? (float)beam->row_px : NAN;
        out[2 * i + 1] = beam->known ? (float)beam->column_px : NAN;
    }
    return out;
}

enum { MARK_NUMBERS = 6 };

/* [marks, MARK_NUMBERS]; ends[items] */
static float *list_marks(const sl_latent_shard *in, sl_arena *arena, int64_t *ends) {
    int64_t total = 0;
    for (int64_t i = 0; i < in->items; i++) ends[i] = total += in->sketch[i].count;
    size_t all = MARK_NUMBERS * (size_t)total;
    float *out = SL_NEW(arena, float, all + 1), *to = out;
    for (int64_t i = 0; i < in->items; i++)
        for (int k = 0; k < in->sketch[i].count; k++, to += MARK_NUMBERS) {
            const sl_sketch_mark *m = &in->sketch[i].mark[k];
            const float numbers[MARK_NUMBERS] = {(float)m->kind, m->row_px,   m->column_px,
                                                 m->radius_px,   m->width_px, m->height};
            memcpy(to, numbers, sizeof numbers);
        }
    return out;
}

sl_status sl_latents_write(const char *folder, int number, const sl_latent_shard *in, const char *maker) {
    sl_arena *arena;
    SL_TRY(sl_folder_make(folder));
    SL_TRY(sl_arena_new(&arena));
    int64_t *ends = SL_NEW(arena, int64_t, in->items + 1), *mark_ends = SL_NEW(arena, int64_t, in->items + 1);
    uint8_t *captions;
    sl_status status = join_captions(in, arena, &captions, ends);
    sl_shape all = {.rank = 4, .dim = {in->items, in->shape.dim[0], in->shape.dim[1], in->shape.dim[2]}};
    int64_t bytes = in->items ? ends[in->items - 1] : 0;
    const float *marks = in->sketch ? list_marks(in, arena, mark_ends) : NULL;
    int64_t mark_count = marks && in->items ? mark_ends[in->items - 1] : 0;
    sl_safetensors_entry entries[7] = {
        {"mean", SL_F16, SL_F32, all, in->mean},
        {"deviation", SL_F16, SL_F32, all, in->deviation},
        {"captions", SL_U8, SL_U8, SL_SHAPE(bytes), captions},
        {"caption_end", SL_I64, SL_I64, SL_SHAPE(in->items), ends},
    };
    size_t count = 4;
    if (in->beam)
        entries[count++] =
            (sl_safetensors_entry){"beam", SL_F32, SL_F32, SL_SHAPE(in->items, 2), list_beams(in, arena)};
    if (marks) {
        entries[count++] =
            (sl_safetensors_entry){"sketch", SL_F32, SL_F32, SL_SHAPE(mark_count, MARK_NUMBERS), marks};
        entries[count++] =
            (sl_safetensors_entry){"sketch_end", SL_I64, SL_I64, SL_SHAPE(in->items), mark_ends};
    }
    char path[SL_LIMIT_PATH_BYTES], image[24];
    snprintf(image, sizeof image, "%lld", (long long)in->image);
    sl_safetensors_note notes[] = {
        {"format", "scatterloop-latents-1"}, {"maker", maker}, {"first-image", image}};
    shard_path(folder, number, path);
    if (status == SL_OK) status = sl_safetensors_write(path, entries, count, notes, 3);
    sl_arena_free(arena);
    return status;
}

int sl_latents_shards(const char *folder) {
    char path[SL_LIMIT_PATH_BYTES];
    for (int number = 0;; number++) {
        shard_path(folder, number, path);
        if (!sl_file_exists(path)) return number;
    }
}

/* Item i of a run that all items share is from where the one before it ends to ends[i]. */
static void run_of(const sl_stored_tensor *ends, int64_t item, int64_t *begin, int64_t *end) {
    *begin = 0;
    if (item) sl_stored_tensor_read(ends, (size_t)item - 1, 1, SL_I64, begin);
    sl_stored_tensor_read(ends, (size_t)item, 1, SL_I64, end);
}

static sl_status check_ends(const sl_stored_tensor *ends, int64_t items, int64_t all, int64_t most,
                            const char *what, const char *path) {
    for (int64_t i = 0; i < items; i++) {
        int64_t begin, end;
        run_of(ends, i, &begin, &end);
        if (end < begin || end > all || end - begin > most)
            return sl_fail(SL_FORMAT, "'%s': %s %lld lies outside what is kept", path, what, (long long)i);
    }
    return SL_OK;
}

static sl_status check_shard(const sl_latents *latents, const shard *s, const char *path) {
    if (!s->mean || !s->deviation || !s->captions || !s->ends || s->mean->shape.rank != 4 ||
        s->mean->dtype != SL_F16 || s->deviation->dtype != SL_F16 || s->ends->dtype != SL_I64 ||
        s->captions->dtype != SL_U8 || !sl_shape_equal(&s->mean->shape, &s->deviation->shape) ||
        s->ends->shape.rank != 1 || s->ends->shape.dim[0] != s->mean->shape.dim[0] ||
        s->mean->shape.dim[0] < 1 ||
        (s->beam && (s->beam->dtype != SL_F32 || s->beam->shape.rank != 2 ||
                     s->beam->shape.dim[0] != s->mean->shape.dim[0] || s->beam->shape.dim[1] != 2)))
        return sl_fail(SL_FORMAT, "'%s' is no shard of latents", path);
    if (s->marks &&
        (s->marks->dtype != SL_F32 || s->marks->shape.rank != 2 || s->marks->shape.dim[1] != MARK_NUMBERS ||
         !s->mark_ends || s->mark_ends->dtype != SL_I64 || s->mark_ends->shape.rank != 1 ||
         s->mark_ends->shape.dim[0] != s->mean->shape.dim[0]))
        return sl_fail(SL_FORMAT, "'%s': 'sketch' and 'sketch_end' do not fit its latents", path);
    for (int k = 0; latents->count && k < 3; k++)
        if (s->mean->shape.dim[k + 1] != latents->shape.dim[k])
            return sl_fail(SL_MISMATCH, "'%s' holds latents of another shape than the shards before it",
                           path);
    SL_TRY(check_ends(s->ends, s->items, (int64_t)s->captions->bytes, INT64_MAX, "caption", path));
    return s->marks ? check_ends(s->mark_ends, s->items, s->marks->shape.dim[0], SL_SKETCH_MARKS_MAX,
                                 "sketch", path)
                    : SL_OK;
}

/* Shards of before the note was written do not say. */
static sl_status read_image(const sl_latents *latents, shard *s, const char *path) {
    const char *text = sl_safetensors_metadata(s->file, "first-image");
    char *end = NULL;
    s->image = text ? strtoll(text, &end, 10) : -1;
    if (text && (end == text || *end || s->image < 0))
        return sl_fail(SL_FORMAT, "'%s': '%.24s' is no number of an image", path, text);
    const shard *before = s > latents->shard ? s - 1 : NULL;
    if (!before || before->image < 0 || s->image < 0 || s->image >= before->image + before->items)
        return SL_OK;
    return sl_fail(SL_MISMATCH, "latents in '%s' begin with image %lld, those before it end with %lld", path,
                   (long long)s->image, (long long)(before->image + before->items - 1));
}

static sl_status open_shard(sl_latents *latents, const char *path, const char **maker) {
    shard *s = &latents->shard[latents->shards];
    SL_TRY(sl_safetensors_open(path, &s->file));
    latents->shards++;
    const char *found = sl_safetensors_metadata(s->file, "maker");
    if (!found) return sl_fail(SL_FORMAT, "'%s' does not say what made it", path);
    if (!*maker) *maker = found;
    if (strcmp(found, *maker) != 0)
        return sl_fail(SL_MISMATCH, "latents in '%s' were made by %.40s, expected %.40s", path, found,
                       *maker);
    s->mean = sl_safetensors_find(s->file, "mean");
    s->deviation = sl_safetensors_find(s->file, "deviation");
    s->captions = sl_safetensors_find(s->file, "captions");
    s->ends = sl_safetensors_find(s->file, "caption_end");
    s->beam = sl_safetensors_find(s->file, "beam");
    s->marks = sl_safetensors_find(s->file, "sketch");
    s->mark_ends = sl_safetensors_find(s->file, "sketch_end");
    s->first = latents->count;
    s->items = s->mean ? s->mean->shape.dim[0] : 0;
    SL_TRY(check_shard(latents, s, path));
    SL_TRY(read_image(latents, s, path));
    const int64_t *dim = s->mean->shape.dim;
    latents->shape = SL_SHAPE(dim[1], dim[2], dim[3]);
    latents->size = sl_shape_count(&latents->shape);
    latents->count += s->items;
    return SL_OK;
}

sl_status sl_latents_open(const char *folder, const char *maker, sl_latents **out) {
    int shards = sl_latents_shards(folder);
    if (!shards) return sl_fail(SL_NOT_FOUND, "no latents in '%s'", folder);
    sl_latents *latents;
    SL_TRY(sl_alloc(&latents, 1, sizeof *latents));
    sl_status status = sl_alloc(&latents->shard, (size_t)shards, sizeof *latents->shard);
    for (int i = 0; i < shards && status == SL_OK; i++) {
        char path[SL_LIMIT_PATH_BYTES];
        shard_path(folder, i, path);
        status = open_shard(latents, path, &maker);
    }
    if (status == SL_OK)
        *out = latents;
    else
        sl_latents_close(latents);
    return status;
}

void sl_latents_close(sl_latents *latents) {
    if (!latents) return;
    for (int i = 0; i < latents->shards; i++) sl_safetensors_close(latents->shard[i].file);
    sl_free(latents->shard);
    sl_free(latents);
}

int64_t sl_latents_count(const sl_latents *latents) {
    return latents->count;
}

int64_t sl_latents_image(const sl_latents *latents) {
    return latents->shard[0].image;
}

const char *sl_latents_maker(const sl_latents *latents) {
    return sl_safetensors_metadata(latents->shard[0].file, "maker");
}

sl_shape sl_latents_shape(const sl_latents *latents) {
    return latents->shape;
}

static const shard *shard_of(const sl_latents *latents, int64_t item) {
    int low = 0, high = latents->shards - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (latents->shard[middle].first <= item)
            low = middle;
        else
            high = middle - 1;
    }
    return &latents->shard[low];
}

enum { BLOCK = 1024 };

void sl_latents_sample(const sl_latents *latents, int64_t item, uint64_t seed, uint32_t draw, float *out) {
    const shard *s = shard_of(latents, item);
    sl_random random = sl_random_stream(seed, SL_STREAM_LATENT, draw);
    size_t size = (size_t)latents->size, from = (size_t)(item - s->first) * size;
    float deviation[BLOCK], noise[BLOCK];
    sl_stored_tensor_read(s->mean, from, size, SL_F32, out);
    for (size_t done = 0; done < size; done += BLOCK) {
        size_t part = size - done < BLOCK ? size - done : BLOCK;
        sl_stored_tensor_read(s->deviation, from + done, part, SL_F32, deviation);
        sl_random_normals(&random, noise, part);
        for (size_t i = 0; i < part; i++) out[done + i] += deviation[i] * noise[i];
    }
}

sl_direct_beam sl_latents_beam(const sl_latents *latents, int64_t item) {
    const shard *s = shard_of(latents, item);
    float place[2];
    if (!s->beam) return (sl_direct_beam){0};
    sl_stored_tensor_read(s->beam, 2 * (size_t)(item - s->first), 2, SL_F32, place);
    if (!isfinite(place[0]) || !isfinite(place[1])) return (sl_direct_beam){0};
    return (sl_direct_beam){true, (double)place[0], (double)place[1]};
}

void sl_latents_sketch(const sl_latents *latents, int64_t item, sl_sketch *out) {
    const shard *s = shard_of(latents, item);
    int64_t begin, end;
    *out = (sl_sketch){.known = s->marks != NULL};
    if (!s->marks) return;
    run_of(s->mark_ends, item - s->first, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        float n[MARK_NUMBERS];
        sl_stored_tensor_read(s->marks, (size_t)i * MARK_NUMBERS, MARK_NUMBERS, SL_F32, n);
        if (!(n[0] >= 0 && n[0] < SL_SKETCH_KIND_COUNT)) continue;
        sl_sketch_add(out, &(sl_sketch_mark){(sl_sketch_kind)n[0], n[1], n[2], n[3], n[4], n[5]});
    }
}

bool sl_latents_have_sketches(const sl_latents *latents) {
    for (int i = 0; i < latents->shards; i++)
        if (!latents->shard[i].marks) return false;
    return true;
}

void sl_latents_caption(const sl_latents *latents, int64_t item, char *out, size_t bytes) {
    const shard *s = shard_of(latents, item);
    int64_t begin, end;
    run_of(s->ends, item - s->first, &begin, &end);
    size_t length = (size_t)(end - begin) < bytes - 1 ? (size_t)(end - begin) : bytes - 1;
    memcpy(out, s->captions->data + begin, length);
    out[length] = 0;
}
