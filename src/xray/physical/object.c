/* A18: nothing a detector sees has flat tops with edges of one pixel: text, scale bars, arrows do. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { THINNEST = 3, THICKEST = 9, LEAST_LINES = 3, LEAST_PX = 8 };

/* The higher of two pixels in a row: dead pixels, one by one among good ones, are no ground. Below 0 where
 * one is masked. */
static double ground_at(const sl_image *image, int64_t k, int64_t beside) {
    if (image->mask[k] || image->mask[k + beside]) return -1;
    return fmax((double)image->value[k], (double)image->value[k + beside]);
}

static bool stands_out(double level, double ground) {
    return ground >= 0 && level > 4 * ground + 10 * sqrt(ground + 1);
}

/* Length of a flat run that begins at k and ends as sharply as it began; 0 without. `beside` is the step
 * along the run; `room` pixels follow k. */
static int run_at(const sl_image *image, int64_t k, int64_t beside, int32_t room) {
    double first = (double)image->value[k];
    if (image->mask[k] || !stands_out(first, ground_at(image, k - beside, -beside))) return 0;
    double low = first, high = first;
    for (int n = 1; n <= THICKEST && n + 1 < room; n++) {
        int64_t at = k + n * beside;
        double v = (double)image->value[at];
        if (image->mask[at]) return 0;
        if (n >= THINNEST && stands_out(low, ground_at(image, at, beside))) return n;
        low = fmin(low, v), high = fmax(high, v);
        if (high > 1.25 * low + 4 * sqrt(low)) return 0;
    }
    return 0;
}

/* Sets flag[k] to the run's length where one begins, along rows or columns. */
static void find_runs(const sl_image *image, bool down, uint8_t *flag) {
    int32_t lines = down ? image->width_px : image->height_px,
            length = down ? image->height_px : image->width_px;
    int64_t along = down ? image->width_px : 1, across = down ? 1 : image->width_px;
    for (int32_t line = 0; line < lines; line++)
        for (int32_t t = 2; t < length; t++) {
            int64_t k = line * across + t * along;
            flag[k] = (uint8_t)run_at(image, k, along, length - t);
        }
}

/* Pixels of runs that go on for LEAST_LINES neighbouring lines, beginning within a pixel of each other. */
static int64_t count_strokes(const physical_view *view, bool down, const uint8_t *flag, sl_mark *where) {
    const sl_image *image = view->input->image;
    int32_t lines = down ? image->width_px : image->height_px,
            length = down ? image->height_px : image->width_px;
    int64_t along = down ? image->width_px : 1, across = down ? 1 : image->width_px, found = 0;
    for (int32_t line = 0; line + LEAST_LINES <= lines; line++)
        for (int32_t t = 2; t + 2 < length; t++) {
            int64_t k = line * across + t * along;
            int on = flag[k] > 0;
            for (int n = 1; n < LEAST_LINES && on; n++) {
                const uint8_t *next = &flag[k + n * across];
                on = next[-along] || next[0] || next[along];
            }
            if (!on) continue;
            found += flag[k];
            float row = (float)(down ? t : line), column = (float)(down ? line : t);
            where->row = fminf(where->row, row), where->column = fminf(where->column, column);
            where->row2 = fmaxf(where->row2, row + 3), where->column2 = fmaxf(where->column2, column + 3);
        }
    return found;
}

sl_status physical_object(const physical_view *view, sl_physical_result *out) {
    const sl_image *image = view->input->image;
    uint8_t *flag;
    sl_mark where = {SL_MARK_BOX, SL_PHYSICAL_OBJECT, true, 1e9f, 1e9f, 0, 0, 0};
    snprintf(out->saw, sizeof out->saw, "an image too small for objects");
    if (image->height_px < 32 || image->width_px < 32) return SL_OK;
    double sum = 0;
    for (int64_t k = 0; k < (int64_t)image->height_px * image->width_px; k++)
        if (!image->mask[k]) sum += (double)image->value[k];
    snprintf(out->saw, sizeof out->saw, "no counts");
    if (sum <= 0) return SL_OK;
    SL_TRY(sl_alloc(&flag, (size_t)image->height_px * (size_t)image->width_px, 1));
    int64_t pixels = 0;
    for (int down = 0; down < 2; down++) {
        find_runs(image, down, flag);
        pixels += count_strokes(view, down, flag, &where);
    }
    sl_free(flag);
    if (pixels < LEAST_PX) pixels = 0; /* hot pixels side by side */
    out->applicable = true;
    out->value = (double)pixels / (view->unit_px * view->unit_px);
    if (pixels > 0) physical_mark(view, where);
    snprintf(out->saw, sizeof out->saw, "%lld pixels in strokes with edges of one pixel", (long long)pixels);
    return SL_OK;
}
