#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t sl_f32_to_bf16(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float sl_bf16_to_f32(uint16_t bits) {
    return float_of((uint32_t)bits << 16);
}

uint16_t sl_f32_to_f16(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds to 65536 or more */
    if (magnitude < 0x38800000) {                                  /* subnormal: units of 2^-24 */
        float scaled = float_of(magnitude) * 0x1p24f;
        return (uint16_t)(sign | (uint32_t)lrintf(scaled));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

float sl_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

static double load(sl_dtype dtype, const void *source, size_t i) {
    switch (dtype) {
    case SL_F32:
        return (double)((const float *)source)[i];
    case SL_F64:
        return ((const double *)source)[i];
    case SL_F16:
        return (double)sl_f16_to_f32(((const uint16_t *)source)[i]);
    case SL_BF16:
        return (double)sl_bf16_to_f32(((const uint16_t *)source)[i]);
    case SL_I8:
        return ((const int8_t *)source)[i];
    case SL_I16:
        return ((const int16_t *)source)[i];
    case SL_I32:
        return ((const int32_t *)source)[i];
    case SL_I64:
        return (double)((const int64_t *)source)[i];
    case SL_U8:
    case SL_BOOL:
        return ((const uint8_t *)source)[i];
    case SL_U16:
        return ((const uint16_t *)source)[i];
    case SL_U32:
        return ((const uint32_t *)source)[i];
    case SL_U64:
        return (double)((const uint64_t *)source)[i];
    default:
        return 0;
    }
}

static double clamp_round(double value, double low, double high) {
    if (isnan(value)) return 0;
    value = nearbyint(value);
    return value < low ? low : value > high ? high : value;
}

static void store(sl_dtype dtype, void *target, size_t i, double value) {
    switch (dtype) {
    case SL_F32:
        ((float *)target)[i] = (float)value;
        break;
    case SL_F64:
        ((double *)target)[i] = value;
        break;
    case SL_F16:
        ((uint16_t *)target)[i] = sl_f32_to_f16((float)value);
        break;
    case SL_BF16:
        ((uint16_t *)target)[i] = sl_f32_to_bf16((float)value);
        break;
    case SL_I8:
        ((int8_t *)target)[i] = (int8_t)clamp_round(value, INT8_MIN, INT8_MAX);
        break;
    case SL_I16:
        ((int16_t *)target)[i] = (int16_t)clamp_round(value, INT16_MIN, INT16_MAX);
        break;
    case SL_I32:
        ((int32_t *)target)[i] = (int32_t)clamp_round(value, INT32_MIN, INT32_MAX);
        break;
    case SL_I64: /* 2^63 itself does not fit: clamp to the largest double below it */
        ((int64_t *)target)[i] = (int64_t)clamp_round(value, -0x1p63, 0x1.fffffffffffffp62);
        break;
    case SL_U8:
        ((uint8_t *)target)[i] = (uint8_t)clamp_round(value, 0, UINT8_MAX);
        break;
    case SL_U16:
        ((uint16_t *)target)[i] = (uint16_t)clamp_round(value, 0, UINT16_MAX);
        break;
    case SL_U32:
        ((uint32_t *)target)[i] = (uint32_t)clamp_round(value, 0, UINT32_MAX);
        break;
    case SL_U64:
        ((uint64_t *)target)[i] = (uint64_t)clamp_round(value, 0, 0x1.fffffffffffffp63);
        break;
    case SL_BOOL:
        ((uint8_t *)target)[i] = value != 0;
        break;
    default:
        break;
    }
}

void sl_convert(sl_dtype from, const void *source, sl_dtype to, void *target, size_t count) {
    if (from == to) {
        if (count) memcpy(target, source, count * sl_dtype_bytes(from));
        return;
    }
    if (from == SL_F32 && to == SL_BF16) {
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)target)[i] = sl_f32_to_bf16(((const float *)source)[i]);
        return;
    }
    if (from == SL_BF16 && to == SL_F32) {
        for (size_t i = 0; i < count; i++)
            ((float *)target)[i] = sl_bf16_to_f32(((const uint16_t *)source)[i]);
        return;
    }
    for (size_t i = 0; i < count; i++) store(to, target, i, load(from, source, i));
}
