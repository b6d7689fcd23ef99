#include "diffusion/autoencoder.h"

#include "base/log.h"
#include "diffusion/deblock.h"
#include "diffusion/tiles.h"

#include <math.h>
#include <string.h>

enum { LEAST_TILE = 16, VALUES_MAX = 2 }; /* latents: tiles that memory asks for are not smaller */

/* One way through the autoencoder, for images of one size. Lengths are in latents; a place has `in_scale`
 * places of what goes in and `out_scale` of what comes out along each axis. */
typedef struct passage {
    const sl_bundle *bundle;
    sl_programs *programs;
    sl_program *program;
    sl_part part;
    int64_t height, width, in_scale, out_scale, in_channels, out_channels;
    const char *input, *output[VALUES_MAX];
    int outputs;
    sl_tiles rows, columns;
    float *by_row, *by_column; /* weights of the tiles' places in what comes out */
    float *cut, *made;         /* one tile that goes in, and one that comes out */
} passage;

static size_t in_values(const passage *p, int64_t height, int64_t width) {
    return (size_t)(height * width * p->in_scale * p->in_scale * p->in_channels);
}

static size_t out_values(const passage *p, int64_t height, int64_t width) {
    return (size_t)(height * width * p->out_scale * p->out_scale * p->out_channels);
}

/* ---- which program: the whole's, or a tile's ---- */

static sl_status try_side(passage *p, int64_t side) {
    p->rows = sl_tiles_of(p->height, side);
    p->columns = sl_tiles_of(p->width, side);
    return sl_programs_get(p->programs, p->part, 1, p->rows.tile * p->in_scale, p->columns.tile * p->in_scale,
                           &p->program);
}

/* The whole, else the largest tile that there is room for. */
static sl_status largest_side(passage *p) {
    int64_t longest = p->height > p->width ? p->height : p->width, side = longest;
    sl_status status = try_side(p, side);
    while (status == SL_MEMORY && side / 2 >= LEAST_TILE) {
        side /= 2;
        status = try_side(p, side);
    }
    if (status == SL_OK && side < longest)
        sl_info("the device has no room for whole images in the autoencoder: in tiles of %lld px",
                (long long)(side * sl_bundle_reduction(p->bundle)));
    return status;
}

static sl_status a_side(passage *p) {
    int64_t tile_px = sl_programs_options(p->programs)->vae_tile_px;
    return tile_px ? try_side(p, tile_px / sl_bundle_reduction(p->bundle)) : largest_side(p);
}

static sl_status choose(passage *p) {
    sl_status status = a_side(p);
    if (status != SL_MEMORY) return status;
    sl_programs_drop_others(p->programs, p->part);
    return a_side(p);
}

static bool is_whole(const passage *p) {
    return p->rows.count == 1 && p->columns.count == 1;
}

static sl_status begin(passage *p) {
    SL_TRY(choose(p));
    if (is_whole(p)) return SL_OK;
    SL_TRY(sl_tiles_weights(&p->rows, p->out_scale, &p->by_row));
    SL_TRY(sl_tiles_weights(&p->columns, p->out_scale, &p->by_column));
    SL_TRY(sl_alloc(&p->cut, in_values(p, p->rows.tile, p->columns.tile), sizeof *p->cut));
    return sl_alloc(&p->made, out_values(p, p->rows.tile, p->columns.tile), sizeof *p->made);
}

static void end(passage *p) {
    sl_free(p->by_row);
    sl_free(p->by_column);
    sl_free(p->cut);
    sl_free(p->made);
}

/* ---- one image ---- */

static sl_status run(passage *p, const float *in, size_t values) {
    SL_TRY(sl_program_set(p->program, p->input, in, values * sizeof *in));
    return sl_program_run(p->program);
}

static void cut_tile(const passage *p, const float *in, int64_t row, int64_t column) {
    int64_t s = p->in_scale, line = p->columns.tile * s * p->in_channels;
    for (int64_t y = 0; y < p->rows.tile * s; y++)
        memcpy(p->cut + y * line, in + ((row * s + y) * p->width * s + column * s) * p->in_channels,
               (size_t)line * sizeof *in);
}

static sl_status add_tile(const passage *p, int64_t i, int64_t j, float *const *out) {
    int64_t s = p->out_scale, tile_h = p->rows.tile * s, tile_w = p->columns.tile * s;
    sl_tile_place place = {.row = sl_tiles_start(&p->rows, i) * s,
                           .column = sl_tiles_start(&p->columns, j) * s,
                           .tile_h = tile_h,
                           .tile_w = tile_w,
                           .width = p->width * s,
                           .channels = p->out_channels,
                           .by_row = p->by_row + i * tile_h,
                           .by_column = p->by_column + j * tile_w};
    for (int k = 0; k < p->outputs; k++) {
        SL_TRY(sl_program_get(p->program, p->output[k], p->made,
                              out_values(p, p->rows.tile, p->columns.tile) * sizeof *p->made));
        sl_tile_add(&place, p->made, out[k]);
    }
    return SL_OK;
}

/* One image through the autoencoder: `in` to each of the outputs. */
static sl_status pass(passage *p, const float *in, float *const *out) {
    if (is_whole(p)) {
        SL_TRY(run(p, in, in_values(p, p->height, p->width)));
        for (int k = 0; k < p->outputs; k++)
            SL_TRY(sl_program_get(p->program, p->output[k], out[k],
                                  out_values(p, p->height, p->width) * sizeof(float)));
        return SL_OK;
    }
    for (int k = 0; k < p->outputs; k++)
        memset(out[k], 0, out_values(p, p->height, p->width) * sizeof(float));
    for (int64_t i = 0; i < p->rows.count; i++)
        for (int64_t j = 0; j < p->columns.count; j++) {
            cut_tile(p, in, sl_tiles_start(&p->rows, i), sl_tiles_start(&p->columns, j));
            SL_TRY(run(p, p->cut, in_values(p, p->rows.tile, p->columns.tile)));
            SL_TRY(add_tile(p, i, j, out));
        }
    return SL_OK;
}

static sl_status check_rank(const sl_tensor *tensor, const char *what, int64_t channels) {
    sl_shape_text text;
    if (tensor->dtype == SL_F32 && tensor->shape.rank == 4 && tensor->shape.dim[3] == channels) return SL_OK;
    return sl_fail(SL_INVALID, "%s of shape %s and type %s, expected [N, H, W, %lld] of F32", what,
                   sl_shape_format(&tensor->shape, &text), sl_dtype_name(tensor->dtype), (long long)channels);
}

/* ---- decoding: one image at a time; memory stays small, and the result cannot depend on the batch ---- */

static sl_status decode_all(passage *p, const sl_tensor *latents, float *scratch, sl_tensor *images) {
    const sl_vae_config *vae = sl_bundle_vae(p->bundle);
    size_t each = in_values(p, p->height, p->width), image = out_values(p, p->height, p->width);
    for (int64_t i = 0; i < latents->shape.dim[0]; i++) {
        float *target = (float *)images->data + (size_t)i * image;
        memcpy(scratch, (const float *)latents->data + (size_t)i * each, each * sizeof *scratch);
        sl_vae_latents_from_model(vae, scratch, p->height * p->width);
        SL_TRY(pass(p, scratch, &target));
        SL_TRY(sl_deblock(&p->bundle->deblocking, target, p->height * p->out_scale, p->width * p->out_scale,
                          p->out_channels));
    }
    return SL_OK;
}

sl_status sl_autoencoder_decode(const sl_bundle *bundle, sl_programs *programs, const sl_tensor *latents,
                                sl_tensor *out, int64_t *out_tile_px) {
    const sl_vae_config *vae = sl_bundle_vae(bundle);
    SL_TRY(check_rank(latents, "latents", vae->latent_channels));
    const int64_t *dim = latents->shape.dim;
    int64_t reduction = sl_bundle_reduction(bundle), channels = sl_bundle_image_channels(bundle);
    passage p = {.bundle = bundle,
                 .programs = programs,
                 .part = SL_PART_DECODE,
                 .height = dim[1],
                 .width = dim[2],
                 .in_scale = 1,
                 .out_scale = reduction,
                 .in_channels = vae->latent_channels,
                 .out_channels = channels,
                 .input = "latent",
                 .output = {"image"},
                 .outputs = 1};
    sl_shape shape = SL_SHAPE(dim[0], dim[1] * reduction, dim[2] * reduction, channels);
    sl_tensor images = {0};
    float *scratch = NULL;
    sl_status status;
    SL_GUARD(status, sl_tensor_new(SL_F32, &shape, &images), done);
    SL_GUARD(status, sl_alloc(&scratch, in_values(&p, p.height, p.width), sizeof *scratch), done);
    SL_GUARD(status, begin(&p), done);
    status = decode_all(&p, latents, scratch, &images);
    *out_tile_px =
        is_whole(&p) ? 0 : reduction * (p.rows.tile > p.columns.tile ? p.rows.tile : p.columns.tile);
done:
    end(&p);
    sl_free(scratch);
    if (status == SL_OK)
        *out = images;
    else
        sl_tensor_free(&images);
    return status;
}

/* ---- encoding: latent = mean + exp(logvar/2) noise, or the mean, in the denoiser's scale ---- */

static sl_status encode_all(passage *p, const sl_tensor *images, const float *noise, float *logvar,
                            sl_tensor *latents) {
    size_t each = out_values(p, p->height, p->width), image = in_values(p, p->height, p->width);
    for (int64_t n = 0; n < images->shape.dim[0]; n++) {
        float *latent = (float *)latents->data + (size_t)n * each, *targets[] = {latent, logvar};
        const float *drawn = noise ? noise + (size_t)n * each : NULL;
        SL_TRY(pass(p, (const float *)images->data + (size_t)n * image, targets));
        for (size_t i = 0; drawn && i < each; i++)
            latent[i] += (float)exp(0.5 * (double)logvar[i]) * drawn[i];
        sl_vae_latents_to_model(sl_bundle_vae(p->bundle), latent, p->height * p->width);
    }
    return SL_OK;
}

sl_status sl_autoencoder_encode(const sl_bundle *bundle, sl_programs *programs, const sl_tensor *images,
                                const float *noise, sl_tensor *out) {
    const sl_vae_config *vae = sl_bundle_vae(bundle);
    int64_t block = bundle->space_to_depth, channels = vae->in_channels / (block * block);
    SL_TRY(check_rank(images, "images", channels));
    const int64_t *dim = images->shape.dim;
    int64_t reduction = sl_bundle_reduction(bundle);
    if (dim[1] % reduction || dim[2] % reduction)
        return sl_fail(SL_INVALID, "images of %lld x %lld pixels, expected multiples of %lld",
                       (long long)dim[1], (long long)dim[2], (long long)reduction);
    passage p = {.bundle = bundle,
                 .programs = programs,
                 .part = SL_PART_ENCODE,
                 .height = dim[1] / reduction,
                 .width = dim[2] / reduction,
                 .in_scale = reduction,
                 .out_scale = 1,
                 .in_channels = channels,
                 .out_channels = vae->latent_channels,
                 .input = "image",
                 .output = {"mean", "logvar"},
                 .outputs = noise ? 2 : 1};
    sl_shape shape = SL_SHAPE(dim[0], p.height, p.width, vae->latent_channels);
    sl_tensor latents = {0};
    float *logvar = NULL;
    sl_status status;
    SL_GUARD(status, sl_tensor_new(SL_F32, &shape, &latents), done);
    SL_GUARD(status, sl_alloc(&logvar, out_values(&p, p.height, p.width), sizeof *logvar), done);
    SL_GUARD(status, begin(&p), done);
    status = encode_all(&p, images, noise, logvar, &latents);
done:
    end(&p);
    sl_free(logvar);
    if (status == SL_OK)
        *out = latents;
    else
        sl_tensor_free(&latents);
    return status;
}
