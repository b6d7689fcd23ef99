/* Elementary functions on vectors, to a few units in the last place of a float, and the activations made of
 * them. Coefficients: weighted least squares on Chebyshev points (minimax to a few per cent), relative error.
 * NaN stays NaN. */
#ifndef SL_BACKEND_CPU_ISA_VMATH_H
#define SL_BACKEND_CPU_ISA_VMATH_H

#include "backend/cpu/isa/vec.h"
#include "backend/cpu/kernels.h"

#include <stdbool.h>

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2)/2, ln 2 in two parts; 0 below -87.3, infinity
 * above 88.72. */
SL_INLINE vf v_exp(vf x) {
    const vf low = vf_set1(-87.3f), high = vf_set1(88.7228f);
    vf clamped = vf_min(high, vf_max(low, x));
    vf n = vf_round(clamped * vf_set1(1.44269504f));
    vf r = vf_fnma(n, vf_set1(0.693145752f), clamped);
    r = vf_fnma(n, vf_set1(1.42860677e-6f), r);
    vf p = vf_set1(1.3814464e-3f);
    p = vf_fma(p, r, vf_set1(8.3687806e-3f));
    p = vf_fma(p, r, vf_set1(4.16683943e-2f));
    p = vf_fma(p, r, vf_set1(1.66665201e-1f));
    p = vf_fma(p, r, vf_set1(4.99999934e-1f));
    p = vf_fma(p, r, vf_set1(1));
    p = vf_fma(p, r, vf_set1(1));
    vf result = vf_bits(vi_add(vi_bits(p), vi_shift_up(vi_from_f(n), 23)));
    result = vf_select(vf_less(x, low), vf_zero(), result);
    result = vf_select(vf_less(high, x), vf_set1(__builtin_inff()), result);
    return vf_select(vf_is_nan(x), x, result);
}

/* 2^x for x of at most 127, 0 below -126: what softmax needs, in two thirds of the steps. Adding 1.5 2^23 and
 * the bias of exponents leaves the nearest power of two in the lowest bits; it is multiplied by, as adding
 * exponents makes numbers of some NaNs. */
SL_INLINE vf v_exp2(vf x) {
    const vf low = vf_set1(-126), whole = vf_set1(12582912 + 127);
    vf clamped = vf_max(low, x);
    vf n = clamped + whole;
    vf r = clamped - (n - whole);
    vf p = vf_set1(1.53209892e-4f);
    p = vf_fma(p, r, vf_set1(1.33902747e-3f));
    p = vf_fma(p, r, vf_set1(9.61852791e-3f));
    p = vf_fma(p, r, vf_set1(5.55036206e-2f));
    p = vf_fma(p, r, vf_set1(2.40226475e-1f));
    p = vf_fma(p, r, vf_set1(6.93147181e-1f));
    p = vf_fma(p, r, vf_set1(1));
    return vf_select(vf_less(x, low), vf_zero(), p * vf_bits(vi_shift_up(vi_bits(n), 23)));
}

/* 2^x to 3e-6 of it, for results that are rounded to bf16; 0 where it is far below the smallest number. */
SL_INLINE vf v_exp2_rough(vf x) {
#ifdef __AVX512F__
    vf r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); /* x - floor(x) */
    vf p = vf_set1(1.35341672e-2f);
    p = vf_fma(p, r, vf_set1(5.20114619e-2f));
    p = vf_fma(p, r, vf_set1(2.41442756e-1f));
    p = vf_fma(p, r, vf_set1(6.93003835e-1f));
    p = vf_fma(p, r, vf_set1(1.00000259f));
    return _mm512_scalef_ps(p, x); /* p 2^floor(x) */
#else
    return v_exp2(x);
#endif
}

SL_INLINE vf v_sigmoid(vf x) {
    return vf_set1(1) / (vf_set1(1) + v_exp(vf_zero() - x));
}

/* Near 0 an odd polynomial, elsewhere 1 - 2/(e^2x + 1). */
SL_INLINE vf v_tanh(vf x) {
    vf s = x * x;
    vf p = vf_set1(-5.66622026e-3f);
    p = vf_fma(p, s, vf_set1(2.06055164e-2f));
    p = vf_fma(p, s, vf_set1(-5.3729811e-2f));
    p = vf_fma(p, s, vf_set1(1.33313287e-1f));
    p = vf_fma(p, s, vf_set1(-3.3333278e-1f));
    vf near = vf_fma(p * s, x, x);
    vf far = vf_set1(1) - vf_set1(2) / (v_exp(x + x) + vf_set1(1));
    return vf_select(vf_less(s, vf_set1(0.39f)), near, far);
}

/* Distribution and density of the standard normal, sharing one exponential: Phi(-t) = e^(-t^2/2) u P(u) with
 * u = 1/(1 + 0.3 t) for t >= 0. */
typedef struct normal {
    vf distribution, density;
} normal;
SL_INLINE normal v_normal(vf x) {
    vf t = vf_max(vf_zero() - x, x);
    vf u = vf_set1(1) / vf_fma(t, vf_set1(0.3f), vf_set1(1));
    vf p = vf_set1(0.0356754376f);
    p = vf_fma(p, u, vf_set1(-0.157205786f));
    p = vf_fma(p, u, vf_set1(0.206358028f));
    p = vf_fma(p, u, vf_set1(-0.05368765f));
    p = vf_fma(p, u, vf_set1(0.128563646f));
    p = vf_fma(p, u, vf_set1(0.0999129157f));
    p = vf_fma(p, u, vf_set1(0.120754042f));
    p = vf_fma(p, u, vf_set1(0.119629294f));
    vf bell = v_exp(t * t * vf_set1(-0.5f));
    vf tail = bell * p * u;
    vf positive = vf_set1(1) - tail;
    return (normal){vf_select(vf_less(x, vf_zero()), tail, positive), bell * vf_set1(0.398942280f)};
}

/* x Phi(x) */
SL_INLINE vf v_gelu(vf x) {
    return x * v_normal(x).distribution;
}

/* 2 sqrt(2/pi) (x + 0.044715 x^3): 1 + tanh(u/2) = 2 sigmoid(u) */
SL_INLINE vf gelu_tanh_inner(vf x) {
    return vf_set1(1.59576912f) * x * vf_fma(x * x, vf_set1(0.044715f), vf_set1(1));
}

SL_INLINE vf v_activation(const sl_cpu_activation kind, vf x) {
    switch (kind) {
    case SL_ACT_SILU:
        return x * v_sigmoid(x);
    case SL_ACT_GELU:
        return v_gelu(x);
    case SL_ACT_QUICK_GELU:
        return x * v_sigmoid(x * vf_set1(1.702f));
    case SL_ACT_GELU_TANH:
        return x * v_sigmoid(gelu_tanh_inner(x));
    case SL_ACT_TANH:
        return v_tanh(x);
    case SL_ACT_SIGMOID:
        return v_sigmoid(x);
    case SL_ACT_RELU:
        return vf_max(vf_zero(), x);
    default:
        return x;
    }
}

/* The derivative, as a function of x; of the activation's value for TANH, SIGMOID and RELU. */
SL_INLINE vf v_activation_slope(const sl_cpu_activation kind, vf x) {
    const vf one = vf_set1(1);
    switch (kind) {
    case SL_ACT_SILU: {
        vf s = v_sigmoid(x);
        return s * vf_fma(x, one - s, one);
    }
    case SL_ACT_GELU: {
        normal n = v_normal(x);
        return vf_fma(x, n.density, n.distribution);
    }
    case SL_ACT_QUICK_GELU: {
        vf s = v_sigmoid(x * vf_set1(1.702f));
        return s * vf_fma(x * vf_set1(1.702f), one - s, one);
    }
    case SL_ACT_GELU_TANH: {
        vf s = v_sigmoid(gelu_tanh_inner(x));
        vf inner_slope = vf_set1(1.59576912f) * vf_fma(x * x, vf_set1(3 * 0.044715f), one);
        return s * vf_fma(x * inner_slope, one - s, one);
    }
    case SL_ACT_TANH:
        return one - x * x;
    case SL_ACT_SIGMOID:
        return x * (one - x);
    case SL_ACT_RELU:
        return vf_select(vf_less(vf_zero(), x), one, vf_zero());
    default:
        return one;
    }
}

#endif
