#include "train/vae/vae_linear.h"

#include "base/numeric/cholesky.h"
#include "base/memory.h"
#include "model/vae.h"
#include "train/vae/vae_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A line through normalisation and SiLU. Each signal s has two channels, +s and -s, since silu(s) - silu(-s)
 * = s. Its normalisation group also holds +LEVEL and -LEVEL, which fix the group's mean at 0 and its
 * deviation at LEVEL sqrt(2 / group); the affine scale takes that back. A signal of size 1 changes the
 * deviation by 1e-5. */
enum { PER_GROUP = 2, BEFORE = 2, LEVEL = 256, NEIGHBOURS = 9, BATCH = 16, MODES_MAX = 64 };
static const double deviation = 0.005; /* of the posterior: far below what the decoder resolves */
static const double ridge = 1e-6;      /* a block, in squared latents */

typedef struct code {
    int block, modes, width, group; /* width: channels inside; group: of them in a normalisation group */
    int rows, columns;              /* blocks of an image */
    double *basis;                  /* [modes, block^2], orthonormal */
    double *mean, *scale;           /* [modes] */
    double *decoder;                /* [NEIGHBOURS modes + 1, block^2] */
} code;

/* Channel that carries +signal; the next one carries -signal. */
static int channel_of(const code *c, int signal) {
    return signal / PER_GROUP * c->group + BEFORE + 2 * (signal % PER_GROUP);
}

/* Modes in the order of their total order, then of the vertical one: (0,0) (0,1) (1,0) (0,2) (1,1) (2,0) ...
 */
static void mode_of(int number, int *vertical, int *horizontal) {
    int total = 0;
    while (number > total) number -= ++total;
    *vertical = number;
    *horizontal = total - number;
}

static void fill_basis(code *c) {
    int n = c->block;
    for (int k = 0; k < c->modes; k++) {
        int v, h;
        mode_of(k, &v, &h);
        double norm = sqrt((v ? 2.0 : 1.0) * (h ? 2.0 : 1.0)) / n;
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++)
                c->basis[k * n * n + y * n + x] =
                    norm * cos((2 * y + 1) * v * M_PI / (2 * n)) * cos((2 * x + 1) * h * M_PI / (2 * n));
    }
}

static const float *block_at(const code *c, const float *image, int row, int column) {
    return image + ((int64_t)row * c->block * c->columns + column) * c->block;
}

static void project(const code *c, const float *image, int row, int column, double *out) {
    const float *block = block_at(c, image, row, column);
    for (int k = 0; k < c->modes; k++) {
        const double *basis = c->basis + k * c->block * c->block;
        double sum = 0;
        for (int y = 0; y < c->block; y++)
            for (int x = 0; x < c->block; x++)
                sum += *basis++ * (double)block[(int64_t)y * c->columns * c->block + x];
        out[k] = sum;
    }
}

static sl_status fit_scales(code *c, const float *images, int count) {
    double sum[MODES_MAX] = {0}, square[MODES_MAX] = {0};
    double mode[MODES_MAX];
    int64_t pixels = (int64_t)c->rows * c->columns * c->block * c->block;
    for (int i = 0; i < count; i++)
        for (int place = 0; place < c->rows * c->columns; place++) {
            project(c, images + i * pixels, place / c->columns, place % c->columns, mode);
            for (int k = 0; k < c->modes; k++) {
                sum[k] += mode[k];
                square[k] += mode[k] * mode[k];
            }
        }
    double blocks = (double)count * c->rows * c->columns, spread0 = 0;
    for (int k = 0; k < c->modes; k++) {
        c->mean[k] = sum[k] / blocks;
        double variance = square[k] / blocks - c->mean[k] * c->mean[k];
        if (!(variance > 1e-12))
            return sl_fail(SL_NUMERIC, "mode %d of the blocks does not vary (variance %g)", k, variance);
        if (!k) spread0 = sqrt(variance);
        c->scale[k] = sqrt(sqrt(variance) * spread0);
    }
    return SL_OK;
}

/* ---- the decoder by least squares ---- */

typedef struct decoder_equations {
    int unknowns, outputs;
    double *left, *right; /* [unknowns, unknowns], [unknowns, outputs] */
    double *latent;       /* [rows + 2, columns + 2, modes], zero around the image as a convolution pads it */
    double *features;     /* [unknowns] */
} decoder_equations;

static void fill_latent(const code *c, const float *image, double *latent) {
    for (int row = 0; row < c->rows; row++)
        for (int column = 0; column < c->columns; column++) {
            double *z = latent + ((row + 1) * (c->columns + 2) + column + 1) * c->modes;
            project(c, image, row, column, z);
            for (int k = 0; k < c->modes; k++) z[k] = (z[k] - c->mean[k]) / c->scale[k];
        }
}

static void add_block(const code *c, const float *image, int row, int column, decoder_equations *e) {
    double *f = e->features;
    for (int n = 0; n < NEIGHBOURS; n++, f += c->modes)
        memcpy(f, e->latent + ((row + n / 3) * (c->columns + 2) + column + n % 3) * c->modes,
               (size_t)c->modes * sizeof *f);
    *f = 1;
    const float *block = block_at(c, image, row, column);
    for (int i = 0; i < e->unknowns; i++) {
        double value = e->features[i], *right = e->right + i * e->outputs;
        for (int j = 0; j <= i; j++) e->left[i * e->unknowns + j] += value * e->features[j];
        for (int y = 0; y < c->block; y++)
            for (int x = 0; x < c->block; x++)
                *right++ += value * (double)block[(int64_t)y * c->columns * c->block + x];
    }
}

/* right = left^-1 right; left becomes its factor. */
static sl_status solve(decoder_equations *e) {
    if (sl_cholesky_factor(e->left, e->unknowns, NULL) < e->unknowns)
        return sl_fail(SL_NUMERIC, "the decoder's equations are singular");
    for (int o = 0; o < e->outputs; o++) sl_cholesky_solve(e->left, e->unknowns, e->right + o, e->outputs);
    return SL_OK;
}

static sl_status fit_decoder(code *c, const float *images, int count) {
    decoder_equations e = {.unknowns = NEIGHBOURS * c->modes + 1, .outputs = c->block * c->block};
    size_t unknowns = (size_t)e.unknowns, outputs = (size_t)e.outputs;
    size_t padded = (size_t)(c->rows + 2) * (size_t)(c->columns + 2) * (size_t)c->modes;
    int64_t pixels = (int64_t)c->rows * c->columns * e.outputs;
    sl_status status;
    SL_GUARD(status, sl_alloc(&e.left, unknowns * unknowns, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&e.right, unknowns * outputs, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&e.latent, padded, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&e.features, unknowns, sizeof(double)), done);
    for (int i = 0; i < count; i++) {
        fill_latent(c, images + i * pixels, e.latent);
        for (int place = 0; place < c->rows * c->columns; place++)
            add_block(c, images + i * pixels, place / c->columns, place % c->columns, &e);
    }
    double blocks = (double)count * c->rows * c->columns;
    for (int i = 0; i < e.unknowns; i++) e.left[i * e.unknowns + i] += ridge * blocks;
    SL_GUARD(status, solve(&e), done);
    memcpy(c->decoder, e.right, unknowns * outputs * sizeof(double));
done:
    sl_free(e.left);
    sl_free(e.right);
    sl_free(e.latent);
    sl_free(e.features);
    return status;
}

/* ---- into the network ---- */

static sl_status values_of(sl_model *vae, const char *name, float **out) {
    sl_param *param = sl_params_find(vae->params, name);
    if (!param || !param->value.data) return sl_fail(SL_MISMATCH, "the autoencoder has no '%s'", name);
    *out = param->value.data;
    return SL_OK;
}

/* Blocks begin as nothing added: their second convolutions are zero. */
static void silence_blocks(sl_model *vae) {
    for (int i = 0; i < sl_params_count(vae->params); i++) {
        sl_param *param = sl_params_at(vae->params, i);
        if (strstr(param->name, ".conv2.")) memset(param->value.data, 0, sl_tensor_bytes(&param->value));
    }
}

/* conv_in[width, inputs, 3, 3] of one half: signal k is row k of matrix[modes, inputs] at the middle tap,
 * plus shift[k]; groups with signals also get their levels. The norm behind it gets its scale. */
static sl_status set_way_in(const code *c, sl_model *vae, const char *half, const double *matrix,
                            const double *shift, int inputs) {
    char name[64];
    float *weight = NULL, *bias = NULL, *gamma = NULL;
    snprintf(name, sizeof name, "%s.conv_in.weight", half);
    SL_TRY(values_of(vae, name, &weight));
    snprintf(name, sizeof name, "%s.conv_in.bias", half);
    SL_TRY(values_of(vae, name, &bias));
    snprintf(name, sizeof name, "%s.conv_norm_out.weight", half);
    SL_TRY(values_of(vae, name, &gamma));
    int groups = (c->modes + PER_GROUP - 1) / PER_GROUP;
    memset(weight, 0, (size_t)(groups * c->group * inputs) * NEIGHBOURS * sizeof *weight);
    memset(bias, 0, (size_t)(groups * c->group) * sizeof *bias);
    for (int g = 0; g < groups; g++) {
        bias[g * c->group] = LEVEL;
        bias[g * c->group + 1] = -LEVEL;
    }
    for (int k = 0; k < c->modes; k++)
        for (int side = 0; side < 2; side++) {
            int channel = channel_of(c, k) + side;
            double sign = side ? -1 : 1;
            bias[channel] = (float)(sign * shift[k]);
            gamma[channel] = (float)(LEVEL * sqrt(2.0 / c->group));
            for (int i = 0; i < inputs; i++)
                weight[(channel * inputs + i) * NEIGHBOURS + NEIGHBOURS / 2] =
                    (float)(sign * matrix[k * inputs + i]);
        }
    return SL_OK;
}

static sl_status clear(sl_model *vae, const char *name, float **out) {
    SL_TRY(values_of(vae, name, out));
    memset(*out, 0, sl_tensor_bytes(&sl_params_find(vae->params, name)->value));
    return SL_OK;
}

/* Mean: the signals. Log variance: the same everywhere. */
static sl_status set_encoder(const code *c, sl_model *vae) {
    int inputs = c->block * c->block;
    double *matrix = NULL, shift[MODES_MAX];
    float *weight, *bias;
    SL_TRY(sl_alloc(&matrix, (size_t)(c->modes * inputs), sizeof *matrix));
    for (int k = 0; k < c->modes; k++) {
        shift[k] = -c->mean[k] / c->scale[k];
        for (int i = 0; i < inputs; i++) matrix[k * inputs + i] = c->basis[k * inputs + i] / c->scale[k];
    }
    sl_status status = set_way_in(c, vae, "encoder", matrix, shift, inputs);
    sl_free(matrix);
    SL_TRY(status);
    SL_TRY(clear(vae, "encoder.conv_out.bias", &bias));
    SL_TRY(clear(vae, "encoder.conv_out.weight", &weight));
    for (int k = 0; k < c->modes; k++)
        for (int side = 0; side < 2; side++)
            weight[(k * c->width + channel_of(c, k) + side) * NEIGHBOURS + NEIGHBOURS / 2] = side ? -1 : 1;
    SL_TRY(clear(vae, "quant_conv.weight", &weight));
    SL_TRY(clear(vae, "quant_conv.bias", &bias));
    for (int k = 0; k < 2 * c->modes; k++) weight[k * 2 * c->modes + k] = 1;
    for (int k = 0; k < c->modes; k++) bias[c->modes + k] = (float)(2 * log(deviation));
    return SL_OK;
}

static sl_status set_decoder(const code *c, sl_model *vae) {
    double identity[MODES_MAX * MODES_MAX] = {0}, none[MODES_MAX] = {0};
    int outputs = c->block * c->block;
    float *weight, *bias;
    SL_TRY(clear(vae, "post_quant_conv.bias", &bias));
    SL_TRY(clear(vae, "post_quant_conv.weight", &weight));
    for (int k = 0; k < c->modes; k++) weight[k * c->modes + k] = 1;
    for (int k = 0; k < c->modes; k++) identity[k * c->modes + k] = 1;
    SL_TRY(set_way_in(c, vae, "decoder", identity, none, c->modes));
    SL_TRY(clear(vae, "decoder.conv_out.weight", &weight));
    SL_TRY(clear(vae, "decoder.conv_out.bias", &bias));
    for (int o = 0; o < outputs; o++) {
        bias[o] = (float)c->decoder[NEIGHBOURS * c->modes * outputs + o];
        for (int n = 0; n < NEIGHBOURS; n++)
            for (int k = 0; k < c->modes; k++) {
                float value = (float)c->decoder[(n * c->modes + k) * outputs + o];
                float *tap = weight + (o * c->width + channel_of(c, k)) * NEIGHBOURS + n;
                tap[0] = value;
                tap[NEIGHBOURS] = -value;
            }
    }
    return SL_OK;
}

/* ---- */

static sl_status describe(const sl_vae_config *config, const sl_feed *feed, code *c) {
    *c = (code){.block = sl_vae_block(config),
                .modes = (int)config->latent_channels,
                .width = (int)config->block_out_channels.value[0],
                .group = (int)(config->block_out_channels.value[0] / config->norm_num_groups)};
    if (config->block_out_channels.count != 1 || config->mid_block_add_attention || !config->use_quant_conv ||
        !config->use_post_quant_conv)
        return sl_fail(SL_INVALID,
                       "a linear start needs one level, no attention and quantising convolutions");
    if (c->group < BEFORE + 2 * PER_GROUP || PER_GROUP * config->norm_num_groups < c->modes)
        return sl_fail(SL_INVALID, "%d latent channels do not fit %d channels in groups of %d", c->modes,
                       c->width, c->group);
    int last, unused;
    mode_of(c->modes - 1, &last, &unused);
    if (last + unused >= c->block || feed->channels != 1 || feed->height_px % c->block ||
        feed->width_px % c->block)
        return sl_fail(SL_INVALID, "%d modes of blocks of %d px, from images of %d x %d with %d channels",
                       c->modes, c->block, feed->height_px, feed->width_px, feed->channels);
    c->rows = feed->height_px / c->block;
    c->columns = feed->width_px / c->block;
    return SL_OK;
}

static sl_status read_images(const sl_feed *feed, int images, float *out) {
    for (int first = 0; first < images; first += BATCH) {
        int64_t items[BATCH];
        int count = images - first < BATCH ? images - first : BATCH;
        for (int i = 0; i < count; i++) items[i] = first + i;
        SL_TRY(sl_feed_get_many(feed, items, count, out + (int64_t)first * feed->height_px * feed->width_px,
                                NULL));
    }
    return SL_OK;
}

sl_status sl_vae_start_linear(sl_model *vae, const sl_feed *feed, int images) {
    code c;
    float *pixels = NULL;
    SL_TRY(describe(vae->config, feed, &c));
    size_t modes = (size_t)c.modes, block = (size_t)c.block * (size_t)c.block;
    sl_status status;
    SL_GUARD(status, sl_alloc(&c.basis, modes * block, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&c.mean, modes, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&c.scale, modes, sizeof(double)), done);
    SL_GUARD(status, sl_alloc(&c.decoder, (NEIGHBOURS * modes + 1) * block, sizeof(double)), done);
    SL_GUARD(
        status,
        sl_alloc(&pixels, (size_t)images * (size_t)feed->height_px * (size_t)feed->width_px, sizeof(float)),
        done);
    SL_GUARD(status, read_images(feed, images, pixels), done);
    fill_basis(&c);
    SL_GUARD(status, fit_scales(&c, pixels, images), done);
    SL_GUARD(status, fit_decoder(&c, pixels, images), done);
    silence_blocks(vae);
    SL_GUARD(status, set_encoder(&c, vae), done);
    status = set_decoder(&c, vae);
done:
    sl_free(pixels);
    sl_free(c.basis);
    sl_free(c.mean);
    sl_free(c.scale);
    sl_free(c.decoder);
    return status;
}
