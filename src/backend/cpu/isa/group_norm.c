/* Group norm (Wu and He 2018) with SiLU fused, x[N, P pixels, C].
 *
 * An image is cut into parts of pixels. Each part leaves sums of its columns in the workspace; they are
 * joined to group statistics, and so to one factor and offset for each channel; then the parts are written.
 */
#include "backend/cpu/isa/moments.h"

#include <math.h>

enum { IMAGES_APART = 16 }; /* from this batch size on, an image is one task */

/* Workspace of one image: sums[parts][2][C], then two rows of C. */
typedef struct layout {
    int64_t rows, parts, image_floats;
} layout;

static layout layout_of(int64_t pixels, int64_t channels) {
    int64_t rows = rows_in_part(channels), parts = ceil_div(pixels, rows);
    return (layout){rows, parts, (parts + 1) * 2 * channels};
}

SL_INLINE range pixels_of(const layout *l, int64_t pixels, int64_t part) {
    return (range){part * l->rows, min_of(pixels, (part + 1) * l->rows)};
}

/* Runs sums, join and write for each image: as one task for an image, or cut into parts. */
typedef struct phases {
    const void *arguments;
    layout layout;
    int64_t batch;
    void (*sums)(const void *arguments, const layout *l, int64_t image, int64_t part);
    void (*join)(const void *arguments, const layout *l, int64_t image);
    void (*write)(const void *arguments, const layout *l, int64_t image, int64_t part);
} phases;

static void image_task(void *context, int64_t image, int worker) {
    (void)worker;
    const phases *p = context;
    for (int64_t part = 0; part < p->layout.parts; part++) p->sums(p->arguments, &p->layout, image, part);
    p->join(p->arguments, &p->layout, image);
    for (int64_t part = 0; part < p->layout.parts; part++) p->write(p->arguments, &p->layout, image, part);
}

static void sums_task(void *context, int64_t task, int worker) {
    (void)worker;
    const phases *p = context;
    p->sums(p->arguments, &p->layout, task / p->layout.parts, task % p->layout.parts);
}

static void write_task(void *context, int64_t task, int worker) {
    (void)worker;
    const phases *p = context;
    p->write(p->arguments, &p->layout, task / p->layout.parts, task % p->layout.parts);
}

static void run_phases(phases *p) {
    if (p->batch >= IMAGES_APART || p->layout.parts == 1) {
        sl_parallel_for(p->batch, image_task, p);
        return;
    }
    sl_parallel_for(p->batch * p->layout.parts, sums_task, p);
    for (int64_t image = 0; image < p->batch; image++) p->join(p->arguments, &p->layout, image);
    sl_parallel_for(p->batch * p->layout.parts, write_task, p);
}

/* ---- forward ---- */

size_t SL_ISA(group_norm_bytes)(const sl_cpu_group_norm *g) {
    return (size_t)(g->batch * layout_of(g->pixels, g->channels).image_floats) * sizeof(float);
}

static float *image_workspace(void *workspace, const layout *l, int64_t image) {
    return (float *)workspace + image * l->image_floats;
}

/* The shift of a channel: its first pixel in the image. */
static void forward_sums(const void *arguments, const layout *l, int64_t image, int64_t part) {
    const sl_cpu_group_norm *g = arguments;
    int64_t c = g->channels, at = image * g->pixels * c;
    float *sums = image_workspace(g->workspace, l, image) + part * 2 * c;
    range pixels = pixels_of(l, g->pixels, part);
    float shift[c];
    bool bf16 = g->dtype == SL_BF16;
    for (int64_t i = 0; i < c; i += VL) {
        int64_t n = min_of(VL, c - i);
        vf_store_n(shift + i, vf_get_n(bf16, g->x, at + i, n), n);
    }
    at += pixels.begin * c;
    if (bf16)
        column_moments(true, g->x, at, pixels.end - pixels.begin, c, shift, sums, sums + c);
    else
        column_moments(false, g->x, at, pixels.end - pixels.begin, c, shift, sums, sums + c);
}

static float shift_of(const sl_cpu_group_norm *g, int64_t at) {
    return g->dtype == SL_BF16 ? sl_bf16_to_f32(((const uint16_t *)g->x)[at]) : ((const float *)g->x)[at];
}

static void forward_join(const void *arguments, const layout *l, int64_t image) {
    const sl_cpu_group_norm *g = arguments;
    int64_t c = g->channels, size = c / g->groups;
    const float *sums = image_workspace(g->workspace, l, image);
    float *factor = image_workspace(g->workspace, l, image) + l->parts * 2 * c, *offset = factor + c;
    for (int64_t group = 0; group < g->groups; group++) {
        moments all = {0};
        for (int64_t i = group * size; i < (group + 1) * size; i++) {
            double sum = 0, square = 0;
            for (int64_t part = 0; part < l->parts; part++) {
                sum += (double)sums[part * 2 * c + i];
                square += (double)sums[part * 2 * c + c + i];
            }
            double shift = (double)shift_of(g, image * g->pixels * c + i);
            all = moments_join(all, moments_of((double)g->pixels, shift, sum, square));
        }
        double rstd = 1 / sqrt(fmax(all.deviation, 0) / all.count + (double)g->epsilon);
        g->mean[image * g->groups + group] = (float)all.mean;
        g->rstd[image * g->groups + group] = (float)rstd;
        for (int64_t i = group * size; i < (group + 1) * size; i++) {
            double gamma = g->gamma ? (double)g->gamma[i] : 1;
            factor[i] = (float)(rstd * gamma);
            offset[i] = (float)((g->beta ? (double)g->beta[i] : 0) - all.mean * rstd * gamma);
        }
    }
}

SL_INLINE void forward_pixels(const bool bf16, const bool silu, const sl_cpu_group_norm *g, int64_t at,
                              int64_t rows, const float *factor, const float *offset) {
    for (int64_t row = 0; row < rows; row++, at += g->channels)
        for (int64_t i = 0; i < g->channels; i += VL) {
            int64_t n = min_of(VL, g->channels - i);
            vf y =
                vf_fma(vf_get_n(bf16, g->x, at + i, n), vf_load_n(factor + i, n), vf_load_n(offset + i, n));
            if (silu) y = v_activation(SL_ACT_SILU, y);
            vf_put_n(bf16, g->y, at + i, y, n);
        }
}

static void forward_write(const void *arguments, const layout *l, int64_t image, int64_t part) {
    const sl_cpu_group_norm *g = arguments;
    range pixels = pixels_of(l, g->pixels, part);
    int64_t c = g->channels, at = (image * g->pixels + pixels.begin) * c, rows = pixels.end - pixels.begin;
    const float *factor = image_workspace(g->workspace, l, image) + l->parts * 2 * c;
    if (g->dtype == SL_BF16) {
        if (g->silu)
            forward_pixels(true, true, g, at, rows, factor, factor + c);
        else
            forward_pixels(true, false, g, at, rows, factor, factor + c);
    } else {
        if (g->silu)
            forward_pixels(false, true, g, at, rows, factor, factor + c);
        else
            forward_pixels(false, false, g, at, rows, factor, factor + c);
    }
}

void SL_ISA(group_norm)(const sl_cpu_group_norm *g) {
    phases p = {g, layout_of(g->pixels, g->channels), g->batch, forward_sums, forward_join, forward_write};
    run_phases(&p);
}

/* ---- backward ----
 * h = (x - mean) rstd, z = h gamma + beta, y = act(z), d = grad_y act'(z):
 * grad_beta = sum d, grad_gamma = sum d h, grad_x = rstd (d gamma - mean(d gamma) - h mean(d gamma h)). */

size_t SL_ISA(group_norm_grad_bytes)(const sl_cpu_group_norm_grad *g) {
    return (size_t)(g->batch * layout_of(g->pixels, g->channels).image_floats) * sizeof(float);
}

/* Per channel: h = x rstd + h_offset */
static void spread_groups(const sl_cpu_group_norm_grad *g, int64_t image, float *rstd, float *h_offset) {
    int64_t size = g->channels / g->groups;
    for (int64_t i = 0; i < g->channels; i++) {
        int64_t at = image * g->groups + i / size;
        rstd[i] = g->rstd[at];
        h_offset[i] = -g->mean[at] * g->rstd[at];
    }
}

typedef struct slope {
    vf h, d;
} slope;
SL_INLINE slope slope_at(const bool bf16, const bool silu, const sl_cpu_group_norm_grad *g, int64_t at,
                         int64_t channel, const float *rstd, const float *h_offset, int64_t n) {
    slope s;
    s.h = vf_fma(vf_get_n(bf16, g->x, at, n), vf_load_n(rstd + channel, n), vf_load_n(h_offset + channel, n));
    s.d = vf_get_n(bf16, g->grad_y, at, n);
    if (!silu) return s;
    vf z = s.h;
    if (g->gamma) z = z * vf_load_n(g->gamma + channel, n);
    if (g->beta) z = z + vf_load_n(g->beta + channel, n);
    s.d = s.d * v_activation_slope(SL_ACT_SILU, z);
    return s;
}

SL_INLINE void backward_sums_of(const bool bf16, const bool silu, const sl_cpu_group_norm_grad *g, int64_t at,
                                int64_t rows, const float *rstd, const float *h_offset, float *sums) {
    int64_t c = g->channels;
    for (int64_t i = 0; i < c; i += VL) {
        int64_t n = min_of(VL, c - i);
        vf sum_d = vf_zero(), sum_dh = vf_zero();
        for (int64_t row = 0; row < rows; row++) {
            slope s = slope_at(bf16, silu, g, at + row * c + i, i, rstd, h_offset, n);
            sum_d = sum_d + s.d;
            sum_dh = vf_fma(s.d, s.h, sum_dh);
        }
        vf_store_n(sums + i, sum_d, n);
        vf_store_n(sums + c + i, sum_dh, n);
    }
}

static void backward_sums(const void *arguments, const layout *l, int64_t image, int64_t part) {
    const sl_cpu_group_norm_grad *g = arguments;
    range pixels = pixels_of(l, g->pixels, part);
    int64_t c = g->channels, at = (image * g->pixels + pixels.begin) * c, rows = pixels.end - pixels.begin;
    float *sums = image_workspace(g->workspace, l, image) + part * 2 * c;
    float rstd[c], h_offset[c];
    spread_groups(g, image, rstd, h_offset);
    if (g->dtype == SL_BF16)
        backward_sums_of(true, g->silu, g, at, rows, rstd, h_offset, sums);
    else
        backward_sums_of(false, g->silu, g, at, rows, rstd, h_offset, sums);
}

/* Sums of the whole image to its last two rows. */
static void backward_join(const void *arguments, const layout *l, int64_t image) {
    const sl_cpu_group_norm_grad *g = arguments;
    int64_t c = g->channels;
    const float *sums = image_workspace(g->workspace, l, image);
    float *total = image_workspace(g->workspace, l, image) + l->parts * 2 * c;
    for (int64_t i = 0; i < 2 * c; i++) {
        double sum = 0;
        for (int64_t part = 0; part < l->parts; part++) sum += (double)sums[part * 2 * c + i];
        total[i] = (float)sum;
    }
}

/* grad_x = d gamma rstd - (mean_d + h mean_dh), with the means already times rstd. */
static void group_means(const sl_cpu_group_norm_grad *g, int64_t image, const float *total, float *mean_d,
                        float *mean_dh) {
    int64_t c = g->channels, size = c / g->groups;
    for (int64_t group = 0; group < g->groups; group++) {
        double d = 0, dh = 0;
        for (int64_t i = group * size; i < (group + 1) * size; i++) {
            double gamma = g->gamma ? (double)g->gamma[i] : 1;
            d += gamma * (double)total[i];
            dh += gamma * (double)total[c + i];
        }
        double factor = (double)g->rstd[image * g->groups + group] / (double)(size * g->pixels);
        for (int64_t i = group * size; i < (group + 1) * size; i++)
            mean_d[i] = (float)(d * factor), mean_dh[i] = (float)(dh * factor);
    }
}

SL_INLINE void backward_pixels(const bool bf16, const bool silu, const sl_cpu_group_norm_grad *g, int64_t at,
                               int64_t rows, const float *rstd, const float *h_offset, const float *mean_d,
                               const float *mean_dh) {
    int64_t c = g->channels;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < c; i += VL) {
            int64_t n = min_of(VL, c - i);
            slope s = slope_at(bf16, silu, g, at + row * c + i, i, rstd, h_offset, n);
            vf factor = vf_load_n(rstd + i, n);
            if (g->gamma) factor = factor * vf_load_n(g->gamma + i, n);
            vf means = vf_fma(s.h, vf_load_n(mean_dh + i, n), vf_load_n(mean_d + i, n));
            vf_put_n(bf16, g->grad_x, at + row * c + i, vf_fma(s.d, factor, vf_zero() - means), n);
        }
}

static void backward_write(const void *arguments, const layout *l, int64_t image, int64_t part) {
    const sl_cpu_group_norm_grad *g = arguments;
    if (!g->grad_x) return;
    range pixels = pixels_of(l, g->pixels, part);
    int64_t c = g->channels, at = (image * g->pixels + pixels.begin) * c, rows = pixels.end - pixels.begin;
    float rstd[c], h_offset[c], mean_d[c], mean_dh[c];
    spread_groups(g, image, rstd, h_offset);
    group_means(g, image, image_workspace(g->workspace, l, image) + l->parts * 2 * c, mean_d, mean_dh);
    if (g->dtype == SL_BF16)
        backward_pixels(true, g->silu, g, at, rows, rstd, h_offset, mean_d, mean_dh);
    else
        backward_pixels(false, g->silu, g, at, rows, rstd, h_offset, mean_d, mean_dh);
}

void SL_ISA(group_norm_grad)(const sl_cpu_group_norm_grad *g) {
    phases p = {g, layout_of(g->pixels, g->channels), g->batch, backward_sums, backward_join, backward_write};
    run_phases(&p);
    if (!g->grad_gamma) return;
    const layout *l = &p.layout;
    int64_t c = g->channels;
    for (int64_t i = 0; i < c; i++) {
        double beta = 0, gamma = 0;
        for (int64_t image = 0; image < g->batch; image++) {
            const float *total = image_workspace(g->workspace, l, image) + l->parts * 2 * c;
            beta += (double)total[i];
            gamma += (double)total[c + i];
        }
        g->grad_beta[i] = (float)beta;
        g->grad_gamma[i] = (float)gamma;
    }
}
