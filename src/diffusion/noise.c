#include "diffusion/noise.h"

#include "base/limits.h"
#include "base/random/random.h"
#include "base/random/torch_cuda_random.h"
#include "base/random/torch_random.h"

#include <string.h>

struct sl_noise {
    sl_noise_kind kind;
    int images;
    size_t elements;
    uint64_t seed;
    uint32_t first_image;
    bool begun;
    sl_random *streams;         /* images; counter kind */
    sl_torch_random *torch;     /* images, or one where shared */
    sl_torch_cuda_random *cuda; /* images */
};

static sl_status make_cuda_generators(sl_noise *noise) {
    SL_TRY(sl_alloc(&noise->cuda, (size_t)noise->images, sizeof *noise->cuda));
    for (int i = 0; i < noise->images; i++)
        sl_torch_cuda_random_seed(&noise->cuda[i], noise->seed + noise->first_image + (uint64_t)i);
    return SL_OK;
}

static sl_status make_generators(sl_noise *noise) {
    if (noise->kind == SL_NOISE_TORCH_CUDA) return make_cuda_generators(noise);
    if (noise->kind == SL_NOISE_COUNTER)
        return sl_alloc(&noise->streams, (size_t)noise->images, sizeof *noise->streams);
    int count = noise->kind == SL_NOISE_TORCH ? noise->images : 1;
    SL_TRY(sl_alloc(&noise->torch, (size_t)count, sizeof *noise->torch));
    for (int i = 0; i < count; i++)
        sl_torch_random_seed(&noise->torch[i], noise->seed +
                                                   (noise->kind == SL_NOISE_TORCH ? noise->first_image : 0) +
                                                   (uint64_t)i);
    return SL_OK;
}

sl_status sl_noise_new(sl_noise_kind kind, uint64_t seed, uint32_t first_image, int images, size_t elements,
                       sl_noise **out) {
    if (images < 1 || images > SL_LIMIT_BATCH)
        return sl_fail(SL_INVALID, "noise for %d images, expected 1 to %d", images, SL_LIMIT_BATCH);
    sl_noise *noise;
    SL_TRY(sl_alloc(&noise, 1, sizeof *noise));
    *noise = (sl_noise){kind, images, elements, seed, first_image, false, NULL, NULL, NULL};
    sl_status status = make_generators(noise);
    if (status) {
        sl_noise_free(noise);
        return status;
    }
    *out = noise;
    return SL_OK;
}

void sl_noise_free(sl_noise *noise) {
    if (!noise) return;
    sl_free(noise->streams);
    sl_free(noise->torch);
    sl_free(noise->cuda);
    sl_free(noise);
}

void sl_noise_draw(sl_noise *noise, float *out) {
    size_t n = noise->elements;
    if (noise->kind == SL_NOISE_TORCH_SHARED) sl_torch_randn(noise->torch, out, n * (size_t)noise->images);
    for (int i = 0; i < noise->images; i++) {
        uint32_t image = noise->first_image + (uint32_t)i;
        float *target = out + n * (size_t)i;
        if (noise->kind == SL_NOISE_TORCH) sl_torch_randn(&noise->torch[i], target, n);
        if (noise->kind == SL_NOISE_TORCH_CUDA)
            sl_torch_cuda_randn(&noise->cuda[i], SL_TORCH_CUDA_THREADS, target, n);
        if (noise->kind != SL_NOISE_COUNTER) continue;
        if (!noise->begun) {
            sl_random latents = sl_random_stream(noise->seed, SL_STREAM_LATENT, image);
            sl_random_normals(&latents, target, n);
            noise->streams[i] = sl_random_stream(noise->seed, SL_STREAM_SAMPLER, image);
        } else {
            sl_random_normals(&noise->streams[i], target, n);
        }
    }
    noise->begun = true;
}

void sl_noise_key(sl_noise *noise, int32_t out_key[6]) {
    const sl_random *first = &noise->streams[0];
    const uint32_t key[6] = {(uint32_t)first->seed,    (uint32_t)(first->seed >> 32),
                             first->stream[0],         first->stream[1],
                             (uint32_t)first->counter, (uint32_t)(first->counter >> 32)};
    memcpy(out_key, key, sizeof key);
    for (int i = 0; i < noise->images; i++) noise->streams[i].counter += (noise->elements + 1) / 2;
}
