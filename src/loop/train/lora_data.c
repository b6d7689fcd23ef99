#include "loop/train/lora_data.h"

#include "base/random/random.h"
#include "image/frame.h"
#include "image/intensity_map.h"
#include "image/resize.h"
#include "xray/log_map.h"

#include <string.h>

/* ---- pixels ---- */

static sl_status map_expectation(sl_image *image, float *out) {
    size_t count = (size_t)image->height_px * (size_t)image->width_px;
    double level;
    for (size_t i = 0; i < count; i++)
        if (image->mask[i] || !(image->value[i] > 0)) image->value[i] = 0;
    SL_TRY(sl_log_map_level(image->value, count, &level));
    sl_log_map_encode(image->value, count, level, out);
    for (size_t i = 0; i < count; i++) out[i] = 2 * out[i] - 1;
    return SL_OK;
}

static sl_status map_observed(const sl_bundle *bundle, const sl_image *image, float *out) {
    sl_intensity_map map;
    if (bundle->intensity_map)
        SL_TRY(sl_intensity_from_json(bundle->intensity_map, &map));
    else
        SL_TRY(sl_intensity_fit(&sl_intensity_default, image, &map));
    sl_intensity_apply(&map, image, out);
    return SL_OK;
}

sl_status sl_lora_prepare(const sl_bundle *bundle, const sl_image *image, int32_t size_px, float *out) {
    sl_image fitted;
    SL_TRY(sl_image_fit(image, SL_FIT_CROP, size_px, size_px, &fitted));
    sl_status status = bundle->space == SL_SPACE_EXPECTATION ? map_expectation(&fitted, out)
                                                             : map_observed(bundle, &fitted, out);
    sl_image_free(&fitted);
    int64_t channels = sl_bundle_image_channels(bundle), pixels = (int64_t)size_px * size_px;
    for (int64_t i = pixels - 1; i >= 0 && channels > 1; i--)
        for (int64_t c = 0; c < channels; c++) out[i * channels + c] = out[i];
    return status;
}

static void mirror(float *pixels, int64_t side, int64_t channels) {
    for (int64_t y = 0; y < side; y++)
        for (int64_t x = 0; x < side / 2; x++)
            for (int64_t c = 0; c < channels; c++) {
                float *left = pixels + (y * side + x) * channels + c;
                float *right = pixels + (y * side + side - 1 - x) * channels + c, held = *left;
                *left = *right;
                *right = held;
            }
}

/* ---- latents ---- */

/* Mean of the autoencoder's distribution, and its deviation as what a noise of ones adds. */
static sl_status encode(sl_pipeline *pipeline, const sl_tensor *image, float *mean, float *deviation,
                        int64_t size) {
    sl_tensor plain, shifted;
    float *ones;
    SL_TRY(sl_alloc(&ones, (size_t)size, sizeof *ones));
    for (int64_t i = 0; i < size; i++) ones[i] = 1;
    sl_status status = sl_pipeline_encode(pipeline, image, NULL, &plain);
    if (status == SL_OK) {
        status = sl_pipeline_encode(pipeline, image, ones, &shifted);
        if (status == SL_OK) {
            const float *a = plain.data, *b = shifted.data;
            for (int64_t i = 0; i < size; i++) mean[i] = a[i], deviation[i] = b[i] - a[i];
            sl_tensor_free(&shifted);
        }
        sl_tensor_free(&plain);
    }
    sl_free(ones);
    return status;
}

static sl_status read_file(const char *path, sl_image *out) {
    sl_frame frame;
    SL_TRY(sl_frame_read(path, NULL, NULL, &frame));
    sl_status status = sl_frame_to_image(&frame, out);
    sl_frame_free(&frame);
    return status;
}

static sl_status encode_item(const sl_workspace *workspace, sl_pipeline *pipeline, const sl_bundle *bundle,
                             sl_tensor *pixels, sl_lora_data *data, int64_t index) {
    sl_image image;
    int32_t side = (int32_t)pixels->shape.dim[1];
    const sl_lora_item *item = &data->item[index];
    SL_TRY(item->path ? read_file(item->path, &image)
                      : sl_workspace_get_image(workspace, item->object_hash, &image));
    sl_status status = sl_lora_prepare(bundle, &image, side, pixels->data);
    sl_image_free(&image);
    for (int v = 0; v < data->variants && status == SL_OK; v++) {
        if (v) mirror(pixels->data, side, pixels->shape.dim[3]);
        int64_t at = (index * data->variants + v) * data->latent_size;
        status = encode(pipeline, pixels, data->mean + at, data->deviation + at, data->latent_size);
    }
    return item->path ? sl_context(status, "'%s'", item->path)
                      : sl_context(status, "image %lld", (long long)item->image);
}

static sl_status encode_images(const sl_workspace *workspace, sl_pipeline *pipeline, const sl_bundle *bundle,
                               int32_t size_px, const sl_progress *progress, sl_lora_data *data) {
    sl_tensor pixels;
    sl_shape shape = SL_SHAPE(1, size_px, size_px, sl_bundle_image_channels(bundle));
    SL_TRY(sl_tensor_new(SL_F32, &shape, &pixels));
    sl_status status = SL_OK;
    for (int64_t i = 0; i < data->count && status == SL_OK; i++) {
        status = sl_progress_check(progress);
        if (status == SL_OK) status = encode_item(workspace, pipeline, bundle, &pixels, data, i);
        sl_progress_tell(progress, "encoding images", "image", i + 1, data->count, NULL);
    }
    sl_tensor_free(&pixels);
    return status;
}

/* ---- captions ---- */

static const char *caption_of(const sl_lora_item *item) {
    return item->caption ? item->caption : "";
}

/* Row of each item's caption among the different ones. */
static void number_captions(sl_lora_data *data, int64_t *first) {
    for (int64_t i = 0; i < data->count; i++) {
        int64_t row = 0;
        while (row < data->captions &&
               strcmp(caption_of(&data->item[first[row]]), caption_of(&data->item[i])) != 0)
            row++;
        if (row == data->captions) first[data->captions++] = i;
        data->caption[i] = row;
    }
}

static sl_status embed_captions(sl_pipeline *pipeline, sl_lora_data *data) {
    int64_t *first;
    SL_TRY(sl_alloc(&first, (size_t)data->count + 1, sizeof *first));
    number_captions(data, first);
    sl_status status =
        sl_alloc(&data->embedding, (size_t)((data->captions + 1) * data->text_size), sizeof(float));
    for (int64_t row = 0; row <= data->captions && status == SL_OK; row++) {
        bool cut = false;
        const char *text = row < data->captions ? caption_of(&data->item[first[row]]) : "";
        status = sl_pipeline_encode_text(pipeline, text, data->embedding + row * data->text_size, &cut);
        data->cut += cut;
    }
    sl_free(first);
    return status;
}

/* ---- whole ---- */

sl_status sl_lora_data_compute(const sl_workspace *workspace, sl_pipeline *pipeline, const sl_bundle *bundle,
                               const sl_lora_item *items, int64_t count, int32_t size_px, bool flip,
                               uint64_t seed, const sl_progress *progress, sl_lora_data *out) {
    int64_t side = size_px / sl_bundle_reduction(bundle);
    sl_shape text = sl_pipeline_text_shape(pipeline);
    *out = (sl_lora_data){.count = count,
                          .latent_size = side * side * sl_bundle_unet(bundle)->in_channels,
                          .text_size = text.dim[0] * text.dim[1],
                          .variants = flip ? 2 : 1,
                          .item = items,
                          .seed = seed};
    size_t numbers = (size_t)(count * out->variants * out->latent_size) + 1;
    sl_status status;
    SL_GUARD(status, sl_alloc(&out->mean, numbers, sizeof(float)), done);
    SL_GUARD(status, sl_alloc(&out->deviation, numbers, sizeof(float)), done);
    SL_GUARD(status, sl_alloc(&out->caption, (size_t)count + 1, sizeof *out->caption), done);
    SL_GUARD(status, embed_captions(pipeline, out), done);
    status = encode_images(workspace, pipeline, bundle, size_px, progress, out);
done:
    if (status != SL_OK) sl_lora_data_free(out);
    return status;
}

void sl_lora_data_free(sl_lora_data *data) {
    sl_free(data->mean);
    sl_free(data->deviation);
    sl_free(data->embedding);
    sl_free(data->caption);
    *data = (sl_lora_data){0};
}

static sl_status latent(void *context, int64_t sample, uint32_t draw, float *out) {
    const sl_lora_data *data = context;
    sl_random random = sl_random_stream(data->seed, SL_STREAM_LATENT, draw);
    bool mirrored = data->variants > 1 && data->item[sample].mirror && sl_random_below(&random, 2);
    int64_t at = (sample * data->variants + mirrored) * data->latent_size;
    sl_random_normals(&random, out, (size_t)data->latent_size);
    for (int64_t i = 0; i < data->latent_size; i++)
        out[i] = data->mean[at + i] + data->deviation[at + i] * out[i];
    return SL_OK;
}

static sl_status embedding(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)draw;
    const sl_lora_data *data = context;
    int64_t row = sample < 0 ? data->captions : data->caption[sample];
    memcpy(out, data->embedding + row * data->text_size, (size_t)data->text_size * sizeof *out);
    return SL_OK;
}

sl_denoiser_data sl_lora_data_source(sl_lora_data *data) {
    return (sl_denoiser_data){
        .context = data, .count = data->count, .latent = latent, .embedding = embedding};
}
