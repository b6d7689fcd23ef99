/* Weights in the order that the products read them: for each panel of NR output columns, [tap][k][NR] units,
 * zero where the panel exceeds the columns or a bf16 pair the channels. */
#include "backend/cpu/isa/conv.h"

size_t SL_ISA(conv_packed_bytes)(const sl_cpu_conv_pack *p) {
    int64_t taps = p->shape->kernel_h * p->shape->kernel_w;
    int64_t units = depth_units(p->dtype, pack_depth(p));
    return (size_t)(ceil_div(pack_columns(p), NR) * taps * units * NR) *
           (p->half ? sizeof(uint16_t) : sizeof(unit));
}

/* Element (k, column) of tap t lies at k*k_step + column*column_step + t. */
typedef struct pack_job {
    const sl_cpu_conv_pack *p;
    int64_t taps, depth, units, columns, k_step, column_step;
} pack_job;

SL_INLINE void pack_rows_f32(const pack_job *job, int64_t column0, int64_t count, unit *out) {
    const float *weights = job->p->weights;
    for (int64_t k = 0; k < job->depth; k++)
        for (int64_t t = 0; t < job->taps; t++) {
            float *row = (float *)(void *)(out + (t * job->units + k) * NR);
            const float *source = weights + k * job->k_step + column0 * job->column_step + t;
            for (int64_t j = 0; j < count; j++) row[j] = source[j * job->column_step];
            for (int64_t j = count; j < NR; j++) row[j] = 0;
        }
}

static void pack_rows_any(const pack_job *job, int64_t column0, int64_t count, unit *out) {
    const sl_cpu_conv_pack *p = job->p;
    int64_t per_unit = p->dtype == SL_BF16 ? 2 : 1;
    for (int64_t t = 0; t < job->taps; t++)
        for (int64_t k = 0; k < job->units * per_unit; k++)
            for (int64_t j = 0; j < NR; j++) {
                bool inside = j < count && k < job->depth;
                int64_t at = k * job->k_step + (column0 + j) * job->column_step + t;
                float value = inside ? weight_at(p->weights_dtype, p->weights, at) : 0;
                int64_t place = (t * job->units + k / per_unit) * NR + j;
                if (per_unit == 1)
                    ((float *)(void *)out)[place] = value;
                else
                    ((uint16_t *)(void *)out)[place * 2 + k % 2] = sl_f32_to_bf16(value);
            }
}

/* From F32 to F16; both ways the numbers are the same. */
static void pack_rows_half(const pack_job *job, int64_t column0, int64_t count, uint16_t *out) {
    const float *weights = job->p->weights;
    float row[NR] = {0};
    for (int64_t k = 0; k < job->depth; k++)
        for (int64_t t = 0; t < job->taps; t++) {
            const float *source = weights + k * job->k_step + column0 * job->column_step + t;
            for (int64_t j = 0; j < count; j++) row[j] = source[j * job->column_step];
            for (int64_t j = 0; j < NR; j += 8)
                _mm_storeu_si128((__m128i *)(out + (t * job->units + k) * NR + j),
                                 _mm256_cvtps_ph(_mm256_loadu_ps(row + j), _MM_FROUND_TO_NEAREST_INT));
        }
}

static void pack_panel(void *context, int64_t panel, int worker) {
    (void)worker;
    const pack_job *job = context;
    unit *out = (unit *)job->p->packed + panel * job->taps * job->units * NR;
    int64_t column0 = panel * NR, count = min_of(NR, job->columns - column0);
    if (job->p->half) {
        pack_rows_half(job, column0, count, (uint16_t *)job->p->packed + panel * job->taps * job->units * NR);
        return;
    }
    if (job->p->dtype == SL_F32 && job->p->weights_dtype == SL_F32)
        pack_rows_f32(job, column0, count, out);
    else
        pack_rows_any(job, column0, count, out);
}

void SL_ISA(conv_pack)(const sl_cpu_conv_pack *p) {
    const sl_cpu_conv_shape *s = p->shape;
    int64_t taps = s->kernel_h * s->kernel_w;
    pack_job job = {p,    taps,          pack_depth(p), depth_units(p->dtype, pack_depth(p)), pack_columns(p),
                    taps, s->in_c * taps};
    if (p->pass == SL_CPU_BACKWARD_DATA) {
        job.k_step = s->in_c * taps;
        job.column_step = taps;
    }
    sl_parallel_for(ceil_div(job.columns, NR), pack_panel, &job);
}
