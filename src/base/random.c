#include "base/random.h"

#include <Random123/philox.h>
#include <math.h>

sl_random sl_random_stream(uint64_t seed, sl_stream purpose, uint32_t item)
{
    return (sl_random){.seed = seed, .stream = {(uint32_t)purpose, item}};
}

static void refill(sl_random *random)
{
    philox4x32_ctr_t counter = {{(uint32_t)random->counter, (uint32_t)(random->counter >> 32), random->stream[0],
                                 random->stream[1]}};
    philox4x32_key_t key = {{(uint32_t)random->seed, (uint32_t)(random->seed >> 32)}};
    philox4x32_ctr_t block = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) random->block[i] = block.v[i];
    random->counter++;
    random->left = 4;
}

uint32_t sl_random_u32(sl_random *random)
{
    if (random->left == 0) refill(random);
    return random->block[4 - random->left--];
}

uint64_t sl_random_u64(sl_random *random)
{
    uint64_t high = sl_random_u32(random);
    return high << 32 | sl_random_u32(random);
}

double sl_random_uniform(sl_random *random)
{
    return (double)(sl_random_u64(random) >> 11) * 0x1p-53;
}

double sl_random_range(sl_random *random, double low, double high)
{
    return low + (high - low) * sl_random_uniform(random);
}

double sl_random_log_range(sl_random *random, double low, double high)
{
    return exp(sl_random_range(random, log(low), log(high)));
}

uint32_t sl_random_below(sl_random *random, uint32_t bound)
{
    uint32_t reject_below = (0u - bound) % bound;
    for (;;) {
        uint64_t product = (uint64_t)sl_random_u32(random) * bound;
        if ((uint32_t)product >= reject_below) return (uint32_t)(product >> 32);
    }
}

/* ln(u) for u in (0,1]: u = m * 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh((m-1)/(m+1)) as a series whose
 * first omitted term is below 1e-17. Only additions, multiplications and one division, so the same on every machine. */
static double plain_log(double u)
{
    int exponent;
    double m = frexp(u, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/* cos and sin of 2*pi*u, u in [0,1): reduced to an eighth of a turn, then Taylor series to 1e-17. */
static void plain_cos_sin(double u, double *out_cos, double *out_sin)
{
    int quarter = (int)(u * 4 + 0.5);
    double x = (u - quarter * 0.25) * 6.283185307179586, x2 = x * x, c = 0, s = 0;
    for (int k = 18; k >= 2; k -= 2) c = (1 + c) * (-x2 / (k * (k - 1)));
    for (int k = 19; k >= 3; k -= 2) s = (1 + s) * (-x2 / (k * (k - 1)));
    c = 1 + c;
    s = x * (1 + s);
    switch (quarter & 3) {
    case 0:
        *out_cos = c, *out_sin = s;
        break;
    case 1:
        *out_cos = -s, *out_sin = c;
        break;
    case 2:
        *out_cos = -c, *out_sin = -s;
        break;
    default:
        *out_cos = s, *out_sin = -c;
    }
}

/* Box-Muller; each pair of uniforms gives two normals, of which the scalar form uses one, so that a stream needs no
 * extra state. */
static void normal_pair(sl_random *random, double *first, double *second)
{
    double radius = sqrt(-2 * plain_log(1 - sl_random_uniform(random))), c, s;
    plain_cos_sin(sl_random_uniform(random), &c, &s);
    *first = radius * c;
    *second = radius * s;
}

double sl_random_normal(sl_random *random)
{
    double first, second;
    normal_pair(random, &first, &second);
    return first;
}

void sl_random_normals(sl_random *random, float *out, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        double first, second;
        normal_pair(random, &first, &second);
        out[i] = (float)first;
        if (i + 1 < count) out[i + 1] = (float)second;
    }
}

void sl_random_permutation(sl_random *random, uint32_t *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = sl_random_below(random, i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
