#include "xray/instrument/detector_chain.h"

#include "base/text.h"
#include "xray/instrument/poisson.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Each stage, and within it each row, has numbers of its own: rows may be worked on in any order. */
enum { STAGE_FLAT = 1, STAGE_MODULES, STAGE_COUNTS, STAGE_COSMIC, STAGE_READ, STAGE_BAD };

static sl_random stage_random(uint64_t seed, uint32_t item, int stage, int32_t row) {
    sl_random random = sl_random_stream(seed, SL_STREAM_DETECTOR, item);
    random.counter = (uint64_t)stage << 56 | (uint64_t)(uint32_t)row << 24;
    return random;
}

sl_measurement sl_measurement_default(const sl_detector *detector, int32_t height_px, int32_t width_px) {
    sl_measurement m = {.detector = detector, .exposure = 1, .edge_gain = 1};
    if (!detector) return m;
    m.view = sl_view_fit(detector, height_px, width_px);
    m.point_spread_px = detector->kind == SL_DETECTOR_HYBRID ? 0.25 : 0.6;
    m.flat_pixel = 0.01;
    m.flat_module = detector->module_rows ? 0.005 : 0;
    m.hot_fraction = 2e-5;
    m.dead_fraction = 2e-5;
    m.cosmic_count = 0.3;
    if (detector->kind != SL_DETECTOR_HYBRID) {
        m.offset = 10;
        m.read_noise = 3;
    }
    return m;
}

/* A gain of mean 1 for each pixel: the sum of two uniform numbers stands in for a Gaussian of small width. */
static void apply_flat_field(const sl_measurement *m, int32_t height, int32_t width, uint64_t seed,
                             uint32_t item, float *mean) {
    if (m->flat_pixel <= 0) return;
    float scale =
        (float)(m->flat_pixel * 2.4494897427831781 / 65536); /* sqrt(6): variance of the sum is 1/6 */
    for (int32_t i = 0; i < height; i++) {
        sl_random random = stage_random(seed, item, STAGE_FLAT, i);
        float *row = mean + (int64_t)i * width;
        for (int32_t j = 0; j < width; j++) {
            uint32_t bits = sl_random_u32(&random);
            int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16) - 65535;
            float gain = 1 + scale * (float)sum;
            row[j] *= gain > 0 ? gain : 0;
        }
    }
}

enum { MODULES = 64, MODULE_EDGE = 0x80 };

/* For each pixel along one axis: the index of its module, with MODULE_EDGE for the first and last pixel of
 * one. */
static void find_modules(double start, double scale, int32_t count, int32_t module, int32_t gap,
                         uint8_t *out) {
    double pitch = module + gap;
    for (int32_t i = 0; i < count; i++) {
        double position = start + i * scale, k = floor(position / pitch), within = position - k * pitch;
        bool edge = within < scale || (within < module && within + scale >= module);
        out[i] = (uint8_t)fmin(fmax(k, 0), MODULES - 1) | (edge ? MODULE_EDGE : 0);
    }
}

/* Multiplies by each module's gain, and the pixels along its edges, which are wider, by edge_gain. */
static sl_status apply_modules(const sl_measurement *m, int32_t height, int32_t width, uint64_t seed,
                               uint32_t item, float *mean) {
    const sl_detector *d = m->detector;
    if (!d || d->module_rows == 0 || (m->flat_module <= 0 && m->edge_gain == 1)) return SL_OK;
    uint8_t *rows, *columns;
    SL_TRY(sl_alloc(&rows, (size_t)height + (size_t)width, 1));
    columns = rows + height;
    find_modules(m->view.row0, m->view.scale, height, d->module_rows, d->gap_rows, rows);
    find_modules(m->view.column0, m->view.scale, width, d->module_columns, d->gap_columns, columns);
    /* binning dilutes a wide pixel among its neighbours */
    float edge_factor = (float)(1 + (m->edge_gain - 1) / fmax(m->view.scale, 1)), gain[MODULES] = {0};
    int known = -1;
    for (int32_t i = 0; i < height; i++) {
        int module = rows[i] & ~MODULE_EDGE;
        if (module != known) {
            sl_random random = stage_random(seed, item, STAGE_MODULES, module);
            for (int k = 0; k < MODULES; k++)
                gain[k] = (float)fmax(1 + m->flat_module * sl_random_normal(&random), 0);
            known = module;
        }
        for (int32_t j = 0; j < width; j++) {
            float factor = gain[columns[j] & ~MODULE_EDGE];
            if ((rows[i] | columns[j]) & MODULE_EDGE) factor *= edge_factor;
            mean[(int64_t)i * width + j] *= factor;
        }
    }
    sl_free(rows);
    return SL_OK;
}

/* Convolution with [side, middle, side] along rows and columns: a Gaussian of the same variance. Borders
 * repeat. */
static void blur_little(double sigma, int32_t height, int32_t width, float *image, float *scratch) {
    float side = (float)fmin(sigma * sigma / 2, 0.25), middle = 1 - 2 * side;
    for (int32_t i = 0; i < height; i++) {
        const float *in = image + (int64_t)i * width;
        float *out = scratch + (int64_t)i * width;
        for (int32_t j = 0; j < width; j++)
            out[j] = middle * in[j] + side * (in[j > 0 ? j - 1 : 0] + in[j + 1 < width ? j + 1 : j]);
    }
    for (int32_t i = 0; i < height; i++) {
        const float *above = scratch + (int64_t)(i > 0 ? i - 1 : 0) * width;
        const float *below = scratch + (int64_t)(i + 1 < height ? i + 1 : i) * width;
        const float *in = scratch + (int64_t)i * width;
        float *out = image + (int64_t)i * width;
        for (int32_t j = 0; j < width; j++) out[j] = middle * in[j] + side * (above[j] + below[j]);
    }
}

enum { FIBRE_REACH = 4 };

/* The sum of two rows with FIBRE_REACH more at both ends, which repeat them. */
static void add_rows(const float *first, const float *second, int32_t width, float *out) {
    for (int32_t j = 0; j < width; j++) out[j + FIBRE_REACH] = first[j] + second[j];
    for (int x = 0; x < FIBRE_REACH; x++) {
        out[x] = out[FIBRE_REACH];
        out[width + FIBRE_REACH + x] = out[width + FIBRE_REACH - 1];
    }
}

/* Point spread of a fibre-coupled CCD, g / (2 pi (g^2 + r^2)^(3/2)) (Holton, Nielsen and Frankel 2012), after
 * the counts are drawn, since one photon's light is shared: neighbouring pixels are correlated. */
static sl_status blur_fibre(double g, int32_t height, int32_t width, float *image, float *scratch) {
    float kernel[FIBRE_REACH + 1][FIBRE_REACH + 1], sum = 0;
    for (int y = 0; y <= FIBRE_REACH; y++)
        for (int x = 0; x <= FIBRE_REACH; x++) {
            double r2 = y * y + x * x;
            kernel[y][x] = (float)(g / (2 * M_PI * (g * g + r2) * sqrt(g * g + r2)));
            sum += kernel[y][x] * (y > 0 ? 2 : 1) * (x > 0 ? 2 : 1);
        }
    float *pair;
    SL_TRY(sl_alloc(&pair, (size_t)width + 2 * FIBRE_REACH, sizeof *pair));
    memset(scratch, 0, (size_t)height * (size_t)width * sizeof *scratch);
    for (int32_t i = 0; i < height; i++)
        for (int y = 0; y <= FIBRE_REACH; y++) {
            add_rows(image + (int64_t)(i >= y ? i - y : 0) * width,
                     image + (int64_t)(i + y < height ? i + y : height - 1) * width, width, pair);
            float *restrict out = scratch + (int64_t)i * width;
            for (int x = 0; x <= FIBRE_REACH; x++) {
                float weight = kernel[y][x] / sum * (y > 0 ? 1.0f : 0.5f) * (x > 0 ? 1.0f : 0.5f);
                const float *restrict left = pair + FIBRE_REACH - x, *restrict right = pair + FIBRE_REACH + x;
                int32_t j = 0;
                /* four at a time: one vector of every machine */
                for (; j + 4 <= width; j += 4)
                    for (int t = 0; t < 4; t++) out[j + t] += weight * (left[j + t] + right[j + t]);
                for (; j < width; j++) out[j] += weight * (left[j] + right[j]);
            }
        }
    memcpy(image, scratch, (size_t)height * (size_t)width * sizeof *image);
    sl_free(pair);
    return SL_OK;
}

static void draw_counts(const sl_measurement *m, int32_t height, int32_t width, uint64_t seed, uint32_t item,
                        float *value) {
    for (int32_t i = 0; i < height; i++) {
        sl_random random = stage_random(seed, item, STAGE_COUNTS, i);
        float *row = value + (int64_t)i * width;
        for (int32_t j = 0; j < width; j++) {
            double mean = (double)row[j];
            if (m->dead_time_fraction > 0) mean *= exp(-mean * m->dead_time_fraction);
            row[j] = (float)sl_poisson(&random, mean);
        }
    }
}

/* Straight tracks of charged particles. */
static void draw_cosmics(const sl_measurement *m, int32_t height, int32_t width, uint64_t seed, uint32_t item,
                         float *value) {
    sl_random random = stage_random(seed, item, STAGE_COSMIC, 0);
    int tracks = (int)sl_poisson(&random, fmin(m->cosmic_count, 1000));
    for (int t = 0; t < tracks; t++) {
        double row = sl_random_range(&random, 0, height), column = sl_random_range(&random, 0, width);
        double angle = sl_random_range(&random, 0, 2 * M_PI), length = sl_random_log_range(&random, 1, 30);
        double strength = sl_random_log_range(&random, 3, 100);
        for (double s = 0; s < length; s += 0.7) {
            int32_t i = (int32_t)(row + s * sin(angle)), j = (int32_t)(column + s * cos(angle));
            if (i < 0 || j < 0 || i >= height || j >= width) break;
            value[(int64_t)i * width + j] += (float)sl_poisson(&random, strength);
        }
    }
}

static sl_status read_out(const sl_measurement *m, int32_t height, int32_t width, uint64_t seed,
                          uint32_t item, float *value) {
    float *noise;
    if (m->read_noise <= 0 && m->offset == 0) return SL_OK;
    SL_TRY(sl_alloc(&noise, (size_t)width, sizeof *noise));
    for (int32_t i = 0; i < height; i++) {
        sl_random random = stage_random(seed, item, STAGE_READ, i);
        float *row = value + (int64_t)i * width;
        sl_random_normals(&random, noise, (size_t)width);
        for (int32_t j = 0; j < width; j++) {
            double read = (double)row[j] + m->offset + m->read_noise * (double)noise[j];
            row[j] = (float)fmax(rint(read), 0);
        }
    }
    sl_free(noise);
    return SL_OK;
}

static void draw_bad_pixels(const sl_measurement *m, uint64_t seed, uint32_t item, sl_image *image) {
    sl_random random = stage_random(seed, item, STAGE_BAD, 0);
    double pixels = (double)image->height_px * image->width_px;
    uint32_t count = (uint32_t)pixels;
    int hot = (int)sl_poisson(&random, m->hot_fraction * pixels);
    for (int k = 0; k < hot; k++) {
        uint32_t at = sl_random_below(&random, count);
        image->value[at] = (float)floor(sl_random_log_range(&random, 1e2, 1e6));
        image->mask[at] |= SL_MASK_HOT;
    }
    int dead = (int)sl_poisson(&random, m->dead_fraction * pixels);
    for (int k = 0; k < dead; k++) {
        uint32_t at = sl_random_below(&random, count);
        image->value[at] = 0;
        image->mask[at] |= SL_MASK_DEAD;
    }
}

static void drop_chip(const sl_measurement *m, sl_image *image) {
    const sl_dead_chip *c = &m->dead_chip;
    for (int32_t i = 0; c->rows > 0 && i < image->height_px; i++) {
        double row = m->view.row0 + (i + 0.5) * m->view.scale - c->row;
        for (int32_t j = 0; row >= 0 && row < c->rows && j < image->width_px; j++) {
            double column = m->view.column0 + (j + 0.5) * m->view.scale - c->column;
            int64_t at = (int64_t)i * image->width_px + j;
            if (column >= 0 && column < c->columns) image->value[at] = 0, image->mask[at] |= SL_MASK_DEAD;
        }
    }
}

static void finish(const sl_measurement *m, sl_image *image) {
    int64_t pixels = (int64_t)image->height_px * image->width_px;
    double highest = m->highest_count > 0 ? m->highest_count : m->detector ? m->detector->highest_count : 0;
    for (int64_t k = 0; highest > 0 && k < pixels; k++)
        if ((double)image->value[k] >= highest) {
            image->value[k] = (float)highest;
            image->mask[k] |= SL_MASK_SATURATED;
        }
    if (m->detector) sl_detector_gap_mask(m->detector, &m->view, image->mask);
    for (int64_t k = 0; k < pixels; k++) {
        if (m->extra_mask) image->mask[k] |= m->extra_mask[k];
        if (image->mask[k] & (SL_MASK_GAP | SL_MASK_INVALID)) image->value[k] = 0;
    }
}

static sl_status check(const float *mean_counts, int32_t height, int32_t width, const sl_measurement *m) {
    if (m->detector && (m->view.height_px != height || m->view.width_px != width || !(m->view.scale > 0)))
        return sl_fail(SL_MISMATCH, "view of %d x %d pixels at scale %g for an expectation of %d x %d",
                       m->view.height_px, m->view.width_px, m->view.scale, height, width);
    if (!(m->exposure >= 0) || !isfinite(m->exposure))
        return sl_fail(SL_INVALID, "exposure %g, expected a number not below 0", m->exposure);
    for (int64_t k = 0; k < (int64_t)height * width; k++)
        if (!(mean_counts[k] >= 0 && mean_counts[k] <= FLT_MAX))
            return sl_fail(SL_NUMERIC,
                           "mean counts of %g at row %lld, column %lld, expected a number not below 0",
                           (double)mean_counts[k], (long long)(k / width), (long long)(k % width));
    return SL_OK;
}

/* All stages on `image`, whose values are the expectation times the exposure; `scratch` has its size. */
static sl_status run_stages(const sl_measurement *m, uint64_t seed, uint32_t item, float *scratch,
                            sl_image *image) {
    int32_t height = image->height_px, width = image->width_px;
    bool fibre = sl_detector_integrates(m->detector), spread = m->point_spread_px > 0;
    apply_flat_field(m, height, width, seed, item, image->value);
    SL_TRY(apply_modules(m, height, width, seed, item, image->value));
    sl_beamstop_apply(&m->beamstop, height, width, image->value, image->mask);
    if (spread && !fibre) blur_little(m->point_spread_px, height, width, image->value, scratch);
    draw_counts(m, height, width, seed, item, image->value);
    draw_cosmics(m, height, width, seed, item, image->value);
    if (spread && fibre) SL_TRY(blur_fibre(m->point_spread_px, height, width, image->value, scratch));
    SL_TRY(read_out(m, height, width, seed, item, image->value));
    draw_bad_pixels(m, seed, item, image);
    drop_chip(m, image);
    finish(m, image);
    return SL_OK;
}

sl_status sl_detector_measure(const float *mean_counts, int32_t height_px, int32_t width_px,
                              const sl_measurement *m, uint64_t seed, uint32_t item, sl_image *out) {
    SL_TRY(check(mean_counts, height_px, width_px, m));
    sl_image image;
    float *scratch = NULL;
    SL_TRY(sl_image_new(height_px, width_px, &image));
    size_t pixels = (size_t)height_px * (size_t)width_px;
    float exposure = (float)m->exposure;
    for (size_t k = 0; k < pixels; k++) image.value[k] = mean_counts[k] * exposure;
    sl_status status;
    SL_GUARD(status, sl_alloc(&scratch, pixels, sizeof *scratch), done);
    SL_GUARD(status, run_stages(m, seed, item, scratch, &image), done);
    *out = image;
done:
    sl_free(scratch);
    if (status) sl_image_free(&image);
    return status;
}

void sl_beam_estimate(const float *mean_counts, int32_t height_px, int32_t width_px, double *row,
                      double *column) {
    enum { CELL = 8 };
    double best = -1;
    *row = height_px * 0.5;
    *column = width_px * 0.5;
    for (int32_t i = 0; i + CELL <= height_px; i += CELL / 2)
        for (int32_t j = 0; j + CELL <= width_px; j += CELL / 2) {
            double sum = 0, sum_row = 0, sum_column = 0;
            for (int32_t y = i; y < i + CELL; y++)
                for (int32_t x = j; x < j + CELL; x++) {
                    double v = (double)mean_counts[(int64_t)y * width_px + x];
                    sum += v, sum_row += v * (y + 0.5), sum_column += v * (x + 0.5);
                }
            if (!(sum > best)) continue;
            best = sum;
            if (sum > 0) *row = sum_row / sum, *column = sum_column / sum;
        }
}
