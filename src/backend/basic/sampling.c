/* Sums, guidance and noise of a step of sampling. */
#include "backend/basic/basic.h"

#include "base/random/random.h"
#include "tensor/combine.h"

#include <math.h>

/* ---- sums ---- */

static void combine_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    int64_t width = call->in[0].shape.dim[1], at = task * CHUNK;
    const double *weights = call->in[0].data, *of_sum = weights + call->attrs->start * width,
                 *of_prediction = weights + call->attrs->count * width;
    const float *terms[SL_INPUTS_MAX] = {NULL};
    double weight[SL_INPUTS_MAX] = {0}, prediction[SL_INPUTS_MAX] = {0};
    (void)worker;
    for (int k = 1; k < call->in_count; k++) {
        if (!sl_call_has(call, k)) continue;
        terms[k - 1] = (const float *)call->in[k].data + at;
        weight[k - 1] = of_sum[k - 1];
        prediction[k - 1] = of_prediction[k - 1];
    }
    weight[width - 1] = of_sum[width - 1];
    sl_combination combination = {.terms = (int)width - 1,
                                  .weight = weight,
                                  .prediction = prediction,
                                  .clip = call->attrs->alpha,
                                  .rounded = call->attrs->keep};
    sl_combine_arrays(&combination, terms, (float *)call->out[0].data + at,
                      (size_t)least(CHUNK, sl_operand_count(&call->out[0]) - at));
}

static sl_status combine_run(const sl_call *call) {
    sl_parallel_for(chunks_of(sl_operand_count(&call->out[0]), CHUNK), combine_task, (void *)call);
    return SL_OK;
}

static bool combine_accepts(const sl_call *call) {
    return call->in[0].dtype == SL_F64 && call->out[0].dtype == SL_F32 &&
           call->in[0].shape.dim[1] <= SL_INPUTS_MAX;
}
const sl_kernel_code sl_kernel_combine_avx2 = {.accepts = combine_accepts, .run = combine_run};

/* ---- guidance ---- */

/* Standard deviation with n-1, as torch.std. */
static double deviation(const float *x, int64_t count) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i];
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/* Of the first channel's mean, with the prompt less without. */
static double level_difference(const float *absent, const float *bound, int64_t count, int64_t channels) {
    double sum = 0;
    for (int64_t i = 0; i < count; i += channels) sum += (double)bound[i] - (double)absent[i];
    return sum / (double)(count / channels);
}

static void guide_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t count = sl_operand_count(&call->out[0]), each = count / call->out[0].shape.dim[0];
    const float *absent = (const float *)call->in[0].data + image * each, *bound = absent + count;
    const sl_shape *shape = &call->out[0].shape;
    const double *c = call->in[1].data, rescale = c[1], more = c[2] - c[0];
    int64_t channels = shape->dim[shape->rank - 1];
    float *y = (float *)call->out[0].data + image * each, guidance = (float)c[0];
    (void)worker;
    for (int64_t i = 0; i < each; i++) y[i] = absent[i] + guidance * (bound[i] - absent[i]);
    if (fabs(more) > 0) {
        float shift = (float)(more * level_difference(absent, bound, each, channels));
        for (int64_t i = 0; i < each; i += channels) y[i] += shift;
    }
    if (!(rescale > 0)) return;
    double factor = rescale * deviation(bound, each) / deviation(y, each) + (1.0 - rescale);
    for (int64_t i = 0; i < each; i++) y[i] = (float)(factor * (double)y[i]);
}

static bool guide_accepts(const sl_call *call) {
    return call->in[0].dtype == SL_F32 && call->in[1].dtype == SL_F64;
}

static sl_status guide_run(const sl_call *call) {
    sl_parallel_for(call->out[0].shape.dim[0], guide_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_guide_avx2 = {.accepts = guide_accepts, .run = guide_run};

/* ---- noise ---- */

enum { PAIRS = 4096 }; /* of one task */

typedef struct noise_work {
    const sl_call *call;
    int64_t tasks_each; /* of an image */
} noise_work;

static void noise_task(void *context, int64_t task, int worker) {
    const noise_work *work = context;
    const sl_operand *out = &work->call->out[0];
    const uint32_t *key = work->call->in[0].data;
    int64_t pixels = out->shape.dim[1] * out->shape.dim[2], channels = out->shape.dim[3];
    int64_t image = task / work->tasks_each, first = task % work->tasks_each * PAIRS,
            each = pixels * channels;
    float *to = (float *)out->data + image * each;
    sl_random random =
        sl_random_stream((uint64_t)key[1] << 32 | key[0], (sl_stream)key[2], key[3] + (uint32_t)image);
    random.counter = ((uint64_t)key[5] << 32 | key[4]) + (uint64_t)first;
    (void)worker;
    for (int64_t i = 2 * first; i < each && i < 2 * (first + PAIRS); i += 2) {
        float pair[2];
        sl_random_normals(&random, pair, 2);
        to[i % pixels * channels + i / pixels] = pair[0];
        if (i + 1 < each) to[(i + 1) % pixels * channels + (i + 1) / pixels] = pair[1];
    }
}

static sl_status noise_run(const sl_call *call) {
    const sl_shape *shape = &call->out[0].shape;
    int64_t pairs = (shape->dim[1] * shape->dim[2] * shape->dim[3] + 1) / 2;
    noise_work work = {call, chunks_of(pairs, PAIRS)};
    sl_parallel_for(shape->dim[0] * work.tasks_each, noise_task, &work);
    return SL_OK;
}
const sl_kernel_code sl_kernel_noise_avx2 = {.run = noise_run};
