#include "xray/instrument/detector.h"

#include "image/image.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static const sl_detector detectors[] = {
#define SL_DETECTOR(id, name, rows, columns, pixel_um, module_rows, module_columns, gap_rows, gap_columns,   \
                    kind, highest)                                                                           \
    {id,          name,           rows,     columns,     (pixel_um)*1e-6,                                    \
     module_rows, module_columns, gap_rows, gap_columns, SL_DETECTOR_##kind,                                 \
     highest},
#include "xray/instrument/detectors.def"
#undef SL_DETECTOR
};

int sl_detector_count(void) {
    return (int)(sizeof detectors / sizeof detectors[0]);
}

const sl_detector *sl_detector_at(int index) {
    return index >= 0 && index < sl_detector_count() ? &detectors[index] : NULL;
}

/* Letters and digits alone, in lower case: "Pilatus 1M", "pilatus-1m" and "pilatus_1m" are one name. */
static bool same_name(const char *a, const char *b) {
    for (;;) {
        while (*a && !isalnum((unsigned char)*a)) a++;
        while (*b && !isalnum((unsigned char)*b)) b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        if (!*a) return true;
        a++, b++;
    }
}

bool sl_detector_integrates(const sl_detector *detector) {
    return detector && detector->kind != SL_DETECTOR_HYBRID;
}

sl_status sl_detector_find(const char *name, const sl_detector **out) {
    for (int i = 0; i < sl_detector_count(); i++) {
        if (same_name(name, detectors[i].id) || same_name(name, detectors[i].name)) {
            *out = &detectors[i];
            return SL_OK;
        }
    }
    char known[512];
    size_t used = 0;
    for (int i = 0; i < sl_detector_count(); i++) {
        for (const char *c = i ? ", " : ""; *c && used + 1 < sizeof known; c++) known[used++] = *c;
        for (const char *c = detectors[i].id; *c && used + 1 < sizeof known; c++) known[used++] = *c;
    }
    known[used] = 0;
    return sl_fail(SL_NOT_FOUND, "no detector '%s', expected one of %s", name, known);
}

sl_view sl_view_whole(const sl_detector *detector) {
    return (sl_view){detector->rows, detector->columns, 0, 0, 1};
}

sl_view sl_view_fit(const sl_detector *detector, int32_t height_px, int32_t width_px) {
    double scale = fmin((double)detector->rows / height_px, (double)detector->columns / width_px);
    return (sl_view){height_px, width_px, (detector->rows - scale * height_px) / 2,
                     (detector->columns - scale * width_px) / 2, scale};
}

/* Length of [low, high) that is live, on one axis of `size` pixels with modules and gaps. */
static double live_length(double low, double high, int32_t size, int32_t module, int32_t gap) {
    low = fmax(low, 0);
    high = fmin(high, size);
    if (high <= low) return 0;
    if (module == 0) return high - low;
    double pitch = module + gap, live = 0;
    for (double k = floor(low / pitch); k * pitch < high; k++)
        live += fmax(0, fmin(high, k * pitch + module) - fmax(low, k * pitch));
    return live;
}

enum { STRETCH = 4096 };

/* Which of `count` pixels along one axis are mostly dead. */
static void dead_pixels(double start, double scale, int32_t count, int32_t size, int32_t module, int32_t gap,
                        bool *dead) {
    for (int32_t k = 0; k < count; k++)
        dead[k] = live_length(start + k * scale, start + (k + 1) * scale, size, module, gap) < 0.75 * scale;
}

int64_t sl_detector_gap_mask(const sl_detector *detector, const sl_view *view, uint8_t *mask) {
    int64_t masked = 0;
    double radius = detector->rows * 0.5;
    bool dead_column[STRETCH], dead_row;
    for (int32_t left = 0; left < view->width_px; left += STRETCH) {
        int32_t width = view->width_px - left < STRETCH ? view->width_px - left : STRETCH;
        dead_pixels(view->column0 + left * view->scale, view->scale, width, detector->columns,
                    detector->module_columns, detector->gap_columns, dead_column);
        for (int32_t i = 0; i < view->height_px; i++) {
            double row = view->row0 + i * view->scale;
            dead_pixels(row, view->scale, 1, detector->rows, detector->module_rows, detector->gap_rows,
                        &dead_row);
            for (int32_t j = 0; j < width; j++) {
                bool gap = dead_row || dead_column[j];
                if (detector->kind == SL_DETECTOR_ROUND_CCD) {
                    double column = view->column0 + (left + j) * view->scale;
                    gap |= hypot(row + view->scale / 2 - radius, column + view->scale / 2 - radius) > radius;
                }
                if (!gap) continue;
                mask[(int64_t)i * view->width_px + left + j] |= SL_MASK_GAP;
                masked++;
            }
        }
    }
    return masked;
}

bool sl_gap_crosses(const sl_image *image, bool is_column, int32_t line) {
    int32_t length = is_column ? image->height_px : image->width_px, gap = 0;
    for (int32_t t = 0; t < length; t++) {
        int64_t k = is_column ? (int64_t)t * image->width_px + line : (int64_t)line * image->width_px + t;
        gap += (image->mask[k] & SL_MASK_GAP) != 0;
    }
    return gap * 10 > length * 8;
}
