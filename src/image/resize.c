#include "image/resize.h"

#include "base/threads.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* One axis as a sparse matrix: output i is the sum of weight[i][k] * input[first[i] + k], k < taps; weights
 * of an output sum to 1. */
typedef struct axis {
    int32_t from, to, taps;
    int32_t *first; /* [to] */
    float *weight;  /* [to, taps] */
} axis;

static void area_weights(axis *a, int32_t i, float *weight) {
    double step = (double)a->from / a->to, begin = i * step, end = begin + step;
    int32_t first = (int32_t)begin;
    a->first[i] = first;
    for (int32_t k = 0; k < a->taps; k++) {
        double overlap = fmin(first + k + 1, end) - fmax(first + k, begin);
        weight[k] = (float)(fmax(overlap, 0) / step);
    }
}

/* The two nearest pixels; beyond the border the nearest one stands. */
static void linear_weights(axis *a, int32_t i, float *weight) {
    double centre = (i + 0.5) * a->from / a->to - 0.5, left = floor(centre);
    int32_t first = (int32_t)left, last = a->from - a->taps, start = first < 0 || last < 0 ? 0 : first;
    if (last >= 0 && start > last) start = last;
    a->first[i] = start;
    for (int32_t k = 0; k < a->taps; k++) {
        int32_t at = first + k < 0 ? 0 : first + k >= a->from ? a->from - 1 : first + k;
        weight[at - start] += (float)(1 - fabs(centre - (first + k)));
    }
}

static void axis_free(axis *a) {
    sl_free(a->first);
    sl_free(a->weight);
}

static sl_status axis_make(int32_t from, int32_t to, axis *out) {
    axis a = {.from = from, .to = to};
    bool shrink = to < from;
    a.taps = shrink ? (int32_t)ceil((double)from / to) + 1 : 2;
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
            linear_weights(&a, i, weight);
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

sl_status sl_image_resize(const sl_image *image, int32_t height_px, int32_t width_px, sl_image *out) {
    if (height_px == image->height_px && width_px == image->width_px) return sl_image_copy(image, out);
    sl_image made = {0};
    SL_TRY(sl_image_new(height_px, width_px, &made));
    resize_work work = {.in = image, .out = &made};
    size_t count = (size_t)image->height_px * (size_t)width_px;
    sl_status status;
    SL_GUARD(status, axis_make(image->width_px, width_px, &work.across), done);
    SL_GUARD(status, axis_make(image->height_px, height_px, &work.down), done);
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

static int32_t scaled(int32_t length, int32_t numerator, int32_t denominator) {
    int64_t value = ((int64_t)length * numerator + denominator / 2) / denominator;
    return value < 1 ? 1 : (int32_t)value;
}

/* Which part of the image goes where in a result of that size. */
static void place(const sl_image *image, sl_fit_mode mode, sl_box *taken, sl_box *placed) {
    int32_t h = image->height_px, w = image->width_px, height = placed->height_px, width = placed->width_px;
    bool too_wide = (int64_t)w * height > (int64_t)h * width;
    *taken = (sl_box){0, 0, h, w};
    if (mode == SL_FIT_CROP) {
        if (too_wide) taken->width_px = scaled(h, width, height);
        if (!too_wide) taken->height_px = scaled(w, height, width);
        taken->x_px = (w - taken->width_px) / 2;
        taken->y_px = (h - taken->height_px) / 2;
    } else {
        if (too_wide) placed->height_px = scaled(h, width, w);
        if (!too_wide) placed->width_px = scaled(w, height, h);
        placed->x_px = (width - placed->width_px) / 2;
        placed->y_px = (height - placed->height_px) / 2;
    }
}

sl_status sl_image_fit(const sl_image *image, sl_fit_mode mode, int32_t height_px, int32_t width_px,
                       sl_image *out) {
    sl_image canvas = {0}, part = {0}, sized = {0};
    sl_box taken, placed = {0, 0, height_px, width_px};
    SL_TRY(sl_image_new(height_px, width_px, &canvas));
    place(image, mode, &taken, &placed);
    sl_status status = sl_image_crop(image, &taken, &part);
    if (!status) status = sl_image_resize(&part, placed.height_px, placed.width_px, &sized);
    if (!status) {
        memset(canvas.mask, SL_MASK_INVALID, (size_t)height_px * (size_t)width_px);
        sl_box whole = {0, 0, sized.height_px, sized.width_px};
        copy_box(&sized, &whole, &canvas, placed.y_px, placed.x_px);
    }
    sl_image_free(&part);
    sl_image_free(&sized);
    if (status) {
        sl_image_free(&canvas);
        return status;
    }
    *out = canvas;
    return SL_OK;
}
