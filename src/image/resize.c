#include "image/resize.h"

#include "base/limits.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

/* One axis as a sparse matrix: output i is the sum of weight[i][k] * input[first[i] + k], k < taps; weights
 * of an output sum to 1. */
typedef struct axis {
    int32_t from, to, taps;
    int32_t *first; /* [to] */
    float *weight;  /* [to, taps] */
} axis;

static double kernel_value(sl_resize_filter filter, double x) {
    x = fabs(x);
    if (filter == SL_RESIZE_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static void area_weights(axis *a, int32_t i, float *weight) {
    double step = (double)a->from / a->to, begin = i * step, end = begin + step;
    int32_t first = (int32_t)begin;
    a->first[i] = first;
    for (int32_t k = 0; k < a->taps; k++) {
        double overlap = fmin(first + k + 1, end) - fmax(first + k, begin);
        weight[k] = (float)(fmax(overlap, 0) / step);
    }
}

static void kernel_weights(axis *a, int32_t i, sl_resize_filter filter, float *weight) {
    double centre = (i + 0.5) * a->from / a->to - 0.5, sum = 0;
    int32_t reach = a->taps / 2, first = (int32_t)floor(centre) - reach + 1;
    double values[4];
    for (int32_t k = 0; k < a->taps; k++) sum += values[k] = kernel_value(filter, centre - (first + k));
    /* beyond the border the nearest pixel stands */
    int32_t start = first < 0 ? 0 : first > a->from - a->taps ? a->from - a->taps : first;
    if (start < 0) start = 0;
    a->first[i] = start;
    for (int32_t k = 0; k < a->taps; k++) {
        int32_t at = first + k < 0 ? 0 : first + k >= a->from ? a->from - 1 : first + k;
        weight[at - start] += (float)(values[k] / sum);
    }
}

static void axis_free(axis *a) {
    sl_free(a->first);
    sl_free(a->weight);
}

static sl_status axis_make(int32_t from, int32_t to, sl_resize_filter filter, axis *out) {
    axis a = {.from = from, .to = to};
    bool shrink = to < from;
    a.taps = shrink ? (int32_t)ceil((double)from / to) + 1 : filter == SL_RESIZE_BILINEAR ? 2 : 4;
    sl_status status = sl_alloc(&a.first, (size_t)to, sizeof *a.first);
    if (!status) status = sl_alloc(&a.weight, (size_t)to * (size_t)a.taps, sizeof *a.weight);
    if (status) {
        axis_free(&a);
        return status;
    }
    for (int32_t i = 0; i < to; i++) {
        float *weight = a.weight + (size_t)i * (size_t)a.taps;
        if (shrink) {
            area_weights(&a, i, weight);
        } else {
            kernel_weights(&a, i, filter, weight);
        }
    }
    *out = a;
    return SL_OK;
}

/* Three planes go through the same two steps, first rows to columns of the new width, then to the new height:
 * value of the good pixels, value of all, and weight of the good ones. */
typedef struct resize_work {
    const sl_image *in;
    sl_image *out;
    axis across, down;
    float *good, *all, *weight; /* [in height, out width] */
    float low, high;
} resize_work;

static void across_row(void *context, int64_t task, int worker) {
    (void)worker;
    resize_work *work = context;
    const axis *a = &work->across;
    size_t row_in = (size_t)task * (size_t)a->from, row_out = (size_t)task * (size_t)a->to;
    for (int32_t x = 0; x < a->to; x++) {
        const float *weight = a->weight + (size_t)x * (size_t)a->taps;
        double good = 0, all = 0, good_weight = 0;
        for (int32_t k = 0; k < a->taps && a->first[x] + k < a->from; k++) {
            size_t at = row_in + (size_t)(a->first[x] + k);
            double part = (double)weight[k] * (double)work->in->value[at];
            all += part;
            if (work->in->mask[at]) continue;
            good += part;
            good_weight += (double)weight[k];
        }
        work->good[row_out + (size_t)x] = (float)good;
        work->all[row_out + (size_t)x] = (float)all;
        work->weight[row_out + (size_t)x] = (float)good_weight;
    }
}

static uint8_t mask_below(const resize_work *work, int32_t y, int32_t x) {
    const axis *a = &work->across, *d = &work->down;
    uint8_t bits = 0;
    for (int32_t j = 0; j < d->taps && d->first[y] + j < d->from; j++) {
        if (d->weight[(size_t)y * (size_t)d->taps + (size_t)j] <= 0) continue;
        for (int32_t k = 0; k < a->taps && a->first[x] + k < a->from; k++)
            if (a->weight[(size_t)x * (size_t)a->taps + (size_t)k] > 0)
                bits |=
                    work->in->mask[(size_t)(d->first[y] + j) * (size_t)a->from + (size_t)(a->first[x] + k)];
    }
    return bits;
}

static void down_row(void *context, int64_t task, int worker) {
    (void)worker;
    resize_work *work = context;
    const axis *d = &work->down;
    size_t width = (size_t)work->across.to;
    const float *weight = d->weight + (size_t)task * (size_t)d->taps;
    for (size_t x = 0; x < width; x++) {
        double good = 0, all = 0, good_weight = 0;
        for (int32_t k = 0; k < d->taps && d->first[task] + k < d->from; k++) {
            size_t at = (size_t)(d->first[task] + k) * width + x;
            good += (double)weight[k] * (double)work->good[at];
            all += (double)weight[k] * (double)work->all[at];
            good_weight += (double)weight[k] * (double)work->weight[at];
        }
        size_t at = (size_t)task * width + x;
        bool masked = good_weight < 0.5 - 1e-6;
        double value = masked ? all : good / good_weight;
        work->out->value[at] = fminf(fmaxf((float)value, work->low), work->high);
        work->out->mask[at] = masked ? mask_below(work, (int32_t)task, (int32_t)x) : 0;
    }
}

static void value_range(resize_work *work) {
    size_t count = (size_t)work->in->height_px * (size_t)work->in->width_px;
    work->low = INFINITY;
    work->high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        work->low = fminf(work->low, work->in->value[i]);
        work->high = fmaxf(work->high, work->in->value[i]);
    }
}

sl_status sl_image_resize(const sl_image *image, int32_t height_px, int32_t width_px, sl_resize_filter filter,
                          sl_image *out) {
    if (height_px == image->height_px && width_px == image->width_px) return sl_image_copy(image, out);
    sl_image made = {0};
    SL_TRY(sl_image_new(height_px, width_px, &made));
    resize_work work = {.in = image, .out = &made};
    size_t count = (size_t)image->height_px * (size_t)width_px;
    sl_status status;
    SL_GUARD(status, axis_make(image->width_px, width_px, filter, &work.across), done);
    SL_GUARD(status, axis_make(image->height_px, height_px, filter, &work.down), done);
    SL_GUARD(status, sl_alloc(&work.good, count, sizeof(float)), done);
    SL_GUARD(status, sl_alloc(&work.all, count, sizeof(float)), done);
    SL_GUARD(status, sl_alloc(&work.weight, count, sizeof(float)), done);
    value_range(&work);
    sl_parallel_for(image->height_px, across_row, &work);
    sl_parallel_for(height_px, down_row, &work);
done:
    axis_free(&work.across);
    axis_free(&work.down);
    sl_free(work.good);
    sl_free(work.all);
    sl_free(work.weight);
    if (status) {
        sl_image_free(&made);
        return status;
    }
    *out = made;
    return SL_OK;
}

static void copy_box(const sl_image *from, const sl_box *box, sl_image *to, int32_t to_y, int32_t to_x) {
    for (int32_t y = 0; y < box->height_px; y++) {
        size_t source = (size_t)(box->y_px + y) * (size_t)from->width_px + (size_t)box->x_px;
        size_t target = (size_t)(to_y + y) * (size_t)to->width_px + (size_t)to_x;
        memcpy(to->value + target, from->value + source, (size_t)box->width_px * sizeof *to->value);
        memcpy(to->mask + target, from->mask + source, (size_t)box->width_px * sizeof *to->mask);
    }
}

sl_status sl_image_crop(const sl_image *image, const sl_box *box, sl_image *out) {
    if (box->y_px < 0 || box->x_px < 0 || box->height_px < 1 || box->width_px < 1 ||
        box->height_px > image->height_px - box->y_px || box->width_px > image->width_px - box->x_px)
        return sl_fail(SL_INVALID, "part at (%d, %d) of %d x %d leaves the image of %d x %d", box->y_px,
                       box->x_px, box->height_px, box->width_px, image->height_px, image->width_px);
    SL_TRY(sl_image_new(box->height_px, box->width_px, out));
    copy_box(image, box, out, 0, 0);
    return SL_OK;
}

static const char *const mode_names[] = {"crop", "letterbox", "stretch"};
static const char *const filter_names[] = {"bilinear", "bicubic"};

static int32_t scaled(int32_t length, int32_t numerator, int32_t denominator) {
    int64_t value = ((int64_t)length * numerator + denominator / 2) / denominator;
    return value < 1 ? 1 : (int32_t)value;
}

static sl_fit plan(const sl_image *image, sl_fit_mode mode, sl_resize_filter filter, int32_t height_px,
                   int32_t width_px) {
    int32_t h = image->height_px, w = image->width_px;
    sl_fit fit = {mode, filter, h, w, height_px, width_px, {0, 0, h, w}, {0, 0, height_px, width_px}};
    bool too_wide = (int64_t)w * height_px > (int64_t)h * width_px;
    if (mode == SL_FIT_CROP) {
        if (too_wide) fit.taken.width_px = scaled(h, width_px, height_px);
        if (!too_wide) fit.taken.height_px = scaled(w, height_px, width_px);
        fit.taken.x_px = (w - fit.taken.width_px) / 2;
        fit.taken.y_px = (h - fit.taken.height_px) / 2;
    } else if (mode == SL_FIT_LETTERBOX) {
        if (too_wide) fit.placed.height_px = scaled(h, width_px, w);
        if (!too_wide) fit.placed.width_px = scaled(w, height_px, h);
        fit.placed.x_px = (width_px - fit.placed.width_px) / 2;
        fit.placed.y_px = (height_px - fit.placed.height_px) / 2;
    }
    return fit;
}

sl_status sl_image_fit(const sl_image *image, sl_fit_mode mode, sl_resize_filter filter, int32_t height_px,
                       int32_t width_px, sl_image *out, sl_fit *record) {
    sl_image canvas = {0}, part = {0}, sized = {0};
    SL_TRY(sl_image_new(height_px, width_px, &canvas));
    sl_fit fit = plan(image, mode, filter, height_px, width_px);
    sl_status status = sl_image_crop(image, &fit.taken, &part);
    if (!status) status = sl_image_resize(&part, fit.placed.height_px, fit.placed.width_px, filter, &sized);
    if (!status) {
        memset(canvas.mask, SL_MASK_INVALID, (size_t)height_px * (size_t)width_px);
        sl_box whole = {0, 0, sized.height_px, sized.width_px};
        copy_box(&sized, &whole, &canvas, fit.placed.y_px, fit.placed.x_px);
    }
    sl_image_free(&part);
    sl_image_free(&sized);
    if (status) {
        sl_image_free(&canvas);
        return status;
    }
    *out = canvas;
    if (record) *record = fit;
    return SL_OK;
}

void sl_fit_point(const sl_fit *fit, double x_px, double y_px, double *out_x_px, double *out_y_px) {
    *out_x_px = fit->placed.x_px + (x_px - fit->taken.x_px) * fit->placed.width_px / fit->taken.width_px;
    *out_y_px = fit->placed.y_px + (y_px - fit->taken.y_px) * fit->placed.height_px / fit->taken.height_px;
}

static json_t *box_to_json(const sl_box *box) {
    return json_pack("[i,i,i,i]", box->y_px, box->x_px, box->height_px, box->width_px);
}

json_t *sl_fit_to_json(const sl_fit *fit) {
    return json_pack("{s:s, s:s, s:[i,i], s:[i,i], s:o, s:o}", "mode", mode_names[fit->mode], "filter",
                     filter_names[fit->filter], "source", fit->source_height_px, fit->source_width_px, "size",
                     fit->height_px, fit->width_px, "taken", box_to_json(&fit->taken), "placed",
                     box_to_json(&fit->placed));
}

static sl_status name_index(const json_t *object, const char *key, const char *const names[], int count,
                            int *out) {
    const char *text;
    SL_TRY(sl_json_string(object, key, &text));
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return SL_OK;
    }
    return sl_fail(SL_FORMAT, "key \"%s\" is '%s'", key, text);
}

static sl_status integers(const json_t *object, const char *key, int count, int32_t *out) {
    json_t *array;
    SL_TRY(sl_json_array(object, key, &array));
    if ((int)json_array_size(array) != count)
        return sl_fail(SL_FORMAT, "key \"%s\" has %zu numbers, expected %d", key, json_array_size(array),
                       count);
    for (int i = 0; i < count; i++) {
        json_int_t value = json_integer_value(json_array_get(array, (size_t)i));
        if (value < 0 || value > SL_LIMIT_IMAGE_SIDE_PX)
            return sl_fail(SL_FORMAT, "key \"%s\" holds %lld", key, (long long)value);
        out[i] = (int32_t)value;
    }
    return SL_OK;
}

sl_status sl_fit_from_json(const json_t *object, sl_fit *out) {
    int mode = 0, filter = 0;
    int32_t source[2], size[2], taken[4], placed[4];
    SL_TRY(name_index(object, "mode", mode_names, 3, &mode));
    SL_TRY(name_index(object, "filter", filter_names, 2, &filter));
    SL_TRY(integers(object, "source", 2, source));
    SL_TRY(integers(object, "size", 2, size));
    SL_TRY(integers(object, "taken", 4, taken));
    SL_TRY(integers(object, "placed", 4, placed));
    if (taken[2] < 1 || taken[3] < 1) return sl_fail(SL_FORMAT, "key \"taken\" is empty");
    *out = (sl_fit){(sl_fit_mode)mode,
                    (sl_resize_filter)filter,
                    source[0],
                    source[1],
                    size[0],
                    size[1],
                    {taken[0], taken[1], taken[2], taken[3]},
                    {placed[0], placed[1], placed[2], placed[3]}};
    return SL_OK;
}
